//! Edits of a text as they are made: applied at once, and noted for others.

use super::state::{TextState, count};
use super::{Anchor, Expand, Mark, MarkId, TextEdit};
use crate::sequence::{Id, Insertion, PROVISIONAL, Side};
use crate::tx::TxError;
use crate::{ElementId, Key, Value};

/// Who edits: an author of the text's sequence, and the block that the edits will be in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) author: u32,
    pub(crate) seq: u64,
    /// One more than the greatest number that an element may have.
    pub(crate) end: u32,
}

/// Edits in order, joined where one goes on where the one before ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) edits: Vec<TextEdit>,
    /// The number after the last that was inserted.
    typed_to: Option<u32>,
}

impl Log {
    /// Takes the edits out.
    pub(crate) fn take(&mut self) -> Vec<TextEdit> {
        self.typed_to = None;
        std::mem::take(&mut self.edits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    pub(crate) fn insert(
        &mut self,
        state: &mut TextState,
        by: Writer,
        at: usize,
        text: &str,
    ) -> Result<(), TxError> {
        range(state, at, 0)?;
        let len = count(text);
        if len == 0 {
            return Ok(());
        }
        let sequence = &mut state.sequence;
        let n = sequence.next(by.author);
        if n.checked_add(len).is_none_or(|next| next > by.end) {
            return Err(TxError::TooLong);
        }
        let inserted = sequence.insert(at, (by.author, n, len), text, by.seq);
        // Typing on: the edit before goes on too.
        if let Some(TextEdit::Insert { text: typed, .. }) = self.edits.last_mut()
            && inserted.parent.author == by.author
            && inserted.parent.n.checked_add(1) == Some(n)
            && inserted.side == Side::Right
            && self.typed_to == Some(n)
        {
            typed.push_str(text);
            self.typed_to = Some(n + len);
            return Ok(());
        }
        self.typed_to = Some(n + len);
        let at = sequence.place_of(inserted.parent, inserted.side);
        self.edits.push(TextEdit::Insert {
            start: n,
            at,
            text: text.to_owned(),
        });
        Ok(())
    }

    /// Puts characters in right after one, deleted or not; gives the first of them.
    pub(crate) fn put_after(
        &mut self,
        state: &mut TextState,
        by: Writer,
        after: Id,
        text: &str,
    ) -> Option<Id> {
        let sequence = &mut state.sequence;
        let (parent, side) = sequence.place_after(after)?;
        let insertion = Insertion {
            id: Id {
                author: by.author,
                n: sequence.next(by.author),
            },
            len: count(text),
            parent,
            side,
        };
        if !sequence.integrate(insertion, text, by.seq) {
            return None;
        }
        self.typed_to = None;
        self.edits.push(TextEdit::Insert {
            start: insertion.id.n,
            at: sequence.place_of(parent, side),
            text: text.to_owned(),
        });
        Some(insertion.id)
    }

    pub(crate) fn delete(
        &mut self,
        state: &mut TextState,
        at: usize,
        len: usize,
    ) -> Result<(), TxError> {
        range(state, at, len)?;
        let mut hidden = Vec::new();
        state
            .sequence
            .delete(at, len, &mut |id, len| hidden.push((id, len)));
        for (id, len) in hidden {
            if let Some(first) = state.sequence.element(id) {
                self.note_deletion(first, len);
            }
        }
        Ok(())
    }

    /// Notes that characters were taken out, joined with the deletion before.
    pub(crate) fn note_deletion(&mut self, first: ElementId, len: u32) {
        if let Some(TextEdit::Delete {
            first: last,
            len: so_far,
        }) = self.edits.last_mut()
            && last.feed == first.feed
            && (last.n < PROVISIONAL) == (first.n < PROVISIONAL)
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
        self.edits.push(TextEdit::Delete { first, len });
    }

    /// Marks a range; `id` is the operation's, and its ordinal that of the edit.
    pub(crate) fn mark(
        &mut self,
        state: &mut TextState,
        op: crate::OpId,
        (from, to): (usize, usize),
        (name, value): (Key, Value),
        expand: Expand,
    ) -> Result<(), TxError> {
        let wrong = TxError::Range {
            at: from,
            len: to.saturating_sub(from),
            found: state.sequence.len(),
        };
        if from >= to || to > state.sequence.len() {
            return Err(wrong);
        }
        let grows_before = matches!(expand, Expand::Before | Expand::Both);
        let grows_after = matches!(expand, Expand::After | Expand::Both);
        let start = match (grows_before, from.checked_sub(1)) {
            (true, None) => Some(Anchor::Start),
            (true, Some(before)) => element_at(state, before).map(Anchor::After),
            (false, _) => element_at(state, from).map(Anchor::Before),
        };
        let end = match grows_after {
            true if to == state.sequence.len() => Some(Anchor::End),
            true => element_at(state, to).map(Anchor::Before),
            false => element_at(state, to - 1).map(Anchor::After),
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(wrong);
        };
        let limits = crate::Limits::default();
        let edit = TextEdit::Mark {
            from: start,
            to: end,
            name: name.clone(),
            value: value.clone(),
        };
        edit.check(&limits, limits.depth_max)?;
        let id = MarkId {
            op,
            ordinal: u32::try_from(self.edits.len()).unwrap_or(u32::MAX),
        };
        let mark = Mark {
            from: start,
            to: end,
            name,
            value,
        };
        state.marks.insert(id, mark);
        self.edits.push(edit);
        self.typed_to = None;
        Ok(())
    }
}

/// Refuses a range that is not there.
pub(crate) fn range(state: &TextState, at: usize, len: usize) -> Result<(), TxError> {
    let found = state.sequence.len();
    let end = at.checked_add(len).filter(|end| *end <= found);
    end.map(drop).ok_or(TxError::Range { at, len, found })
}

pub(crate) fn element_at(state: &mut TextState, at: usize) -> Option<ElementId> {
    let id = state.sequence.id_at(at)?;
    state.sequence.element(id)
}

pub(crate) fn cursor(state: &mut TextState, at: usize) -> Result<Anchor, TxError> {
    range(state, at, 0)?;
    Ok(element_at(state, at).map_or(Anchor::End, Anchor::Before))
}
