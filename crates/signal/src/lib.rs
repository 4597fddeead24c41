//! Rendezvous: a server where the devices of a topic find each other, and its client.
//!
//! A device tells the server of its topics and addresses; the server adds the address that it
//! sees, and tells the device who else is there. A topic is a keyed hash, so that the server
//! never learns a space's key, and nobody who does not know a topic learns who is in it. What a
//! server says is a hint: who really answers is proven by the handshake.
//!
//! It relays nothing and stores nothing, and it is no authority for anything. It runs over any
//! [`Transport`](dxos_transport::Transport).
//!
//! ```
//! use std::sync::Arc;
//! use dxos_actors::testing;
//! use dxos_keys::{DeviceSecret, Topic};
//! use dxos_signal::{ServerAddress, SignalClient, SignalConfig, SignalServer};
//! use dxos_transport::mem::MemNetwork;
//! use dxos_transport::{Announcement, Discovery, DiscoveryEvent, Transport};
//!
//! testing::run(1, |world| async move {
//!     let network = MemNetwork::new(1);
//!     let endpoint = |seed: u8| network.endpoint(&DeviceSecret::from_seed(&[seed; 32]));
//!     let (at_server, ann, bob) = (endpoint(1), endpoint(2), endpoint(3));
//!     let server = ServerAddress::new(at_server.device(), at_server.addresses()[0].clone());
//!     let serving = SignalServer::new(at_server, SignalConfig::default());
//!     serving.start(&world.spawner.handle(), world.clock.clone()).unwrap();
//!
//!     let topic = Topic::from_bytes([7; 32]);
//!     let mut there = Vec::new();
//!     for transport in [ann, bob] {
//!         let (spawner, seeds) = (world.spawner.handle(), world.seeds.child("client"));
//!         let me = Announcement { device: transport.device(), addresses: transport.addresses() };
//!         let client = SignalClient::new(
//!             transport, server.clone(), &spawner, world.clock.clone(), &seeds,
//!         );
//!         let presence = client.join(topic, me).await.unwrap();
//!         // A client that is dropped leaves its topics.
//!         there.push((client, presence));
//!     }
//!     let found = there[0].1.next().await;
//!     assert!(matches!(found, Some(DiscoveryEvent::PeerFound { .. })));
//! });
//! ```

mod address;
mod client;
mod message;
mod registry;
mod server;
#[cfg(test)]
mod tests;

pub use address::{ParseServerAddressError, ServerAddress};
pub use client::SignalClient;
pub use server::{SignalConfig, SignalServer};
