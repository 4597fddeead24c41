//! Devices whose disks were restored from a backup, and that write before they meet anybody.

use std::collections::BTreeSet;

use dxos_credentials::{Profile, Role};
use dxos_document::{Text, Transaction, Value};
use dxos_keys::{BlockHash, IdentityKey};
use dxos_protocol::replicate::{Message, Place, SessionId};
use dxos_store::{CrashPlan, Durability, MemDisk, Store as _};
use proptest::prelude::*;

use super::{Net, authority, object, task};

impl Net {
    /// Puts an older image of its disk back into a device.
    pub(super) fn restore(&mut self, number: usize, image: &dxos_store::MemSnapshot) {
        self.reopen(number, |disk| disk.restore(image));
    }

    /// An image of a device's disk, made while it was quiet or in the middle of its work.
    pub(super) fn image(&mut self, number: usize, quiet: bool) -> dxos_store::MemSnapshot {
        let replica = &mut self.replicas[number];
        if quiet && let Some(batch) = replica.space.close() {
            replica.store.commit(batch, Durability::Buffered).unwrap();
        }
        replica.disk.snapshot()
    }

    pub(super) fn count(&mut self, number: usize, by: i64) {
        let add = Transaction::new().increment(object(0), "n", by);
        self.edit(number, add.ops);
    }

    fn write_text(&mut self, number: usize, word: String) {
        self.transact(number, move |tx| {
            let mut text = tx.text(object(0), "text")?;
            let end = text.len();
            text.insert(end, &word)
        });
    }

    pub(super) fn property(&self, number: usize, name: &str) -> Value {
        let objects = self.replicas[number].objects();
        let found = objects.iter().find(|found| found.id() == object(0));
        found.unwrap().get(name).unwrap().clone()
    }
}

fn begin(seed: u64) -> Net {
    let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    let none = [
        ("n", Value::Counter(0)),
        ("text", Value::from(Text::from(""))),
    ];
    let create = Transaction::new().create(object(0), "task", none);
    net.edit(0, create.ops);
    net.settle();
    net
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_device_that_writes_before_it_meets_anybody_loses_nothing(
        seed: u64,
        before in 0..3_u8,
        lost in 1..12_u8,
        after in 1..4_u8,
        // Whom the others' edits come between, and whom the device meets first.
        between: bool,
        first in prop::sample::select(vec![0_usize, 2]),
        crashes in prop::collection::vec((0..4_usize, any::<bool>()), 0..3),
        again: bool,
        quiet in prop::bool::weighted(0.8),
    ) {
        let mut net = begin(seed);
        let mut sum = 0;
        for number in 0..before {
            net.edit(1, task(10 + number, 1));
            net.count(1, 1);
            sum += 1;
        }
        net.settle();
        let image = net.image(1, quiet);
        let mut words = Vec::new();
        for number in 0..lost {
            net.edit(1, task(50 + number, 1));
            net.count(1, 10);
            let word = format!("<lost{number}>");
            net.write_text(1, word.clone());
            words.push(word);
            sum += 10;
            if between {
                // Others build on what is lost.
                net.settle();
                net.edit(0, task(150 + number, 1));
                net.write_text(0, format!("[{number}]"));
                words.push(format!("[{number}]"));
                net.settle();
            }
        }
        net.settle();
        for round in 0..=u8::from(again) {
            net.restore(1, &image);
            for number in 0..after {
                net.edit(1, task(100 + 10 * round + number, 1));
                net.count(1, 100);
                let word = format!("<new{round}.{number}>");
                net.write_text(1, word.clone());
                words.push(word);
                sum += 100;
            }
            if round == 0 && again {
                // What was written after the first time gets around, and is lost again.
                net.connect(1, first);
                net.settle();
            }
        }
        // What is to come back was on the disk.
        net.replicas[1].store.sync().unwrap();
        net.connect(1, first);
        let mut crashes = crashes.into_iter();
        for _ in 0..20_000 {
            if net.replicas[1].forks() > 0 && let Some((survivors, power)) = crashes.next() {
                net.reopen(1, |disk| if power {
                    disk.crash(CrashPlan::power_loss(survivors));
                });
                net.write_again_now(1);
                net.connect(1, first);
            }
            if !net.step() {
                break;
            }
        }
        net.settle();
        net.connect(1, 2 - first);
        net.settle();
        net.assert_same(&[0, 1, 2]);
        let numbers = (10..10 + before).chain(50..50 + lost);
        let numbers = numbers.chain(100..100 + after);
        for number in numbers.chain((0..lost).filter(|_| between).map(|number| 150 + number)) {
            prop_assert!(net.replicas[0].has(number), "{} is lost", number);
        }
        prop_assert_eq!(net.property(0, "n"), Value::Counter(sum));
        let text = net.property(0, "text");
        let Value::Text(text) = text else { panic!("no text") };
        let text = text.as_str().to_owned();
        for word in &words {
            prop_assert_eq!(text.matches(word.as_str()).count(), 1, "{} in {}", word, text);
        }
        // Writing goes on, and whoever comes later has it all.
        net.edit(1, task(200, 1));
        let new = net.join(0, Role::Editor);
        net.connect(0, new);
        net.settle();
        net.assert_same(&[0, 1, 2, new]);
        prop_assert!(net.replicas[new].has(200));
    }
}

#[test]
fn a_long_lost_branch_comes_back_in_parts() {
    let mut net = begin(3);
    let image = net.image(1, true);
    for number in 0..8 {
        // No block is small, and together they fit no frame.
        let noise: Vec<u8> = (0..120_000_u64)
            .map(|n| (n.wrapping_mul(n + u64::from(number) + 7) >> 7).to_le_bytes()[0])
            .collect();
        let create =
            Transaction::new().create(object(50 + number), "file", [("data", Value::Bytes(noise))]);
        net.edit(1, create.ops);
    }
    net.settle();
    net.edit(0, task(1, 1));
    net.settle();
    net.restore(1, &image);
    net.edit(1, task(2, 1));
    net.connect(1, 0);
    net.settle();
    let new = net.join(0, Role::Editor);
    net.connect(0, new);
    net.settle();
    net.assert_same(&[0, 1, 2, new]);
    for number in (50..58).chain([1, 2]) {
        assert!(net.replicas[new].has(number), "{number}");
    }
}

#[test]
fn many_branches_that_are_asked_for_at_once_are_all_answered() {
    let mut net = begin(5);
    let image = net.image(1, true);
    for number in 0..8 {
        net.edit(1, task(50 + number, 1));
    }
    net.settle();
    net.restore(1, &image);
    net.edit(1, task(60, 1));
    net.connect(1, 0);
    net.settle();
    let peer = &mut net.replicas[0];
    let feed = peer.space.report(&peer.store).forks[0].feed;
    let blocks = crate::core::layout::StoredBlocks {
        store: &peer.store,
        number: super::NUMBER,
    };
    // Each of its blocks is the end of a branch that somebody may need.
    let (mut place, _) = blocks.tips(&feed).next().unwrap().unwrap();
    let mut wanted = BTreeSet::new();
    while let Some(record) = blocks.branch_record(&feed, place).unwrap() {
        wanted.insert(place);
        place = Place {
            // No block stands before the first one.
            seq: place.seq.wrapping_sub(1),
            hash: record.prev,
        };
    }
    assert_eq!(wanted.len(), 8);
    let session = SessionId(1);
    for until in wanted.clone() {
        let message = Message::WantBranch {
            feed,
            until,
            after: None,
        };
        drop(
            peer.space
                .receive(session, message, 1, &peer.store)
                .unwrap(),
        );
    }
    let mut more = true;
    while more {
        let produced = peer
            .space
            .produce(session, 1 << 20, 1, &peer.store)
            .unwrap();
        for message in produced.messages {
            if let Message::Branch { run, .. } = message {
                wanted.retain(|until| until.seq >= run.end());
            }
        }
        more = produced.more;
    }
    assert_eq!(wanted, BTreeSet::new());
}

#[test]
fn a_liar_that_tells_of_branches_that_do_not_exist_gets_nothing() {
    let mut net = begin(4);
    let image = net.image(1, true);
    net.edit(1, task(50, 1));
    net.settle();
    net.restore(1, &image);
    net.edit(1, task(51, 1));
    net.connect(1, 0);
    net.settle();
    let feed = net.replicas[1].space.report(&net.replicas[1].store).forks[0]
        .proof
        .feed();
    let place = |n: u8| Place {
        seq: u64::from(n) + 3,
        hash: BlockHash::from_bytes([n; 32]),
    };
    for round in 0..4 {
        let tips = (0..64).map(|n| place(round * 64 + n)).collect();
        net.deliver(0, 1, Message::Tips { feed, tips });
        net.settle();
    }
    net.edit(1, task(52, 1));
    net.settle();
    net.assert_same(&[0, 1, 2]);
    assert!(net.replicas[0].has(50) && net.replicas[0].has(51) && net.replicas[0].has(52));
}

#[test]
fn whom_a_restored_admin_had_admitted_stays_a_member() {
    for (seed, quiet) in (0..12).map(|seed| (seed, seed % 3 != 0)) {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor]);
        net.connect(0, 1);
        net.connect(0, 2);
        net.edit(1, task(1, 1));
        net.settle();
        let image = net.image(1, quiet);
        let guest = net.join(1, Role::Editor);
        net.connect(1, guest);
        net.connect(0, guest);
        net.settle();
        net.edit(guest, task(50, 1));
        net.settle();
        net.restore(1, &image);
        let other = net.join(1, Role::Editor);
        net.edit(1, task(51, 1));
        net.connect(1, other);
        net.settle();
        net.edit(other, task(52, 1));
        net.settle();
        net.connect(1, 0);
        net.connect(1, 2);
        net.connect(0, other);
        net.connect(1, guest);
        net.settle();
        net.edit(guest, task(53, 1));
        net.edit(other, task(54, 1));
        net.settle();
        net.assert_same(&[0, 1, 2, guest, other]);
        // What guests wrote before they were admitted once more does not count.
        for number in [1, 51, 53, 54] {
            assert!(net.replicas[0].has(number), "seed {seed}: {number} is lost");
        }
    }
}

#[test]
fn roles_and_profiles_given_after_a_restore_hold_against_those_that_were_forgotten() {
    for (seed, late) in (0..6).map(|seed| (seed, seed % 2 == 0)) {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor, Role::Editor]);
        for other in [0, 2, 3] {
            net.connect(1, other);
        }
        net.settle();
        let image = net.image(1, true);
        let (changed, kept) = (net.identity(2), net.identity(3));
        let own = net.identity(1);
        for number in 0..4 {
            // So many that its logical time is far ahead of what is written after the restore.
            net.show(1, &format!("before {number}"));
        }
        net.give(1, changed, Role::Reader);
        net.give(1, kept, Role::Reader);
        net.settle();
        net.restore(1, &image);
        net.show(1, "after");
        net.give(1, changed, Role::Replicator);
        if late {
            net.connect(1, 0);
            net.settle();
        }
        net.edit(1, task(1, 1));
        for other in [0, 2, 3] {
            net.connect(1, other);
        }
        net.settle();
        net.assert_same(&[0, 1]);
        for replica in &net.replicas {
            let members = &replica.space.membership;
            let shown = members
                .profile(&own)
                .and_then(|profile| profile.display_name.as_deref());
            assert_eq!(shown, Some("after"), "seed {seed}");
            assert_eq!(
                members.role_of(&changed),
                Some(Role::Replicator),
                "seed {seed}"
            );
            // What nobody changed since is as it was.
            assert_eq!(members.role_of(&kept), Some(Role::Reader), "seed {seed}");
        }
    }
}

impl Net {
    fn identity(&self, number: usize) -> IdentityKey {
        self.replicas[number].space.identity()
    }

    fn show(&mut self, by: usize, name: &str) {
        let profile = Profile::named(name);
        self.control(by, |space, now_ms, (store, _)| {
            space.set_profile(profile, now_ms, store)
        })
        .unwrap();
    }

    fn give(&mut self, by: usize, whom: IdentityKey, role: Role) {
        self.control(by, |space, now_ms, parts| {
            space.set_role(whom, role, now_ms, parts)
        })
        .unwrap();
    }
}

#[test]
fn two_restores_of_one_backup_go_on_in_feeds_of_their_own() {
    for seed in 0..8 {
        let mut net = begin(seed);
        net.edit(1, task(1, 1));
        net.settle();
        // In the middle of its work: what it wrote last may be missing in it.
        let image = net.image(1, false);
        net.edit(1, task(2, 1));
        net.settle();
        net.restore(1, &image);
        let disk = MemDisk::new();
        disk.restore(&image);
        let other = net.open(&disk, &authority(2));
        net.replicas.push(other);
        let other = net.replicas.len() - 1;
        for number in 0..3 {
            net.edit(1, task(10 + number, 1));
            net.edit(other, task(20 + number, 1));
        }
        net.connect(0, 1);
        net.connect(2, other);
        net.settle();
        net.connect(0, 2);
        net.settle();
        net.assert_same(&[0, 1, 2, other]);
        for number in [1, 2, 10, 11, 12, 20, 21, 22] {
            assert!(net.replicas[0].has(number), "seed {seed}: {number} is lost");
        }
        assert_eq!(net.replicas[0].forks(), 0, "seed {seed}");
    }
}

#[test]
fn two_restores_of_one_archive_by_one_device_go_on_in_feeds_of_their_own() {
    for seed in 0..4 {
        let mut net = begin(seed);
        net.edit(1, task(1, 1));
        net.settle();
        let archive = net.archive(0);
        net.disconnect(0, 1);
        let copies = [(); 2].map(|()| net.restore_anew(&authority(2), archive.clone()));
        for (number, copy) in (10..).zip(copies) {
            net.edit(copy, task(number, 1));
        }
        net.connect(0, copies[0]);
        net.connect(2, copies[1]);
        net.settle();
        net.assert_same(&[0, 2, copies[0], copies[1]]);
        assert!(net.replicas[0].has(10) && net.replicas[0].has(11));
        assert_eq!(net.replicas[0].forks(), 0, "seed {seed}");
    }
}
