//! Looking after what is stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive, SpawnError};
use dxos_protocol::echo::{
    CheckSpace, Checkup, CollectGarbage, EchoError, Garbage, GetStats, SpaceStats,
};
use dxos_store::Store;
use tokio::sync::oneshot;

use super::EchoActor;
use super::waiting::CHECKED;
use crate::core::layout::SpaceNumber;
use crate::core::{DeletedRecord, Subject, check, collect, stats};
use crate::ending::shutting_down;

pub(super) fn stopped(error: &SpawnError) -> EchoError {
    EchoError::Stopped {
        reason: error.to_string(),
    }
}

impl EchoActor {
    /// Reads or removes beside the actors.
    pub(super) fn aside<T: Send + 'static>(
        &self,
        ctx: &Context<Self>,
        job: impl FnOnce(&dyn Store) -> Result<T, EchoError> + Send + 'static,
    ) -> Answer<Result<T, EchoError>> {
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        Answer::later(async move {
            let done = spawner.blocking(move || job(&*store)).await;
            done.unwrap_or_else(|error| Err(stopped(&error)))
        })
    }

    fn begin_check(
        &mut self,
        message: CheckSpace,
        waiter: oneshot::Sender<Result<Checkup, EchoError>>,
        ctx: &Context<Self>,
    ) -> Result<(), EchoError> {
        let CheckSpace { space, repair } = message;
        let authority = self.authority()?;
        self.idle(&space)?;
        let was_open = self.spaces.contains_key(&space);
        let record = self.stored_record(&space)?;
        self.put_to_sleep(record.clone(), CHECKED, ctx, move |actor, ended, ctx| {
            let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&actor.shared.store));
            let (of, own) = (record, authority);
            let memory = Arc::clone(&actor.shared.memory);
            let checked = async move {
                ended?;
                let checked = spawner.blocking(move || {
                    let subject = Subject {
                        record: &of,
                        authority: &own,
                        memory: &memory,
                        store: &*store,
                    };
                    check(subject, repair)
                });
                checked.await.map_err(|error| stopped(&error))
            };
            ctx.spawn_then(checked, move |actor, checked, ctx| {
                if was_open {
                    actor.wake(space, ctx);
                } else {
                    actor.is_asleep(&space);
                }
                actor.reseal_closed(ctx);
                drop(waiter.send(checked));
            });
        });
        Ok(())
    }
}

impl Receive<GetStats> for EchoActor {
    fn receive(
        &mut self,
        GetStats { space }: GetStats,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceStats, EchoError>> {
        match self.running().and_then(|()| self.stored_record(&space)) {
            Ok(record) => self.aside(ctx, move |store| stats(&record, store)),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<CollectGarbage> for EchoActor {
    fn receive(
        &mut self,
        CollectGarbage { dry_run }: CollectGarbage,
        ctx: &Context<Self>,
    ) -> Answer<Result<Garbage, EchoError>> {
        let known = || -> Result<BTreeSet<SpaceNumber>, EchoError> {
            // Without the spaces nobody can tell what is of none.
            self.authority()?;
            let spaces = self.stored_spaces()?.into_iter();
            let deleted = DeletedRecord::all(&self.shared.store)?.into_iter();
            // What is just being removed is left to whoever does it.
            let deleted = deleted.filter(|deleted| !deleted.purged);
            let numbers = spaces.map(|record| record.number);
            Ok(numbers.chain(deleted.map(|d| d.was.number)).collect())
        };
        match known() {
            Ok(known) => {
                let below = self.next_number;
                self.aside(ctx, move |store| collect(&known, below, dry_run, store))
            }
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<CheckSpace> for EchoActor {
    fn receive(
        &mut self,
        message: CheckSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<Checkup, EchoError>> {
        let (waiter, checked) = oneshot::channel();
        match self.begin_check(message, waiter, ctx) {
            Err(error) => Answer::Now(Err(error)),
            Ok(()) => {
                Answer::later(async move { checked.await.unwrap_or_else(|_| Err(shutting_down())) })
            }
        }
    }
}
