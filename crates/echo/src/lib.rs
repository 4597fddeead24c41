//! ECHO: spaces of objects that replicate between the devices of their members.
//!
//! A space is a set of feeds (signed logs, one writer each), the membership and the objects that
//! follow from them. [`Echo`] keeps the spaces of one profile in a store, writes transactions,
//! answers queries, keeps live queries up to date and talks to the replicas of other devices in
//! the messages of `dxos-protocol`. It opens no connection: MESH carries those messages. Without
//! MESH it is an encrypted, signed database on one machine.
//!
//! It holds no identity of its own: what it signs and opens with is handed to it
//! ([`UseAuthority`](dxos_protocol::echo::UseAuthority)).
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use dxos_actors::testing;
//! use dxos_echo::{Echo, EchoConfig};
//! use dxos_protocol::{echo::{CreateSpace, UseAuthority}, halo::Authority};
//! use dxos_store::MemStore;
//!
//! testing::run(1, |world| async move {
//!     let mut rng = world.seeds.rng_of("keys");
//!     let authority = Authority::generate(Default::default(), &mut rng);
//!
//!     let (store, config) = (Arc::new(MemStore::new()), EchoConfig::default());
//!     let echo = Echo::start(&world.spawner, store, config, None, world.clock.clone(), &world.seeds);
//!     echo.use_authority().ask(UseAuthority { authority }).await.unwrap().unwrap();
//!     let properties = BTreeMap::from([("name".to_owned(), "notes".into())]);
//!     let space = echo.create_space().ask(CreateSpace { properties }).await.unwrap().unwrap();
//!     assert_eq!(space.properties["name"], "notes".into());
//! });
//! ```
//!
//! `examples/local_database.rs` is a program that uses it alone.

mod actor;
mod api;
mod core;
mod ending;
#[cfg(test)]
mod faults;
mod space_actor;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;

pub use api::{Echo, EchoConfig, MeshPorts};
pub use core::{EpochPolicy, derived, make_anew_given_up};
pub use usage::Usage;
