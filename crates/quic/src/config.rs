//! How an endpoint behaves, and why it cannot be opened.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dxos_transport::PeerAddress;
use dxos_wire::limits::CONNECTIONS_MAX;

/// How an endpoint behaves.
///
/// The defaults are for links of up to 100 ms and 40 MB/s on one stream. What a connection
/// holds at most is
///
/// > `connection_window_bytes` + `send_window_bytes` + 1 MiB for each stream that is being
/// > read and whose peer has sent part of a frame
///
/// and about 30 KiB when it is idle, so an endpoint holds at most `connections_max` times
/// that. A peer that was not let in yet is read on one stream only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicConfig {
    /// Where to listen: `0.0.0.0:0`, any free port on every IPv4 interface. `[::]:port` takes
    /// IPv4 too where the operating system allows it.
    pub listen: SocketAddr,
    /// What to tell others instead of the addresses found, such as the outside of a router.
    pub advertise: Vec<PeerAddress>,
    /// Connections at most, both ways together; more are refused:
    /// [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// How long a handshake may take, at each end: 5 s.
    pub handshake_timeout: Duration,
    /// After how much silence a connection is over: 20 s. The smaller of both ends' counts.
    pub idle_timeout: Duration,
    /// After how much silence something is sent to keep a connection, and the mapping in any
    /// router between, alive: 7 s.
    pub keep_alive: Duration,
    /// Bytes that a peer may send on one stream ahead of its reader: 4 MiB. The throughput of
    /// a stream is at most this per round trip.
    pub stream_window_bytes: u32,
    /// Bytes that a peer may send on all streams ahead of their readers: 8 MiB.
    pub connection_window_bytes: u32,
    /// Bytes sent on a connection and not yet acknowledged: 8 MiB.
    pub send_window_bytes: u32,
}

impl Default for QuicConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            advertise: Vec::new(),
            connections_max: CONNECTIONS_MAX,
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(7),
            stream_window_bytes: 4 * 1024 * 1024,
            connection_window_bytes: 8 * 1024 * 1024,
            send_window_bytes: 8 * 1024 * 1024,
        }
    }
}

impl QuicConfig {
    /// The defaults, listening at `listen`.
    pub fn at(listen: impl Into<SocketAddr>) -> Self {
        Self {
            listen: listen.into(),
            ..Self::default()
        }
    }
}

/// Why an endpoint cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A value of the configuration is out of range.
    #[error("configuration value {key} is out of range: {reason}")]
    Config {
        /// Which value.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// This machine has no such address.
    #[error(
        "cannot listen at {address}: this machine has no such address; use 0.0.0.0 for every interface"
    )]
    NoSuchAddress {
        /// The address.
        address: SocketAddr,
    },
    /// There is no tokio runtime with I/O and time here.
    #[error(
        "no tokio runtime with I/O and time enabled is running here; call this from within one"
    )]
    NoRuntime,
    /// The operating system forbids it.
    #[error(
        "not permitted to listen at {address}; choose a port above 1023 or ask for the permission"
    )]
    Permission {
        /// The address.
        address: SocketAddr,
    },
    /// Another program, or another client in this one, listens there.
    #[error("port {} is already in use at {address}; stop the other program or choose another port (0 for any)", .address.port())]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// Something else that the operating system says.
    #[error("cannot listen at {address}: {reason}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        reason: String,
    },
    /// The TLS configuration was refused.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
}
