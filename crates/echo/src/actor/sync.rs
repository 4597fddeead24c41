//! Putting onto the disk what was written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dxos_actors::{Answer, Context, Receive};
use dxos_protocol::echo::{EchoError, Flush};
use dxos_store::Store;

use super::EchoActor;
use crate::core::space::store_failed;

/// How often it is looked whether the store failed while nothing was written.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A store that failed is not tried oftener than that.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl EchoActor {
    /// Syncs what was written, now and then, and tries again what failed.
    pub(super) fn sync_later(&self, ctx: &Context<Self>) {
        let failure = self.shared.watched.failure();
        let wait = match failure {
            Some(_) => self.sync_interval.max(RETRY_INTERVAL),
            None => self.sync_interval,
        };
        let timer = ctx.run_later(wait, |actor, ctx| {
            if actor.stopped {
                return;
            }
            let failure = actor.shared.watched.failure();
            if failure.as_ref().is_some_and(|failure| failure.lasts) {
                actor.sync_later(ctx);
                return;
            }
            let now = actor.shared.clock.now();
            let is_quiet = now.saturating_sub(actor.looked) >= LOOK_INTERVAL;
            if actor.shared.unsynced.swap(false, Ordering::AcqRel) || failure.is_some() {
                actor.looked = now;
                let store = Arc::clone(&actor.shared.watched);
                let spawner = ctx.spawner().clone();
                let probes = failure.is_some();
                let synced = move || if probes { store.probe() } else { store.sync() };
                let synced = async move { spawner.blocking(synced).await };
                ctx.spawn_then(synced, |actor, result, ctx| {
                    if let Ok(Err(error)) = result {
                        tracing::error!(%error, "acknowledged edits could not be synced");
                        actor.shared.unsynced.store(true, Ordering::Release);
                    }
                    actor.sync_later(ctx);
                });
            } else if is_quiet {
                actor.looked = now;
                let store = Arc::clone(&actor.shared.watched);
                let spawner = ctx.spawner().clone();
                let looked = async move { spawner.blocking(move || store.look()).await };
                ctx.spawn_then(looked, |actor, _, ctx| actor.sync_later(ctx));
            } else {
                actor.sync_later(ctx);
            }
        });
        drop(timer);
    }
}

impl Receive<Flush> for EchoActor {
    fn receive(&mut self, _: Flush, ctx: &Context<Self>) -> Answer<Result<(), EchoError>> {
        self.shared.unsynced.store(false, Ordering::Release);
        let store = Arc::clone(&self.shared.store);
        let spawner = ctx.spawner().clone();
        Answer::later(async move { sync(spawner, store).await })
    }
}

/// Syncs the store beside the actors.
pub(crate) async fn sync(
    spawner: dxos_actors::SpawnerHandle,
    store: Arc<dyn Store>,
) -> Result<(), EchoError> {
    match spawner.blocking(move || store.sync()).await {
        Ok(result) => result.map_err(|error| store_failed(&error)),
        Err(error) => Err(EchoError::Stopped {
            reason: error.to_string(),
        }),
    }
}
