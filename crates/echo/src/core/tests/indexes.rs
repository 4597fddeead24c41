//! Indexes against a look at every object, whatever happens in between.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dxos_credentials::Role;
use dxos_document::{
    Comparison, Deleted, Filter, ForeignKey, Object, ObjectRef, Op, Path, Query, Transaction, Value,
};
use dxos_schema::TypeSchema;
use dxos_store::{CrashPlan, Direction, Durability, KeyRange, Read, Store};
use proptest::prelude::*;

use super::super::layout::{INDEX, in_space};
use super::super::live::Lookup as _;
use super::{Net, Replica, object};

/// What can happen.
#[derive(Clone, Debug)]
enum Step {
    Edit(usize, Vec<Change>),
    /// A schema declares indexes of some properties, or is deleted.
    Declare(usize, u8, Option<(bool, bool, Texts)>),
    /// A part of what is to be built.
    Build(usize),
    /// Everything that is to be built.
    BuildAll(usize),
    Settle,
    /// The process ends, and with it what the disk did not have.
    Crash(usize, usize),
    /// A program without indexes wrote last.
    Forget(usize),
    Rebuild(usize),
    /// A copy of the second member's disk writes too: both branches are cut.
    Fork(Vec<Change>, Vec<Change>),
    /// The second member is removed, which had written without knowing.
    Remove(Vec<Change>),
}

/// Of which texts a schema declares an index: of all, of those at `p`.
type Texts = (bool, bool);

#[derive(Clone, Debug)]
enum Change {
    Create(u8, u8, Option<Value>, Option<Value>),
    Set(u8, bool, Value),
    Unset(u8, bool),
    Refer(u8, u8),
    Tag(u8, bool, u8),
    Key(u8, u8),
    Parent(u8, Option<u8>),
    Relate(u8, u8, u8),
    Delete(u8),
    Restore(u8),
    /// Typing into the text of a property, or into another.
    Type(u8, bool),
}

const TYPES: [&str; 3] = ["a", "a@1", "b"];
const OBJECTS: u8 = 8;

fn tag(number: u8) -> String {
    format!("t{number}")
}

impl Change {
    fn op(&self) -> Op {
        let property = |is_p: bool| Path::from(if is_p { "p" } else { "q" });
        let meta = |name: &str| Path::about(name);
        let tags = |number: u8| vec![Value::from(tag(number))];
        match self.clone() {
            Self::Create(number, type_name, p, q) => {
                let p = p.map(|p| ("p", p));
                let q = q.map(|q| ("q", q));
                let type_name = TYPES[usize::from(type_name) % TYPES.len()];
                let text = ("text", Value::Text(dxos_document::Text::new("x")));
                let properties: Vec<_> = p.into_iter().chain(q).chain([text]).collect();
                Transaction::new()
                    .create(object(number), type_name, properties)
                    .ops
                    .remove(0)
            }
            Self::Set(number, is_p, value) => Op::Set {
                object: object(number),
                path: property(is_p),
                value,
            },
            Self::Unset(number, is_p) => Op::Unset {
                object: object(number),
                path: property(is_p),
            },
            Self::Refer(number, to) => Op::Set {
                object: object(number),
                path: "ref".into(),
                value: object(to).into(),
            },
            Self::Tag(number, true, which) => Op::SetAdd {
                object: object(number),
                path: meta("tags"),
                values: tags(which),
            },
            Self::Tag(number, false, which) => Op::SetRemove {
                object: object(number),
                path: meta("tags"),
                values: tags(which),
            },
            Self::Key(number, which) => Op::SetAdd {
                object: object(number),
                path: meta("keys"),
                values: vec![Value::map([("source", "s".to_owned()), ("id", tag(which))])],
            },
            Self::Parent(number, parent) => Op::Set {
                object: object(number),
                path: meta("parent"),
                value: parent.map(object).into(),
            },
            Self::Relate(number, from, to) => Op::Set {
                object: object(number),
                path: Path::from("@meta"),
                value: Value::map([
                    ("source", Value::from(object(from))),
                    ("target", object(to).into()),
                ]),
            },
            Self::Delete(number) => Op::Delete {
                object: object(number),
            },
            // Where there is one: see [`World::edit`].
            Self::Type(number, _) | Self::Restore(number) => Op::Restore {
                object: object(number),
            },
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-2_i64..3).prop_map(Value::Int),
        2 => "[ab]{0,2}".prop_map(Value::String),
        1 => "a{254,258}[ab]".prop_map(Value::String),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => (-2_i32..3).prop_map(|half| Value::Float(f64::from(half) / 2.0)),
        1 => (-2_i64..3).prop_map(Value::Counter),
        1 => (0_i64..3).prop_map(Value::Timestamp),
        1 => (0_i64..3).prop_map(|int| Value::List(vec![Value::Int(int)])),
        1 => "[ab]{0,2}".prop_map(|text| Value::Text(dxos_document::Text::new(text))),
        2 => "[abÁ東]{1,2}( [abc]{1,2}){0,3}".prop_map(Value::String),
        1 => "[abc]{1,2}( [abc]{1,2}){0,7}".prop_map(|text| Value::Text(dxos_document::Text::new(text))),
        1 => proptest::collection::vec("[ab]{1,2} [ab]", 1..3)
            .prop_map(|texts| Value::List(texts.into_iter().map(Value::from).collect())),
    ]
}

fn any_words() -> impl Strategy<Value = String> {
    let one = "[abc東]{1,2}[*]?|a";
    prop_oneof![
        3 => one,
        2 => (one, one).prop_map(|(one, two)| format!("{one} {two}")),
        1 => (one, one).prop_map(|(one, two)| format!("\"{one} {two}\"")),
    ]
}

fn any_text() -> impl Strategy<Value = Filter> {
    let path = proptest::sample::select(vec![None, None, Some("p"), Some("q"), Some("text")]);
    (path, any_words()).prop_map(|(path, words)| Filter::Text {
        path: path.map(Path::from),
        words: words.into(),
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let number = || 1..=OBJECTS;
    let value = || proptest::option::of(any_value());
    prop_oneof![
        6 => (number(), 0..3_u8, value(), value())
            .prop_map(|(number, name, p, q)| Change::Create(number, name, p, q)),
        4 => (number(), any::<bool>(), any_value())
            .prop_map(|(number, is_p, value)| Change::Set(number, is_p, value)),
        1 => (number(), any::<bool>()).prop_map(|(number, is_p)| Change::Unset(number, is_p)),
        1 => (number(), number()).prop_map(|(number, to)| Change::Refer(number, to)),
        2 => (number(), any::<bool>(), 0..3_u8)
            .prop_map(|(number, adds, which)| Change::Tag(number, adds, which)),
        1 => (number(), 0..3_u8).prop_map(|(number, which)| Change::Key(number, which)),
        1 => (number(), proptest::option::of(number()))
            .prop_map(|(number, parent)| Change::Parent(number, parent)),
        1 => (number(), number(), number())
            .prop_map(|(number, from, to)| Change::Relate(number, from, to)),
        2 => number().prop_map(Change::Delete),
        1 => number().prop_map(Change::Restore),
        3 => (number(), any::<bool>()).prop_map(|(number, is_p)| Change::Type(number, is_p)),
    ]
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(any_change(), 1..5)
}

fn any_step() -> impl Strategy<Value = Step> {
    let replica = || 0..2_usize;
    prop_oneof![
        8 => (replica(), any_changes()).prop_map(|(at, changes)| Step::Edit(at, changes)),
        3 => (replica(), 0..2_u8, proptest::option::weighted(0.8, any::<(bool, bool, Texts)>()))
            .prop_map(|(at, which, declares)| Step::Declare(at, which, declares)),
        3 => replica().prop_map(Step::Build),
        2 => replica().prop_map(Step::BuildAll),
        3 => Just(Step::Settle),
        2 => (replica(), 0..6_usize).prop_map(|(at, survivors)| Step::Crash(at, survivors)),
        1 => replica().prop_map(Step::Forget),
        1 => replica().prop_map(Step::Rebuild),
        1 => (any_changes(), any_changes()).prop_map(|(one, two)| Step::Fork(one, two)),
        1 => any_changes().prop_map(Step::Remove),
    ]
}

fn any_field() -> impl Strategy<Value = Path> {
    proptest::sample::select(vec!["p", "p", "q", "q", "@created", "@updated", "@type"]).prop_map(
        |name| {
            name.strip_prefix('@')
                .map_or_else(|| Path::from(name), Path::about)
        },
    )
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let number = || 1..=OBJECTS;
    let comparison = proptest::sample::select(vec![
        Comparison::Eq,
        Comparison::Ge,
        Comparison::Gt,
        Comparison::Le,
        Comparison::Lt,
        Comparison::Ne,
    ]);
    let time = (1_i64..40).prop_map(Value::Timestamp);
    let value = || prop_oneof![4 => any_value(), 1 => time.clone()].boxed();
    let one = prop_oneof![
        (any_field(), comparison, value()).prop_map(|(path, comparison, value)| {
            Filter::Compare {
                path,
                comparison,
                value,
            }
        }),
        (any_field(), proptest::collection::vec(value(), 0..3))
            .prop_map(|(path, values)| Filter::In { path, values }),
        (any_field(), "a{0,3}|a{254,258}")
            .prop_map(|(path, prefix)| Filter::Prefix { path, prefix }),
        (any_field(), value()).prop_map(|(path, value)| Filter::Contains { path, value }),
        any_field().prop_map(Filter::Exists),
    ];
    let other = prop_oneof![
        proptest::sample::select(vec!["a", "a@1", "b"]).prop_map(Filter::type_name),
        Just(Filter::type_exact("a")),
        (0..3_u8).prop_map(|which| Filter::tag(tag(which))),
        proptest::collection::btree_set(0..3_u8, 0..3).prop_map(|which| Filter::foreign_keys(
            which.into_iter().map(|n| ForeignKey::new("s", tag(n)))
        )),
        number().prop_map(|n| Filter::references(object(n))),
        number().prop_map(|n| Filter::references_at("ref", object(n))),
        number().prop_map(|n| Filter::referenced_by(object(n))),
        number().prop_map(|n| Filter::relations_of(ObjectRef::local(object(n)))),
        number().prop_map(|n| Filter::relations_to(object(n))),
        number().prop_map(|n| Filter::children_of(object(n))),
        Just(Filter::has_parent()),
        proptest::collection::btree_set(number(), 0..4)
            .prop_map(|ids| Filter::ids(ids.into_iter().map(object))),
    ];
    let one = prop_oneof![2 => one, 1 => any_text()];
    let typed = (proptest::sample::select(vec!["a", "b"]), one.clone())
        .prop_map(|(name, filter)| Filter::type_name(name).and(filter));
    prop_oneof![2 => one, 2 => other, 3 => typed].prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(Filter::not),
        ]
    })
}

/// One that a declared index can serve.
fn any_typed() -> impl Strategy<Value = Filter> {
    let path = || proptest::sample::select(vec!["p", "q"]).prop_map(Path::from);
    let comparison = proptest::sample::select(vec![
        Comparison::Eq,
        Comparison::Ge,
        Comparison::Gt,
        Comparison::Le,
        Comparison::Lt,
    ]);
    let condition = prop_oneof![
        2 => Just(Filter::all()),
        3 => (path(), comparison, any_value()).prop_map(|(path, comparison, value)| {
            Filter::Compare {
                path,
                comparison,
                value,
            }
        }),
        1 => (path(), proptest::collection::vec(any_value(), 1..4))
            .prop_map(|(path, values)| Filter::In { path, values }),
        1 => (path(), "a{0,2}|a{254,257}")
            .prop_map(|(path, prefix)| Filter::Prefix { path, prefix }),
        2 => any_text(),
    ];
    (proptest::sample::select(vec!["a", "b"]), condition)
        .prop_map(|(name, condition)| Filter::type_name(name).and(condition))
}

/// What is searched for, the best first.
fn any_search() -> impl Strategy<Value = Query> {
    let names = proptest::sample::select(vec![None, Some("a"), Some("a"), Some("b")]);
    let filter = prop_oneof![
        3 => any_text(),
        1 => (any_text(), any_text()).prop_map(|(one, two)| one.and(two)),
        1 => (any_text(), any_text()).prop_map(|(one, two)| one.or(two)),
        1 => (any_text(), any_filter()).prop_map(|(one, two)| one.and(two)),
    ];
    let deleted = proptest::sample::select(vec![Deleted::Exclude, Deleted::Include, Deleted::Only]);
    let limit = proptest::option::weighted(0.7, 0..6_usize);
    let order = proptest::option::of((any_field(), any::<bool>()));
    (names, filter, deleted, limit, order).prop_map(|(name, filter, deleted, limit, order)| {
        let filter = match name {
            Some(name) => Filter::type_name(name).and(filter),
            None => filter,
        };
        let mut query = Query::new(filter).deleted(deleted).by_relevance();
        query = match order {
            Some((path, true)) => query.order_by(path),
            Some((path, false)) => query.descending(path),
            None => query,
        };
        query.limit = limit;
        query
    })
}

fn any_query() -> impl Strategy<Value = Query> {
    prop_oneof![2 => any_plain_query(), 1 => any_search()]
}

fn any_plain_query() -> impl Strategy<Value = Query> {
    let filter = prop_oneof![any_filter(), any_typed()];
    let deleted = proptest::sample::select(vec![Deleted::Exclude, Deleted::Include, Deleted::Only]);
    let order = proptest::collection::vec((any_field(), any::<bool>()), 0..3);
    (
        filter,
        deleted,
        order,
        proptest::option::weighted(0.7, 0..6_usize),
    )
        .prop_map(|(filter, deleted, order, limit)| {
            let mut query = Query::new(filter).deleted(deleted);
            for (path, is_ascending) in order {
                query = if is_ascending {
                    query.order_by(path)
                } else {
                    query.descending(path)
                };
            }
            query.limit = limit;
            query
        })
}

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

    fn build(&mut self) {
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
        self.space
            .visit_states(&self.store, &mut |id, state| {
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
fn filled(count: u32) -> Net {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_never_answers_otherwise_than_a_look_at_every_object(
        steps in proptest::collection::vec(any_step(), 1..24),
        queries in proptest::collection::vec(any_query(), 16),
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
            }
        }
        for number in [0, world.second] {
            let replica = &mut world.net.replicas[number];
            replica.build_all();
            replica.check_rows();
            for query in &queries {
                replica.check(query);
            }
        }
    }
}
