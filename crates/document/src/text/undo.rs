//! What a draft did, so that it can be taken back.

use super::Anchor;
use crate::sequence::Id;
use crate::{ElementId, Key, Value};

/// Steps that can be taken back.
const STEPS_MAX: usize = 1_000;

/// One edit, as it is needed to take it back.
#[derive(Clone, Debug)]
pub(super) enum Done {
    Inserted {
        first: Id,
        len: u32,
    },
    Deleted {
        first: Id,
        text: String,
    },
    Marked {
        range: (Anchor, Anchor),
        name: Key,
        /// What showed of that name in the range.
        before: Vec<((Anchor, Anchor), Value)>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Undo {
    done: Vec<Vec<Done>>,
    redo: Vec<Vec<Done>>,
    /// The last step goes on.
    open: bool,
    /// The last insertion may go on.
    sealed: bool,
    /// Characters that were deleted and, as that was undone, inserted again: the first, how
    /// many, and what stands for them.
    aliases: Vec<(Id, u32, Id)>,
    /// Provisional elements that were committed under other names.
    renamed: Vec<(ElementId, u32, ElementId)>,
}

impl Undo {
    pub(super) fn did(&mut self, done: Done) {
        self.redo.clear();
        if !self.open {
            self.done.push(Vec::new());
            if self.done.len() > STEPS_MAX {
                self.done.remove(0);
            }
            self.open = true;
        }
        let Some(step) = self.done.last_mut() else {
            return;
        };
        if let (
            Some(Done::Inserted {
                first: last,
                len: typed,
            }),
            Done::Inserted { first, len },
        ) = (step.last_mut(), &done)
            && !self.sealed
            && last.author == first.author
            && last.n.checked_add(*typed) == Some(first.n)
        {
            *typed += len;
            return;
        }
        self.sealed = false;
        step.push(done);
    }

    pub(super) const fn end_step(&mut self) {
        self.open = false;
    }

    /// What is inserted from now on is in another batch.
    pub(super) const fn seal(&mut self) {
        self.sealed = true;
    }

    pub(super) fn pop_undo(&mut self) -> Option<Vec<Done>> {
        self.open = false;
        self.done.pop()
    }

    pub(super) fn pop_redo(&mut self) -> Option<Vec<Done>> {
        self.open = false;
        self.redo.pop()
    }

    pub(super) fn undid(&mut self, inverse: Vec<Done>) {
        self.redo.push(inverse);
    }

    pub(super) fn redid(&mut self, inverse: Vec<Done>) {
        self.done.push(inverse);
    }

    /// `again` and what follows it stands for deleted characters.
    pub(super) fn stands_for(&mut self, first: Id, len: u32, again: Id) {
        self.aliases.push((first, len, again));
    }

    /// Characters with all that stands for them.
    pub(super) fn expand(&self, first: Id, len: u32) -> Vec<(Id, u32)> {
        let mut found = vec![(first, len)];
        let mut next = 0;
        while let Some((first, len)) = found.get(next).copied() {
            next += 1;
            for (old, count, again) in &self.aliases {
                if old.author != first.author {
                    continue;
                }
                let from = first.n.max(old.n);
                let to = (first.n + len).min(old.n + count);
                if from < to {
                    let id = Id {
                        author: again.author,
                        n: again.n + (from - old.n),
                    };
                    found.push((id, to - from));
                }
            }
        }
        found
    }

    /// A place by the names that characters have now.
    pub(super) fn current(&self, anchor: &Anchor) -> Anchor {
        let rename = |element: &ElementId| {
            let found = self.renamed.iter().find_map(|(old, len, new)| {
                let within = element.n.wrapping_sub(old.n);
                (element.feed == old.feed && element.n >= old.n && within < *len).then_some(
                    ElementId {
                        feed: new.feed,
                        n: new.n + within,
                    },
                )
            });
            found.unwrap_or(*element)
        };
        match anchor {
            Anchor::After(element) => Anchor::After(rename(element)),
            Anchor::Before(element) => Anchor::Before(rename(element)),
            end => *end,
        }
    }

    /// Provisional ids have become real ones.
    pub(super) fn rename(
        &mut self,
        provisional: Id,
        len: u32,
        real: Id,
        names: &dyn Fn(ElementId) -> ElementId,
    ) {
        let rename = |id: &mut Id| {
            let within = id.n.wrapping_sub(provisional.n);
            if id.author == provisional.author && id.n >= provisional.n && within < len {
                *id = Id {
                    author: real.author,
                    n: real.n + within,
                };
            }
        };
        let anchor = |anchor: &mut Anchor| match anchor {
            Anchor::After(element) | Anchor::Before(element) => *element = names(*element),
            Anchor::End | Anchor::Start => {}
        };
        for done in self.done.iter_mut().chain(&mut self.redo).flatten() {
            match done {
                Done::Inserted { first, .. } | Done::Deleted { first, .. } => rename(first),
                Done::Marked { range, before, .. } => {
                    anchor(&mut range.0);
                    anchor(&mut range.1);
                    for ((from, to), _) in before {
                        anchor(from);
                        anchor(to);
                    }
                }
            }
        }
        for (old, _, again) in &mut self.aliases {
            rename(old);
            rename(again);
        }
    }

    /// Remembers under which names provisional elements were committed, for the cursors of
    /// whoever holds some.
    pub(super) fn remember(&mut self, old: ElementId, len: u32, new: ElementId) {
        if let Some((first, count, other)) = self.renamed.last_mut()
            && first.feed == old.feed
            && other.feed == new.feed
            && first.n + *count == old.n
            && other.n + *count == new.n
        {
            *count += len;
            return;
        }
        if len > 0 {
            self.renamed.push((old, len, new));
        }
    }
}
