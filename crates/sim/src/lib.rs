//! Whole clients in one thread under virtual time: a network that delays, drops and partitions,
//! disks that lose what was not synced, peers that crash and come back. Everything follows from
//! one number, the seed, and so does the trace: a failure is replayed by its seed.
//!
//! It is not for measuring: nothing takes time here but what is said to.
//!
//! ```
//! use dxos_sim::{Options, run};
//! let options = Options { peers: 2, steps: 10 };
//! let one = run(7, options);
//! assert_eq!(one.failure, None);
//! assert_eq!(run(7, options).trace, one.trace);
//! ```

mod peer;
mod scenario;
mod world;

use dxos_actors::testing;
use serde::Serialize;

use crate::world::World;

/// What a world is like, besides what its seed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many peers there are, at least 2.
    pub peers: u32,
    /// How many steps it takes before everything is healed and must come to rest.
    pub steps: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            peers: 3,
            steps: 60,
        }
    }
}

/// How a world ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The number that replays it.
    pub seed: u64,
    /// The hash of every frame that was sent, and of the states at the end, in hexadecimal.
    pub trace: String,
    /// What did not hold, if anything.
    pub failure: Option<String>,
    /// What happened.
    pub counts: Counts,
    /// How long it took, in the world's own time.
    pub virtual_ms: u64,
}

/// What happened in a world. A fault that never happened was not tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Transactions that were acknowledged.
    pub commits: u64,
    /// Objects that must be everywhere at the end.
    pub objects: u64,
    /// Peers that were killed or lost power.
    pub crashes: u64,
    /// Batches that a loss of power took.
    pub batches_lost: u64,
    /// Peers that were closed and opened again.
    pub restarts: u64,
    /// Times that a peer went offline.
    pub offline: u64,
    /// Partitions.
    pub partitions: u64,
    /// Connections that broke or timed out.
    pub connections_lost: u64,
    /// Frames that were sent.
    pub frames: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.objects += other.objects;
        self.crashes += other.crashes;
        self.batches_lost += other.batches_lost;
        self.restarts += other.restarts;
        self.offline += other.offline;
        self.partitions += other.partitions;
        self.connections_lost += other.connections_lost;
        self.frames += other.frames;
    }
}

/// Runs the world of a seed.
pub fn run(seed: u64, options: Options) -> Report {
    testing::run(seed, |shared| async move {
        let mut world = World::new(&shared, options.peers.max(2) as usize);
        let failure = world
            .play(options.steps)
            .await
            .err()
            .map(|error| format!("{error:#}"));
        world.report(failure)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_world_and_another_is_another() {
        let options = Options {
            peers: 3,
            steps: 20,
        };
        let one = run(1, options);
        assert_eq!(one.failure, None);
        assert!(one.counts.commits > 0 && one.counts.frames > 0);
        assert_eq!(run(1, options), one);
        assert_ne!(run(2, options).trace, one.trace);
    }

    #[test]
    fn a_few_worlds_converge() {
        let mut counts = Counts::default();
        for seed in 100..106 {
            let report = run(seed, Options::default());
            assert_eq!(report.failure, None, "seed {seed}");
            counts += report.counts;
        }
        // Or nothing was shown.
        assert!(counts.crashes > 0 && counts.partitions > 0 && counts.connections_lost > 0);
    }
}
