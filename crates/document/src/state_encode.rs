//! Object states to bytes: canonical, so that equal states have equal bytes.
//!
//! A version; the feeds, transactions and operations that are referred to, each once, sorted;
//! creation and last change; type and deletion; the tree of properties.

use dxos_keys::FeedId;
use serde::{Serialize, Serializer};

use crate::branch::Branch;
use crate::codec::{Encoder, LIST_MARK, MAP_MARK, TALLY_MARK, TEXT_MARK};
use crate::context::{Moment, OpId};
use crate::node::{Content, Node};
use crate::sequence::Sequence;
use crate::set::SetParts;
use crate::state_tables::{HAS_CHILDREN, HAS_SET, Tables, VERSION, WRITES_INLINE_MAX, place};
use crate::{Anchor, ElementId, ObjectState, Value};

impl ObjectState {
    /// This state as compact bytes; equal states have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = StateEncoder {
            out: Vec::with_capacity(192),
            ..StateEncoder::default()
        };
        encoder.encode(self);
        encoder.out
    }
}

/// Encodes one state after the other and keeps the memory that it needs for it: for small ones
/// getting that takes longer than the encoding.
#[derive(Debug, Default)]
pub struct StateEncoder {
    tables: Tables,
    out: Vec<u8>,
}

impl StateEncoder {
    /// Bytes that it keeps.
    const KEPT_MAX: usize = 64 << 10;

    /// The same bytes as those of [`ObjectState::encode`].
    pub fn encode(&mut self, state: &ObjectState) -> &[u8] {
        if self.out.capacity() > Self::KEPT_MAX {
            *self = Self::default();
        }
        self.tables.fill(state);
        let mut writer = Writer {
            to: Encoder::into_room(std::mem::take(&mut self.out)),
            tables: &self.tables,
        };
        writer.state(state);
        self.out = writer.to.out;
        &self.out
    }
}

struct Writer<'a> {
    to: Encoder<'a>,
    tables: &'a Tables,
}

impl<'a> Writer<'a> {
    fn state(&mut self, state: &'a ObjectState) {
        self.to.byte(VERSION);
        self.tables();
        self.moments(state.created, state.updated);
        self.to.count(state.types.len());
        for write in state.types.iter() {
            self.id(&write.id);
            self.to.name(&write.content);
        }
        let deleted = state.deleted.as_ref();
        self.to.count(deleted.map_or(0, |deleted| deleted.len()));
        for write in deleted.into_iter().flat_map(|deleted| deleted.iter()) {
            self.id(&write.id);
            self.to.byte(u8::from(write.content));
        }
        self.branch(&state.root);
    }

    fn tables(&mut self) {
        let tables = self.tables;
        self.to.count(tables.feeds.len());
        for feed in &tables.feeds {
            self.to.raw(feed.as_bytes());
        }
        self.to.count(tables.stamps.len());
        for stamp in &tables.stamps {
            self.feed(&stamp.feed);
            self.to.varint(stamp.lamport);
            self.to.varint(stamp.seq);
        }
        self.to.count(tables.ids.len());
        for id in &tables.ids {
            self.to.count(place(&tables.stamps, &id.stamp));
            self.to.varint(id.index.into());
        }
    }

    fn feed(&mut self, feed: &FeedId) {
        self.to.count(place(&self.tables.feeds, feed));
    }

    fn id(&mut self, id: &OpId) {
        self.to.count(place(&self.tables.ids, id));
    }

    /// For each moment 0 for none, else the number of its transaction and the time; the last
    /// change is 1 when it is the creation.
    fn moments(&mut self, created: Option<Moment>, updated: Option<Moment>) {
        let mut moment = |moment: Option<Moment>, base: usize| match moment {
            None => self.to.byte(0),
            Some(moment) => {
                self.to
                    .count(base + place(&self.tables.stamps, &moment.stamp));
                self.to.varint(moment.time_ms);
            }
        };
        moment(created, 1);
        if updated.is_some() && updated == created {
            self.to.byte(1);
        } else {
            moment(updated, 2);
        }
    }

    fn branch(&mut self, branch: &'a Branch) {
        self.to.count(branch.len());
        for (key, node) in branch.iter() {
            self.to.name(key);
            self.node(node);
        }
    }

    fn node(&mut self, node: &'a Node) {
        let count = node.register.len();
        let inline = u8::try_from(count).map_or(WRITES_INLINE_MAX, |n| n.min(WRITES_INLINE_MAX));
        let mut head = inline;
        if node.set().is_some() {
            head |= HAS_SET;
        }
        if node.children().is_some() {
            head |= HAS_CHILDREN;
        }
        self.to.byte(head);
        if inline == WRITES_INLINE_MAX {
            self.to.count(count);
        }
        for write in node.register.iter() {
            self.id(&write.id);
            self.content(&write.content);
        }
        if let Some(set) = node.set() {
            self.set(&set.parts());
        }
        if let Some(children) = node.children() {
            self.branch(children);
        }
    }

    fn content(&mut self, content: &'a Content) {
        match content {
            Content::Map => self.to.byte(MAP_MARK),
            Content::Text(text) => {
                self.to.byte(TEXT_MARK);
                self.sequence(&text.sequence, false);
                self.to.count(text.marks.len());
                for (id, mark) in &text.marks {
                    self.id(&id.op);
                    self.to.varint(id.ordinal.into());
                    self.anchor(&mark.from);
                    self.anchor(&mark.to);
                    self.to.name(&mark.name);
                    self.to.value(&mark.value);
                }
            }
            Content::List(list) => {
                self.to.byte(LIST_MARK);
                self.sequence(&list.sequence, true);
                self.to.count(list.items.len());
                for (id, item) in list.items.iter() {
                    self.element(*id);
                    match &item.moved {
                        None => self.to.byte(0),
                        Some(moved) => {
                            let (by, place) = &**moved;
                            self.to.byte(1);
                            self.id(by);
                            self.element(*place);
                        }
                    }
                    self.node(&item.node);
                }
            }
            Content::Whole(value) => self.to.value(value),
            Content::Count {
                base,
                is_counter,
                tally,
            } => {
                if tally.is_some() {
                    self.to.byte(TALLY_MARK);
                }
                let value = if *is_counter {
                    Value::Counter(*base)
                } else {
                    Value::Int(*base)
                };
                self.to.raw(&value.encode());
                let Some(tally) = tally else { return };
                self.to.count(tally.spans.len());
                for (feed, (first, last)) in &tally.spans {
                    self.feed(feed);
                    self.to.varint(*first);
                    self.to.varint(*last);
                    self.to.varint(tally.plus.get(feed));
                    self.to.varint(tally.minus.get(feed));
                }
            }
        }
    }

    fn sequence(&mut self, sequence: &Sequence, is_list: bool) {
        let tables = self.tables;
        let feed = |feed: &FeedId, to: &mut Encoder<'_>| to.count(place(&tables.feeds, feed));
        sequence.parts().encode(&mut self.to, &feed, is_list);
    }

    fn element(&mut self, element: ElementId) {
        self.feed(&element.feed);
        self.to.varint(element.n.into());
    }

    fn anchor(&mut self, anchor: &Anchor) {
        let (kind, element) = match anchor {
            Anchor::Start => (0, None),
            Anchor::End => (1, None),
            Anchor::After(element) => (2, Some(element)),
            Anchor::Before(element) => (3, Some(element)),
        };
        self.to.byte(kind);
        if let Some(element) = element {
            self.element(*element);
        }
    }

    fn set(&mut self, parts: &SetParts) {
        self.to.count(parts.clock.len());
        for (feed, dot, lamport) in &parts.clock {
            self.feed(feed);
            self.to.varint(*dot);
            self.to.varint(*lamport);
        }
        self.to.count(parts.members.len());
        for (member, dots) in &parts.members {
            self.to.raw(&member.encode());
            self.to.count(dots.len());
            for (feed, dot) in dots {
                self.feed(feed);
                self.to.varint(*dot);
            }
        }
    }
}

impl Serialize for ObjectState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.encode();
        if serializer.is_human_readable() {
            serializer.serialize_str(&data_encoding::BASE64.encode(&bytes))
        } else {
            serializer.serialize_bytes(&bytes)
        }
    }
}
