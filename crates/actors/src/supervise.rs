//! Builds actors, and builds them again when they fail.

use std::{
    collections::VecDeque,
    future::{Future, Ready, ready},
    sync::Weak,
    time::Duration,
};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use tokio::time::{Instant, sleep};

use crate::{
    behaviour::Behaviour,
    context::Context,
    failure::{FailureReason, NodeFailure},
    group::TaskGroup,
    host::{Exit, Incarnation},
    mailbox::{Address, Slot},
    panics::catch,
    seed::SeedTree,
    spawner::SpawnerHandle,
};

/// When a failed actor is built again, and when it is given up.
///
/// The delay doubles with every failure within the window, up to a maximum; a random part of
/// up to half of it is taken off, so that actors that failed together do not return together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restart {
    /// The delay before the first restart; 100 ms by default.
    pub delay_first: Duration,
    /// The greatest delay; 10 s by default.
    pub delay_max: Duration,
    /// How many restarts are allowed within the window; 5 by default. At the next failure the
    /// node stops. 0 never restarts.
    pub restarts_max: u32,
    /// How long a failure counts; 60 s by default.
    pub window: Duration,
    /// The seed of the random part.
    pub seed: [u8; 32],
}

impl Restart {
    /// Returns the default policy, with a seed for the random part of the delays.
    pub fn new(seeds: &SeedTree) -> Self {
        Self {
            delay_first: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            restarts_max: 5,
            window: Duration::from_secs(60),
            seed: seeds.child("restart").bytes(),
        }
    }

    /// Returns the policy of an actor that is not built again.
    pub(crate) fn never() -> Self {
        Self {
            delay_first: Duration::ZERO,
            delay_max: Duration::ZERO,
            restarts_max: 0,
            window: Duration::ZERO,
            seed: [0; 32],
        }
    }

    /// Returns this policy with another number of restarts within another window.
    #[must_use]
    pub fn with_limit(self, restarts_max: u32, window: Duration) -> Self {
        Self {
            restarts_max,
            window,
            ..self
        }
    }

    /// Returns this policy with other delays.
    #[must_use]
    pub fn with_delays(self, delay_first: Duration, delay_max: Duration) -> Self {
        Self {
            delay_first,
            delay_max,
            ..self
        }
    }
}

/// A policy in use.
struct Backoff {
    policy: Restart,
    restarts: VecDeque<Instant>,
    rng: ChaCha20Rng,
}

impl Backoff {
    fn new(policy: Restart) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(policy.seed),
            restarts: VecDeque::new(),
            policy,
        }
    }

    /// Returns the number of restarts within the window.
    fn restarts(&mut self, now: Instant) -> u32 {
        while let Some(first) = self.restarts.front()
            && now.duration_since(*first) > self.policy.window
        {
            self.restarts.pop_front();
        }
        u32::try_from(self.restarts.len()).unwrap_or(u32::MAX)
    }

    /// Returns the delay before the next restart, or `None` when there is to be none.
    fn delay(&mut self, now: Instant) -> Option<Duration> {
        let restarts = self.restarts(now);
        if restarts >= self.policy.restarts_max {
            return None;
        }
        self.restarts.push_back(now);
        let factor = 2_u32.saturating_pow(restarts);
        let delay = self
            .policy
            .delay_first
            .saturating_mul(factor)
            .min(self.policy.delay_max);
        // Parts in 2^32 of the half that may be taken off.
        let part = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        Some(delay.saturating_sub(delay.mul_f64(part / 2.0)))
    }
}

/// An actor that is still to live: when this is dropped, its ports close.
pub(crate) struct Life<B: Behaviour, F> {
    slot: Closing<B>,
    build: F,
    restart: Restart,
}

/// Returns the life of an actor that is built once.
pub(crate) fn once<B: Behaviour, F: FnOnce() -> B>(
    address: &Address<B>,
    make: F,
) -> Life<B, impl FnMut() -> Ready<Result<B, String>> + use<B, F>> {
    let mut make = Some(make);
    let build = move || {
        let make = make
            .take()
            .ok_or_else(|| "it is built only once".to_owned());
        ready(make.map(|make| make()))
    };
    Life::new(address, build, Restart::never())
}

impl<B, F, Fut> Life<B, F>
where
    B: Behaviour,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<B, String>>,
{
    pub(crate) fn new(address: &Address<B>, build: F, restart: Restart) -> Self {
        Self {
            slot: Closing(address.slot()),
            build,
            restart,
        }
    }

    /// Lives it as a task of a group.
    pub(crate) fn spawn_into(self, group: &TaskGroup, spawner: &SpawnerHandle)
    where
        F: 'static,
        Fut: 'static,
    {
        group.spawn_local(B::NAME, self.live(group.clone(), spawner.clone()));
    }

    async fn live(mut self, group: TaskGroup, spawner: SpawnerHandle) {
        let mut backoff = Backoff::new(self.restart.clone());
        loop {
            let Exit::Failed(reason) = self.incarnation(&group, &spawner).await else {
                return;
            };
            let now = Instant::now();
            let Some(delay) = backoff.delay(now) else {
                group.report(NodeFailure {
                    actor: B::NAME.to_owned(),
                    reason,
                    restarts: backoff.restarts(now),
                });
                return;
            };
            tracing::error!(
                actor = B::NAME,
                ?delay,
                "failed, will be restarted: {reason}"
            );
            if let Some(slot) = self.slot.0.upgrade() {
                slot.unbind();
            }
            sleep(delay).await;
            // It may have been stopped meanwhile: then it is not built in vain.
            if self.slot.0.upgrade().is_none_or(|slot| slot.is_over()) {
                return;
            }
        }
    }

    async fn incarnation(&mut self, group: &TaskGroup, spawner: &SpawnerHandle) -> Exit {
        // Called within, so that a panic of the closure itself is caught as well.
        let built = catch(async { (self.build)().await }).await;
        let behaviour = match built {
            Ok(Ok(behaviour)) => behaviour,
            Ok(Err(text)) | Err(text) => return Exit::Failed(FailureReason::NotBuilt { text }),
        };
        let Some(slot) = self.slot.0.upgrade() else {
            return Exit::Stopped;
        };
        let ctx = Context::new(self.slot.0.clone(), group, spawner.clone());
        let incarnation = Incarnation::new(behaviour, ctx, &slot);
        // The ports keep the actor alive, not its own task.
        drop(slot);
        match incarnation {
            Some(incarnation) => incarnation.await,
            None => Exit::Stopped,
        }
    }
}

/// Closes the ports of an actor when its task ends, however it ends.
struct Closing<B: Behaviour>(Weak<Slot<B>>);

impl<B: Behaviour> Drop for Closing<B> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.upgrade() {
            slot.close();
        }
    }
}
