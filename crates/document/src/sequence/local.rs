//! Edits by position, as whoever sees the sequence makes them.

use super::tree::Spot;
use super::{DELETED, FORKED, HAS_RIGHT, Id, LEFT, Run, Sequence, Side};

/// Where elements were inserted: what others need to put them at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inserted {
    pub(crate) id: Id,
    pub(crate) parent: Id,
    pub(crate) side: Side,
}

impl Sequence {
    /// Inserts `len` elements by `author`, with the ids from `n` on, so that the first will be
    /// number `position` of what shows, which is at most [`Sequence::len`]. `text` is theirs.
    pub(crate) fn insert(
        &mut self,
        position: usize,
        (author, n, len): (u32, u32, u32),
        text: &str,
        seq: u64,
    ) -> Inserted {
        let id = Id { author, n };
        self.born(author, n, len, seq);
        let Some(last) = position.checked_sub(1) else {
            return self.insert_first(id, len, text);
        };
        let spot = self.tree.seek(last);
        let Some(run) = self.tree.run(spot).copied() else {
            return self.insert_first(id, len, text);
        };
        let visible = spot.before + spot.offset + 1;
        if spot.offset + 1 < run.len {
            // In the middle of a run: before what continues it.
            let at = spot.offset + 1;
            self.tree.cut(spot.leaf, spot.run, at);
            let parent = run.id.plus(at);
            return self.insert_run(spot, Side::Left, (id, parent, len), (visible, text));
        }
        if run.is(HAS_RIGHT) {
            let parent = self.tree.following(spot).map_or(Id::ROOT, |next| next.id);
            return self.insert_run(spot, Side::Left, (id, parent, len), (visible, text));
        }
        if id == run.end() {
            self.tree.extend(spot, len, text);
            if let Some(index) = &mut self.index {
                index.place(id, len, spot.leaf);
            }
            self.keep_small(spot.leaf);
            return Inserted {
                id,
                parent: run.last(),
                side: Side::Right,
            };
        }
        self.tree.flag(spot.leaf, spot.run, HAS_RIGHT | FORKED);
        self.insert_run(spot, Side::Right, (id, run.last(), len), (visible, text))
    }

    /// Where an element would go so that it will be number `position` of what shows.
    pub(crate) fn place_for(&mut self, position: usize) -> (Id, Side) {
        let first = match self.tree.first() {
            Some(first) => (first.id, Side::Left),
            None => (Id::ROOT, Side::Right),
        };
        let Some(last) = position.checked_sub(1) else {
            return first;
        };
        let spot = self.tree.seek(last);
        self.place_after_spot(spot).unwrap_or(first)
    }

    /// Where an element would go so that it follows another directly, deleted or not.
    pub(crate) fn place_after(&mut self, id: Id) -> Option<(Id, Side)> {
        let spot = self.find(id)?;
        self.place_after_spot(spot)
    }

    fn place_after_spot(&self, spot: Spot) -> Option<(Id, Side)> {
        let run = self.tree.run(spot)?;
        if spot.offset + 1 < run.len {
            return Some((run.id.plus(spot.offset + 1), Side::Left));
        }
        if run.is(HAS_RIGHT) {
            return Some((self.tree.following(spot)?.id, Side::Left));
        }
        Some((run.last(), Side::Right))
    }

    fn insert_first(&mut self, id: Id, len: u32, text: &str) -> Inserted {
        let (parent, side) = match self.tree.first() {
            Some(first) => (first.id, Side::Left),
            None => (Id::ROOT, Side::Right),
        };
        self.put_run(0, 0, side, (id, parent, len), (0, text));
        Inserted { id, parent, side }
    }

    /// Puts a run after that of `spot`.
    fn insert_run(
        &mut self,
        spot: Spot,
        side: Side,
        (id, parent, len): (Id, Id, u32),
        text: (u32, &str),
    ) -> Inserted {
        self.put_run(spot.leaf, spot.run + 1, side, (id, parent, len), text);
        Inserted { id, parent, side }
    }

    /// Puts a visible run at a place in a leaf, after `before` visible elements there.
    pub(super) fn put_run(
        &mut self,
        leaf: u32,
        place: usize,
        side: Side,
        (id, parent, len): (Id, Id, u32),
        (before, text): (u32, &str),
    ) {
        let run = Run {
            id,
            parent,
            len,
            flags: if side == Side::Left { LEFT } else { 0 },
        };
        self.tree.put(leaf, place, run, before, text);
        if let Some(index) = &mut self.index {
            index.place(id, len, leaf);
            index.child(&run);
        }
        self.keep_small(leaf);
    }

    /// Splits a leaf that has become too large.
    pub(super) fn keep_small(&mut self, leaf: u32) {
        let mut leaves = vec![leaf];
        while let Some(leaf) = leaves.pop() {
            if !self.tree.is_full(leaf) {
                continue;
            }
            let Some(fresh) = self.tree.split(leaf) else {
                continue;
            };
            if let Some(index) = &mut self.index {
                for run in &self.tree.leaf(fresh).runs {
                    index.place(run.id, run.len, fresh);
                }
            }
            leaves.extend([leaf, fresh]);
        }
    }

    /// Hides `len` of what shows from `position` on, as far as there is that much. Calls
    /// `hidden` with the ids, as their first and how many follow it.
    pub(crate) fn delete(&mut self, position: usize, len: usize, hidden: &mut dyn FnMut(Id, u32)) {
        let mut left = len.min(self.len().saturating_sub(position));
        while left > 0 {
            let spot = self.tree.seek(position);
            let Some(run) = self.tree.run(spot).copied() else {
                return;
            };
            debug_assert!(!run.is(DELETED), "only what shows is found by its position");
            let part = (run.len - spot.offset).min(super::number(left));
            hidden(run.id.plus(spot.offset), part);
            self.tree.hide(spot, part);
            self.keep_small(spot.leaf);
            left -= part as usize;
        }
    }
}
