//! Editing a text by position, within a transaction.

use dxos_keys::ObjectId;

use super::state::{TextState, count, place_of};
use super::{Anchor, Mark, MarkId, Text, TextEdit, units};
use crate::context::{Moment, Seen};
use crate::limits::Limits;
use crate::sequence::{Id, PROVISIONAL, Sequence};
use crate::state::touch;
use crate::tx::TxError;
use crate::{ElementId, Key, Op, Path, Value, WriteId};

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
    pub(crate) edits: Vec<TextEdit>,
    /// The number after the last that was inserted.
    pub(crate) typed_to: Option<u32>,
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
        if !self.edits.is_empty() {
            touch(self.updated, self.seen.context);
            self.ops.push(Op::Text {
                object: self.object,
                path: self.path.clone(),
                of: self.of,
                edits: std::mem::take(&mut self.edits),
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

    fn range(&self, at: usize, len: usize) -> Result<(), TxError> {
        let end = at.checked_add(len).filter(|end| *end <= self.len());
        end.map(drop).ok_or(TxError::Range {
            at,
            len,
            found: self.len(),
        })
    }

    /// Puts characters in so that the first will be number `at`.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end, [`TxError::TooLong`].
    pub fn insert(&mut self, at: usize, text: &str) -> Result<(), TxError> {
        self.range(at, 0)?;
        let len = count(text);
        if len == 0 {
            return Ok(());
        }
        let stamp = self.seen.context.stamp;
        let sequence = &mut self.text.sequence;
        let author = sequence.author(stamp.feed);
        let n = sequence.next(author);
        if n.checked_add(len).is_none_or(|end| end > PROVISIONAL) {
            return Err(TxError::TooLong {
                path: self.path.clone(),
            });
        }
        let inserted = sequence.insert(at, (author, n, len), text, stamp.seq);
        // Typing on: the edit before goes on too.
        if let Some(TextEdit::Insert { text: typed, .. }) = self.edits.last_mut()
            && inserted.parent.author == author
            && inserted.parent.n.checked_add(1) == Some(n)
            && inserted.side == crate::sequence::Side::Right
            && self.typed_to == Some(n)
        {
            typed.push_str(text);
            self.typed_to = Some(n + len);
            return Ok(());
        }
        self.typed_to = Some(n + len);
        let at = place_of(sequence, inserted.parent, inserted.side);
        self.edits.push(TextEdit::Insert {
            start: n,
            at,
            text: text.to_owned(),
        });
        Ok(())
    }

    /// Takes `len` characters out from number `at` on.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there are not that many.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TxError> {
        self.range(at, len)?;
        let edits = &mut self.edits;
        let mut hidden = Vec::new();
        self.text
            .sequence
            .delete(at, len, &mut |id, len| hidden.push((id, len)));
        for (id, len) in hidden {
            if let Some(first) = element(&self.text.sequence, id) {
                note_deletion(edits, first, len);
            }
        }
        Ok(())
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
        let wrong = TxError::Range {
            at: from,
            len: to.saturating_sub(from),
            found: self.len(),
        };
        if from >= to || to > self.len() {
            return Err(wrong);
        }
        let grows_before = matches!(expand, Expand::Before | Expand::Both);
        let grows_after = matches!(expand, Expand::After | Expand::Both);
        let start = match (grows_before, from.checked_sub(1)) {
            (true, None) => Some(Anchor::Start),
            (true, Some(before)) => self.element_at(before).map(Anchor::After),
            (false, _) => self.element_at(from).map(Anchor::Before),
        };
        let end = match grows_after {
            true if to == self.len() => Some(Anchor::End),
            true => self.element_at(to).map(Anchor::Before),
            false => self.element_at(to - 1).map(Anchor::After),
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(wrong);
        };
        let (name, value) = (name.into(), value.into());
        let edit = TextEdit::Mark {
            from: start,
            to: end,
            name: name.clone(),
            value: value.clone(),
        };
        let limits = Limits::default();
        edit.check(&limits, self.path.check(&limits)?)?;
        let id = MarkId {
            op: self.seen.id(),
            ordinal: u32::try_from(self.edits.len()).unwrap_or(u32::MAX),
        };
        let mark = Mark {
            from: start,
            to: end,
            name,
            value,
        };
        self.text.marks.insert(id, mark);
        self.edits.push(edit);
        Ok(())
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
        self.range(at, 0)?;
        Ok(self.element_at(at).map_or(Anchor::End, Anchor::Before))
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

    fn element_at(&mut self, at: usize) -> Option<ElementId> {
        let id = self.text.sequence.id_at(at)?;
        element(&self.text.sequence, id)
    }
}

pub(crate) fn element(sequence: &Sequence, id: Id) -> Option<ElementId> {
    Some(ElementId {
        feed: *sequence.feed(id.author)?,
        n: id.n,
    })
}

/// Adds to the edits that characters were taken out, joined with the deletion before.
fn note_deletion(edits: &mut Vec<TextEdit>, first: ElementId, len: u32) {
    if let Some(TextEdit::Delete {
        first: last,
        len: so_far,
    }) = edits.last_mut()
        && last.feed == first.feed
    {
        if last.n.checked_add(*so_far) == Some(first.n) {
            *so_far += len;
            return;
        }
        if first.n.checked_add(len) == Some(last.n) {
            last.n = first.n;
            *so_far += len;
            return;
        }
    }
    edits.push(TextEdit::Delete { first, len });
}
