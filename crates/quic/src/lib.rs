//! QUIC between devices: the real [`Transport`](dxos_transport::Transport).
//!
//! - TLS 1.3 with mutual authentication by raw ed25519 public keys (RFC 7250): a connection
//!   *is* the proof of both devices. The secret stays behind [`Signer`](dxos_keys::Signer).
//! - No resumption and no early data: nothing that was captured can be replayed.
//! - ALPN `dxos/1`: other versions are refused in the handshake.
//! - Bounded: connections, handshakes, streams, and the bytes of each; see [`QuicConfig`].
//!
//! It knows nothing of spaces and members; discovery of addresses is elsewhere, and so is
//! traversal of routers.
//!
//! quinn drives its sockets on the tokio runtime within which [`QuicTransport::bind`] is
//! called, and in real time: tokio's paused clock does not work with it.
//!
//! ```
//! use std::sync::Arc;
//! use dxos_keys::DeviceSecret;
//! use dxos_quic::{QuicConfig, QuicTransport};
//! use dxos_transport::Transport;
//! use dxos_wire::StreamKind;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let local = QuicConfig::at(([127, 0, 0, 1], 0));
//! let alice = QuicTransport::bind(local.clone(), Arc::new(DeviceSecret::from_seed(&[1; 32])))?;
//! let bob = QuicTransport::bind(local, Arc::new(DeviceSecret::from_seed(&[2; 32])))?;
//!
//! let addresses = bob.addresses();
//! let (to_bob, from_alice) =
//!     tokio::join!(alice.connect(bob.device(), &addresses), bob.accept());
//! let (to_bob, from_alice) = (to_bob?, from_alice.ok_or("closed")?);
//! assert_eq!(from_alice.peer(), alice.device());
//!
//! let mut out = to_bob.open(StreamKind::Gossip).await?;
//! out.sender.send("hello".into()).await?;
//! let (_, mut incoming) = from_alice.accept().await?;
//! assert_eq!(incoming.receiver.receive().await?.as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```

mod addresses;
mod config;
mod connection;
mod stream;
mod tls;
mod transport;

pub use config::{BindError, QuicConfig};
pub use transport::QuicTransport;

#[cfg(test)]
mod tests;
