//! Taking back what a draft did, and doing it again.

use super::draft::TextDraft;
use super::state::count;
use super::undo::Done;
use super::{Anchor, Expand};
use crate::Value;
use crate::sequence::Id;

impl TextDraft {
    /// Ends what one undo takes back: what is edited from now on is another.
    pub fn end_undo_step(&mut self) {
        self.undo.end_step();
    }

    /// Takes back the last step of this draft's own edits that was not taken back yet, whatever
    /// others did since. `false` when there is none.
    pub fn undo(&mut self) -> bool {
        let Some(step) = self.undo.pop_undo() else {
            return false;
        };
        let inverse = self.take_back(step);
        self.undo.undid(inverse);
        true
    }

    /// Does again what was taken back last. `false` when there is nothing, or something was
    /// edited since.
    pub fn redo(&mut self) -> bool {
        let Some(step) = self.undo.pop_redo() else {
            return false;
        };
        let inverse = self.take_back(step);
        self.undo.redid(inverse);
        true
    }

    /// Undoes a step, the last edit first; gives what undoes that.
    fn take_back(&mut self, step: Vec<Done>) -> Vec<Done> {
        let mut inverse = Vec::new();
        for done in step.into_iter().rev() {
            match done {
                Done::Inserted { first, len } => {
                    for (first, len) in self.undo.expand(first, len) {
                        inverse.extend(self.hide_ids(first, len));
                    }
                }
                Done::Deleted { first, text } => {
                    let writer = self.writer();
                    let len = count(&text);
                    let last = Id {
                        author: first.author,
                        n: first.n + len.saturating_sub(1),
                    };
                    let again = self.log.put_after(&mut self.text, writer, last, &text);
                    if let Some(again) = again {
                        self.undo.stands_for(first, len, again);
                        inverse.push(Done::Inserted { first: again, len });
                    }
                }
                Done::Marked {
                    range,
                    name,
                    before,
                } => {
                    let mut place = |(from, to): (Anchor, Anchor)| {
                        let (from, to) = (self.undo.current(&from), self.undo.current(&to));
                        let from = self.text.position(&from)?;
                        let to = self.text.position(&to)?;
                        (from < to).then_some((from, to))
                    };
                    let range = place(range);
                    let before: Vec<_> = before
                        .into_iter()
                        .filter_map(|(range, value)| Some((place(range)?, value)))
                        .collect();
                    let Some(range) = range else { continue };
                    let off = (name.clone(), Value::Null);
                    inverse.extend(self.put_mark(range, off, Expand::None));
                    for (range, value) in before {
                        // The first inverse tells all that showed in the range.
                        let _ = self.put_mark(range, (name.clone(), value), Expand::None);
                    }
                }
            }
        }
        inverse
    }

    /// Hides what shows of some elements.
    fn hide_ids(&mut self, first: Id, len: u32) -> Vec<Done> {
        let mut done = Vec::new();
        for (id, len) in self.text.sequence.shown_of(first, len) {
            let Some((at, true)) = self.text.sequence.position(id) else {
                continue;
            };
            done.extend(self.hide_shown(at, len as usize).unwrap_or_default());
        }
        done
    }
}
