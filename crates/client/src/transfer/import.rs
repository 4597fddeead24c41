//! Records of a file become objects.

use std::collections::{BTreeSet, VecDeque};
use std::io::BufRead;

use dxos_document::{ForeignKey, TypeName, Value};
use dxos_records::{BadRecord, Content, Format, Placed, ReadError, Records, read_with, size};
use serde::Serialize;

use super::write::{BYTES_MAX, Identity, ROWS_MAX, Row, adopt, write_rows};
use crate::{ClientError, Database, NodeError, SpaceKey};

/// How the records of a file become objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// The type of the objects, `record` by default; what [`Database::export`] wrote keeps its
    /// own, and its ids.
    pub type_name: TypeName,
    /// Where the records come from: the same one makes the same objects of the same records.
    pub source: String,
    /// The property that names a record in its source, such as `id`: a record goes to the object
    /// that has this key, and what differs is assigned. Without it a record is known again by its
    /// number and what it says, and an object that is here stays as it is.
    pub key: Option<String>,
    /// Leave bad records out and go on.
    pub skip_bad: bool,
    /// Columns of a CSV file that are texts, such as versions. In others what looks like a number
    /// of JSON is one: `1.10` is 1.1.
    pub texts: BTreeSet<String>,
}

impl ImportOptions {
    /// Records of a source: the name of a file, or of the system that wrote it.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            type_name: TypeName::from("record"),
            source: source.into(),
            key: None,
            skip_bad: false,
            texts: BTreeSet::new(),
        }
    }
}

/// What an import did so far. All of it survives the end of the process; see
/// [`Database::flush`] for the loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Records that became objects.
    pub created: u64,
    /// Records whose objects were here and were assigned what differs.
    pub updated: u64,
    /// Records whose objects were here and are as they were.
    pub unchanged: u64,
    /// Bad records that were left out.
    pub skipped: u64,
}

impl ImportReport {
    /// Records that are objects now.
    pub const fn objects(&self) -> u64 {
        self.created + self.updated + self.unchanged
    }

    pub(super) const fn add(&mut self, more: &Self) {
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.skipped += more.skipped;
    }
}

/// What is told of an import while it runs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ImportEvent<'a> {
    /// A bad record was left out.
    Skipped(&'a BadRecord),
    /// A transaction was written.
    Written(&'a ImportReport),
}

/// Why an import ended before its file did. Run it again when that is mended: it goes on where
/// it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A record cannot be taken.
    #[error(
        "{bad}; {} objects of this file are here; correct it and import again, or leave bad \
         records out", done.objects()
    )]
    Bad {
        /// The record.
        bad: BadRecord,
        /// What was done: records after it may be among that, as they are written together.
        done: ImportReport,
    },
    /// The client or the space refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<dxos_actors::SpawnError> for ImportError {
    fn from(error: dxos_actors::SpawnError) -> Self {
        Self::Client(NodeError::from(error).into())
    }
}

/// What is next of a file: what fits one transaction.
struct Batch {
    rows: Vec<Row>,
    bad: Vec<BadRecord>,
    end: bool,
}

/// A file that is being read.
struct Reading {
    records: Records<'static>,
    /// What did not fit the transaction before.
    ahead: VecDeque<Row>,
    space: SpaceKey,
    options: ImportOptions,
}

impl Database {
    /// Makes objects of the records of a file: an object of each. What is read is written in
    /// transactions of 1,000 records, or fewer large ones, so that a file of any size takes the
    /// memory of one.
    ///
    /// Importing a file again changes nothing, and one that was cut off, by a kill of the process
    /// too, goes on where it was. Records that do not fit the schema of their type are bad ones.
    ///
    /// # Errors
    ///
    /// [`ImportError::Bad`] with the line of the record, [`ImportError::Read`],
    /// [`ImportError::Client`]. What was written before stays.
    pub async fn import_from<R: BufRead + Send + 'static>(
        &self,
        from: R,
        format: Format,
        options: ImportOptions,
        mut on_event: impl FnMut(ImportEvent<'_>) + Send,
    ) -> Result<ImportReport, ImportError> {
        let node = self.space().client().node()?;
        let skip_bad = options.skip_bad;
        let space = self.space().key();
        let begun = node.spawner.blocking(move || {
            let records = read_with(from, format, &options.texts)?;
            Ok::<_, ReadError>(Reading {
                records,
                ahead: VecDeque::new(),
                space,
                options,
            })
        });
        let mut reading = begun.await??;
        let mut report = ImportReport::default();
        loop {
            let read = node.spawner.blocking(move || {
                let batch = reading.batch();
                (reading, batch)
            });
            let (rest, batch) = read.await?;
            reading = rest;
            let (Batch { mut rows, bad, end }, failed) = batch;
            if !rows.is_empty() {
                adopt(self, &mut rows).await?;
                let refused = write_rows(self, rows, &mut report).await?;
                on_event(ImportEvent::Written(&report));
                let refused = refused.into_iter().map(|(row, error)| BadRecord {
                    line: row.line,
                    reason: error.to_string(),
                });
                skip(refused, skip_bad, &mut report, &mut on_event)?;
            }
            skip(bad, skip_bad, &mut report, &mut on_event)?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            if end {
                break;
            }
        }
        self.flush().await?;
        Ok(report)
    }
}

fn skip(
    bad: impl IntoIterator<Item = BadRecord>,
    skip_bad: bool,
    report: &mut ImportReport,
    on_event: &mut (impl FnMut(ImportEvent<'_>) + Send),
) -> Result<(), ImportError> {
    for bad in bad {
        if !skip_bad {
            return Err(ImportError::Bad { bad, done: *report });
        }
        report.skipped += 1;
        on_event(ImportEvent::Skipped(&bad));
    }
    Ok(())
}

impl Reading {
    /// The next records, and why there are no more, if the file cannot be read on. It ends at a
    /// bad record where those are not left out.
    fn batch(&mut self) -> (Batch, Option<ReadError>) {
        let mut batch = Batch {
            rows: Vec::new(),
            bad: Vec::new(),
            end: false,
        };
        let mut bytes = 0;
        while let Some(row) = self.ahead.pop_front() {
            bytes += size(&row.properties);
            if bytes > BYTES_MAX && !batch.rows.is_empty() {
                self.ahead.push_front(row);
                return (batch, None);
            }
            batch.rows.push(row);
        }
        while batch.rows.len() < ROWS_MAX && batch.bad.len() < ROWS_MAX {
            let placed = match self.records.next() {
                None => {
                    batch.end = true;
                    break;
                }
                Some(Err(error)) => return (batch, Some(error)),
                Some(Ok(placed)) => placed,
            };
            match self.row(placed) {
                Ok(row) => {
                    bytes += size(&row.properties);
                    if bytes > BYTES_MAX {
                        self.ahead.extend(row.into_parts());
                        if batch.rows.is_empty() {
                            batch.rows.extend(self.ahead.pop_front());
                        }
                        break;
                    }
                    batch.rows.push(row);
                }
                Err(bad) => {
                    batch.bad.push(bad);
                    if !self.options.skip_bad {
                        break;
                    }
                }
            }
        }
        (batch, None)
    }

    fn row(&self, placed: Placed) -> Result<Row, BadRecord> {
        let Placed {
            line,
            number,
            print,
            content,
        } = placed;
        let Content {
            exported,
            properties,
            meta,
        } = content?;
        let (object, type_name, identity) = if let Some(exported) = exported {
            let is_deleted = exported.is_deleted;
            let identity = Identity::Object { meta, is_deleted };
            (exported.id, exported.type_name, identity)
        } else {
            let type_name = self.options.type_name.clone();
            let source = self.options.source.as_str();
            if let Some(name) = &self.options.key {
                let id = properties.get(name.as_str()).and_then(key_text);
                let id = id.ok_or_else(|| BadRecord {
                    line,
                    reason: match properties.get(name.as_str()) {
                        Some(Value::Float(_)) => format!(
                            "its property {name:?}, which is to name it, is a number with a \
                             fraction; have it read as text"
                        ),
                        _ => format!(
                            "its property {name:?}, which is to name it, is missing or neither \
                             text nor number"
                        ),
                    },
                })?;
                let key = ForeignKey::new(source, id);
                (key.object_id(&self.space), type_name, Identity::Key(key))
            } else {
                let print = data_encoding::HEXLOWER.encode(&print);
                let id = format!("{number} {type_name} {print}");
                let object = ForeignKey::new(source, id).object_id(&self.space);
                (object, type_name, Identity::Place)
            }
        };
        Ok(Row {
            object,
            type_name,
            identity,
            properties,
            line,
            is_rest: false,
            is_adopted: false,
        })
    }
}

/// A value as the name of a record.
fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
