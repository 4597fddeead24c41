//! Receipts of this device, signed once a sync has succeeded; and what is known of the others'.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{EchoError, GetSyncStatus, SyncStatus};

use super::SpaceActor;
use crate::actor::sync;
use crate::core::{Candidate, Outcome};

/// How long receipts that came are collected before they are stored and passed on.
const SPREAD_MS: u64 = 1_000;

impl SpaceActor {
    pub(super) fn do_receipts(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let Ok(space) = &mut self.space else { return };
        // A clock that was set back is not waited for.
        let is_due = now_ms >= self.spread_ms || self.spread_ms - now_ms > SPREAD_MS;
        if is_due && space.has_fresh_receipts() {
            self.spread_ms = now_ms.saturating_add(SPREAD_MS);
            let mut outcome = Outcome::default();
            let spread = space.spread_receipts(&mut outcome).map(|()| outcome);
            self.end_receipts(spread, ctx);
        }
        let Ok(space) = &mut self.space else { return };
        if let Some(candidate) = space.receipt_candidate(now_ms) {
            let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
            ctx.spawn_then(sync(spawner, store), |actor, synced, ctx| {
                actor.stored(candidate, &synced, ctx);
            });
        }
    }

    fn stored(
        &mut self,
        candidate: Candidate,
        synced: &Result<(), EchoError>,
        ctx: &Context<Self>,
    ) {
        let now_ms = self.shared.clock.wall_ms();
        let Ok(space) = &mut self.space else { return };
        if let Err(error) = synced {
            tracing::debug!(%error, "nothing is signed that may not be on the disk");
            space.drop_receipt();
            return;
        }
        let signed = space.sign_receipt(candidate, now_ms);
        self.end_receipts(signed, ctx);
    }

    fn end_receipts(&mut self, done: Result<Outcome, EchoError>, ctx: &Context<Self>) {
        let done = match done {
            Ok(outcome) => self.carry_out(outcome, ctx),
            Err(error) => Err(self.begin_again(&error, ctx)),
        };
        if let Err(error) = done {
            tracing::warn!(%error, space = %self.key.short(), "receipts were not stored");
        }
        self.report_soon(ctx);
    }
}

impl Receive<GetSyncStatus> for SpaceActor {
    fn receive(
        &mut self,
        message: GetSyncStatus,
        _: &Context<Self>,
    ) -> Answer<Result<SyncStatus, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let status = self
            .space()
            .and_then(|space| space.sync_status(message.object, &store));
        Answer::Now(status)
    }
}
