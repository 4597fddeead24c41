//! A text on somebody's screen: what is typed shows at once and is committed in batches, while
//! what others type comes in between.
//!
//! What is not committed yet has provisional numbers, which are greater than all real ones. Once
//! a batch is committed its characters get the numbers that they have for everyone.

use std::collections::BTreeSet;

use dxos_keys::FeedId;

use super::batch::TextBatch;
use super::log::{self, Log, Writer};
use super::state::{TextState, count};
use super::undo::{Done, Undo};
use super::{Anchor, Expand, Mark, MarkId, Text, TextEdit, units};
use crate::context::{Context, OpId, Seen, Stamp, Timeframe};
use crate::sequence::{Id, Insertion, PROVISIONAL, Side};
use crate::tx::TxError;
use crate::{ElementId, Key, ObjectState, Path, Place, Value, WriteId};

/// A text as it was at one moment, to begin a [`TextDraft`] with.
#[derive(Clone, Debug)]
pub struct TextSnapshot {
    pub(crate) text: TextState,
    pub(crate) of: WriteId,
}

impl ObjectState {
    /// The text that shows at `path`, if there is one.
    pub fn text_snapshot(&self, path: &Path) -> Option<TextSnapshot> {
        let (text, of) = self.text_at(path)?;
        Some(TextSnapshot {
            text: text.clone(),
            of,
        })
    }
}

/// What an operation did to a text, for those who hold a copy of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    /// Its transaction.
    pub stamp: Stamp,
    /// What its writer had applied.
    pub past: Timeframe,
    /// Its index in the transaction.
    pub index: u32,
    /// Which text it changed.
    pub of: WriteId,
    /// What it did.
    pub edits: Vec<TextEdit>,
}

/// How what shows of a text changed: at a position characters were taken out and put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDelta {
    /// The position, after all earlier changes.
    pub at: usize,
    /// How many were taken out.
    pub delete: usize,
    /// What was put in.
    pub insert: String,
}

/// A copy of a text that one program edits; pure, see the module.
#[derive(Debug)]
pub struct TextDraft {
    pub(super) text: TextState,
    pub(super) of: WriteId,
    pub(super) feed: FeedId,
    /// The author of what is not committed.
    pub(super) provisional: u32,
    pub(super) log: Log,
    /// The first provisional number in the log.
    pub(super) base: u32,
    pub(super) batch: u64,
    pub(super) in_flight: Option<TextBatch>,
    /// Own operations that were committed and have not come back yet.
    pub(super) own: BTreeSet<(FeedId, u64, u32)>,
    pub(super) undo: Undo,
}

impl TextDraft {
    /// A copy of a text, to be edited by the device that writes `feed`.
    pub fn new(snapshot: TextSnapshot, feed: FeedId) -> Self {
        let TextSnapshot { mut text, of } = snapshot;
        let provisional = text.sequence.provisional_author(feed, PROVISIONAL);
        Self {
            text,
            of,
            feed,
            provisional,
            log: Log::default(),
            base: PROVISIONAL,
            batch: 0,
            in_flight: None,
            own: BTreeSet::new(),
            undo: Undo::default(),
        }
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.text.sequence.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The characters.
    pub fn content(&self) -> String {
        self.text.sequence.text()
    }

    /// The text with its marks.
    pub fn show(&self) -> Text {
        self.text.show()
    }

    /// Whether there are edits to be committed.
    pub fn has_edits(&self) -> bool {
        self.in_flight.is_some() || !self.log.is_empty()
    }

    pub(super) fn writer(&self) -> Writer {
        Writer {
            author: self.provisional,
            seq: self.batch,
            end: u32::MAX,
        }
    }

    /// The provisional name of the operation that will hold what is typed now.
    fn op(&self) -> OpId {
        OpId {
            stamp: Stamp {
                lamport: u64::MAX,
                feed: self.feed,
                seq: self.batch,
            },
            index: 0,
        }
    }

    /// Puts characters in so that the first will be number `at`.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end.
    pub fn insert(&mut self, at: usize, text: &str) -> Result<(), TxError> {
        let first = self.put(at, text)?;
        if let Some((first, len)) = first {
            self.undo.did(Done::Inserted { first, len });
        }
        Ok(())
    }

    /// Inserts, and says which ids the characters got.
    fn put(&mut self, at: usize, text: &str) -> Result<Option<(Id, u32)>, TxError> {
        let first = Id {
            author: self.provisional,
            n: self.text.sequence.next(self.provisional),
        };
        let writer = self.writer();
        self.log.insert(&mut self.text, writer, at, text)?;
        let len = count(text);
        Ok((len > 0).then_some((first, len)))
    }

    /// Takes `len` characters out from number `at` on.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there are not that many.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TxError> {
        log::range(&self.text, at, len)?;
        for done in self.hide_shown(at, len)? {
            self.undo.did(done);
        }
        Ok(())
    }

    pub(super) fn hide_shown(&mut self, at: usize, len: usize) -> Result<Vec<Done>, TxError> {
        let mut text = self.text.sequence.slice(at, len);
        let parts = self.text.sequence.ids(at, len);
        self.log.delete(&mut self.text, at, len)?;
        let parts = parts.into_iter().map(|(first, len)| {
            let byte = text
                .char_indices()
                .nth(len as usize)
                .map_or(text.len(), |(byte, _)| byte);
            let rest = text.split_off(byte);
            let text = std::mem::replace(&mut text, rest);
            Done::Deleted { first, text }
        });
        Ok(parts.collect())
    }

    /// Takes characters out and puts others in their place.
    ///
    /// # Errors
    ///
    /// As for [`TextDraft::insert`] and [`TextDraft::delete`].
    pub fn splice(&mut self, at: usize, delete: usize, insert: &str) -> Result<(), TxError> {
        self.delete(at, delete)?;
        self.insert(at, insert)
    }

    /// Says something of a range of characters, null to take it off; see
    /// [`TextEditor::mark`](crate::TextEditor::mark).
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when the range is empty or not there; [`TxError::Limit`].
    pub fn mark(
        &mut self,
        range: (usize, usize),
        name: impl Into<Key>,
        value: impl Into<Value>,
        expand: Expand,
    ) -> Result<(), TxError> {
        let done = self.put_mark(range, (name.into(), value.into()), expand)?;
        self.undo.did(done);
        Ok(())
    }

    pub(super) fn put_mark(
        &mut self,
        (from, to): (usize, usize),
        mark: (Key, Value),
        expand: Expand,
    ) -> Result<Done, TxError> {
        let name = mark.0.clone();
        let shown = self.show();
        let before: Vec<_> = shown
            .spans()
            .iter()
            .filter(|span| span.name == name && span.from < to && span.to > from)
            .map(|span| (span.from.max(from), span.to.min(to), span.value.clone()))
            .collect();
        let op = self.op();
        self.log
            .mark(&mut self.text, op, (from, to), mark, expand)?;
        let mut anchors = |from: usize, to: usize| {
            let first = log::element_at(&mut self.text, from).map(Anchor::Before);
            let last = log::element_at(&mut self.text, to.saturating_sub(1)).map(Anchor::After);
            first.zip(last)
        };
        let range = anchors(from, to);
        let before = before
            .into_iter()
            .filter_map(|(from, to, value)| Some((anchors(from, to)?, value)))
            .collect();
        Ok(Done::Marked {
            range: range.unwrap_or((Anchor::Start, Anchor::End)),
            name,
            before,
        })
    }

    /// A place that stays with the character number `at`, or with the end when `at` is the
    /// length, whatever is edited: a cursor. One on a character that is not committed yet is
    /// valid in this draft only.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end.
    pub fn cursor(&mut self, at: usize) -> Result<Anchor, TxError> {
        log::cursor(&mut self.text, at)
    }

    /// Where a place is now; `None` when its character is not known here.
    pub fn position(&mut self, anchor: &Anchor) -> Option<usize> {
        let anchor = self.undo.current(anchor);
        self.text.position(&anchor)
    }

    /// The position of a place that is given in UTF-16 units.
    pub fn from_utf16(&self, units: usize) -> usize {
        units::from_units(self.text.sequence.pieces(), units, char::len_utf16)
    }

    /// The place in UTF-16 units of a position.
    pub fn to_utf16(&self, at: usize) -> usize {
        units::to_units(self.text.sequence.pieces(), at, char::len_utf16)
    }

    /// The position of a place that is given in bytes of UTF-8.
    pub fn from_utf8(&self, bytes: usize) -> usize {
        units::from_units(self.text.sequence.pieces(), bytes, char::len_utf8)
    }

    /// The place in bytes of UTF-8 of a position.
    pub fn to_utf8(&self, at: usize) -> usize {
        units::to_units(self.text.sequence.pieces(), at, char::len_utf8)
    }

    /// Takes in what an operation did, of somebody else or of this device elsewhere, and says
    /// how what shows changes. Own batches that come back change nothing.
    pub fn apply(&mut self, change: &TextChange) -> Vec<TextDelta> {
        let stamp = change.stamp;
        let is_own = self.own.remove(&(stamp.feed, stamp.seq, change.index));
        if change.of != self.of || is_own {
            return Vec::new();
        }
        let context = Context {
            stamp: change.stamp,
            past: &change.past,
            time_ms: 0,
        };
        let seen = Seen {
            context: &context,
            index: change.index,
        };
        let mut deltas = Vec::new();
        for (ordinal, edit) in (0..).zip(&change.edits) {
            self.text
                .apply_one(ordinal, edit, &seen, &mut |delta| deltas.push(delta));
        }
        deltas
    }

    /// Begins anew from a snapshot, with what was edited here and not committed yet. `false`
    /// when another text is there: what was not committed was an edit of the one before, and is
    /// gone with it.
    pub fn reset(&mut self, snapshot: TextSnapshot) -> bool {
        let same = snapshot.of == self.of;
        let edits = self.log.take();
        self.own.clear();
        self.text = snapshot.text;
        self.of = snapshot.of;
        self.provisional = self.text.sequence.provisional_author(self.feed, self.base);
        if !same {
            self.in_flight = None;
            self.undo = Undo::default();
            return false;
        }
        for edit in edits {
            self.redo_edit(edit);
        }
        true
    }

    /// Does an edit again that was not committed, on a text that was read again.
    fn redo_edit(&mut self, edit: TextEdit) {
        match &edit {
            TextEdit::Insert { start, at, text } => {
                let parent = at.element().and_then(|element| self.id_of(element));
                let side = match at {
                    Place::Before(_) => Side::Left,
                    Place::After(_) | Place::Start => Side::Right,
                };
                let insertion = Insertion {
                    id: Id {
                        author: self.provisional,
                        n: *start,
                    },
                    len: count(text),
                    parent: parent.unwrap_or(Id::ROOT),
                    side: if parent.is_some() { side } else { Side::Right },
                };
                if !self.text.sequence.integrate(insertion, text, self.batch) {
                    return;
                }
            }
            TextEdit::Delete { first, len } => {
                if let Some(id) = self.id_of(*first) {
                    self.text.sequence.hide(id, *len, &mut |_, _| {});
                }
            }
            TextEdit::Mark {
                from,
                to,
                name,
                value,
            } => {
                let id = MarkId {
                    op: self.op(),
                    ordinal: u32::try_from(self.log.edits.len()).unwrap_or(u32::MAX),
                };
                let mark = Mark {
                    from: *from,
                    to: *to,
                    name: name.clone(),
                    value: value.clone(),
                };
                self.text.marks.insert(id, mark);
            }
        }
        self.log.edits.push(edit);
    }

    fn id_of(&self, element: ElementId) -> Option<Id> {
        let author = if element.feed == self.feed && element.n >= PROVISIONAL {
            self.provisional
        } else {
            self.text.sequence.find_author(&element.feed)?
        };
        let id = Id {
            author,
            n: element.n,
        };
        self.text.sequence.birth(id).map(|_| id)
    }
}
