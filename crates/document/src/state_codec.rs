//! The binary form of object states: canonical, so that equal states have equal bytes.
//!
//! A version; the feeds, transactions and operations that are referred to, each once, sorted;
//! creation and last change; type and deletion; the tree of properties.

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot};
use dxos_keys::FeedId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::branch::Branch;
use crate::codec::{DecodeError, Decoder, Encoder, MAP_MARK, TALLY_MARK};
use crate::context::{INDEX_BITS, Moment, OpId, SEQ_END, Stamp};
use crate::counter::Tally;
use crate::limits::Limits;
use crate::node::{Content, Node};
use crate::register::Register;
use crate::set::{AddWinsSet, SetParts};
use crate::{ObjectState, TypeName, Value};

const VERSION: u8 = 1;

const WRITES_INLINE_MAX: u8 = 3;
const HAS_SET: u8 = 0x04;
const HAS_CHILDREN: u8 = 0x08;

impl ObjectState {
    /// This state as compact bytes; equal states have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let tables = Tables::of(self);
        let mut writer = Writer {
            to: Encoder::default(),
            tables: &tables,
        };
        writer.to.byte(VERSION);
        writer.tables();
        writer.moments(self.created, self.updated);
        writer.to.count(self.types.len());
        for write in self.types.iter() {
            writer.id(&write.id);
            writer.to.name(&write.content);
        }
        writer.to.count(self.deleted.len());
        for write in self.deleted.iter() {
            writer.id(&write.id);
            writer.to.byte(u8::from(write.content));
        }
        writer.branch(&self.root);
        writer.to.out
    }

    /// Reads what [`ObjectState::encode`] wrote. Fails as [`DecodeError`] says; any bytes may be
    /// given.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let limits = Limits::default();
        let mut from = Decoder::new(bytes, &limits);
        match from.byte("an object's state")? {
            VERSION => {}
            found => {
                return Err(DecodeError::NewerProgram {
                    what: "state version",
                    found: found.into(),
                });
            }
        }
        let tables = Tables::read(&mut from)?;
        let mut reader = Reader {
            from,
            tables: &tables,
        };
        let (created, updated) = reader.moments()?;
        let types = reader.register(None, |reader| {
            Ok(TypeName::from(reader.from.name("a type")?.as_str()))
        })?;
        let deleted = reader.register(None, |reader| match reader.from.byte("a deletion")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("a deletion")),
        })?;
        if created.is_some() == types.is_empty() {
            return Err(malformed("an object's state"));
        }
        let left = limits.descend(limits.depth_max, 1)?;
        let root = reader.branch(left)?;
        reader.from.end()?;
        Ok(Self {
            created,
            updated,
            types,
            deleted,
            root,
        })
    }
}

const fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed { what }
}

/// What is referred to by number: sorted, without repetition.
#[derive(Debug, Default)]
struct Tables {
    feeds: Vec<FeedId>,
    stamps: Vec<Stamp>,
    ids: Vec<OpId>,
}

fn note<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}

impl Tables {
    fn of(state: &ObjectState) -> Self {
        let mut tables = Self::default();
        for moment in [state.created, state.updated].into_iter().flatten() {
            note(&mut tables.stamps, moment.stamp);
        }
        for write in state.types.iter() {
            note(&mut tables.ids, write.id);
        }
        for write in state.deleted.iter() {
            note(&mut tables.ids, write.id);
        }
        tables.collect(&state.root);
        tables.ids.sort_unstable();
        tables.ids.dedup();
        for id in &tables.ids {
            note(&mut tables.stamps, id.stamp);
        }
        tables.stamps.sort_unstable();
        tables.stamps.dedup();
        for stamp in &tables.stamps {
            note(&mut tables.feeds, stamp.feed);
        }
        tables.feeds.sort_unstable();
        tables.feeds.dedup();
        tables
    }

    fn collect(&mut self, branch: &Branch) {
        for (_, node) in branch.iter() {
            for write in node.register.iter() {
                note(&mut self.ids, write.id);
                if let Content::Count {
                    tally: Some(tally), ..
                } = &write.content
                {
                    self.feeds.extend(tally.spans.keys());
                }
            }
            if let Some(set) = node.set() {
                self.feeds
                    .extend(set.parts().clock.iter().map(|(feed, ..)| *feed));
            }
            if let Some(children) = node.children() {
                self.collect(children);
            }
        }
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "the operations of a state";
        let mut tables = Self::default();
        for _ in 0..from.count(WHAT)? {
            tables.feeds.push(from.feed(WHAT)?);
        }
        for _ in 0..from.count(WHAT)? {
            let feed = tables.feed(from.varint(WHAT)?)?;
            let (lamport, seq) = (from.varint(WHAT)?, from.varint(WHAT)?);
            if seq >= SEQ_END {
                return Err(malformed(WHAT));
            }
            tables.stamps.push(Stamp { lamport, feed, seq });
        }
        for _ in 0..from.count(WHAT)? {
            let stamp = tables.stamp(from.varint(WHAT)?)?;
            let index = u32::try_from(from.varint(WHAT)?)
                .ok()
                .filter(|index| *index < 1 << INDEX_BITS)
                .ok_or(malformed(WHAT))?;
            tables.ids.push(OpId { stamp, index });
        }
        let sorted = tables.feeds.is_sorted_by(|one, two| one < two)
            && tables.stamps.is_sorted_by(|one, two| one < two)
            && tables.ids.is_sorted_by(|one, two| one < two);
        if sorted {
            Ok(tables)
        } else {
            Err(malformed(WHAT))
        }
    }

    fn feed(&self, number: u64) -> Result<FeedId, DecodeError> {
        pick(&self.feeds, number)
    }

    fn stamp(&self, number: u64) -> Result<Stamp, DecodeError> {
        pick(&self.stamps, number)
    }
}

fn pick<T: Copy>(list: &[T], number: u64) -> Result<T, DecodeError> {
    usize::try_from(number)
        .ok()
        .and_then(|number| list.get(number))
        .copied()
        .ok_or(malformed("the operations of a state"))
}

fn place<T: Ord>(list: &[T], item: &T) -> usize {
    // Everything that is looked up was collected before.
    list.binary_search(item).unwrap_or_default()
}

struct Writer<'a> {
    to: Encoder<'a>,
    tables: &'a Tables,
}

impl<'a> Writer<'a> {
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

struct Reader<'a> {
    from: Decoder<'a>,
    tables: &'a Tables,
}

impl Reader<'_> {
    fn feed(&mut self) -> Result<FeedId, DecodeError> {
        self.tables.feed(self.from.varint("a feed")?)
    }

    fn moments(&mut self) -> Result<(Option<Moment>, Option<Moment>), DecodeError> {
        const WHAT: &str = "a time";
        let moment = |reader: &mut Self, number| {
            Ok::<_, DecodeError>(Some(Moment {
                stamp: reader.tables.stamp(number)?,
                time_ms: reader.from.varint(WHAT)?,
            }))
        };
        let created = match self.from.varint(WHAT)? {
            0 => None,
            number => moment(self, number - 1)?,
        };
        let updated = match self.from.varint(WHAT)? {
            0 => None,
            1 if created.is_some() => created,
            1 => return Err(malformed(WHAT)),
            number => moment(self, number - 2)?,
        };
        Ok((created, updated))
    }

    /// The writes, greatest first; as many as `count` or as the bytes say.
    fn register<T>(
        &mut self,
        count: Option<usize>,
        mut content: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Register<T>, DecodeError> {
        const WHAT: &str = "a register";
        let count = match count {
            Some(count) => count,
            None => self.from.count(WHAT)?,
        };
        let mut register = Register::default();
        let mut last = None;
        for _ in 0..count {
            let id = pick(&self.tables.ids, self.from.varint(WHAT)?)?;
            if last.is_some_and(|last| last <= id) {
                return Err(malformed(WHAT));
            }
            last = Some(id);
            register.insert(id, content(self)?);
        }
        Ok(register)
    }

    fn branch(&mut self, left: usize) -> Result<Branch, DecodeError> {
        const WHAT: &str = "properties";
        let count = self.from.count(WHAT)?;
        let mut branch = Branch::default();
        branch.reserve(count);
        let mut last = None;
        for _ in 0..count {
            let key = self.from.name(WHAT)?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(malformed(WHAT));
            }
            last = Some(key.clone());
            branch.insert(key, self.node(left)?);
        }
        Ok(branch)
    }

    fn node(&mut self, left: usize) -> Result<Node, DecodeError> {
        const WHAT: &str = "a property";
        let head = self.from.byte(WHAT)?;
        if head & !(WRITES_INLINE_MAX | HAS_SET | HAS_CHILDREN) != 0 {
            return Err(DecodeError::NewerProgram {
                what: "property kind",
                found: head.into(),
            });
        }
        let count = match head & WRITES_INLINE_MAX {
            WRITES_INLINE_MAX => match self.from.count(WHAT)? {
                0..=2 => return Err(malformed(WHAT)),
                count => count,
            },
            count => count.into(),
        };
        let mut node = Node {
            register: self.register(Some(count), |reader| reader.content(left))?,
            ..Node::default()
        };
        if head & HAS_SET != 0 {
            *node.set_mut() = self.set(left)?;
        }
        if head & HAS_CHILDREN != 0 {
            let left = self.from.limits.descend(left, 1)?;
            *node.children_mut() = self.branch(left)?;
            if node.children().is_none() {
                return Err(malformed(WHAT));
            }
        }
        if node.is_empty() {
            return Err(malformed(WHAT));
        }
        Ok(node)
    }

    fn content(&mut self, left: usize) -> Result<Content, DecodeError> {
        const WHAT: &str = "a property";
        let has_tally = match self.from.peek() {
            Some(MAP_MARK) => {
                self.from.byte(WHAT)?;
                return Ok(Content::Map);
            }
            Some(TALLY_MARK) => {
                self.from.byte(WHAT)?;
                true
            }
            _ => false,
        };
        let (base, is_counter) = match self.from.value(left)? {
            Value::Int(base) => (base, false),
            Value::Counter(base) => (base, true),
            Value::Map(_) | Value::Set(_) => return Err(malformed(WHAT)),
            _ if has_tally => return Err(malformed(WHAT)),
            whole => return Ok(Content::Whole(whole)),
        };
        let tally = if has_tally {
            Some(Box::new(self.tally()?))
        } else {
            None
        };
        Ok(Content::Count {
            base,
            is_counter,
            tally,
        })
    }

    fn tally(&mut self) -> Result<Tally, DecodeError> {
        const WHAT: &str = "a counter";
        let mut tally = Tally::default();
        let mut previous = None;
        for _ in 0..self.from.count(WHAT)? {
            let feed = self.feed()?;
            let (first, last) = (self.from.varint(WHAT)?, self.from.varint(WHAT)?);
            if previous.is_some_and(|previous| previous >= feed) || first == 0 || first > last {
                return Err(malformed(WHAT));
            }
            previous = Some(feed);
            tally.spans.insert(feed, (first, last));
            for clock in [&mut tally.plus, &mut tally.minus] {
                let total = self.from.varint(WHAT)?;
                if total > 0 {
                    clock.apply(Dot::new(feed, total));
                }
            }
        }
        if tally.spans.is_empty() {
            return Err(malformed(WHAT));
        }
        Ok(tally)
    }

    fn set(&mut self, left: usize) -> Result<AddWinsSet, DecodeError> {
        const WHAT: &str = "a set";
        let left = self.from.limits.descend(left, 1)?;
        let mut parts = SetParts::default();
        for _ in 0..self.from.count(WHAT)? {
            let entry = (
                self.feed()?,
                self.from.varint(WHAT)?,
                self.from.varint(WHAT)?,
            );
            if parts.clock.last().is_some_and(|last| last.0 >= entry.0) {
                return Err(malformed(WHAT));
            }
            parts.clock.push(entry);
        }
        let mut members = BTreeMap::new();
        for _ in 0..self.from.count(WHAT)? {
            let member = self.from.value(left)?;
            if members
                .last_key_value()
                .is_some_and(|(last, _)| *last >= member)
            {
                return Err(malformed(WHAT));
            }
            let mut dots: Vec<(FeedId, u64)> = Vec::new();
            for _ in 0..self.from.count(WHAT)? {
                let dot = (self.feed()?, self.from.varint(WHAT)?);
                if dots.last().is_some_and(|last| last.0 >= dot.0) {
                    return Err(malformed(WHAT));
                }
                dots.push(dot);
            }
            members.insert(member, dots);
        }
        parts.members = members;
        AddWinsSet::from_parts(parts)
            .filter(|set| !set.is_empty())
            .ok_or(malformed(WHAT))
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

impl<'de> Deserialize<'de> for ObjectState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;

        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = data_encoding::BASE64.decode(text.as_bytes());
            Self::decode(&bytes.map_err(D::Error::custom)?).map_err(D::Error::custom)
        } else {
            crate::codec::deserialize_bytes(deserializer, Self::decode)
        }
    }
}
