//! Opening, closing and deleting spaces.
//!
//! A space that is closed has no actor: what is kept of it here is its record. While its actor
//! ends it can neither be opened nor deleted, so that two of them never write at once.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Answer, Context, Port, Receive, Shutdown};
use dxos_keys::{SealingKey, SpaceKey, Topic};
use dxos_protocol::echo::{
    CloseSpace, CreateClone, DeleteSpace, EchoError, GetSpace, OpenSpace, SpaceReason, SpaceReport,
    SpaceState, WatchSpace,
};
use dxos_protocol::mesh::LeaveSwarm;
use dxos_store::{Batch, Durability, Read, Store};
use tokio::sync::{oneshot, watch};

use super::waiting::Woken;
use super::{EchoActor, PASS_DEADLINE, pass, sync};
use crate::core::layout::SpaceRecord;
use crate::core::space::store_failed;
use crate::core::{DeletedRecord, Restoring, closed_report, note_closed, purge};
use crate::ending::shutting_down;
use crate::space_actor::{Start, Withdraw};

/// How long the actor of a space may take to write what it has not written.
const END_DEADLINE: Duration = Duration::from_secs(60);

/// A space without an actor.
pub(super) struct Asleep {
    record: SpaceRecord,
    /// What is being done to it just now.
    doing: Option<&'static str>,
    /// Whom to tell when it is open again, if that is all there is to wait for.
    pub(super) woken: Option<Woken>,
    /// The encryption key that it can do without all others of this device.
    pub(super) resealed: Option<SealingKey>,
    /// The one that it was to go over to last.
    pub(super) resealed_for: Option<SealingKey>,
}

impl Asleep {
    const fn new(record: SpaceRecord, doing: Option<&'static str>) -> Self {
        Self {
            record,
            doing,
            woken: None,
            resealed: None,
            resealed_for: None,
        }
    }
}

/// What waits for the end of something.
type Waiter = oneshot::Sender<Result<(), EchoError>>;

/// The incarnation of this device's feeds in a space that it takes up: another one than before,
/// if it had deleted the space.
pub(super) fn next_incarnation(space: SpaceKey, store: &dyn Read) -> Result<u32, EchoError> {
    match DeletedRecord::of(&space, store)? {
        None => Ok(0),
        Some(deleted) if !deleted.purged => Err(EchoError::SpaceBusy {
            space,
            doing: "deleted",
        }),
        Some(deleted) => Ok(deleted.was.incarnation.saturating_add(1)),
    }
}

impl EchoActor {
    /// Whether a space is on this device, open or not.
    pub(super) fn is_here(&self, space: &SpaceKey) -> bool {
        self.spaces.contains_key(space) || self.asleep.contains_key(space)
    }

    /// Why a space is not among those that are open.
    pub(super) fn not_open(&self, space: SpaceKey) -> EchoError {
        match self.asleep.get(&space) {
            None => EchoError::UnknownSpace { space },
            Some(Asleep {
                doing: Some(doing), ..
            }) => EchoError::SpaceBusy { space, doing },
            Some(_) => EchoError::SpaceClosed { space },
        }
    }

    /// Refuses a space that is not here, or that something is being done to.
    pub(super) fn idle(&self, space: &SpaceKey) -> Result<(), EchoError> {
        if self.leaving.contains(space) {
            return Err(EchoError::SpaceBusy {
                space: *space,
                doing: "deleted",
            });
        }
        let is_busy = |asleep: &Asleep| asleep.doing.is_some();
        if !self.is_here(space) || self.asleep.get(space).is_some_and(is_busy) {
            return Err(self.not_open(*space));
        }
        Ok(())
    }

    /// Tells those who follow which spaces there are.
    pub(super) fn list(&self) {
        let mut all: Vec<_> = self.spaces.keys().chain(self.asleep.keys()).collect();
        all.sort();
        self.listed.send_replace(all.into_iter().copied().collect());
    }

    /// Where a space is reported on.
    pub(super) fn report_of(
        &mut self,
        space: SpaceKey,
        state: SpaceState,
        reason: SpaceReason,
    ) -> watch::Sender<SpaceReport> {
        let new = || watch::Sender::new(SpaceReport::of_state(space, state, Some(reason)));
        self.reports.entry(space).or_insert_with(new).clone()
    }

    fn tell(&self, report: SpaceReport) {
        if let Some(sender) = self.reports.get(&report.space) {
            sender.send_replace(report);
        }
    }

    pub(super) fn report_asleep(&self, space: &SpaceKey) -> Option<SpaceReport> {
        let asleep = self.asleep.get(space)?;
        Some(closed_report(&asleep.record, &self.shared.store))
    }

    pub(super) fn reports_asleep(&self) -> Vec<SpaceReport> {
        let all = self.asleep.keys();
        all.filter_map(|space| self.report_asleep(space)).collect()
    }

    /// A space that was closed before is here, and stays closed.
    pub(super) fn lay_down(&mut self, record: SpaceRecord) {
        let space = record.space;
        let (state, reason) = (SpaceState::Closed, SpaceReason::ClosedByUser);
        drop(self.report_of(space, state, reason));
        let asleep = Asleep::new(record, None);
        self.asleep.insert(space, asleep);
        self.list();
    }

    /// A closed space, to which nothing is being done, that was not told to go over to an
    /// encryption key.
    pub(super) fn next_to_reseal(&mut self, own: SealingKey) -> Option<SpaceKey> {
        let mut idle = self
            .asleep
            .iter_mut()
            .filter(|(_, asleep)| asleep.doing.is_none());
        let (space, asleep) = idle.find(|(_, asleep)| asleep.resealed_for != Some(own))?;
        asleep.resealed_for = Some(own);
        Some(*space)
    }

    /// Notes that something is being done to a closed space.
    pub(super) fn is_doing(&mut self, space: &SpaceKey, doing: &'static str) {
        if let Some(asleep) = self.asleep.get_mut(space) {
            asleep.doing = Some(doing);
        }
    }

    pub(super) fn stored_record(&self, space: &SpaceKey) -> Result<SpaceRecord, EchoError> {
        let all = self.stored_spaces()?;
        let found = all.into_iter().find(|record| record.space == *space);
        found.ok_or(EchoError::UnknownSpace { space: *space })
    }

    fn write_synced(&self, batch: Batch) -> Result<(), EchoError> {
        let committed = self.shared.store.commit(batch, Durability::Synced);
        committed.map_err(|error| store_failed(&error))
    }

    /// Ends the actor of a space; `then` is called when it writes no more. Until then the space
    /// is busy.
    pub(super) fn put_to_sleep(
        &mut self,
        record: SpaceRecord,
        doing: &'static str,
        ctx: &Context<Self>,
        then: impl FnOnce(&mut Self, Result<(), EchoError>, &Context<Self>) + 'static,
    ) {
        let space = record.space;
        let topic = Topic::of_space(&space);
        let address = self.spaces.remove(&space);
        self.topics.remove(&topic);
        self.sessions.retain(|_, of| *of != space);
        let asleep = Asleep::new(record, Some(doing));
        self.asleep.insert(space, asleep);
        let leave = self.shared.mesh.as_ref().map(|mesh| mesh.leave.clone());
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        let ended = async move {
            if let Some(address) = address {
                let port: Port<Shutdown> = address.port().with_deadline(PASS_DEADLINE);
                // One that failed before has nothing more to write.
                if let Err(error) = port
                    .ask(Shutdown {
                        deadline: END_DEADLINE,
                    })
                    .await
                {
                    tracing::debug!(%error, "the space had stopped");
                }
            }
            if let Some(leave) = leave
                && let Ok(Err(error)) = leave.ask(LeaveSwarm { topic }).await
            {
                tracing::debug!(%error, "the swarm of the space");
            }
            sync(spawner, store).await
        };
        ctx.spawn_then(ended, then);
    }

    fn close(
        &mut self,
        space: SpaceKey,
        waiter: Waiter,
        ctx: &Context<Self>,
    ) -> Result<(), EchoError> {
        let record = self.stored_record(&space)?;
        // From here on it stays closed, whatever happens.
        self.write_synced(note_closed(record.number, true))?;
        self.put_to_sleep(record, "closed", ctx, move |actor, ended, ctx| {
            actor.is_asleep(&space);
            drop(waiter.send(ended));
            actor.reseal_closed(ctx);
        });
        Ok(())
    }

    /// A space that was put to sleep is opened again, as far as that is possible. Its record, and
    /// what it signs and opens with, may have been replaced meanwhile.
    pub(super) fn wake(&mut self, space: SpaceKey, ctx: &Context<Self>) {
        match (self.stored_record(&space), self.authority()) {
            (Ok(record), Ok(authority)) => {
                self.start(space, Start::Stored(record, Box::new(authority)), ctx);
            }
            _ => self.is_asleep(&space),
        }
    }

    /// What was being done to a closed space is over.
    pub(super) fn is_asleep(&mut self, space: &SpaceKey) {
        if let Some(asleep) = self.asleep.get_mut(space) {
            asleep.doing = None;
            asleep.woken = None;
        }
        if let Some(report) = self.report_asleep(space) {
            self.tell(report);
        }
    }

    fn open(&mut self, space: SpaceKey, ctx: &Context<Self>) -> Result<(), EchoError> {
        let authority = self.authority()?;
        let number = match self.asleep.get(&space) {
            None => return Ok(()),
            Some(Asleep { doing: Some(_), .. }) => return Err(self.not_open(space)),
            Some(Asleep { record, .. }) => record.number,
        };
        let record = self.stored_record(&space)?;
        self.write_synced(note_closed(number, false))?;
        self.start(space, Start::Stored(record, Box::new(authority)), ctx);
        Ok(())
    }

    fn delete(
        &mut self,
        space: SpaceKey,
        waiter: Waiter,
        ctx: &Context<Self>,
    ) -> Result<(), EchoError> {
        self.running()?;
        self.idle(&space)?;
        if let Some(asleep) = self.asleep.get(&space) {
            // It is opened for that alone, and stays noted as closed.
            let record = asleep.record.clone();
            let authority = Box::new(self.authority()?);
            self.start(space, Start::Stored(record, authority), ctx);
        }
        // Its peers are told before, so that none of them counts on this device any more.
        let withdraw: Port<Withdraw> = self.space(&space)?.port().with_deadline(PASS_DEADLINE);
        self.leaving.insert(space);
        let withdrawn = async move { withdraw.ask(Withdraw).await };
        ctx.spawn_then(withdrawn, move |actor, told, ctx| {
            if let Err(error) = told {
                tracing::warn!(%error, space = %space.short(), "peers do not know of the deletion");
            }
            actor.leaving.remove(&space);
            actor.delete_told(space, waiter, ctx);
        });
        Ok(())
    }

    fn delete_told(&mut self, space: SpaceKey, waiter: Waiter, ctx: &Context<Self>) {
        let idle = self.running().and_then(|()| self.idle(&space));
        let record = match idle.and_then(|()| self.stored_record(&space)) {
            Ok(record) => record,
            Err(error) => {
                drop(waiter.send(Err(error)));
                return;
            }
        };
        self.put_to_sleep(record, "deleted", ctx, move |actor, ended, ctx| {
            let begun = ended.and_then(|()| {
                // With the incarnation that its actor had come to.
                let (deleted, batch) = DeletedRecord::begin(actor.stored_record(&space)?)?;
                actor.write_synced(batch)?;
                Ok(deleted)
            });
            match begun {
                Ok(deleted) => actor.purge(deleted, Some(waiter), ctx),
                Err(error) => {
                    // It is as it was, but closed until the next start.
                    actor.is_asleep(&space);
                    actor.reseal_closed(ctx);
                    drop(waiter.send(Err(error)));
                }
            }
        });
    }

    /// Removes a space, before it is opened at the start, if it is a clone that was cut off while
    /// it was made. Nobody was told of it.
    pub(super) fn remove_cut_off(
        &mut self,
        record: &SpaceRecord,
        ctx: &Context<Self>,
    ) -> Result<bool, EchoError> {
        if Restoring::stored(record.number, &self.shared.store)? != Some(Restoring::Clone) {
            return Ok(false);
        }
        let (deleted, batch) = DeletedRecord::begin(record.clone())?;
        self.write_synced(batch)?;
        tracing::warn!(
            space = %record.space.short(),
            "a clone from an archive was cut off while it was made, and is removed"
        );
        self.purge(deleted, None, ctx);
        Ok(true)
    }

    /// Removes everything of a space whose deletion has begun.
    pub(super) fn purge(
        &mut self,
        deleted: DeletedRecord,
        waiter: Option<Waiter>,
        ctx: &Context<Self>,
    ) {
        let space = deleted.was.space;
        self.asleep.remove(&space);
        let (state, reason) = (SpaceState::Deleted, SpaceReason::DeletedByUser);
        self.tell(SpaceReport::of_state(space, state, Some(reason)));
        self.reports.remove(&space);
        self.list();
        let (spawner, store) = (ctx.spawner().clone(), self.shared.until_ending());
        let purged = async move { spawner.blocking(move || purge(deleted, &store)).await };
        ctx.spawn_then(purged, move |actor, purged, _| {
            let purged = purged.unwrap_or_else(|error| {
                Err(EchoError::Stopped {
                    reason: error.to_string(),
                })
            });
            if let Err(error) = &purged
                && !actor.shared.ending.is_set()
            {
                tracing::warn!(
                    %error,
                    space = %space.short(),
                    "not all of a deleted space is removed; the next start goes on"
                );
            }
            drop(waiter.map(|waiter| waiter.send(purged)));
        });
    }
}

/// Answers when what was begun has ended.
fn when_done(
    begun: Result<(), EchoError>,
    ended: oneshot::Receiver<Result<(), EchoError>>,
) -> Answer<Result<(), EchoError>> {
    match begun {
        Err(error) => Answer::Now(Err(error)),
        Ok(()) => {
            Answer::later(async move { ended.await.unwrap_or_else(|_| Err(shutting_down())) })
        }
    }
}

impl Receive<CreateClone> for EchoActor {
    fn receive(
        &mut self,
        message: CreateClone,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        match self.create(message.properties, Some(Restoring::Clone), ctx) {
            Ok(space) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<CloseSpace> for EchoActor {
    fn receive(
        &mut self,
        CloseSpace { space }: CloseSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        match self.space(&space).map(drop) {
            Ok(()) if self.leaving.contains(&space) => {
                return Answer::Now(self.idle(&space));
            }
            Ok(()) => {}
            Err(EchoError::SpaceClosed { .. }) => return Answer::Now(Ok(())),
            Err(error) => return Answer::Now(Err(error)),
        }
        let (waiter, ended) = oneshot::channel();
        when_done(self.close(space, waiter, ctx), ended)
    }
}

impl Receive<OpenSpace> for EchoActor {
    fn receive(
        &mut self,
        OpenSpace { space }: OpenSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        match self.open(space, ctx) {
            Ok(()) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<DeleteSpace> for EchoActor {
    fn receive(
        &mut self,
        DeleteSpace { space }: DeleteSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        let (waiter, ended) = oneshot::channel();
        when_done(self.delete(space, waiter, ctx), ended)
    }
}

impl Receive<GetSpace> for EchoActor {
    fn receive(
        &mut self,
        GetSpace { space }: GetSpace,
        _: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        self.report(space)
    }
}

impl Receive<WatchSpace> for EchoActor {
    fn receive(
        &mut self,
        message: WatchSpace,
        _: &Context<Self>,
    ) -> Answer<Result<watch::Receiver<SpaceReport>, EchoError>> {
        let space = message.space;
        if let Some(report) = self.report_asleep(&space) {
            let sender = self.report_of(space, SpaceState::Closed, SpaceReason::ClosedByUser);
            sender.send_if_modified(|old| {
                let changed = *old != report;
                *old = report;
                changed
            });
            return Answer::Now(Ok(sender.subscribe()));
        }
        pass(self.space(&space), message)
    }
}
