//! Tests through the public API, with replicas that keep time as real ones do.

mod bytes;
mod converge;
mod merge;
mod model;
mod query;
mod values;

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot};
use dxos_keys::{FeedId, ObjectId};
use proptest::prelude::*;

use crate::{Context, Key, Map, Object, ObjectRef, ObjectState, Op, Path, Stamp, Timeframe};
use crate::{Transaction, Value};

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
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_set(inner.clone(), 0..4).prop_map(Value::Set),
            any_map(inner).prop_map(Value::Map),
        ]
    })
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

fn any_transaction() -> impl Strategy<Value = Transaction> {
    proptest::collection::vec(any_op(), 0..8).prop_map(Transaction::from)
}
