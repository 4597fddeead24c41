//! Endpoints and connections.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dxos_keys::DeviceKey;
use dxos_wire::StreamKind;

use crate::{PeerAddress, Stream, StreamError};

/// An endpoint: a device that connects to others and is connected to.
#[async_trait]
pub trait Transport: Send + Sync + Debug {
    /// The device that this endpoint proves to be.
    fn device(&self) -> DeviceKey;

    /// Where others can reach this endpoint: at most
    /// [`ADDRESSES_MAX`](dxos_wire::limits::ADDRESSES_MAX), the likeliest first.
    fn addresses(&self) -> Vec<PeerAddress>;

    /// Connects to `peer` at the first of `addresses` where it answers. Authentication is
    /// mutual: a connection that is returned *is* the proof that `peer`'s secret is at its
    /// other end.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] tells why not, of the last address when there were several.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    async fn connect(
        &self,
        peer: DeviceKey,
        addresses: &[PeerAddress],
    ) -> Result<Arc<dyn Connection>, ConnectError>;

    /// The next connection that a peer made; `None` once this endpoint is closed. Peers that
    /// fail to prove who they are never show up here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    async fn accept(&self) -> Option<Arc<dyn Connection>>;

    /// Closes every connection with [`CloseReason::ShuttingDown`], waits a moment for the
    /// peers to be told, and accepts nothing more. Calling it again does nothing.
    async fn close(&self);
}

/// An authenticated connection between two devices, with many streams in both directions.
///
/// When every handle to it, its streams included, is dropped, it closes with
/// [`CloseReason::Done`].
#[async_trait]
pub trait Connection: Send + Sync + Debug {
    /// The device at the other end, as proven by the handshake.
    fn peer(&self) -> DeviceKey;

    /// From where the peer's packets come, when known.
    fn address(&self) -> Option<PeerAddress>;

    /// Whether this side connected, and not the peer.
    fn is_initiator(&self) -> bool;

    /// Keying material exported from the handshake (RFC 5705, RFC 8446 §7.5): equal at both
    /// ends, different for every connection and label, known to nobody else. A protocol that
    /// mixes it in cannot be relayed by a man in the middle.
    fn binding(&self, label: &[u8]) -> [u8; 32];

    /// Opens a stream. Waits while
    /// [`STREAMS_MAX`](dxos_wire::limits::STREAMS_MAX) that this side opened are in use; a
    /// transport may give room back an eighth of that at a time.
    ///
    /// # Errors
    ///
    /// [`StreamError::Closed`] when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future opens nothing, or a stream that is reset at once.
    async fn open(&self, kind: StreamKind) -> Result<Stream, StreamError> {
        self.open_raw(kind.to_bytes()).await
    }

    /// Opens a stream with any first two bytes, for kinds that this program does not know.
    ///
    /// # Errors
    ///
    /// [`StreamError::Closed`] when the connection has ended.
    async fn open_raw(&self, kind: [u8; 2]) -> Result<Stream, StreamError>;

    /// The next stream that the peer opened. Streams of an unknown kind or version are refused
    /// and skipped.
    ///
    /// # Errors
    ///
    /// [`StreamError::Closed`] when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no stream.
    async fn accept(&self) -> Result<(StreamKind, Stream), StreamError>;

    /// Ends the connection at once; what is under way is lost. The first reason counts.
    fn close(&self, reason: CloseReason);

    /// Waits until the connection has ended, by either side or by itself.
    async fn closed(&self) -> CloseReason;

    /// Measurements so far.
    fn stats(&self) -> ConnectionStats;
}

/// Measurements of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// The current estimate of the round-trip time.
    pub rtt: Duration,
    /// Bytes sent, with the transport's own overhead where it knows it.
    pub bytes_sent: u64,
    /// Bytes received, likewise.
    pub bytes_received: u64,
}

impl ConnectionStats {
    /// Puts the measurements together.
    pub const fn new(rtt: Duration, bytes_sent: u64, bytes_received: u64) -> Self {
        Self {
            rtt,
            bytes_sent,
            bytes_received,
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// There was nothing more to do. Connect again when there is.
    #[error("there was nothing more to do")]
    Done,
    /// Another connection between the same two devices is used instead.
    #[error("another connection between these devices is used instead")]
    Duplicate,
    /// The connection broke without a word. Connect again after a while.
    #[error("the connection broke; it will be tried again")]
    Lost,
    /// One side sent what the protocol does not allow. Do not connect again soon.
    #[error("the protocol was violated")]
    Offence,
    /// One side has no room for the other. Connect again later.
    #[error("one side has no capacity left; try again later")]
    Overloaded,
    /// One side is not allowed what it asked for.
    #[error("access was refused")]
    Refused,
    /// One side shuts down.
    #[error("one side shut down")]
    ShuttingDown,
    /// Nothing was heard for too long. Connect again after a while.
    #[error("nothing was heard from the peer for too long; check the network")]
    TimedOut,
    /// A reason that this program does not know, by its code.
    #[error("reason {0}, unknown to this version")]
    Unknown(u32),
}

impl CloseReason {
    /// The number that stands for the reason on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::ShuttingDown => 1,
            Self::Refused => 2,
            Self::Offence => 3,
            Self::Overloaded => 4,
            Self::Duplicate => 5,
            Self::TimedOut => 6,
            Self::Lost => 7,
            Self::Unknown(code) => code,
        }
    }

    /// The reason that a number stands for.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::ShuttingDown,
            2 => Self::Refused,
            3 => Self::Offence,
            4 => Self::Overloaded,
            5 => Self::Duplicate,
            6 => Self::TimedOut,
            7 => Self::Lost,
            code => Self::Unknown(code),
        }
    }
}

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// This endpoint is closed. Open a new one.
    #[error("this endpoint is closed; open a new one")]
    Closed,
    /// The peer is this very device.
    #[error("device {} is this device itself; connect to another", .peer.short())]
    Itself {
        /// The device.
        peer: DeviceKey,
    },
    /// No address that this transport can use was given. Learn one by discovery or config.
    #[error("no usable address of device {} is known; announce or configure one", .peer.short())]
    NoAddress {
        /// The device.
        peer: DeviceKey,
    },
    /// Something answered and would not talk: it is full, or does not accept this device or
    /// this version of the protocol.
    #[error(
        "{address} refused the connection; try again later, with the same version of this program at both ends"
    )]
    Refused {
        /// Who was to be reached.
        peer: DeviceKey,
        /// Who refused.
        address: PeerAddress,
    },
    /// The handshake was not done in time at any address.
    #[error("device {} did not answer at {} within {} s; check its address, that it is online, and firewalls", .peer.short(), list(.tried), .waited.as_secs_f32())]
    TimedOut {
        /// Who was to be reached.
        peer: DeviceKey,
        /// What was tried, in order.
        tried: Vec<PeerAddress>,
        /// How long each was waited for.
        waited: Duration,
    },
    /// Nothing answers at any address.
    #[error("device {} cannot be reached at {} ({reason}); check its address and that it is online", .peer.short(), list(.tried))]
    Unreachable {
        /// Who was to be reached.
        peer: DeviceKey,
        /// What was tried, in order.
        tried: Vec<PeerAddress>,
        /// What happened at the last.
        reason: String,
    },
    /// Somebody else answers at this address. Check the address; do not trust it.
    #[error("{address} is not device {}: another key answers there; check the address", .expected.short())]
    WrongKey {
        /// Who was to be reached.
        expected: DeviceKey,
        /// Where somebody else is.
        address: PeerAddress,
    },
}

fn list(addresses: &[PeerAddress]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_round_trip() {
        for code in 0..=300 {
            assert_eq!(CloseReason::from_code(code).code(), code);
        }
    }
}
