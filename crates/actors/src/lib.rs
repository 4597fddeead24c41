//! The small kit that makes actix safe and simulatable: ports with shared credits and
//! deadlines, actors whose panics are not swallowed, supervision, shutdown, clock, seeds.
//!
//! An actor implements [`Behaviour`] and [`Receive`] for each [`Request`] it answers; actix is
//! not seen. It is started on a [`Spawner`] and reached through [`Port`]s, which are given to
//! the constructors of those that need them. There is no registry and no broker.
//!
//! ```
//! use dxos_actors::{Answer, Behaviour, Context, Failures, PortError, Receive, Request, Spawner};
//!
//! struct Add(u64);
//! impl Request for Add {
//!     type Reply = u64;
//!     const NAME: &'static str = "Add";
//! }
//!
//! struct Counter(u64);
//! impl Behaviour for Counter {
//!     const NAME: &'static str = "counter";
//! }
//! impl Receive<Add> for Counter {
//!     fn receive(&mut self, Add(n): Add, _: &Context<Self>) -> Answer<u64> {
//!         self.0 += n;
//!         Answer::Now(self.0)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let spawner = Spawner::thread("counter", &Failures::new()).unwrap();
//! let add = spawner.start(|| Counter(40)).port::<Add>();
//! assert_eq!(add.ask(Add(2)).await, Ok(42));
//! drop(spawner);
//! assert_eq!(add.ask(Add(1)).await, Err(PortError::Closed));
//! # });
//! ```
//!
//! # What is held, whoever uses it
//!
//! - Nothing is queued without a limit: every request takes one of the actor's
//!   [credits](Behaviour::CREDITS) until its handler has answered. A [`Port::ask`] waits for
//!   one, a [`Port::tell`] is refused. What an actor sends itself ([`Context::run`], timers)
//!   takes none: bound it by what the actor's state holds.
//! - Every ask ends, with a reply or a [`PortError`].
//! - A handler is synchronous: no other request can come in the middle of a change of state.
//!   Results of work outside come back as a step of their own ([`Context::spawn_then`]).
//! - An actor that always has work gives way to others now and then.
//! - A panic in a handler, step, task or [`Answer::Later`] ends the actor, which is built again
//!   by [`SpawnerHandle::supervise`] or else stops the node through [`Failures`]. This needs
//!   unwinding: do not build with `panic = "abort"`.
//! - When a [`Spawner`] or [`TaskGroup`] is aborted, nothing of it runs again but destructors.
//! - Under `testing::run` (feature `testing`) and in simulations
//!   everything runs on one thread in virtual time, and the same seed gives the same run.
//!
//! # What remains for the users
//!
//! Asks go one way only, `client` → {`echo`, `mesh`} → `halo`; whatever goes the other way is a
//! tell or an event, or two actors wait for each other until their deadlines. Cycles of ports
//! are closed with a [`LatePort`]. Durability never rests on [`Behaviour::stopped`]:
//! [`Shutdown`] is asked for, in order, by [`shutdown_in_order`].
//!
//! # Features
//!
//! - `testing`: the module `testing`, tests in virtual time. Turns on `tokio/test-util`.

mod behaviour;
mod clock;
mod context;
mod events;
mod failure;
mod group;
mod host;
mod late;
mod mailbox;
mod panics;
mod port;
mod seed;
mod shutdown;
mod spawner;
mod supervise;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use behaviour::{Answer, Behaviour, Receive};
pub use clock::{Clock, TimedOut};
pub use context::{Context, Timer};
pub use dxos_wire::Request;
pub use events::{Events, Lagged, Subscription};
pub use failure::{FailureReason, Failures, NodeFailure};
pub use group::{Task, TaskGroup};
pub use late::LatePort;
pub use mailbox::Address;
pub use port::{Port, PortError};
pub use rand_chacha::ChaCha20Rng;
pub use seed::{SeedError, SeedTree};
pub use shutdown::{Shutdown, ShutdownError, ShutdownFailures, StageFailure, shutdown_in_order};
pub use spawner::{SpawnError, Spawner, SpawnerHandle};
pub use supervise::Restart;
