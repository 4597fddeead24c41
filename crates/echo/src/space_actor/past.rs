//! Reading the past, beside the actor: the space goes on meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxos_actors::{Answer, Context, Receive};
use dxos_document::{Object, Timeframe};
use dxos_protocol::echo::EchoError;
use dxos_protocol::history::{
    Compare, ComparePage, FeedReport, GetObjectAt, GetTimeframe, HistoryPage, ListConflicts,
    ListFeeds, Loser, ReadHistory, RunQueryAt, Undo, Undone,
};
use dxos_store::Read;
use tokio::sync::oneshot;

use super::SpaceActor;
use crate::core::Past;

/// Reads of the past that run at once, all spaces together: they take threads that syncs need.
pub(crate) const READS_MAX: usize = 2;

/// What is being read.
pub(super) type Reading<T> = Pin<Box<dyn Future<Output = Result<T, EchoError>>>>;

/// Ends a read when nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl SpaceActor {
    /// Runs a job on the past of the space, on another thread.
    pub(super) fn read_past<T: Send + 'static>(
        &mut self,
        ctx: &Context<Self>,
        job: impl FnOnce(&Past, &dyn Read) -> Result<T, EchoError> + Send + 'static,
    ) -> Reading<T> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(Arc::clone(&cancelled));
        let past = self.space().map(|space| space.past(cancelled));
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        let reads = Arc::clone(&self.shared.reads);
        Box::pin(async move {
            let _guard = guard;
            let past = past?;
            let stopped = |reason: String| EchoError::Stopped { reason };
            let turn = reads.acquire().await;
            let _turn = turn.map_err(|error| stopped(error.to_string()))?;
            let read = spawner.blocking(move || job(&past, &store)).await;
            read.map_err(|error| stopped(error.to_string()))?
        })
    }
}

impl Receive<GetTimeframe> for SpaceActor {
    fn receive(
        &mut self,
        _: GetTimeframe,
        _: &Context<Self>,
    ) -> Answer<Result<Timeframe, EchoError>> {
        Answer::Now(self.space().map(|space| space.timeframe()))
    }
}

impl Receive<ListFeeds> for SpaceActor {
    fn receive(
        &mut self,
        _: ListFeeds,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<FeedReport>, EchoError>> {
        Answer::Now(self.space().map(|space| space.feed_reports()))
    }
}

impl Receive<ListConflicts> for SpaceActor {
    fn receive(
        &mut self,
        message: ListConflicts,
        _: &Context<Self>,
    ) -> Answer<Result<std::collections::BTreeMap<dxos_document::Path, Vec<Loser>>, EchoError>>
    {
        let store = Arc::clone(&self.shared.store);
        let space = self.space();
        Answer::Now(space.and_then(|space| space.conflicts(&message.object, &store)))
    }
}

impl Receive<ReadHistory> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadHistory,
        ctx: &Context<Self>,
    ) -> Answer<Result<HistoryPage, EchoError>> {
        let ReadHistory {
            object,
            before,
            limit,
            ..
        } = message;
        Answer::Later(self.read_past(ctx, move |past, store| {
            past.history(store, object, before, limit)
        }))
    }
}

impl Receive<GetObjectAt> for SpaceActor {
    fn receive(
        &mut self,
        message: GetObjectAt,
        ctx: &Context<Self>,
    ) -> Answer<Result<Option<Object>, EchoError>> {
        Answer::Later(self.read_past(ctx, move |past, store| {
            past.object(store, message.timeframe, message.object)
        }))
    }
}

impl Receive<RunQueryAt> for SpaceActor {
    fn receive(
        &mut self,
        message: RunQueryAt,
        ctx: &Context<Self>,
    ) -> Answer<Result<Vec<Object>, EchoError>> {
        Answer::Later(self.read_past(ctx, move |past, store| {
            past.query(store, &message.timeframe, &message.query)
        }))
    }
}

impl Receive<Compare> for SpaceActor {
    fn receive(
        &mut self,
        message: Compare,
        ctx: &Context<Self>,
    ) -> Answer<Result<ComparePage, EchoError>> {
        Answer::Later(self.read_past(ctx, move |past, store| {
            let times = (&message.from, &message.until);
            past.compare(store, times, message.after, message.limit)
        }))
    }
}

impl Receive<Undo> for SpaceActor {
    fn receive(&mut self, message: Undo, ctx: &Context<Self>) -> Answer<Result<Undone, EchoError>> {
        let Undo { feed, seq, any, .. } = message;
        let identity = self.space().map(|space| space.identity());
        let by = match identity {
            Ok(identity) => (!any).then_some(identity),
            Err(error) => return Answer::Now(Err(error)),
        };
        let plan = self.read_past(ctx, move |past, store| {
            past.plan_undo(store, (feed, seq), by)
        });
        let (sender, undone) = oneshot::channel();
        ctx.spawn_then(plan, move |actor, plan, ctx| {
            let undone = plan.and_then(|plan| {
                let undone = actor.step(ctx, |space, now_ms, parts| {
                    let past = space.past(Arc::new(AtomicBool::new(false)));
                    let (store, rng) = parts;
                    space.undo(plan, &past, now_ms, (store, rng))
                });
                undone.flatten()
            });
            // Who gave up waiting needs no answer.
            let _ = sender.send(undone);
        });
        Answer::later(async move {
            undone.await.unwrap_or_else(|_| {
                Err(EchoError::Stopped {
                    reason: "it stopped before the transaction was undone".to_owned(),
                })
            })
        })
    }
}
