//! A network in memory, for tests and simulation.
//!
//! It starts no task and owns no thread. Every frame carries the instant at which it is due,
//! computed when it is sent; the receiver sleeps until then. On one thread under tokio's
//! paused clock a run is a function of the seed alone.

mod config;
mod connection;
mod discovery;
mod endpoint;
mod network;
mod state;
mod stream;

pub use config::{Faults, LinkConfig, MemConfig, TraceEvent};
pub use discovery::MemDiscovery;
pub use endpoint::MemTransport;
pub use network::{AddressInUse, MemNetwork};
