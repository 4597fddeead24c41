//! Leaving out of a state what was deleted, for good.
//!
//! Values that were overwritten, items of lists and characters that were deleted are not in a
//! state anyway, but for the names of elements, which others need as places. What it keeps are
//! objects that were deleted, as they can be restored, and marks that no character shows.
//!
//! The result is a function of the state alone: replicas with equal states go on with equal ones.

use std::collections::BTreeMap;

use crate::branch::Branch;
use crate::meta::{META, PARENT};
use crate::node::{Content, Node};
use crate::text::TextState;
use crate::{Key, ObjectState};

impl ObjectState {
    /// Drops what nobody sees any more. Of an object that is deleted stay when it was made,
    /// changed and deleted, its type, and where it is in the tree: restored, it is empty.
    pub fn erase_deleted(&mut self) {
        if self.is_deleted() {
            let root = std::mem::take(&mut self.root);
            let parent = root
                .get(META)
                .and_then(Node::children)
                .and_then(|meta| meta.get(PARENT));
            if let Some(parent) = parent {
                let mut meta = Node::default();
                meta.children_mut()
                    .insert(Key::from(PARENT), parent.clone());
                self.root.insert(Key::from(META), meta);
            }
        }
        each_text(&mut self.root, &mut TextState::erase_marks);
    }
}

fn each_text(branch: &mut Branch, change: &mut dyn FnMut(&mut TextState)) {
    branch.retain(|node| {
        in_node(node, change);
        true
    });
}

fn in_node(node: &mut Node, change: &mut dyn FnMut(&mut TextState)) {
    for write in node.register.iter_mut() {
        match &mut write.content {
            Content::Text(text) => change(text),
            Content::List(list) => {
                for item in list.items.values_mut() {
                    in_node(&mut item.node, change);
                }
            }
            _ => {}
        }
    }
    if node.children().is_some() {
        each_text(node.children_mut(), change);
    }
}

/// Pieces of a text, which do not touch.
#[derive(Default)]
struct Pieces(BTreeMap<usize, usize>);

impl Pieces {
    /// Adds a piece; `false` when all of it was there.
    fn add(&mut self, mut from: usize, mut to: usize) -> bool {
        if from >= to {
            return false;
        }
        let before = self.0.range(..=from).next_back();
        if before.is_some_and(|(_, end)| *end >= to) {
            return false;
        }
        // Those that touch it become one with it.
        while let Some((start, end)) = self.0.range(..=to).next_back() {
            let (start, end) = (*start, *end);
            if end < from {
                break;
            }
            self.0.remove(&start);
            from = from.min(start);
            to = to.max(end);
        }
        self.0.insert(from, to);
        true
    }
}

impl TextState {
    /// Drops the marks that show on no character.
    fn erase_marks(&mut self) {
        if self.marks.is_empty() {
            return;
        }
        let mut shown: BTreeMap<Key, Pieces> = BTreeMap::new();
        let mut gone = Vec::new();
        let ranges = self.ranges();
        // Of two marks of one name on a character the later shows.
        for (id, mark) in self.marks.iter().rev() {
            let shows = ranges.get(id).is_some_and(|(from, to)| {
                let pieces = shown.entry(mark.name.clone()).or_default();
                pieces.add(*from, *to)
            });
            if !shows {
                gone.push(*id);
            }
        }
        for id in gone {
            self.marks.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_know_what_is_covered(ranges in proptest::collection::vec((0..20_usize, 0..20_usize), 0..20)) {
            let (mut pieces, mut covered) = (Pieces::default(), [false; 20]);
            for (from, to) in ranges {
                let is_new = (from..to).any(|at| !covered[at]);
                prop_assert_eq!(pieces.add(from, to), is_new);
                if let Some(covered) = covered.get_mut(from..to) {
                    covered.fill(true);
                }
            }
        }
    }
}
