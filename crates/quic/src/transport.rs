//! The endpoint.

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dxos_keys::{DeviceKey, Signer};
use dxos_transport::{CloseReason, ConnectError, Connection, PeerAddress, Transport};
use dxos_wire::limits::{ADDRESSES_MAX, STREAMS_MAX};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use quinn::{
    ClientConfig, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig,
    TransportConfig, TransportErrorCode, VarInt,
};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::addresses::reachable;
use crate::config::{BindError, QuicConfig};
use crate::connection::QuicConnection;
use crate::tls::{Identity, SERVER_NAME, Verifier};

/// Handshakes that may go on at once; more are refused.
const HANDSHAKES_MAX: usize = 256;
/// With more handshakes than this, who connects must first prove its address (RFC 9000 §8.1),
/// so that forged packets take no memory.
const HANDSHAKES_UNVALIDATED_MAX: usize = 64;
/// Bytes held for connections that were not looked at yet, all together.
const INCOMING_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long one address is tried alone before the next is tried too.
const STAGGER: Duration = Duration::from_millis(250);
/// How long a closing endpoint waits for its peers to be told.
const GOODBYE: Duration = Duration::from_secs(1);

/// A QUIC endpoint of one device.
///
/// It runs on the tokio runtime within which it was bound; its futures, and those of its
/// connections and streams, can be awaited on any executor, except [`Transport::connect`],
/// [`Transport::accept`] and [`Transport::close`], which use tokio's timers. Handshakes of
/// peers make progress while somebody awaits [`Transport::accept`].
///
/// The port is free again when the transport and all its connections are closed and dropped.
pub struct QuicTransport {
    endpoint: Endpoint,
    device: DeviceKey,
    identity: Identity,
    config: QuicConfig,
    transport: Arc<TransportConfig>,
    closed: AtomicBool,
    handshakes: Mutex<FuturesUnordered<BoxFuture<'static, Option<QuicConnection>>>>,
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("QuicTransport")
            .field("device", &self.device)
            .field("listen", &self.endpoint.local_addr().ok())
            .field("connections", &self.endpoint.open_connections())
            .finish_non_exhaustive()
    }
}

fn transport_config(config: &QuicConfig) -> Result<TransportConfig, BindError> {
    let idle = IdleTimeout::try_from(config.idle_timeout).map_err(|_| BindError::Config {
        key: "idle_timeout",
        reason: "it must be below 146 million years".to_owned(),
    })?;
    if config.keep_alive >= config.idle_timeout {
        return Err(BindError::Config {
            key: "keep_alive",
            reason: "it must be shorter than idle_timeout".to_owned(),
        });
    }
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.keep_alive))
        .stream_receive_window(VarInt::from_u32(config.stream_window_bytes))
        .receive_window(VarInt::from_u32(config.connection_window_bytes))
        .send_window(u64::from(config.send_window_bytes));
    Ok(transport)
}

fn socket(address: SocketAddr) -> Result<UdpSocket, BindError> {
    UdpSocket::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => BindError::PortInUse { address },
        ErrorKind::PermissionDenied => BindError::Permission { address },
        ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address },
        _ => BindError::Socket {
            address,
            reason: error.to_string(),
        },
    })
}

impl QuicTransport {
    /// Opens an endpoint that proves to be `signer`'s device. To be called within a tokio
    /// runtime with I/O and time enabled, which must live as long as the endpoint.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(config: QuicConfig, signer: Arc<dyn Signer>) -> Result<Self, BindError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BindError::NoRuntime);
        }
        let device = signer.device();
        let identity = Identity::new(signer);
        let transport = Arc::new(transport_config(&config)?);
        let crypto = identity
            .server()
            .map_err(|reason| BindError::Tls { reason })?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server
            .transport_config(Arc::clone(&transport))
            .max_incoming(HANDSHAKES_MAX)
            .incoming_buffer_size(64 * 1024)
            .incoming_buffer_size_total(INCOMING_BYTES_MAX);
        let address = config.listen;
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(server),
            socket(address)?,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(|error| BindError::Socket {
            address,
            reason: error.to_string(),
        })?;
        Ok(Self {
            endpoint,
            device,
            identity,
            config,
            transport,
            closed: AtomicBool::new(false),
            handshakes: Mutex::default(),
        })
    }

    /// Where the socket is bound, with the port that was really taken.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.endpoint.local_addr().ok()
    }

    /// How many connections are open now, handshakes and those that are just closing included.
    pub fn open_connections(&self) -> usize {
        self.endpoint.open_connections()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Begins the handshake with somebody who connects, or refuses.
    fn answer(
        &self,
        incoming: Incoming,
        handshakes: usize,
    ) -> Option<BoxFuture<'static, Option<QuicConnection>>> {
        let from = incoming.remote_address();
        if self.endpoint.open_connections() >= self.config.connections_max
            || handshakes >= HANDSHAKES_MAX
        {
            tracing::debug!(%from, "refused a connection: too many are open");
            incoming.refuse();
            return None;
        }
        if handshakes >= HANDSHAKES_UNVALIDATED_MAX && !incoming.remote_address_validated() {
            if let Err(error) = incoming.retry() {
                error.into_incoming().ignore();
            }
            return None;
        }
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                tracing::debug!(%from, %error, "a handshake could not begin");
                return None;
            }
        };
        let limit = self.config.handshake_timeout;
        Some(Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(Ok(connection)) => QuicConnection::new(connection),
                Ok(Err(error)) => {
                    tracing::debug!(%from, %error, "a handshake failed");
                    None
                }
                Err(_) => {
                    tracing::debug!(%from, "a handshake took too long");
                    None
                }
            }
        }))
    }

    /// Connects to one address.
    async fn attempt(&self, peer: DeviceKey, to: SocketAddr) -> Result<QuicConnection, Failure> {
        let verifier = Arc::new(Verifier::only(peer));
        let crypto = (self.identity.client(Arc::clone(&verifier))).map_err(Failure::Local)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::clone(&self.transport));
        let connecting = self
            .endpoint
            .connect_with(config, to, SERVER_NAME)
            .map_err(|error| match error {
                quinn::ConnectError::EndpointStopping => Failure::Closed,
                error => Failure::Local(error.to_string()),
            })?;
        let result = timeout(self.config.handshake_timeout, connecting).await;
        if verifier.saw_wrong_key() {
            return Err(Failure::WrongKey);
        }
        match result {
            Ok(Ok(connection)) => QuicConnection::new(connection)
                .filter(|connection| connection.peer() == peer)
                .ok_or(Failure::WrongKey),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// What there is to try, names looked up.
    async fn resolve(
        &self,
        addresses: &[PeerAddress],
    ) -> Vec<(PeerAddress, Result<SocketAddr, Failure>)> {
        let mut targets = Vec::new();
        for address in addresses.iter().take(ADDRESSES_MAX) {
            match address {
                PeerAddress::Ip(ip) => targets.push((address.clone(), Ok(*ip))),
                PeerAddress::Host(name, port) => {
                    let lookup = tokio::net::lookup_host((name.as_str(), *port));
                    match timeout(self.config.handshake_timeout, lookup).await {
                        Ok(Ok(found)) => {
                            let found = found.take(ADDRESSES_MAX);
                            targets.extend(found.map(|ip| (address.clone(), Ok(ip))));
                        }
                        Ok(Err(error)) => {
                            let failure = Failure::Local(error.to_string());
                            targets.push((address.clone(), Err(failure)));
                        }
                        Err(_) => targets.push((address.clone(), Err(Failure::TimedOut))),
                    }
                }
                // Other transports' addresses.
                _ => {}
            }
        }
        targets.truncate(ADDRESSES_MAX);
        targets
    }
}

/// Why one address did not work, from the least to the most telling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    TimedOut,
    Local(String),
    Refused,
    WrongKey,
    Closed,
}

impl Failure {
    fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::Closed,
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                Self::Refused
            }
            ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::ApplicationClosed(_) => Self::Refused,
            ConnectionError::Reset | ConnectionError::CidsExhausted => {
                Self::Local(error.to_string())
            }
        }
    }

    fn explain(
        self,
        peer: DeviceKey,
        address: PeerAddress,
        tried: Vec<PeerAddress>,
        waited: Duration,
    ) -> ConnectError {
        match self {
            Self::Closed => ConnectError::Closed,
            Self::Local(reason) => ConnectError::Unreachable {
                peer,
                tried,
                reason,
            },
            Self::Refused => ConnectError::Refused { peer, address },
            Self::TimedOut => ConnectError::TimedOut {
                peer,
                tried,
                waited,
            },
            Self::WrongKey => ConnectError::WrongKey {
                expected: peer,
                address,
            },
        }
    }
}

#[async_trait]
impl Transport for QuicTransport {
    fn device(&self) -> DeviceKey {
        self.device
    }

    fn addresses(&self) -> Vec<PeerAddress> {
        let mut addresses = self.config.advertise.clone();
        if addresses.is_empty() {
            addresses = self.local_address().map(reachable).unwrap_or_default();
        }
        addresses.truncate(ADDRESSES_MAX);
        addresses
    }

    /// Tries the addresses in order, the next one a quarter of a second after the one before
    /// or as soon as that fails; the first handshake that succeeds wins.
    async fn connect(
        &self,
        peer: DeviceKey,
        addresses: &[PeerAddress],
    ) -> Result<Arc<dyn Connection>, ConnectError> {
        if self.is_closed() {
            return Err(ConnectError::Closed);
        }
        if peer == self.device {
            return Err(ConnectError::Itself { peer });
        }
        let targets = self.resolve(addresses).await;
        let tried: Vec<_> = targets.iter().map(|(address, _)| address.clone()).collect();
        let mut worst: Option<(Failure, PeerAddress)> = None;
        let mut targets = targets.into_iter().fuse();
        let mut attempts = FuturesUnordered::new();
        let mut exhausted = false;
        loop {
            if !exhausted {
                match targets.next() {
                    Some((address, target)) => attempts.push(async move {
                        let result = match target {
                            Ok(target) => self.attempt(peer, target).await,
                            Err(failure) => Err(failure),
                        };
                        (address, result)
                    }),
                    None => exhausted = true,
                }
            }
            let finished = tokio::select! {
                biased;
                finished = attempts.next() => finished,
                () = sleep(STAGGER), if !exhausted => continue,
            };
            match finished {
                Some((_, Ok(connection))) => return Ok(Arc::new(connection)),
                Some((address, Err(failure))) => {
                    let failed = (failure, address);
                    worst = match worst {
                        Some(worst) if worst.0 > failed.0 => Some(worst),
                        _ => Some(failed),
                    };
                }
                None if exhausted => break,
                None => {}
            }
        }
        Err(match worst {
            Some((failure, address)) => {
                failure.explain(peer, address, tried, self.config.handshake_timeout)
            }
            None => ConnectError::NoAddress { peer },
        })
    }

    async fn accept(&self) -> Option<Arc<dyn Connection>> {
        let mut handshakes = self.handshakes.lock().await;
        loop {
            if self.is_closed() {
                handshakes.clear();
                return None;
            }
            tokio::select! {
                biased;
                Some(done) = handshakes.next() => {
                    if let Some(connection) = done {
                        return Some(Arc::new(connection));
                    }
                }
                incoming = self.endpoint.accept() => {
                    let begun = self.answer(incoming?, handshakes.len());
                    handshakes.extend(begun);
                }
            }
        }
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let code = VarInt::from_u32(CloseReason::ShuttingDown.code());
        self.endpoint.close(code, b"");
        // Peers that do not answer are not waited for any longer.
        let _ = timeout(GOODBYE, self.endpoint.wait_idle()).await;
    }
}
