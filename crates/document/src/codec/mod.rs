//! The binary form of values, and what the forms of transactions and states are made of.
//!
//! Numbers are LEB128 varints, zigzagged where they have a sign, never longer than needed. A
//! value begins with a byte that is its kind, or, from 0x40 on, a short text's length or a small
//! number. Keys of maps and members of sets ascend strictly, so a value has one encoding.

mod decode;
mod encode;

use serde::Deserializer;

pub(crate) use self::decode::Decoder;
pub(crate) use self::encode::Encoder;
use crate::Value;
use crate::limits::{LimitError, Limits};

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
