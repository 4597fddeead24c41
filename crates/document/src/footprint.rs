//! About how much memory a state takes.
//!
//! A cache of states is bounded by this and not by their number: one may be a thousand times as
//! large as another. Sizes of elements are added up and what allocators round up to is left out,
//! so that it takes a small part of the time that encoding the state does.

use std::mem::size_of;

use crdts::VClock;
use dxos_keys::FeedId;

use crate::branch::Branch;
use crate::list::Item;
use crate::node::{Content, Node};
use crate::register::{Register, Write};
use crate::sequence::Sequence;
use crate::set::AddWinsSet;
use crate::small_map::SmallMap;
use crate::{ElementId, Key, ObjectState, TypeName, Value};

/// A node of a `BTreeMap` has room for eleven entries, of which a new one uses one.
const NODE_ENTRIES: usize = 11;
/// What a node has beside them.
const NODE_BYTES: usize = 16;
/// A run, with what leads to it from its id and from its place.
const RUN_BYTES: usize = 96;
/// A clock with one entry.
const CLOCK_BYTES: usize = size_of::<VClock<FeedId>>() + tree_of(1, size_of::<(FeedId, u64)>());

/// A `BTreeMap` of `count` entries: nodes that were split are a bit over half full.
const fn tree_of(count: usize, entry: usize) -> usize {
    count.div_ceil(NODE_ENTRIES * 6 / 10) * (NODE_BYTES + NODE_ENTRIES * entry)
}

impl ObjectState {
    /// About how many bytes of memory the state takes, itself included. An estimate, mostly
    /// within a factor of two.
    pub fn memory_bytes(&self) -> usize {
        let deleted = self.deleted.as_ref();
        let deleted = deleted.map_or(0, |register| size_of_val(&**register));
        size_of::<Self>()
            + of_register(&self.types, |name: &TypeName| name.len())
            + deleted
            + of_branch(&self.root)
    }
}

fn of_map<K: Ord, V>(map: &SmallMap<K, V>, of: impl Fn(&K, &V) -> usize) -> usize {
    let entry = size_of::<(K, V)>();
    let table = match map {
        SmallMap::Few(few) => few.capacity() * entry,
        SmallMap::Many(many) => tree_of(many.len(), entry),
    };
    table + map.iter().map(|(key, value)| of(key, value)).sum::<usize>()
}

fn of_branch(branch: &Branch) -> usize {
    of_map(branch, |key, node| key.len() + of_node(node))
}

/// Beside the register itself.
fn of_register<T>(register: &Register<T>, of: impl Fn(&T) -> usize) -> usize {
    let losers = register.len().saturating_sub(1) * size_of::<Write<T>>();
    losers
        + register
            .iter()
            .map(|write| of(&write.content))
            .sum::<usize>()
}

/// Beside the node itself.
fn of_node(node: &Node) -> usize {
    let rare = match (node.set(), node.children()) {
        (None, None) => 0,
        (set, children) => {
            size_of::<AddWinsSet>()
                + size_of::<Branch>()
                + set.map_or(0, of_set)
                + children.map_or(0, of_branch)
        }
    };
    of_register(&node.register, of_content) + rare
}

fn of_content(content: &Content) -> usize {
    match content {
        Content::Map | Content::Count { tally: None, .. } => 0,
        Content::Count {
            tally: Some(tally), ..
        } => size_of_val(&**tally) + tally.spans.len() * 3 * CLOCK_BYTES,
        Content::List(list) => {
            let items = of_map(&list.items, |_, item| of_item(item));
            size_of_val(&**list) + of_sequence(&list.sequence) + items
        }
        Content::Text(text) => {
            let mark = size_of_val(&text.marks) + 2 * size_of::<ElementId>();
            size_of_val(&**text) + of_sequence(&text.sequence) + text.marks.len() * mark
        }
        Content::Whole(value) => of_value(value),
    }
}

fn of_item(item: &Item) -> usize {
    of_node(&item.node) + item.moved.as_ref().map_or(0, |moved| size_of_val(&**moved))
}

/// Runs with their part of the index, and what shows of them: counted, and not looked at, as
/// there may be many.
fn of_sequence(sequence: &Sequence) -> usize {
    sequence.count_runs() * RUN_BYTES + sequence.len() * 2
}

/// A clock for the set, one for each member, and one of the logical times.
fn of_set(set: &AddWinsSet) -> usize {
    // A table of hashes is at most seven eighths full.
    let member = CLOCK_BYTES + size_of::<Value>() * 8 / 7;
    2 * CLOCK_BYTES
        + set
            .values()
            .iter()
            .map(|value| member + of_value(value))
            .sum::<usize>()
}

/// Beside the value itself.
pub(crate) fn of_value(value: &Value) -> usize {
    let each = |count: usize| tree_of(count, size_of::<Value>());
    match value {
        Value::String(text) => text.capacity(),
        Value::Text(text) => text.bytes(),
        Value::Bytes(bytes) => bytes.capacity(),
        Value::List(items) => {
            let inner = items.iter().map(of_value).sum::<usize>();
            items.capacity() * size_of::<Value>() + inner
        }
        Value::Set(members) => each(members.len()) + members.iter().map(of_value).sum::<usize>(),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| key.len() + of_value(value));
            tree_of(map.len(), size_of::<(Key, Value)>()) + entries.sum::<usize>()
        }
        Value::Reference(_) => size_of::<dxos_keys::SpaceKey>(),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Counter(_)
        | Value::Timestamp(_) => 0,
    }
}
