use dxos_credentials::Role;
use dxos_store::CrashPlan;
use proptest::prelude::*;

use super::{Net, rng, task};

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_that_the_disk_lost_come_back_and_nobody_forks(
        seed: u64,
        sent in 0..8_u8,
        unsent in 0..4_u8,
        survivors in 0..6_usize,
        torn: bool,
    ) {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.connect(0, 1);
        net.settle();
        for number in 0..sent {
            net.edit(1, task(number, 1));
        }
        net.settle();
        for number in 0..unsent {
            net.edit(1, task(100 + number, 1));
        }
        let plan = CrashPlan::power_loss(survivors);
        let plan = if torn { plan.torn() } else { plan };
        net.reopen(1, |disk| {
            disk.crash(plan);
        });
        // It writes before it hears from anybody.
        net.edit(1, task(200, 1));
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1]);
        for number in (0..sent).chain([200]) {
            prop_assert!(net.replicas[1].has(number), "{}", number);
        }
        prop_assert_eq!((net.replicas[0].forks(), net.replicas[1].forks()), (0, 0));
    }
}

#[test]
fn a_clean_close_leaves_no_mark_and_the_feeds_go_on() {
    let mut net = Net::new(1);
    net.edit(0, task(1, 1));
    let feeds = net.replicas[0].space.dag.feeds().count();
    let replica = &mut net.replicas[0];
    let batch = replica.space.close().unwrap();
    dxos_store::Store::commit(&replica.store, batch, dxos_store::Durability::Buffered).unwrap();
    assert!(replica.space.close().is_none());
    net.reopen(0, |_| {});
    net.edit(0, task(2, 1));
    assert_eq!(net.replicas[0].space.dag.feeds().count(), feeds);
    assert!(net.replicas[0].has(1) && net.replicas[0].has(2));
}

#[test]
fn a_restored_backup_hears_of_what_it_lacks_before_it_writes() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    let twin = net.twin(1);
    net.edit(1, task(1, 1));
    net.settle();
    net.disconnect(0, 1);
    net.connect(0, twin);
    net.settle();
    net.edit(twin, task(2, 1));
    net.settle();
    net.assert_same(&[0, twin]);
    assert!(net.replicas[twin].has(1) && net.replicas[0].has(2));
    assert_eq!(net.replicas[0].forks(), 0);
}

#[test]
fn a_space_that_a_failed_commit_reset_goes_on_from_the_store() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(1, task(1, 1));
    let replica = &mut net.replicas[1];
    // The batch of this one never arrives.
    drop(
        replica
            .space
            .commit(task(2, 1), 9, (&replica.store, &mut rng(9))),
    );
    let key = net.key;
    let spare = Net::of(1, &[Role::Editor]).replicas.remove(1);
    let lost = std::mem::replace(&mut net.replicas[1], spare);
    let space = lost.space.open_again(&lost.store).unwrap();
    assert_eq!(space.key(), key);
    net.replicas[1] = super::Replica { space, ..lost };
    net.edit(1, task(3, 1));
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!(net.replicas[0].has(1) && net.replicas[0].has(3) && !net.replicas[0].has(2));
    assert_eq!(net.replicas[0].forks(), 0);
}

#[test]
fn a_transaction_that_fails_or_only_reads_writes_nothing_at_all() {
    use dxos_protocol::echo::{Aborted, EchoError, Work};
    let mut net = Net::new(1);
    net.edit(0, task(1, 1));
    let replica = &mut net.replicas[0];
    let batch = replica.space.close().unwrap();
    dxos_store::Store::commit(&replica.store, batch, dxos_store::Durability::Buffered).unwrap();
    net.reopen(0, |_| {});
    let replica = &mut net.replicas[0];
    let fails = Work::new(|tx| {
        tx.set(super::object(1), "title", 2).unwrap();
        Err(Aborted)
    });
    let reads = Work::new(|tx| {
        assert_eq!(
            tx.existing(super::object(1)).unwrap().get("title"),
            Some(&1.into())
        );
        Ok(())
    });
    for (work, wanted) in [
        (fails, Err(EchoError::TransactionAborted)),
        (reads, Ok(None)),
    ] {
        let parts: (_, &mut dyn rand_core::CryptoRng) = (&replica.store as _, &mut net.rng);
        let (transacted, outcome) = replica.space.transact(work, 9, parts).unwrap();
        assert_eq!(transacted, wanted);
        assert!(outcome.batch.is_empty() && !outcome.synced);
    }
}
