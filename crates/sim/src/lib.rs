//! Whole clients in one thread under virtual time, with a network and disks that fail.
//!
//! A world is made of one number. From this seed come all keys, the network's latencies and
//! faults, what the disks lose in a crash, and what the peers do; so a run that went wrong can
//! be run again, step by step. [`run`] runs the [`Scenario`] of a seed and tells in a [`Report`]
//! what happened and whether what has to hold did hold:
//!
//! - once the network is whole and everyone is back, all replicas come to the same state;
//! - what was acknowledged as durable is there after a crash, and in the end everywhere;
//! - in the end all have signed that they stored everything, and each knows it of all;
//! - at no instant is a device said to have stored what its disk does not hold durably;
//! - a single-use invitation admits one guest;
//! - who joins after an epoch, when blocks were dropped for it, shows what all show;
//! - a device whose disk is restored from a backup loses nothing that another one has;
//! - no other honest device is found to have forked, and none fails;
//! - a queue has what each edit appended to it once, in one order on every device;
//! - a live query shows what a fresh one does, and a disk holds what its client showed.
//!
//! ```
//! use dxos_sim::{Options, run};
//!
//! let options = Options { steps: 5, ..Options::default() };
//! let report = run(7, &options);
//! assert_eq!(report.violation, None);
//! assert_eq!(report.hash, run(7, &options).hash);
//! ```
//!
//! What it is not for: how fast anything is (time is virtual), and real sockets, disks and
//! threads, for which there are `dxos-benches` and `dxos-tests`.

mod draw;
mod edits;
mod epochs;
mod faults;
mod finish;
mod images;
mod invite;
mod log;
mod outcasts;
mod peer;
mod receipts;
mod report;
mod scenario;
mod timeline;
mod world;

pub use report::{Counts, Options, Report, Violation};
pub use scenario::{Scenario, run};
pub use timeline::{Moment, Timeline, Traffic, What};
pub use world::World;
