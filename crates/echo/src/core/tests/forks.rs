use dxos_credentials::Role;
use dxos_document::{Op, Text, Transaction, Value};
use dxos_store::CrashPlan;
use proptest::prelude::*;

use super::{Net, object, task};

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_forked_feed_is_cut_everywhere_and_honest_edits_go_on(
        seed: u64,
        common in 0..3_u8,
        one in 1..4_u8,
        two in 1..4_u8,
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 2);
        for number in 0..common {
            net.edit(1, task(number, 1));
        }
        let twin = net.twin(1);
        for number in 0..one {
            net.edit(1, task(50 + number, 1));
        }
        for number in 0..two {
            net.edit(twin, task(100 + number, 1));
        }
        // Each honest replica sees one branch, builds on it, and then they meet.
        net.disconnect(0, 2);
        net.connect(0, 1);
        net.connect(2, twin);
        net.settle();
        net.edit(0, task(200, 1));
        net.edit(2, task(201, 1));
        net.settle();
        net.connect(0, 2);
        net.settle();
        net.assert_same(&[0, 2]);
        // Both copies wrote again what they had written, in feeds of their own.
        let branches = (50..50 + one).chain(100..100 + two);
        for honest in [0, 2] {
            prop_assert_eq!(net.replicas[honest].forks(), 1);
            for number in (0..common).chain([200, 201]).chain(branches.clone()) {
                prop_assert!(net.replicas[honest].has(number), "{} lacks {}", honest, number);
            }
        }
        // Honest edits go on, those of the device that forked as well.
        net.edit(0, task(210, 1));
        net.edit(2, task(211, 1));
        net.edit(1, task(212, 1));
        net.edit(twin, task(213, 1));
        net.settle();
        net.assert_same(&[0, 1, 2, twin]);
        for number in [210, 211, 212, 213] {
            prop_assert!(net.replicas[0].has(number), "{}", number);
        }
        prop_assert_eq!(net.replicas[0].forks(), 1);
    }

    #[test]
    fn what_a_fork_took_away_is_written_again_once_also_over_crashes(
        seed: u64,
        counts in prop::collection::vec(1..5_i64, 1..6),
        theirs in prop::collection::vec(1..5_i64, 1..6),
        crashes in prop::collection::vec((0..4_usize, any::<bool>()), 0..3),
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 1);
        net.connect(0, 2);
        net.edit(0, counter(0));
        net.settle();
        let twin = net.twin(1);
        net.disconnect(0, 1);
        for (number, counts) in [(1, &counts), (twin, &theirs)] {
            for by in counts {
                net.edit(number, Transaction::new().increment(object(0), "n", *by).ops);
            }
        }
        net.connect(0, 1);
        net.settle();
        let mut crashes = crashes.into_iter();
        let mut plan = crashes.next();
        net.connect(2, twin);
        for _ in 0..20_000 {
            // The device dies as soon as the fork is cut, and then a little later, and so on.
            if net.replicas[1].forks() == 1 && let Some((survivors, power)) = plan {
                plan = crashes.next();
                net.reopen(1, |disk| if power {
                    disk.crash(CrashPlan::power_loss(survivors));
                });
                net.write_again_now(1);
                net.connect(0, 1);
            }
            if !net.step() {
                break;
            }
        }
        net.settle();
        net.assert_same(&[0, 1, 2, twin]);
        let wanted: i64 = counts.iter().chain(&theirs).sum();
        let objects = net.replicas[0].objects();
        prop_assert_eq!(objects[0].get("n"), Some(&Value::Counter(wanted)));
    }

    #[test]
    fn texts_and_lists_of_a_lost_branch_are_whole_again(seed: u64, rounds in 1..5_usize) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 1);
        net.edit(1, Transaction::new()
            .create(object(0), "note", [("old", Value::from(Text::from("ab"))), ("items", Value::List(vec![1.into()]))])
            .ops);
        net.transact(1, |tx| tx.text(object(0), "old")?.insert(2, "cd"));
        net.settle();
        let twin = net.twin(1);
        net.disconnect(0, 1);
        for round in 0..rounds {
            net.transact(1, move |tx| {
                let mut text = tx.text(object(0), "old")?;
                text.insert(round * 2, "xy")?;
                text.delete(round, 1)?;
                drop(text);
                let mut list = tx.list(object(0), "items")?;
                list.insert(0, [Value::from(10), Value::map([("a", 1)])])?;
                list.move_item(0, 1)?;
                let item = list.item(0)?;
                tx.set(object(0), item.child("a"), 7)?;
                if round == 0 {
                    tx.set(object(0), "new", Text::from("0"))?;
                }
                tx.text(object(0), "new")?.insert(1, "z")
            });
        }
        let wanted = net.replicas[1].objects();
        net.edit(twin, task(9, 1));
        net.connect(0, twin);
        net.settle();
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1]);
        prop_assert_eq!(net.replicas[0].forks(), 1);
        let found = net.replicas[0].objects();
        prop_assert_eq!(found[0].properties(), wanted[0].properties());
        prop_assert!(net.replicas[0].has(9));
    }
}

fn counter(number: u8) -> Vec<Op> {
    let none = [("n", Value::Counter(0))];
    Transaction::new().create(object(number), "task", none).ops
}

#[test]
fn a_proof_about_a_device_that_is_not_known_yet_takes_effect_when_it_is() {
    for seed in 0..10 {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor]);
        let new = net.join(1, Role::Editor);
        net.edit(new, task(1, 1));
        let twin = net.twin(new);
        net.edit(new, task(2, 1));
        net.edit(twin, task(3, 1));
        net.connect(1, new);
        net.connect(1, twin);
        net.settle();
        assert_eq!(net.replicas[1].forks(), 1, "seed {seed}");
        // 2 does not know the device; the proof may well come first.
        let proof = net.replicas[1].space.report(&net.replicas[1].store).forks;
        let proof = proof.into_iter().next().unwrap().proof;
        net.connect(1, 2);
        let message = dxos_protocol::replicate::Message::ForkProof(Box::new(proof));
        net.deliver(1, 2, message);
        assert_eq!(net.replicas[2].forks(), 0);
        net.settle();
        net.connect(0, 2);
        net.settle();
        net.assert_same(&[0, 1, 2]);
        assert_eq!(net.replicas[2].forks(), 1);
        // 1 and its twin wrote again what the fork took away.
        assert!(net.replicas[2].has(1) && net.replicas[2].has(2) && net.replicas[2].has(3));
    }
}
