use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dxos_credentials::Role;
use dxos_document::{Deleted, Filter, Object, Query, Timeframe};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_protocol::history::ObjectDifference;
use proptest::prelude::*;

use super::converge::edits;
use super::{Net, Replica, object, task};
use crate::core::Past;

fn past(replica: &Replica) -> Past {
    replica.space.past(Arc::new(AtomicBool::new(false)))
}

fn everything() -> Query {
    Query::new(Filter::all()).deleted(Deleted::Include)
}

fn shown(objects: &[Object]) -> BTreeMap<ObjectId, Object> {
    let shown = objects.iter().filter(|object| !object.is_deleted());
    shown.map(|object| (object.id(), object.clone())).collect()
}

fn compared(
    replica: &Replica,
    (from, until): (&Timeframe, &Timeframe),
    limit: usize,
) -> Vec<ObjectDifference> {
    let (past, mut found, mut after) = (past(replica), Vec::new(), None);
    loop {
        let page = past.compare(&replica.store, (from, until), after, limit);
        let page = page.unwrap();
        assert!(page.objects.len() <= limit);
        found.extend(page.objects);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_is_what_is_read_of_then_on_every_replica(seed: u64, edits in edits(3)) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 1);
        net.connect(1, 2);
        let mut moments = Vec::new();
        for (number, steps, ops) in edits {
            net.edit(number, ops);
            for _ in 0..steps {
                net.step();
            }
            let replica = &net.replicas[0];
            let objects = replica.space.query(&everything(), &replica.store).unwrap();
            moments.push((replica.space.timeframe(), objects));
        }
        net.settle();
        for replica in &net.replicas {
            for (timeframe, objects) in &moments {
                let found = past(replica).query(&replica.store, timeframe, &everything());
                prop_assert_eq!(&found.unwrap(), objects);
                for wanted in objects {
                    let id = wanted.id();
                    let found = past(replica).object(&replica.store, timeframe.clone(), id);
                    prop_assert_eq!(found.unwrap(), Some(wanted.clone()));
                }
            }
            for pair in moments.windows(2) {
                let times = (&pair[0].0, &pair[1].0);
                let (before, after) = (shown(&pair[0].1), shown(&pair[1].1));
                let all = compared(replica, times, 100);
                prop_assert_eq!(&compared(replica, times, 1), &all);
                for difference in &all {
                    prop_assert_eq!(difference.before.as_ref(), before.get(&difference.object));
                    prop_assert_eq!(difference.after.as_ref(), after.get(&difference.object));
                }
                let differs = |id: &&ObjectId| {
                    before.get(*id).map(Object::properties) != after.get(*id).map(Object::properties)
                };
                let ids: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
                let wanted: Vec<_> = ids.into_iter().filter(differs).copied().collect();
                let found: Vec<_> = all.iter().map(|difference| difference.object).collect();
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn history_in_pages_is_history_at_once_and_all_of_it(seed: u64, edits in edits(2), limit in 1..5_usize) {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.connect(0, 1);
        let mut ops = 0;
        for (number, steps, edit) in edits {
            ops += edit.len();
            net.edit(number, edit);
            for _ in 0..steps {
                net.step();
            }
        }
        net.settle();
        let replica = &net.replicas[0];
        let all = past(replica).history(&replica.store, None, None, 1000).unwrap();
        prop_assert_eq!(all.next, None);
        let changes: usize = all.entries.iter().map(|entry| entry.changes.len()).sum();
        prop_assert_eq!(changes, ops);
        for only in [None, Some(object(0)), Some(object(9))] {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = past(replica).history(&replica.store, only, before, limit).unwrap();
                found.extend(page.entries);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            let mut wanted = all.entries.clone();
            for entry in &mut wanted {
                entry.changes.retain(|change| only.is_none_or(|only| change.object == only));
            }
            wanted.retain(|entry| !entry.changes.is_empty());
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn a_read_of_the_past_ends_when_nobody_waits_for_it() {
    let mut net = Net::new(1);
    net.edit(0, task(1, 1));
    let replica = &net.replicas[0];
    let past = replica.space.past(Arc::new(AtomicBool::new(true)));
    let read = past.history(&replica.store, None, None, 10);
    assert!(matches!(read, Err(EchoError::Stopped { .. })));
}

#[test]
fn a_fork_that_is_cut_meanwhile_is_noticed_and_takes_its_past_with_it() {
    let mut net = Net::of(1, &[Role::Editor]);
    let twin = net.twin(1);
    net.edit(1, task(1, 1));
    net.edit(twin, task(2, 1));
    net.connect(0, 1);
    net.settle();
    let before = past(&net.replicas[0]);
    let timeframe = net.replicas[0].space.timeframe();
    net.connect(0, twin);
    net.settle();
    assert_eq!(net.replicas[0].forks(), 1);
    let replica = &net.replicas[0];
    let read = before.query(&replica.store, &timeframe, &everything());
    assert_eq!(read, Err(EchoError::PastChanged));
    // A timeframe of before names what counts no more; the rest of it can be read.
    let read = past(replica).query(&replica.store, &timeframe, &everything());
    assert_eq!(read, Ok(Vec::new()));
}

#[test]
fn blocks_that_are_dropped_while_they_are_read_are_not_taken_for_damage() {
    let mut net = Net::new(1);
    for number in 1..20 {
        net.edit(0, task(number, 1));
    }
    let before = past(&net.replicas[0]);
    net.try_epoch(0).unwrap();
    net.try_trim(0, false).unwrap();
    let replica = &net.replicas[0];
    let read = before.history(&replica.store, None, None, 10);
    assert_eq!(read.err(), Some(EchoError::PastChanged));
    assert!(
        past(replica)
            .history(&replica.store, None, None, 10)
            .is_ok()
    );
}
