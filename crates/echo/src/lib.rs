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
//! See `examples/local_database.rs` for a program that uses it alone.

mod actor;
mod api;
mod core;
mod space_actor;

pub use api::{Echo, EchoConfig, MeshPorts};
