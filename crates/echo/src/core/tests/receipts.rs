//! Who has signed to have stored what: never more than is so.

use std::collections::BTreeMap;

use dxos_credentials::Role;
use dxos_document::Transaction;
use dxos_feed::Receipt;
use dxos_keys::BlockHash;
use dxos_protocol::echo::SyncStatus;
use dxos_protocol::replicate::Message;
use dxos_store::{CrashPlan, Durability, MemDisk, MemStore, Store as _};
use proptest::prelude::*;

use super::{Net, object, task};
use crate::core::layout;

impl Net {
    /// What the actor does from time to time: syncs, signs, passes on.
    fn receipts(&mut self, number: usize) {
        self.now_ms += 60_000;
        if let Some(candidate) = self.replicas[number].space.receipt_candidate(self.now_ms) {
            self.replicas[number].store.sync().unwrap();
            let signed = self.replicas[number]
                .space
                .sign_receipt(candidate, self.now_ms);
            self.carry_out(number, signed.unwrap());
        }
        let mut outcome = super::Outcome::default();
        let space = &mut self.replicas[number].space;
        space.spread_receipts(&mut outcome).unwrap();
        self.carry_out(number, outcome);
    }

    fn all_receipts(&mut self) {
        for _ in 0..self.replicas.len() {
            for number in 0..self.replicas.len() {
                self.receipts(number);
            }
            self.settle();
        }
    }

    fn status(&self, number: usize) -> SyncStatus {
        let replica = &self.replicas[number];
        replica.space.sync_status(None, &replica.store).unwrap()
    }

    /// No replica believes that a device has more on its disk than it has.
    fn assert_true(&self) {
        for (reader, replica) in self.replicas.iter().enumerate() {
            for claimed in self.status(reader).devices {
                let of = self
                    .replicas
                    .iter()
                    .position(|replica| replica.space.device() == claimed.device);
                let left = MemDisk::new();
                left.restore(&self.replicas[of.unwrap()].disk.durable());
                let durable = MemStore::open(&left).unwrap();
                let missing: BTreeMap<_, _> = claimed
                    .missing_ranges
                    .iter()
                    .map(|range| (range.feed, range.from))
                    .collect();
                for (feed, state) in replica.space.dag.feeds() {
                    let stored = missing.get(feed).copied().unwrap_or(state.length);
                    for seq in 0..stored {
                        // The hash: signatures that are not needed may be left out.
                        let hash = |store: &MemStore| {
                            let key = layout::block_key(feed, seq);
                            let row = dxos_store::Read::get(store, layout::BLOCKS, &key);
                            row.unwrap().map(|row| row.slice(..BlockHash::LENGTH))
                        };
                        assert_eq!(
                            hash(&replica.store),
                            hash(&durable),
                            "{reader} believes that {of:?} has block {seq} of {feed}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn everybody_knows_who_has_stored_what_also_of_those_they_never_met() {
    let mut net = Net::of(1, &[Role::Editor, Role::Reader]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(1, task(1, 1));
    net.settle();
    assert!(!net.status(1).is_complete());
    net.all_receipts();
    for number in 0..3 {
        let status = net.status(number);
        assert!(status.is_complete(), "{number}: {status:?}");
        assert_eq!(status.stored_elsewhere().count(), 2);
    }
    net.edit(1, task(2, 1));
    net.settle();
    // It came to everybody, and nobody has said yet to have it on the disk.
    let status = net.status(1);
    assert!(status.devices.iter().all(|device| device.missing == 1));
    net.receipts(0);
    net.settle();
    let status = net.status(1);
    assert_eq!(status.stored_elsewhere().count(), 1);
    net.all_receipts();
    assert!(net.status(1).is_complete());
    // All of it is known after a restart.
    net.reopen(1, |_| {});
    assert!(net.status(1).is_complete());
}

#[test]
fn the_status_of_an_object_leaves_out_what_came_after_its_last_change() {
    let mut net = Net::of(2, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.settle();
    net.all_receipts();
    net.edit(0, task(2, 1));
    let of = |net: &Net, number| {
        let replica = &net.replicas[0];
        let status = replica
            .space
            .sync_status(Some(object(number)), &replica.store);
        status.unwrap()
    };
    assert!(of(&net, 1).is_complete());
    assert!(!of(&net, 2).is_complete());
    let set = Transaction::new().set(object(1), "title", 2);
    net.edit(0, set.ops);
    assert!(!of(&net, 1).is_complete());
    net.settle();
    net.all_receipts();
    assert!(of(&net, 1).is_complete() && of(&net, 2).is_complete());
}

#[test]
fn receipts_that_are_forged_or_of_strangers_are_not_believed() {
    let mut net = Net::of(3, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.settle();
    net.all_receipts();
    net.edit(0, task(2, 1));
    let heads = |net: &Net| {
        let feeds = net.replicas[0].space.dag.feeds();
        feeds
            .map(|(feed, state)| (*feed, (state.length, state.head)))
            .collect::<BTreeMap<_, _>>()
    };
    let stranger = super::authority(99);
    let strange = Receipt::sign(net.key, 9, 1, heads(&net), &*stranger.signer);
    let mut forged = strange.clone();
    forged.device = net.replicas[1].space.device();
    for receipt in [strange, forged] {
        net.deliver(1, 0, Message::Receipt(Box::new(receipt)));
    }
    let status = net.status(0);
    assert_eq!(status.devices.len(), 2);
    assert_eq!(status.stored_elsewhere().count(), 0);
}

#[test]
fn a_device_that_deletes_a_space_takes_back_what_it_signed() {
    let mut net = Net::of(4, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(1, task(1, 1));
    net.settle();
    net.all_receipts();
    assert!(net.status(1).is_complete());
    let candidate = {
        net.edit(2, task(2, 1));
        net.now_ms += 60_000;
        let space = &mut net.replicas[2].space;
        space.receipt_candidate(net.now_ms).unwrap()
    };
    let withdrawn_ms = net.now_ms;
    let withdrawn = net.replicas[2].space.withdraw_receipts(net.now_ms).unwrap();
    net.carry_out(2, withdrawn);
    // A sync that was under way says nothing any more.
    let signed = net.replicas[2].space.sign_receipt(candidate, net.now_ms);
    net.carry_out(2, signed.unwrap());
    net.settle();
    // Its peer has it in memory alone, and could forget it.
    assert!(!net.replicas[2].space.is_withdrawal_heard());
    net.receipts(0);
    net.settle();
    assert!(net.replicas[2].space.is_withdrawal_heard());
    net.receipts(1);
    let device = net.replicas[2].space.device();
    for number in 0..2 {
        net.reopen(number, |_| {});
        let status = net.status(number);
        let of = status
            .devices
            .iter()
            .find(|of| of.device == device)
            .unwrap();
        assert!(of.withdrawn, "{number}: {of:?}");
        assert_eq!(of.signed_at_ms, Some(withdrawn_ms));
        assert_eq!((of.stored, of.missing), (0, status.blocks));
        assert!(!status.is_complete() && status.stored_elsewhere().all(|of| of.device != device));
    }
    // It has the space again, and says so.
    net.connect(0, 1);
    net.connect(0, 2);
    net.all_receipts();
    assert!(net.status(1).is_complete() && net.status(2).is_complete());
}

#[test]
fn a_withdrawal_waits_for_a_first_peer_if_anybody_is_to_know() {
    let mut net = Net::of(6, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(1, task(1, 1));
    net.settle();
    net.all_receipts();
    // As of a space that was closed, and is opened to be deleted.
    net.reopen(1, |_| {});
    let withdrawn = net.replicas[1].space.withdraw_receipts(net.now_ms).unwrap();
    net.carry_out(1, withdrawn);
    assert!(!net.replicas[1].space.is_withdrawal_heard());
    net.connect(0, 1);
    net.settle();
    net.receipts(0);
    net.settle();
    assert!(net.replicas[1].space.is_withdrawal_heard());
    let device = net.replicas[1].space.device();
    let mut devices = net.status(0).devices.into_iter();
    assert!(devices.any(|of| of.device == device && of.withdrawn));

    // Nobody else is there, and it is not waited for.
    let mut alone = Net::of(7, &[]);
    alone.edit(0, task(1, 1));
    alone.all_receipts();
    let withdrawn = alone.replicas[0].space.withdraw_receipts(alone.now_ms);
    alone.carry_out(0, withdrawn.unwrap());
    assert!(alone.replicas[0].space.is_withdrawal_heard());
}

#[test]
fn what_was_signed_before_a_removal_does_not_count_after_a_new_admission() {
    let mut net = Net::of(5, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(1, task(1, 1));
    net.settle();
    net.all_receipts();
    net.disconnect(0, 2);
    let identity = net.replicas[2].authority.chain.device().identity;
    net.control(0, |space, now_ms, parts| {
        space.remove_member(identity, now_ms, parts)
    })
    .unwrap();
    net.settle();
    let guest = net.replicas[2].authority.clone();
    net.admit(0, &guest, Role::Editor);
    net.settle();
    net.all_receipts();
    let device = guest.chain.device().device;
    for number in 0..2 {
        let status = net.status(number);
        let of = status
            .devices
            .iter()
            .find(|of| of.device == device)
            .unwrap();
        assert_eq!((of.receipt, of.stored), (None, 0), "{number}");
    }
    net.connect(0, 2);
    net.settle();
    net.all_receipts();
    assert!(net.status(1).is_complete(), "{:?}", net.status(1));
}

#[test]
fn what_a_device_says_before_it_is_known_is_believed_later() {
    let mut net = Net::of(7, &[Role::Editor]);
    net.connect(0, 1);
    net.settle();
    // It forgets whom it admitted, and hears what that device has stored before it knows it again.
    net.reopen(0, |disk| {
        disk.crash(CrashPlan::power_loss(0));
    });
    net.write_again_now(0);
    net.connect(0, 1);
    net.receipts(1);
    net.settle();
    net.all_receipts();
    for number in 0..2 {
        let status = net.status(number);
        assert!(status.is_complete(), "{number}: {status:?}");
    }
}

#[test]
fn what_others_pass_on_of_devices_that_are_not_known_yet_is_believed_later() {
    let mut net = Net::of(0, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.settle();
    // The second forgets that there is a third, and hears what that has stored from the first.
    net.reopen(1, |disk| {
        disk.crash(CrashPlan::power_loss(0));
    });
    net.write_again_now(1);
    let image = net.replicas[1].disk.snapshot();
    for _ in 0..2 {
        net.reopen(1, |disk| disk.restore(&image));
        net.connect(0, 1);
        net.all_receipts();
    }
    for number in 0..3 {
        let status = net.status(number);
        assert!(status.is_complete(), "{number}: {status:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_believed_that_is_not_so_over_crashes_backups_and_forks(
        seed: u64,
        steps in prop::collection::vec((0..9_u8, 0..3_usize, any::<bool>()), 1..40),
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 1);
        net.connect(0, 2);
        net.settle();
        let mut image = None;
        let mut made = 0;
        for (step, number, choice) in steps {
            match step {
                0..=2 => {
                    made += 1;
                    net.edit(number, task(made, 1));
                }
                3 | 4 => net.settle(),
                5 => net.receipts(number),
                6 => {
                    net.reopen(number, |disk| if choice {
                        disk.crash(CrashPlan::power_loss(0));
                    });
                    net.write_again_now(number);
                    if number == 0 {
                        net.connect(0, 1);
                        net.connect(0, 2);
                    } else {
                        net.connect(0, number);
                    }
                }
                7 => {
                    let replica = &mut net.replicas[1];
                    if choice && let Some(batch) = replica.space.close() {
                        replica.store.commit(batch, Durability::Buffered).unwrap();
                    }
                    image = Some(replica.disk.snapshot());
                }
                _ => if let Some(image) = &image {
                    net.reopen(1, |disk| disk.restore(image));
                    net.connect(0, 1);
                    // It has forgotten what it signed, and says so when it meets somebody.
                    net.all_receipts();
                },
            }
            net.assert_true();
        }
        net.settle();
        net.all_receipts();
        net.assert_true();
        for number in 0..3 {
            prop_assert!(net.status(number).is_complete(), "{}: {:?}", number, net.status(number));
        }
    }
}
