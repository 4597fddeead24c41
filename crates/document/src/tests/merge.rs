//! What concurrent edits come to, one rule at a time.

use super::{Replica, Sent, id};
use crate::{Object, Stamp, Transaction, Value};

const TASK: u8 = 1;

fn tx() -> Transaction {
    Transaction::new()
}

/// Two replicas that start from `first`, make one edit each and exchange them; ben's id is the
/// greater, so that his edit is the later one. Gives what both then show.
fn merged(first: Transaction, ann: Transaction, ben: Transaction) -> Object {
    let (mut one, mut two) = (Replica::new(1), Replica::new(2));
    let start = one.commit(first);
    two.apply(&start);
    let (ann, ben) = (one.commit(ann), two.commit(ben));
    one.apply(&ben);
    two.apply(&ann);
    assert_eq!(one.bytes(), two.bytes());
    assert_eq!(one.object(id(TASK)), two.object(id(TASK)));
    one.object(id(TASK))
}

fn create(properties: Value) -> Transaction {
    let Value::Map(properties) = properties else {
        panic!("properties are a map")
    };
    tx().create(id(TASK), "task", properties)
}

fn json(object: &Object) -> String {
    Value::Map(object.properties().clone())
        .to_json()
        .to_string()
}

fn after(first: Value, ann: Transaction, ben: Transaction) -> String {
    json(&merged(create(first), ann, ben))
}

fn set(path: &str, value: impl Into<Value>) -> Transaction {
    tx().set(id(TASK), path, value)
}

fn one_level(key: &str, value: impl Into<Value>) -> Value {
    Value::map([(key, value.into())])
}

#[test]
fn the_later_of_two_assignments_shows_and_the_other_stays_readable() {
    let object = merged(
        create(one_level("title", "?")),
        set("title", "Write"),
        set("title", "Read"),
    );
    assert_eq!(object.get("title"), Some(&Value::from("Read")));
    let [conflict] = object.conflicts("title") else {
        panic!("one conflict: {object:?}")
    };
    assert_eq!(conflict.value, Value::from("Write"));
    assert_eq!(conflict.stamp.feed.as_bytes(), &[1; 32]);
    assert_eq!(object.conflicts("other"), []);
    assert_eq!(object.all_conflicts().count(), 1);
}

#[test]
fn assigning_again_ends_a_conflict_and_keeps_what_it_has_not_seen() {
    let mut replicas = [Replica::new(1), Replica::new(2), Replica::new(3)];
    let start = replicas[0].commit(create(one_level("n", "start")));
    replicas[1].apply(&start);
    replicas[2].apply(&start);
    let sent: Vec<Sent> = replicas
        .iter_mut()
        .zip(["a", "b", "c"])
        .map(|(replica, text)| replica.commit(set("n", text)))
        .collect();
    // The first sees b but not c, and decides.
    replicas[0].apply(&sent[1]);
    let decided = replicas[0].commit(set("n", "decided"));
    replicas[0].apply(&sent[2]);
    replicas[2].apply_all([&sent[0], &sent[1], &decided]);
    for replica in [&replicas[0], &replicas[2]] {
        let object = replica.object(id(TASK));
        assert_eq!(object.get("n"), Some(&Value::from("decided")));
        assert_eq!(object.conflicts("n").len(), 1);
        assert_eq!(object.conflicts("n")[0].value, Value::from("c"));
    }
    assert_eq!(replicas[0].bytes(), replicas[2].bytes());
}

#[test]
fn equal_concurrent_values_are_no_conflict() {
    let object = merged(create(one_level("n", 1)), set("n", 2), set("n", 2));
    assert_eq!(object.conflicts("n"), []);
}

#[test]
fn maps_merge_by_leaf() {
    let address = Value::map([("city", "Riga"), ("street", "Elm")]);
    assert_eq!(
        after(
            one_level("home", address),
            set("home.city", "Oslo"),
            set("home.street", "Oak")
        ),
        r#"{"home":{"city":"Oslo","street":"Oak"}}"#
    );
    // Two who bring the same map into being.
    assert_eq!(
        after(
            Value::map([("x", 0)]),
            set("home", one_level("city", "Oslo")),
            set("home", one_level("street", "Oak"))
        ),
        r#"{"home":{"city":"Oslo","street":"Oak"},"x":0}"#
    );
}

#[test]
fn assigning_a_map_replaces_what_its_writer_saw_and_nothing_else() {
    let start = one_level("m", Value::map([("old", 1)]));
    assert_eq!(
        after(start, set("m", one_level("new", 2)), set("m.fresh", 3)),
        r#"{"m":{"fresh":3,"new":2}}"#
    );
}

#[test]
fn of_a_value_and_a_map_the_later_shows_whole() {
    let start = || one_level("m", Value::map([("x", 1)]));
    let object = merged(create(start()), set("m", "flat"), set("m.x", 2));
    assert_eq!(json(&object), r#"{"m":{"x":2}}"#);
    assert_eq!(object.conflicts("m")[0].value, Value::from("flat"));

    let object = merged(create(start()), set("m.x", 2), set("m", "flat"));
    assert_eq!(json(&object), r#"{"m":"flat"}"#);
    assert_eq!(object.conflicts("m")[0].value, Value::map([("x", 2)]));
    assert_eq!(object.conflicts("m.x"), []);

    // Not concurrent: what comes after wins, in both directions, without a conflict.
    let mut ann = Replica::new(1);
    ann.commit(create(start()).set(id(TASK), "m", "flat"));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"m":"flat"}"#);
    ann.commit(set("m.x.y", 3));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"m":{"x":{"y":3}}}"#);
    assert_eq!(ann.object(id(TASK)).all_conflicts().count(), 0);
}

#[test]
fn an_edit_survives_a_concurrent_unset_around_it() {
    let start = || one_level("m", Value::map([("x", 1), ("y", 2)]));
    let unset = || tx().unset(id(TASK), "m");
    assert_eq!(after(start(), unset(), set("m.x", 5)), r#"{"m":{"x":5}}"#);
    assert_eq!(after(start(), set("m.x", 5), unset()), r#"{"m":{"x":5}}"#);
    assert_eq!(after(start(), unset(), tx()), "{}");
}

#[test]
fn an_assigned_map_stays_when_it_is_empty_and_an_implied_one_does_not() {
    let mut ann = Replica::new(1);
    ann.commit(create(Value::map([("m", Value::map([("x", 1)]))])));
    ann.commit(set("n.x", 1));
    ann.commit(tx().unset(id(TASK), "m.x").unset(id(TASK), "n.x"));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"m":{}}"#);
    let empty = Value::Map(crate::Map::new());
    assert_eq!(
        after(Value::map([("m", 1)]), set("m", empty), tx()),
        r#"{"m":{}}"#
    );
}

#[test]
fn increments_all_count_and_an_assignment_starts_anew() {
    let count = |by| tx().increment(id(TASK), "n", by);
    assert_eq!(after(one_level("n", 5), count(2), count(-4)), r#"{"n":3}"#);
    let counter = Value::Counter(0);
    assert_eq!(
        after(one_level("n", counter), count(2), count(3)),
        r#"{"n":{"@counter":5}}"#
    );
    assert_eq!(
        after(one_level("n", 5), count(2), set("n", 9)),
        r#"{"n":9}"#
    );

    let mut ann = Replica::new(1);
    ann.commit(create(one_level("n", 1)));
    ann.commit(count(5));
    ann.commit(set("n", 100));
    ann.commit(count(1));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"n":101}"#);
    ann.commit(set("n", "text").increment(id(TASK), "n", 1));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"n":"text"}"#);
}

#[test]
fn counters_started_concurrently_add_up_and_later_increments_count_once() {
    let (mut ann, mut ben) = (Replica::new(1), Replica::new(2));
    let start = ann.commit(create(Value::map([("x", 0)])));
    ben.apply(&start);
    let count = |replica: &mut Replica, by| {
        let op = replica.states[&id(TASK)].increment(id(TASK), "likes", by);
        replica.commit(vec![op])
    };
    let (one, two) = (count(&mut ann, 1), count(&mut ben, 10));
    ann.apply(&two);
    ben.apply(&one);
    let (three, four) = (count(&mut ann, 100), count(&mut ben, 1_000));
    ann.apply(&four);
    ben.apply(&three);
    for replica in [&ann, &ben] {
        let object = replica.object(id(TASK));
        assert_eq!(object.get("likes"), Some(&Value::Counter(1_111)));
        assert_eq!(object.all_conflicts().count(), 0);
    }
    assert_eq!(ann.bytes(), ben.bytes());
}

#[test]
fn counters_stop_at_their_bounds_in_any_order() {
    let count = |by| tx().increment(id(TASK), "n", by);
    assert_eq!(
        after(one_level("n", 1), count(i64::MAX), count(i64::MAX)),
        format!(r#"{{"n":{}}}"#, i64::MAX)
    );
    assert_eq!(
        after(one_level("n", -1), count(i64::MIN), count(i64::MIN)),
        format!(r#"{{"n":{}}}"#, i64::MIN)
    );
    // What is beyond a bound is not lost on the way back.
    assert_eq!(
        after(one_level("n", 1), count(i64::MAX), count(-i64::MAX)),
        r#"{"n":1}"#
    );
}

#[test]
fn in_a_set_an_addition_wins_over_a_concurrent_removal() {
    let start = || one_level("tags", Value::set(["a", "b"]));
    let remove = || tx().set_remove(id(TASK), "tags", ["a"]);
    let add = || tx().set_add(id(TASK), "tags", ["a", "c"]);
    let both = r#"{"tags":{"@set":["a","b","c"]}}"#;
    assert_eq!(after(start(), remove(), add()), both);
    assert_eq!(after(start(), add(), remove()), both);
    assert_eq!(
        after(start(), remove(), remove()),
        r#"{"tags":{"@set":["b"]}}"#
    );
    // The last member leaves an empty set behind, an unset leaves nothing.
    let all = tx().set_remove(id(TASK), "tags", ["a", "b"]);
    assert_eq!(after(start(), all, tx()), r#"{"tags":{"@set":[]}}"#);
    assert_eq!(after(start(), tx().unset(id(TASK), "tags"), tx()), "{}");
    assert_eq!(
        after(start(), tx().unset(id(TASK), "tags"), add()),
        r#"{"tags":{"@set":["a","c"]}}"#
    );
    assert_eq!(
        after(start(), set("tags", "none"), tx()),
        r#"{"tags":"none"}"#
    );
}

#[test]
fn a_set_and_a_value_at_one_place_conflict() {
    let object = merged(
        create(Value::map([("x", 0)])),
        tx().set_add(id(TASK), "y", [1]),
        set("y", "text"),
    );
    assert_eq!(object.get("y"), Some(&Value::from("text")));
    assert_eq!(object.conflicts("y")[0].value, Value::set([1]));
}

#[test]
fn a_deleted_object_keeps_edits_for_when_it_is_restored() {
    let object = merged(
        create(one_level("n", 1)),
        tx().delete(id(TASK)),
        set("n", 2),
    );
    assert!(object.is_deleted());
    assert_eq!(json(&object), r#"{"n":2}"#);

    let mut ann = Replica::new(1);
    ann.commit(create(one_level("n", 1)));
    ann.commit(tx().delete(id(TASK)));
    ann.commit(set("n", 2));
    assert!(ann.object(id(TASK)).is_deleted());
    ann.commit(tx().restore(id(TASK)));
    assert!(!ann.object(id(TASK)).is_deleted());
    assert_eq!(json(&ann.object(id(TASK))), r#"{"n":2}"#);
    // The later of two shows.
    let first = || create(one_level("n", 1)).delete(id(TASK));
    let (delete, restore) = (|| tx().delete(id(TASK)), || tx().restore(id(TASK)));
    assert!(!merged(first(), delete(), restore()).is_deleted());
    assert!(merged(first(), restore(), delete()).is_deleted());
}

#[test]
fn concurrent_creations_of_one_object_merge() {
    let (mut ann, mut ben) = (Replica::new(1), Replica::new(2));
    let one = ann.commit(tx().create(id(TASK), "task", [("a", 1), ("both", 1)]));
    let two = ben.commit(tx().create(id(TASK), "task@2", [("b", 2), ("both", 2)]));
    ann.apply(&two);
    ben.apply(&one);
    let object = ann.object(id(TASK));
    assert_eq!(object, ben.object(id(TASK)));
    assert_eq!(object.type_name(), &"task@2");
    assert_eq!(json(&object), r#"{"a":1,"b":2,"both":2}"#);
    assert_eq!(object.created().stamp, one.stamp);
    assert_eq!(object.updated().stamp, two.stamp);
}

#[test]
fn an_object_that_was_never_created_keeps_its_edits_and_does_not_show() {
    let mut ann = Replica::new(1);
    ann.commit(set("n", 1));
    let state = &ann.states[&id(TASK)];
    assert!(!state.is_created());
    assert_eq!(state.object(id(TASK)), None);
    assert_eq!(state.properties().len(), 1);
    ann.commit(tx().create(id(TASK), "task", [("m", 2)]));
    assert_eq!(json(&ann.object(id(TASK))), r#"{"m":2,"n":1}"#);
}

#[test]
fn operations_out_of_range_are_refused_and_change_nothing() {
    let mut ann = Replica::new(1);
    ann.commit(create(one_level("n", 1)));
    let mut state = ann.states[&id(TASK)].clone();
    let before = state.clone();
    let past = crate::Timeframe::new();
    let mut apply = |seq, index, transaction: Transaction| {
        let context = crate::Context {
            stamp: Stamp {
                lamport: 9,
                feed: ann.feed,
                seq,
            },
            past: &past,
            time_ms: 0,
        };
        state
            .apply(&transaction.ops[0], &context, index)
            .unwrap_err()
    };
    apply(u64::MAX, 0, set("n", 2));
    apply(0, usize::MAX, set("n", 2));
    apply(1, 0, tx().set(id(TASK), crate::Path::of(["a"; 65]), 1));
    apply(1, 0, set(&"a".repeat(1025), 1));
    let deep = (0..64).fold(Value::Null, |value, _| Value::List(vec![value]));
    apply(1, 0, set("n", deep));
    assert_eq!(state, before);
}
