//! Splitting leaves and inner nodes of the tree that have grown too large.

use super::number;
use super::tree::{Inner, Leaf, NIL, Spot, Tree, byte_of};

/// Runs of one leaf.
pub(super) const RUNS_MAX: usize = 32;
/// Bytes of text of one leaf: what an insertion has to move at most.
pub(super) const TEXT_MAX: usize = 1024;
/// Children of one inner node.
pub(super) const CHILDREN_MAX: usize = 32;

impl Tree {
    /// Whether a leaf should be split.
    pub(super) fn is_full(&self, leaf: u32) -> bool {
        let leaf = self.leaf(leaf);
        leaf.runs.len() > RUNS_MAX || leaf.text.len() > TEXT_MAX
    }

    /// Splits a leaf in two of about the same size; gives the new one, which follows it.
    pub(super) fn split(&mut self, leaf: u32) -> Option<u32> {
        self.settle();
        let at = self.middle(leaf)?;
        let fresh = number(self.leaves.len());
        let node = self.leaf_mut(leaf);
        let runs = node.runs.split_off(at.run);
        let byte = byte_of(&node.text, node.visible, at.before);
        let text = node.text.split_off(byte);
        let visible = node.visible - at.before;
        node.visible = at.before;
        let (next, parent) = (node.next, node.parent);
        node.next = fresh;
        self.leaves.push(Leaf {
            runs,
            text,
            visible,
            parent,
            next,
        });
        // In all, the parent counts what it did before.
        let above = self.inner_mut(parent);
        for (child, count) in above.children.iter().zip(&mut above.counts) {
            if *child == leaf {
                *count -= visible;
            }
        }
        self.adopt(parent, leaf, fresh, visible);
        Some(fresh)
    }

    /// Where to split a leaf; a run that is nearly all of it is cut.
    fn middle(&mut self, leaf: u32) -> Option<Spot> {
        let node = self.leaf(leaf);
        let by_text = node.text.len() > TEXT_MAX;
        let (mut run, mut before) = (0, 0);
        for candidate in &node.runs {
            let reached = if by_text {
                before >= node.visible / 2
            } else {
                run >= node.runs.len() / 2
            };
            if reached && run > 0 {
                break;
            }
            let after = before + candidate.visible();
            if by_text && after > node.visible / 2 && candidate.visible() > node.visible / 2 {
                let at = node.visible / 2 - before;
                if at > 0 && at < candidate.len {
                    self.cut(leaf, run, at);
                    return Some(Spot {
                        leaf,
                        run: run + 1,
                        offset: 0,
                        before: before + at,
                    });
                }
            }
            before = after;
            run += 1;
        }
        (run > 0 && run < self.leaf(leaf).runs.len()).then_some(Spot {
            leaf,
            run,
            offset: 0,
            before,
        })
    }

    /// Puts `fresh`, a leaf or an inner node, after `after` into their parent.
    fn adopt(&mut self, parent: u32, after: u32, fresh: u32, visible: u32) {
        let node = self.inner_mut(parent);
        let place = node.children.iter().position(|child| *child == after);
        let place = place.map_or(node.children.len(), |place| place + 1);
        node.children.insert(place, fresh);
        node.counts.insert(place, visible);
        if node.children.len() > CHILDREN_MAX {
            self.split_inner(parent);
        }
    }

    fn split_inner(&mut self, inner: u32) {
        let is_lowest = self.is_lowest(inner);
        let fresh = number(self.inners.len());
        let node = self.inner_mut(inner);
        let half = node.children.len() / 2;
        let (children, counts) = (node.children.split_off(half), node.counts.split_off(half));
        let parent = node.parent;
        let stays: u32 = node.counts.iter().sum();
        let moves: u32 = counts.iter().sum();
        for child in &children {
            if is_lowest {
                self.leaf_mut(*child).parent = fresh;
            } else {
                self.inner_mut(*child).parent = fresh;
            }
        }
        self.inners.push(Inner {
            children,
            counts,
            parent,
        });
        if parent == NIL {
            let root = number(self.inners.len());
            self.inners.push(Inner {
                children: vec![inner, fresh],
                counts: vec![stays, moves],
                parent: NIL,
            });
            self.inner_mut(inner).parent = root;
            self.inner_mut(fresh).parent = root;
            self.root = root;
            self.height += 1;
        } else {
            let above = self.inner_mut(parent);
            for (child, count) in above.children.iter().zip(&mut above.counts) {
                if *child == inner {
                    *count = stays;
                }
            }
            self.adopt(parent, inner, fresh, moves);
        }
    }

    fn is_lowest(&self, inner: u32) -> bool {
        let mut depth = 0;
        let mut node = inner;
        while node != NIL {
            depth += 1;
            node = self.inner(node).parent;
        }
        depth == self.height
    }
}
