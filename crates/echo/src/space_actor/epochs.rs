//! Epochs, and dropping what they stand for.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{CreateEpoch, EchoError, EpochReport, ListEpochs, TrimSpace};

use super::SpaceActor;

/// How often it is looked whether an epoch is due.
const LOOK_MS: u64 = 1_000;

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

impl SpaceActor {
    /// Creates an epoch, and drops what it stands for, when it is time by the policy.
    pub(super) fn follow_policy(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let policy = self.shared.epochs;
        if policy.is_empty() {
            return;
        }
        // Unless the clock was set back.
        let wait_ms = self.policy_ms.saturating_sub(now_ms);
        if wait_ms > 0 && wait_ms <= LOOK_MS {
            return;
        }
        self.policy_ms = now_ms.saturating_add(LOOK_MS);
        let Ok(space) = &self.space else { return };
        let is_due = space.is_epoch_due_by(&policy, now_ms, &self.shared.store);
        let followed = if is_due {
            let whole = Arc::clone(&self.shared.store);
            let created = self.step(ctx, |space, now_ms, (_, rng)| {
                space.create_epoch(false, now_ms, (&whole, rng))
            });
            created.map(|_| ())
        } else if space.has_blocks_to_drop() {
            let trimmed = self.step(ctx, |space, _, _| space.trim(false));
            trimmed.map(|_| ())
        } else {
            Ok(())
        };
        if let Err(error) = followed {
            tracing::warn!(%error, space = %self.key.short(), "an epoch that is due is not there yet");
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
