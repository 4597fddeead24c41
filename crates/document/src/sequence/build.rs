//! A tree from all of its runs at once.

use super::split::{CHILDREN_MAX, RUNS_MAX, TEXT_MAX};
use super::tree::{Inner, Leaf, NIL, Tree, byte_of};
use super::{Run, number};

impl Tree {
    /// A tree of runs in their order, with the text of the visible ones unless it is a list.
    /// `None` when they do not fit together.
    pub(super) fn build(runs: impl IntoIterator<Item = Run>, text: Option<&str>) -> Option<Self> {
        let mut tree = Self::nowhere();
        let has_text = text.is_some();
        let text = text.unwrap_or_default();
        let mut rest = text;
        let is_ascii = text.is_ascii();
        let runs = runs.into_iter();
        let mut leaf = Leaf {
            runs: Vec::with_capacity(runs.size_hint().0.min(RUNS_MAX)),
            ..Leaf::default()
        };
        for mut run in runs {
            loop {
                // Long runs are cut so that no leaf has much text.
                let piece_max = number(TEXT_MAX / 2);
                let more = (run.len > piece_max).then(|| run.split(piece_max));
                if leaf.runs.len() >= RUNS_MAX * 3 / 4 || leaf.text.len() >= TEXT_MAX / 2 {
                    tree.close(std::mem::take(&mut leaf));
                }
                if run.is_visible() {
                    if has_text {
                        let byte = if is_ascii {
                            run.len as usize
                        } else {
                            byte_of(rest, NIL, run.len)
                        };
                        let (own, after) = rest.split_at_checked(byte)?;
                        if !is_ascii && own.chars().count() != run.len as usize {
                            return None;
                        }
                        leaf.text.push_str(own);
                        rest = after;
                    }
                    leaf.visible += run.len;
                    tree.visible += run.len as usize;
                }
                leaf.runs.push(run);
                tree.runs += 1;
                match more {
                    Some(more) => run = more,
                    None => break,
                }
            }
        }
        if !rest.is_empty() {
            return None;
        }
        tree.close(leaf);
        tree.build_above();
        Some(tree)
    }

    /// A tree that is good for nothing but to read the visible text.
    pub(super) fn of_text(text: String) -> Self {
        let mut tree = Self::default();
        tree.visible = text.chars().count();
        if let Some(leaf) = tree.leaves.first_mut() {
            leaf.visible = number(tree.visible);
            leaf.text = text;
        }
        tree
    }

    fn close(&mut self, leaf: Leaf) {
        let fresh = number(self.leaves.len());
        if let Some(before) = fresh.checked_sub(1) {
            self.leaf_mut(before).next = fresh;
        }
        if self.leaves.is_empty() {
            // Most have no other.
            self.leaves.reserve_exact(1);
        }
        self.leaves.push(Leaf {
            parent: NIL,
            next: NIL,
            ..leaf
        });
    }

    fn build_above(&mut self) {
        const FILL: usize = CHILDREN_MAX * 3 / 4;
        if let [leaf] = &mut self.leaves[..] {
            leaf.parent = 0;
            self.inners = vec![Inner {
                children: vec![0],
                counts: vec![leaf.visible],
                parent: NIL,
            }];
            (self.root, self.height) = (0, 1);
            return;
        }
        let mut level: Vec<(u32, u32)> = (0..)
            .zip(&self.leaves)
            .map(|(number, leaf)| (number, leaf.visible))
            .collect();
        self.height = 0;
        loop {
            let mut above = Vec::new();
            for group in level.chunks(FILL) {
                let fresh = number(self.inners.len());
                self.inners.push(Inner {
                    children: group.iter().map(|(child, _)| *child).collect(),
                    counts: group.iter().map(|(_, count)| *count).collect(),
                    parent: NIL,
                });
                for (child, _) in group {
                    if self.height == 0 {
                        self.leaf_mut(*child).parent = fresh;
                    } else {
                        self.inner_mut(*child).parent = fresh;
                    }
                }
                above.push((fresh, group.iter().map(|(_, count)| *count).sum()));
            }
            self.height += 1;
            level = above;
            if let [(root, _)] = level[..] {
                self.root = root;
                return;
            }
        }
    }
}
