//! Blocks that nobody hears of, which are signed when somebody does.

use dxos_credentials::Role;
use dxos_document::{Op, Transaction};
use dxos_feed::{BlockIndex as _, Designation};
use dxos_store::CrashPlan;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::doctor::looked_at;
use super::{Net, object, task};

/// Which of the data blocks of the device of one replica another one has signatures of.
fn signed(net: &Net, writer: usize, number: usize) -> Vec<bool> {
    let device = net.replicas[writer].space.device();
    let replica = &net.replicas[number];
    let feeds = replica.space.dag.feeds();
    let own = feeds.filter(|(_, state)| {
        state.descriptor.device == device && state.descriptor.designation == Designation::Data
    });
    let blocks = replica.space.blocks(&replica.store);
    own.flat_map(|(feed, state)| (0..state.length).map(|seq| (*feed, seq)))
        .map(|(feed, seq)| {
            let block = blocks.block(&feed, seq).unwrap().unwrap();
            block.signature.is_some()
        })
        .collect()
}

fn is_whole(net: &Net) {
    for replica in &net.replicas {
        let findings = looked_at(replica, false).findings;
        assert!(findings.is_empty(), "{findings:?}");
    }
}

fn large(number: u8) -> Vec<Op> {
    // What does not get small by compression.
    let mut dice = ChaCha20Rng::seed_from_u64(number.into());
    let text: String = (0..400).map(|_| dice.next_u64().to_string()).collect();
    Transaction::new()
        .create(object(number), "page", [("text", text)])
        .ops
}

#[test]
fn the_last_block_is_signed_when_somebody_is_about_to_hear_of_it() {
    let mut net = Net::of(1, &[Role::Editor]);
    for number in 1..6 {
        net.edit(1, task(number, 1));
    }
    assert_eq!(signed(&net, 1, 1), [false; 5]);
    is_whole(&net);
    net.connect(0, 1);
    let last = [false, false, false, false, true];
    assert_eq!(signed(&net, 1, 1), last);
    net.settle();
    assert_eq!(signed(&net, 1, 0), last);
    net.edit(1, task(6, 1));
    net.edit(1, task(7, 1));
    let beside_a_peer = signed(&net, 1, 1);
    assert_eq!(beside_a_peer[5..], [true, true]);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!((1..=7).all(|number| net.replicas[0].has(number)));
    is_whole(&net);
}

#[test]
fn every_64th_block_and_large_ones_are_signed_at_once() {
    let mut net = Net::new(1);
    for number in 0..130 {
        let ops = if number == 100 {
            large(number)
        } else {
            task(number, 1)
        };
        net.edit(0, ops);
    }
    let found = signed(&net, 0, 0);
    let places = (0..found.len()).filter(|at| found[*at]);
    assert_eq!(places.collect::<Vec<_>>(), [63, 100, 127]);
}

#[test]
fn a_block_that_names_another_feed_follows_a_signed_one() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.settle();
    net.disconnect(0, 1);
    net.edit(1, task(2, 1));
    net.edit(1, task(3, 1));
    // What it hears of on the way to its next edit, that names.
    net.edit(0, task(4, 1));
    net.connect(0, 1);
    net.settle();
    net.disconnect(0, 1);
    net.edit(1, task(5, 1));
    net.edit(1, task(6, 1));
    let found = signed(&net, 1, 1);
    assert_eq!(found[found.len() - 3..], [true, false, false]);
}

#[test]
fn feeds_that_name_each_other_reach_newcomers_without_most_signatures() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    let mut number = 0;
    for _ in 0..6 {
        for writer in [0, 1] {
            for _ in 0..4 {
                number += 1;
                net.edit(writer, task(number, 1));
            }
            net.settle();
        }
    }
    net.disconnect(0, 1);
    // Everything goes by way of one who got it from others.
    let relay = net.join(0, Role::Editor);
    net.connect(1, relay);
    net.settle();
    net.disconnect(1, relay);
    let new = net.join(0, Role::Editor);
    net.connect(relay, new);
    net.settle();
    assert!((1..=number).all(|number| net.replicas[new].has(number)));
    let kept = signed(&net, 0, new).into_iter().filter(|signed| *signed);
    assert!(kept.count() <= 12, "most signatures are left out");
    is_whole(&net);
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
fn a_backup_from_before_the_last_edits_forks_nothing_by_meeting_somebody() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(1, task(1, 1));
    net.edit(1, task(2, 1));
    let image = net.replicas[1].disk.snapshot();
    net.edit(1, task(3, 1));
    net.edit(1, task(4, 1));
    net.connect(0, 1);
    net.settle();
    net.disconnect(0, 1);
    net.reopen(1, |disk| disk.restore(&image));
    net.connect(0, 1);
    net.settle();
    net.edit(1, task(5, 1));
    net.settle();
    net.assert_same(&[0, 1]);
    assert!((1..=5).all(|number| net.replicas[1].has(number)));
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

#[derive(Clone, Debug)]
enum Act {
    Edit(usize),
    Large,
    Meet(usize),
    Part(usize),
    /// The process ends, and perhaps the power.
    End(Option<(usize, bool)>),
    /// Its disk is copied.
    Image,
    /// The copy is put back.
    Restore,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..3_usize).prop_map(Act::Edit),
        1 => Just(Act::Large),
        3 => (0..3_usize).prop_map(Act::Meet),
        2 => (0..3_usize).prop_map(Act::Part),
        1 => Just(Act::End(None)),
        2 => (0..6_usize, any::<bool>()).prop_map(|power| Act::End(Some(power))),
        1 => Just(Act::Image),
        1 => Just(Act::Restore),
    ]
}

const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_blocks_without_signatures_what_was_shown_stays(
        seed: u64,
        acts in prop::collection::vec((act(), 0..30_usize), 1..40),
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        let (mut number, mut met, mut image) = (0_u8, [false; 3], None);
        let mut shown = Vec::new();
        for (act, steps) in acts {
            match act {
                Act::Edit(writer) if number < 250 => {
                    number += 1;
                    net.edit(writer, task(number, 1));
                }
                Act::Large if number < 250 => {
                    number += 1;
                    net.edit(1, large(number));
                }
                Act::Meet(pair) if !met[pair] => {
                    net.connect(PAIRS[pair].0, PAIRS[pair].1);
                    met[pair] = true;
                }
                Act::Part(pair) => {
                    net.disconnect(PAIRS[pair].0, PAIRS[pair].1);
                    met[pair] = false;
                }
                Act::End(power) => {
                    net.reopen(1, |disk| if let Some((survivors, torn)) = power {
                        let plan = CrashPlan::power_loss(survivors);
                        disk.crash(if torn { plan.torn() } else { plan });
                    });
                    (met[0], met[2]) = (false, false);
                }
                Act::Image => image = Some(net.replicas[1].disk.snapshot()),
                Act::Restore => if let Some(image) = &image {
                    net.reopen(1, |disk| disk.restore(image));
                    (met[0], met[2]) = (false, false);
                },
                _ => {}
            }
            for _ in 0..steps {
                net.step();
            }
            shown = (1..=number)
                .filter(|number| net.replicas[0].has(*number) || net.replicas[2].has(*number))
                .collect();
        }
        for (one, other) in PAIRS {
            net.disconnect(one, other);
            net.connect(one, other);
        }
        for _ in 0..4 {
            // Branches that depend on each other are asked for again.
            net.now_ms += 5_000;
            net.settle_duties();
        }
        net.assert_same(&[0, 1, 2]);
        for number in shown {
            prop_assert!(net.replicas[1].has(number), "{} is lost", number);
        }
        let new = net.join(0, Role::Editor);
        net.settle();
        // Where others built on a cut branch, it has the key of the space alone.
        prop_assert!(net.meet(2, new));
        for _ in 0..4 {
            net.now_ms += 5_000;
            net.settle_duties();
        }
        net.assert_same(&[0, 1, 2, new]);
        is_whole(&net);
    }
}
