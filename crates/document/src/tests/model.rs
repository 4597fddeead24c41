//! A naive reference: keeps every operation for ever and works out from the rules, as the
//! documentation of the crate states them, what shows.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;

use super::Sent;
use crate::{ElementId, Key, ListEdit, Map, Op, OpId, Value, WriteId};

mod sequence;

#[derive(Clone, Debug, PartialEq)]
enum What {
    Map,
    Count(i64, bool),
    Whole(Value),
    /// That there is a text, with what it began with.
    Text(crate::Text),
    /// That there is a list, with how many items it began with.
    List(usize),
    /// That there is a set.
    Set,
    Member(Value),
}

#[derive(Clone, Debug)]
struct Written {
    path: Vec<Key>,
    id: OpId,
    what: What,
    /// The list that it was inserted into, when it was.
    inserted: Option<(Vec<Key>, WriteId)>,
}

struct Event<'a> {
    sent: &'a Sent,
    index: u32,
    op: &'a Op,
}

impl Event<'_> {
    fn id(&self) -> OpId {
        OpId {
            stamp: self.sent.stamp,
            index: self.index,
        }
    }

    fn has_seen(&self, id: OpId) -> bool {
        let own = self.sent.stamp;
        if id.stamp.feed == own.feed {
            (id.stamp.seq, id.index) < (own.seq, self.index)
        } else {
            id.stamp.seq < self.sent.past.get(&id.stamp.feed)
        }
    }

    fn covers(&self, write: &Written) -> bool {
        let below = |path: &[Key]| write.path.starts_with(path);
        let on_the_way = |path: &[Key]| {
            write.path.len() < path.len()
                && path.starts_with(&write.path)
                && path[write.path.len()].as_item().is_none()
                && write.what != What::Map
        };
        self.has_seen(write.id)
            && match self.op {
                Op::Create { properties, .. } => properties
                    .keys()
                    .any(|key| below(std::slice::from_ref(key))),
                Op::Set { path, .. } => below(path.parts()) || on_the_way(path.parts()),
                Op::Unset { path, .. } => below(path.parts()),
                Op::SetAdd { path, .. } => {
                    let is_set = matches!(write.what, What::Set | What::Member(_));
                    let here = write.path == path.parts();
                    on_the_way(path.parts()) || below(path.parts()) && !(here && is_set)
                }
                Op::SetRemove { path, values, .. } => {
                    write.path == path.parts()
                        && matches!(&write.what, What::Member(member) if values.contains(member))
                }
                _ => false,
            }
    }
}

fn flatten(path: Vec<Key>, value: &Value, id: OpId, out: &mut Vec<Written>) {
    let what = match value {
        Value::Map(map) => {
            for (key, value) in map {
                let path = path.iter().chain([key]).cloned().collect();
                flatten(path, value, id, out);
            }
            What::Map
        }
        Value::Set(members) => {
            for member in members {
                out.push(Written {
                    path: path.clone(),
                    id,
                    what: What::Member(member.clone()),
                    inserted: None,
                });
            }
            What::Set
        }
        Value::Text(text) => What::Text(text.clone()),
        Value::List(values) => {
            for (n, value) in (0..).zip(values) {
                let feed = id.stamp.feed;
                let item = Key::item(ElementId { feed, n });
                let path = path.iter().chain([&item]).cloned().collect();
                flatten(path, value, id, out);
            }
            What::List(values.len())
        }
        Value::Int(base) => What::Count(*base, false),
        Value::Counter(base) => What::Count(*base, true),
        other => What::Whole(other.clone()),
    };
    out.push(Written {
        path,
        id,
        what,
        inserted: None,
    });
}

/// The properties of `object` after all of `history`.
pub(super) fn properties(history: &[Sent], object: ObjectId) -> Map {
    let events: Vec<_> = history
        .iter()
        .flat_map(|sent| {
            (0_u32..)
                .zip(&sent.ops)
                .map(move |(index, op)| Event { sent, index, op })
        })
        .filter(|event| event.op.object() == object)
        .collect();
    let mut written = Vec::new();
    for event in &events {
        match event.op {
            Op::Create { properties, .. } => {
                for (key, value) in properties {
                    flatten(vec![key.clone()], value, event.id(), &mut written);
                }
            }
            Op::Set { path, value, .. } => {
                flatten(path.parts().to_vec(), value, event.id(), &mut written);
            }
            Op::List {
                path, edits, of, ..
            } => {
                let first = written.len();
                for edit in edits {
                    let ListEdit::Insert { start, values, .. } = edit else {
                        continue;
                    };
                    for (n, value) in (*start..).zip(values) {
                        let feed = event.sent.stamp.feed;
                        let item = Key::item(ElementId { feed, n });
                        let path = path.parts().iter().chain([&item]).cloned().collect();
                        flatten(path, value, event.id(), &mut written);
                    }
                }
                for write in written.iter_mut().skip(first) {
                    write.inserted = Some((path.parts().to_vec(), *of));
                }
            }
            Op::SetAdd { path, values, .. } => {
                let set = Value::Set(values.iter().cloned().collect());
                flatten(path.parts().to_vec(), &set, event.id(), &mut written);
            }
            _ => {}
        }
    }
    written.retain(|write| !events.iter().any(|event| event.covers(write)));
    let live: Vec<_> = written.iter().collect();
    children(&[], &live, &events).0
}

fn children(path: &[Key], live: &[&Written], events: &[Event<'_>]) -> (Map, Option<OpId>) {
    let below: Vec<_> = live
        .iter()
        .filter(|write| write.path.len() > path.len() && write.path.starts_with(path))
        .copied()
        .collect();
    let keys = below.iter().map(|write| &write.path[path.len()]);
    let keys: BTreeSet<_> = keys.filter(|key| key.as_item().is_none()).collect();
    let mut map = Map::new();
    let mut latest = None;
    for key in keys {
        let path: Vec<_> = path.iter().chain([key]).cloned().collect();
        if let Some((id, value)) = place(&path, &below, events) {
            latest = latest.max(Some(id));
            map.insert(key.clone(), value);
        }
    }
    (map, latest)
}

fn place(path: &[Key], live: &[&Written], events: &[Event<'_>]) -> Option<(OpId, Value)> {
    let here = || live.iter().filter(|write| write.path == path);
    let counted = |bases: &[OpId]| -> i128 {
        let increments = events.iter().filter_map(|event| match event.op {
            Op::Increment { path: at, by, .. } if at.parts() == path => bases
                .iter()
                .any(|base| event.has_seen(*base))
                .then_some(i128::from(*by)),
            _ => None,
        });
        increments.sum()
    };
    let clamp = |sum: i128| i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });

    let mut shown: BTreeMap<OpId, Value> = BTreeMap::new();
    let (below, mut latest_in_map) = children(path, live, events);
    let mut counters = Vec::new();
    let mut bases = 0_i128;
    let mut members = BTreeSet::new();
    let mut latest_in_set = None;
    for write in here() {
        match &write.what {
            What::Map => latest_in_map = latest_in_map.max(Some(write.id)),
            What::Whole(value) => {
                shown.insert(write.id, value.clone());
            }
            What::Text(text) => {
                shown.insert(
                    write.id,
                    Value::Text(sequence::text(write.id, text, path, events)),
                );
            }
            What::List(len) => {
                let items = sequence::items(write.id, *len, path, events);
                // What was inserted into another list, or written to an item by somebody who had
                // not seen this one, is not of this list, though it may be named the same.
                let own: Vec<_> = live
                    .iter()
                    .filter(|other| {
                        let mut into = other.inserted.iter();
                        into.all(|(at, of)| at.as_slice() != path || *of == WriteId::from(write.id))
                    })
                    .filter(|other| {
                        other.id == write.id
                            || events
                                .iter()
                                .any(|event| event.id() == other.id && event.has_seen(write.id))
                    })
                    .copied()
                    .collect();
                let values = items.into_iter().map(|item| {
                    let path: Vec<_> = path.iter().chain([&Key::item(item)]).cloned().collect();
                    place(&path, &own, events)
                });
                let values = values.flatten().map(|(_, value)| value);
                shown.insert(write.id, Value::List(values.collect()));
            }
            What::Count(base, false) => {
                let sum = i128::from(*base) + counted(&[write.id]);
                shown.insert(write.id, Value::Int(clamp(sum)));
            }
            What::Count(base, true) => {
                counters.push(write.id);
                bases += i128::from(*base);
            }
            What::Set => latest_in_set = latest_in_set.max(Some(write.id)),
            What::Member(member) => {
                members.insert(member.clone());
            }
        }
    }
    if let Some(latest) = counters.iter().max() {
        shown.insert(*latest, Value::Counter(clamp(bases + counted(&counters))));
    }
    if let Some(latest) = latest_in_set {
        shown.insert(latest, Value::Set(members));
    }
    if let Some(latest) = latest_in_map {
        shown.insert(latest, Value::Map(below));
    }
    shown.pop_last()
}
