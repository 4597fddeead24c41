//! Two replicas that migrate at once.

use std::collections::BTreeMap;

use dxos_document::{Context, ObjectState, Objects, Stamp, Timeframe, state_hash};
use dxos_keys::FeedId;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{Counter, EchoObject, Set, Text, Typed};

/// A block: where it stands, what its writer had seen, what it does.
type Block = (Stamp, Timeframe, Vec<Op>);

#[derive(Default)]
struct Memory(BTreeMap<ObjectId, ObjectState>, u8);

impl Objects for Memory {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn new_id(&mut self) -> ObjectId {
        self.1 += 1;
        ObjectId::from_bytes([self.1; 16])
    }
}

struct Replica {
    feed: FeedId,
    memory: Memory,
    seen: Timeframe,
    lamport: u64,
    blocks: Vec<Block>,
    received: usize,
}

impl Replica {
    fn new(feed: u8) -> Self {
        Self {
            feed: FeedId::from_bytes([feed; 32]),
            memory: Memory(BTreeMap::new(), feed * 16),
            seen: Timeframe::new(),
            lamport: 0,
            blocks: Vec::new(),
            received: 0,
        }
    }

    fn transact<T>(&mut self, run: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let seq = self.blocks.len() as u64;
        self.lamport += 1;
        let stamp = Stamp {
            lamport: self.lamport,
            feed: self.feed,
            seq,
        };
        let past = self.seen.clone();
        let context = Context {
            stamp,
            past: &past,
            time_ms: 0,
        };
        let mut tx = Tx::new(&mut self.memory, context);
        let result = run(&mut tx);
        let ops = tx.into_ops();
        self.note(stamp);
        self.blocks.push((stamp, past, ops));
        result
    }

    fn note(&mut self, stamp: Stamp) {
        self.seen.dots.insert(stamp.feed, stamp.seq + 1);
        self.lamport = self.lamport.max(stamp.lamport);
    }

    fn receive(&mut self, other: &Self) {
        for (stamp, past, ops) in other.blocks.iter().skip(self.received) {
            for (index, op) in ops.iter().enumerate() {
                let context = Context {
                    stamp: *stamp,
                    past,
                    time_ms: 0,
                };
                let state = self.memory.0.entry(op.object()).or_default();
                state.apply(op, &context, index).unwrap();
            }
            self.note(*stamp);
        }
        self.received = other.blocks.len();
    }

    fn show(&self, object: ObjectId) -> Object {
        self.memory.0[&object].object(object).unwrap()
    }
}

fn sync(one: &mut Replica, two: &mut Replica) {
    one.receive(two);
    two.receive(one);
    let hash = |replica: &Replica| {
        let states = replica.memory.0.iter();
        state_hash(states.filter(|(_, state)| **state != ObjectState::default()))
    };
    assert_eq!(hash(one), hash(two));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Note", version = "1", crate = "crate")]
struct Old {
    name: String,
    done: bool,
    views: Counter,
    stays: Counter,
    tags: Set<String>,
    lines: Vec<String>,
    body: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Note", version = "2", crate = "crate")]
struct New {
    title: String,
    done: bool,
    hits: Counter,
    stays: Counter,
    labels: Set<String>,
    lines: Vec<String>,
    count: usize,
    body: Text,
}

fn migrate(old: Old) -> New {
    New {
        title: old.name,
        done: old.done,
        hits: old.views,
        stays: old.stays,
        count: old.tags.len(),
        labels: old.tags.iter().map(|tag| tag.to_uppercase()).collect(),
        lines: old.lines.into_iter().rev().collect(),
        body: Text::new(format!("# {}", old.body.as_str())),
    }
}

fn migration() -> Migration {
    Migration::new(migrate).unwrap()
}

prop_compose! {
    fn note()(
        name in "[a-z]{0,4}",
        done in any::<bool>(),
        views in -9_i64..9,
        stays in -9_i64..9,
        tags in prop::collection::btree_set("[a-c]", 0..3),
        lines in prop::collection::vec("[a-c]", 0..4),
        body in "[a-z ]{0,6}",
    ) -> Old {
        Old {
            name, done, lines,
            views: Counter::new(views),
            stays: Counter::new(stays),
            tags: tags.into(),
            body: Text::new(body),
        }
    }
}

/// A change by a program that knows the old version.
#[derive(Clone, Debug)]
enum Edit {
    Done(bool),
    Name(String),
    Stays(i64),
    Tag(String),
    Views(i64),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<bool>().prop_map(Edit::Done),
        "[a-z]{5}".prop_map(Edit::Name),
        (-9_i64..9).prop_map(Edit::Stays),
        "[d-f]".prop_map(Edit::Tag),
        (-9_i64..9).prop_map(Edit::Views),
    ]
}

fn apply(old: &mut Old, edit: Edit) {
    match edit {
        Edit::Done(done) => old.done = done,
        Edit::Name(name) => old.name = name,
        Edit::Stays(by) => old.stays += by,
        Edit::Tag(tag) => drop(old.tags.insert(tag)),
        Edit::Views(by) => old.views += by,
    }
}

fn begin(note: Old) -> (Replica, Replica, Ref<Old>) {
    let (mut one, mut two) = (Replica::new(1), Replica::new(2));
    let key = one.transact(|tx| {
        let key = tx.create(note).unwrap();
        tx.set(key.object(), "extra", 7).unwrap();
        key
    });
    sync(&mut one, &mut two);
    (one, two, key)
}

proptest! {
    #[test]
    fn migrating_at_once_is_migrating_once(
        note in note(),
        edits in prop::collection::vec(edit(), 0..4),
        ahead in 0_u8..3,
    ) {
        let (mut one, mut two, key) = begin(note);
        for edit in edits {
            two.transact(|tx| tx.change(key, |old| apply(old, edit))).unwrap();
        }
        sync(&mut one, &mut two);
        for _ in 0..ahead {
            one.transact(|_| ());
        }
        let expected = migrate(Typed::<Old>::read(one.show(key.object())).unwrap().into_value());
        for replica in [&mut one, &mut two] {
            let object = key.object();
            prop_assert_eq!(replica.transact(|tx| migration().apply(tx, object)), Ok(true));
            prop_assert_eq!(replica.transact(|tx| migration().apply(tx, object)), Ok(false));
        }
        sync(&mut one, &mut two);
        let merged = Typed::<New>::read(one.show(key.object())).unwrap();
        prop_assert_eq!(merged.object().type_name(), &New::type_name());
        prop_assert_eq!(merged.object().all_conflicts().count(), 0);
        prop_assert_eq!(merged.object().get("extra"), Some(&7.into()));
        prop_assert_eq!(merged.object().properties().len(), 9);
        prop_assert_eq!(merged.into_value(), expected.clone());

        // What is written afterwards counts once.
        let new: Ref<New> = key.of_type();
        two.transact(|tx| tx.change(new, |new| {
            new.hits += 2;
            new.lines.push("last".into());
            new.labels.insert("MORE".into());
            new.body.push_str("!");
        })).unwrap();
        sync(&mut one, &mut two);
        let merged = Typed::<New>::read(one.show(key.object())).unwrap();
        prop_assert_eq!(*merged.hits, *expected.hits + 2);
        prop_assert_eq!(merged.lines.len(), expected.lines.len() + 1);
        prop_assert!(merged.labels.contains("MORE"));
        prop_assert_eq!(merged.body.as_str(), format!("{}!", expected.body.as_str()));
    }

    #[test]
    fn changes_by_the_old_version_meanwhile_are_kept(
        note in note(),
        edits in prop::collection::vec(edit(), 0..6),
        both in any::<bool>(),
    ) {
        let (mut one, mut two, key) = begin(note.clone());
        prop_assert_eq!(one.transact(|tx| migration().apply(tx, key.object())), Ok(true));
        let mut edited = note.clone();
        for edit in edits {
            apply(&mut edited, edit.clone());
            two.transact(|tx| tx.change(key, |old| apply(old, edit))).unwrap();
        }
        if both {
            prop_assert_eq!(two.transact(|tx| migration().apply(tx, key.object())), Ok(true));
        }
        sync(&mut one, &mut two);
        let merged = Typed::<New>::read(two.show(key.object())).unwrap();
        prop_assert_eq!(merged.object().type_name(), &New::type_name());
        // What both versions have under one name is merged like any other change.
        prop_assert_eq!((merged.done, merged.stays), (edited.done, edited.stays));
        let shown_or_beside = |path: &str, value: Value| {
            let object = merged.object();
            let beside = object.conflicts(path).iter().any(|loser| loser.value.is_same(&value));
            beside || object.get(path).is_some_and(|shown| shown.is_same(&value))
        };
        if both {
            // Migrated twice, from different states: the one shows, the other beside it.
            prop_assert!(shown_or_beside("title", note.name.as_str().into()));
            prop_assert!(shown_or_beside("title", edited.name.as_str().into()));
            prop_assert!(shown_or_beside("hits", (*edited.views).into()));
        } else if edited.name != note.name {
            // Under the old name, which the new version does not know.
            prop_assert_eq!(merged.object().get("name"), Some(&edited.name.into()));
        }
    }
}

#[test]
fn an_object_that_does_not_fit_stays_as_it_is() {
    let mut replica = Replica::new(1);
    let properties = Map::from([("name".into(), 5.into())]);
    let object = replica.transact(|tx| tx.add(Old::type_name(), properties).unwrap());
    let before = replica.show(object);
    let failed = replica.transact(|tx| migration().apply(tx, object));
    assert!(matches!(
        failed,
        Err(MigrationError::Object(ObjectError::Mismatch(_)))
    ));
    assert_eq!(replica.show(object), before);
    let same = Migration::new(|old: Old| old).unwrap_err();
    assert!(matches!(same, MigrationError::SameType { .. }), "{same}");
}
