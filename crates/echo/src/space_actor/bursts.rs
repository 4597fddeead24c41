//! Bursts of edits: where they end, and what vouches for them.

use std::sync::Arc;

use dxos_actors::Context;
use dxos_protocol::echo::EchoError;

use super::SpaceActor;

impl SpaceActor {
    /// Vouches for what this device wrote last, before anybody is shown it.
    pub(super) fn vouch(&mut self, ctx: &Context<Self>) -> Result<(), EchoError> {
        let now_ms = self.shared.clock.wall_ms();
        let store = Arc::clone(&self.shared.store);
        match self.space()?.vouch(now_ms, &store) {
            Ok(Some(outcome)) => self.carry_out(outcome, ctx),
            Ok(None) => Ok(()),
            Err(error) => Err(self.begin_again(&error, ctx)),
        }
    }

    /// Closes a burst of edits that is over.
    pub(super) fn end_burst(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let Ok(space) = &self.space else { return };
        let is_owed = space.is_quiet(now_ms) && space.owes_signatures();
        let vouched = if is_owed { self.vouch(ctx) } else { Ok(()) };
        let written = vouched.and_then(|()| {
            let burst = self.space()?.end_burst(now_ms);
            burst.map_or(Ok(()), |batch| self.write(batch, false))
        });
        if let Err(error) = written {
            tracing::warn!(%error, "the end of a burst of edits was not noted");
        }
    }
}
