//! Batches of a draft: taking one out to be committed, and what became of it.

use super::batch::{CommittedBatch, TextBatch, renamed, renamed_anchor};
use super::draft::TextDraft;
use super::{Mark, MarkId};
use crate::ElementId;
use crate::context::{OpId, Stamp};
use crate::sequence::Id;

impl TextDraft {
    /// Takes the edits that were made since the last time, to be committed. `None` when there
    /// are none, or the ones before are still on their way; after [`TextDraft::failed`] the same
    /// again.
    pub fn take(&mut self) -> Option<TextBatch> {
        if self.in_flight.is_some() || self.log.is_empty() {
            return None;
        }
        let next = self.text.sequence.next(self.provisional).max(self.base);
        let batch = TextBatch {
            of: self.of,
            feed: self.feed,
            base: self.base,
            len: next - self.base,
            edits: self.log.take(),
        };
        // What is typed on belongs to the next batch.
        self.undo.seal();
        self.base = next;
        self.batch += 1;
        self.in_flight = Some(batch.clone());
        Some(batch)
    }

    /// The batch that was taken is committed.
    pub fn committed(&mut self, at: CommittedBatch) {
        let Some(batch) = self.in_flight.take() else {
            return;
        };
        let CommittedBatch {
            start,
            stamp,
            index,
        } = at;
        self.own.insert((stamp.feed, stamp.seq, index));
        let author = self.text.sequence.author(stamp.feed);
        let provisional = Id {
            author: self.provisional,
            n: batch.base,
        };
        let real = Id { author, n: start };
        self.text
            .sequence
            .rename(provisional, batch.len, real, stamp.seq);
        let rename = |element: ElementId| batch.rename(element, stamp.feed, start);
        self.log.edits = self
            .log
            .edits
            .iter()
            .map(|edit| renamed(edit, self.feed, &rename))
            .collect();
        self.rename_marks(&rename, stamp, index);
        self.undo.rename(provisional, batch.len, real, &rename);
        let old = ElementId {
            feed: batch.feed,
            n: batch.base,
        };
        let new = ElementId {
            feed: stamp.feed,
            n: start,
        };
        self.undo.remember(old, batch.len, new);
    }

    fn rename_marks(&mut self, rename: &dyn Fn(ElementId) -> ElementId, stamp: Stamp, index: u32) {
        let committed = self.batch - 1;
        self.text.marks = std::mem::take(&mut self.text.marks)
            .into_iter()
            .map(|(mut id, mark)| {
                let own = id.op.stamp;
                if own.lamport == u64::MAX && own.seq == committed {
                    id.op = OpId { stamp, index };
                }
                let mark = Mark {
                    from: renamed_anchor(mark.from, rename),
                    to: renamed_anchor(mark.to, rename),
                    ..mark
                };
                (id, mark)
            })
            .collect();
    }

    /// The batch that was taken could not be committed: [`TextDraft::take`] gives its edits
    /// again.
    pub fn failed(&mut self) {
        if let Some(batch) = self.in_flight.take() {
            let later = self.log.take();
            self.log.edits = batch.edits;
            self.log.edits.extend(later);
            self.base = batch.base;
            // Marks keep their order under the name of the earlier batch.
            let committed = self.batch - 1;
            let ordinals: Vec<MarkId> = self
                .text
                .marks
                .keys()
                .filter(|id| id.op.stamp.lamport == u64::MAX && id.op.stamp.seq > committed)
                .copied()
                .collect();
            let shift = u32::try_from(self.log.edits.len()).unwrap_or(u32::MAX);
            for id in ordinals {
                if let Some(mark) = self.text.marks.remove(&id) {
                    let mut moved = id;
                    moved.op.stamp.seq = committed;
                    moved.ordinal = moved.ordinal.saturating_add(shift);
                    self.text.marks.insert(moved, mark);
                }
            }
            self.batch = committed;
        }
    }
}
