//! Bursts of edits: where they end.

use super::SpaceActor;

impl SpaceActor {
    /// Notes that a burst of edits is over, if it is.
    pub(super) fn end_burst(&mut self, now_ms: u64) {
        let Ok(space) = &mut self.space else { return };
        if let Some(batch) = space.end_burst(now_ms)
            && let Err(error) = self.write(batch, false)
        {
            tracing::warn!(%error, "the end of a burst of edits was not noted");
        }
    }
}
