//! Object states from bytes, which may be anything.

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot};
use dxos_keys::{FeedId, ObjectId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::branch::Branch;
use crate::codec::{DecodeError, Decoder, LIST_MARK, MAP_MARK, TALLY_MARK, TEXT_MARK};
use crate::context::Moment;
use crate::counter::Tally;
use crate::limits::Limits;
use crate::list::{Item, ListState};
use crate::names::Names;
use crate::node::{Content, Node};
use crate::register::Register;
use crate::sequence::{Parts, Sequence};
use crate::set::{AddWinsSet, SetParts};
use crate::state_tables::{
    HAS_CHILDREN, HAS_SET, Tables, VERSION, WRITES_INLINE_MAX, malformed, pick,
};
use crate::text::{Mark, MarkId, TextState};
use crate::{Anchor, ElementId, Object, ObjectState, Value};

impl ObjectState {
    /// Reads what [`ObjectState::encode`] wrote. Fails as [`DecodeError`] says; any bytes may be
    /// given.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        StateDecoder::default().decode(bytes)
    }

    /// The object of a state that [`ObjectState::encode`] wrote, `None` when it was never
    /// created. The same as [`ObjectState::decode`] and [`ObjectState::object`] give, but of long
    /// texts only what shows is looked at: how they came to be is neither read nor checked.
    ///
    /// # Errors
    ///
    /// As [`DecodeError`] says; any bytes may be given.
    pub fn show(bytes: &[u8], id: ObjectId) -> Result<Option<Object>, DecodeError> {
        Ok(StateDecoder::default().read(bytes, true)?.into_object(id))
    }
}

/// Decodes one state after the other. States of one type then share the names of their
/// properties, and the decoder keeps the memory that it needs.
#[derive(Debug, Default)]
pub struct StateDecoder {
    tables: Tables,
    names: Names,
}

impl StateDecoder {
    /// The same as [`ObjectState::decode`].
    ///
    /// # Errors
    ///
    /// As [`DecodeError`] says; any bytes may be given.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<ObjectState, DecodeError> {
        self.read(bytes, false)
    }

    fn read(&mut self, bytes: &[u8], only_shown: bool) -> Result<ObjectState, DecodeError> {
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
        self.tables.read(&mut from)?;
        self.names.begin();
        let mut reader = Reader {
            from,
            tables: &self.tables,
            names: &mut self.names,
            only_shown,
        };
        let (created, updated) = reader.moments()?;
        let types = reader.register(None, |reader| {
            let name = reader.from.plain_name("a type")?;
            Ok(reader.names.type_name(name))
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
        Ok(ObjectState {
            created,
            updated,
            types,
            deleted: (!deleted.is_empty()).then(|| Box::new(deleted)),
            root,
        })
    }
}

struct Reader<'a> {
    from: Decoder<'a>,
    tables: &'a Tables,
    names: &'a mut Names,
    /// Whether what only later operations need is left out of texts.
    only_shown: bool,
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
            let key = self.from.plain_name(WHAT)?;
            let key = self.names.key(key);
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
        let mut node = Node::default();
        node.register = self.register(Some(count), |reader| reader.content(left))?;
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
            Some(TEXT_MARK) => {
                self.from.byte(WHAT)?;
                return Ok(Content::Text(Box::new(self.text(left)?)));
            }
            Some(LIST_MARK) => {
                self.from.byte(WHAT)?;
                return Ok(Content::List(Box::new(self.list(left)?)));
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
            Value::List(_) | Value::Map(_) | Value::Set(_) | Value::Text(_) => {
                return Err(malformed(WHAT));
            }
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

    fn sequence(&mut self, is_list: bool) -> Result<Sequence, DecodeError> {
        let tables = self.tables;
        let mut feed = |from: &mut Decoder<'_>| tables.feed(from.varint("a feed")?);
        let parts = Parts::decode(&mut self.from, &mut feed, is_list)?;
        parts.into_sequence(is_list).ok_or(malformed("a sequence"))
    }

    fn small(&mut self) -> Result<u32, DecodeError> {
        const WHAT: &str = "an element of a sequence";
        u32::try_from(self.from.varint(WHAT)?).map_err(|_| malformed(WHAT))
    }

    fn element(&mut self) -> Result<ElementId, DecodeError> {
        Ok(ElementId {
            feed: self.feed()?,
            n: self.small()?,
        })
    }

    fn anchor(&mut self) -> Result<Anchor, DecodeError> {
        const WHAT: &str = "an anchor";
        Ok(match self.from.byte(WHAT)? {
            0 => Anchor::Start,
            1 => Anchor::End,
            2 => Anchor::After(self.element()?),
            3 => Anchor::Before(self.element()?),
            _ => return Err(malformed(WHAT)),
        })
    }

    fn text(&mut self, left: usize) -> Result<TextState, DecodeError> {
        const WHAT: &str = "a text";
        if self.only_shown {
            let begin = self.from.clone();
            let text = self.from.string(WHAT)?;
            Parts::skip(&mut self.from)?;
            if self.from.count(WHAT)? == 0 {
                return Ok(TextState {
                    sequence: Sequence::shown(text),
                    ..TextState::default()
                });
            }
            // Where marks are follows from the elements.
            self.from = begin;
        }
        let mut text = TextState {
            sequence: self.sequence(false)?,
            ..TextState::default()
        };
        for _ in 0..self.from.count(WHAT)? {
            let id = MarkId {
                op: pick(&self.tables.ids, self.from.varint(WHAT)?)?,
                ordinal: self.small()?,
            };
            let mark = Mark {
                from: self.anchor()?,
                to: self.anchor()?,
                name: self.from.name(WHAT)?,
                value: self.from.value(left)?,
            };
            if text
                .marks
                .last_key_value()
                .is_some_and(|(last, _)| *last >= id)
            {
                return Err(malformed(WHAT));
            }
            text.marks.insert(id, mark);
        }
        Ok(text)
    }

    fn list(&mut self, left: usize) -> Result<ListState, DecodeError> {
        const WHAT: &str = "a list";
        let left = self.from.limits.descend(left, 1)?;
        let mut list = ListState {
            sequence: self.sequence(true)?,
            ..ListState::default()
        };
        let count = self.from.count(WHAT)?;
        list.items.reserve(count);
        for _ in 0..count {
            let id = self.element()?;
            let moved = match self.from.byte(WHAT)? {
                0 => None,
                1 => {
                    let by = pick(&self.tables.ids, self.from.varint(WHAT)?)?;
                    Some(Box::new((by, self.element()?)))
                }
                _ => return Err(malformed(WHAT)),
            };
            let node = self.node(left)?;
            if list.items.last_key().is_some_and(|last| *last >= id) {
                return Err(malformed(WHAT));
            }
            list.items.insert(id, Item { moved, node });
        }
        Ok(list)
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

impl<'de> Deserialize<'de> for ObjectState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = data_encoding::BASE64.decode(text.as_bytes());
            Self::decode(&bytes.map_err(D::Error::custom)?).map_err(D::Error::custom)
        } else {
            crate::codec::deserialize_bytes(deserializer, Self::decode)
        }
    }
}
