//! Values: order, equality, JSON.

use std::cmp::Ordering;

use proptest::prelude::*;
use serde_json::json;

use super::{Replica, any_map, any_value, id};
use crate::{Comparison, JsonError, Limits, Map, Op, Transaction, Value};

#[test]
fn numbers_compare_exactly_and_in_one_order() {
    let ascending = [
        Value::Float(f64::NEG_INFINITY),
        Value::Float(-9_223_372_036_854_777_856.0),
        Value::Int(i64::MIN),
        Value::Int(i64::MIN + 1),
        Value::Float(-1.5),
        Value::Int(-1),
        Value::Float(-0.5),
        Value::Int(0),
        Value::Float(0.0),
        Value::Float(0.5),
        Value::Int(1),
        Value::Float(1.0),
        Value::Counter(1),
        Value::Int(9_007_199_254_740_992),
        Value::Float(9_007_199_254_740_992.0),
        Value::Int(9_007_199_254_740_993),
        Value::Int(i64::MAX),
        Value::Float(9_223_372_036_854_775_808.0),
        Value::Float(f64::INFINITY),
        Value::Float(f64::NAN),
    ];
    for (place, one) in ascending.iter().enumerate() {
        for (other, two) in ascending.iter().enumerate() {
            assert_eq!(one.cmp(two), place.cmp(&other), "{one:?} {two:?}");
        }
    }
    assert!(Value::Int(1).is_same(&Value::Float(1.0)));
    assert!(!Value::Int(i64::MAX).is_same(&Value::Float(9_223_372_036_854_775_808.0)));
    assert_eq!(Value::Int(1).compare_within_family(&Value::from("1")), None);
}

#[test]
fn lists_sets_and_maps_are_equal_or_before_and_never_both() {
    let list = |number: Value| Value::List(vec![number, "x".into()]);
    let deep = |number| Value::map([("a", list(number))]);
    let (whole, float) = (Value::Int(1), Value::Float(1.0));
    for (one, two) in [
        (list(whole.clone()), list(float.clone())),
        (deep(float.clone()), deep(Value::Counter(1))),
        (Value::set([whole.clone()]), Value::set([float.clone()])),
        // Members in another order among themselves.
        (
            Value::set([list(1.into()), list(Value::Float(0.5))]),
            Value::set([list(float), list(Value::Float(0.5))]),
        ),
    ] {
        assert!(one.is_same(&two));
        for comparison in [Comparison::Lt, Comparison::Gt, Comparison::Ne] {
            assert!(!comparison.holds(Some(&one), &two), "{one:?} {two:?}");
            assert!(!comparison.holds(Some(&two), &one), "{one:?} {two:?}");
        }
        assert!(Comparison::Le.holds(Some(&one), &two));
        assert!(Comparison::Ge.holds(Some(&one), &two));
    }
    assert!(Comparison::Lt.holds(Some(&list(whole)), &list(Value::Float(1.5))));
}

/// Values many of which are equal but for the kinds of their numbers and texts.
fn any_amount() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_i64..3).prop_map(Value::Int),
        (0_i32..5).prop_map(|half| Value::Float(f64::from(half) / 2.0)),
        (0_i64..3).prop_map(Value::Counter),
        "[ab]".prop_map(Value::String),
        "[ab]".prop_map(|text| Value::Text(crate::Text::new(text))),
    ]
    .prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::btree_set(inner.clone(), 0..3).prop_map(Value::Set),
            any_map(inner).prop_map(Value::Map),
        ]
    })
}

/// The same value with other kinds of numbers and texts.
fn of_other_kinds(value: &Value) -> Value {
    match value {
        Value::Int(int) => Value::Float(f64::from(i32::try_from(*int).unwrap())),
        Value::Counter(int) => Value::Int(*int),
        Value::String(text) => Value::Text(crate::Text::new(text.as_str())),
        Value::List(items) => Value::List(items.iter().map(of_other_kinds).collect()),
        Value::Set(members) => {
            let others: std::collections::BTreeSet<_> =
                members.iter().map(of_other_kinds).collect();
            // Two of one amount would become one.
            let is_whole = others.len() == members.len();
            Value::Set(if is_whole { others } else { members.clone() })
        }
        Value::Map(map) => {
            let others = map.iter();
            Value::Map(
                others
                    .map(|(key, value)| (key.clone(), of_other_kinds(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn values_of_one_family_are_in_one_order_and_equal_when_they_are_the_same(
        one in any_amount(),
        two in any_amount(),
        three in any_amount(),
    ) {
        let compare = Value::compare_within_family;
        prop_assert_eq!(compare(&one, &two) == Some(Ordering::Equal), one.is_same(&two));
        prop_assert_eq!(compare(&one, &two), compare(&two, &one).map(Ordering::reverse));
        if let (Some(first), Some(second)) = (compare(&one, &two), compare(&two, &three))
            && (first == second || first.is_eq() || second.is_eq())
        {
            prop_assert_eq!(compare(&one, &three), Some(first.then(second)));
        }
        let other = of_other_kinds(&one);
        prop_assert!(one.is_same(&other), "{:?}", other);
        prop_assert_eq!(compare(&one, &two), compare(&other, &two));
    }
}

#[test]
fn there_is_one_nan_and_one_zero() {
    let odd_nan = f64::from_bits(0xfff8_0000_0000_0001);
    for (one, two) in [(odd_nan, f64::NAN), (-0.0, 0.0)] {
        assert_eq!(Value::Float(one), Value::Float(two));
        assert_eq!(Value::Float(one).encode(), Value::Float(two).encode());
        assert_eq!(Value::Float(one).to_json(), Value::Float(two).to_json());
    }
    assert_eq!(Value::Float(-0.0).to_json().to_string(), "0.0");
    let not_canonical = [4, 0, 0, 0, 0, 0, 0, 0, 0x80];
    assert!(Value::decode(&not_canonical, &Limits::default()).is_err());
}

#[test]
fn special_values_and_keys_with_an_at_survive_json() {
    let value = Value::map([
        ("@ref", Value::Bytes(vec![0, 255])),
        ("@@ref", Value::Float(f64::NAN)),
        ("@", Value::Timestamp(i64::MIN)),
        ("", Value::Float(1.0)),
        ("имя", Value::set([1, 2])),
        ("min", Value::Int(i64::MIN)),
    ]);
    assert_eq!(
        value.to_json(),
        json!({
            "@@ref": {"@bytes": "AP8="},
            "@@@ref": {"@float": "NaN"},
            "@@": {"@time": i64::MIN},
            "": 1.0,
            "имя": {"@set": [1, 2]},
            "min": i64::MIN,
        })
    );
    assert_eq!(Value::from_json(&value.to_json()), Ok(value));
    let mine = Value::map([("@time", 5)]);
    assert_eq!(mine.to_json(), json!({"@@time": 5}));
}

#[test]
fn foreign_json_is_taken_as_it_is_or_refused_with_a_reason() {
    let foreign = json!({"@context": "x", "@ref": 1});
    let expected = Value::map([("@context", Value::from("x")), ("@ref", Value::Int(1))]);
    assert_eq!(Value::from_json(&foreign), Ok(expected));
    for wrong in [
        json!({"@ref": "no id"}),
        json!({"@bytes": "AP8"}),
        json!({"@time": 1.5}),
        json!({"@set": {}}),
        json!({"@float": "nan"}),
    ] {
        let error = Value::from_json(&wrong).unwrap_err();
        assert!(matches!(error, JsonError::Tag { .. }), "{error}");
    }
    let error = Value::from_json(&json!({"@a": 1, "@@a": 2})).unwrap_err();
    assert!(
        matches!(&error, JsonError::Twice { key } if key == "@a"),
        "{error}"
    );
    assert!(matches!(
        Value::from_json(&json!(u64::MAX)),
        Err(JsonError::Number { .. })
    ));
    let deep = (0..65).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(
        Value::from_json(&deep),
        Err(JsonError::Depth { .. })
    ));
    let deep = (0..64).fold(json!({"@time": 1}), |inner, _| json!([inner]));
    let value = Value::from_json(&deep).unwrap();
    assert_eq!(
        Value::decode(&value.encode(), &Limits::default()),
        Ok(value)
    );
}

#[test]
fn only_what_changed_becomes_operations() {
    let object = id(1);
    let old = Value::map([
        ("title", Value::from("a")),
        ("gone", Value::Null),
        ("nan", Value::Float(f64::NAN)),
        ("likes", Value::Counter(3)),
        ("tags", Value::set(["x", "y"])),
        ("m", Value::map([("x", 1), ("y", 2)])),
    ]);
    let new = Value::map([
        ("title", Value::from("b")),
        ("nan", Value::Float(f64::NAN)),
        ("likes", Value::Counter(1)),
        ("tags", Value::set(["y", "z"])),
        ("m", Value::map([("x", 1), ("y", 3)])),
    ]);
    let expected = Transaction::new()
        .unset(object, "gone")
        .increment(object, "likes", -2)
        .set(object, "m.y", 3)
        .set_remove(object, "tags", ["x"])
        .set_add(object, "tags", ["z"])
        .set(object, "title", "b");
    let (old, new) = (old.as_map().unwrap(), new.as_map().unwrap());
    assert_eq!(replaced(object, old, new).0, expected.ops);
}

/// What an update of an object does, and what the object shows then.
fn replaced(object: dxos_keys::ObjectId, old: &Map, new: &Map) -> (Vec<Op>, Map) {
    let mut replica = Replica::new(1);
    replica.commit(Transaction::new().create(object, "t", old.clone()));
    let sent = replica.write(|tx| tx.replace(object, old, new));
    (sent.ops, replica.states[&object].properties())
}

proptest! {
    #[test]
    fn a_difference_turns_the_old_into_the_new(
        old in any_map(any_value()),
        new in any_map(any_value()),
    ) {
        let (ops, shown) = replaced(id(1), &old, &new);
        prop_assert_eq!(ops.is_empty(), old == new);
        prop_assert_eq!(&shown, &new);
        prop_assert!(replaced(id(1), &new, &new).0.is_empty());
    }

    #[test]
    fn values_survive_bytes_json_and_serde(value in any_value()) {
        let limits = Limits::default();
        prop_assert_eq!(&Value::decode(&value.encode(), &limits).unwrap(), &value);
        let json = value.to_json().to_string();
        let read = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&Value::from_json(&read).unwrap(), &value);
        prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &value);
        let bytes = postcard::to_allocvec(&value).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Value>(&bytes).unwrap(), &value);
    }

    #[test]
    fn the_order_is_total(values in proptest::collection::vec(any_value(), 3)) {
        let [a, b, c] = &values[..] else { unreachable!() };
        prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
        prop_assert_eq!(a.cmp(b) == Ordering::Equal, a.encode() == b.encode());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }
}

#[test]
fn no_properties_are_an_empty_map() {
    assert_eq!(Value::map::<&str, Value>([]), Value::Map(Map::new()));
}
