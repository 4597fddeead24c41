//! Epochs, and dropping what they stand for.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{
    CreateEpoch, EchoError, EpochReport, EraseSpace, ErasureReport, GetErasure, ListEpochs,
    TrimSpace,
};
use dxos_store::Store as _;

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
    /// Creates an epoch, and drops what it stands for, when it is time by the policy or when
    /// something is to be erased.
    pub(super) fn follow_policy(&mut self, now_ms: u64, ctx: &Context<Self>) {
        // Unless the clock was set back.
        let wait_ms = self.policy_ms.saturating_sub(now_ms);
        if wait_ms > 0 && wait_ms <= LOOK_MS {
            return;
        }
        self.policy_ms = now_ms.saturating_add(LOOK_MS);
        if let Err(error) = self.follow(now_ms, ctx) {
            tracing::warn!(%error, space = %self.key.short(), "an epoch that is due is not there yet");
        }
    }

    fn follow(&mut self, now_ms: u64, ctx: &Context<Self>) -> Result<(), EchoError> {
        let policy = self.shared.epochs;
        let Ok(space) = &self.space else {
            return Ok(());
        };
        let drops = !policy.is_empty() || space.erases();
        if space.is_erasure_due(false) {
            self.erase(false, ctx)
        } else if space.is_epoch_due_by(&policy, now_ms, &self.shared.store) {
            let whole = Arc::clone(&self.shared.store);
            let created = self.step(ctx, |space, now_ms, (_, rng)| {
                space.create_epoch((false, false), now_ms, (&whole, rng))
            });
            created.map(drop)
        } else if drops && space.has_blocks_to_drop() {
            let trimmed = self.step(ctx, |space, _, _| space.trim(false));
            trimmed.map(drop)
        } else if drops {
            self.destroy_keys(ctx)
        } else {
            Ok(())
        }
    }

    /// Does an erasure that is due.
    fn erase(&mut self, share_state: bool, ctx: &Context<Self>) -> Result<(), EchoError> {
        let is_due = |actor: &Self| {
            let space = actor.space.as_ref();
            space.is_ok_and(|space| space.is_erasure_due(share_state))
        };
        while is_due(self) {
            let whole = Arc::clone(&self.shared.store);
            let erased = self.step(ctx, |space, now_ms, (_, rng)| {
                space.erase(share_state, now_ms, (&whole, rng))
            });
            erased?;
        }
        Ok(())
    }

    /// Destroys the keys of what was erased, and has the store give up what it held of it.
    fn destroy_keys(&mut self, ctx: &Context<Self>) -> Result<(), EchoError> {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else {
            return Ok(());
        };
        let Some(outcome) = space.destroy_keys(&store)? else {
            return Ok(());
        };
        self.carry_out(outcome, ctx)?;
        let (spawner, space) = (ctx.spawner().clone(), self.key);
        ctx.spawn(async move {
            let compacted = spawner.blocking(move || store.compact()).await;
            if let Ok(Err(error)) = compacted {
                tracing::warn!(
                    %error, space = %space.short(),
                    "what was erased may still be in the files of the store; `dx gc` tries again"
                );
            }
        });
        Ok(())
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
            space.create_epoch((message.share_state, false), now_ms, (&whole, rng))
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

impl Receive<EraseSpace> for SpaceActor {
    fn receive(
        &mut self,
        message: EraseSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<ErasureReport, EchoError>> {
        let share_state = message.share_state;
        let requested = self.step(ctx, |space, now_ms, (store, rng)| {
            space.request_erasure(share_state, now_ms, (store, rng))
        });
        let erased = requested.and_then(|()| self.erase(share_state, ctx));
        let report = erased.and_then(|()| Ok(self.space()?.report_erasure()));
        let missing = || EchoError::Stopped {
            reason: "the erasure that was just asked for does not count".to_owned(),
        };
        Answer::Now(report.and_then(|report| report.ok_or_else(missing)))
    }
}

impl Receive<GetErasure> for SpaceActor {
    fn receive(
        &mut self,
        _: GetErasure,
        _: &Context<Self>,
    ) -> Answer<Result<Option<ErasureReport>, EchoError>> {
        Answer::Now(self.space().map(|space| space.report_erasure()))
    }
}
