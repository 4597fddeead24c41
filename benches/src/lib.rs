//! Benchmarks of whole clients, and load on real processes.
//!
//! The programs are `bench` (`cargo xtask bench`) and `load` (`cargo xtask load`). Every figure
//! is taken through the public surface of the client, with everything signed, sealed and
//! persisted. Figures depend on the machine: compare them only within one run, which is why
//! each run also measures what the disk and the network give without this project's layers.
//!
//! What it is not for: it proves nothing about correctness (`dxos-tests` and `dxos-sim` do), and
//! nothing else depends on it.
//!
//! ```
//! use std::time::Duration;
//! use dxos_benches::{Latencies, Unit};
//!
//! let mut latencies = Latencies::new();
//! for us in 1..=100 {
//!     latencies.record(Duration::from_micros(us));
//! }
//! let figures = latencies.figures("commit", Duration::ZERO);
//! assert_eq!(figures[0].name, "commit, p50");
//! assert_eq!((figures[0].value, figures[0].unit), (50.0, Unit::Microseconds));
//! ```

mod bench;
mod figures;
mod latency;
mod load;
mod setup;

pub use bench::{Arguments as BenchArguments, run as bench};
pub use figures::{Figure, Report, Unit};
pub use latency::Latencies;
pub use load::{Arguments as LoadArguments, run as load};
pub use setup::exit;
