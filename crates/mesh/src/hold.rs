//! Connections that are used outside of swarms.

use std::sync::Arc;

use async_trait::async_trait;
use dxos_keys::DeviceKey;
use dxos_transport::{CloseReason, Connection, ConnectionStats, PeerAddress, Stream, StreamError};
use dxos_wire::StreamKind;
use tokio::sync::oneshot;

/// Takes streams of [`StreamKind::Invitation`], from peers that need not be in any swarm.
#[async_trait]
pub trait InvitationHandler: Send + Sync {
    /// Serves one stream to its end. It runs on the mesh's thread and ends with the mesh; the
    /// connection stays open meanwhile. What a stranger may cost is its concern: it sets the
    /// time limits.
    async fn accepted(&self, connection: Arc<dyn Connection>, stream: Stream);

    /// The same for a stream of [`StreamKind::Recovery`]; refuses it unless something else is
    /// said.
    async fn recovery(&self, connection: Arc<dyn Connection>, stream: Stream) {
        drop((connection, stream));
    }
}

/// A connection with the promise not to close it as unused while this is there.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Arc<dyn Connection>,
    /// Dropping it tells the mesh.
    _hold: oneshot::Sender<()>,
}

impl Held {
    /// Returns the held connection and what ends when it is given back.
    pub(crate) fn new(connection: Arc<dyn Connection>) -> (Arc<dyn Connection>, Released) {
        let (hold, released) = oneshot::channel();
        let held = Self {
            connection,
            _hold: hold,
        };
        (Arc::new(held), released)
    }
}

/// Completes, with an error that means nothing, when the connection is given back.
pub(crate) type Released = oneshot::Receiver<()>;

#[async_trait]
impl Connection for Held {
    fn peer(&self) -> DeviceKey {
        self.connection.peer()
    }

    fn address(&self) -> Option<PeerAddress> {
        self.connection.address()
    }

    fn is_initiator(&self) -> bool {
        self.connection.is_initiator()
    }

    fn binding(&self, label: &[u8]) -> [u8; 32] {
        self.connection.binding(label)
    }

    async fn open(&self, kind: StreamKind) -> Result<Stream, StreamError> {
        self.connection.open(kind).await
    }

    async fn open_raw(&self, kind: [u8; 2]) -> Result<Stream, StreamError> {
        self.connection.open_raw(kind).await
    }

    /// The mesh accepts the streams of its connections: none ever comes here.
    async fn accept(&self) -> Result<(StreamKind, Stream), StreamError> {
        Err(StreamError::Closed(self.connection.closed().await))
    }

    /// Sessions may use the connection too: it is the mesh that closes it, when nobody does.
    fn close(&self, _reason: CloseReason) {}

    async fn closed(&self) -> CloseReason {
        self.connection.closed().await
    }

    fn stats(&self) -> ConnectionStats {
        self.connection.stats()
    }
}
