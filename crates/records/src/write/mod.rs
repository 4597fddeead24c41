//! Writing: objects as records that read back as the same objects.

pub(crate) mod cell;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;

use dxos_document::{Key, Object};

use crate::format::Format;

/// The columns of a CSV file that are no properties.
pub(crate) const ID: &str = "@id";
pub(crate) const TYPE: &str = "@type";
pub(crate) const META_COLUMN: &str = "@meta";
pub(crate) const CREATED: &str = "@created_ms";
pub(crate) const UPDATED: &str = "@updated_ms";
pub(crate) const DELETED: &str = "@deleted";

/// The most properties that the objects of one CSV file may have together.
pub const COLUMNS_MAX: usize = 4096;

/// Why objects were not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It cannot be written.
    #[error("it cannot be written: {reason}")]
    Io {
        /// What the operating system said.
        reason: String,
    },
    /// The objects have more properties than a table has columns.
    #[error(
        "the objects have more than {COLUMNS_MAX} different properties; write them as json or \
         jsonl, or fewer types at once"
    )]
    TooManyColumns,
    /// An object has what the columns do not: it was changed after they were counted.
    #[error("object {object} was changed meanwhile, and {property:?} has no column; do it again")]
    UnknownColumn {
        /// The object.
        object: dxos_keys::ObjectId,
        /// The property.
        property: String,
    },
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::Io {
            reason: error.to_string(),
        }
    }
}

impl From<csv::Error> for WriteError {
    fn from(error: csv::Error) -> Self {
        Self::Io {
            reason: error.to_string(),
        }
    }
}

/// The columns that objects need in a CSV file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    properties: BTreeSet<Key>,
    meta: bool,
    deleted: bool,
}

impl Columns {
    /// Adds what an object needs.
    ///
    /// # Errors
    ///
    /// [`WriteError::TooManyColumns`].
    pub fn add(&mut self, object: &Object) -> Result<(), WriteError> {
        self.meta |= object.meta().is_some();
        self.deleted |= object.is_deleted();
        for name in object.properties().keys() {
            if !self.properties.contains(name) {
                self.properties.insert(name.clone());
            }
        }
        if self.properties.len() > COLUMNS_MAX {
            return Err(WriteError::TooManyColumns);
        }
        Ok(())
    }

    fn header(&self) -> Vec<String> {
        let mut header: Vec<_> = [ID, TYPE, CREATED, UPDATED].map(str::to_owned).into();
        header.extend(self.meta.then(|| META_COLUMN.to_owned()));
        header.extend(self.deleted.then(|| DELETED.to_owned()));
        header.extend(self.properties.iter().map(column_of));
        header
    }
}

/// How the column of a property is called: those that begin with `@`, or are empty, get another.
fn column_of(name: &Key) -> String {
    if name.starts_with('@') || name.is_empty() {
        format!("@{name}")
    } else {
        name.to_string()
    }
}

/// The property that [`column_of`] called so.
pub(crate) fn property_of_column(name: &str) -> &str {
    name.strip_prefix('@')
        .filter(|rest| rest.starts_with('@') || rest.is_empty())
        .unwrap_or(name)
}

/// Writes objects, one record each. What it writes, [`read`](crate::read) reads as the same
/// objects: ids, types, properties of every kind, tags, keys, parents, ends of relations, and
/// whether they are deleted.
#[derive(Debug)]
pub struct Writer<W: Write> {
    form: Form<W>,
    objects: u64,
}

#[derive(Debug)]
enum Form<W: Write> {
    Csv(Box<csv::Writer<W>>, Columns),
    Json(W),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    /// Begins a file. CSV needs the columns of all objects; the other formats do not look at
    /// them. Give it a buffered writer.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`].
    pub fn begin(format: Format, columns: Columns, mut to: W) -> Result<Self, WriteError> {
        let form = match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(columns.header())?;
                Form::Csv(Box::new(writer), columns)
            }
            Format::Json => {
                to.write_all(b"[")?;
                Form::Json(to)
            }
            Format::Jsonl => Form::Jsonl(to),
        };
        Ok(Self { form, objects: 0 })
    }

    /// Writes an object.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`], [`WriteError::UnknownColumn`].
    pub fn write(&mut self, object: &Object) -> Result<(), WriteError> {
        match &mut self.form {
            Form::Csv(writer, columns) => writer.write_record(row(object, columns)?)?,
            Form::Json(to) => {
                let before = if self.objects == 0 { "\n" } else { ",\n" };
                write!(to, "{before}{}", object.to_json())?;
            }
            Form::Jsonl(to) => writeln!(to, "{}", object.to_json())?,
        }
        self.objects += 1;
        Ok(())
    }

    /// How many objects were written.
    pub const fn objects(&self) -> u64 {
        self.objects
    }

    /// Ends the file and gives back what it was written to, flushed.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`].
    pub fn finish(self) -> Result<W, WriteError> {
        let mut to = match self.form {
            Form::Csv(writer, _) => writer.into_inner().map_err(|error| WriteError::Io {
                reason: error.to_string(),
            })?,
            Form::Json(mut to) => {
                to.write_all(b"\n]\n")?;
                to
            }
            Form::Jsonl(to) => to,
        };
        to.flush()?;
        Ok(to)
    }
}

fn row(object: &Object, columns: &Columns) -> Result<Vec<String>, WriteError> {
    let properties = object.properties();
    let unknown = |property: &str| WriteError::UnknownColumn {
        object: object.id(),
        property: property.to_owned(),
    };
    let mut row = vec![
        object.id().to_string(),
        object.type_name().to_string(),
        object.created().time_ms.to_string(),
        object.updated().time_ms.to_string(),
    ];
    match object.meta() {
        Some(meta) if columns.meta => row.push(meta.to_json().to_string()),
        Some(_) => return Err(unknown(META_COLUMN)),
        None => row.extend(columns.meta.then(String::new)),
    }
    match object.is_deleted() {
        true if !columns.deleted => return Err(unknown(DELETED)),
        is_deleted => row.extend(columns.deleted.then(|| is_deleted.to_string())),
    }
    let mut written = 0;
    for name in &columns.properties {
        let value = properties.get(name);
        written += usize::from(value.is_some());
        row.push(value.map(cell::write).unwrap_or_default());
    }
    if written < properties.len() {
        let mut names = properties.keys();
        let name = names.find(|name| !columns.properties.contains(*name));
        return Err(unknown(name.map_or("", |name| name.as_str())));
    }
    Ok(row)
}
