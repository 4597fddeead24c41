//! Writing values.

use std::collections::BTreeMap;

use super::{
    BYTES, COLLABORATIVE, COUNTER, FALSE, FLOAT, INT, LIST, MAP, NULL, REFERENCE, REFERENCE_ACROSS,
    SET, SHORT_TEXT, SMALL_INT, SMALL_MAX, TEXT, TIMESTAMP, TRUE,
};
use crate::Value;
use crate::value::canonical;

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
