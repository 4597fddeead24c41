//! Records of a file: a JSON array, JSON Lines, or CSV with a header. They are read one at a
//! time, each with the line it begins on.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use dxos_client::{Key, Map, Value};

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

/// The longest record in bytes: a block takes no larger one anyway.
const RECORD_BYTES_MAX: usize = 512 * 1024;
/// The longest JSON array in bytes: it is read as a whole.
const ARRAY_BYTES_MAX: u64 = 1 << 30;

type Item = Result<Map, BadRecord>;

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
    match format {
        Format::Csv => csv_records(input),
        Format::Json => array(input),
        Format::Jsonl => Ok(Box::new(Lines {
            input,
            line: 0,
            ended: false,
        })),
    }
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

/// The properties in a JSON value.
fn properties(json: &serde_json::Value) -> Result<Map, String> {
    if !json.is_object() {
        return Err(format!("expected an object, found {}", kind(json)));
    }
    match Value::from_json(json) {
        Ok(Value::Map(map)) => Ok(map),
        Ok(_) => Err("expected an object with properties, found a special value".to_owned()),
        Err(error) => Err(error.to_string()),
    }
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
                let reason = format!("longer than {RECORD_BYTES_MAX} bytes");
                return Ok(Some(Err(BadRecord {
                    line: self.line,
                    reason,
                })));
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
        let bad = |reason| BadRecord {
            line: number,
            reason,
        };
        Some(Ok(line.and_then(|line| {
            let json = serde_json::from_slice(line.trim_ascii())
                .map_err(|error| bad(format!("not JSON: {}", without_place(&error))))?;
            properties(&json).map_err(bad)
        })))
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

fn array(mut input: Box<dyn BufRead>) -> Result<Box<dyn Iterator<Item = Result<Item>>>> {
    let mut text = Vec::new();
    input
        .by_ref()
        .take(ARRAY_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > ARRAY_BYTES_MAX {
        bail!(
            "a JSON array of more than {ARRAY_BYTES_MAX} bytes; write one record a line (JSON Lines)"
        );
    }
    let values: Vec<&serde_json::value::RawValue> = match serde_json::from_slice(&text) {
        Ok(values) => values,
        Err(error) => bail!(
            "line {}: {error}; expected a JSON array of objects",
            error.line()
        ),
    };
    let start = text.as_ptr() as usize;
    let mut items = Vec::with_capacity(values.len());
    let (mut line, mut counted) = (1, 0);
    for value in values {
        let offset = (value.get().as_ptr() as usize)
            .saturating_sub(start)
            .min(text.len());
        let passed = text.get(counted..offset).unwrap_or_default();
        line += passed
            .split(|byte| *byte == b'\n')
            .count()
            .saturating_sub(1) as u64;
        counted = offset;
        let bad = |reason| BadRecord { line, reason };
        let item = serde_json::from_str(value.get())
            .map_err(|error| bad(error.to_string()))
            .and_then(|json| properties(&json).map_err(bad));
        items.push(Ok(item));
    }
    Ok(Box::new(items.into_iter()))
}

fn csv_records(input: Box<dyn BufRead>) -> Result<Box<dyn Iterator<Item = Result<Item>>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header: Vec<Key> = match reader.headers() {
        Ok(header) => header.iter().map(|name| Key::from(name.trim())).collect(),
        Err(error) => bail!("line 1: the header cannot be read: {error}"),
    };
    if header.iter().any(|name| name.as_str().is_empty()) && header.len() > 1 {
        bail!("line 1: a column has no name; name every column in the first line");
    }
    let records = reader.into_records().map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            Ok(row(&header, &record).map_err(|reason| BadRecord { line, reason }))
        }
        Err(error) => match error.position().map(csv::Position::line) {
            Some(line) if !error.is_io_error() => Ok(Err(BadRecord {
                line,
                reason: error.to_string(),
            })),
            _ => Err(error.into()),
        },
    });
    Ok(Box::new(records))
}

fn row(header: &[Key], record: &csv::StringRecord) -> Result<Map, String> {
    if record.len() != header.len() {
        return Err(format!(
            "{} fields where the header has {}",
            record.len(),
            header.len()
        ));
    }
    if record.as_slice().len() > RECORD_BYTES_MAX {
        return Err(format!("longer than {RECORD_BYTES_MAX} bytes"));
    }
    // An empty field is a property that is not there.
    let fields = header
        .iter()
        .zip(record.iter())
        .filter(|(_, field)| !field.is_empty());
    Ok(fields
        .map(|(name, field)| (name.clone(), cell(field)))
        .collect())
}

/// A number or a truth value when the field is exactly one, else text.
fn cell(field: &str) -> Value {
    if let Ok(whole) = field.parse::<i64>()
        && whole.to_string() == field
    {
        return whole.into();
    }
    match field {
        "true" => true.into(),
        "false" => false.into(),
        _ => match field.parse::<f64>() {
            Ok(number) if number.is_finite() && number.to_string() == field => number.into(),
            _ => field.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, text: &str) -> Vec<Item> {
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let records = read(input, Path::new(name), None).unwrap();
        records.map(Result::unwrap).collect()
    }

    fn titles(name: &str, text: &str) -> Vec<String> {
        let title = |item: Item| {
            item.unwrap()
                .get("title")
                .unwrap()
                .as_text()
                .unwrap()
                .to_owned()
        };
        all(name, text).into_iter().map(title).collect()
    }

    #[test]
    fn the_same_records_come_from_every_format_and_line_end() {
        let wanted = ["Küche, \"neu\"", "水"];
        for (name, text) in [
            (
                "a.json",
                "[{\"title\": \"Küche, \\\"neu\\\"\"},\n {\"title\": \"水\"}]",
            ),
            (
                "a.jsonl",
                "{\"title\": \"Küche, \\\"neu\\\"\"}\r\n\r\n{\"title\": \"水\"}\r\n",
            ),
            ("a.csv", "title,n\r\n\"Küche, \"\"neu\"\"\",1\r\n水,2\r\n"),
            (
                "noname",
                "\u{feff}{\"title\": \"Küche, \\\"neu\\\"\"}\n{\"title\": \"水\"}",
            ),
            ("x.csv", "\u{feff}title\n\"Küche, \"\"neu\"\"\"\n水"),
        ] {
            assert_eq!(titles(name, text), wanted, "{name}");
        }
    }

    #[test]
    fn empty_files_have_no_records() {
        for name in ["a.json", "a.jsonl", "a.csv", "a"] {
            assert!(all(name, "").is_empty(), "{name}");
        }
        assert!(all("a.json", "[]").is_empty());
        assert!(all("a.csv", "title,n\n").is_empty());
    }

    #[test]
    fn a_bad_record_is_named_by_its_line_and_the_rest_is_read() {
        for (name, text, line) in [
            ("a.json", "[\n{\"a\":1},\n7,\n{\"a\":2}]", 3),
            ("a.jsonl", "{\"a\":1}\n\nnonsense\n{\"a\":2}\n", 3),
            ("a.csv", "a,b\n1,2\n1\n3,4\n", 3),
        ] {
            let items = all(name, text);
            let bad: Vec<_> = items
                .iter()
                .filter_map(|item| item.as_ref().err())
                .collect();
            assert_eq!(bad.len(), 1, "{name}");
            assert_eq!(bad[0].line, line, "{name}: {bad:?}");
            assert_eq!(items.len(), 3, "{name}");
        }
    }

    #[test]
    fn a_json_file_that_is_broken_is_refused_with_its_line() {
        let input = Box::new(std::io::Cursor::new(b"[{\"a\":1},\n{".to_vec()));
        let Err(error) = read(input, Path::new("a.json"), None) else {
            panic!("read")
        };
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn a_record_that_is_far_too_long_is_bad_and_the_next_one_is_read() {
        let text = format!(
            "{{\"a\":\"{}\"}}\n{{\"a\":1}}\n",
            "x".repeat(RECORD_BYTES_MAX)
        );
        let items = all("a.jsonl", &text);
        assert!(items[0].is_err() && items[1].is_ok() && items.len() == 2);
    }

    #[test]
    fn fields_keep_what_would_change_as_a_number() {
        assert_eq!(cell("12"), 12.into());
        assert_eq!(cell("-1.5"), (-1.5).into());
        assert_eq!(cell("true"), true.into());
        for text in ["007", "1e5", "+1", "1.50", "NaN", " 1"] {
            assert_eq!(cell(text), text.into(), "{text}");
        }
    }
}
