//! Queues: every replica comes to the same items in the same order, and whoever reads on from a
//! cursor gets each once.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::Role;
use dxos_document::{Direction, Retention, Value};
use dxos_keys::QueueItemId;
use dxos_protocol::echo::{EchoError, FindingKind, QueueCursor, QueueItem, QueuePage, QueueReport};
use dxos_store::{Batch, CrashPlan, Durability, KeyRange, Read as _, Store as _};
use proptest::prelude::*;

use super::super::layout::QUEUES;
use super::{Net, Replica, task};

const LOG: &str = "log";

impl Replica {
    fn latest(&self) -> Vec<QueueItem> {
        let mut items: Vec<QueueItem> = Vec::new();
        loop {
            let before = items.last().map(|item| item.position);
            let more = {
                let order = (Direction::Descending, before);
                self.space.read_items(LOG, order, 3, &self.store).unwrap()
            };
            if more.is_empty() {
                return items;
            }
            items.extend(more);
        }
    }

    fn page(&self, from: QueueCursor, limit: usize) -> QueuePage {
        self.space
            .read_queue(LOG, from, limit, &self.store)
            .unwrap()
    }

    fn report(&self) -> QueueReport {
        let reports = self.space.queues(Some(LOG), &self.store).unwrap();
        reports.into_iter().next().unwrap()
    }

    fn numbers(&self) -> Vec<i64> {
        let items = self.latest().into_iter().rev();
        items.map(|item| item.value.as_int().unwrap()).collect()
    }
}

impl Net {
    fn append(&mut self, by: usize, items: &[i64]) -> Vec<QueueItemId> {
        self.now_ms += 1;
        let replica = &mut self.replicas[by];
        let parts = (&replica.store as _, &mut self.rng as _);
        let items = items.iter().copied().map(Value::from).collect();
        let appended = replica.space.append_items(LOG, items, self.now_ms, parts);
        let (appended, outcome) = appended.unwrap();
        self.carry_out(by, outcome);
        appended.unwrap().ids
    }

    fn retain(&mut self, by: usize, retention: Retention) {
        self.now_ms += 1;
        let replica = &mut self.replicas[by];
        let parts = (&replica.store as _, &mut self.rng as _);
        let set = replica
            .space
            .set_retention(LOG, retention, self.now_ms, parts);
        let (set, outcome) = set.unwrap();
        self.carry_out(by, outcome);
        set.unwrap();
    }
}

fn at_most(items_max: u64) -> Retention {
    Retention {
        items_max: Some(items_max),
        ..Retention::ALL
    }
}

/// Somebody who reads on from a cursor, and has what was not taken back.
#[derive(Clone, Debug, Default)]
struct Reader {
    cursor: QueueCursor,
    items: BTreeSet<QueueItemId>,
    /// Whether something may come a second time: after a loss of power, or when items that were
    /// dropped come back.
    is_lax: bool,
}

impl Reader {
    fn read(&mut self, replica: &Replica, limit: usize) -> bool {
        let page = replica.page(self.cursor, limit);
        for id in &page.taken_back {
            self.items.remove(id);
        }
        for item in &page.items {
            let is_new = self.items.insert(item.id);
            assert!(is_new || self.is_lax, "an item came twice");
        }
        self.cursor = page.next.to_string().parse().unwrap();
        !page.is_empty()
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append(usize, Vec<i64>),
    Retain(usize, u64),
    Read(usize, usize),
    Epoch(usize),
    Trim(usize),
    Link(usize, usize),
    Remove,
    Crash(usize, usize),
    Reopen(usize),
    Join,
    Duties,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0..4_usize, prop::collection::vec(0..100_i64, 1..4)).prop_map(|(by, items)| Act::Append(by, items)),
        1 => (0..4_usize, 1..8_u64).prop_map(|(by, max)| Act::Retain(by, max)),
        6 => (0..4_usize, 1..4_usize).prop_map(|(of, limit)| Act::Read(of, limit)),
        2 => (0..2_usize).prop_map(Act::Epoch),
        2 => (0..3_usize).prop_map(Act::Trim),
        5 => (0..4_usize, 1..4_usize).prop_map(|(one, by)| Act::Link(one, (one + by) % 4)),
        1 => Just(Act::Remove),
        1 => (0..3_usize, 0..6_usize).prop_map(|(of, survivors)| Act::Crash(of, survivors)),
        2 => (0..4_usize).prop_map(Act::Reopen),
        1 => Just(Act::Join),
        3 => Just(Act::Duties),
    ]
}

struct World {
    net: Net,
    drops: bool,
    readers: BTreeMap<usize, Reader>,
}

impl World {
    fn act(&mut self, act: Act) {
        let net = &mut self.net;
        match act {
            Act::Append(by, items) if net.may_write(by) => drop(net.append(by, &items)),
            Act::Retain(by, max) if net.may_write(by) => {
                net.retain(by, at_most(max));
                // Its transaction may be taken back, and what it dropped come again.
                self.drops = true;
            }
            Act::Read(of, limit) => {
                let reader = self.readers.entry(of).or_default();
                reader.is_lax |= self.drops;
                reader.read(&net.replicas[of], limit);
            }
            Act::Epoch(by) => drop(net.try_epoch(by)),
            Act::Trim(by) => drop(net.try_trim(by, false)),
            Act::Link(one, two) => {
                if net.links.contains_key(&(one, two)) {
                    net.disconnect(one, two);
                } else {
                    net.meet(one, two);
                }
            }
            Act::Remove => {
                let editor = net.replicas[2].space.identity();
                drop(net.control(1, |space, now_ms, parts| {
                    space.remove_member(editor, now_ms, parts)
                }));
            }
            Act::Crash(of, survivors) => {
                net.reopen(of, |disk| {
                    disk.crash(CrashPlan::power_loss(survivors));
                });
                self.readers.entry(of).or_default().is_lax = true;
            }
            Act::Reopen(of) => net.reopen(of, |_| {}),
            Act::Join if net.replicas.len() < 6 && net.may_write(0) => {
                let joined = net.join(0, Role::Editor);
                net.meet(0, joined);
            }
            Act::Duties => net.settle_duties(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_come_to_the_same_items_and_cursors_see_each_once(
        seed: u64,
        acts in prop::collection::vec((act(), 0..12_usize), 1..50),
    ) {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor, Role::Editor]);
        net.append(0, &[-1]);
        for other in 1..4 {
            net.connect(0, other);
        }
        net.settle_duties();
        let mut world = World { net, drops: false, readers: BTreeMap::new() };
        for (act, steps) in acts {
            world.act(act);
            for _ in 0..steps {
                world.net.step();
            }
        }
        let World { mut net, drops, mut readers } = world;
        let members = net.bring_together();
        net.ended.clear();
        let first = net.replicas[members[0]].latest();
        prop_assert!(first.windows(2).all(|pair| pair[0].position > pair[1].position));
        let ids: BTreeSet<_> = first.iter().map(|item| item.id).collect();
        prop_assert_eq!(ids.len(), first.len());
        for number in &members {
            let replica = &net.replicas[*number];
            prop_assert_eq!(&replica.latest(), &first);
            prop_assert_eq!(replica.report().items, first.len() as u64);
            let reader = readers.entry(*number).or_default();
            reader.is_lax |= drops;
            while reader.read(replica, 2) {}
            if reader.is_lax {
                prop_assert!(reader.items.is_superset(&ids));
            } else {
                prop_assert_eq!(&reader.items, &ids);
            }
            // Whoever begins now gets what is there.
            let mut late = Reader::default();
            while late.read(replica, 100) {}
            prop_assert_eq!(&late.items, &ids);
        }
        net.assert_same(&members);
        for number in &members {
            let replica = &net.replicas[*number];
            prop_assert_eq!(&replica.latest(), &first);
            let reader = readers.get_mut(number).unwrap();
            let before = reader.items.clone();
            reader.is_lax = false;
            while reader.read(replica, 2) {}
            prop_assert_eq!(&reader.items, &before, "a state that is made anew tells nothing anew");
            let found = super::doctor::looked_at(replica, false);
            prop_assert_eq!(found.findings, []);
        }
    }
}

fn two() -> Net {
    let mut net = Net::of(5, &[Role::Editor]);
    net.connect(0, 1);
    net.settle();
    net
}

#[test]
fn an_item_that_comes_late_stands_where_it_was_written_and_is_read_last() {
    let mut net = two();
    net.disconnect(0, 1);
    net.append(1, &[1]);
    net.edit(0, task(1, 1));
    net.edit(0, task(2, 1));
    net.append(0, &[2]);
    let mut reader = Reader::default();
    while reader.read(&net.replicas[0], 9) {}
    net.connect(0, 1);
    net.settle();
    assert_eq!(net.replicas[0].numbers(), [1, 2]);
    assert_eq!(net.replicas[1].numbers(), [1, 2]);
    let page = net.replicas[0].page(reader.cursor, 9);
    let values: Vec<_> = page.items.iter().map(|item| item.value.as_int()).collect();
    assert_eq!(values, [Some(1)]);
    let author = &page.items[0].author;
    assert_eq!(author.device, net.replicas[1].space.device());
    assert_eq!(author.identity, Some(net.replicas[1].space.identity()));
    assert!(net.replicas[0].page(page.next, 9).is_empty());
}

#[test]
fn what_a_removed_member_wrote_meanwhile_is_taken_back() {
    let mut net = Net::of(5, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(1, 2);
    net.connect(0, 2);
    net.append(1, &[1]);
    net.settle();
    net.disconnect(0, 1);
    net.disconnect(0, 2);
    let taken = net.append(1, &[2]);
    net.settle();
    net.append(2, &[3]);
    net.settle();
    let mut reader = Reader::default();
    while reader.read(&net.replicas[2], 9) {}
    assert_eq!(net.replicas[2].numbers(), [1, 2, 3]);
    let editor = net.replicas[1].space.identity();
    net.control(0, |space, now_ms, parts| {
        space.remove_member(editor, now_ms, parts)
    })
    .unwrap();
    net.connect(0, 2);
    net.settle();
    assert_eq!(net.replicas[0].numbers(), [1, 3]);
    assert_eq!(net.replicas[2].numbers(), [1, 3]);
    let page = net.replicas[2].page(reader.cursor, 9);
    assert_eq!((page.taken_back, page.items.len()), (taken, 0));
    // Whoever begins now is told of nothing that is not there.
    let page = net.replicas[0].page(QueueCursor::START, 9);
    assert_eq!((page.taken_back.len(), page.items.len()), (0, 2));
}

#[test]
fn a_queue_holds_no_more_than_it_is_to() {
    let mut net = two();
    net.append(0, &[1, 2, 3, 4, 5]);
    net.retain(0, at_most(3));
    net.settle();
    assert_eq!(net.replicas[0].numbers(), [3, 4, 5]);
    net.append(1, &[6, 7]);
    net.settle();
    for number in 0..2 {
        assert_eq!(net.replicas[number].numbers(), [5, 6, 7]);
        assert_eq!(net.replicas[number].report().items, 3);
        assert_eq!(net.replicas[number].report().retention, at_most(3));
    }
    net.append(1, &[8, 9, 10, 11, 12]);
    net.settle();
    assert_eq!(net.replicas[0].numbers(), [10, 11, 12]);
    net.retain(
        1,
        Retention {
            bytes_max: Some(0),
            ..Retention::ALL
        },
    );
    net.settle();
    assert!(net.replicas[0].numbers().is_empty());
    net.retain(1, Retention::ALL);
    net.append(1, &[13]);
    net.now_ms += 1000;
    net.append(1, &[14]);
    net.settle();
    net.retain(
        0,
        Retention {
            age_max_ms: Some(500),
            ..Retention::ALL
        },
    );
    net.settle();
    net.assert_same(&[0, 1]);
    assert_eq!(net.replicas[0].numbers(), [14]);
    let start = net.replicas[0].page(QueueCursor::START, 99);
    assert_eq!(start.items.len(), 1);
}

#[test]
fn a_new_member_gets_the_items_of_a_snapshot() {
    let mut net = two();
    net.append(0, &[1, 2, 3]);
    net.append(1, &[4]);
    net.retain(1, at_most(3));
    net.settle();
    net.try_epoch(0).unwrap();
    net.settle_duties();
    net.try_trim(0, true).unwrap();
    net.try_trim(1, true).unwrap();
    net.append(1, &[5]);
    let joined = net.join(0, Role::Editor);
    net.meet(0, joined);
    net.settle_duties();
    for number in 0..3 {
        assert_eq!(net.replicas[number].numbers(), [3, 4, 5]);
    }
    let late = net.replicas[joined].page(QueueCursor::START, 99);
    assert_eq!(late.items.len(), 3);
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn what_a_restored_device_wrote_comes_again_once() {
    let mut net = two();
    net.append(1, &[1]);
    net.settle();
    let image = {
        let replica = &mut net.replicas[1];
        if let Some(batch) = replica.space.close() {
            replica.store.commit(batch, Durability::Buffered).unwrap();
        }
        replica.disk.snapshot()
    };
    let lost = net.append(1, &[2, 3]);
    net.settle();
    net.reopen(1, |disk| disk.restore(&image));
    // Before it meets anybody it forks its feed.
    net.append(1, &[4]);
    net.connect(0, 1);
    net.settle_duties();
    let mut reader = Reader::default();
    for number in 0..2 {
        let mut numbers = net.replicas[number].numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }
    while reader.read(&net.replicas[0], 2) {}
    assert_eq!(reader.items.len(), 4);
    assert!(lost.iter().all(|id| reader.items.contains(id)));
    net.assert_same(&[0, 1]);
}

#[test]
fn a_cursor_of_another_device_is_refused() {
    let mut net = two();
    net.append(0, &[1]);
    net.settle();
    let page = net.replicas[0].page(QueueCursor::START, 9);
    let other = &net.replicas[1];
    let read = other.space.read_queue(LOG, page.next, 9, &other.store);
    assert!(matches!(read, Err(EchoError::UnknownCursor { .. })));
    // Nothing is known of a queue that nobody has written to.
    let none = other
        .space
        .read_queue("none", QueueCursor::START, 9, &other.store);
    assert!(none.unwrap().is_empty());
}

#[test]
fn live_queries_do_not_hear_of_items() {
    let mut net = two();
    let query = dxos_document::Query::new(dxos_document::Filter::all());
    let replica = &mut net.replicas[0];
    let mut live = replica.space.subscribe(query, &replica.store).unwrap();
    let watch = replica.space.watch_queue(LOG);
    let other = replica.space.watch_queue("other");
    net.append(1, &[1]);
    net.settle();
    assert!(live.changes.try_recv().is_err());
    assert!(watch.has_changed().unwrap() && !other.has_changed().unwrap());
}

#[test]
fn rows_that_are_missing_or_rubbish_are_found_and_made_anew() {
    for (kind, rubbish) in [b'a', b'i', b'm', b'o']
        .into_iter()
        .flat_map(|kind| [(kind, false), (kind, true)])
    {
        let mut net = two();
        net.append(0, &[1, 2, 3]);
        net.settle();
        let hash = net.replicas[0].hash();
        let store = &net.replicas[0].store;
        let rows = store.scan(QUEUES, KeyRange::all(), dxos_store::Direction::Forward);
        let mut keys = rows.map(|row| row.unwrap().0);
        let key = keys.find(|key| key[4] == kind).unwrap();
        drop(keys);
        let mut batch = Batch::new();
        if rubbish {
            batch.put(QUEUES, key, vec![0xff; 9]);
        } else {
            batch.delete(QUEUES, key);
        }
        store.commit(batch, Durability::Buffered).unwrap();
        let found = super::doctor::looked_at(&net.replicas[0], false);
        let kinds = found.findings.iter().map(|finding| finding.kind);
        assert!(
            kinds.into_iter().any(|kind| kind == FindingKind::Queue),
            "{found:?}"
        );
        let repaired = super::doctor::looked_at(&net.replicas[0], true);
        assert!(repaired.is_whole(), "{repaired:?}");
        net.reopen(0, |_| {});
        let replica = &net.replicas[0];
        assert_eq!(super::doctor::looked_at(replica, false).findings, []);
        assert_eq!((replica.hash(), replica.numbers()), (hash, vec![1, 2, 3]));
        let mut reader = Reader::default();
        while reader.read(replica, 2) {}
        assert_eq!(reader.items.len(), 3);
    }
}

#[test]
fn a_reader_gets_past_many_items_that_were_dropped() {
    let mut net = Net::new(3);
    for _ in 0..30 {
        net.append(0, &[7; 100]);
    }
    let cursor = net.replicas[0].page(QueueCursor::START, 1).next;
    net.retain(0, at_most(1));
    net.append(0, &[8]);
    let page = net.replicas[0].page(cursor, 10);
    let values: Vec<_> = page.items.iter().map(|item| item.value.as_int()).collect();
    assert_eq!(values, [Some(8)]);
}
