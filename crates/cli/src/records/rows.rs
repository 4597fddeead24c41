//! The rows of a CSV file. The `csv` crate reads them; before it stands what finds where each
//! row begins and ends, so that lines are exact and a quote that is never closed does not take
//! the whole file into memory.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use dxos_client::{Key, Map, Value};

use super::{BadRecord, Item, RECORD_BYTES_MAX, checked, too_long};

/// The row that the reader was handed last.
#[derive(Debug, Default)]
struct Handed {
    line: Cell<u64>,
    too_long: Cell<bool>,
}

/// Hands the reader one row at a time.
struct Splitter {
    input: Box<dyn BufRead>,
    line: u64,
    row: Vec<u8>,
    passed: usize,
    handed: Rc<Handed>,
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

impl Splitter {
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
                let room = RECORD_BYTES_MAX.saturating_sub(self.row.len());
                self.row.extend(buffer.iter().take(used.min(room)));
                length = length.saturating_add(used);
                self.input.consume(used);
            }
            if length == 0 {
                // The row before may only now be seen to have ended.
                return Ok(());
            }
            self.handed.line.set(start);
            let too_long = length > RECORD_BYTES_MAX;
            self.handed.too_long.set(too_long);
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

impl Read for Splitter {
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

/// The rows after the header.
pub(super) struct Rows {
    reader: csv::Reader<Splitter>,
    handed: Rc<Handed>,
    header: Vec<Key>,
    ended: bool,
}

impl Rows {
    /// Reads the header.
    pub(super) fn new(input: Box<dyn BufRead>) -> Result<Self> {
        let handed = Rc::new(Handed::default());
        let splitter = Splitter {
            input,
            line: 1,
            row: Vec::new(),
            passed: 0,
            handed: Rc::clone(&handed),
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(splitter);
        let found = reader
            .headers()
            .context("the header cannot be read")?
            .clone();
        let line = handed.line.get();
        if handed.too_long.get() {
            bail!("line {line}: the header is longer than {RECORD_BYTES_MAX} bytes");
        }
        let mut names = BTreeSet::new();
        let mut header = Vec::with_capacity(found.len());
        for (column, name) in found.iter().map(str::trim).enumerate() {
            if name.is_empty() {
                bail!(
                    "line {line}: column {} has no name; name every column",
                    column + 1
                );
            }
            if !names.insert(name) {
                bail!("line {line}: two columns are named {name:?}; rename one");
            }
            header.push(Key::from(name));
        }
        Ok(Self {
            reader,
            handed,
            header,
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
        // An empty field is a property that is not there.
        let fields = self.header.iter().zip(row.iter());
        let fields = fields.filter(|(_, field)| !field.is_empty());
        let map: Map = fields
            .map(|(name, field)| (name.clone(), cell(field)))
            .collect();
        checked(map, line)
    }
}

impl Iterator for Rows {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.header.is_empty() {
            return None;
        }
        let mut row = csv::StringRecord::new();
        let read = self.reader.read_record(&mut row);
        let line = self.handed.line.get();
        match read {
            Ok(false) => {
                self.ended = true;
                None
            }
            Ok(true) if self.handed.too_long.get() => Some(Ok(Err(too_long(line)))),
            Ok(true) => Some(Ok(self.row(&row, line))),
            Err(error) => match error.kind() {
                csv::ErrorKind::Utf8 { .. } => Some(Ok(Err(BadRecord {
                    line,
                    reason: "not UTF-8; save the file as UTF-8".to_owned(),
                }))),
                _ => {
                    self.ended = true;
                    Some(Err(error.into()))
                }
            },
        }
    }
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
