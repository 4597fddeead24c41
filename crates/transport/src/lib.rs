//! Connections between devices: the traits that the network is built on.
//!
//! - [`Transport`]: an endpoint that proves to be a device, connects and accepts.
//! - [`Connection`]: an authenticated connection with many [`Stream`]s of whole frames,
//!   each with backpressure of its own.
//! - [`Discovery`]: who is in a topic.
//!
//! It moves bytes and does not know what they mean: membership, replication and gossip are
//! built on it elsewhere. The [`mem`] module is an implementation for tests and simulation;
//! `dxos-quic` is the real one. Both pass the checks of the `conformance` feature.
//!
//! ```
//! # use dxos_keys::DeviceSecret;
//! use dxos_transport::{Transport, mem::MemNetwork};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = MemNetwork::new(7);
//! let alice = network.endpoint(&DeviceSecret::from_seed(&[1; 32]));
//! let bob = network.endpoint(&DeviceSecret::from_seed(&[2; 32]));
//! let connection = alice.connect(bob.device(), &bob.addresses()).await?;
//! assert_eq!(connection.peer(), bob.device());
//! # Ok(())
//! # }
//! ```

mod address;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod connection;
mod discovery;
pub mod mem;
mod stream;

pub use address::{HostName, ParseAddressError, PeerAddress};
pub use connection::{CloseReason, ConnectError, Connection, ConnectionStats, Transport};
pub use discovery::{
    Announcement, Combined, Discovery, DiscoveryError, DiscoveryEvent, Presence, StaticPeers,
};
pub use stream::{FrameReceiver, FrameSender, ReceiveFrames, SendFrames, Stream, StreamError};

#[cfg(test)]
mod tests;
