//! Tags, foreign keys, and that nothing of a user's is taken for them.

use std::collections::BTreeMap;

use dxos_keys::{ObjectId, SpaceKey};
use proptest::prelude::*;

use super::{Replica, id};
use crate::{
    Context, Filter, ForeignKey, META, Meta, MetaError, ObjectState, Objects, Op, Stamp,
    Transaction, Tx, TxError, Value,
};

#[derive(Default)]
struct Memory(BTreeMap<ObjectId, ObjectState>);

impl Objects for Memory {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn new_id(&mut self) -> ObjectId {
        id(200)
    }
}

/// A transaction on what a replica has, committed by it; gives what others need of it.
pub(super) fn transact(
    replica: &mut Replica,
    run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError>,
) -> Result<super::Sent, TxError> {
    let mut memory = Memory(replica.states.clone());
    let past = replica.timeframe.clone();
    let stamp = Stamp {
        lamport: replica.lamport + 1,
        feed: replica.feed,
        seq: past.get(&replica.feed),
    };
    let context = Context {
        stamp,
        past: &past,
        time_ms: 1_000 + stamp.lamport,
    };
    let mut tx = Tx::new(&mut memory, context);
    run(&mut tx)?;
    let ops = tx.into_ops();
    Ok(replica.commit(ops))
}

fn tags(replica: &Replica) -> Vec<String> {
    replica.object(id(1)).tags().map(str::to_owned).collect()
}

#[test]
fn of_tagging_and_untagging_at_once_tagging_wins() {
    let (mut ann, mut ben) = (Replica::new(1), Replica::new(2));
    let made = ann.commit(Transaction::new().create(id(1), "task", [("n", 1)]));
    let tagged = transact(&mut ann, |tx| tx.tag(id(1), ["home", "post"])).unwrap();
    ben.apply_all([&made, &tagged]);
    let off = transact(&mut ann, |tx| tx.untag(id(1), ["home", "post"])).unwrap();
    let on = transact(&mut ben, |tx| tx.tag(id(1), ["home"])).unwrap();
    ann.apply(&on);
    ben.apply(&off);
    for replica in [&ann, &ben] {
        assert_eq!(tags(replica), ["home"]);
        let object = replica.object(id(1));
        assert!(Filter::tag("home").matches(&object));
        assert!(!Filter::tag("post").matches(&object));
    }
    assert_eq!(ann.bytes(), ben.bytes());
}

#[test]
fn what_is_known_besides_the_properties_is_no_property() {
    let mut ann = Replica::new(1);
    ann.commit(Transaction::new().create(id(1), "task", [("n", 1)]));
    let key = ForeignKey::new("github.com", "dxos/1");
    transact(&mut ann, |tx| {
        tx.tag(id(1), ["home"])?;
        tx.add_key(id(1), &key)
    })
    .unwrap();
    let object = ann.object(id(1));
    assert_eq!(object.properties().len(), 1);
    assert_eq!(object.get("@meta.tags"), None);
    assert_eq!(object.keys().collect::<Vec<_>>(), [&key]);
    let json = object.to_json();
    assert_eq!(
        json["meta"],
        serde_json::json!({
            "tags": ["home"],
            "keys": [{"source": "github.com", "id": "dxos/1"}],
        })
    );
    // What was exported can be imported.
    let meta: Meta = serde_json::from_value(json["meta"].clone()).unwrap();
    assert_eq!(Some(&meta), object.meta());
    let mut other = Replica::new(2);
    let properties = [("n".into(), 1.into()), (META.into(), meta.to_value())];
    transact(&mut other, |tx| tx.add("task", properties.into()).map(drop)).unwrap();
    assert_eq!(other.object(id(200)).meta(), object.meta());
    let bytes = postcard::to_allocvec(&object).unwrap();
    assert_eq!(postcard::from_bytes::<crate::Object>(&bytes), Ok(object));
}

#[test]
fn an_update_keeps_tags_and_cannot_write_them() {
    let mut ann = Replica::new(1);
    ann.commit(Transaction::new().create(id(1), "task", [("n", 1)]));
    transact(&mut ann, |tx| tx.tag(id(1), ["home"])).unwrap();
    transact(&mut ann, |tx| {
        tx.update(id(1), |task| {
            task.clear();
            task.insert("m".into(), 2.into());
        })
    })
    .unwrap();
    assert_eq!(tags(&ann), ["home"]);
    let refused = transact(&mut ann, |tx| {
        tx.update(id(1), |task| drop(task.insert(META.into(), "mine".into())))
    });
    assert!(matches!(refused, Err(TxError::Meta(_))), "{refused:?}");
}

#[test]
fn nothing_else_is_written_where_tags_and_keys_are_kept() {
    let object = id(1);
    let set = |path: &str, value: Value| Op::Set {
        object,
        path: path.into(),
        value,
    };
    let far = crate::ObjectRef::across(SpaceKey::from_bytes([1; 32]), id(2));
    let key = Value::map([("source", "a"), ("id", "b"), ("x", "c")]);
    let mut ann = Replica::new(1);
    ann.commit(Transaction::new().create(object, "task", [("n", 1)]));
    for (op, at) in [
        (set("@meta", 1.into()), "@meta"),
        (set("@meta", Value::map([("tags", 1)])), "@meta.tags"),
        (set("@meta.tags", vec!["a".into()].into()), "@meta.tags"),
        (set("@meta.tags", Value::set([1])), "@meta.tags"),
        (set("@meta.keys", Value::set([key])), "@meta.keys"),
        (set("@meta.parent", far.into()), "@meta.parent"),
        (set("@meta.mine", 1.into()), "@meta.mine"),
        (set("@meta.tags.x", 1.into()), "@meta.tags.x"),
        (
            Op::SetAdd {
                object,
                path: "@meta.tags".into(),
                values: vec![1.into()],
            },
            "@meta.tags",
        ),
        (
            Op::Increment {
                object,
                path: "@meta.parent".into(),
                by: 1,
            },
            "@meta.parent",
        ),
        (
            Op::Create {
                object,
                type_name: "t".into(),
                properties: [(META.into(), Value::map([("parent", 1)]))].into(),
            },
            "@meta.parent",
        ),
    ] {
        let refused = transact(&mut ann, |tx| tx.push(op.clone()));
        match refused {
            Err(TxError::Meta(MetaError::Reserved { path, .. })) => {
                assert_eq!(path.to_string(), at, "{op:?}");
            }
            other => panic!("{op:?}: {other:?}"),
        }
        // From a peer it does no harm.
        let mut peer = ann.clone();
        peer.commit(vec![op]);
        let shown = peer.object(object);
        assert_eq!((shown.tags().count(), shown.keys().count()), (0, 0));
        assert_eq!(shown.properties().len(), 1);
    }
}

fn row() -> impl Strategy<Value = (String, i64)> {
    ("[a-b]", 0_i64..3)
}

proptest! {
    #[test]
    fn two_that_import_at_once_make_one_object_of_each_row(
        first in prop::collection::vec(row(), 0..6),
        second in prop::collection::vec(row(), 0..6),
    ) {
        let space = SpaceKey::from_bytes([7; 32]);
        let import = |replica: &mut Replica, rows: &[(String, i64)]| {
            let rows = rows.to_vec();
            transact(replica, move |tx| {
                rows.iter().try_for_each(|(name, n)| {
                    let key = ForeignKey::new("x.org", name.as_str());
                    let properties = [("n".into(), (*n).into())].into();
                    tx.import(key.object_id(&space), "task", &key, properties)
                })
            })
            .unwrap()
        };
        let (mut ann, mut ben) = (Replica::new(1), Replica::new(2));
        let from_ann = import(&mut ann, &first);
        let from_ben = import(&mut ben, &second);
        ann.apply(&from_ben);
        ben.apply(&from_ann);
        prop_assert_eq!(ann.bytes(), ben.bytes());
        let names: std::collections::BTreeSet<_> =
            first.iter().chain(&second).map(|row| row.0.clone()).collect();
        prop_assert_eq!(ann.states.len(), names.len());
        for object in ann.states.keys() {
            prop_assert_eq!(ann.object(*object).keys().count(), 1);
        }
        // Run again, it writes nothing once it shows.
        let shown: Vec<_> = names.iter().map(|name| {
            let key = ForeignKey::new("x.org", name.as_str());
            let object = ann.object(key.object_id(&space));
            (name.clone(), object.get("n").and_then(Value::as_int).unwrap())
        }).collect();
        prop_assert!(import(&mut ann, &shown).ops.is_empty());
    }
}
