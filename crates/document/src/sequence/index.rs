//! From ids to places, and from elements to their children.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Spot, Tree};
use super::{Id, Run, Side};

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// For each author: from this number on, up to that of the next entry, elements are in this
    /// leaf.
    leaves: BTreeMap<u32, BTreeMap<u32, u32>>,
    /// Children by parent and side, without those that continue the run of their parent.
    children: BTreeSet<(Id, Side, Id)>,
}

impl Index {
    /// The index of all that is in a tree.
    pub(super) fn build(tree: &Tree) -> Self {
        let mut index = Self::default();
        for (leaf, run) in tree.runs() {
            index.place(run.id, run.len, leaf);
            index.child(run);
        }
        index
    }

    /// Notes a run's first element as a child of its parent.
    pub(super) fn child(&mut self, run: &Run) {
        if run.side() == Side::Left || run.id.before() != run.parent || run.id.n == 0 {
            self.children.insert((run.parent, run.side(), run.id));
        }
    }

    /// Notes that elements are in a leaf.
    pub(super) fn place(&mut self, id: Id, len: u32, leaf: u32) {
        let map = self.leaves.entry(id.author).or_default();
        let end = id.n.saturating_add(len);
        let after = map.range(..=end).next_back().map(|(n, leaf)| (*n, *leaf));
        let before = map.range(..id.n).next_back().map(|(_, leaf)| *leaf);
        // What follows stays where it is.
        let keeps = match after {
            Some((n, _)) if n == end => None,
            Some((_, other)) if other != leaf => Some(other),
            _ => None,
        };
        let inner: Vec<u32> = map.range(id.n..end).map(|(n, _)| *n).collect();
        for n in inner {
            map.remove(&n);
        }
        if before != Some(leaf) {
            map.insert(id.n, leaf);
        }
        if let Some(other) = keeps {
            map.insert(end, other);
        }
    }

    fn leaf_of(&self, id: Id) -> Option<u32> {
        let map = self.leaves.get(&id.author)?;
        map.range(..=id.n).next_back().map(|(_, leaf)| *leaf)
    }

    /// Where an element is.
    pub(super) fn find(&self, tree: &Tree, id: Id) -> Option<Spot> {
        let leaf = self.leaf_of(id)?;
        let mut before = 0;
        for (place, run) in tree.leaf(leaf).runs.iter().enumerate() {
            if run.contains(id) {
                return Some(Spot {
                    leaf,
                    run: place,
                    offset: id.n - run.id.n,
                    before,
                });
            }
            before += run.visible();
        }
        None
    }

    /// The children of an element on one side, but for one that continues its run, in no
    /// particular order.
    pub(super) fn children(&self, parent: Id, side: Side) -> impl Iterator<Item = Id> {
        let first = (parent, side, Id { author: 0, n: 0 });
        let last = (parent, side, Id::ROOT);
        self.children
            .range(first..=last)
            .map(|(_, _, child)| *child)
    }
}
