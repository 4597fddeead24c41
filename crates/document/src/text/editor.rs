//! Editing a text by position, within a transaction.

use dxos_keys::ObjectId;

use super::log::{self, Log, Writer};
use super::state::TextState;
use super::{Anchor, Text, units};
use crate::context::{Moment, Seen};
use crate::sequence::PROVISIONAL;
use crate::state::touch;
use crate::tx::TxError;
use crate::{Key, Op, Path, Value, WriteId};

/// Whether what is typed right at the ends of a mark gets it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expand {
    /// At its end, as people expect of bold.
    #[default]
    After,
    /// At its beginning.
    Before,
    /// At both ends.
    Both,
    /// At neither, as people expect of links and comments.
    None,
}

/// A text that is being edited; see [`Tx::text`](crate::Tx::text). Positions count Unicode
/// scalar values. What was done becomes one operation when the editor is dropped.
pub struct TextEditor<'t> {
    pub(crate) text: &'t mut TextState,
    pub(crate) updated: &'t mut Option<Moment>,
    pub(crate) ops: &'t mut Vec<Op>,
    pub(crate) seen: Seen<'t>,
    pub(crate) object: ObjectId,
    pub(crate) path: Path,
    pub(crate) of: WriteId,
    pub(crate) log: Log,
}

impl std::fmt::Debug for TextEditor<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TextEditor")
            .field("object", &self.object)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for TextEditor<'_> {
    fn drop(&mut self) {
        if !self.log.is_empty() {
            touch(self.updated, self.seen.context);
            self.ops.push(Op::Text {
                object: self.object,
                path: self.path.clone(),
                of: self.of,
                edits: self.log.take(),
            });
        }
    }
}

impl TextEditor<'_> {
    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.text.sequence.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text with its marks.
    pub fn show(&self) -> Text {
        self.text.show()
    }

    /// The characters.
    pub fn content(&self) -> String {
        self.text.sequence.text()
    }

    fn writer(&mut self) -> Writer {
        let stamp = self.seen.context.stamp;
        Writer {
            author: self.text.sequence.author(stamp.feed),
            seq: stamp.seq,
            end: PROVISIONAL,
        }
    }

    /// Puts characters in so that the first will be number `at`.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end, [`TxError::TooLong`].
    pub fn insert(&mut self, at: usize, text: &str) -> Result<(), TxError> {
        let writer = self.writer();
        self.log.insert(self.text, writer, at, text)
    }

    /// Takes `len` characters out from number `at` on.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there are not that many.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TxError> {
        self.log.delete(self.text, at, len)
    }

    /// Takes characters out and puts others in their place.
    ///
    /// # Errors
    ///
    /// As for [`TextEditor::insert`] and [`TextEditor::delete`].
    pub fn splice(&mut self, at: usize, delete: usize, insert: &str) -> Result<(), TxError> {
        self.delete(at, delete)?;
        self.insert(at, insert)
    }

    /// Turns the text into `new`, by one replacement of what differs.
    ///
    /// # Errors
    ///
    /// [`TxError::TooLong`].
    pub fn replace(&mut self, new: &str) -> Result<(), TxError> {
        let old = self.content();
        for (at, delete, insert) in super::difference::splices(&old, new) {
            self.splice(at, delete, insert)?;
        }
        Ok(())
    }

    /// Turns `old`, which the text was, into `new`, marks included.
    pub(crate) fn become_text(&mut self, old: &Text, new: &Text) -> Result<(), TxError> {
        if old.as_str() != new.as_str() {
            self.replace(new.as_str())?;
        }
        let shown = self.show();
        if shown.spans() == new.spans() {
            return Ok(());
        }
        for span in shown
            .spans()
            .iter()
            .filter(|span| !new.spans().contains(span))
        {
            self.unmark((span.from, span.to), span.name.clone(), Expand::None)?;
        }
        for span in new
            .spans()
            .iter()
            .filter(|span| !shown.spans().contains(span))
        {
            let value = span.value.clone();
            self.mark(
                (span.from, span.to),
                span.name.clone(),
                value,
                Expand::After,
            )?;
        }
        Ok(())
    }

    /// Says something of the characters from number `from` up to, not including, `to`, such as
    /// that they are `bold`. Of several marks of one name on a character the latest shows.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when the range is empty or not there; [`TxError::Limit`].
    pub fn mark(
        &mut self,
        (from, to): (usize, usize),
        name: impl Into<Key>,
        value: impl Into<Value>,
        expand: Expand,
    ) -> Result<(), TxError> {
        let mark = (name.into(), value.into());
        let op = self.seen.id();
        self.log.mark(self.text, op, (from, to), mark, expand)
    }

    /// Takes the marks of one name off a range.
    ///
    /// # Errors
    ///
    /// As for [`TextEditor::mark`].
    pub fn unmark(
        &mut self,
        range: (usize, usize),
        name: impl Into<Key>,
        expand: Expand,
    ) -> Result<(), TxError> {
        self.mark(range, name, Value::Null, expand)
    }

    /// A place that stays with the character number `at`, or with the end when `at` is the
    /// length, whatever is edited: a cursor.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end.
    pub fn cursor(&mut self, at: usize) -> Result<Anchor, TxError> {
        log::cursor(self.text, at)
    }

    /// Where a place is now; `None` when its character is not known here.
    pub fn position(&mut self, anchor: &Anchor) -> Option<usize> {
        self.text.position(anchor)
    }

    /// The position of a place that is given in UTF-16 units, as JavaScript counts; one within a
    /// character means its beginning.
    pub fn from_utf16(&self, units: usize) -> usize {
        units::from_units(self.text.sequence.pieces(), units, char::len_utf16)
    }

    /// The place in UTF-16 units of a position.
    pub fn to_utf16(&self, at: usize) -> usize {
        units::to_units(self.text.sequence.pieces(), at, char::len_utf16)
    }

    /// The position of a place that is given in bytes of UTF-8; one within a character means its
    /// beginning.
    pub fn from_utf8(&self, bytes: usize) -> usize {
        units::from_units(self.text.sequence.pieces(), bytes, char::len_utf8)
    }

    /// The place in bytes of UTF-8 of a position.
    pub fn to_utf8(&self, at: usize) -> usize {
        units::to_units(self.text.sequence.pieces(), at, char::len_utf8)
    }
}
