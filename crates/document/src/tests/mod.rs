//! Tests through the public API, with replicas that keep time as real ones do.

mod bytes;
mod converge;
mod drafts;
mod erase;
mod merge;
mod meta;
mod model;
mod paging;
mod query;
mod query_text;
mod references;
mod search;
mod tree;
mod values;

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot};
use dxos_keys::{FeedId, ObjectId};
use proptest::prelude::*;

use crate::{Anchor, ElementId, ListEdit, Place, Span, Text, TextEdit, WriteId};
use crate::{Context, Key, Map, Object, ObjectRef, ObjectState, Op, Path, Stamp, Timeframe};
use crate::{Objects, OpId, QueueOp, Retention, Transaction, Tx, TxError, Value};

/// A transaction as it travels.
#[derive(Clone, Debug)]
struct Sent {
    stamp: Stamp,
    past: Timeframe,
    ops: Vec<Op>,
}

impl Sent {
    fn context(&self) -> Context<'_> {
        Context {
            stamp: self.stamp,
            past: &self.past,
            time_ms: 1_000 + self.stamp.lamport,
        }
    }
}

/// One device's copy of everything.
#[derive(Clone, Debug)]
struct Replica {
    feed: FeedId,
    timeframe: Timeframe,
    lamport: u64,
    states: BTreeMap<ObjectId, ObjectState>,
}

impl Replica {
    fn new(number: u8) -> Self {
        Self {
            feed: FeedId::from_bytes([number; 32]),
            timeframe: Timeframe::new(),
            lamport: 0,
            states: BTreeMap::new(),
        }
    }

    fn commit(&mut self, transaction: impl Into<Transaction>) -> Sent {
        let sent = Sent {
            stamp: Stamp {
                lamport: self.lamport + 1,
                feed: self.feed,
                seq: self.timeframe.get(&self.feed),
            },
            past: self.timeframe.clone(),
            ops: transaction.into().ops,
        };
        self.apply(&sent);
        sent
    }

    /// Runs a transaction on the states themselves.
    fn write(&mut self, run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError>) -> Sent {
        self.try_write(run).unwrap()
    }

    /// The same for one that may be refused; then nothing has changed.
    fn try_write(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError>,
    ) -> Result<Sent, TxError> {
        let stamp = Stamp {
            lamport: self.lamport + 1,
            feed: self.feed,
            seq: self.timeframe.get(&self.feed),
        };
        let past = self.timeframe.clone();
        let context = Context {
            stamp,
            past: &past,
            time_ms: 1_000 + stamp.lamport,
        };
        let before = self.states.clone();
        let mut tx = Tx::new(self, context);
        let written = run(&mut tx);
        let ops = tx.into_ops();
        if let Err(error) = written {
            self.states = before;
            return Err(error);
        }
        self.timeframe.apply(Dot::new(stamp.feed, stamp.seq + 1));
        self.lamport = stamp.lamport;
        Ok(Sent { stamp, past, ops })
    }

    fn is_ready_for(&self, sent: &Sent) -> bool {
        self.timeframe >= sent.past && self.timeframe.get(&sent.stamp.feed) == sent.stamp.seq
    }

    fn apply(&mut self, sent: &Sent) {
        assert!(self.is_ready_for(sent), "causes come before effects");
        for (index, op) in sent.ops.iter().enumerate() {
            let state = self.states.entry(op.object()).or_default();
            state.apply(op, &sent.context(), index).unwrap();
        }
        self.timeframe
            .apply(Dot::new(sent.stamp.feed, sent.stamp.seq + 1));
        self.lamport = self.lamport.max(sent.stamp.lamport);
    }

    fn apply_all<'a>(&mut self, sent: impl IntoIterator<Item = &'a Sent>) -> &mut Self {
        sent.into_iter().for_each(|sent| self.apply(sent));
        self
    }

    fn object(&self, id: ObjectId) -> Object {
        self.states[&id].object(id).unwrap()
    }

    fn bytes(&self) -> BTreeMap<ObjectId, Vec<u8>> {
        let states = self.states.iter();
        states.map(|(id, state)| (*id, state.encode())).collect()
    }
}

impl Objects for Replica {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        Ok(self.states.entry(object).or_default())
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        Ok(self.states.entry(object).or_default())
    }

    fn new_id(&mut self) -> ObjectId {
        id(u8::try_from(self.states.len()).unwrap())
    }
}

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

const KEYS: [&str; 4] = ["a", "b", "ключ", "@ref"];

fn any_key() -> impl Strategy<Value = Key> {
    proptest::sample::select(KEYS.as_slice()).prop_map(Key::from)
}

fn any_path() -> impl Strategy<Value = Path> {
    proptest::collection::vec(any_key(), 1..4).prop_map(Path::of)
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::MIN),
    ]
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-2_i64..2).prop_map(Value::Int),
        any_float().prop_map(Value::Float),
        (-2_i64..3).prop_map(Value::Counter),
        any::<i64>().prop_map(Value::Timestamp),
        "[a-c]{0,2}|\\PC{0,80}".prop_map(Value::String),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        any::<(Option<[u8; 32]>, [u8; 16])>().prop_map(|(space, object)| {
            let object = ObjectId::from_bytes(object);
            Value::Reference(match space {
                None => ObjectRef::local(object),
                Some(space) => ObjectRef::across(dxos_keys::SpaceKey::from_bytes(space), object),
            })
        }),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            any_text(inner.clone()).prop_map(Value::Text),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_set(inner.clone(), 0..4).prop_map(Value::Set),
            any_map(inner).prop_map(Value::Map),
        ]
    })
}

fn any_text(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Text> {
    let span =
        (0_usize..6, 0_usize..8, any_key(), values).prop_map(|(from, to, name, value)| Span {
            from,
            to,
            name,
            value,
        });
    ("\\PC{0,6}", proptest::collection::vec(span, 0..3))
        .prop_map(|(content, spans)| Text::new(content).with_spans(spans))
}

fn any_element() -> impl Strategy<Value = ElementId> {
    (1_u8..4, 0_u32..9).prop_map(|(feed, n)| ElementId {
        feed: FeedId::from_bytes([feed; 32]),
        n,
    })
}

fn any_place() -> impl Strategy<Value = Place> {
    prop_oneof![
        any_element().prop_map(Place::After),
        any_element().prop_map(Place::Before),
        Just(Place::Start),
    ]
}

fn any_anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![
        any_element().prop_map(Anchor::After),
        any_element().prop_map(Anchor::Before),
        Just(Anchor::Start),
        Just(Anchor::End),
    ]
}

fn any_write() -> impl Strategy<Value = WriteId> {
    (1_u8..4, 0_u64..4, 0_u32..3).prop_map(|(feed, seq, index)| WriteId {
        feed: FeedId::from_bytes([feed; 32]),
        seq,
        index,
    })
}

fn any_text_edit() -> impl Strategy<Value = TextEdit> {
    let start = prop_oneof![0_u32..9, Just(u32::MAX), Just(u32::MAX / 2)];
    prop_oneof![
        (any_element(), 1_u32..4).prop_map(|(first, len)| TextEdit::Delete { first, len }),
        (start, any_place(), "\\PC{1,6}")
            .prop_map(|(start, at, text)| { TextEdit::Insert { start, at, text } }),
        (any_anchor(), any_anchor(), any_key(), any_scalar()).prop_map(
            |(from, to, name, value)| TextEdit::Mark {
                from,
                to,
                name,
                value
            }
        ),
    ]
}

fn any_list_edit() -> impl Strategy<Value = ListEdit> {
    let values = proptest::collection::vec(any_scalar(), 1..3);
    prop_oneof![
        (any_element(), 1_u32..4).prop_map(|(first, len)| ListEdit::Delete { first, len }),
        (0_u32..9, any_place(), values)
            .prop_map(|(start, at, values)| { ListEdit::Insert { start, at, values } }),
        (any_element(), 0_u32..9, any_place())
            .prop_map(|(item, start, at)| { ListEdit::Move { item, start, at } }),
    ]
}

fn any_map(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map> {
    let key = prop_oneof![3 => any_key(), 1 => "\\PC{0,4}".prop_map(Key::from)];
    proptest::collection::btree_map(key, values, 0..4)
}

fn any_op() -> impl Strategy<Value = Op> {
    let object = (0..3_u8).prop_map(id);
    let members = || proptest::collection::vec(any_scalar(), 0..3);
    prop_oneof![
        (object.clone(), "t|u@1", any_map(any_value())).prop_map(|(object, name, properties)| {
            Op::Create {
                object,
                type_name: name.into(),
                properties,
            }
        }),
        (object.clone(), any_path(), any_value()).prop_map(|(object, path, value)| Op::Set {
            object,
            path,
            value
        }),
        (object.clone(), any_path()).prop_map(|(object, path)| Op::Unset { object, path }),
        (object.clone(), any_path(), any::<i64>())
            .prop_map(|(object, path, by)| { Op::Increment { object, path, by } }),
        (object.clone(), any_path(), members()).prop_map(|(object, path, values)| {
            Op::SetAdd {
                object,
                path,
                values,
            }
        }),
        (object.clone(), any_path(), members()).prop_map(|(object, path, values)| Op::SetRemove {
            object,
            path,
            values
        }),
        object.clone().prop_map(|object| Op::Delete { object }),
        object.prop_map(|object| Op::Restore { object }),
    ]
}

/// What nobody has a reason to write, but who can be kept from it?
fn any_lie() -> impl Strategy<Value = Op> {
    let object = (0..3_u8).prop_map(id);
    prop_oneof![
        (
            object.clone(),
            any_path(),
            any_write(),
            proptest::collection::vec(any_text_edit(), 0..4)
        )
            .prop_map(|(object, path, of, edits)| Op::Text {
                object,
                path,
                of,
                edits
            }),
        (
            object.clone(),
            any_path(),
            any_write(),
            proptest::collection::vec(any_list_edit(), 0..4)
        )
            .prop_map(|(object, path, of, edits)| Op::List {
                object,
                path,
                of,
                edits
            }),
    ]
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let op = prop_oneof![3 => any_op(), 1 => any_lie()];
    let ops = proptest::collection::vec(op, 0..8);
    let queues = proptest::collection::vec(any_queue_op(), 0..3);
    (ops, queues).prop_map(|(ops, queues)| Transaction { ops, queues })
}

fn any_queue_op() -> impl Strategy<Value = QueueOp> {
    let queue = "[a-z]{1,3}";
    let bound = || proptest::option::of(any::<u64>());
    prop_oneof![
        (
            queue,
            any::<[u8; 16]>(),
            proptest::collection::vec(any_value(), 0..4)
        )
            .prop_map(|(queue, nonce, items)| QueueOp::Append {
                queue,
                nonce,
                items
            }),
        (queue, bound(), bound(), bound()).prop_map(|(queue, items_max, bytes_max, age_max_ms)| {
            let retention = Retention {
                items_max,
                bytes_max,
                age_max_ms,
            };
            QueueOp::Retain { queue, retention }
        }),
        (queue, any::<(u64, [u8; 32], u64, u32)>()).prop_map(
            |(queue, (lamport, feed, seq, index))| {
                let feed = FeedId::from_bytes(feed);
                let stamp = Stamp { lamport, feed, seq };
                let before = OpId { stamp, index };
                QueueOp::Trim { queue, before }
            }
        ),
    ]
}
