//! Object states from bytes, which may be anything.

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot};
use dxos_keys::FeedId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::branch::Branch;
use crate::codec::{DecodeError, Decoder, MAP_MARK, TALLY_MARK};
use crate::context::Moment;
use crate::counter::Tally;
use crate::limits::Limits;
use crate::node::{Content, Node};
use crate::register::Register;
use crate::set::{AddWinsSet, SetParts};
use crate::state_tables::{
    HAS_CHILDREN, HAS_SET, Tables, VERSION, WRITES_INLINE_MAX, malformed, pick,
};
use crate::{ObjectState, TypeName, Value};

impl ObjectState {
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
            Ok(TypeName::from(reader.from.plain_name("a type")?))
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
            deleted: (!deleted.is_empty()).then(|| Box::new(deleted)),
            root,
        })
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
