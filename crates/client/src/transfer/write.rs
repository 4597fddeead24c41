//! Rows that are known again when they come once more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use dxos_document::{
    Deleted, Filter, ForeignKey, META, Map, Meta, MetaError, Op, Path, Tx, TxError, TypeName,
};
use dxos_records::property_size;
use dxos_schema::ObjectError;

use super::ImportReport;
use crate::{ClientError, Database, DatabaseError, ObjectId, TransactionError};

/// Objects in one transaction, if they are small.
pub(super) const ROWS_MAX: usize = 1000;
/// About how many bytes a transaction of several may have; a block holds 768 KiB.
pub(super) const BYTES_MAX: usize = 512 * 1024;

/// How it is told whether a row is here already.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// It says which object it is: that is assigned what differs. One that is not here is made, and
    /// deleted if it was deleted there.
    Object {
        meta: Option<Meta>,
        is_deleted: bool,
    },
    /// Another system has a name for it: the object that has the name is assigned what differs.
    Key(ForeignKey),
    /// The id follows from where it comes from and what it says: what is here stays as it is.
    Place,
}

/// An object that is to be here.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) object: ObjectId,
    pub(crate) type_name: TypeName,
    pub(crate) identity: Identity,
    pub(crate) properties: Map,
    /// Where it was read.
    pub(crate) line: u64,
    /// Whether it is more of the object of the row before.
    pub(crate) is_rest: bool,
    /// Whether the object was made otherwise, and got its key later.
    pub(crate) is_adopted: bool,
}

impl Row {
    /// Rows that each fit a transaction, of one that may not. Only what says which object it is can
    /// be written in parts: it is known again when the last ones are still to come.
    pub(crate) fn into_parts(self) -> Vec<Self> {
        if !matches!(self.identity, Identity::Object { .. })
            || dxos_records::size(&self.properties) <= BYTES_MAX
        {
            return vec![self];
        }
        let mut first = self;
        let properties = std::mem::take(&mut first.properties);
        let mut parts = vec![first.clone()];
        let mut bytes = 0;
        for (key, value) in properties {
            let size = property_size(&key, &value);
            if bytes > 0 && bytes + size > BYTES_MAX {
                parts.push(Self {
                    is_rest: true,
                    ..first.clone()
                });
                bytes = 0;
            }
            bytes += size;
            if let Some(part) = parts.last_mut() {
                part.properties.insert(key, value);
            }
        }
        parts
    }
}

/// Parts of rows that each fit a transaction.
pub(crate) fn chunks(mut rows: Vec<Row>) -> impl Iterator<Item = Vec<Row>> {
    rows.reverse();
    std::iter::from_fn(move || {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.last() {
            bytes += dxos_records::size(&row.properties);
            if !chunk.is_empty() && (chunk.len() >= ROWS_MAX || bytes > BYTES_MAX) {
                break;
            }
            chunk.extend(rows.pop());
        }
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Writes rows, after [`adopt`], in one transaction where that is possible; returns those that cannot be written,
/// with why.
pub(crate) async fn write_rows(
    db: &Database,
    rows: Vec<Row>,
    report: &mut ImportReport,
) -> Result<Vec<(Row, DatabaseError)>, ClientError> {
    let rows: Arc<[Row]> = rows.into();
    let mut bad = Vec::new();
    let mut parts = Vec::new();
    parts.push(0..rows.len());
    while let Some(part) = parts.pop() {
        match write_part(db, Arc::clone(&rows), part.clone()).await {
            Ok(written) => report.add(&written),
            Err(DatabaseError::Client(error)) if !is_of_a_row(&error) => return Err(error),
            Err(error) if part.len() == 1 => {
                bad.extend(rows.get(part.start).map(|row| (row.clone(), error)));
            }
            // One of them is bad: which?
            Err(_) => {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
        }
    }
    Ok(bad)
}

/// Whether an error says something of what was to be written, and not of the space.
fn is_of_a_row(error: &ClientError) -> bool {
    use dxos_protocol::echo::EchoError::{InvalidTransaction, SchemaViolated};
    matches!(
        error,
        ClientError::Echo(InvalidTransaction { .. } | SchemaViolated { .. })
    )
}

async fn write_part(
    db: &Database,
    rows: Arc<[Row]>,
    part: Range<usize>,
) -> Result<ImportReport, DatabaseError> {
    let run = move |tx: &mut Tx<'_>| {
        let mut report = ImportReport::default();
        for row in rows.get(part).into_iter().flatten() {
            put(tx, row, &mut report).map_err(ObjectError::Tx)?;
        }
        Ok(report)
    };
    let written: Result<_, TransactionError<ObjectError>> = db.transaction(run).await;
    written.map_err(|error| db.failed(error))
}

fn put(tx: &mut Tx<'_>, row: &Row, report: &mut ImportReport) -> Result<(), TxError> {
    let Row {
        object, identity, ..
    } = row;
    let type_name = || row.type_name.clone();
    let Some(found) = tx.get(*object)? else {
        report.created += 1;
        return match identity {
            Identity::Key(key) => tx.import(*object, type_name(), key, row.properties.clone()),
            Identity::Object { meta, is_deleted } => {
                let mut properties = row.properties.clone();
                if let Some(meta) = meta {
                    properties.insert(META.into(), meta.to_value());
                }
                tx.push(Op::Create {
                    object: *object,
                    type_name: type_name(),
                    properties,
                })?;
                if *is_deleted {
                    tx.push(Op::Delete { object: *object })?;
                }
                Ok(())
            }
            Identity::Place => tx.push(Op::Create {
                object: *object,
                type_name: type_name(),
                properties: row.properties.clone(),
            }),
        };
    };
    let before = tx.len();
    match identity {
        Identity::Place => {}
        Identity::Key(key) => {
            let here = found.type_name();
            // One that got its key by hand may be of any type.
            if !row.is_adopted && here.base() != row.type_name.base() {
                return Err(TxError::OtherType {
                    source_name: key.source.clone(),
                    id: key.id.clone(),
                    found: here.clone(),
                    expected: type_name(),
                });
            }
            tx.import(*object, type_name(), key, row.properties.clone())?;
        }
        Identity::Object { meta, .. } => {
            let mut new = found.properties().clone();
            new.extend(row.properties.clone());
            tx.replace(*object, found.properties(), &new)?;
            if let Some(meta) = meta {
                let here = found.meta();
                let is_new = |tag: &&String| here.is_none_or(|here| !here.tags.contains(*tag));
                let tags: Vec<_> = meta.tags.iter().filter(is_new).cloned().collect();
                if !tags.is_empty() {
                    tx.tag(*object, tags)?;
                }
                for key in &meta.keys {
                    if here.is_none_or(|here| !here.keys.contains(key)) {
                        tx.add_key(*object, key)?;
                    }
                }
                if meta.parent.is_some() && meta.parent != found.parent() {
                    match tx.set_parent(*object, meta.parent) {
                        // It may stand further on in the file, or come from another device.
                        Err(TxError::Meta(MetaError::Missing { .. })) => tx.push(Op::Set {
                            object: *object,
                            path: Path::of([META, "parent"]),
                            value: meta.parent.into(),
                        })?,
                        set => set?,
                    }
                }
            }
        }
    }
    if row.is_rest {
        // The object is counted by its first row.
    } else if tx.len() == before {
        report.unchanged += 1;
    } else {
        report.updated += 1;
    }
    Ok(())
}

/// Directs rows to objects that have their keys and were not imported under them.
pub(crate) async fn adopt(db: &Database, rows: &mut [Row]) -> Result<(), ClientError> {
    let keyed: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.identity {
            Identity::Key(key) => Some((row.object, key.clone())),
            _ => None,
        })
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let look = move |tx: &mut Tx<'_>| {
        let mut missing = BTreeSet::new();
        for (object, key) in keyed {
            if tx.get(object)?.is_none() {
                missing.insert(key);
            }
        }
        Ok::<_, TxError>(missing)
    };
    let missing = db.transaction(look).await.map_err(|error| match error {
        TransactionError::Client(error) => error,
        TransactionError::Aborted(error) => {
            ClientError::Echo(dxos_protocol::echo::EchoError::Store {
                reason: error.to_string(),
            })
        }
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    let query = db
        .query(Filter::foreign_keys(missing.clone()))
        .deleted(Deleted::Include);
    let mut known = BTreeMap::new();
    for object in query.run().await? {
        for key in object.keys().filter(|key| missing.contains(key)) {
            // Of several the first, on every device.
            known.entry(key.clone()).or_insert(object.id());
        }
    }
    for row in rows {
        if let Identity::Key(key) = &row.identity
            && let Some(found) = known.get(key)
        {
            row.object = *found;
            row.is_adopted = true;
        }
    }
    Ok(())
}
