use dxos_credentials::Role;
use dxos_document::{Filter, Op, Query, Transaction};
use proptest::prelude::*;

use super::{Net, object, task};

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0..6_u8, 0..6_u8, -5..5_i64).prop_map(|(kind, number, value)| {
        let (to, id) = (Transaction::new(), object(number));
        let to = match kind {
            0 | 1 => to.create(id, "task", [("title", value)]),
            2 => to.set(id, "title", value),
            3 => to.increment(id, "title", value),
            4 => to.delete(id),
            _ => to.restore(id),
        };
        to.ops
    });
    prop::collection::vec(op, 1..4).prop_map(|ops| ops.concat())
}

pub(super) fn edits(replicas: usize) -> impl Strategy<Value = Vec<(usize, usize, Vec<Op>)>> {
    prop::collection::vec((0..replicas, 0..12_usize, ops()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_replicas_converge_whatever_the_order(seed: u64, edits in edits(2)) {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.connect(0, 1);
        for (number, steps, ops) in edits {
            net.edit(number, ops);
            for _ in 0..steps {
                net.step();
            }
        }
        net.settle();
        net.assert_same(&[0, 1]);
    }

    #[test]
    fn three_replicas_converge_through_the_middle_one(seed: u64, edits in edits(3)) {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor]);
        net.connect(0, 1);
        net.connect(1, 2);
        for (number, steps, ops) in edits {
            net.edit(number, ops);
            for _ in 0..steps {
                net.step();
            }
        }
        net.settle();
        net.assert_same(&[0, 1, 2]);
    }

    #[test]
    fn replicas_converge_over_links_that_come_and_go(
        seed: u64,
        edits in edits(3),
        cuts in prop::collection::vec((0..3_usize, 1..3_usize), 20),
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        for ((number, steps, ops), (one, by)) in edits.into_iter().zip(cuts) {
            let two = (one + by) % 3;
            if net.links.contains_key(&(one, two)) {
                net.disconnect(one, two);
            } else {
                net.connect(one, two);
            }
            net.edit(number, ops);
            for _ in 0..steps {
                net.step();
            }
        }
        for (one, two) in [(0, 1), (1, 2)] {
            net.disconnect(one, two);
            net.connect(one, two);
        }
        net.settle();
        net.assert_same(&[0, 1, 2]);
    }

    #[test]
    fn differences_of_a_live_query_fold_to_the_query_run_again(seed: u64, edits in edits(2)) {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.connect(0, 1);
        let query = Query::new(Filter::type_name("task").and(Filter::gt("title", 0_i64))).order_by("title");
        let watched = &mut net.replicas[0];
        let mut live = watched.space.subscribe(query.clone(), &watched.store).unwrap();
        let mut seen = live.initial;
        for (number, steps, ops) in edits {
            net.edit(number, ops);
            for _ in 0..steps {
                net.step();
            }
            if seed % 2 == 0 {
                while let Ok(change) = live.changes.try_recv() {
                    change.fold(&mut seen);
                }
            }
        }
        net.settle();
        let watched = &mut net.replicas[0];
        watched.rebuild();
        while let Ok(change) = live.changes.try_recv() {
            change.fold(&mut seen);
            watched.space.retry_live();
        }
        prop_assert_eq!(seen, watched.space.query(&query, &watched.store).unwrap());
    }
}

#[test]
fn what_was_written_while_apart_is_exchanged_when_they_meet() {
    let mut net = Net::of(1, &[Role::Editor, Role::Editor]);
    for number in 0..3_u8 {
        for title in 0..50 {
            net.edit(usize::from(number), task(number, title));
        }
    }
    // 2 hears of 0 by way of 1 alone, when 0 is gone.
    net.connect(0, 1);
    net.settle();
    net.disconnect(0, 1);
    net.connect(1, 2);
    net.settle();
    net.assert_same(&[1, 2]);
    assert_eq!(net.replicas[2].objects().len(), 3);
}

#[test]
fn what_a_peer_could_not_use_yet_and_was_not_named_is_asked_for_again() {
    // 1 refuses two edits of 2, sent as one run of which only the first was named before: it
    // does not know the device yet.
    let mut net = Net::of(7_689_552_435_008_117_048, &[Role::Admin, Role::Editor]);
    net.connect(0, 1);
    net.connect(1, 2);
    for (number, steps) in [(1, 9), (0, 0), (2, 7), (2, 0)] {
        net.edit(number, task(0, 0));
        for _ in 0..steps {
            net.step();
        }
    }
    net.settle();
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn what_the_peer_that_was_asked_lacked_is_asked_of_another_at_once() {
    for seed in 0..40 {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 2);
        net.edit(2, task(0, 1));
        net.settle();
        net.disconnect(0, 2);
        net.edit(2, task(1, 1));
        net.connect(0, 1);
        net.connect(1, 2);
        net.settle();
        net.assert_same(&[0, 1, 2]);
    }
}
