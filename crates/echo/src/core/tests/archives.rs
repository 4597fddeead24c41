//! Archives of spaces in which a device forked a feed: what others built on the branch that was
//! cut is read where no peer is.

use std::collections::BTreeSet;

use dxos_credentials::{Profile, Role};
use dxos_document::{Transaction, Value};
use dxos_feed::Designation;
use dxos_keys::BlockHash;
use dxos_protocol::echo::{ArchivedRun, EchoError, RestoreBlocks};
use dxos_protocol::halo::Authority;
use dxos_store::{Direction, Durability, KeyRange, MemDisk, Read as _, Store as _};
use proptest::prelude::*;

use super::super::layout::{BLOCKS, BRANCHES};
use super::{Net, authority, object, task};

/// What a file would hold.
#[derive(Clone)]
pub(super) struct Archive {
    pub(super) control: Vec<ArchivedRun>,
    pub(super) blocks: RestoreBlocks,
}

impl Net {
    pub(super) fn archive(&mut self, number: usize) -> Archive {
        self.archive_in_parts(number, usize::MAX)
    }

    /// The same, read in parts of so many bytes.
    fn archive_in_parts(&mut self, number: usize, bytes_max: usize) -> Archive {
        let replica = &mut self.replicas[number];
        let vouched = replica.space.vouch();
        replica.store.commit(vouched, Durability::Buffered).unwrap();
        let manifest = replica.space.manifest(&replica.store).unwrap();
        let read_all = |mut rest| {
            let mut all = Vec::new();
            loop {
                let read = replica.space.read_blocks(rest, bytes_max, &replica.store);
                let (found, left) = read.unwrap();
                if found.is_empty() {
                    return all;
                }
                all.extend(found);
                rest = left;
            }
        };
        let parts = manifest.parts.iter();
        let parts = parts.map(|part| replica.space.read_part(part, &replica.store));
        Archive {
            control: read_all(manifest.control),
            blocks: RestoreBlocks {
                keys: manifest.keys,
                parts: parts.map(|part| part.unwrap().unwrap()).collect(),
                runs: read_all(manifest.data),
            },
        }
    }

    /// A replica with these secrets, and nothing but an archive; its number.
    pub(super) fn restore_anew(&mut self, owner: &Authority, archive: Archive) -> usize {
        let mut restored = self.open(&MemDisk::new(), owner);
        let store = restored.store.clone();
        let taken_up = restored
            .space
            .take_up_archive(archive.control, self.now_ms, &store);
        restored.write(taken_up.unwrap());
        self.replicas.push(restored);
        let restored = self.replicas.len() - 1;
        assert_eq!(self.restore_rest(restored, archive.blocks), Ok(()));
        restored
    }

    /// The same into a replica that has the space.
    pub(super) fn restore_into(&mut self, number: usize, archive: Archive) {
        let control = RestoreBlocks {
            runs: archive.control,
            ..RestoreBlocks::default()
        };
        assert_eq!(self.restore_rest(number, control), Ok(()));
        assert_eq!(self.restore_rest(number, archive.blocks), Ok(()));
    }

    /// As a client does it: keys, then parts of a snapshot, then blocks, a few at a time.
    fn restore_rest(&mut self, number: usize, blocks: RestoreBlocks) -> Result<(), EchoError> {
        let RestoreBlocks { keys, parts, runs } = blocks;
        let mut steps = vec![RestoreBlocks {
            keys,
            ..RestoreBlocks::default()
        }];
        steps.push(RestoreBlocks {
            parts,
            ..RestoreBlocks::default()
        });
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let count = 1 + self.draw(8);
            steps.push(RestoreBlocks {
                runs: runs.by_ref().take(count).collect(),
                ..RestoreBlocks::default()
            });
        }
        for step in steps {
            self.now_ms += 1;
            let replica = &mut self.replicas[number];
            let parts = (&replica.store as _, &mut self.rng as _);
            let restored = replica.space.restore_blocks(step, self.now_ms, parts);
            let (result, outcome) = restored.unwrap();
            self.carry_out(number, outcome);
            result?;
        }
        Ok(())
    }

    /// What `writer` has is all at `reader`, and nothing waits there.
    pub(super) fn assert_has_all(&mut self, reader: usize, writer: usize) {
        assert_eq!(self.replicas[reader].space.dag.waiting_blocks(), 0);
        let dag = &self.replicas[reader].space.dag;
        for (feed, state) in self.replicas[writer].space.dag.feeds() {
            let found = dag.feed(feed).map(|state| (state.length, state.head));
            let is_cut = state.fork.is_some();
            let what = (state.descriptor.designation, is_cut);
            assert_eq!(found, Some((state.length, state.head)), "{what:?}");
            assert_eq!(dag.feed(feed).unwrap().fork.is_some(), is_cut, "{what:?}");
        }
        self.assert_same(&[writer, reader]);
    }
}

/// All meet, and have something of device 1, which is then copied: the replicas, and which of
/// them is the copy.
fn copied(seed: u64, roles: &[Role]) -> (Net, usize) {
    let mut net = Net::of(seed, roles);
    for other in [1, 2, 4] {
        net.connect(0, other);
    }
    net.edit(1, task(1, 1));
    net.settle();
    for other in [1, 2, 4] {
        net.disconnect(0, other);
    }
    let twin = net.twin(1);
    (net, twin)
}

/// Two copies of device 1 write; 0 builds on what one of them wrote, 2 on the other, and then 0
/// and 2 meet. 3 reads, and 4 has only what was there before.
fn forked_data(seed: u64) -> Net {
    let roles = [Role::Editor, Role::Editor, Role::Reader, Role::Reader];
    let (mut net, twin) = copied(seed, &roles);
    for number in 0..3 {
        net.edit(1, task(50 + number, 1));
        net.edit(twin, task(100 + number, 1));
    }
    net.connect(0, 1);
    net.connect(2, twin);
    net.settle();
    net.edit(0, task(200, 1));
    net.edit(2, task(201, 1));
    net.settle();
    // 3 takes the second branch for the feed.
    net.connect(2, 3);
    net.settle();
    net.disconnect(2, 3);
    net.disconnect(0, 1);
    net.disconnect(2, twin);
    net
}

fn meet(net: &mut Net) {
    net.connect(0, 2);
    net.settle();
    assert_eq!(net.replicas[0].forks(), 1);
    assert!(net.replicas[0].has(200) && net.replicas[0].has(201));
    net.disconnect(0, 2);
}

#[test]
fn what_others_built_on_a_cut_branch_of_data_comes_out_of_an_archive() {
    for seed in 0..4 {
        let mut net = forked_data(seed);
        meet(&mut net);
        let archive = net.archive(0);
        let restored = net.restore_anew(&authority(5), archive.clone());
        net.assert_has_all(restored, 0);
        // Where the feed was not known to be forked, and where the other branch was the feed.
        for number in [4, 3] {
            net.restore_into(number, archive.clone());
            net.assert_has_all(number, 0);
        }
        // Again it changes nothing.
        net.restore_into(restored, archive);
        net.assert_has_all(restored, 0);
        // What came that way is passed on.
        net.connect(restored, 1);
        net.settle();
        net.assert_same(&[restored, 1]);
    }
}

#[test]
fn an_archive_that_knows_no_fork_shows_one_and_brings_the_other_branch() {
    for seed in 0..4 {
        let mut net = forked_data(seed);
        let archives = [0, 2].map(|number| net.archive(number));
        assert_eq!(net.replicas[0].forks() + net.replicas[2].forks(), 0);
        // 3 has what 2 has.
        net.restore_into(3, archives[0].clone());
        let [one, other] = archives;
        let restored = net.restore_anew(&authority(5), one);
        net.restore_into(restored, other);
        for number in [3, restored] {
            assert_eq!(net.replicas[number].forks(), 1);
            assert_eq!(net.replicas[number].space.dag.waiting_blocks(), 0);
            assert!(net.replicas[number].has(200) && net.replicas[number].has(201));
        }
        meet(&mut net);
        net.assert_same(&[0, 3, restored]);
    }
}

/// Two copies of an admin's device write credentials; 0 builds on one branch, and admits 5 by a
/// credential that names it.
fn forked_control(seed: u64) -> Net {
    let roles = [Role::Admin, Role::Admin, Role::Reader, Role::Reader];
    let (mut net, twin) = copied(seed, &roles);
    for (number, name) in [(1, "one"), (twin, "two")] {
        for round in 0..3 {
            let profile = Profile::named(format!("{name} {round}"));
            net.control(number, |space, now_ms, (store, _)| {
                space.set_profile(profile, now_ms, store)
            })
            .unwrap();
        }
    }
    net.connect(0, 1);
    net.connect(2, twin);
    net.settle();
    net.connect(2, 3);
    net.settle();
    net.admit(0, &authority(50), Role::Editor);
    net.admit(2, &authority(51), Role::Editor);
    net.edit(0, task(200, 1));
    net.edit(2, task(201, 1));
    net.settle();
    for (one, other) in [(0, 1), (2, twin), (2, 3)] {
        net.disconnect(one, other);
    }
    net
}

#[test]
fn what_others_built_on_a_cut_branch_of_credentials_comes_out_of_an_archive() {
    for seed in 0..4 {
        let mut net = forked_control(seed);
        meet(&mut net);
        let feeds = net.replicas[0].space.dag.feeds();
        let cut: Vec<_> = feeds.filter(|(_, state)| state.fork.is_some()).collect();
        assert!(
            cut.iter()
                .all(|(_, state)| state.descriptor.designation == Designation::Control)
        );
        let archive = net.archive(0);
        // Those whom credentials that name the one and the other branch admitted.
        for owner in [50, 51] {
            let restored = net.restore_anew(&authority(owner), archive.clone());
            net.assert_has_all(restored, 0);
        }
        for number in [4, 3] {
            net.restore_into(number, archive.clone());
            net.assert_has_all(number, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_archive_has_all_branches_in_an_order_in_which_nothing_waits(
        seed: u64,
        lost in 1..10_u8,
        rounds in 1..4_u8,
        after in 1..4_u8,
        bytes_max in prop_oneof![Just(1), 200..4_000_usize, Just(usize::MAX)],
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor, Role::Reader]);
        net.connect(0, 1);
        net.connect(0, 2);
        net.edit(0, Transaction::new().create(object(0), "task", [("n", Value::Counter(0))]).ops);
        net.settle();
        let image = net.image(1, true);
        let mut sum = 0;
        for number in 0..lost {
            net.edit(1, task(50 + number, 1));
            net.count(1, 10);
            sum += 10;
            // Others build on what is lost.
            net.settle();
            net.edit(0, task(100 + number, 1));
            net.settle();
        }
        for round in 0..rounds {
            // Each time the feed is forked at the same place, or a branch of it is.
            net.restore(1, &image);
            for number in 0..after {
                net.edit(1, task(150 + 10 * round + number, 1));
                net.count(1, 100);
                sum += 100;
            }
            net.connect(1, 2);
            net.settle();
            net.edit(2, task(200 + round, 1));
            net.settle();
        }
        net.connect(0, 2);
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1, 2]);
        prop_assert_eq!(net.property(0, "n"), Value::Counter(sum));
        let archive = net.archive_in_parts(0, bytes_max);
        let restored = net.restore_anew(&authority(4), archive.clone());
        net.assert_has_all(restored, 0);
        // All its branches are there, and all that they hold.
        prop_assert_eq!(net.rows(restored, BRANCHES), net.rows(0, BRANCHES));
        let again = net.archive_in_parts(restored, usize::MAX);
        let third = net.restore_anew(&authority(3), again);
        net.assert_has_all(third, 0);
        // The device itself, which has lost everything, writes nothing twice.
        let own = net.restore_anew(&authority(2), archive);
        net.write_again_now(own);
        prop_assert_eq!(net.property(own, "n"), Value::Counter(sum));
        net.disconnect(0, 1);
        net.edit(own, task(240, 1));
        net.connect(0, own);
        net.settle();
        net.assert_same(&[0, own]);
        prop_assert_eq!(net.property(0, "n"), Value::Counter(sum));
    }
}

#[test]
fn nothing_comes_out_of_an_altered_or_invented_archive_that_its_writers_did_not_sign() {
    let mut net = forked_data(1);
    meet(&mut net);
    let whole = net.archive(0);
    let all = |net: &Net, number: usize| {
        [BLOCKS, BRANCHES].map(|keyspace| {
            let rows =
                net.replicas[number]
                    .store
                    .scan(keyspace, KeyRange::all(), Direction::Forward);
            // But for what the restored device shows of itself.
            rows.map(|row| row.unwrap().0).collect::<BTreeSet<_>>()
        })
    };
    let wanted = all(&net, 0);
    let own = authority(5).signer.device();
    for at in 0..whole.blocks.runs.len() {
        for kind in 0..9 {
            let mut archive = whole.clone();
            let archived = &mut archive.blocks.runs[at];
            let run = archived.run.as_mut().unwrap();
            match kind {
                0 => archived.prev = BlockHash::from_bytes([9; 32]),
                1 => run.blocks[0].lamport += 1,
                2 => run.blocks[0].body = bytes::Bytes::from_static(b"rubbish"),
                3 => run.first += 1,
                4 => run.blocks.clear(),
                5 => run.blocks.last_mut().unwrap().signature = None,
                6 => archived.descriptor.incarnation += 1,
                8 => run.first = u64::MAX,
                _ => archived.fork = None,
            }
            if kind == 7 {
                let control = archive.control.iter_mut();
                for archived in control.filter(|_| at > 0) {
                    archived.fork = None;
                }
            }
            let mut restored = net.open(&MemDisk::new(), &authority(5));
            let store = restored.store.clone();
            let taken_up = restored.space.take_up_archive(archive.control, 9, &store);
            restored.write(taken_up.unwrap());
            net.replicas.push(restored);
            let number = net.replicas.len() - 1;
            let result = net.restore_rest(number, archive.blocks);
            assert!(
                matches!(result, Ok(()) | Err(EchoError::BadArchive { .. })),
                "{result:?}"
            );
            let found = all(&net, number);
            let dag = &net.replicas[number].space.dag;
            let own_feeds = dag
                .feeds()
                .filter(|(_, state)| state.descriptor.device == own);
            let own_feeds: Vec<_> = own_feeds.map(|(feed, _)| *feed).collect();
            for (found, wanted) in found.iter().zip(&wanted) {
                let rest = found.difference(wanted);
                let rest = rest.filter(|key| {
                    !own_feeds
                        .iter()
                        .any(|feed| key.starts_with(feed.as_bytes()))
                });
                assert_eq!(rest.count(), 0, "run {at}, kind {kind}");
            }
            net.replicas.pop();
        }
    }
}
