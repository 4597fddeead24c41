//! A text whose reader keeps a copy of its own, such as an editor in another process.

use dxos_document::{Expand, Key, Text, TextDelta, TxError, Value};
use tokio::sync::broadcast;

use super::{TextError, TextHandle, TextUpdate, TextUpdates};

/// A text of which somebody else keeps a copy: edits are positions in the copy, and taken in only
/// while that is what shows. See [`TextHandle::mirror`].
///
/// What has changed is told by [`TextMirror::ready`] and [`TextMirror::next`]; own edits are not,
/// as the copy has them.
#[derive(Debug)]
pub struct TextMirror {
    handle: TextHandle,
    updates: TextUpdates,
}

/// What became of an edit of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirrored {
    /// It was taken in.
    Done,
    /// Nothing was done: others have changed the text, which the copy has not been told.
    Behind,
}

impl TextHandle {
    /// The text as it shows, for a copy of it, and what keeps the copy up to date.
    pub fn mirror(&self) -> (TextMirror, Text) {
        let draft = self.shared.draft();
        let mirror = TextMirror {
            handle: self.clone(),
            updates: self.updates(),
        };
        (mirror, draft.show())
    }
}

impl TextMirror {
    /// The text.
    pub const fn handle(&self) -> &TextHandle {
        &self.handle
    }

    /// Waits until others have changed the text; `None` when it is closed.
    pub async fn next(&mut self) -> Option<TextUpdate> {
        self.updates.next().await
    }

    /// What others have changed and the copy was not told yet, if there is anything.
    pub fn ready(&mut self) -> Option<TextUpdate> {
        match self.updates.updates.try_recv() {
            Ok(update) => Some(update),
            Err(broadcast::error::TryRecvError::Lagged(_)) => {
                self.updates.updates = self.updates.updates.resubscribe();
                Some(TextUpdate::Renewed)
            }
            Err(_) => None,
        }
    }

    /// The text as it shows, for a copy that begins anew.
    pub fn renew(&mut self) -> Text {
        let draft = self.handle.shared.draft();
        self.updates.updates = self.updates.updates.resubscribe();
        draft.show()
    }

    /// Takes characters out and puts others in, each as of the text after those before it.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when one of the places is not there: none is taken in.
    pub fn splice(&mut self, splices: &[TextDelta]) -> Result<Mirrored, TextError> {
        let mut len = {
            let draft = self.handle.shared.draft();
            draft.len()
        };
        for TextDelta { at, delete, insert } in splices {
            let end = at.checked_add(*delete);
            if end.is_none_or(|end| end > len) {
                // The copy may only be behind.
                if self.is_behind() {
                    return Ok(Mirrored::Behind);
                }
                let (at, found) = (*at, len);
                let len = *delete;
                return Err(TextError::Edit(TxError::Range { at, len, found }));
            }
            len = len - delete + insert.chars().count();
        }
        self.edit(|draft| {
            for TextDelta { at, delete, insert } in splices {
                draft.splice(*at, *delete, insert)?;
            }
            Ok(())
        })
    }

    /// Marks a range; see [`TextHandle::mark`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn mark(
        &mut self,
        range: (usize, usize),
        name: impl Into<Key>,
        value: impl Into<Value>,
        expand: Expand,
    ) -> Result<Mirrored, TextError> {
        let (name, value) = (name.into(), value.into());
        self.edit(|draft| draft.mark(range, name, value, expand))
    }

    /// Takes back the last step, and gives the characters that show then, with all that was not
    /// told yet; `None` when there is no step, and then nothing is done.
    pub fn undo(&mut self) -> Option<String> {
        self.step(dxos_document::TextDraft::undo)
    }

    /// Does again what was taken back last; as [`TextMirror::undo`].
    pub fn redo(&mut self) -> Option<String> {
        self.step(dxos_document::TextDraft::redo)
    }

    fn step(&mut self, step: impl FnOnce(&mut dxos_document::TextDraft) -> bool) -> Option<String> {
        let mut draft = self.handle.shared.draft();
        if !step(&mut draft) {
            return None;
        }
        // The characters have what was not told yet, too.
        self.updates.updates = self.updates.updates.resubscribe();
        let content = draft.content();
        drop(draft);
        self.handle.shared.dirty.notify_one();
        Some(content)
    }

    /// Whether there is something that the copy was not told.
    fn is_behind(&self) -> bool {
        !self.updates.updates.is_empty()
    }

    fn edit(
        &mut self,
        edit: impl FnOnce(&mut dxos_document::TextDraft) -> Result<(), TxError>,
    ) -> Result<Mirrored, TextError> {
        if self.handle.flushes.is_closed() {
            return Err(TextError::Closed);
        }
        // Updates are told under this lock: none comes between the look and the edit.
        let mut draft = self.handle.shared.draft();
        if self.is_behind() {
            return Ok(Mirrored::Behind);
        }
        edit(&mut draft)?;
        drop(draft);
        self.handle.shared.dirty.notify_one();
        Ok(Mirrored::Done)
    }
}
