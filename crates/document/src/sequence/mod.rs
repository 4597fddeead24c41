//! Sequences that many edit at once: the order of characters of a text, or of the slots of a
//! list.
//!
//! Every element is a node of a tree: it is the left or the right child of the element that it
//! was put next to, and the sequence is that tree read in order, children of one side by their
//! ids (Weidner and Kleppmann, "The Art of the Fugue: Minimizing Interleaving in Collaborative
//! Text Editing", 2023). The tree is a function of the set of insertions alone, so no order of
//! delivery and no invented operation can part two replicas, and what two people type at one
//! place does not interleave.
//!
//! The tree is kept flat: elements in their order, run-length encoded, in the leaves of a B-tree
//! that counts what is visible. A **run** is what one author inserted in one go: each element
//! but the first is the right child of the one before. Typing extends a run; a deletion marks
//! one. Beside the leaves there is an index from ids to leaves, which is built when the first
//! operation of somebody else arrives: local editing needs none.

mod births;
mod build;
mod hide;
mod index;
mod integrate;
mod local;
mod parts;
mod read;
mod split;
mod tree;
pub(crate) mod written;

#[cfg(test)]
mod tests;

use dxos_keys::FeedId;

use crate::{ElementId, Place};

use births::Births;
use index::Index;
use tree::Tree;

pub(crate) use integrate::Insertion;
pub(crate) use parts::Parts;

/// Ids from here on are not handed out: they stand for what an editor has not committed yet.
pub(crate) const PROVISIONAL: u32 = 1 << 31;

/// An element: the `n`-th that one author inserted here. `author` is a number within the
/// sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) author: u32,
    pub(crate) n: u32,
}

impl Id {
    /// What everything descends from.
    pub(crate) const ROOT: Self = Self {
        author: u32::MAX,
        n: 0,
    };

    const fn plus(self, by: u32) -> Self {
        Self {
            author: self.author,
            n: self.n.wrapping_add(by),
        }
    }

    const fn before(self) -> Self {
        Self {
            author: self.author,
            n: self.n.wrapping_sub(1),
        }
    }
}

/// Which child of its parent an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Left,
    Right,
}

/// It does not show any more.
const DELETED: u8 = 1;
/// The first element is the left child of its parent.
const LEFT: u8 = 2;
/// The last element has right children.
const HAS_RIGHT: u8 = 4;
/// The last element has right children other than the one that continues it.
const FORKED: u8 = 8;

/// Elements of one author with consecutive ids, each but the first the only right child of the
/// one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: Id,
    /// The parent of the first.
    pub(crate) parent: Id,
    pub(crate) len: u32,
    pub(crate) flags: u8,
}

impl Run {
    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    const fn is_visible(&self) -> bool {
        !self.is(DELETED)
    }

    const fn visible(&self) -> u32 {
        if self.is_visible() { self.len } else { 0 }
    }

    const fn side(&self) -> Side {
        if self.is(LEFT) {
            Side::Left
        } else {
            Side::Right
        }
    }

    const fn last(&self) -> Id {
        self.id.plus(self.len.wrapping_sub(1))
    }

    const fn end(&self) -> Id {
        self.id.plus(self.len)
    }

    fn contains(&self, id: Id) -> bool {
        self.id.author == id.author && id.n >= self.id.n && id.n - self.id.n < self.len
    }

    /// Whether `next` continues this run as if both were one, when it follows directly.
    fn continues_in(&self, next: &Self) -> bool {
        next.id == self.end()
            && next.parent == self.last()
            && !next.is(LEFT)
            && !self.is(FORKED)
            && self.is(DELETED) == next.is(DELETED)
    }

    /// Cuts off what comes from `at` on.
    fn split(&mut self, at: u32) -> Self {
        let rest = Self {
            id: self.id.plus(at),
            parent: self.id.plus(at.wrapping_sub(1)),
            len: self.len - at,
            flags: self.flags & !LEFT,
        };
        self.len = at;
        self.flags = (self.flags & (DELETED | LEFT)) | HAS_RIGHT;
        rest
    }
}

/// One author of a sequence.
#[derive(Clone, Debug, PartialEq)]
struct Author {
    feed: FeedId,
    /// The number of its next element.
    next: u32,
    births: Births,
}

/// A sequence with the text of what is visible; for a list the text is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    authors: Vec<Author>,
    tree: Tree,
    index: Option<Box<Index>>,
}

impl PartialEq for Sequence {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Sequence {
    /// How many elements show.
    pub(crate) const fn len(&self) -> usize {
        self.tree.visible()
    }

    /// How many runs there are.
    pub(crate) const fn count_runs(&self) -> usize {
        self.tree.count_runs()
    }

    /// The author with this feed, made known if it was not.
    pub(crate) fn author(&mut self, feed: FeedId) -> u32 {
        if let Some(found) = self.find_author(&feed) {
            return found;
        }
        self.authors.push(Author {
            feed,
            next: 0,
            births: Births::default(),
        });
        number(self.authors.len() - 1)
    }

    /// An author for what is not committed yet, beside the real one of the same feed.
    pub(crate) fn provisional_author(&mut self, feed: FeedId, next: u32) -> u32 {
        self.author(feed);
        self.authors.push(Author {
            feed,
            next,
            births: Births::default(),
        });
        number(self.authors.len() - 1)
    }

    /// Gives elements other ids, those that they have for everyone.
    pub(crate) fn rename(&mut self, from: Id, len: u32, to: Id, seq: u64) {
        if len == 0 {
            return;
        }
        let map = |id: Id| {
            let within = id.n.wrapping_sub(from.n);
            if id.author == from.author && id.n >= from.n && within < len {
                to.plus(within)
            } else {
                id
            }
        };
        let end = from.n.saturating_add(len);
        let mut runs = Vec::new();
        for mut run in self.runs() {
            // A run that goes on beyond what is renamed, or begins before it.
            for border in [from.n, end] {
                if run.id.author == from.author && run.id.n < border && border < run.end().n {
                    let rest = run.split(border - run.id.n);
                    runs.push(std::mem::replace(&mut run, rest));
                }
            }
            runs.push(run);
        }
        for run in &mut runs {
            run.id = map(run.id);
            run.parent = map(run.parent);
        }
        let text = self.text();
        if let Some(tree) = Tree::build(runs, Some(&text)) {
            self.tree = tree;
            self.index = None;
            self.born(to.author, to.n, len, seq);
        }
    }

    pub(crate) fn find_author(&self, feed: &FeedId) -> Option<u32> {
        let found = self.authors.iter().position(|author| author.feed == *feed);
        found.map(number)
    }

    pub(crate) fn feed(&self, author: u32) -> Option<&FeedId> {
        self.at(author).map(|author| &author.feed)
    }

    /// An element by the name that all replicas understand.
    pub(crate) fn element(&self, id: Id) -> Option<ElementId> {
        Some(ElementId {
            feed: *self.feed(id.author)?,
            n: id.n,
        })
    }

    /// The place of elements whose first is this child of an element.
    pub(crate) fn place_of(&self, parent: Id, side: Side) -> Place {
        match (self.element(parent), side) {
            (None, _) => Place::Start,
            (Some(element), Side::Left) => Place::Before(element),
            (Some(element), Side::Right) => Place::After(element),
        }
    }

    /// The feeds that inserted something.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = &FeedId> {
        let authors = self.authors.iter().filter(|author| author.next > 0);
        authors.map(|author| &author.feed)
    }

    /// The number that the author's next element will have.
    pub(crate) fn next(&self, author: u32) -> u32 {
        self.at(author).map_or(0, |author| author.next)
    }

    /// The block in which its author inserted an element.
    pub(crate) fn birth(&self, id: Id) -> Option<u64> {
        self.at(id.author)?.births.of(id.n)
    }

    /// How many elements of an author were inserted in blocks below `seq`.
    pub(crate) fn born_before(&self, author: u32, seq: u64) -> u32 {
        self.at(author)
            .map_or(0, |author| author.births.before(seq, author.next))
    }

    /// The number of the first element of an author from `n` on.
    fn next_from(&self, author: u32, n: u32) -> Option<u32> {
        self.at(author)?.births.next_from(n)
    }

    /// The number of the last element of an author below `end`.
    pub(crate) fn last_below(&self, author: u32, end: u32) -> Option<u32> {
        self.at(author)?.births.last_below(end)
    }

    fn at(&self, author: u32) -> Option<&Author> {
        self.authors.get(author as usize)
    }

    /// Which of two siblings comes first.
    fn compare(&self, one: Id, two: Id) -> std::cmp::Ordering {
        let by_feed = if one.author == two.author {
            std::cmp::Ordering::Equal
        } else {
            self.feed(one.author).cmp(&self.feed(two.author))
        };
        by_feed.then(one.n.cmp(&two.n))
    }

    /// Notes that an author inserted `len` elements from `n` on in its block `seq`.
    fn born(&mut self, author: u32, n: u32, len: u32, seq: u64) {
        if let Some(author) = self.authors.get_mut(author as usize) {
            author.births.add(n, len, seq);
            author.next = n + len;
        }
    }
}

/// A count that the limits keep far below 2^32.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
