//! Binary forms: they survive a round trip, are small, and no bytes at all do harm.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::{Replica, any_transaction, id};
use crate::{Anchor, ElementId, Key, ListEdit, Op, Place, Span, Text, TextEdit, WriteId};
use crate::{DecodeError, Filter, LimitError, Limits, Map, ObjectState, Path};
use crate::{StateDecoder, StateEncoder, Transaction, Value};

fn decode(bytes: &[u8]) -> Result<Transaction, DecodeError> {
    Transaction::decode(bytes, &Limits::default())
}

fn every_kind() -> Transaction {
    Transaction::new()
        .create(id(1), "task", [("n", Value::Int(1)), ("t", "x".into())])
        .create(id(2), "task", [("n", Value::Int(99)), ("t", Value::Null)])
        .set(id(1), "a.n", Value::Float(0.5))
        .unset(id(1), "a.n")
        .increment(id(2), "n", -3)
        .set_add(id(2), "tags", [Value::from("home"), Value::Bool(true)])
        .set_remove(id(2), "tags", ["home"])
        .delete(id(2))
        .restore(id(2))
        .set(
            id(1),
            "every",
            Value::List(vec![
                Value::Counter(7),
                Value::Timestamp(-1),
                Value::Bytes(vec![1, 2]),
                Value::Reference(crate::ObjectRef::local(id(3))),
                Value::set([5]),
                Value::map([("n", false)]),
            ]),
        )
}

/// Texts and lists, made by one transaction and edited by the next.
fn every_edit() -> [Transaction; 2] {
    let element = |n| ElementId {
        feed: dxos_keys::FeedId::from_bytes([1; 32]),
        n,
    };
    let of = |index| WriteId {
        feed: dxos_keys::FeedId::from_bytes([1; 32]),
        seq: 0,
        index,
    };
    let marked = Text::new("abc").with_spans([Span {
        from: 0,
        to: 2,
        name: Key::from("bold"),
        value: Value::Bool(true),
    }]);
    let made = Transaction::new()
        .create(id(1), "page", [("body", Value::Text(marked))])
        .set(id(1), "list", Value::List(vec![1.into(), "two".into()]));
    let text = Op::Text {
        object: id(1),
        path: "body".into(),
        of: of(0),
        edits: vec![
            TextEdit::Insert {
                start: 3,
                at: Place::After(element(2)),
                text: "d€".into(),
            },
            TextEdit::Insert {
                start: 5,
                at: Place::Before(element(0)),
                text: "<".into(),
            },
            TextEdit::Delete {
                first: element(1),
                len: 2,
            },
            TextEdit::Mark {
                from: Anchor::Before(element(3)),
                to: Anchor::End,
                name: "link".into(),
                value: "x".into(),
            },
        ],
    };
    let list = Op::List {
        object: id(1),
        path: "list".into(),
        of: of(1),
        edits: vec![
            ListEdit::Insert {
                start: 2,
                at: Place::After(element(1)),
                values: vec![Value::map([("done", false)])],
            },
            ListEdit::Move {
                item: element(0),
                start: 3,
                at: Place::After(element(2)),
            },
            ListEdit::Delete {
                first: element(1),
                len: 1,
            },
        ],
    };
    let item = Path::from("list").child(Key::item(element(2)));
    let edited = Transaction::from(vec![text, list]).set(id(1), item.child("done"), true);
    [made, edited]
}

/// What earlier programs wrote into blocks must be read for ever: the lines of transactions
/// never change. Those of states may: states are made anew from blocks when their version grows.
#[test]
fn golden_bytes() {
    let golden = include_str!("golden.txt").trim();
    let bytes = every_kind().encode(&Limits::default()).unwrap();
    let mut replica = Replica::new(1);
    replica.commit(every_kind());
    let mut lines = vec![HEXLOWER.encode(&bytes)];
    lines.extend(replica.bytes().values().map(|bytes| HEXLOWER.encode(bytes)));
    let mut replica = Replica::new(1);
    for transaction in every_edit() {
        let bytes = transaction.encode(&Limits::default()).unwrap();
        assert_eq!(decode(&bytes).as_ref(), Ok(&transaction));
        lines.push(HEXLOWER.encode(&bytes));
        replica.commit(transaction);
    }
    lines.extend(replica.bytes().values().map(|bytes| HEXLOWER.encode(bytes)));
    assert_eq!(lines.join("\n"), golden);
    assert_eq!(decode(&bytes), Ok(every_kind()));
    let page = replica.object(id(1)).to_json();
    let expected = r#"{"body":{"@text":{"content":"<ad€","marks":[[1,2,"bold",true],[2,4,"link","x"]]}},"list":[{"done":true},1]}"#;
    assert_eq!(page["properties"].to_string(), expected);
}

#[test]
fn a_thousand_created_objects_cost_little_beside_ids_and_values() {
    let transaction = (0..1000_u16).fold(Transaction::new(), |transaction, number| {
        let mut object = [7; 16];
        object[..2].copy_from_slice(&number.to_le_bytes());
        let properties = [
            ("description", Value::from("four")),
            ("done", Value::Bool(false)),
        ];
        transaction.create(
            dxos_keys::ObjectId::from_bytes(object),
            "example.com/type/Task@1.2",
            properties,
        )
    });
    let bytes = transaction.encode(&Limits::default()).unwrap();
    let content = 1000 * (16 + 5 + 1);
    assert!(bytes.len() < content + 1000 * 3 + 100, "{}", bytes.len());
    assert_eq!(decode(&bytes), Ok(transaction));
}

#[test]
fn what_is_newer_is_told_from_what_is_damaged() {
    assert!(matches!(
        decode(&[3, 0]),
        Err(DecodeError::NewerProgram { found: 3, .. })
    ));
    let newer_op = [1, 1, 200, 0];
    assert!(matches!(
        decode(&newer_op),
        Err(DecodeError::NewerProgram { found: 200, .. })
    ));
    assert_eq!(
        decode(&[]),
        Err(DecodeError::Truncated {
            what: "a transaction"
        })
    );
    assert_eq!(decode(&[1, 0, 0]), Err(DecodeError::Trailing { bytes: 1 }));
    assert!(ObjectState::decode(&[9]).is_err());
}

#[test]
fn limits_hold_in_both_directions() {
    let limits = Limits {
        ops_max: 2,
        depth_max: 3,
        path_parts_max: 2,
        part_bytes_max: 4,
    };
    let wide = Limits::default();
    let tx = Transaction::new;
    let deep = |levels| (0..levels).fold(Value::Null, |value, _| Value::List(vec![value]));
    let refused = [
        tx().delete(id(1)).delete(id(2)).delete(id(3)),
        tx().set(id(1), "a", deep(3)),
        tx().set(id(1), "a.b", deep(2)),
        tx().create(id(1), "t", [("a", deep(3))]),
        tx().set_add(id(1), "a.b", [deep(1)]),
        tx().unset(id(1), "a.b.c"),
        tx().unset(id(1), "abcde"),
        tx().set(id(1), "a", Value::map([("abcde", 1)])),
        tx().create(id(1), "abcde", Map::new()),
    ];
    for transaction in refused {
        let error = transaction.encode(&limits).unwrap_err();
        let bytes = transaction.encode(&wide).unwrap();
        let decoded = Transaction::decode(&bytes, &limits);
        assert_eq!(
            std::mem::discriminant(&decoded),
            std::mem::discriminant(&Err(DecodeError::Limit(error.clone()))),
            "{transaction:?}"
        );
        assert!(
            matches!(decoded, Err(DecodeError::Limit(found))
                if std::mem::discriminant(&found) == std::mem::discriminant(&error)),
            "{transaction:?}"
        );
    }
    for transaction in [
        tx().set(id(1), "a", deep(2)),
        tx().set(id(1), "a.b", deep(1)),
        tx().set_add(id(1), "a.b", [deep(0)]),
        tx().create(id(1), "abcd", [("abcd", deep(2))]),
    ] {
        let bytes = transaction.encode(&limits).unwrap();
        assert_eq!(Transaction::decode(&bytes, &limits), Ok(transaction));
    }
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    for head in [vec![1], vec![1, 1, 1, 0], vec![1, 1, 2, 0]] {
        let mut bytes = head;
        bytes.extend([0; 16]);
        bytes.extend(huge);
        assert!(decode(&bytes).is_err());
    }
    let mut count = vec![1];
    count.extend(huge);
    count.extend(vec![7; 100_000]);
    assert!(decode(&count).is_err());
    let mut many = vec![1, 0x80, 0x80, 0x08];
    many.extend(vec![7; 200_000]);
    assert_eq!(
        decode(&many),
        Err(DecodeError::Limit(LimitError::Ops {
            found: 131_072,
            max: 65_536
        }))
    );
}

#[test]
fn a_deeply_nested_filter_is_refused() {
    let nest = |levels| (0..levels).fold(Filter::all(), |filter, _| filter.not());
    let bytes = postcard::to_allocvec(&nest(63)).unwrap();
    assert_eq!(postcard::from_bytes::<Filter>(&bytes), Ok(nest(63)));
    let not = postcard::to_allocvec(&nest(1)).unwrap()[0];
    let mut endless = vec![not; 1_000_000];
    endless.extend(postcard::to_allocvec(&Filter::all()).unwrap());
    assert!(postcard::from_bytes::<Filter>(&endless).is_err());
    // The count of levels is back to where it was.
    assert_eq!(postcard::from_bytes::<Filter>(&bytes), Ok(nest(63)));
}

#[test]
fn the_deepest_state_survives() {
    let mut replica = Replica::new(1);
    let parts: Vec<_> = (0..64).map(|part| part.to_string()).collect();
    let nested = (0..63).fold(Value::set([1]), |value, _| {
        if value.as_map().is_some_and(|map| map.len() > 61) {
            value
        } else {
            Value::map([("k", value)])
        }
    });
    replica.commit(Transaction::new().set(id(1), Path::of(parts), Value::Counter(1)));
    let error = Transaction::new().set(id(1), "x", nested).ops[0].check(&Limits::default());
    assert!(matches!(error, Err(LimitError::Depth { max: 64 })));
    let state = &replica.states[&id(1)];
    assert_eq!(ObjectState::decode(&state.encode()).as_ref(), Ok(state));
}

fn mutate(bytes: &mut Vec<u8>, changes: &[(usize, u8, u8)]) {
    for (place, kind, byte) in changes {
        let place = place % (bytes.len() + 1);
        match kind % 3 {
            0 if place < bytes.len() => bytes[place] = *byte,
            1 => bytes.insert(place, *byte),
            _ => bytes.truncate(place),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn transactions_survive(transaction in any_transaction()) {
        let bytes = transaction.encode(&Limits::default()).unwrap();
        prop_assert_eq!(&decode(&bytes).unwrap(), &transaction);
        for cut in 0..bytes.len() {
            prop_assert!(decode(&bytes[..cut]).is_err());
        }
        let json = serde_json::to_string(&transaction).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Transaction>(&json).unwrap(), &transaction);
        let binary = postcard::to_allocvec(&transaction).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Transaction>(&binary).unwrap(), &transaction);
    }

    #[test]
    fn no_bytes_harm_a_decoder(
        transaction in any_transaction(),
        changes in proptest::collection::vec(any::<(usize, u8, u8)>(), 0..4),
        noise in any::<Vec<u8>>(),
    ) {
        let mut replica = Replica::new(1);
        replica.commit(transaction.clone());
        let mut bytes = transaction.encode(&Limits::default()).unwrap();
        mutate(&mut bytes, &changes);
        for bytes in [&bytes, &noise] {
            if let Ok(transaction) = decode(bytes) {
                // What is accepted can be written and applied.
                let again = transaction.encode(&Limits::default()).unwrap();
                prop_assert_eq!(&decode(&again).unwrap(), &transaction);
                Replica::new(1).commit(transaction);
            }
            let _ = Value::decode(bytes, &Limits::default());
            let _ = ObjectState::decode(bytes);
            let _ = ObjectState::show(bytes, id(0));
        }
        let (mut encoder, mut decoder) = (StateEncoder::default(), StateDecoder::default());
        for mut bytes in replica.bytes().into_values() {
            // What was encoded and decoded before leaves nothing behind.
            let state = decoder.decode(&bytes).unwrap();
            prop_assert_eq!(encoder.encode(&state), &bytes);
            mutate(&mut bytes, &changes);
            prop_assert_eq!(decoder.decode(&bytes), ObjectState::decode(&bytes));
            let _ = ObjectState::show(&bytes, id(0));
            if let Ok(state) = ObjectState::decode(&bytes) {
                prop_assert_eq!(&ObjectState::decode(&state.encode()).unwrap(), &state);
                state.properties();
                let mut other = Replica::new(2);
                other.states.insert(id(0), state);
                other.commit(transaction.clone());
                other.bytes();
            }
        }
    }
}
