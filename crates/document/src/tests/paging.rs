//! Pages, counts and groups.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Replica, any_scalar, id};
use crate::{Cursor, Filter, Map, Object, Path, Query, QueryError, Transaction, Value};

fn object(number: u8, value: Option<Value>) -> Object {
    let mut replica = Replica::new(1);
    let properties: Map = value.into_iter().map(|value| ("p".into(), value)).collect();
    replica.commit(Transaction::new().create(id(number), "task", properties));
    replica.object(id(number))
}

/// All pages, one after the other, with what happens between them.
fn pages(query: &Query, size: usize, mut now: impl FnMut(usize) -> Vec<Object>) -> Vec<Object> {
    let mut found = Vec::new();
    let mut query = query.clone().for_page(size);
    for turn in 0..1_000 {
        let page = query.page(query.run(now(turn)), size);
        assert!(page.objects.len() <= size);
        found.extend(page.objects);
        let Some(next) = page.next else { return found };
        // As a page of a web client keeps it.
        let next: Cursor = next.to_string().parse().unwrap();
        query = query.after(next);
        query.check().unwrap();
    }
    panic!("the pages do not end");
}

#[test]
fn a_cursor_of_another_order_is_refused() {
    let query = Query::new(Filter::all()).order_by("p");
    let cursor = query.cursor_after(&object(1, Some(1.into())));
    let other = Query::new(Filter::all()).descending("p").after(cursor);
    assert_eq!(other.check(), Err(QueryError::CursorOfAnotherOrder));
    for text in ["", "%", "e30", &"A".repeat(3 << 20)] {
        assert!(text.parse::<Cursor>().is_err());
    }
}

#[test]
fn what_is_known_of_an_object_besides_is_named_as_properties_are() {
    let object = object(1, None);
    let about = |name: &str| {
        object
            .field(&Path::about(name))
            .map(std::borrow::Cow::into_owned)
    };
    assert_eq!(about("type"), Some("task".into()));
    assert_eq!(about("created"), Some(Value::Timestamp(1001)));
    assert_eq!(about("updated"), Some(Value::Timestamp(1001)));
    for name in ["parent", "source", "tags", "target", "x"] {
        assert_eq!(about(name), None);
    }
    assert!(Filter::ge(Path::about("created"), Value::Timestamp(1001)).matches(&object));
    assert!(
        Filter::lt(Path::about("created"), Value::Timestamp(1001))
            .not()
            .matches(&object)
    );
}

#[test]
fn equal_values_of_any_kind_are_one_group() {
    let values = [
        Some(Value::Int(1)),
        Some(Value::Float(1.0)),
        Some(Value::Counter(1)),
        Some(Value::Null),
        None,
        Some("x".into()),
    ];
    let objects: Vec<_> = (0..)
        .zip(values)
        .map(|(number, value)| object(number, value))
        .collect();
    let query = Query::new(Filter::type_name("task")).limit(1);
    assert_eq!(query.count(&objects), 6);
    let groups = query.group_count("p", &objects);
    let groups: Vec<_> = groups
        .into_iter()
        .map(|group| (group.value, group.count))
        .collect();
    assert_eq!(
        groups,
        [(Value::Null, 2), (Value::Int(1), 3), ("x".into(), 1)]
    );
    let by_type = query.group_count(Path::about("type"), &objects);
    assert_eq!(by_type[0].count, 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn pages_together_are_the_answer(
        values in proptest::collection::vec(proptest::option::of(any_scalar()), 0..12),
        size in 1..5_usize,
        is_ascending: bool,
    ) {
        let objects: Vec<_> =
            (0..).zip(values).map(|(number, value)| object(number, value)).collect();
        let query = Query::new(Filter::all());
        let query = if is_ascending { query.order_by("p") } else { query.descending("p") };
        let found = pages(&query, size, |_| objects.clone());
        prop_assert_eq!(found, query.run(objects));
    }

    /// Nothing that stays as it is comes twice or never, whatever comes, goes and moves.
    #[test]
    fn pages_survive_changes(
        values in proptest::collection::vec(any_scalar(), 1..12),
        changes in proptest::collection::vec((0..16_u8, proptest::option::of(any_scalar())), 0..12),
        size in 1..4_usize,
    ) {
        let mut all: BTreeMap<u8, Object> =
            (0..).zip(values).map(|(number, value)| (number, object(number, Some(value)))).collect();
        let query = Query::new(Filter::all()).order_by("p");
        let mut untouched: Vec<Object> = all
            .iter()
            .filter(|(number, _)| changes.iter().all(|(changed, _)| changed != *number))
            .map(|(_, object)| object.clone())
            .collect();
        let mut changes = changes.into_iter();
        let found = pages(&query, size, |turn| {
            if turn > 0 && let Some((number, value)) = changes.next() {
                match value {
                    Some(value) => drop(all.insert(number, object(number, Some(value)))),
                    None => drop(all.remove(&number)),
                }
            }
            all.values().cloned().collect()
        });
        untouched = query.run(untouched);
        let met: Vec<_> = found.into_iter().filter(|object| untouched.contains(object)).collect();
        prop_assert_eq!(met, untouched);
    }
}
