//! Queues.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{
    AppendItems, Appended, Durability, EchoError, ListQueues, QueueItem, QueuePage, QueueReport,
    ReadItems, ReadQueue, SetRetention, WatchQueue,
};
use tokio::sync::watch;

use super::SpaceActor;

impl SpaceActor {
    /// Drops items that are older than their queue is to keep, though nobody appends.
    pub(super) fn expire_items(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else { return };
        let done = match space.expire_items(now_ms, (&store, &mut self.rng)) {
            Ok(Some(outcome)) => self.carry_out(outcome, ctx),
            Ok(None) => Ok(()),
            Err(error) => Err(self.begin_again(&error, ctx)),
        };
        if let Err(error) = done
            && self.told.is_new(&error)
        {
            tracing::warn!(%error, space = %self.key.short(), "old items of queues are not dropped yet");
        }
    }
}

impl Receive<AppendItems> for SpaceActor {
    fn receive(
        &mut self,
        message: AppendItems,
        ctx: &Context<Self>,
    ) -> Answer<Result<Appended, EchoError>> {
        let AppendItems {
            queue,
            items,
            durability,
            ..
        } = message;
        let result = self.step(ctx, |space, now_ms, (store, rng)| {
            space.append_items(&queue, items, now_ms, (store, rng))
        });
        match (result.flatten(), durability) {
            (Ok(appended), Durability::Synced) => self.durable(appended, ctx),
            (result, _) => Answer::Now(result),
        }
    }
}

impl Receive<SetRetention> for SpaceActor {
    fn receive(
        &mut self,
        message: SetRetention,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        let SetRetention {
            queue, retention, ..
        } = message;
        let result = self.step(ctx, |space, now_ms, (store, rng)| {
            space.set_retention(&queue, retention, now_ms, (store, rng))
        });
        Answer::Now(result.flatten())
    }
}

impl Receive<ReadQueue> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadQueue,
        _: &Context<Self>,
    ) -> Answer<Result<QueuePage, EchoError>> {
        let ReadQueue {
            queue, from, limit, ..
        } = message;
        let store = Arc::clone(&self.shared.store);
        let read = self.space();
        Answer::Now(read.and_then(|space| space.read_queue(&queue, from, limit, &store)))
    }
}

impl Receive<ReadItems> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadItems,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<QueueItem>, EchoError>> {
        let ReadItems {
            queue,
            order,
            beyond,
            limit,
            ..
        } = message;
        let store = Arc::clone(&self.shared.store);
        let read = self.space();
        Answer::Now(read.and_then(|space| space.read_items(&queue, (order, beyond), limit, &store)))
    }
}

impl Receive<ListQueues> for SpaceActor {
    fn receive(
        &mut self,
        message: ListQueues,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<QueueReport>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let listed = self.space();
        Answer::Now(listed.and_then(|space| space.queues(message.queue.as_deref(), &store)))
    }
}

impl Receive<WatchQueue> for SpaceActor {
    fn receive(
        &mut self,
        message: WatchQueue,
        _: &Context<Self>,
    ) -> Answer<Result<watch::Receiver<u64>, EchoError>> {
        Answer::Now(self.space().map(|space| space.watch_queue(&message.queue)))
    }
}
