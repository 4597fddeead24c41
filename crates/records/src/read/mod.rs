//! Reading: a JSON array, JSON Lines, or CSV with a header, one record at a time, each with the
//! line it begins on.

mod array;
mod lines;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io::BufRead;

use dxos_document::{Key, Limits, META, Map, Meta, Op, TypeName, Value};
use dxos_keys::{HashDomain, Hasher, ObjectId};
use serde::Deserialize as _;

use self::array::Array;
use self::lines::Lines;
use self::rows::Rows;
use crate::format::{Format, MARK};
use crate::write::cell;

/// The largest record in bytes as it is stored: a block, which holds 768 KiB, takes no larger one.
pub const RECORD_BYTES_MAX: usize = 736 * 1024;
/// The longest record in bytes as it stands in the file, where each may be written as six.
pub const TEXT_BYTES_MAX: usize = 6 * RECORD_BYTES_MAX;

/// A record that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadRecord {
    /// Where, from 1 on.
    pub line: u64,
    /// Why, and what to do.
    pub reason: String,
}

/// The object that a record was when a [`Writer`](crate::Writer) wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its id.
    pub id: ObjectId,
    /// Its type.
    pub type_name: TypeName,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// What it was, if a [`Writer`](crate::Writer) wrote it.
    pub exported: Option<Exported>,
    /// Its properties.
    pub properties: Map,
    /// Its tags, keys, parent and ends, where an exported one has any.
    pub meta: Option<Meta>,
}

/// A record of a file, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The line that it begins on, from 1 on.
    pub line: u64,
    /// How many records, bad ones among them, are before it.
    pub number: u64,
    /// A hash of what it says, to know it again.
    pub print: [u8; 32],
    /// What it says.
    pub content: Result<Content, BadRecord>,
}

/// Why nothing more of a file can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The first line of a CSV file does not name the columns.
    #[error("line {line}: {reason}")]
    Header {
        /// Where.
        line: u64,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It cannot be read.
    #[error("it cannot be read: {reason}")]
    Io {
        /// What the operating system said.
        reason: String,
    },
    /// It is no JSON array.
    #[error("line {line}: expected a JSON array, which begins with [")]
    NoArray {
        /// Where.
        line: u64,
    },
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io {
            reason: error.to_string(),
        }
    }
}

/// One that was read, with its number still to come.
type Found = (u64, [u8; 32], Item);
type Item = Result<Content, BadRecord>;
type Source<'a> = Box<dyn Iterator<Item = Result<Found, ReadError>> + Send + 'a>;
type Input<'a> = Box<dyn BufRead + Send + 'a>;

/// The records of a file, in order. Nothing follows an error.
pub struct Records<'a> {
    source: Source<'a>,
    number: u64,
    failed: bool,
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Records")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Reads the records of a file: UTF-8, with or without its mark, and with either line end.
///
/// # Errors
///
/// [`ReadError`] when it cannot be read, or the header of a CSV file is no good. What is wrong
/// with one record is told by that record.
pub fn read<'a>(input: impl BufRead + Send + 'a, format: Format) -> Result<Records<'a>, ReadError> {
    read_with(input, format, &BTreeSet::new())
}

/// The same, where some columns of a CSV file are texts whatever they look like: `texts` names
/// them. In other files a text stands in quotes.
///
/// # Errors
///
/// Also [`ReadError::Header`] when there is no such column.
pub fn read_with<'a>(
    mut input: impl BufRead + Send + 'a,
    format: Format,
    texts: &BTreeSet<String>,
) -> Result<Records<'a>, ReadError> {
    if input.fill_buf()?.starts_with(MARK) {
        input.consume(MARK.len());
    }
    let input: Input<'a> = Box::new(input);
    let source: Source<'a> = match format {
        Format::Csv => Box::new(Rows::new(input, texts)?),
        Format::Json => Box::new(Array::new(input)),
        Format::Jsonl => Box::new(Lines::new(input)),
    };
    Ok(Records {
        source,
        number: 0,
        failed: false,
    })
}

impl Iterator for Records<'_> {
    type Item = Result<Placed, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let found = self.source.next()?;
        Some(match found {
            Ok((line, print, content)) => {
                let number = self.number;
                self.number += 1;
                Ok(Placed {
                    line,
                    number,
                    print,
                    content,
                })
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        })
    }
}

fn print_of(text: &[u8]) -> [u8; 32] {
    Hasher::new(HashDomain::Record).update(text).finish()
}

/// Reads the JSON of one record, which begins on `line`.
fn found(text: &[u8], line: u64) -> Found {
    let text = text.trim_ascii();
    (line, print_of(text), parse(text, line))
}

/// Reads the JSON of one record, which begins on `line`.
fn parse(text: &[u8], line: u64) -> Item {
    let json: serde_json::Value = serde_json::from_slice(text).map_err(|error| {
        let before = (error.line() as u64).saturating_sub(1);
        BadRecord {
            line: line.saturating_add(before),
            reason: format!("not JSON: {}", without_place(&error)),
        }
    })?;
    let bad = |reason| BadRecord { line, reason };
    if let Some(number) = number_out_of_range(text) {
        return Err(bad(format!(
            "the whole number {number} is out of range; write it as text, or with an exponent"
        )));
    }
    if !json.is_object() {
        return Err(bad(format!("expected an object, found {}", kind(&json))));
    }
    if let Some((exported, properties)) = exported(&json) {
        let content = match Value::from_json(properties) {
            Ok(Value::Map(map)) => {
                let content = checked(map, Size::OfEach, line)?;
                with_meta(content, json.get("meta"), line)?
            }
            Ok(_) => return Err(bad("the properties are a special value".to_owned())),
            Err(error) => return Err(bad(error.to_string())),
        };
        return Ok(Content {
            exported: Some(exported),
            ..content
        });
    }
    match Value::from_json(&json) {
        Ok(Value::Map(map)) => checked(map, Size::OfAll, line),
        Ok(_) => Err(bad(
            "expected an object with properties, found a special value".to_owned(),
        )),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// A record with the tags, keys, parent and ends that were written beside its properties.
fn with_meta(mut content: Content, meta: Option<&serde_json::Value>, line: u64) -> Item {
    if let Some(meta) = meta {
        let meta = Meta::deserialize(meta).map_err(|error| BadRecord {
            line,
            reason: format!("meta: {error}"),
        })?;
        content.meta = Some(meta);
    }
    Ok(content)
}

/// The parts of an object as a [`Writer`](crate::Writer) writes it, `None` for any other record.
fn exported(json: &serde_json::Value) -> Option<(Exported, &serde_json::Value)> {
    let object = json.as_object()?;
    let known = |key: &String| {
        matches!(
            key.as_str(),
            "conflicts"
                | "created_ms"
                | "deleted"
                | "hidden"
                | "id"
                | "meta"
                | "properties"
                | "score"
                | "type"
                | "updated_ms"
        )
    };
    if !object.keys().all(known) || !object.get("created_ms")?.is_number() {
        return None;
    }
    let id = object.get("id")?.as_str()?.parse().ok()?;
    let type_name = TypeName::from(object.get("type")?.as_str()?);
    let properties = object.get("properties").filter(|p| p.is_object())?;
    let is_deleted = match object.get("deleted") {
        None => false,
        Some(is_deleted) => is_deleted.as_bool()?,
    };
    let exported = Exported {
        id,
        type_name,
        is_deleted,
    };
    Some((exported, properties))
}

/// A whole number in JSON that a property cannot have. It would be read as the nearest
/// floating-point number, which nobody asked for.
pub fn number_out_of_range(json: &[u8]) -> Option<&str> {
    let mut rest = json;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => {
                let mut is_escaped = false;
                let end = after.iter().position(|byte| {
                    let is_end = *byte == b'"' && !is_escaped;
                    is_escaped = *byte == b'\\' && !is_escaped;
                    is_end
                });
                after.get(end? + 1..)?
            }
            b'-' | b'0'..=b'9' => {
                let of_number = |byte: &u8| b"+-.0123456789Ee".contains(byte);
                let end = rest.iter().position(|byte| !of_number(byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                let number = std::str::from_utf8(number).ok()?;
                if cell::is_out_of_range(number) {
                    return Some(number);
                }
                after
            }
            _ => after,
        };
    }
    None
}

/// What has to fit one transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    /// A record: it becomes an object at once.
    OfAll,
    /// Each property: what is known again can be written in parts.
    OfEach,
}

/// Refuses what a transaction would refuse, while the line is known.
fn checked(properties: Map, limited: Size, line: u64) -> Item {
    let bad = |reason| BadRecord { line, reason };
    if properties.contains_key(META) {
        return Err(bad(format!("the property {META} is reserved; rename it")));
    }
    let bytes = match limited {
        Size::OfAll => size(&properties),
        Size::OfEach => properties.values().map(value_size).max().unwrap_or(0),
    };
    if bytes > RECORD_BYTES_MAX {
        return Err(bad(format!(
            "it would take {bytes} bytes, more than the {RECORD_BYTES_MAX} that one transaction \
             takes; split it, or move the space as an archive"
        )));
    }
    let op = Op::Create {
        object: ObjectId::from_bytes([0; ObjectId::LENGTH]),
        type_name: TypeName::from(""),
        properties,
    };
    op.check(&Limits::default())
        .map_err(|error| bad(error.to_string()))?;
    match op {
        Op::Create { properties, .. } => Ok(Content {
            exported: None,
            properties,
            meta: None,
        }),
        _ => Err(bad("it cannot be stored".to_owned())),
    }
}

fn too_long(line: u64) -> BadRecord {
    BadRecord {
        line,
        reason: format!("longer than {TEXT_BYTES_MAX} bytes; split it"),
    }
}

/// About how many bytes a record takes in a block, and hardly ever fewer than it does.
pub fn size(map: &Map) -> usize {
    let properties = map.iter();
    properties
        .map(|(key, value)| property_size(key, value))
        .sum::<usize>()
        + 24
}

/// The same of one property.
pub fn property_size(key: &Key, value: &Value) -> usize {
    key.as_str().len() + 3 + value_size(value)
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(number) => 2 + significant_bits(*number) / 7,
        Value::String(text) => text.len() + 5,
        Value::Text(text) => text.as_str().len() + 5,
        Value::Bytes(bytes) => bytes.len() + 5,
        Value::List(items) => items.iter().map(value_size).sum::<usize>() + 5,
        Value::Set(members) => members.iter().map(value_size).sum::<usize>() + 5,
        Value::Map(map) => size(map),
        Value::Reference(_) => 52,
        _ => 11,
    }
}

fn significant_bits(number: i64) -> usize {
    // One more for the sign.
    65 - number.unsigned_abs().leading_zeros() as usize
}

fn kind(json: &serde_json::Value) -> &'static str {
    match json {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

/// What serde says, without the line of its own that counts from the record on.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((text, _)) => format!("{text} (column {})", error.column()),
        None => text,
    }
}
