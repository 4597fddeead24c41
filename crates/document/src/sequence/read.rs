//! What shows.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Tree;
use super::{Id, Run, Sequence};
use crate::ElementId;

impl Sequence {
    /// A sequence that shows a text and knows nothing of its elements: to be read, and never to
    /// be edited or kept.
    pub(crate) fn shown(text: String) -> Self {
        Self {
            tree: Tree::of_text(text),
            ..Self::default()
        }
    }

    /// The visible text.
    pub(crate) fn text(&self) -> String {
        let bytes = self.tree.in_order().map(|(_, leaf)| leaf.text.len()).sum();
        let mut text = String::with_capacity(bytes);
        for (_, leaf) in self.tree.in_order() {
            text.push_str(&leaf.text);
        }
        text
    }

    /// The visible text in pieces, each with how many characters it has.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tree
            .in_order()
            .map(|(_, leaf)| (leaf.text.as_str(), leaf.visible as usize))
    }

    /// The id of the element that shows at `position`.
    pub(crate) fn id_at(&mut self, position: usize) -> Option<Id> {
        if position >= self.len() {
            return None;
        }
        let spot = self.tree.seek(position);
        let run = self.tree.run(spot)?;
        Some(run.id.plus(spot.offset))
    }

    /// The text of `len` characters from a position on.
    pub(crate) fn slice(&self, at: usize, len: usize) -> String {
        let mut slice = String::new();
        let (mut skip, mut left) = (at, len);
        for (text, characters) in self.pieces() {
            if left == 0 {
                break;
            }
            if skip >= characters {
                skip -= characters;
                continue;
            }
            let part = left.min(characters - skip);
            slice.extend(text.chars().skip(skip).take(part));
            left -= part;
            skip = 0;
        }
        slice
    }

    /// The ids of `len` elements that show from a position on, as runs.
    pub(crate) fn ids(&mut self, at: usize, len: usize) -> Vec<(Id, u32)> {
        let mut ids = Vec::new();
        let (mut at, mut left) = (at, len.min(self.len().saturating_sub(at)));
        while left > 0 {
            let spot = self.tree.seek(at);
            let Some(run) = self.tree.run(spot) else {
                break;
            };
            let part = (run.len - spot.offset).min(super::number(left));
            ids.push((run.id.plus(spot.offset), part));
            at += part as usize;
            left -= part as usize;
        }
        ids
    }

    /// What shows of some elements of one author, as runs.
    pub(crate) fn shown_of(&self, first: Id, len: u32) -> Vec<(Id, u32)> {
        let end = first.n.saturating_add(len);
        let shown = self.visible_runs().filter_map(|(id, len)| {
            let from = id.n.max(first.n);
            let to = id.n.saturating_add(len).min(end);
            (id.author == first.author && from < to).then(|| (Id { n: from, ..id }, to - from))
        });
        shown.collect()
    }

    /// All elements in order, deleted ones included, in the fewest runs.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (_, run) in self.tree.runs() {
            match runs.last_mut() {
                Some(last) if last.continues_in(run) => {
                    last.len += run.len;
                    last.flags = (last.flags & super::LEFT) | (run.flags & !super::LEFT);
                }
                _ => runs.push(*run),
            }
        }
        runs
    }

    /// Where elements are, and whether they show; one that does not is where it would.
    pub(crate) fn places(&self, wanted: BTreeSet<ElementId>) -> BTreeMap<ElementId, (usize, bool)> {
        let mut places = BTreeMap::new();
        let mut position = 0;
        for (_, run) in self.tree.runs() {
            let Some(feed) = self.feed(run.id.author).copied() else {
                continue;
            };
            let first = ElementId { feed, n: run.id.n };
            let end = ElementId {
                feed,
                n: run.end().n,
            };
            for element in wanted.range(first..end) {
                let offset = if run.is_visible() {
                    (element.n - first.n) as usize
                } else {
                    0
                };
                places.insert(*element, (position + offset, run.is_visible()));
            }
            position += run.visible() as usize;
        }
        places
    }

    /// The ids of what shows, as runs.
    pub(crate) fn visible_runs(&self) -> impl Iterator<Item = (Id, u32)> {
        let shown = self.tree.runs().filter(|(_, run)| run.is_visible());
        shown.map(|(_, run)| (run.id, run.len))
    }
}
