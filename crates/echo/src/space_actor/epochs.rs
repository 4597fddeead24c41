//! Epochs, and dropping what they stand for.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{
    CreateEpoch, EchoError, EpochReport, EraseSpace, ErasureReport, GetErasure, ListEpochs,
    TrimSpace, UseAuthority,
};
use dxos_store::Store as _;

use super::SpaceActor;

/// How often it is looked whether an epoch is due.
const LOOK_MS: u64 = 1_000;

/// Where the upkeep of epochs stands.
#[derive(Default)]
pub(super) struct Upkeep {
    /// When it is looked again.
    look_ms: u64,
    /// The store is giving up what was erased.
    is_compacting: bool,
}

impl SpaceActor {
    /// Gets on with deleting what nobody needs any more.
    pub(super) fn tidy(&mut self) {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else { return };
        if let Err(error) = space.tidy(&store)
            && self.told.is_new(&error)
        {
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
        let wait_ms = self.epochs.look_ms.saturating_sub(now_ms);
        if wait_ms > 0 && wait_ms <= LOOK_MS {
            return;
        }
        self.epochs.look_ms = now_ms.saturating_add(LOOK_MS);
        if let Err(error) = self.follow(now_ms, ctx)
            && !self.ended
            && self.told.is_new(&error)
        {
            tracing::warn!(%error, space = %self.key.short(), "an epoch that is due is not there yet");
        }
    }

    fn follow(&mut self, now_ms: u64, ctx: &Context<Self>) -> Result<(), EchoError> {
        let policy = self.shared.epochs;
        self.reseal(now_ms, ctx)?;
        let Ok(space) = &self.space else {
            return Ok(());
        };
        let drops = !policy.is_empty() || space.erases();
        if space.is_erasure_due(false) {
            self.erase(false, ctx)
        } else if space.is_epoch_due_by(&policy, now_ms, &self.shared.store) {
            let whole = self.shared.until_ending();
            let created = self.step(ctx, |space, now_ms, (_, rng)| {
                space.create_epoch((false, false), now_ms, (&whole, rng))
            });
            created.map(drop)
        } else if drops && space.has_blocks_to_drop() {
            let trimmed = self.step(ctx, |space, _, _| space.trim(false));
            // What is to be done next is done soon.
            self.epochs.look_ms = 0;
            trimmed.map(drop)
        } else {
            self.destroy_keys(ctx)
        }
    }

    /// Goes over to another encryption key of this device, where there is one.
    fn reseal(&mut self, now_ms: u64, ctx: &Context<Self>) -> Result<(), EchoError> {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else {
            return Ok(());
        };
        match space.reseal(now_ms, (&store, &mut self.rng)) {
            Ok(Some(outcome)) => {
                self.carry_out(outcome, ctx)?;
                self.shared.tell_sealing();
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(self.begin_again(&error, ctx)),
        }
    }

    /// Does an erasure that is due.
    fn erase(&mut self, share_state: bool, ctx: &Context<Self>) -> Result<(), EchoError> {
        let is_due = |actor: &Self| {
            let space = actor.space.as_ref();
            space.is_ok_and(|space| space.is_erasure_due(share_state))
        };
        while is_due(self) {
            let whole = self.shared.until_ending();
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
        if let Some(outcome) = space.destroy_keys(&store)? {
            self.carry_out(outcome, ctx)?;
            self.shared.tell_sealing();
        }
        let has_traces = self.space.as_ref().is_ok_and(|space| space.has_traces());
        if !has_traces || self.epochs.is_compacting {
            return Ok(());
        }
        self.epochs.is_compacting = true;
        let spawner = ctx.spawner().clone();
        let compacted = async move { spawner.blocking(move || store.compact()).await };
        ctx.spawn_then(compacted, |actor, compacted, _| {
            actor.epochs.is_compacting = false;
            if actor.ended {
                // The next start has the store do it again.
                return;
            }
            let noted = match (compacted, &mut actor.space) {
                (Ok(Ok(())), Ok(space)) => {
                    let batch = space.note_no_traces();
                    actor.write(batch, false)
                }
                (Ok(Err(error)), _) => Err(crate::core::space::store_failed(&error)),
                _ => Ok(()),
            };
            if let Err(error) = noted {
                // It is tried again, also after a restart.
                tracing::warn!(
                    %error, space = %actor.key.short(),
                    "what was erased may still be in the files of the store"
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
        let whole = self.shared.until_ending();
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

impl Receive<UseAuthority> for SpaceActor {
    fn receive(
        &mut self,
        message: UseAuthority,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let used = match &mut self.space {
            Ok(space) => space.use_authority(message.authority, &store),
            Err(_) => {
                self.aside.use_authority(message.authority);
                Ok(())
            }
        };
        // What is to be done is done soon, so that what it does away with is gone soon.
        self.epochs.look_ms = 0;
        Answer::Now(used.map_err(|error| self.begin_again(&error, ctx)))
    }
}
