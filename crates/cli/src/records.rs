//! Records of a file: a JSON array, JSON Lines, or CSV with a header. They are read one at a
//! time, each with the line it begins on.

mod array;
mod rows;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use dxos_client::{Map, Meta, ObjectId, Op, TypeName, Value};
use dxos_document::{Limits, META};
use serde::Deserialize as _;

use self::array::Array;
use self::rows::Rows;

/// How a file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values; the first line names the columns
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Jsonl,
}

/// A record that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRecord {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// The longest record in bytes, as it stands in the file and as it is stored: a block, which
/// holds 768 KiB, takes no larger one.
pub(crate) const RECORD_BYTES_MAX: usize = 512 * 1024;

/// A record that can be taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The object it was when `dx export` wrote it.
    pub(crate) exported: Option<(ObjectId, TypeName)>,
    pub(crate) properties: Map,
}

type Item = Result<Record, BadRecord>;

/// Reads the records of a file. The outer error ends everything; an inner one is of one record.
pub(crate) fn read(
    mut input: Box<dyn BufRead>,
    name: &Path,
    format: Option<Format>,
) -> Result<Box<dyn Iterator<Item = Result<Item>>>> {
    skip_mark(&mut *input)?;
    let format = match format {
        Some(format) => format,
        None => guess(&mut *input, name)?,
    };
    Ok(match format {
        Format::Csv => Box::new(Rows::new(input)?),
        Format::Json => Box::new(Array::new(input)),
        Format::Jsonl => Box::new(Lines {
            input,
            line: 0,
            ended: false,
        }),
    })
}

/// Skips the mark with which some programs begin UTF-8.
fn skip_mark(input: &mut dyn BufRead) -> Result<()> {
    if input.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        input.consume("\u{feff}".len());
    }
    Ok(())
}

fn guess(input: &mut dyn BufRead, name: &Path) -> Result<Format> {
    let extension = name.extension().map(|e| e.to_string_lossy().to_lowercase());
    let first = input
        .fill_buf()?
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .copied();
    Ok(match (extension.as_deref(), first) {
        (Some("csv"), _) => Format::Csv,
        (Some("jsonl" | "ndjson"), _) | (_, Some(b'{') | None) => Format::Jsonl,
        (Some("json"), _) | (_, Some(b'[')) => Format::Json,
        _ => Format::Csv,
    })
}

/// Reads the JSON of one record, which begins on `line`.
fn parse(text: &[u8], line: u64) -> Item {
    let json: serde_json::Value = serde_json::from_slice(text.trim_ascii()).map_err(|error| {
        let before = (error.line() as u64).saturating_sub(1);
        BadRecord {
            line: line.saturating_add(before),
            reason: format!("not JSON: {}", without_place(&error)),
        }
    })?;
    let bad = |reason| BadRecord { line, reason };
    if !json.is_object() {
        return Err(bad(format!("expected an object, found {}", kind(&json))));
    }
    if let Some((object, type_name, properties)) = exported(&json) {
        let record = match Value::from_json(properties) {
            Ok(Value::Map(map)) => with_meta(checked(map, line)?, &json, line)?,
            Ok(_) => return Err(bad("the properties are a special value".to_owned())),
            Err(error) => return Err(bad(error.to_string())),
        };
        return Ok(Record {
            exported: Some((object, type_name)),
            ..record
        });
    }
    match Value::from_json(&json) {
        Ok(Value::Map(map)) => checked(map, line),
        Ok(_) => Err(bad(
            "expected an object with properties, found a special value".to_owned(),
        )),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// A record with the tags, keys, parent and ends that `dx export` wrote beside its properties.
fn with_meta(mut record: Record, json: &serde_json::Value, line: u64) -> Item {
    if let Some(meta) = json.get("meta") {
        let meta = Meta::deserialize(meta).map_err(|error| BadRecord {
            line,
            reason: format!("meta: {error}"),
        })?;
        record.properties.insert(META.into(), meta.to_value());
    }
    Ok(record)
}

/// The parts of an object as `dx export` writes it, `None` for any other record.
fn exported(json: &serde_json::Value) -> Option<(ObjectId, TypeName, &serde_json::Value)> {
    let object = json.as_object()?;
    let known = |key: &String| {
        matches!(
            key.as_str(),
            "conflicts" | "created_ms" | "id" | "meta" | "properties" | "type" | "updated_ms"
        )
    };
    if !object.keys().all(known) || !object.get("created_ms")?.is_number() {
        return None;
    }
    let id = object.get("id")?.as_str()?.parse().ok()?;
    let type_name = TypeName::from(object.get("type")?.as_str()?);
    let properties = object.get("properties").filter(|p| p.is_object())?;
    Some((id, type_name, properties))
}

/// Refuses what a transaction would refuse, while the line is known.
fn checked(properties: Map, line: u64) -> Item {
    let bad = |reason| BadRecord { line, reason };
    if properties.contains_key(META) {
        return Err(bad(format!("the property {META} is reserved; rename it")));
    }
    let bytes = size(&properties);
    if bytes > RECORD_BYTES_MAX {
        return Err(bad(format!(
            "it would take {bytes} bytes, more than the {RECORD_BYTES_MAX} allowed; split it"
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
        Op::Create { properties, .. } => Ok(Record {
            exported: None,
            properties,
        }),
        _ => Err(bad("it cannot be stored".to_owned())),
    }
}

fn too_long(line: u64) -> BadRecord {
    BadRecord {
        line,
        reason: format!("longer than {RECORD_BYTES_MAX} bytes; split it"),
    }
}

/// About how many bytes a record takes in a block, and hardly ever fewer than it does.
pub(crate) fn size(map: &Map) -> usize {
    let properties = map.iter();
    properties
        .map(|(key, value)| key.as_str().len() + 3 + value_size(value))
        .sum::<usize>()
        + 24
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(number) => 2 + significant_bits(*number) / 7,
        Value::String(text) => text.len() + 5,
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

struct Lines {
    input: Box<dyn BufRead>,
    line: u64,
    ended: bool,
}

impl Lines {
    /// The next line that is not blank, without its end; a record that is too long is skipped
    /// to its end.
    fn next_line(&mut self) -> std::io::Result<Option<Result<Vec<u8>, BadRecord>>> {
        loop {
            self.line += 1;
            let mut line = Vec::new();
            let limit = RECORD_BYTES_MAX as u64 + 1;
            let count = (&mut self.input).take(limit).read_until(b'\n', &mut line)?;
            if count == 0 {
                return Ok(None);
            }
            if count > RECORD_BYTES_MAX {
                if line.last() != Some(&b'\n') {
                    skip_line(&mut *self.input)?;
                }
                return Ok(Some(Err(too_long(self.line))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Ok(line)));
            }
        }
    }
}

fn skip_line(input: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        input.consume(count);
        if end.is_some() {
            return Ok(());
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = match self.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(error) => {
                self.ended = true;
                return Some(Err(error.into()));
            }
        };
        let number = self.line;
        Some(Ok(line.and_then(|line| parse(&line, number))))
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
