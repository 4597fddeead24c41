//! Everything that can happen to objects and their indexes, and every query about them.

use dxos_document::{
    Comparison, Deleted, Filter, ForeignKey, ObjectRef, Op, Path, Query, Transaction, Value,
};
use proptest::prelude::*;

use super::object;

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Step {
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
pub(super) type Texts = (bool, bool);

#[derive(Clone, Debug)]
pub(super) enum Change {
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

pub(super) const TYPES: [&str; 3] = ["a", "a@1", "b"];
pub(super) const OBJECTS: u8 = 8;

fn tag(number: u8) -> String {
    format!("t{number}")
}

impl Change {
    pub(super) fn op(&self) -> Op {
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

pub(super) fn any_value() -> impl Strategy<Value = Value> {
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
        1 => (0_i32..5).prop_map(|half| Value::List(vec![Value::Float(f64::from(half) / 2.0)])),
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
        1 => "-|😀|\\*| |\"| -a",
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

pub(super) fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(any_change(), 1..5)
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
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
pub(super) fn any_search() -> impl Strategy<Value = Query> {
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

pub(super) fn any_query() -> impl Strategy<Value = Query> {
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
