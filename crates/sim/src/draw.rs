//! Drawing from a source of randomness.

use std::time::Duration;

use dxos_actors::{ChaCha20Rng, SeedTree};
use rand_core::Rng;

/// A stream of draws.
#[derive(Debug)]
pub(crate) struct Draw(ChaCha20Rng);

impl Draw {
    pub(crate) fn new(seeds: &SeedTree, label: &str) -> Self {
        Self(seeds.rng_of(label))
    }

    /// A number below `end`, or 0 when there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.between(least, most))
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = self.index(from.len());
        from.get(index).copied()
    }

    /// A number that a person might count with.
    pub(crate) fn small(&mut self) -> i64 {
        i64::try_from(self.below(21)).unwrap_or(0) - 10
    }
}
