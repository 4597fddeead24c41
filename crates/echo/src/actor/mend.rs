//! What is derived and cannot be read is deleted of all spaces, while none of them is open.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_keys::SpaceKey;
use dxos_protocol::echo::{CheckDerived, DerivedCheckup, EchoError};
use dxos_store::Keyspace;
use tokio::sync::oneshot;

use super::EchoActor;
use super::care::stopped;
use crate::core::layout::SpaceRecord;
use crate::core::{Plan, empty, plan};
use crate::ending::shutting_down;

const DOING: &str = "repaired";

/// A repair under way.
struct Mending {
    records: Vec<SpaceRecord>,
    /// Those that were closed before.
    closed: Vec<SpaceKey>,
    /// Those that were open, as far as they were put to sleep.
    put_to_sleep: Vec<SpaceKey>,
    waiter: oneshot::Sender<Result<DerivedCheckup, EchoError>>,
}

impl EchoActor {
    fn begin_mend(
        &mut self,
        waiter: oneshot::Sender<Result<DerivedCheckup, EchoError>>,
        ctx: &Context<Self>,
    ) -> Result<(), EchoError> {
        self.authority()?;
        let records = self.stored_spaces()?;
        for record in &records {
            self.idle(&record.space)?;
        }
        let is_open = |record: &SpaceRecord| self.spaces.contains_key(&record.space);
        let (open, closed) = records.iter().cloned().partition::<Vec<_>, _>(is_open);
        let closed: Vec<_> = closed.iter().map(|record| record.space).collect();
        for space in &closed {
            self.is_doing(space, DOING);
        }
        let mending = Mending {
            records,
            closed,
            put_to_sleep: Vec::new(),
            waiter,
        };
        self.put_all_to_sleep(open, mending, ctx);
        Ok(())
    }

    fn put_all_to_sleep(
        &mut self,
        mut open: Vec<SpaceRecord>,
        mut mending: Mending,
        ctx: &Context<Self>,
    ) {
        let Some(record) = open.pop() else {
            return self.plan_mend(mending, ctx);
        };
        let space = record.space;
        // Something else may have been begun with it meanwhile.
        let idle = self.idle(&space);
        let idle = idle.and_then(|()| self.space(&space).map(drop));
        if let Err(error) = idle {
            return self.end_mend(mending, Err(error), ctx);
        }
        self.put_to_sleep(record, DOING, ctx, move |actor, ended, ctx| {
            mending.put_to_sleep.push(space);
            match ended {
                Ok(()) => actor.put_all_to_sleep(open, mending, ctx),
                Err(error) => actor.end_mend(mending, Err(error), ctx),
            }
        });
    }

    fn plan_mend(&mut self, mending: Mending, ctx: &Context<Self>) {
        let authority = match self.authority() {
            Ok(authority) => authority,
            Err(error) => return self.end_mend(mending, Err(error), ctx),
        };
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        let records = mending.records.clone();
        let memory = Arc::clone(&self.shared.memory);
        let planned = async move {
            let planned =
                spawner.blocking(move || plan(&records, (&authority, &memory), &*store, true));
            planned.await.unwrap_or_else(|error| Err(stopped(&error)))
        };
        ctx.spawn_then(planned, move |actor, planned, ctx| {
            let done = planned.and_then(|Plan { checkup, damaged }| {
                let emptied = !damaged.is_empty();
                if emptied {
                    actor.empty(&mending.records, &damaged)?;
                }
                Ok(DerivedCheckup { emptied, ..checkup })
            });
            actor.end_mend(mending, done, ctx);
        });
    }

    /// Nothing else happens here meanwhile, so that no space comes that is not marked.
    fn empty(&self, records: &[SpaceRecord], damaged: &[Keyspace]) -> Result<(), EchoError> {
        self.running()?;
        let known = |space| records.iter().any(|record| record.space == space);
        let all = self.stored_spaces()?.into_iter();
        for SpaceRecord { space, .. } in all {
            if self.spaces.contains_key(&space) || !known(space) {
                let doing = "opened";
                return Err(EchoError::SpaceBusy { space, doing });
            }
        }
        empty(records, damaged, &*self.shared.store)
    }

    fn end_mend(
        &mut self,
        mending: Mending,
        done: Result<DerivedCheckup, EchoError>,
        ctx: &Context<Self>,
    ) {
        for space in &mending.closed {
            self.is_asleep(space);
        }
        for space in mending.put_to_sleep {
            self.wake(space, ctx);
        }
        self.reseal_closed(ctx);
        drop(mending.waiter.send(done));
    }
}

impl Receive<CheckDerived> for EchoActor {
    fn receive(
        &mut self,
        CheckDerived { repair }: CheckDerived,
        ctx: &Context<Self>,
    ) -> Answer<Result<DerivedCheckup, EchoError>> {
        let authority = match self.authority() {
            Ok(authority) => authority,
            Err(error) => return Answer::Now(Err(error)),
        };
        if !repair {
            let memory = Arc::clone(&self.shared.memory);
            return self.aside(ctx, move |store| {
                plan(&[], (&authority, &memory), store, false).map(|plan| plan.checkup)
            });
        }
        let (waiter, mended) = oneshot::channel();
        match self.begin_mend(waiter, ctx) {
            Err(error) => Answer::Now(Err(error)),
            Ok(()) => Answer::later(async move {
                let mended = mended.await;
                mended.unwrap_or_else(|_| Err(shutting_down()))
            }),
        }
    }
}
