//! MESH: swarms of devices that know a common secret, such as that of a space.
//!
//! A [`Mesh`] joins swarms by their topics, finds the other devices through a
//! [`Discovery`](dxos_transport::Discovery), keeps one connection with each of them whatever
//! the number of swarms they share, and one *session* for each swarm on it. A session begins
//! when each side has proven to the other that it knows the secret and belongs to the members;
//! who cannot gets a refusal and nothing else. Sessions carry replication, for whoever is
//! behind [`ReplicationPorts`], and gossip: small messages that are never stored and may be
//! lost.
//!
//! It does not know what is replicated nor who is a member: it asks, through [`MeshPorts`]. It
//! does not know QUIC: that is behind [`Transport`](dxos_transport::Transport).
//!
//! # What holds
//!
//! - A peer that vanishes is dialed again, after delays that double from a quarter of a second
//!   to half a minute. Going online dials at once.
//! - Two devices that dial each other at once end with one connection.
//! - A peer that breaks the protocol loses the session in which it did, and is not spoken to
//!   for a while. A peer that fails many handshakes loses the connection. Each step of a
//!   handshake has a time limit.
//! - Nothing is queued without a limit. A slow replica stops reading, which stops the sender
//!   on the other side; of gossip the oldest is dropped.
//!
//! # Without a database
//!
//! ```
//! use std::sync::Arc;
//! use dxos_actors::{Port, testing};
//! use dxos_keys::{DeviceSecret, Topic};
//! use dxos_mesh::{Mesh, MeshConfig, MeshPorts};
//! use dxos_protocol::{auth::SwarmSecret, mesh::JoinSwarm};
//! use dxos_transport::mem::{MemDiscovery, MemNetwork};
//!
//! testing::run(1, |world| async move {
//!     let (network, discovery) = (MemNetwork::new(1), MemDiscovery::default());
//!     let start = |name: &str| {
//!         let secret = DeviceSecret::generate(&mut world.seeds.rng_of(name));
//!         Mesh::start(
//!             &world.spawner,
//!             MeshConfig::default(),
//!             network.endpoint(&secret),
//!             Arc::new(discovery.clone()),
//!             MeshPorts::open(Port::stub(|gossip| println!("{gossip:?}"))),
//!             None,
//!             world.clock.clone(),
//!             &world.seeds.child(name),
//!         )
//!     };
//!     let (alice, bob) = (start("alice"), start("bob"));
//!     for mesh in [&alice, &bob] {
//!         let topic = Topic::from_bytes([7; 32]);
//!         let secret = SwarmSecret::from_bytes([8; 32]);
//!         mesh.join().ask(JoinSwarm { topic, secret }).await.unwrap().unwrap();
//!     }
//!     alice.until(|report| report.swarms[0].sessions.len() == 1).await.unwrap();
//! });
//! ```

mod actor;
mod carry;
mod config;
mod core;
mod gossip;
mod handshake;
mod hold;
mod incoming;
mod mesh;
mod ports;
mod requests;
mod session;
#[cfg(test)]
mod tests;

pub use config::MeshConfig;
pub use core::topology::{FullyConnected, Star, Topology};
pub use hold::InvitationHandler;
pub use mesh::Mesh;
pub use ports::{MeshPorts, ReplicationPorts};
pub use requests::ConnectError;
