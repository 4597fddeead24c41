//! What a replica keeps of one text.

use std::collections::BTreeMap;

use dxos_keys::FeedId;

use super::marks::resolve;
use super::{Anchor, Mark, MarkId, Span, Text, TextDelta, TextEdit};
use crate::context::Seen;
use crate::sequence::written::{self};
use crate::sequence::{Id, Sequence};
use crate::{ElementId, Place};

/// The characters with those that were deleted, and the marks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TextState {
    pub(crate) sequence: Sequence,
    pub(crate) marks: BTreeMap<MarkId, Mark>,
}

/// How many characters a text has, and so many elements.
pub(crate) fn count(text: &str) -> u32 {
    let count = if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl TextState {
    /// A text that was just assigned.
    pub(crate) fn assigned(text: &Text, seen: &Seen<'_>) -> Self {
        let mut state = Self::default();
        let content = text.as_str();
        if content.is_empty() {
            return state;
        }
        let feed = seen.context.stamp.feed;
        let author = state.sequence.author(feed);
        let seq = seen.context.stamp.seq;
        state
            .sequence
            .insert(0, (author, 0, count(content)), content, seq);
        for (ordinal, span) in (0..).zip(text.spans()) {
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let element = |n| ElementId { feed, n };
            let mark = Mark {
                from: Anchor::Before(element(number(span.from))),
                to: Anchor::After(element(number(span.to).saturating_sub(1))),
                name: span.name.clone(),
                value: span.value.clone(),
            };
            let id = MarkId {
                op: seen.id(),
                ordinal,
            };
            state.marks.insert(id, mark);
        }
        state
    }

    /// Applies what an operation does. What it says of characters that its writer cannot have
    /// seen is left out.
    pub(crate) fn apply(&mut self, edits: &[TextEdit], seen: &Seen<'_>) {
        for (ordinal, edit) in (0..).zip(edits) {
            match edit {
                TextEdit::Insert { start, at, text } => {
                    self.put(*start, *at, text, seen);
                }
                TextEdit::Delete { first, len } => self.take(*first, *len, seen, &mut |_, _| {}),
                TextEdit::Mark { .. } => self.note_mark(ordinal, edit, seen),
            }
        }
    }

    /// Applies one edit and says how what shows changes.
    pub(crate) fn apply_one(
        &mut self,
        ordinal: u32,
        edit: &TextEdit,
        seen: &Seen<'_>,
        changed: &mut dyn FnMut(TextDelta),
    ) {
        match edit {
            TextEdit::Insert { start, at, text } => {
                let put = self.put(*start, *at, text, seen);
                if let Some((at, _)) = put.and_then(|id| self.sequence.position(id)) {
                    changed(TextDelta {
                        at,
                        delete: 0,
                        insert: text.clone(),
                    });
                }
            }
            TextEdit::Delete { first, len } => self.take(*first, *len, seen, &mut |at, len| {
                changed(TextDelta {
                    at,
                    delete: len as usize,
                    insert: String::new(),
                });
            }),
            TextEdit::Mark { .. } => self.note_mark(ordinal, edit, seen),
        }
    }

    fn note_mark(&mut self, ordinal: u32, edit: &TextEdit, seen: &Seen<'_>) {
        let TextEdit::Mark {
            from,
            to,
            name,
            value,
        } = edit
        else {
            return;
        };
        let id = MarkId {
            op: seen.id(),
            ordinal,
        };
        let mark = Mark {
            from: *from,
            to: *to,
            name: name.clone(),
            value: value.clone(),
        };
        self.marks.insert(id, mark);
    }

    fn put(&mut self, start: u32, at: Place, text: &str, seen: &Seen<'_>) -> Option<Id> {
        written::insert(&mut self.sequence, (start, count(text)), at, text, seen)
    }

    fn take(
        &mut self,
        first: ElementId,
        len: u32,
        seen: &Seen<'_>,
        hidden: &mut dyn FnMut(usize, u32),
    ) {
        if let Some((first, end)) = written::range(&self.sequence, first, len, seen) {
            self.sequence.hide(first, end - first.n, hidden);
        }
    }

    /// Where an anchor is; `None` when its character is not known here.
    pub(crate) fn position(&mut self, anchor: &Anchor) -> Option<usize> {
        let element = match anchor {
            Anchor::Start => return Some(0),
            Anchor::End => return Some(self.sequence.len()),
            Anchor::After(element) | Anchor::Before(element) => element,
        };
        let author = self.sequence.find_author(&element.feed)?;
        let id = Id {
            author,
            n: element.n,
        };
        let (position, shows) = self.sequence.position(id)?;
        let after = matches!(anchor, Anchor::After(_)) && shows;
        Some(position + usize::from(after))
    }

    /// The text as it shows.
    pub(crate) fn show(&self) -> Text {
        let text = Text::new(self.sequence.text());
        if self.marks.is_empty() {
            return text;
        }
        text.with_spans(self.spans())
    }

    fn spans(&self) -> Vec<Span> {
        let ranges = self.ranges();
        let ranges = self.marks.iter().filter_map(|(id, mark)| {
            let (from, to) = ranges.get(id)?;
            Some((*from, *to, &mark.name, &mark.value))
        });
        resolve(ranges)
    }

    /// Where the marks are. One whose ends do not count any more is none.
    pub(crate) fn ranges(&self) -> BTreeMap<MarkId, (usize, usize)> {
        let places = self.sequence.places(self.anchors().collect());
        let len = self.sequence.len();
        let position = |anchor: &Anchor| match anchor {
            Anchor::Start => Some(0),
            Anchor::End => Some(len),
            Anchor::Before(element) => places.get(element).map(|(position, _)| *position),
            Anchor::After(element) => places
                .get(element)
                .map(|(position, shows)| position + usize::from(*shows)),
        };
        let ranges = self
            .marks
            .iter()
            .filter_map(|(id, mark)| Some((*id, (position(&mark.from)?, position(&mark.to)?))));
        ranges.collect()
    }

    /// The characters that marks are anchored to.
    fn anchors(&self) -> impl Iterator<Item = ElementId> {
        self.marks
            .values()
            .flat_map(|mark| [mark.from.element(), mark.to.element()])
            .flatten()
    }

    /// The feeds that it names.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = FeedId> {
        let anchors = self.anchors().map(|element| element.feed);
        self.sequence.feeds().copied().chain(anchors)
    }
}
