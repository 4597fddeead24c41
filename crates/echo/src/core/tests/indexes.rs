//! Indexes against a look at every object, whatever happens in between.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dxos_credentials::Role;
use dxos_document::{Deleted, Filter, Object, Op, Path, Query, Transaction, Value};
use dxos_schema::TypeSchema;
use dxos_store::{CrashPlan, Direction, Durability, KeyRange, Read, Store};
use proptest::prelude::*;

use super::super::index::Recount;
use super::super::layout::{INDEX, in_space};
use super::super::live::Lookup as _;
use super::index_steps::{Change, Step, TYPES, any_query, any_step, any_value};
use super::{Net, Replica, object};

impl Replica {
    /// All objects, looked at one by one.
    fn seen(&self) -> Vec<Object> {
        let properties = self.space.properties_id();
        let tree = self.space.tree(&self.store).unwrap();
        let mut found = Vec::new();
        self.space
            .visit_states(&self.store, &mut |id, state| {
                let mut object = (id != properties).then(|| state.object(id)).flatten();
                if let Some(object) = &mut object {
                    tree.tell(object);
                }
                found.extend(object);
                ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    fn commit(&mut self, batch: dxos_store::Batch) {
        for part in self.space.parts(batch).unwrap() {
            self.store.commit(part, Durability::Buffered).unwrap();
        }
    }

    pub(super) fn build(&mut self) {
        let batch = self.space.build_indexes(&self.store).unwrap();
        self.commit(batch);
    }

    pub(super) fn build_all(&mut self) {
        for _ in 0..1_000 {
            if !self.space.has_index_work() {
                return;
            }
            self.build();
        }
        panic!("the indexes are never built");
    }

    pub(super) fn check_rows(&self) {
        let number = self.space.record.number;
        let mut expected = BTreeSet::new();
        let mut words = Recount::default();
        self.space
            .visit_states(&self.store, &mut |id, state| {
                self.space.indexes.recount(id, &state, &mut words);
                let rows = self.space.indexes.rows(id, &state).into_iter();
                let rows = rows.chain(self.space.indexes.word_rows(id, &state));
                expected.extend(rows.map(|row| in_space(number, &row)));
                ControlFlow::Continue(())
            })
            .unwrap();
        expected.extend(self.space.indexes.rows_of_none(number));
        let range = KeyRange::prefix(&in_space(number, b""));
        let rows = self.store.scan(INDEX, range, Direction::Forward);
        let found: BTreeSet<_> = rows.map(|row| row.unwrap().0.to_vec()).collect();
        assert!(!self.space.has_index_work());
        assert!(self.space.indexes.are_counted(&words));
        assert_eq!(found, expected);
    }

    /// The answer is what a look at every object gives, in one piece and in pages.
    pub(super) fn check(&self, query: &Query) {
        let all = self.seen();
        let resolved = {
            let reader = super::super::query::Reader {
                space: &self.space,
                store: &self.store,
            };
            reader.resolve(&query.filter).unwrap()
        };
        let plain = Query {
            filter: resolved,
            ..query.clone()
        };
        let relevance = plain.relevance(&all);
        let expected = plain.run_ranked(relevance.as_ref(), all.iter().cloned());
        let answer = self.space.query(query, &self.store).unwrap();
        let explained = || {
            let explained = self.space.explain(query, &self.store).unwrap();
            format!("{query}: {explained:?}")
        };
        assert_eq!(answer, expected, "{}", explained());
        let count = self.space.count(query, &self.store).unwrap();
        assert_eq!(count, plain.count(&all), "{}", explained());
        let groups = self.space.group_count(query, &"p".into(), &self.store);
        assert_eq!(groups.unwrap(), plain.group_count("p", &all));
        if let Some(first) = expected.first() {
            let rest = query.clone().after(query.cursor_after(first)).limit(3);
            let answer = self.space.query(&rest, &self.store).unwrap();
            let four = Query {
                limit: Some(4),
                ..plain
            };
            let four = four.run_ranked(relevance.as_ref(), all);
            assert_eq!(answer, four[1..], "{}", explained());
        }
        for bytes in [1, 500, 1 << 20] {
            if let Some((found, _)) = self.read_by_ids(bytes, query) {
                assert_eq!(found, answer, "{}", explained());
            }
        }
    }
}

impl Replica {
    /// What is counted by rows is what a look at every object counts. Returns how much that was.
    fn check_counts(&self) -> usize {
        let all = self.seen();
        let mut filters = vec![Filter::all()];
        for object in &all {
            let of_type = Filter::TypeAnyVersion(object.type_name().base().to_owned());
            filters.push(of_type.clone());
            for path in ["p", "q", "number", "even"].map(Path::from) {
                let value = object.field(&path).as_deref().cloned();
                filters.push(Filter::eq(path, value.unwrap_or(Value::Null)).and(of_type.clone()));
            }
        }
        let mut by_rows = 0;
        for filter in filters {
            for deleted in [Deleted::Exclude, Deleted::Include, Deleted::Only] {
                let query = Query::new(filter.clone()).deleted(deleted);
                let count = self.space.count(&query, &self.store).unwrap();
                assert_eq!(count, query.count(&all), "{query}");
                let counted = self.space.count_rows(&query, &self.store).unwrap();
                by_rows += usize::from(counted.is_some());
            }
        }
        by_rows
    }
}

struct World {
    net: Net,
    /// The replica of the second member.
    second: usize,
    is_connected: bool,
}

impl World {
    fn new() -> Self {
        Self {
            net: Net::of(7, &[Role::Editor]),
            second: 1,
            is_connected: false,
        }
    }

    fn number(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.second }
    }

    fn settle(&mut self) {
        if !self.is_connected {
            self.net.connect(0, self.second);
            self.is_connected = true;
        }
        self.net.settle();
    }

    fn edit(&mut self, number: usize, changes: &[Change]) {
        if self.net.replicas[number].space.role() == Some(Role::Admin)
            || self.net.replicas[number].space.role() == Some(Role::Editor)
        {
            let changes = changes.to_vec();
            self.net.transact(number, move |tx| {
                for change in changes {
                    match change {
                        Change::Type(number, is_p) => {
                            let path = if is_p { "p" } else { "text" };
                            if let Ok(mut text) = tx.text(object(number), path) {
                                text.insert(0, if is_p { "ab" } else { "b a" })?;
                            }
                        }
                        other => tx.push(other.op())?,
                    }
                }
                Ok(())
            });
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Edit(at, changes) => self.edit(self.number(*at), changes),
            Step::Declare(at, which, declares) => {
                let number = self.number(*at);
                if self.net.replicas[number].space.role().is_none() {
                    return;
                }
                let name = TYPES[1 + usize::from(*which)];
                let name = if name == "b" { "b@1" } else { name };
                let (p, q, (all, words)) = declares.unwrap_or_default();
                let schema = serde_json::json!({
                    "properties": {
                        "p": {"x-echo-index": p, "x-echo-text": words},
                        "q": {"x-echo-index": q},
                    },
                    "x-echo-text": all,
                });
                let schema = TypeSchema::new(name, schema).unwrap();
                let op = if declares.is_some() {
                    schema.create()
                } else {
                    Op::Delete {
                        object: schema.id(),
                    }
                };
                self.net.edit(number, vec![op]);
            }
            Step::Build(at) => {
                let number = self.number(*at);
                self.net.replicas[number].build();
            }
            Step::BuildAll(at) => {
                let number = self.number(*at);
                self.net.replicas[number].build_all();
            }
            Step::Settle => self.settle(),
            Step::Crash(at, survivors) => {
                let number = self.number(*at);
                self.is_connected = false;
                self.net.reopen(number, |disk| {
                    disk.crash(CrashPlan::power_loss(*survivors));
                });
            }
            Step::Forget(at) => {
                let number = self.number(*at);
                let replica = &mut self.net.replicas[number];
                let key = super::super::layout::derived_key(replica.space.record.number);
                let mut batch = dxos_store::Batch::new();
                batch.put(super::super::layout::TALLIES, key, vec![3]);
                replica.commit(batch);
                self.is_connected = false;
                self.net.reopen(number, |_| {});
            }
            Step::Rebuild(at) => {
                let number = self.number(*at);
                self.net.replicas[number].rebuild();
            }
            Step::Fork(one, two) => {
                if self.net.replicas[self.second].space.role().is_none()
                    || self.net.replicas.len() > 3
                {
                    return;
                }
                self.settle();
                let twin = self.net.twin(self.second);
                self.edit(self.second, one);
                self.edit(twin, two);
                self.net.connect(0, twin);
                self.net.settle();
                self.net.disconnect(0, twin);
            }
            Step::Remove(changes) => {
                self.settle();
                if self.net.replicas[self.second].space.role().is_none() {
                    return;
                }
                self.net.disconnect(0, self.second);
                self.is_connected = false;
                self.edit(self.second, changes);
                let identity = self.net.replicas[self.second].space.identity();
                self.net
                    .control(0, |space, now_ms, (store, rng)| {
                        space.remove_member(identity, now_ms, (store, rng))
                    })
                    .unwrap();
            }
        }
    }
}

/// Objects of a type, half of them done, with a schema that declares `number`.
pub(super) fn filled(count: u32) -> Net {
    let mut net = Net::new(1);
    let schema = serde_json::json!({"properties": {
        "number": {"x-echo-index": true}, "even": {"x-echo-index": true},
    }});
    let schema = TypeSchema::new("task@1", schema).unwrap();
    let all = (0..count).fold(Transaction::new(), |all, number| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
        let even = Value::from(number % 2 == 0);
        let number = Value::from(i64::from(number));
        let properties = [("number", number), ("even", even)];
        all.create(dxos_keys::ObjectId::from_bytes(id), "task@1", properties)
    });
    net.edit(0, all.ops);
    net.edit(0, vec![schema.create()]);
    net
}

#[test]
fn an_order_by_an_index_reads_no_more_than_the_limit() {
    let mut net = filled(1_000);
    let replica = &mut net.replicas[0];
    let tasks = Query::new(Filter::type_name("task"));
    let query = tasks.clone().descending("number").limit(50);
    let explain = |replica: &Replica, query: &Query| {
        replica.check(query);
        replica.space.explain(query, &replica.store).unwrap()
    };
    // Not yet built: answered all the same.
    let before = explain(replica, &query);
    assert!(!before.in_order && before.objects >= 1_000, "{before:?}");
    replica.build_all();
    let after = explain(replica, &query);
    assert_eq!(after.index.as_deref(), Some("task by number"));
    assert!(after.in_order && after.building.is_empty());
    assert_eq!((after.objects, after.results), (50, 50));
    assert!(after.rows <= 51);

    // Many with one value are not read before the limit either.
    let even = tasks.clone().descending("even").limit(50);
    let even = explain(replica, &even);
    assert_eq!((even.objects, even.results), (50, 50));
    assert!(even.rows <= 60, "{even:?}");

    // A range finds what is in it and no more.
    let some = tasks.clone().limit(50);
    let range = Filter::ge("number", 300).and(Filter::lt("number", 310));
    let range = Query {
        filter: some.filter.clone().and(range),
        ..some.clone()
    };
    let range = explain(replica, &range);
    assert_eq!(range.results, 10);

    // One of several ranges of one order, as a day stands for a timestamp or a text.
    let day = "type:task (number<2026-12-01 OR number<500) order:-number limit:5";
    let day = explain(replica, &day.parse().unwrap());
    assert!(day.in_order && day.rows <= 6, "{day:?}");
    assert_eq!((day.objects, day.results), (5, 5));
    let latest = Query::new(Filter::all())
        .descending(Path::about("updated"))
        .limit(3);
    let latest = explain(replica, &latest);
    assert!(latest.in_order && latest.rows < 20, "{latest:?}");
    let by_type = explain(replica, &some);
    assert_eq!(
        (by_type.index.as_deref(), by_type.objects),
        (Some("type"), 50)
    );
    let one = Query::new(Filter::ids([object(1)]));
    assert_eq!(explain(replica, &one).objects, 1);
}

#[test]
fn all_objects_those_of_a_type_and_those_with_a_value_are_counted_by_rows() {
    let mut net = filled(20);
    let long = "long".repeat(100);
    let three = [7, 8, 9].map(|number| dxos_keys::ObjectId::from_bytes([number; 16]));
    let [parent, child, strange] = three;
    let more = Transaction::new()
        .create(
            parent,
            "task@1",
            [("number", Value::from(3.0)), ("even", Value::from(true))],
        )
        .create(child, "task", [("number", Value::from("3"))])
        .create(strange, long.as_str(), [("even", Value::from(true))])
        .delete(dxos_keys::ObjectId::from_bytes([0; 16]));
    net.edit(0, more.ops);
    let replica = &mut net.replicas[0];
    replica.build_all();
    let count = |replica: &Replica, text: &str| {
        let query: Query = text.parse().unwrap();
        let by_rows = replica.space.count_rows(&query, &replica.store).unwrap();
        (
            replica.space.count(&query, &replica.store).unwrap(),
            by_rows.is_some(),
        )
    };
    // The properties of the space and what is deleted are none; a schema is an object.
    assert_eq!(count(replica, ""), (23, true));
    assert_eq!(count(replica, "type:task"), (21, true));
    assert_eq!(count(replica, "type:task deleted:only"), (1, true));
    assert_eq!(count(replica, "type:task even:true"), (10, true));
    // Whole or not, a number is one.
    assert_eq!(count(replica, "number:3 type:task"), (2, true));
    // What rows alone do not tell.
    assert_eq!(count(replica, &format!("type:{long}")), (1, false));
    assert_eq!(count(replica, "type:task@1"), (20, false));
    assert_eq!(count(replica, "type:task even:true number>3"), (8, false));
    assert_eq!(count(replica, "even:true"), (11, false));
    assert!(replica.check_counts() > 50);

    // A child of what is deleted is not found, and has its rows.
    let below = Transaction::new().set(child, "@meta.parent", Some(parent));
    net.edit(0, below.ops);
    assert_eq!(count(&net.replicas[0], "type:task"), (21, true));
    net.edit(0, Transaction::new().delete(parent).ops);
    assert_eq!(count(&net.replicas[0], "type:task"), (19, false));
    net.replicas[0].check_counts();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_never_answers_otherwise_than_a_look_at_every_object(
        steps in proptest::collection::vec(any_step(), 1..24),
        queries in proptest::collection::vec(any_query(), 12),
        first in proptest::collection::vec((0..3_u8, any_value(), any_value()), 0..=8),
    ) {
        let mut world = World::new();
        for (number, (name, p, q)) in (1..).zip(first) {
            world.edit(0, &[Change::Create(number, name, Some(p), Some(q))]);
        }
        for which in 0..2 {
            world.run(&Step::Declare(0, which, Some((true, true, (true, which == 0)))));
        }
        world.run(&Step::Settle);
        world.run(&Step::BuildAll(0));
        for step in &steps {
            world.run(step);
            for number in [0, world.second] {
                for query in &queries {
                    world.net.replicas[number].check(query);
                }
                world.net.replicas[number].check_counts();
            }
        }
        for number in [0, world.second] {
            let replica = &mut world.net.replicas[number];
            replica.build_all();
            replica.check_rows();
            for query in &queries {
                replica.check(query);
            }
            replica.check_counts();
        }
    }
}
