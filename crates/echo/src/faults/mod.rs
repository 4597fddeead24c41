//! The nth write, read or sync of a disk fails, for every n of a workload that does everything
//! that a space does: nobody panics, nothing that was acknowledged is lost, no answer is wrong,
//! and all is well once the disk is.

mod ann;
mod peer;
mod workload;

use dxos_actors::testing;
use dxos_store::Access;
use proptest::prelude::*;

use self::ann::{Fault, Kind};
use self::workload::{Ran, run};

/// How many objects the largest transaction makes, unless a test is about that.
const OBJECTS: u16 = 20;

fn with(seed: u64, objects: u16, fault: Option<Fault>) -> Ran {
    if let Some(fault) = fault {
        // Which of them it was, should it fail.
        println!("seed {seed}: {fault:?}");
    }
    testing::run(seed, move |world| async move {
        run(&world, objects, fault).await
    })
}

/// Fails each call of a kind in turn: how, and whether that lasts, is said by its number.
fn each(access: Access, how: impl Fn(u64) -> (Kind, bool)) {
    let calls = with(1, OBJECTS, None);
    let count = match access {
        Access::Commit => calls.commits,
        Access::Read => calls.reads,
        Access::Sync => calls.syncs,
    };
    let mut noticed = 0;
    for after in 0..count {
        let (kind, lasts) = how(after);
        let fault = Fault {
            access,
            after,
            lasts,
            kind,
        };
        noticed += u64::from(with(1, OBJECTS, Some(fault)).failures > 0);
    }
    // What fails in the background is made up for there.
    assert!(
        noticed * 3 > count,
        "only {noticed} of {count} were told of"
    );
}

#[test]
fn a_disk_that_is_full_at_any_write_loses_nothing() {
    each(Access::Commit, |_| (Kind::Full, false));
}

#[test]
fn a_disk_that_stays_full_or_fails_at_any_write_loses_nothing() {
    each(Access::Commit, |after| match after % 2 {
        0 => (Kind::Full, true),
        _ => (Kind::Io, false),
    });
}

#[test]
fn a_write_that_fails_before_the_power_does_loses_nothing_durable() {
    each(Access::Commit, |_| (Kind::IoAndPower, false));
}

#[test]
fn a_sync_that_fails_anywhere_loses_nothing() {
    each(Access::Sync, |after| match after % 3 {
        0 => (Kind::Full, false),
        1 => (Kind::Full, true),
        _ => (Kind::Io, false),
    });
}

#[test]
fn a_sync_that_fails_before_the_power_does_loses_nothing_durable() {
    each(Access::Sync, |_| (Kind::IoAndPower, false));
}

#[test]
fn a_transaction_of_a_thousand_objects_is_there_whole_or_not_at_all() {
    // The write of it, and a read and a sync near by.
    for (access, after) in [(Access::Commit, 5), (Access::Read, 1_000)] {
        let fault = Fault {
            access,
            after,
            lasts: false,
            kind: Kind::Full,
        };
        with(2, 1_000, Some(fault));
    }
}

proptest! {
    // There are thousands of reads: every run of the tests fails others.
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_read_that_fails_anywhere_gives_no_wrong_answer(
        seed in 0..1_000_u64,
        after in 0..3_800_u64,
        lasts: bool,
    ) {
        let (access, kind) = (Access::Read, Kind::Io);
        with(seed, OBJECTS, Some(Fault { access, after, lasts, kind }));
    }
}
