//! Edits by id, as they come from elsewhere.

use super::index::Index;
use super::tree::Spot;
use super::{FORKED, HAS_RIGHT, Id, Sequence, Side};

/// Elements that somebody inserted: the first is a child of `parent`, the rest follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insertion {
    pub(crate) id: Id,
    pub(crate) len: u32,
    pub(crate) parent: Id,
    pub(crate) side: Side,
}

/// Where a new child of an element goes.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Into a gap.
    Gap(Gap),
    /// To the end of a run that it continues.
    Run(Spot),
}

/// A gap between elements: before the `run`-th of a leaf.
#[derive(Clone, Copy, Debug)]
struct Gap {
    leaf: u32,
    run: usize,
}

impl Sequence {
    fn index(&mut self) -> &mut Index {
        if self.index.is_none() {
            self.index = Some(Box::new(Index::build(&self.tree)));
        }
        self.index.get_or_insert_default()
    }

    pub(super) fn find(&mut self, id: Id) -> Option<Spot> {
        self.index();
        self.index.as_ref()?.find(&self.tree, id)
    }

    /// Puts elements where their author saw them. An id that was used is refused, and so is a
    /// parent that is not here.
    pub(crate) fn integrate(&mut self, insertion: Insertion, text: &str, seq: u64) -> bool {
        let Insertion {
            id,
            len,
            parent,
            side,
        } = insertion;
        if len == 0 || id.n < self.next(id.author) {
            return false;
        }
        let Some(target) = self.target(id, parent, side) else {
            return false;
        };
        self.born(id.author, id.n, len, seq);
        match target {
            Target::Gap(gap) => {
                let before = self.tree.before(gap.leaf, gap.run);
                self.put_run(gap.leaf, gap.run, side, (id, parent, len), (before, text));
            }
            Target::Run(spot) => {
                self.tree.extend(spot, len, text);
                if let Some(index) = &mut self.index {
                    index.place(id, len, spot.leaf);
                }
                self.keep_small(spot.leaf);
            }
        }
        true
    }

    /// Where a new child goes; `None` when there is no such parent.
    fn target(&mut self, id: Id, parent: Id, side: Side) -> Option<Target> {
        if parent == Id::ROOT {
            if side == Side::Left {
                return None;
            }
            let siblings = self.siblings(parent, side);
            let gap = match self.next_sibling(&siblings, id) {
                Some(0) => Gap { leaf: 0, run: 0 },
                Some(place) => self.start_of_subtree(*siblings.get(place)?)?,
                None => match siblings.last() {
                    Some(last) => self.end_of_subtree(*last)?,
                    None => Gap { leaf: 0, run: 0 },
                },
            };
            return Some(Target::Gap(gap));
        }
        let spot = self.find(parent)?;
        let run = *self.tree.run(spot)?;
        if side == Side::Left {
            if spot.offset > 0 {
                self.tree.cut(spot.leaf, spot.run, spot.offset);
            }
            let place = spot.run + usize::from(spot.offset > 0);
            let siblings = self.siblings(parent, side);
            let gap = match self.next_sibling(&siblings, id) {
                Some(place) => self.start_of_subtree(*siblings.get(place)?)?,
                None => Gap {
                    leaf: spot.leaf,
                    run: place,
                },
            };
            return Some(Target::Gap(gap));
        }
        let is_last = spot.offset + 1 == run.len;
        if is_last && !run.is(HAS_RIGHT) {
            if id == run.end() && run.is_visible() {
                return Some(Target::Run(spot));
            }
            self.mark_parent(spot, id, parent);
            return Some(Target::Gap(Gap {
                leaf: spot.leaf,
                run: spot.run + 1,
            }));
        }
        if !is_last {
            self.tree.cut(spot.leaf, spot.run, spot.offset + 1);
        }
        let siblings = self.siblings(parent, side);
        self.mark_parent(spot, id, parent);
        let gap = match self.next_sibling(&siblings, id) {
            // The first child follows its parent directly.
            Some(0) => Gap {
                leaf: spot.leaf,
                run: spot.run + 1,
            },
            Some(place) => self.start_of_subtree(*siblings.get(place)?)?,
            None => self.end_of_subtree(*siblings.last()?)?,
        };
        Some(Target::Gap(gap))
    }

    /// Notes at the run that ends with `parent` that it has a right child.
    fn mark_parent(&mut self, spot: Spot, child: Id, parent: Id) {
        let continues = child.author == parent.author && child.before() == parent;
        let flags = if continues {
            HAS_RIGHT
        } else {
            HAS_RIGHT | FORKED
        };
        self.tree.flag(spot.leaf, spot.run, flags);
    }

    /// The children on one side, in their order.
    fn siblings(&mut self, parent: Id, side: Side) -> Vec<Id> {
        let mut siblings: Vec<Id> = self.index().children(parent, side).collect();
        if side == Side::Right && parent != Id::ROOT {
            let next = parent.plus(1);
            let continues = self
                .find(next)
                .and_then(|spot| Some((spot.offset, *self.tree.run(spot)?)))
                .is_some_and(|(offset, run)| {
                    offset > 0 || run.parent == parent && run.side() == Side::Right
                });
            if continues {
                siblings.push(next);
            }
        }
        siblings.sort_by(|one, two| self.compare(*one, *two));
        siblings
    }

    /// Which of the siblings a new one goes before.
    fn next_sibling(&self, siblings: &[Id], id: Id) -> Option<usize> {
        siblings
            .iter()
            .position(|sibling| self.compare(*sibling, id).is_gt())
    }

    /// The gap before the first element of a subtree.
    fn start_of_subtree(&mut self, mut top: Id) -> Option<Gap> {
        // A tree has no cycles; a damaged one must not keep us here for ever.
        for _ in 0..=self.tree.count_runs() {
            match self.siblings(top, Side::Left).first() {
                Some(first) => top = *first,
                None => break,
            }
        }
        let spot = self.find(top)?;
        // A left child, or a right one that has siblings, is the first of its run.
        Some(Gap {
            leaf: spot.leaf,
            run: spot.run,
        })
    }

    /// The gap after the last element of a subtree.
    fn end_of_subtree(&mut self, mut top: Id) -> Option<Gap> {
        for _ in 0..=self.tree.count_runs() {
            let spot = self.find(top)?;
            let run = *self.tree.run(spot)?;
            if !run.is(HAS_RIGHT) {
                return Some(Gap {
                    leaf: spot.leaf,
                    run: spot.run + 1,
                });
            }
            top = *self.siblings(run.last(), Side::Right).last()?;
        }
        None
    }

    /// Hides elements from `first` on, as many of `len` as are here. Calls `hidden` with what
    /// showed until now: its position then, and how many.
    pub(crate) fn hide(&mut self, first: Id, len: u32, hidden: &mut dyn FnMut(usize, u32)) {
        let mut n = first.n;
        let end = first.n.saturating_add(len).min(self.next(first.author));
        while n < end {
            let id = Id {
                author: first.author,
                n,
            };
            let Some(spot) = self.find(id) else {
                // There may be gaps in the numbers, and large ones.
                match self.next_from(first.author, n) {
                    Some(next) if next > n => n = next,
                    _ => return,
                }
                continue;
            };
            let Some(run) = self.tree.run(spot).copied() else {
                return;
            };
            let part = (run.len - spot.offset).min(end - n);
            if run.is_visible() {
                let position = self.tree.start_of(spot.leaf) + (spot.before + spot.offset) as usize;
                hidden(position, part);
                self.tree.hide(spot, part);
                self.keep_small(spot.leaf);
            }
            n += part;
        }
    }

    /// The position of an element and whether it shows; of one that does not, where it would.
    pub(crate) fn position(&mut self, id: Id) -> Option<(usize, bool)> {
        let spot = self.find(id)?;
        let run = *self.tree.run(spot)?;
        let within = if run.is_visible() { spot.offset } else { 0 };
        let position = self.tree.start_of(spot.leaf) + (spot.before + within) as usize;
        Some((position, run.is_visible()))
    }
}
