//! Bursts of edits that nobody hears of, which are signed once.

use dxos_credentials::Role;
use dxos_document::{Op, Transaction};
use dxos_feed::{BlockIndex as _, Designation};
use dxos_store::CrashPlan;
use proptest::prelude::*;

use super::doctor::looked_at;
use super::{Net, object, task};

/// Which of the data blocks that a replica wrote itself are signed.
fn signed(net: &Net, number: usize) -> Vec<bool> {
    let replica = &net.replicas[number];
    let device = replica.space.device();
    let feeds = replica.space.dag.feeds();
    let own = feeds.filter(|(_, state)| {
        state.descriptor.device == device && state.descriptor.designation == Designation::Data
    });
    let blocks = replica.space.blocks(&replica.store);
    own.flat_map(|(feed, state)| (0..state.length).map(|seq| (*feed, seq)))
        .map(|(feed, seq)| {
            let block = blocks.block(&feed, seq).unwrap().unwrap();
            !block.signature.is_absent()
        })
        .collect()
}

fn large(number: u8) -> Vec<Op> {
    let text = "x".repeat(100_000);
    Transaction::new()
        .create(object(number), "page", [("text", text)])
        .ops
}

#[test]
fn a_burst_that_nobody_hears_of_is_signed_at_both_ends() {
    let mut net = Net::of(1, &[Role::Editor]);
    for number in 1..6 {
        net.edit(1, task(number, 1));
    }
    assert_eq!(signed(&net, 1), [true, false, false, false, false]);
    assert!(looked_at(&net.replicas[1], false).findings.is_empty());
    net.connect(0, 1);
    assert_eq!(signed(&net, 1), [true, false, false, false, false, true]);
    net.edit(1, task(6, 1));
    net.settle();
    assert_eq!(signed(&net, 1).last(), Some(&true), "somebody hears of it");
    net.assert_same(&[0, 1]);
    assert!((1..=6).all(|number| net.replicas[0].has(number)));
    for replica in &net.replicas {
        assert!(looked_at(replica, false).findings.is_empty());
    }
    // The next meeting needs nothing more.
    let length = signed(&net, 1).len();
    net.disconnect(0, 1);
    net.connect(0, 1);
    net.settle();
    assert_eq!(signed(&net, 1).len(), length);
}

#[test]
fn a_burst_that_ends_alone_is_closed_and_the_next_one_begins_with_a_signature() {
    let mut net = Net::new(1);
    net.edit(0, task(1, 1));
    net.edit(0, task(2, 1));
    net.quiet(0);
    assert_eq!(signed(&net, 0), [true, false, true]);
    net.edit(0, task(3, 1));
    net.quiet(0);
    assert_eq!(
        signed(&net, 0),
        [true, false, true, true],
        "one edit is signed itself"
    );
}

#[test]
fn what_a_killed_process_left_unsigned_reaches_others() {
    let mut net = Net::of(1, &[Role::Editor]);
    for number in 1..4 {
        net.edit(1, task(number, 1));
    }
    net.reopen(1, |_| {});
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!((1..4).all(|number| net.replicas[0].has(number)));
    net.edit(1, task(9, 1));
    net.settle();
    net.assert_same(&[0, 1]);
    assert_eq!((net.replicas[0].forks(), net.replicas[1].forks()), (0, 0));
}

#[test]
fn unsigned_edits_before_an_epoch_are_in_its_snapshot_and_later_ones_follow_it() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(0, task(1, 1));
    net.edit(0, task(2, 1));
    net.try_epoch(0).unwrap();
    net.edit(0, task(3, 1));
    net.edit(0, task(4, 1));
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!((1..=4).all(|number| net.replicas[1].has(number)));
}

#[test]
fn what_vouches_for_a_burst_is_on_the_disk_before_anybody_has_it() {
    for survivors in 0..6 {
        let mut net = Net::of(1, &[Role::Editor]);
        for number in 1..4 {
            net.edit(1, task(number, 1));
        }
        net.connect(0, 1);
        net.settle();
        net.reopen(1, |disk| {
            disk.crash(CrashPlan::power_loss(survivors));
        });
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1]);
        assert_eq!((net.replicas[0].forks(), net.replicas[1].forks()), (0, 0));
    }
}

#[derive(Clone, Debug)]
enum Act {
    Edit,
    Large,
    Quiet,
    Meet,
    Part,
    /// The process ends, and perhaps the power.
    End(Option<(usize, bool)>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Edit),
        1 => Just(Act::Large),
        2 => Just(Act::Quiet),
        2 => Just(Act::Meet),
        2 => Just(Act::Part),
        1 => Just(Act::End(None)),
        2 => (0..6_usize, any::<bool>()).prop_map(|power| Act::End(Some(power))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_bursts_nobody_forks_and_what_was_shown_stays(
        seed: u64,
        acts in prop::collection::vec((act(), 0..30_usize), 1..30),
    ) {
        let mut net = Net::of(seed, &[Role::Editor]);
        let (mut number, mut is_met) = (0_u8, false);
        let mut shown = Vec::new();
        for (act, steps) in acts {
            match act {
                Act::Edit | Act::Large if number < 250 => {
                    number += 1;
                    let ops = if matches!(act, Act::Large) { large(number) } else { task(number, 1) };
                    net.edit(1, ops);
                }
                Act::Quiet => net.quiet(1),
                Act::Meet if !is_met => {
                    net.connect(0, 1);
                    is_met = true;
                }
                Act::Part => {
                    net.disconnect(0, 1);
                    is_met = false;
                }
                Act::End(power) => {
                    net.reopen(1, |disk| if let Some((survivors, torn)) = power {
                        let plan = CrashPlan::power_loss(survivors);
                        disk.crash(if torn { plan.torn() } else { plan });
                    });
                    is_met = false;
                }
                _ => {}
            }
            for _ in 0..steps {
                net.step();
            }
            shown = (1..=number).filter(|number| net.replicas[0].has(*number)).collect();
        }
        net.disconnect(0, 1);
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1]);
        for number in shown {
            prop_assert!(net.replicas[1].has(number), "{} is lost", number);
        }
        prop_assert_eq!((net.replicas[0].forks(), net.replicas[1].forks()), (0, 0));
        for replica in &net.replicas {
            let found = looked_at(replica, false).findings;
            prop_assert!(found.is_empty(), "{:?}", found);
        }
    }
}
