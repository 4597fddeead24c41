//! The rows of a CSV file. The `csv` crate reads them; before it stands what finds where each
//! row begins and ends, so that lines are exact and a quote that is never closed does not take
//! the whole file into memory.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dxos_document::{Key, Map, TypeName};
use dxos_keys::{HashDomain, Hasher, ObjectId};

use super::{
    BadRecord, Content, Exported, Found, Input, Item, ReadError, Size, TEXT_BYTES_MAX, checked,
    print_of, too_long, with_meta,
};
use crate::write::{CREATED, DELETED, ID, META_COLUMN, TYPE, UPDATED, cell, property_of_column};

const CUT: &str = "the file ends within quotes; it was cut off, or a quote is missing";

/// The row that the reader was handed last.
#[derive(Debug, Default)]
struct Handed {
    line: AtomicU64,
    too_long: AtomicBool,
    /// Whether the file ended within quotes.
    is_cut: AtomicBool,
}

impl Handed {
    fn line(&self) -> u64 {
        self.line.load(Ordering::Relaxed)
    }

    fn is_too_long(&self) -> bool {
        self.too_long.load(Ordering::Relaxed)
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// Hands the reader one row at a time.
struct Splitter<'a> {
    input: Input<'a>,
    line: u64,
    row: Vec<u8>,
    passed: usize,
    handed: Arc<Handed>,
}

/// Where in a row the splitter is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    AfterQuote,
}

impl Place {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::AfterQuote,
            (Self::FieldStart | Self::AfterQuote, b'"') | (Self::Quoted, _) => Self::Quoted,
            (_, b',') => Self::FieldStart,
            _ => Self::Plain,
        }
    }
}

impl Splitter<'_> {
    /// Takes the next row that is not blank; leaves it empty at the end of the file.
    fn take_row(&mut self) -> std::io::Result<()> {
        self.passed = 0;
        loop {
            self.row.clear();
            let start = self.line;
            let mut place = Place::FieldStart;
            let (mut length, mut ended) = (0_usize, false);
            while !ended {
                let buffer = self.input.fill_buf()?;
                if buffer.is_empty() {
                    break;
                }
                let mut used = 0;
                for byte in buffer {
                    used += 1;
                    if *byte == b'\n' {
                        self.line += 1;
                        if place != Place::Quoted {
                            ended = true;
                            break;
                        }
                    }
                    place = place.after(*byte);
                }
                let room = TEXT_BYTES_MAX.saturating_sub(self.row.len());
                self.row.extend(buffer.iter().take(used.min(room)));
                length = length.saturating_add(used);
                self.input.consume(used);
            }
            if length > 0 && !ended && place == Place::Quoted {
                self.handed.is_cut.store(true, Ordering::Relaxed);
            }
            if length == 0 {
                // The row before may only now be seen to have ended.
                return Ok(());
            }
            self.handed.line.store(start, Ordering::Relaxed);
            let too_long = length > TEXT_BYTES_MAX;
            self.handed.too_long.store(too_long, Ordering::Relaxed);
            if too_long {
                // The reader gets a row all the same, so that the two stay in step.
                self.row.clear();
                self.row.extend_from_slice(b"\"\"\n");
                return Ok(());
            }
            let blank = matches!(self.row.as_slice(), b"\n" | b"\r\n");
            if !blank {
                return Ok(());
            }
        }
    }
}

impl Read for Splitter<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.passed >= self.row.len() {
            self.take_row()?;
        }
        let rest = self.row.get(self.passed..).unwrap_or_default();
        let count = rest.len().min(to.len());
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
        self.passed += count;
        Ok(count)
    }
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Property(Key),
    /// A property that is a text whatever it looks like.
    Text(Key),
    Deleted,
    Id,
    Type,
    Meta,
    /// When it was created or changed, which is not for a file to say.
    Time,
}

/// The rows after the header.
pub(super) struct Rows<'a> {
    reader: csv::Reader<Splitter<'a>>,
    handed: Arc<Handed>,
    header: Vec<Column>,
    /// Whether a [`Writer`](crate::Writer) wrote it.
    exported: bool,
    print: Hasher,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn new(input: Input<'a>, texts: &BTreeSet<String>) -> Result<Self, ReadError> {
        let handed = Arc::new(Handed::default());
        let splitter = Splitter {
            input,
            line: 1,
            row: Vec::new(),
            passed: 0,
            handed: Arc::clone(&handed),
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(splitter);
        let found = reader.headers().cloned();
        let line = handed.line().max(1);
        let wrong = |reason| ReadError::Header { line, reason };
        let found = found.map_err(|error| failed(error, line))?;
        if handed.is_too_long() {
            return Err(wrong(format!(
                "the header is longer than {TEXT_BYTES_MAX} bytes"
            )));
        }
        if handed.is_cut() {
            return Err(wrong(CUT.to_owned()));
        }
        let mut names: Vec<&str> = found.iter().collect();
        let exported = names.contains(&ID) && names.contains(&TYPE);
        if !exported {
            names = names.into_iter().map(str::trim).collect();
        }
        let mut print = Hasher::new(HashDomain::Record);
        let mut known = BTreeSet::new();
        let mut header = Vec::with_capacity(names.len());
        for (column, name) in names.into_iter().enumerate() {
            if name.is_empty() {
                let column = column + 1;
                return Err(wrong(format!(
                    "column {column} has no name; name every column"
                )));
            }
            if !known.insert(name) {
                return Err(wrong(format!("two columns are named {name:?}; rename one")));
            }
            print.part(name.as_bytes());
            header.push(match name {
                _ if texts.contains(name) => Column::Text(Key::from(property_of_column(name))),
                _ if !exported => Column::Property(Key::from(name)),
                DELETED => Column::Deleted,
                ID => Column::Id,
                TYPE => Column::Type,
                META_COLUMN => Column::Meta,
                CREATED | UPDATED => Column::Time,
                name => Column::Property(Key::from(property_of_column(name))),
            });
        }
        if let Some(missing) = texts.iter().find(|name| !known.contains(name.as_str())) {
            return Err(wrong(format!("no column is named {missing:?}")));
        }
        Ok(Self {
            reader,
            handed,
            header,
            exported,
            print,
            ended: false,
        })
    }

    fn row(&self, row: &csv::StringRecord, line: u64) -> Item {
        if row.len() != self.header.len() {
            return Err(BadRecord {
                line,
                reason: format!(
                    "{} fields where the header has {}",
                    row.len(),
                    self.header.len()
                ),
            });
        }
        let bad = |reason| BadRecord { line, reason };
        let mut properties = Map::new();
        let (mut id, mut type_name, mut meta) = (None, None, None);
        let mut is_deleted = false;
        for (column, field) in self.header.iter().zip(row.iter()) {
            match column {
                // An empty field is a property that is not there.
                Column::Property(_) | Column::Text(_) | Column::Meta if field.is_empty() => {}
                Column::Text(name) => {
                    properties.insert(name.clone(), field.into());
                }
                Column::Deleted => {
                    is_deleted = match field.to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" | "" => false,
                        _ => {
                            return Err(bad(format!(
                                "{DELETED} is neither true nor false: {field:?}"
                            )));
                        }
                    }
                }
                Column::Property(name) => {
                    let value = if self.exported {
                        cell::read(field).map_err(|reason| bad(format!("{name}: {reason}")))?
                    } else {
                        cell::guess(field)
                    };
                    properties.insert(name.clone(), value);
                }
                Column::Id => id = Some(field),
                Column::Type => type_name = Some(field),
                Column::Meta => {
                    let json: serde_json::Value = serde_json::from_str(field)
                        .map_err(|error| bad(format!("{META_COLUMN}: not JSON: {error}")))?;
                    meta = Some(json);
                }
                Column::Time => {}
            }
        }
        let limited = match (id, type_name) {
            (Some(_), Some(_)) => Size::OfEach,
            _ => Size::OfAll,
        };
        let content = with_meta(checked(properties, limited, line)?, meta.as_ref(), line)?;
        let (Some(id), Some(type_name)) = (id, type_name) else {
            return Ok(content);
        };
        let id: ObjectId = id
            .parse()
            .map_err(|_| bad(format!("{ID} is no id of an object: {id:?}")))?;
        if type_name.is_empty() {
            return Err(bad(format!("{TYPE} is empty; name the type")));
        }
        Ok(Content {
            exported: Some(Exported {
                id,
                type_name: TypeName::from(type_name),
                is_deleted,
            }),
            ..content
        })
    }

    fn print_of(&self, row: &csv::StringRecord) -> [u8; 32] {
        let mut print = self.print.clone();
        for field in row {
            print.part(field.as_bytes());
        }
        print.finish()
    }
}

fn failed(error: csv::Error, line: u64) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        csv::ErrorKind::Utf8 { .. } => ReadError::Header {
            line,
            reason: "not UTF-8; save the file as UTF-8".to_owned(),
        },
        other => ReadError::Header {
            line,
            reason: format!("{other:?}"),
        },
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.header.is_empty() {
            return None;
        }
        let mut row = csv::StringRecord::new();
        let read = self.reader.read_record(&mut row);
        let line = self.handed.line();
        let bad = |bad| Some(Ok((line, print_of(b""), Err(bad))));
        match read {
            Ok(false) => {
                self.ended = true;
                None
            }
            Ok(true) if self.handed.is_too_long() => bad(too_long(line)),
            Ok(true) if self.handed.is_cut() => bad(BadRecord {
                line,
                reason: CUT.to_owned(),
            }),
            Ok(true) => Some(Ok((line, self.print_of(&row), self.row(&row, line)))),
            Err(error) => match error.kind() {
                csv::ErrorKind::Utf8 { .. } => bad(BadRecord {
                    line,
                    reason: "not UTF-8; save the file as UTF-8".to_owned(),
                }),
                _ => {
                    self.ended = true;
                    Some(Err(failed(error, line)))
                }
            },
        }
    }
}
