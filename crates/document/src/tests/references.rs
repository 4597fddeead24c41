//! References in values, and conditions on them.

use std::collections::BTreeSet;

use dxos_keys::SpaceKey;

use super::{Replica, id};
use crate::{Filter, Object, ObjectRef, Span, Text, Transaction, Value};

fn space(number: u8) -> SpaceKey {
    SpaceKey::from_bytes([number; 32])
}

fn referring() -> Object {
    let mut replica = Replica::new(1);
    let properties = [
        ("owner", Value::from(id(2))),
        ("team", Value::from(vec![id(3).into(), id(4).into()])),
        ("seen", Value::set([id(5)])),
        (
            "deep",
            Value::map([("er", Value::from(vec![Value::map([("x", id(6))])]))]),
        ),
        ("text", {
            let span = Span {
                from: 0,
                to: 1,
                name: "comment".into(),
                value: id(8).into(),
            };
            Text::new("See").with_spans([span]).into()
        }),
        ("far", ObjectRef::across(space(9), id(7)).into()),
    ];
    replica.commit(Transaction::new().create(id(1), "task", properties));
    replica.object(id(1))
}

#[test]
fn references_are_found_in_lists_sets_maps_and_marks() {
    let object = referring();
    for number in 2..=6 {
        assert!(Filter::references(id(number)).matches(&object), "{number}");
    }
    assert!(Filter::references_at("text", id(8)).matches(&object));
    assert!(!Filter::references(id(1)).matches(&object));
    assert!(Filter::references_at("team", id(4)).matches(&object));
    assert!(Filter::references_at("deep", id(6)).matches(&object));
    assert!(Filter::references_at("deep.er", id(6)).matches(&object));
    assert!(!Filter::references_at("owner", id(4)).matches(&object));
    assert!(!Filter::references_at("none", id(4)).matches(&object));
    let paths: Vec<_> = object
        .references()
        .into_iter()
        .map(|found| found.0.to_string())
        .collect();
    assert_eq!(
        paths,
        ["deep.er.x", "far", "owner", "seen", "team", "team", "text"]
    );
}

#[test]
fn a_reference_into_another_space_is_another_reference() {
    let object = referring();
    assert!(!Filter::references(id(7)).matches(&object));
    assert!(Filter::references(ObjectRef::across(space(9), id(7))).matches(&object));
    assert!(!Filter::references(ObjectRef::across(space(8), id(7))).matches(&object));
    // Unless the space is the one that it is in, whichever way it is written.
    let here = |filter: Filter| {
        let resolved = filter
            .resolve(&space(9), &mut |_| Ok::<_, ()>(None))
            .unwrap();
        resolved.matches(&object)
    };
    assert!(here(Filter::references(id(7))));
    assert!(here(Filter::references(ObjectRef::across(space(9), id(2)))));
    assert!(!here(Filter::references(ObjectRef::across(
        space(8),
        id(2)
    ))));
}

#[test]
fn what_an_object_refers_to_is_looked_up() {
    let object = referring();
    let resolve = |filter: &Filter| {
        let load = &mut |wanted| Ok::<_, ()>((wanted == id(1)).then(|| object.clone()));
        filter.resolve(&space(8), load).unwrap()
    };
    let ids = |numbers: &[u8]| Filter::ids(numbers.iter().copied().map(id));
    assert_eq!(
        resolve(&Filter::referenced_by(id(1))),
        ids(&[2, 3, 4, 5, 6, 8])
    );
    assert_eq!(
        resolve(&Filter::referenced_by_at(id(1), "team")),
        ids(&[3, 4])
    );
    assert_eq!(resolve(&Filter::referenced_by(id(9))), ids(&[]));
    let nested = Filter::all().and(Filter::referenced_by(id(1)).or(Filter::exists("x")).not());
    assert_eq!(nested.sources(), BTreeSet::from([id(1)]));
    assert!(!resolve(&nested).matches(&{
        let mut replica = Replica::new(1);
        replica.commit(Transaction::new().create(id(3), "task", [("y", 1)]));
        replica.object(id(3))
    }));
}

#[test]
fn filters_on_references_are_data() {
    let far = ObjectRef::across(space(9), id(7));
    for reference in [ObjectRef::local(id(7)), far] {
        assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
        let filter = Filter::references(reference)
            .or(Filter::referenced_by_at(id(1), "a.b"))
            .and(Filter::prefix("name", "x").not());
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
        let bytes = postcard::to_allocvec(&filter).unwrap();
        assert_eq!(postcard::from_bytes::<Filter>(&bytes).unwrap(), filter);
    }
    let short = format!(r#"{{"references": {{"target": "{}"}}}}"#, id(2));
    assert_eq!(
        serde_json::from_str::<Filter>(&short).unwrap(),
        Filter::references(id(2))
    );
    for wrong in ["", ":", "y:z", "yyyy"] {
        assert!(wrong.parse::<ObjectRef>().is_err(), "{wrong}");
    }
}

#[test]
fn membership_prefix_and_presence() {
    let mut replica = Replica::new(1);
    let properties = [
        ("name", Value::from("Write the letter")),
        ("tags", Value::set(["home", "post"])),
        ("sizes", Value::from(vec![Value::Int(1), Value::Float(2.5)])),
        ("none", Value::Null),
    ];
    replica.commit(Transaction::new().create(id(1), "task", properties));
    let object = replica.object(id(1));
    for (filter, expected) in [
        (Filter::prefix("name", "Write"), true),
        (Filter::prefix("name", "write"), false),
        (Filter::prefix("tags", ""), false),
        (Filter::contains("name", "the"), true),
        (Filter::contains("name", Value::Int(1)), false),
        (Filter::contains("tags", "home"), true),
        (Filter::contains("tags", "hom"), false),
        (Filter::contains("sizes", 1.0), true),
        (Filter::contains("sizes", 3), false),
        (Filter::exists("none"), true),
        (Filter::exists("missing"), false),
        (Filter::any_of("name", ["x", "Write the letter"]), true),
        (Filter::any_of("name", Vec::<Value>::new()), false),
        (Filter::any_of("missing", [Value::Null]), true),
    ] {
        assert_eq!(filter.matches(&object), expected, "{filter:?}");
    }
}
