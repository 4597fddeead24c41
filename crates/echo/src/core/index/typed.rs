//! The rows of objects that somebody types into.
//!
//! To read out a long text for rows that do not change would cost more than the typing. What is
//! typed changes the time of the latest change, and else only an index of that text itself.

use dxos_document::{ObjectState, Op, TextEdit};
use dxos_keys::ObjectId;

use super::super::space::Touched;
use super::Indexes;
use super::catalog::{Declared, Kind};
use super::rows::{REFERENCE, Rows, UPDATED, section, time_entry};

/// Objects whose rows are kept in memory.
const TYPED_MAX: usize = 64;

impl Indexes {
    /// Whether an operation types into a text that no index is of, or takes from it.
    pub(crate) fn is_typing(&self, op: &Op) -> bool {
        let Op::Text { path, edits, .. } = op else {
            return false;
        };
        let is_plain =
            |edit: &TextEdit| matches!(edit, TextEdit::Insert { .. } | TextEdit::Delete { .. });
        let is_of_it = |(declared, kind): (&Declared, Kind)| {
            // What is typed changes the words, but later: see [`super::words`].
            kind == Kind::Order && declared.path == *path
        };
        edits.iter().all(is_plain) && !self.catalog.all().any(is_of_it)
    }

    /// The rows of an object that is as it is in the store.
    pub(crate) fn stored_rows(&self, object: ObjectId, state: &ObjectState) -> Rows {
        match self.typed.get(&object) {
            Some(rows) => rows.clone(),
            None => self.rows(object, state),
        }
    }

    /// The rows of an object after it was changed.
    pub(crate) fn rows_after(
        &mut self,
        object: ObjectId,
        state: Option<&ObjectState>,
        touched: &Touched,
    ) -> Rows {
        let Some(state) = state else {
            self.typed.remove(&object);
            return Rows::new();
        };
        let typed = touched
            .is_typed
            .then(|| later(object, state, &touched.rows));
        if let Some(rows) = typed.flatten() {
            if self.typed.len() >= TYPED_MAX {
                self.typed.clear();
            }
            self.typed.insert(object, rows.clone());
            return rows;
        }
        self.typed.remove(&object);
        self.rows(object, state)
    }
}

/// The same rows with the time of the latest change; `None` where more may be different.
fn later(object: ObjectId, state: &ObjectState, before: &Rows) -> Option<Rows> {
    let updated = section(UPDATED, state.is_deleted());
    let reference = section(REFERENCE, state.is_deleted());
    // What is typed away may have been marked with a reference.
    if before.iter().any(|row| row.starts_with(&reference)) {
        return None;
    }
    let mut rows: Rows = before.clone();
    let place = rows.iter().position(|row| row.starts_with(&updated))?;
    let mut row = updated;
    let base = state.type_name()?.base();
    row.extend_from_slice(&time_entry(base, state.updated()?.shown_ms()));
    row.extend_from_slice(object.as_bytes());
    *rows.get_mut(place)? = row;
    rows.sort();
    Some(rows)
}
