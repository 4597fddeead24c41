//! Large states that operations stand beside are written whole when it is quiet.

use dxos_store::Batch;

use super::space::Space;

/// After so long without a change of a large state it is quiet.
const QUIET_MS: u64 = 5_000;
/// Bytes of states that are written at once, and those of one state beyond.
const BYTES_MAX: usize = 1024 * 1024;
/// The same when a space is closed; what is left is no worse than after a crash.
const BYTES_MAX_AT_CLOSE: usize = 16 * 1024 * 1024;

/// How long it has been quiet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    /// Blocks that there were when somebody looked last.
    blocks: u64,
    since_ms: u64,
}

impl Space {
    /// What to commit, without a sync, when nothing has changed for a while. When that fails the
    /// space is to be opened again.
    pub(crate) fn compact(&mut self, now_ms: u64) -> Option<Batch> {
        if self.cache.is_compact() || self.stale {
            return None;
        }
        let blocks = self.tally.blocks;
        // A clock that was set back is not waited for.
        if self.quiet.blocks != blocks || now_ms < self.quiet.since_ms {
            self.quiet = Quiet {
                blocks,
                since_ms: now_ms,
            };
        }
        let is_quiet = now_ms.saturating_sub(self.quiet.since_ms) >= QUIET_MS;
        is_quiet.then(|| self.compacted(BYTES_MAX)).flatten()
    }

    /// The same before a space is closed.
    pub(crate) fn compact_at_close(&mut self) -> Option<Batch> {
        if self.stale {
            return None;
        }
        self.compacted(BYTES_MAX_AT_CLOSE)
    }

    fn compacted(&mut self, bytes_max: usize) -> Option<Batch> {
        let mut batch = Batch::new();
        let number = self.record.number;
        self.cache.compact(number, bytes_max, &mut batch);
        (!batch.is_empty()).then_some(batch)
    }
}
