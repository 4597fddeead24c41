//! Receipts of this device, signed once a sync has succeeded; and what is known of the others'.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{EchoError, GetSyncStatus, SyncStatus};
use tokio::sync::oneshot;

use super::SpaceActor;
use crate::actor::sync;
use crate::core::{Candidate, Outcome};

/// How long receipts that came are collected before they are stored and passed on.
const SPREAD_MS: u64 = 1_000;

/// How long a device that deletes a space waits for its peers to hear of it: also for one to come,
/// as whoever opens a client to delete a space is not connected yet.
const WITHDRAWAL_PATIENCE: Duration = Duration::from_secs(5);

/// Takes back what this device signed to have stored, before the space is deleted. Answered when
/// a peer knows, and all that are there, or when they have been waited for long enough.
#[derive(Debug)]
pub(crate) struct Withdraw;

impl dxos_wire::Request for Withdraw {
    type Reply = ();
    const NAME: &'static str = "Withdraw";
}

/// A withdrawal that peers are still to hear of.
pub(super) struct Withdrawal {
    until: Duration,
    waiter: Option<oneshot::Sender<()>>,
}

impl SpaceActor {
    pub(super) fn do_receipts(&mut self, now_ms: u64, ctx: &Context<Self>) {
        self.end_withdrawal();
        let Ok(space) = &mut self.space else { return };
        // A clock that was set back is not waited for.
        let is_due = now_ms >= self.spread_ms || self.spread_ms - now_ms > SPREAD_MS;
        if is_due && space.has_fresh_receipts() {
            self.spread_ms = now_ms.saturating_add(SPREAD_MS);
            let mut outcome = Outcome::default();
            let spread = space.spread_receipts(&mut outcome).map(|()| outcome);
            self.end_receipts(spread, ctx);
        }
        if self.withdrawal.is_some() {
            return;
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

    /// Answers who waits for the peers to hear that nothing is stored here any more.
    pub(super) fn end_withdrawal(&mut self) {
        let Some(withdrawal) = &mut self.withdrawal else {
            return;
        };
        let is_heard = (self.space.as_ref()).map_or(true, |space| space.is_withdrawal_heard());
        let is_over = is_heard || self.shared.clock.now() >= withdrawal.until;
        if is_over && let Some(waiter) = withdrawal.waiter.take() {
            // Who gave up waiting needs no answer.
            let _ = waiter.send(());
        }
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

impl Receive<Withdraw> for SpaceActor {
    fn receive(&mut self, _: Withdraw, ctx: &Context<Self>) -> Answer<()> {
        let now_ms = self.shared.clock.wall_ms();
        let Ok(space) = &mut self.space else {
            return Answer::Now(());
        };
        let withdrawn = space.withdraw_receipts(now_ms);
        let (waiter, ended) = oneshot::channel();
        self.withdrawal = Some(Withdrawal {
            until: self.shared.clock.now() + WITHDRAWAL_PATIENCE,
            waiter: Some(waiter),
        });
        self.end_receipts(withdrawn, ctx);
        self.end_withdrawal();
        Answer::later(async move {
            // One that ends instead has nobody left to tell.
            drop(ended.await);
        })
    }
}
