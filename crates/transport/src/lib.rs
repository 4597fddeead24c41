//! Connections between devices: the traits that the network is built on.
//!
//! - [`Transport`]: an endpoint that proves to be a device, connects and accepts.
//! - [`Connection`]: an authenticated connection with many [`Stream`]s of whole frames,
//!   each with backpressure of its own.
//! - [`Discovery`]: who is in a topic.
//!
//! It moves bytes and does not know what they mean: membership, replication and gossip are
//! built on it elsewhere.

mod address;
mod connection;
mod discovery;
mod stream;

pub use address::{HostName, ParseAddressError, PeerAddress};
pub use connection::{CloseReason, ConnectError, Connection, ConnectionStats, Transport};
pub use discovery::{
    Announcement, Combined, Discovery, DiscoveryError, DiscoveryEvent, Presence, StaticPeers,
};
pub use stream::{
    FrameReceiver, FrameSender, ReceiveFrames, SendFrames, Stream, StreamError,
};
