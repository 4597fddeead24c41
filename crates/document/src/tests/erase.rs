//! Leaving out of a state what was deleted.

use proptest::prelude::*;

use super::{Replica, any_transaction, id};
use crate::{Expand, ObjectState, Path, Text, Transaction, Value};

fn erased(state: &ObjectState) -> ObjectState {
    let mut erased = state.clone();
    erased.erase_deleted();
    erased
}

fn holds(state: &ObjectState, text: &str) -> bool {
    let bytes = state.encode();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

#[test]
fn of_a_deleted_object_nothing_is_left_but_where_and_when_it_was() {
    let mut replica = Replica::new(1);
    replica.commit(Transaction::new().create(id(2), "folder", [("name", "home")]));
    replica.commit(Transaction::new().create(id(1), "note", [("body", "a secret")]));
    replica.write(|tx| {
        tx.set_parent(id(1), Some(id(2)))?;
        tx.tag(id(1), ["hidden tag"])
    });
    replica.commit(Transaction::new().delete(id(1)));
    let before = replica.states[&id(1)].clone();
    assert!(holds(&before, "a secret") && holds(&before, "hidden tag"));
    let after = erased(&before);
    assert!(!holds(&after, "secret") && !holds(&after, "hidden tag"));
    assert!(after.is_deleted() && after.is_created());
    assert_eq!(after.moves(), before.moves());
    assert_eq!(after.moves().len(), 1);
    assert_eq!(after.type_name(), before.type_name());
    assert_eq!(after.updated(), before.updated());
}

#[test]
fn what_is_not_deleted_shows_as_before_and_what_was_deleted_in_it_is_gone() {
    let mut replica = Replica::new(1);
    let text = Value::Text(Text::new("public secret"));
    let list = Value::from(vec![Value::from("first"), Value::from("second")]);
    replica.commit(Transaction::new().create(
        id(1),
        "note",
        [
            ("body", text),
            ("list", list),
            ("title", "overwritten".into()),
        ],
    ));
    replica.write(|tx| {
        tx.text(id(1), "body")?
            .mark((7, 13), "link", "to nowhere", Expand::None)?;
        tx.text(id(1), "body")?
            .mark((0, 6), "link", "replaced", Expand::None)
    });
    replica.write(|tx| {
        tx.text(id(1), "body")?
            .mark((0, 6), "link", "to somewhere", Expand::None)?;
        tx.text(id(1), "body")?.delete(6, 7)?;
        tx.list(id(1), "list")?.delete(0, 1)
    });
    replica.commit(Transaction::new().set(id(1), "title", "new"));
    let before = replica.states[&id(1)].clone();
    assert!(holds(&before, "to nowhere") && holds(&before, "replaced"));
    let after = erased(&before);
    for gone in ["secret", "first", "overwritten", "to nowhere", "replaced"] {
        assert!(!holds(&after, gone), "{gone}");
    }
    assert_eq!(after.object(id(1)), before.object(id(1)));
    let Some(Value::Text(body)) = after.properties().get("body").cloned() else {
        panic!("a text")
    };
    assert_eq!(body.as_str(), "public");
    assert_eq!(body.spans().len(), 1);
}

#[test]
fn a_deleted_object_that_is_restored_after_it_was_erased_is_empty_and_goes_on() {
    let mut replica = Replica::new(1);
    replica.commit(Transaction::new().create(id(1), "note", [("body", "a secret")]));
    replica.commit(Transaction::new().delete(id(1)));
    replica.states.get_mut(&id(1)).unwrap().erase_deleted();
    replica.commit(Transaction::new().restore(id(1)));
    assert!(replica.object(id(1)).properties().is_empty());
    replica.commit(Transaction::new().set(id(1), "body", "new"));
    let body = Path::from("body");
    assert_eq!(replica.object(id(1)).at(&body), Some(&Value::from("new")));
}

proptest! {
    #[test]
    fn erasing_is_the_same_for_equal_states_and_once_is_enough(
        transactions in proptest::collection::vec(any_transaction(), 0..12),
    ) {
        let mut replica = Replica::new(1);
        for transaction in transactions {
            replica.commit(transaction);
        }
        for (id, state) in &replica.states {
            let once = erased(state);
            prop_assert_eq!(&erased(&once), &once);
            let read = ObjectState::decode(&once.encode()).unwrap();
            prop_assert_eq!(&read, &once);
            if !state.is_deleted() {
                prop_assert_eq!(once.object(*id), state.object(*id));
            }
            prop_assert_eq!(once.moves(), state.moves());
        }
    }
}
