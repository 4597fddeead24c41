//! Serves a client to JavaScript on this machine: JSON-RPC over a WebSocket on loopback, and the
//! console.
//!
//! What goes over the wire is in `docs/host-protocol.md` and [`protocol`]. Who may talk to the
//! host: whoever shows a token that it printed, from a page of its own origin or from a program,
//! by a name of this machine. Everything that a page, a program or a stranger sends is bounded
//! ([`Limits`]); what is not asked for is not made.
//!
//! ```no_run
//! use dxos_client::{Client, ClientOptions};
//! use dxos_host::{Host, HostOptions};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions::new());
//! client.initialize().await?;
//! let host = Host::start(client.clone(), HostOptions::new())?;
//! println!("open {}", host.url()?);
//! host.reset().await;
//! host.stop().await;
//! client.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: it opens nothing to the network, and holds no state of spaces of its own.

mod archives;
mod calls;
mod connection;
mod convert;
mod error;
mod follow;
mod host;
mod limits;
mod memory;
mod message;
mod metrics;
mod outlet;
pub mod protocol;
mod server;
mod session;
mod shared;
mod text;
mod tokens;
mod topics;

pub use error::HostError;
pub use host::{Host, HostOptions};
pub use limits::Limits;
