//! QUIC connections.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use dxos_keys::DeviceKey;
use dxos_transport::{
    CloseReason, Connection, ConnectionStats, FrameReceiver, FrameSender, PeerAddress, Stream,
    StreamError,
};
use dxos_wire::StreamKind;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use quinn::{ConnectionError, RecvStream, SendStream, Side, VarInt};
use tokio::sync::Mutex;

use crate::stream::{GIVEN_UP, QuicReceiver, QuicSender, quic_priority};
use crate::tls;

/// The label of all exported keying material (RFC 5705); protocols are told apart by context.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-dxos/1";

/// What a connection and its streams share.
#[derive(Clone)]
pub(crate) struct Shared {
    connection: quinn::Connection,
    /// Why this side closed.
    closed_with: Arc<OnceLock<CloseReason>>,
}

impl Shared {
    /// What an end of the connection means.
    pub(crate) fn reason(&self, error: &ConnectionError) -> CloseReason {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let code = u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX);
                CloseReason::from_code(code)
            }
            // Without a reason of its own, it was the endpoint that closed.
            ConnectionError::LocallyClosed => self
                .closed_with
                .get()
                .copied()
                .unwrap_or(CloseReason::ShuttingDown),
            ConnectionError::TimedOut => CloseReason::TimedOut,
            ConnectionError::TransportError(_) => CloseReason::Offence,
            ConnectionError::VersionMismatch => CloseReason::Refused,
            ConnectionError::ConnectionClosed(_)
            | ConnectionError::Reset
            | ConnectionError::CidsExhausted => CloseReason::Lost,
        }
    }

    /// Why the connection has ended, if it has.
    pub(crate) fn ended(&self) -> Option<CloseReason> {
        let error = self.connection.close_reason()?;
        Some(self.reason(&error))
    }

    fn stream(&self, (send, receive): (SendStream, RecvStream)) -> Stream {
        Stream {
            sender: FrameSender::new(QuicSender::new(send, self.clone())),
            receiver: FrameReceiver::new(QuicReceiver::new(receive, self.clone())),
        }
    }
}

type Begun = Option<([u8; 2], SendStream, RecvStream)>;

/// A connection of a [`QuicTransport`](crate::QuicTransport).
pub(crate) struct QuicConnection {
    shared: Shared,
    peer: DeviceKey,
    /// Streams whose first two bytes have not arrived. A peer can have no more of them than of
    /// streams, and a slow one holds up none of the others.
    beginning: Mutex<FuturesUnordered<BoxFuture<'static, Begun>>>,
}

impl fmt::Debug for QuicConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("QuicConnection")
            .field("peer", &self.peer)
            .field("address", &self.shared.connection.remote_address())
            .finish_non_exhaustive()
    }
}

impl QuicConnection {
    /// Takes a connection whose handshake is done. `None` when the peer proved no device key,
    /// which the handshake does not let happen.
    pub(crate) fn new(connection: quinn::Connection) -> Option<Self> {
        let identity = connection.peer_identity()?;
        let presented = identity
            .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
            .ok()?;
        let peer = tls::device_of(presented.first()?)?;
        Some(Self {
            shared: Shared {
                connection,
                closed_with: Arc::default(),
            },
            peer,
            beginning: Mutex::default(),
        })
    }
}

/// Reads what a stream is for.
async fn begin((send, mut receive): (SendStream, RecvStream)) -> Begun {
    let mut kind = [0; 2];
    receive.read_exact(&mut kind).await.ok()?;
    Some((kind, send, receive))
}

#[async_trait]
impl Connection for QuicConnection {
    fn peer(&self) -> DeviceKey {
        self.peer
    }

    fn address(&self) -> Option<PeerAddress> {
        Some(self.shared.connection.remote_address().into())
    }

    fn is_initiator(&self) -> bool {
        self.shared.connection.side() == Side::Client
    }

    fn binding(&self, label: &[u8]) -> [u8; 32] {
        let mut binding = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "the handshake is done and the output is short"
        )]
        self.shared
            .connection
            .export_keying_material(&mut binding, EXPORTER_LABEL, label)
            .expect("keying material can be exported after the handshake");
        binding
    }

    async fn open_raw(&self, kind: [u8; 2]) -> Result<Stream, StreamError> {
        let closed = |error: &ConnectionError| StreamError::Closed(self.shared.reason(error));
        let opened = self.shared.connection.open_bi().await;
        let (mut send, receive) = opened.map_err(|error| closed(&error))?;
        if let Ok(known) = StreamKind::from_bytes(kind) {
            let _ = send.set_priority(quic_priority(known.priority()));
        }
        match send.write_all(&kind).await {
            // A refusal shows when the stream is used.
            Ok(()) | Err(quinn::WriteError::Stopped(_)) => Ok(self.shared.stream((send, receive))),
            Err(quinn::WriteError::ConnectionLost(error)) => Err(closed(&error)),
            Err(_) => Err(StreamError::Finished),
        }
    }

    async fn accept(&self) -> Result<(StreamKind, Stream), StreamError> {
        let mut beginning = self.beginning.lock().await;
        loop {
            let begun = tokio::select! {
                biased;
                Some(begun) = beginning.next() => begun,
                opened = self.shared.connection.accept_bi() => match opened {
                    Ok(opened) => {
                        beginning.push(Box::pin(begin(opened)));
                        continue;
                    }
                    Err(error) => {
                        beginning.clear();
                        return Err(StreamError::Closed(self.shared.reason(&error)));
                    }
                },
            };
            let Some((kind, mut send, mut receive)) = begun else {
                continue;
            };
            if let Ok(known) = StreamKind::from_bytes(kind) {
                let _ = send.set_priority(quic_priority(known.priority()));
                return Ok((known, self.shared.stream((send, receive))));
            }
            tracing::debug!(peer = %self.peer.short(), ?kind, "refused a stream of unknown kind");
            let _ = send.reset(GIVEN_UP);
            let _ = receive.stop(GIVEN_UP);
        }
    }

    fn close(&self, reason: CloseReason) {
        let reason = *self.shared.closed_with.get_or_init(|| reason);
        (self.shared.connection).close(VarInt::from_u32(reason.code()), b"");
    }

    async fn closed(&self) -> CloseReason {
        let error = self.shared.connection.closed().await;
        self.shared.reason(&error)
    }

    fn stats(&self) -> ConnectionStats {
        let stats = self.shared.connection.stats();
        ConnectionStats::new(
            self.shared.connection.rtt(),
            stats.udp_tx.bytes,
            stats.udp_rx.bytes,
        )
    }
}
