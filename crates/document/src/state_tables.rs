//! The feeds, transactions and operations that an encoded state refers to by number.

use dxos_keys::FeedId;

use crate::ObjectState;
use crate::branch::Branch;
use crate::codec::{DecodeError, Decoder};
use crate::context::{INDEX_BITS, OpId, SEQ_END, Stamp};
use crate::node::{Content, Node};

/// The version that a state begins with.
pub(crate) const VERSION: u8 = 2;
/// So many writes, or more, at one place are counted apart.
pub(crate) const WRITES_INLINE_MAX: u8 = 3;
/// A place has a set.
pub(crate) const HAS_SET: u8 = 0x04;
/// A place has children.
pub(crate) const HAS_CHILDREN: u8 = 0x08;

pub(crate) const fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed { what }
}

/// What is referred to by number: sorted, without repetition.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) feeds: Vec<FeedId>,
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) ids: Vec<OpId>,
}

fn note<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}

impl Tables {
    fn clear(&mut self) {
        self.feeds.clear();
        self.stamps.clear();
        self.ids.clear();
    }

    /// Makes these the tables of a state.
    pub(crate) fn fill(&mut self, state: &ObjectState) {
        self.clear();
        for moment in [state.created, state.updated].into_iter().flatten() {
            note(&mut self.stamps, moment.stamp);
        }
        for write in state.types.iter() {
            note(&mut self.ids, write.id);
        }
        for write in state.deleted.iter().flat_map(|deleted| deleted.iter()) {
            note(&mut self.ids, write.id);
        }
        self.collect(&state.root);
        self.ids.sort_unstable();
        self.ids.dedup();
        for id in &self.ids {
            note(&mut self.stamps, id.stamp);
        }
        self.stamps.sort_unstable();
        self.stamps.dedup();
        for stamp in &self.stamps {
            note(&mut self.feeds, stamp.feed);
        }
        self.feeds.sort_unstable();
        self.feeds.dedup();
    }

    fn collect(&mut self, branch: &Branch) {
        for (_, node) in branch.iter() {
            self.collect_node(node);
        }
    }

    fn collect_node(&mut self, node: &Node) {
        for write in node.register.iter() {
            note(&mut self.ids, write.id);
            match &write.content {
                Content::Count {
                    tally: Some(tally), ..
                } => self.feeds.extend(tally.spans.keys()),
                Content::Text(text) => {
                    self.feeds.extend(text.feeds());
                    self.ids.extend(text.marks.keys().map(|id| id.op));
                }
                Content::List(list) => {
                    self.feeds.extend(list.sequence.feeds());
                    for item in list.items.values() {
                        self.ids.extend(item.moved.as_ref().map(|moved| moved.0));
                        self.collect_node(&item.node);
                    }
                }
                Content::Count { .. } | Content::Map | Content::Whole(_) => {}
            }
        }
        if let Some(set) = node.set() {
            self.feeds.extend(set.feeds());
        }
        if let Some(children) = node.children() {
            self.collect(children);
        }
    }

    /// Reads them in place of those that were here.
    pub(crate) fn read(&mut self, from: &mut Decoder<'_>) -> Result<(), DecodeError> {
        const WHAT: &str = "the operations of a state";
        self.clear();
        for _ in 0..from.count(WHAT)? {
            self.feeds.push(from.feed(WHAT)?);
        }
        for _ in 0..from.count(WHAT)? {
            let feed = self.feed(from.varint(WHAT)?)?;
            let (lamport, seq) = (from.varint(WHAT)?, from.varint(WHAT)?);
            if seq >= SEQ_END {
                return Err(malformed(WHAT));
            }
            self.stamps.push(Stamp { lamport, feed, seq });
        }
        for _ in 0..from.count(WHAT)? {
            let stamp = self.stamp(from.varint(WHAT)?)?;
            let index = u32::try_from(from.varint(WHAT)?)
                .ok()
                .filter(|index| *index < 1 << INDEX_BITS)
                .ok_or(malformed(WHAT))?;
            self.ids.push(OpId { stamp, index });
        }
        let sorted = self.feeds.is_sorted_by(|one, two| one < two)
            && self.stamps.is_sorted_by(|one, two| one < two)
            && self.ids.is_sorted_by(|one, two| one < two);
        if sorted { Ok(()) } else { Err(malformed(WHAT)) }
    }

    pub(crate) fn feed(&self, number: u64) -> Result<FeedId, DecodeError> {
        pick(&self.feeds, number)
    }

    pub(crate) fn stamp(&self, number: u64) -> Result<Stamp, DecodeError> {
        pick(&self.stamps, number)
    }
}

pub(crate) fn pick<T: Copy>(list: &[T], number: u64) -> Result<T, DecodeError> {
    usize::try_from(number)
        .ok()
        .and_then(|number| list.get(number))
        .copied()
        .ok_or(malformed("the operations of a state"))
}

pub(crate) fn place<T: Ord>(list: &[T], item: &T) -> usize {
    // Everything that is looked up was collected before.
    list.binary_search(item).unwrap_or_default()
}
