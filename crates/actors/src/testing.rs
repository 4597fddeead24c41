//! Tests in virtual time.

use std::future::Future;

use tokio::{runtime::Builder, task::LocalSet};

use crate::{clock::Clock, failure::Failures, seed::SeedTree, spawner::Spawner};

/// The wall time at which a world begins: 2025-06-15T15:06:40Z.
pub const EPOCH_MS: u64 = 1_750_000_000_000;

/// What a scenario is given.
#[derive(Debug)]
pub struct World {
    /// The number that replays the scenario.
    pub seed: u64,
    /// Randomness, all of it from the seed.
    pub seeds: SeedTree,
    /// Virtual time.
    pub clock: Clock,
    /// Where actors and tasks run: the thread of the scenario.
    pub spawner: Spawner,
    /// The failure hook of the spawner.
    pub failures: Failures,
}

/// Runs a scenario on the current thread in virtual time: when everything waits, time jumps to
/// the next timer. An hour takes no time, and the same seed gives the same run.
///
/// ```
/// use std::time::Duration;
/// let ms = dxos_actors::testing::run(7, |world| async move {
///     world.clock.sleep(Duration::from_secs(3600)).await;
///     world.clock.now_ms()
/// });
/// assert_eq!(ms, 3_600_000);
/// ```
///
/// # Panics
///
/// When the scenario does; when an actor or task failed and the scenario did not look at it
/// through [`Failures::first`] or [`Failures::wait`]; within another runtime.
#[expect(clippy::panic, reason = "a failed test panics")]
pub fn run<F, Fut, T>(seed: u64, scenario: F) -> T
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = T>,
{
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime for the test: {error}"),
    };
    let failures = Failures::new();
    let local = LocalSet::new();
    let output = local.block_on(&runtime, async {
        let world = World {
            seed,
            seeds: SeedTree::from_seed(seed),
            clock: Clock::simulated(EPOCH_MS),
            spawner: Spawner::local(&failures),
            failures: failures.clone(),
        };
        scenario(world).await
    });
    {
        let entered = runtime.enter();
        drop(local);
        drop(entered);
    }
    if let Some(failure) = failures.unobserved() {
        panic!("with seed {seed}: {failure}");
    }
    output
}
