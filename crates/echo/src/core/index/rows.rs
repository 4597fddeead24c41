//! The rows that an object has in the indexes.

use dxos_document::{Object, ObjectRef, ObjectState, Path, PlainObject, TypeName, Value};
use dxos_keys::{ObjectId, SpaceKey};
use dxos_schema::IndexDeclaration;

use super::catalog::{Catalog, IndexNumber, Kind, all_texts};
use super::encode::{ENTRY_BYTES_MAX, entry, put_reference, put_text, put_time};

/// Objects by type.
pub(super) const TYPE: IndexNumber = IndexNumber(0);
/// Objects by type and creation.
pub(super) const CREATED: IndexNumber = IndexNumber(1);
/// Objects by type and latest change.
pub(super) const UPDATED: IndexNumber = IndexNumber(2);
/// Objects by tag.
pub(super) const TAG: IndexNumber = IndexNumber(3);
/// Objects by what other systems call them.
pub(super) const FOREIGN_KEY: IndexNumber = IndexNumber(4);
/// Objects by what they refer to.
pub(super) const REFERENCE: IndexNumber = IndexNumber(5);
/// Relations by where they come from.
pub(super) const RELATION_FROM: IndexNumber = IndexNumber(6);
/// Relations by where they lead.
pub(super) const RELATION_TO: IndexNumber = IndexNumber(7);

/// Objects whose rows of words are of an earlier state; see [`super::words`].
pub(super) const BEHIND: IndexNumber = IndexNumber(8);
/// What the indexes of words have in all.
pub(super) const TOTALS: IndexNumber = IndexNumber(9);
/// How many rows frequent words have; see [`super::frequent`].
pub(super) const FREQUENT: IndexNumber = IndexNumber(10);

/// Rows that one object has in one index at most. One that would have more has [`MANY`] instead,
/// where everybody looks too.
const ROWS_MAX: usize = if cfg!(test) { 2 } else { 128 };
/// Room for most rows.
const ROW_BYTES: usize = 64;
/// The entry of what has too many.
pub(super) const MANY: [u8; 1] = [0xff];

/// Rows of one object, in order, each once, without the number of the space.
pub(crate) type Rows = Vec<Vec<u8>>;

/// The beginning of a row: the index, and whether it is of objects that are deleted.
pub(super) fn section(index: IndexNumber, is_deleted: bool) -> Vec<u8> {
    let mut row = Vec::with_capacity(ROW_BYTES);
    row.extend_from_slice(&index.0.to_be_bytes());
    row.push(u8::from(is_deleted));
    row
}

pub(super) fn text_entry(texts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    put_texts(texts, &mut out);
    out
}

fn put_texts(texts: &[&str], out: &mut Vec<u8>) {
    let end = out.len() + ENTRY_BYTES_MAX;
    for text in texts {
        put_text(text.as_bytes(), out);
    }
    out.truncate(end);
}

/// The entry of a reference: the same for both ways to write one within its own space.
pub(super) fn reference_entry(space: &SpaceKey, reference: &ObjectRef) -> Vec<u8> {
    let mut out = Vec::new();
    put_reference(&reference.within(space), &mut out);
    out
}

/// The entry of a time of objects of one type.
pub(super) fn time_entry(type_base: &str, ms: i64) -> Vec<u8> {
    let mut out = text_entry(&[type_base]);
    put_time(ms, &mut out);
    out
}

struct Writer {
    object: ObjectId,
    is_deleted: bool,
    rows: Rows,
}

impl Writer {
    /// The rows that every object has.
    fn always(&mut self, base: &str, (created, updated): (i64, i64)) {
        for (index, time) in [
            (TYPE, None),
            (CREATED, Some(created)),
            (UPDATED, Some(updated)),
        ] {
            // In place: every object has these, and each piece of memory counts.
            let mut row = section(index, self.is_deleted);
            put_texts(&[base], &mut row);
            if let Some(ms) = time {
                put_time(ms, &mut row);
            }
            row.extend_from_slice(self.object.as_bytes());
            self.rows.push(row);
        }
    }

    fn one(&mut self, index: IndexNumber, entry: &[u8]) {
        let mut row = section(index, self.is_deleted);
        row.extend_from_slice(entry);
        row.extend_from_slice(self.object.as_bytes());
        self.rows.push(row);
    }

    fn several(&mut self, index: IndexNumber, entries: impl Iterator<Item = Vec<u8>>) {
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        entries.dedup();
        if entries.len() > ROWS_MAX {
            self.one(index, &MANY);
            return;
        }
        for entry in entries {
            self.one(index, &entry);
        }
    }
}

/// The rows of an object, none unless it was created.
pub(super) fn rows_of(
    object: ObjectId,
    state: &ObjectState,
    catalog: &Catalog,
    space: &SpaceKey,
) -> Rows {
    let plain = state.plain();
    if let Some(rows) = plain.and_then(|plain| plain_rows(object, &plain, catalog)) {
        return rows;
    }
    let object = state.object(object);
    object.map_or_else(Rows::new, |object| all_rows(&object, catalog, space))
}

/// The same of an object that is read in place; `None` if an index looks at more of it than one
/// property.
fn plain_rows(object: ObjectId, plain: &PlainObject<'_>, catalog: &Catalog) -> Option<Rows> {
    let mut writer = Writer {
        object,
        is_deleted: plain.is_deleted(),
        rows: Vec::with_capacity(4),
    };
    let base = plain.type_name().base();
    let times = (plain.created().shown_ms(), plain.updated().shown_ms());
    writer.always(base, times);
    for (number, path) in catalog.declared_for(base, Kind::Order) {
        let [key] = path.parts() else {
            return None;
        };
        let value = plain.get(key);
        writer.one(number, &entry(value.as_deref().unwrap_or(&Value::Null)));
    }
    writer.rows.sort();
    Some(writer.rows)
}

/// The rows of an object that was created, deleted or not.
fn all_rows(object: &Object, catalog: &Catalog, space: &SpaceKey) -> Rows {
    let mut writer = Writer {
        object: object.id(),
        is_deleted: object.is_deleted(),
        rows: Vec::new(),
    };
    let base = object.type_name().base();
    let times = (object.created().shown_ms(), object.updated().shown_ms());
    writer.always(base, times);
    writer.several(TAG, object.tags().map(|tag| text_entry(&[tag])));
    let keys = object.keys();
    writer.several(
        FOREIGN_KEY,
        keys.map(|key| text_entry(&[&key.source, &key.id])),
    );
    let references = object.references().into_iter();
    writer.several(
        REFERENCE,
        references.map(|(_, reference)| reference_entry(space, reference)),
    );
    if let Some(relation) = object.relation() {
        writer.one(RELATION_FROM, &reference_entry(space, relation.source));
        writer.one(RELATION_TO, &reference_entry(space, relation.target));
    }
    for (number, path) in catalog.declared_for(base, Kind::Order) {
        let value = object.field(path);
        writer.one(number, &entry(value.as_deref().unwrap_or(&Value::Null)));
    }
    writer.rows.sort();
    writer.rows
}

/// What an index is called.
pub(super) fn declared_name(type_base: &str, path: &Path, kind: Kind) -> String {
    let declaration = match kind {
        Kind::Order => IndexDeclaration::Order(path.clone()),
        Kind::Words if *path == all_texts() => IndexDeclaration::Words,
        Kind::Words => IndexDeclaration::WordsAt(path.clone()),
    };
    declaration.name(type_base)
}

/// The type of objects that hold schemas, whatever its version.
pub(super) fn is_schema(type_name: &TypeName) -> bool {
    let schema = TypeName::from(dxos_schema::TypeSchema::TYPE);
    type_name.base() == schema.base()
}
