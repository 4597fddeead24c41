//! Requests that only the mesh's own handle makes.

use std::sync::Arc;

use dxos_actors::Request;
use dxos_keys::DeviceKey;
use dxos_transport::{Connection, PeerAddress};

/// Why there is no connection with a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The client is offline. Go online first.
    #[error("offline: go online to connect to device {}", .device.short())]
    Offline {
        /// The device.
        device: DeviceKey,
    },
    /// The device did not answer as it should.
    #[error(transparent)]
    Failed(#[from] dxos_transport::ConnectError),
    /// The connection was made and given up at once, as there were too many. Try again later.
    #[error("no room for a connection with device {}: try again later", .device.short())]
    Full {
        /// The device.
        device: DeviceKey,
    },
    /// The mesh has stopped, or gave no answer in time.
    #[error("the mesh gave no answer: {0}")]
    Mesh(#[from] dxos_actors::PortError),
}

/// Asks for a connection, an existing one if possible.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) device: DeviceKey,
    pub(crate) addresses: Vec<PeerAddress>,
}

impl Request for Connect {
    type Reply = Result<Arc<dyn Connection>, ConnectError>;
    const NAME: &'static str = "Connect";
}
