//! Edits on their way from a draft to the space.

use dxos_keys::FeedId;

use super::{Anchor, TextEdit};
use crate::context::Stamp;
use crate::tx::{Tx, TxError};
use crate::{ElementId, Op, Path, Place, WriteId};

/// Edits to be committed; see [`TextDraft::take`](super::TextDraft::take).
#[derive(Clone, Debug)]
pub struct TextBatch {
    pub(super) of: WriteId,
    pub(super) feed: FeedId,
    pub(super) base: u32,
    pub(super) len: u32,
    pub(super) edits: Vec<TextEdit>,
}

/// Where a batch was committed; see [`TextBatch::commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedBatch {
    pub(super) start: u32,
    pub(super) stamp: Stamp,
    pub(super) index: u32,
}

impl CommittedBatch {
    /// The transaction that it was committed with.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl TextBatch {
    /// Writes it with a transaction, to the text at `path`.
    ///
    /// # Errors
    ///
    /// [`TxError::NoText`] when another text is there by now.
    pub fn commit(
        &self,
        tx: &mut Tx<'_>,
        object: dxos_keys::ObjectId,
        path: &Path,
    ) -> Result<CommittedBatch, TxError> {
        let (of, start) = tx.text_end(object, path)?;
        if of != self.of {
            return Err(TxError::NoText {
                object,
                path: path.clone(),
            });
        }
        let feed = tx.feed();
        let rename = |element: ElementId| self.rename(element, feed, start);
        let edits = self
            .edits
            .iter()
            .map(|edit| renamed(edit, self.feed, &rename));
        let committed = CommittedBatch {
            start,
            stamp: tx.stamp(),
            index: u32::try_from(tx.len()).unwrap_or(u32::MAX),
        };
        tx.push(Op::Text {
            object,
            path: path.clone(),
            of,
            edits: edits.collect(),
        })?;
        Ok(committed)
    }

    /// What an element is called once the batch is committed with the numbers from `start` on.
    pub(super) fn rename(&self, element: ElementId, feed: FeedId, start: u32) -> ElementId {
        let within = element.n.wrapping_sub(self.base);
        if element.feed == self.feed && element.n >= self.base && within < self.len {
            ElementId {
                feed,
                n: start + within,
            }
        } else {
            element
        }
    }
}

/// An anchor with another name for its element.
pub(super) fn renamed_anchor(anchor: Anchor, rename: &dyn Fn(ElementId) -> ElementId) -> Anchor {
    match anchor {
        Anchor::After(element) => Anchor::After(rename(element)),
        Anchor::Before(element) => Anchor::Before(rename(element)),
        end => end,
    }
}

/// An edit by `own` with other names for elements.
pub(super) fn renamed(
    edit: &TextEdit,
    own: FeedId,
    rename: &dyn Fn(ElementId) -> ElementId,
) -> TextEdit {
    match edit {
        TextEdit::Delete { first, len } => TextEdit::Delete {
            first: rename(*first),
            len: *len,
        },
        TextEdit::Insert { start, at, text } => {
            let at = match at {
                Place::After(element) => Place::After(rename(*element)),
                Place::Before(element) => Place::Before(rename(*element)),
                Place::Start => Place::Start,
            };
            let first = ElementId {
                feed: own,
                n: *start,
            };
            TextEdit::Insert {
                start: rename(first).n,
                at,
                text: text.clone(),
            }
        }
        TextEdit::Mark {
            from,
            to,
            name,
            value,
        } => TextEdit::Mark {
            from: renamed_anchor(*from, rename),
            to: renamed_anchor(*to, rename),
            name: name.clone(),
            value: value.clone(),
        },
    }
}
