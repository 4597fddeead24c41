//! The binary form of values, and what the forms of transactions and states are made of.
//!
//! Numbers are LEB128 varints, zigzagged where they have a sign, never longer than needed. A
//! value begins with a byte that is its kind, or, from 0x40 on, a short text's length or a small
//! number. Keys of maps and members of sets ascend strictly, so a value has one encoding.

use std::collections::BTreeMap;

use dxos_keys::{FeedId, ObjectId, SpaceKey};
use serde::Deserializer;

use crate::limits::{LimitError, Limits};
use crate::value::canonical;
use crate::{Key, Map, ObjectRef, Span, Text, Value};

/// Why bytes are no value, transaction or object state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A bound is passed: refuse the bytes and whoever sent them.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The bytes contradict themselves: refuse them and whoever sent them.
    #[error("{what} is malformed; the bytes are damaged or were not made by this program")]
    Malformed {
        /// What was being read.
        what: &'static str,
    },
    /// A version or kind that this program does not know. Update the program.
    #[error("{what} {found} is unknown: a newer program wrote it; update this one")]
    NewerProgram {
        /// What was being read.
        what: &'static str,
        /// The number that it has.
        found: u64,
    },
    /// There are bytes after the end: refuse them and whoever sent them.
    #[error("{bytes} bytes follow the end; the bytes are damaged or were not made by this program")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The bytes end too early: they were cut. Fetch them again.
    #[error("the bytes end within {what}; fetch them again")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
}

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const INT: u8 = 0x03;
const FLOAT: u8 = 0x04;
const TEXT: u8 = 0x05;
const BYTES: u8 = 0x06;
const TIMESTAMP: u8 = 0x07;
const REFERENCE: u8 = 0x08;
const REFERENCE_ACROSS: u8 = 0x09;
const LIST: u8 = 0x0a;
const MAP: u8 = 0x0b;
const SET: u8 = 0x0c;
const COUNTER: u8 = 0x0d;
const COLLABORATIVE: u8 = 0x0e;
/// In states only: the places of a tree where a map was assigned, counts with increments, texts
/// and lists.
pub(crate) const MAP_MARK: u8 = 0x20;
pub(crate) const TALLY_MARK: u8 = 0x21;
pub(crate) const TEXT_MARK: u8 = 0x22;
pub(crate) const LIST_MARK: u8 = 0x23;
const SHORT_TEXT: u8 = 0x40;
const SMALL_INT: u8 = 0x80;
const SMALL_MAX: u8 = 0x3f;

/// Writes; repeats names by number when it was made with [`Encoder::interning`].
#[derive(Debug, Default)]
pub(crate) struct Encoder<'a> {
    pub(crate) out: Vec<u8>,
    names: Option<BTreeMap<&'a str, u64>>,
}

impl<'a> Encoder<'a> {
    /// Makes room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            names: None,
        }
    }

    /// Writes over what is in `out`.
    pub(crate) fn into_room(mut out: Vec<u8>) -> Self {
        out.clear();
        Self { out, names: None }
    }

    pub(crate) fn interning(capacity: usize) -> Self {
        Self {
            names: Some(BTreeMap::new()),
            ..Self::with_capacity(capacity)
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(crate) fn varint(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.out.push(low & 0x7f);
                return;
            }
            self.out.push(low | 0x80);
        }
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.varint(count as u64);
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.varint((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A name: its length and bytes, or the number of an earlier one.
    pub(crate) fn name(&mut self, name: &'a str) {
        if let Some(names) = &mut self.names {
            let next = names.len() as u64;
            match names.entry(name) {
                std::collections::btree_map::Entry::Occupied(known) => {
                    let number = *known.get();
                    return self.varint((number << 1) | 1);
                }
                std::collections::btree_map::Entry::Vacant(unknown) => {
                    unknown.insert(next);
                }
            }
        }
        self.varint((name.len() as u64) << 1);
        self.raw(name.as_bytes());
    }

    pub(crate) fn values(&mut self, values: impl IntoIterator<Item = &'a Value>) {
        for value in values {
            self.value(value);
        }
    }

    pub(crate) fn value(&mut self, value: &'a Value) {
        match value {
            Value::Null => self.byte(NULL),
            Value::Bool(false) => self.byte(FALSE),
            Value::Bool(true) => self.byte(TRUE),
            Value::Int(number) => {
                if let Ok(small @ 0..=SMALL_MAX) = u8::try_from(*number) {
                    self.byte(SMALL_INT | small);
                } else {
                    self.byte(INT);
                    self.signed(*number);
                }
            }
            Value::Float(float) => {
                self.byte(FLOAT);
                self.raw(&canonical(*float).to_bits().to_le_bytes());
            }
            Value::Counter(number) => {
                self.byte(COUNTER);
                self.signed(*number);
            }
            Value::Timestamp(number) => {
                self.byte(TIMESTAMP);
                self.signed(*number);
            }
            Value::String(text) => {
                if let Ok(short @ 0..=SMALL_MAX) = u8::try_from(text.len()) {
                    self.byte(SHORT_TEXT | short);
                } else {
                    self.byte(TEXT);
                    self.count(text.len());
                }
                self.raw(text.as_bytes());
            }
            Value::Text(text) => {
                self.byte(COLLABORATIVE);
                self.count(text.as_str().len());
                self.raw(text.as_str().as_bytes());
                self.count(text.spans().len());
                for span in text.spans() {
                    self.count(span.from);
                    self.count(span.to);
                    self.name(&span.name);
                    self.value(&span.value);
                }
            }
            Value::Bytes(bytes) => {
                self.byte(BYTES);
                self.count(bytes.len());
                self.raw(bytes);
            }
            Value::Reference(reference) => {
                match reference.space() {
                    None => self.byte(REFERENCE),
                    Some(space) => {
                        self.byte(REFERENCE_ACROSS);
                        self.raw(space.as_bytes());
                    }
                }
                self.raw(reference.object().as_bytes());
            }
            Value::List(items) => {
                self.byte(LIST);
                self.count(items.len());
                self.values(items);
            }
            Value::Set(members) => {
                self.byte(SET);
                self.count(members.len());
                self.values(members);
            }
            Value::Map(map) => {
                self.byte(MAP);
                self.count(map.len());
                for (key, value) in map {
                    self.name(key);
                    self.value(value);
                }
            }
        }
    }
}

/// Reads what [`Encoder`] wrote; never trusts a length further than the bytes at hand.
#[derive(Clone, Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    pub(crate) limits: &'a Limits,
    names: Option<Vec<Key>>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            rest: bytes,
            limits,
            names: None,
        }
    }

    pub(crate) fn interning(bytes: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            names: Some(Vec::new()),
            ..Self::new(bytes, limits)
        }
    }

    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(DecodeError::Truncated { what })?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next byte, left where it is.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn raw(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(DecodeError::Truncated { what })?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated { what })?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let overflows = shift == 63 && bits > 1;
            let is_overlong = shift > 0 && byte == 0;
            if overflows || is_overlong {
                return Err(DecodeError::Malformed { what });
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Malformed { what })
    }

    /// How many things follow, each of which takes at least one byte.
    pub(crate) fn count(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let count = self.varint(what)?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err(DecodeError::Truncated { what }),
        }
    }

    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let number = self.varint(what)?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A name written by an encoder that does not intern.
    pub(crate) fn plain_name(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let head = self.varint(what)?;
        if head & 1 == 1 {
            return Err(DecodeError::Malformed { what });
        }
        let text = self.text(head >> 1, what)?;
        self.limits.name(text)?;
        Ok(text)
    }

    fn text(&mut self, length: u64, what: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.raw(length, what)?).map_err(|_| DecodeError::Malformed { what })
    }

    /// A text with its length before it.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let length = self.varint(what)?;
        self.text(length, what).map(str::to_owned)
    }

    pub(crate) fn name(&mut self, what: &'static str) -> Result<Key, DecodeError> {
        let head = self.varint(what)?;
        if head & 1 == 1 {
            let number = usize::try_from(head >> 1).ok();
            return self
                .names
                .as_ref()
                .and_then(|names| names.get(number?))
                .cloned()
                .ok_or(DecodeError::Malformed { what });
        }
        let text = self.text(head >> 1, what)?;
        self.limits.name(text)?;
        let name = Key::from(text);
        if let Some(names) = &mut self.names {
            names.push(name.clone());
        }
        Ok(name)
    }

    pub(crate) fn value(&mut self, left: usize) -> Result<Value, DecodeError> {
        const WHAT: &str = "a value";
        Ok(match self.byte(WHAT)? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => match self.signed(WHAT)? {
                0..=0x3f => return Err(DecodeError::Malformed { what: WHAT }),
                number => Value::Int(number),
            },
            FLOAT => {
                let bits = u64::from_le_bytes(self.array(WHAT)?);
                let float = canonical(f64::from_bits(bits));
                if float.to_bits() != bits {
                    return Err(DecodeError::Malformed { what: WHAT });
                }
                Value::Float(float)
            }
            COUNTER => Value::Counter(self.signed(WHAT)?),
            TIMESTAMP => Value::Timestamp(self.signed(WHAT)?),
            TEXT => match self.varint(WHAT)? {
                0..=0x3f => return Err(DecodeError::Malformed { what: WHAT }),
                length => Value::String(self.text(length, WHAT)?.to_owned()),
            },
            BYTES => {
                let length = self.varint(WHAT)?;
                Value::Bytes(self.raw(length, WHAT)?.to_vec())
            }
            REFERENCE => Value::Reference(ObjectRef::local(self.object(WHAT)?)),
            REFERENCE_ACROSS => {
                let space = SpaceKey::from_bytes(self.array(WHAT)?);
                Value::Reference(ObjectRef::across(space, self.object(WHAT)?))
            }
            COLLABORATIVE => Value::Text(self.collaborative(left)?),
            LIST => Value::List(self.values(left)?),
            SET => {
                let members = self.values(left)?;
                if !members.is_sorted_by(|one, two| one < two) {
                    return Err(DecodeError::Malformed { what: "a set" });
                }
                Value::Set(members.into_iter().collect())
            }
            MAP => {
                let left = self.limits.descend(left, 1)?;
                let mut entries: Vec<(Key, Value)> = Vec::new();
                for _ in 0..self.count("a map")? {
                    let key = self.name("a map")?;
                    if entries.last().is_some_and(|(last, _)| *last >= key) {
                        return Err(DecodeError::Malformed { what: "a map" });
                    }
                    entries.push((key, self.value(left)?));
                }
                Value::Map(Map::from_iter(entries))
            }
            text @ SHORT_TEXT..SMALL_INT => {
                let text = self.text(u64::from(text & SMALL_MAX), WHAT)?;
                Value::String(text.to_owned())
            }
            int if (SMALL_INT..=SMALL_INT | SMALL_MAX).contains(&int) => {
                Value::Int(i64::from(int & SMALL_MAX))
            }
            unknown => {
                return Err(DecodeError::NewerProgram {
                    what: "value kind",
                    found: unknown.into(),
                });
            }
        })
    }

    fn collaborative(&mut self, left: usize) -> Result<Text, DecodeError> {
        const WHAT: &str = "a text";
        let content = self.string(WHAT)?;
        let len = content.chars().count();
        let mut spans: Vec<Span> = Vec::new();
        for _ in 0..self.count(WHAT)? {
            let mut number = || {
                let number = self.varint(WHAT)?;
                usize::try_from(number).map_err(|_| DecodeError::Malformed { what: WHAT })
            };
            let (from, to) = (number()?, number()?);
            let name = self.name(WHAT)?;
            let value = self.value(self.limits.descend(left, 1)?)?;
            let span = Span {
                from,
                to,
                name,
                value,
            };
            let fits = from < to && to <= len && !span.value.is_null();
            if !fits || spans.last().is_some_and(|last| *last >= span) {
                return Err(DecodeError::Malformed { what: WHAT });
            }
            spans.push(span);
        }
        let text = Text::new(content).with_spans(spans.iter().cloned());
        if text.spans() == spans {
            Ok(text)
        } else {
            Err(DecodeError::Malformed { what: WHAT })
        }
    }

    /// A list of values, one level deeper than `left`.
    pub(crate) fn values(&mut self, left: usize) -> Result<Vec<Value>, DecodeError> {
        let left = self.limits.descend(left, 1)?;
        let count = self.count("a list")?;
        let mut values = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            values.push(self.value(left)?);
        }
        Ok(values)
    }

    pub(crate) fn object(&mut self, what: &'static str) -> Result<ObjectId, DecodeError> {
        self.array(what).map(ObjectId::from_bytes)
    }

    pub(crate) fn feed(&mut self, what: &'static str) -> Result<FeedId, DecodeError> {
        self.array(what).map(FeedId::from_bytes)
    }
}

impl Value {
    /// This value as compact bytes; equal values have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.value(self);
        encoder.out
    }

    /// Reads what [`Value::encode`] wrote. Fails as [`DecodeError`] says; any bytes may be given.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes, limits);
        let value = decoder.value(limits.depth_max)?;
        decoder.end()?;
        Ok(value)
    }
}

/// Lets serde read a byte string and decodes it.
pub(crate) fn deserialize_bytes<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    decode: fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, D::Error> {
    struct Visitor<T>(fn(&[u8]) -> Result<T, DecodeError>);

    impl<'de, T> serde::de::Visitor<'de> for Visitor<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a byte string")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<T, E> {
            (self.0)(bytes).map_err(E::custom)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            self.visit_bytes(&bytes)
        }
    }

    deserializer.deserialize_bytes(Visitor(decode))
}
