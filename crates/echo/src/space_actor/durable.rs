//! Edits that are to be acknowledged only when they are on the disk: many share one sync.

use std::sync::Arc;

use dxos_actors::{Answer, Context};
use dxos_protocol::echo::EchoError;
use tokio::sync::oneshot;

use super::SpaceActor;
use crate::actor::sync;

/// Who waits for a sync.
#[derive(Default)]
pub(super) struct Waiting {
    next: Vec<oneshot::Sender<Result<(), EchoError>>>,
    is_syncing: bool,
}

impl SpaceActor {
    /// Writes large states whole that nobody edits any more.
    pub(super) fn compact(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let batch = (self.space.as_deref_mut().ok()).and_then(|space| space.compact(now_ms));
        if let Some(batch) = batch
            && let Err(error) = self.write(batch, false)
        {
            drop(self.begin_again(&error, ctx));
        }
    }

    /// Answers once everything that was written before is on the disk.
    pub(super) fn durable<T: Send + 'static>(
        &mut self,
        answer: T,
        ctx: &Context<Self>,
    ) -> Answer<Result<T, EchoError>> {
        let (sender, synced) = oneshot::channel();
        self.waiting.next.push(sender);
        self.sync_now(ctx);
        Answer::later(async move {
            match synced.await {
                Ok(result) => result.map(|()| answer),
                Err(_) => Err(EchoError::Stopped {
                    reason: "it stopped before the edit was synced".to_owned(),
                }),
            }
        })
    }

    /// Starts a sync for all who wait, unless one is going on: then it comes after that one.
    fn sync_now(&mut self, ctx: &Context<Self>) {
        if self.waiting.is_syncing || self.waiting.next.is_empty() {
            return;
        }
        self.waiting.is_syncing = true;
        let waiting = std::mem::take(&mut self.waiting.next);
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        let synced = sync(spawner, store);
        ctx.spawn_then(synced, |actor, result, ctx| {
            for sender in waiting {
                // Who gave up waiting needs no answer.
                let _ = sender.send(result.clone());
            }
            actor.waiting.is_syncing = false;
            actor.sync_now(ctx);
        });
    }
}
