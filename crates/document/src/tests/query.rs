//! Filters, queries and differences.

use proptest::prelude::*;

use super::{Replica, any_map, any_scalar, id};
use crate::{
    Deleted, Difference, Filter, LiveResults, Map, Object, ObjectState, Query, Transaction, Value,
};

fn object(number: u8, type_name: &str, properties: Map, is_deleted: bool) -> Object {
    let mut replica = Replica::new(1);
    let mut transaction = Transaction::new().create(id(number), type_name, properties);
    if is_deleted {
        transaction = transaction.delete(id(number));
    }
    replica.commit(transaction);
    replica.object(id(number))
}

fn with(property: Value) -> Object {
    object(1, "task@1.0", [("p".into(), property)].into(), false)
}

#[test]
fn comparisons() {
    let big = with(Value::Int(i64::MAX));
    assert!(Filter::lt("p", 9_223_372_036_854_775_808.0).matches(&big));
    assert!(!Filter::eq("p", 9_223_372_036_854_775_808.0).matches(&big));
    assert!(Filter::gt("p", i64::MAX - 1).matches(&big));

    let one = with(Value::Counter(1));
    for value in [Value::Int(1), Value::Float(1.0), Value::Counter(1)] {
        assert!(Filter::eq("p", value.clone()).matches(&one));
        assert!(Filter::le("p", value.clone()).matches(&one));
        assert!(Filter::ge("p", value.clone()).matches(&one));
        assert!(!Filter::lt("p", value.clone()).matches(&one));
        assert!(!Filter::ne("p", value).matches(&one));
    }
    // Different families: not equal, and never before or after.
    for value in [Value::from("1"), Value::Null, Value::Timestamp(0)] {
        assert!(Filter::ne("p", value.clone()).matches(&one));
        for filter in [Filter::lt, Filter::le, Filter::gt, Filter::ge] {
            assert!(!filter("p", value.clone()).matches(&one));
        }
    }
    let nan = with(Value::Float(f64::NAN));
    assert!(Filter::eq("p", f64::NAN).matches(&nan));
    assert!(Filter::gt("p", f64::INFINITY).matches(&nan));
}

#[test]
fn a_missing_property_is_equal_to_null_and_never_before_or_after() {
    for object in [with(Value::Null), object(1, "t", Map::new(), false)] {
        assert!(Filter::eq("p", Value::Null).matches(&object));
        assert!(!Filter::ne("p", Value::Null).matches(&object));
        assert!(Filter::ne("p", 1).matches(&object));
        for filter in [Filter::lt, Filter::le, Filter::gt, Filter::ge] {
            assert!(!filter("p", Value::Null).matches(&object));
            assert!(!filter("p", Value::Int(1)).matches(&object));
        }
    }
    let nested = with(Value::map([("x", 1)]));
    assert!(Filter::eq("p.x", 1).matches(&nested));
    assert!(Filter::eq("p.x.y", Value::Null).matches(&nested));
}

#[test]
fn types_and_combinations() {
    let task = with(Value::Int(1));
    assert!(Filter::type_name("task").matches(&task));
    assert!(Filter::type_name("task@1.0").matches(&task));
    assert!(!Filter::type_name("task@1.1").matches(&task));
    assert!(!Filter::type_exact("task").matches(&task));
    assert!(Filter::ids([id(1)]).matches(&task));
    assert!(!Filter::ids([id(2)]).matches(&task));
    assert!(Filter::all().matches(&task));
    assert!(!Filter::Or(vec![]).matches(&task));
    assert!(Filter::eq("p", 2).or(Filter::eq("p", 1)).matches(&task));
    assert!(!Filter::eq("p", 2).and(Filter::eq("p", 1)).matches(&task));
    assert!(Filter::eq("p", 2).not().matches(&task));
    let hidden = object(1, "task", Map::new(), true);
    let query = Query::new(Filter::all());
    assert!(!query.matches(&hidden));
    assert!(query.clone().deleted(Deleted::Only).matches(&hidden));
    assert!(query.clone().deleted(Deleted::Include).matches(&hidden));
    assert!(!query.deleted(Deleted::Only).matches(&task));
}

#[test]
fn order_and_limit() {
    let objects = [
        object(1, "t", [("n".into(), Value::Int(2))].into(), false),
        object(2, "t", [("n".into(), Value::Float(1.5))].into(), false),
        object(3, "t", Map::new(), false),
        object(4, "t", [("n".into(), Value::Int(2))].into(), false),
    ];
    let ids = |query: &Query| -> Vec<u8> {
        let found = query.run(objects.iter().rev().cloned());
        found
            .iter()
            .map(|object| object.id().as_bytes()[0])
            .collect()
    };
    let query = Query::new(Filter::type_name("t"));
    assert_eq!(ids(&query), [1, 2, 3, 4]);
    assert_eq!(ids(&query.clone().order_by("n")), [3, 2, 1, 4]);
    assert_eq!(ids(&query.clone().descending("n").limit(3)), [1, 4, 2]);
    assert_eq!(ids(&query.limit(0)), [0; 0]);
}

#[test]
fn queries_are_data() {
    let query = Query::new(Filter::type_name("task").and(Filter::eq("a.b", 1).not()))
        .descending("due")
        .limit(3);
    let json = serde_json::to_value(&query).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "filter": {"and": [
                {"type_any_version": "task"},
                {"not": {"compare": {"path": "a.b", "comparison": "eq", "value": 1}}},
            ]},
            "deleted": "exclude",
            "order": [{"path": "due", "direction": "descending"}],
            "limit": 3,
            "after": null,
        })
    );
    assert_eq!(serde_json::from_value::<Query>(json).unwrap(), query);
    let bytes = postcard::to_allocvec(&query).unwrap();
    assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);
    let short: Query = serde_json::from_str(r#"{"filter": {"or": []}}"#).unwrap();
    assert_eq!(short, Query::new(Filter::Or(vec![])));
}

#[test]
fn an_object_is_data_too() {
    let mut replica = Replica::new(1);
    replica.commit(Transaction::new().create(id(1), "task", [("@x", Value::Timestamp(1))]));
    let object = replica.object(id(1));
    assert_eq!(
        object.to_json(),
        serde_json::json!({
            "id": id(1).to_string(),
            "type": "task",
            "properties": {"@@x": {"@time": 1}},
            "created_ms": 1001,
            "updated_ms": 1001,
        })
    );
    let json = serde_json::to_string(&object).unwrap();
    assert_eq!(serde_json::from_str::<Object>(&json).unwrap(), object);
    let bytes = postcard::to_allocvec(&object).unwrap();
    assert_eq!(postcard::from_bytes::<Object>(&bytes).unwrap(), object);
    let state: &ObjectState = &replica.states[&id(1)];
    let bytes = postcard::to_allocvec(state).unwrap();
    assert_eq!(&postcard::from_bytes::<ObjectState>(&bytes).unwrap(), state);
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        Just(Filter::all()),
        Just(Filter::type_name("t")),
        (0..8_u8).prop_map(|number| Filter::ids([id(number)])),
        any_scalar().prop_map(|value| Filter::eq("a", value)),
        any_scalar().prop_map(|value| Filter::ge("b", value)),
        (-2_i64..2).prop_map(|value| Filter::lt("a", value)),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| one.and(two)),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| one.or(two)),
            inner.prop_map(Filter::not),
        ]
    })
}

fn any_query() -> impl Strategy<Value = Query> {
    let order = proptest::collection::vec(any::<(bool, bool)>(), 0..3);
    (any_filter(), order, proptest::option::of(0..6_usize)).prop_map(|(filter, order, limit)| {
        let query = Query {
            limit,
            ..Query::new(filter)
        };
        order
            .into_iter()
            .fold(query, |query, (is_a, is_ascending)| {
                let path = if is_a { "a" } else { "b" };
                if is_ascending {
                    query.order_by(path)
                } else {
                    query.descending(path)
                }
            })
    })
}

type Change = (u8, Option<(Map, bool)>);

fn any_change() -> impl Strategy<Value = Change> {
    let small = prop_oneof![(-2_i64..3).prop_map(Value::Int), any_scalar()];
    (
        0..8_u8,
        proptest::option::of((any_map(small), proptest::bool::weighted(0.1))),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn folding_differences_is_running_the_query_again(
        query in any_query(),
        first in proptest::collection::vec(any_change(), 0..8),
        rounds in proptest::collection::vec(proptest::collection::vec(any_change(), 0..4), 1..6),
    ) {
        let mut all = std::collections::BTreeMap::new();
        let now = |change: Change| {
            change.1.map(|(properties, is_deleted)| object(change.0, "t", properties, is_deleted))
        };
        for change in first {
            if let Some(object) = now(change) {
                all.insert(object.id(), object);
            }
        }
        let mut folded = query.run(all.values().cloned());
        let mut folded_live = folded.clone();
        let mut live = LiveResults::new(query.clone(), all.values().cloned());
        prop_assert_eq!(live.results(), &folded[..]);
        for round in rounds {
            let mut touched = Vec::new();
            for change in round {
                let id = id(change.0);
                let object = now(change);
                match &object {
                    Some(object) => all.insert(id, object.clone()),
                    None => all.remove(&id),
                };
                touched.push((id, object));
            }
            let again = query.run(all.values().cloned());
            let between = Difference::between(&folded, &again);
            prop_assert_eq!(between.is_empty(), folded == again);
            between.clone().fold(&mut folded);
            prop_assert_eq!(&folded, &again);

            let mut incremental = live.update(touched);
            incremental.clone().fold(&mut folded_live);
            prop_assert_eq!(&folded_live, &again);
            prop_assert_eq!(live.results(), &again[..]);
            incremental.removed.sort();
            let mut between = between;
            between.removed.sort();
            prop_assert_eq!(incremental, between);
        }
    }
}
