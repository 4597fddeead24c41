//! The elements in their order: runs in the leaves of a B-tree that counts visible elements.

use super::hide::hide_in;
use super::{Run, number};

pub(super) const NIL: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    pub(super) runs: Vec<Run>,
    /// The visible text, empty for a list.
    pub(super) text: String,
    pub(super) visible: u32,
    pub(super) parent: u32,
    pub(super) next: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Inner {
    pub(super) children: Vec<u32>,
    pub(super) counts: Vec<u32>,
    pub(super) parent: u32,
}

/// An element by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) leaf: u32,
    pub(super) run: usize,
    /// Within the run.
    pub(super) offset: u32,
    /// Visible elements of the leaf before the run.
    pub(super) before: u32,
}

/// Where the last edit was, as the next one is mostly there too.
#[derive(Clone, Copy, Debug)]
struct Hint {
    leaf: u32,
    /// Visible elements before the leaf.
    start: usize,
    run: usize,
    /// Visible elements of the leaf before the run.
    before: u32,
    /// What the counts above the leaf lack.
    pending: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) leaves: Vec<Leaf>,
    pub(super) inners: Vec<Inner>,
    pub(super) root: u32,
    /// Levels of inner nodes.
    pub(super) height: u32,
    pub(super) visible: usize,
    pub(super) runs: usize,
    hint: Option<Hint>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            leaves: vec![Leaf {
                parent: 0,
                next: NIL,
                ..Leaf::default()
            }],
            inners: vec![Inner {
                children: vec![0],
                counts: vec![0],
                parent: NIL,
            }],
            root: 0,
            height: 1,
            visible: 0,
            runs: 0,
            hint: None,
        }
    }
}

/// Where the character with this number begins, in bytes.
pub(super) fn byte_of(text: &str, visible: u32, character: u32) -> usize {
    let character = character as usize;
    if text.len() == visible as usize {
        return character.min(text.len());
    }
    text.char_indices()
        .nth(character)
        .map_or(text.len(), |(byte, _)| byte)
}

impl Tree {
    /// A tree without any node, to be filled.
    pub(super) const fn nowhere() -> Self {
        Self {
            leaves: Vec::new(),
            inners: Vec::new(),
            root: 0,
            height: 0,
            visible: 0,
            runs: 0,
            hint: None,
        }
    }

    pub(super) const fn visible(&self) -> usize {
        self.visible
    }

    pub(super) const fn count_runs(&self) -> usize {
        self.runs
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers of leaves come from this tree, which never removes one"
    )]
    pub(super) fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "as for `leaf`")]
    pub(super) fn leaf_mut(&mut self, leaf: u32) -> &mut Leaf {
        &mut self.leaves[leaf as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers of inner nodes come from this tree, which never removes one"
    )]
    pub(super) fn inner_mut(&mut self, inner: u32) -> &mut Inner {
        &mut self.inners[inner as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "as for `inner_mut`")]
    pub(super) fn inner(&self, inner: u32) -> &Inner {
        &self.inners[inner as usize]
    }

    pub(super) fn run(&self, spot: Spot) -> Option<&Run> {
        self.leaf(spot.leaf).runs.get(spot.run)
    }

    /// The runs in order, each with its leaf.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, &Run)> {
        self.in_order()
            .flat_map(|(number, leaf)| leaf.runs.iter().map(move |run| (number, run)))
    }

    /// The leaves in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u32, &Leaf)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == NIL {
                return None;
            }
            let number = at;
            let leaf = self.leaf(number);
            at = leaf.next;
            Some((number, leaf))
        })
    }

    /// The first run after that of `spot`.
    pub(super) fn following(&self, spot: Spot) -> Option<&Run> {
        let leaf = self.leaf(spot.leaf);
        if let Some(run) = leaf.runs.get(spot.run + 1) {
            return Some(run);
        }
        let mut next = leaf.next;
        while next != NIL {
            let leaf = self.leaf(next);
            if let Some(run) = leaf.runs.first() {
                return Some(run);
            }
            next = leaf.next;
        }
        None
    }

    /// The first run of all. Leaves are never emptied, so it is in the first leaf.
    pub(super) fn first(&self) -> Option<&Run> {
        self.leaf(0).runs.first()
    }

    /// Visible elements before a leaf.
    pub(super) fn start_of(&self, leaf: u32) -> usize {
        let mut total: i64 = 0;
        if let Some(hint) = &self.hint
            && hint.pending != 0
            && hint.leaf != leaf
            && self.is_before(hint.leaf, leaf)
        {
            total = hint.pending;
        }
        let (mut child, mut node) = (leaf, self.leaf(leaf).parent);
        while node != NIL {
            let inner = self.inner(node);
            for (other, count) in inner.children.iter().zip(&inner.counts) {
                if *other == child {
                    break;
                }
                total += i64::from(*count);
            }
            (child, node) = (node, inner.parent);
        }
        usize::try_from(total).unwrap_or(0)
    }

    /// Whether one leaf comes before another.
    fn is_before(&self, one: u32, two: u32) -> bool {
        let path = |leaf: u32| {
            let mut path = Vec::new();
            let (mut child, mut node) = (leaf, self.leaf(leaf).parent);
            while node != NIL {
                let inner = self.inner(node);
                path.push(inner.children.iter().position(|other| *other == child));
                (child, node) = (node, inner.parent);
            }
            path.reverse();
            path
        };
        path(one) < path(two)
    }

    /// The visible element number `position`, which must be there.
    pub(super) fn seek(&mut self, position: usize) -> Spot {
        if let Some(hint) = self.hint {
            let within = position.wrapping_sub(hint.start);
            if position >= hint.start && within < self.leaf(hint.leaf).visible as usize {
                return self.seek_in(hint.leaf, hint.start, number(within));
            }
            self.settle();
        }
        let (mut node, mut left) = (self.root, position);
        for level in (0..self.height).rev() {
            let inner = self.inner(node);
            let mut next = inner.children.last().copied().unwrap_or(0);
            for (child, count) in inner.children.iter().zip(&inner.counts) {
                if left < *count as usize {
                    next = *child;
                    break;
                }
                left -= *count as usize;
            }
            node = next;
            if level == 0 {
                break;
            }
        }
        self.hint = Some(Hint {
            leaf: node,
            start: position - left,
            run: 0,
            before: 0,
            pending: 0,
        });
        self.seek_in(node, position - left, number(left))
    }

    fn seek_in(&mut self, leaf: u32, start: usize, within: u32) -> Spot {
        let (mut run, mut before) = match &self.hint {
            Some(hint) if hint.before <= within => (hint.run, hint.before),
            _ => (0, 0),
        };
        for candidate in self.leaf(leaf).runs.iter().skip(run) {
            let visible = candidate.visible();
            if within - before < visible {
                break;
            }
            before += visible;
            run += 1;
        }
        if let Some(hint) = &mut self.hint {
            (hint.leaf, hint.start, hint.run, hint.before) = (leaf, start, run, before);
        }
        Spot {
            leaf,
            run,
            offset: within - before,
            before,
        }
    }

    /// Forgets where the last edit was, after the counts have caught up with it.
    pub(super) fn settle(&mut self) {
        if let Some(hint) = self.hint.take()
            && hint.pending != 0
        {
            self.count(hint.leaf, hint.pending);
        }
    }

    /// Adds to what is visible in a leaf, in the counts above it.
    fn count(&mut self, leaf: u32, by: i64) {
        let (mut child, mut node) = (leaf, self.leaf(leaf).parent);
        while node != NIL {
            let inner = self.inner_mut(node);
            for (other, count) in inner.children.iter().zip(&mut inner.counts) {
                if *other == child {
                    *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
                    break;
                }
            }
            (child, node) = (node, inner.parent);
        }
    }

    /// Notes that more or less is visible in a leaf.
    fn grow(&mut self, leaf: u32, by: i64) {
        let by_size = isize::try_from(by).unwrap_or(0);
        self.visible = self.visible.saturating_add_signed(by_size);
        let node = self.leaf_mut(leaf);
        node.visible = u32::try_from(i64::from(node.visible) + by).unwrap_or(0);
        match &mut self.hint {
            Some(hint) if hint.leaf == leaf => hint.pending += by,
            Some(_) => {
                self.settle();
                self.count(leaf, by);
            }
            None => self.count(leaf, by),
        }
    }

    /// Lengthens a run at its end by `len` elements whose text is `text`.
    pub(super) fn extend(&mut self, spot: Spot, len: u32, text: &str) {
        let leaf = self.leaf_mut(spot.leaf);
        if let Some(run) = leaf.runs.get_mut(spot.run) {
            let byte = byte_of(&leaf.text, leaf.visible, spot.before + run.len);
            leaf.text.insert_str(byte, text);
            run.len += len;
        }
        self.grow(spot.leaf, len.into());
        if let Some(hint) = &mut self.hint
            && hint.leaf == spot.leaf
            && spot.run < hint.run
        {
            (hint.run, hint.before) = (0, 0);
        }
    }

    /// Puts a run before the `run`-th of a leaf; `text` is that of what is visible of it, and
    /// goes after the first `before` visible elements of the leaf.
    pub(super) fn put(&mut self, leaf: u32, place: usize, run: Run, before: u32, text: &str) {
        let node = self.leaf_mut(leaf);
        if run.visible() > 0 {
            let byte = byte_of(&node.text, node.visible, before);
            node.text.insert_str(byte, text);
        }
        node.runs.insert(place.min(node.runs.len()), run);
        self.runs += 1;
        self.grow(leaf, run.visible().into());
        if let Some(hint) = &mut self.hint
            && hint.leaf == leaf
            && place <= hint.run
        {
            (hint.run, hint.before) = (0, 0);
        }
    }

    /// Cuts a run in two at `at`, which is within it.
    pub(super) fn cut(&mut self, leaf: u32, place: usize, at: u32) {
        let node = self.leaf_mut(leaf);
        if let Some(run) = node.runs.get_mut(place) {
            let rest = run.split(at);
            node.runs.insert(place + 1, rest);
            self.runs += 1;
            self.forget_run(leaf, place);
        }
    }

    fn forget_run(&mut self, leaf: u32, place: usize) {
        if let Some(hint) = &mut self.hint
            && hint.leaf == leaf
            && place <= hint.run
        {
            (hint.run, hint.before) = (0, 0);
        }
    }

    /// Sets flags of a run.
    pub(super) fn flag(&mut self, leaf: u32, place: usize, flags: u8) {
        if let Some(run) = self.leaf_mut(leaf).runs.get_mut(place) {
            run.flags |= flags;
        }
    }

    /// Hides `len` elements of a run from `offset` on, with their text.
    pub(super) fn hide(&mut self, spot: Spot, len: u32) {
        let Spot {
            leaf: number,
            run: place,
            offset,
            before,
        } = spot;
        let leaf = self.leaf_mut(number);
        let from = byte_of(&leaf.text, leaf.visible, before + offset);
        let to = byte_of(&leaf.text, leaf.visible, before + offset + len);
        leaf.text.drain(from..to);
        let before_cut = leaf.runs.len();
        hide_in(&mut leaf.runs, place, offset, len);
        let now = leaf.runs.len();
        self.runs = self.runs + now - before_cut;
        self.grow(number, -i64::from(len));
        self.forget_run(number, place.saturating_sub(1));
    }

    /// Visible elements of a leaf before one of its runs.
    pub(super) fn before(&self, leaf: u32, run: usize) -> u32 {
        let runs = self.leaf(leaf).runs.iter().take(run);
        runs.map(Run::visible).sum()
    }
}

#[cfg(test)]
impl Tree {
    /// Panics when what is counted is not what is there.
    pub(super) fn check(&self) {
        let mut total = 0;
        let pending = self
            .hint
            .as_ref()
            .map_or((NIL, 0), |hint| (hint.leaf, hint.pending));
        for (number, leaf) in self.in_order() {
            let visible: u32 = leaf.runs.iter().map(Run::visible).sum();
            assert_eq!(visible, leaf.visible, "leaf {number}");
            let inner = self.inner(leaf.parent);
            let slot = inner.children.iter().position(|child| *child == number);
            let mut count = i64::from(inner.counts[slot.unwrap()]);
            if pending.0 == number {
                count += pending.1;
            }
            assert_eq!(count, i64::from(visible), "count of leaf {number}");
            assert_eq!(self.start_of(number), total);
            if !leaf.text.is_empty() {
                assert_eq!(leaf.text.chars().count(), visible as usize);
            }
            total += visible as usize;
        }
        assert_eq!(total, self.visible);
        if let Some(hint) = &self.hint {
            assert_eq!(hint.start, self.start_of(hint.leaf));
            assert_eq!(hint.before, self.before(hint.leaf, hint.run));
        }
    }
}
