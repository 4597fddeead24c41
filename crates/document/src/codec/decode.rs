//! Reading values.

use dxos_keys::{FeedId, ObjectId, SpaceKey};

use super::{
    BYTES, COLLABORATIVE, COUNTER, DecodeError, FALSE, FLOAT, INT, LIST, MAP, NULL, REFERENCE,
    REFERENCE_ACROSS, SET, SHORT_TEXT, SMALL_INT, SMALL_MAX, TEXT, TIMESTAMP, TRUE,
};
use crate::limits::Limits;
use crate::value::canonical;
use crate::{Key, Map, ObjectRef, Span, Text, Value};

/// Reads what [`super::Encoder`] wrote; never trusts a length further than the bytes at hand.
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
