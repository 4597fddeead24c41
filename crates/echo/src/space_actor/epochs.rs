//! Epochs, and dropping what they stand for.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{CreateEpoch, EchoError, EpochReport, ListEpochs, TrimSpace};

use super::SpaceActor;

impl SpaceActor {
    /// Gets on with deleting what nobody needs any more.
    pub(super) fn tidy(&mut self) {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else { return };
        if let Err(error) = space.tidy(&store) {
            // It is tried again: there may be no room on the disk.
            tracing::warn!(%error, space = %self.key.short(), "old blocks are not deleted yet");
        }
    }
}

impl Receive<CreateEpoch> for SpaceActor {
    fn receive(
        &mut self,
        message: CreateEpoch,
        ctx: &Context<Self>,
    ) -> Answer<Result<EpochReport, EchoError>> {
        let whole = Arc::clone(&self.shared.store);
        let report = self.step(ctx, |space, now_ms, (_, rng)| {
            space.create_epoch(message.share_state, now_ms, (&whole, rng))
        });
        Answer::Now(report)
    }
}

impl Receive<TrimSpace> for SpaceActor {
    fn receive(
        &mut self,
        message: TrimSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<u64, EchoError>> {
        Answer::Now(self.step(ctx, |space, _, _| space.trim(message.force)))
    }
}

impl Receive<ListEpochs> for SpaceActor {
    fn receive(
        &mut self,
        _: ListEpochs,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<EpochReport>, EchoError>> {
        Answer::Now(self.space().map(|space| space.list_epochs()))
    }
}
