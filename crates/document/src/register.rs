//! Multi-value registers: all mutually concurrent writes, the latest of which shows.

use crate::context::{OpId, Seen};

/// One write that no later one has replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write<T> {
    pub(crate) id: OpId,
    pub(crate) content: T,
}

/// The writes, greatest first. Nearly always there is exactly one, which takes no allocation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Register<T> {
    winner: Option<Write<T>>,
    losers: Vec<Write<T>>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self {
            winner: None,
            losers: Vec::new(),
        }
    }
}

impl<T> Register<T> {
    pub(crate) const fn winner(&self) -> Option<&Write<T>> {
        self.winner.as_ref()
    }

    pub(crate) fn into_winner(self) -> Option<Write<T>> {
        self.winner
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.winner.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.winner.is_some()) + self.losers.len()
    }

    /// Greatest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Write<T>> {
        self.winner.iter().chain(&self.losers)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Write<T>> {
        self.winner.iter_mut().chain(&mut self.losers)
    }

    /// Drops the writes for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Write<T>) -> bool) {
        self.losers.retain(&mut keep);
        if self.winner.as_ref().is_some_and(|winner| !keep(winner)) {
            self.winner = if self.losers.is_empty() {
                None
            } else {
                Some(self.losers.remove(0))
            };
        }
    }

    /// Adds a write beside those that are there; one with the same id stays as it was.
    pub(crate) fn insert(&mut self, id: OpId, content: T) {
        let mut write = Write { id, content };
        match &mut self.winner {
            None => self.winner = Some(write),
            Some(winner) if winner.id == id => {}
            Some(winner) => {
                if winner.id < id {
                    std::mem::swap(winner, &mut write);
                }
                let place = self
                    .losers
                    .binary_search_by(|loser| write.id.cmp(&loser.id));
                if let Err(place) = place {
                    self.losers.insert(place, write);
                }
            }
        }
    }

    /// Replaces every write that the writer had seen.
    pub(crate) fn assign(&mut self, content: T, seen: &Seen<'_>) {
        self.retain(|write| !seen.covers(&write.id));
        self.insert(seen.id(), content);
    }
}
