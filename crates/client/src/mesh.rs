//! The client's view of MESH.

use std::time::Duration;

use dxos_keys::DeviceKey;
use dxos_protocol::mesh::{
    AddPeer, ConnectionState, NetworkReport, NetworkStatus, SetConnectionState,
};
use tokio::sync::watch;

use crate::{Client, ClientError, SpaceKey, Topic};

/// The network of a client. See [`Client::mesh`].
#[derive(Clone, Debug)]
pub struct MeshProxy {
    client: Client,
}

const MESH: &str = "MESH";

impl MeshProxy {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The state of the network.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`], [`ClientError::NoNetwork`].
    pub async fn network_status(&self) -> Result<NetworkReport, ClientError> {
        let network = self.client.network()?;
        network
            .mesh
            .status()
            .ask(NetworkStatus)
            .await
            .map_err(ClientError::unanswered(MESH))
    }

    /// The state of the network as it changes; states in between may be skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`], [`ClientError::NoNetwork`].
    pub fn watch_network_status(&self) -> Result<watch::Receiver<NetworkReport>, ClientError> {
        Ok(self.client.network()?.mesh.report())
    }

    /// Goes online or offline. Returns when all sessions have ended, or dialling has begun.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`], [`ClientError::NoNetwork`].
    pub async fn set_connection_state(&self, state: ConnectionState) -> Result<(), ClientError> {
        let network = self.client.network()?;
        if state == ConnectionState::Offline {
            network.leave(&self.client.node()?.spawner).await;
        }
        let set = SetConnectionState { state };
        let set = network
            .mesh
            .set_state()
            .ask_within(set, Duration::from_secs(30))
            .await;
        if state == ConnectionState::Online {
            network.gossip.come_back();
        }
        set.map_err(ClientError::unanswered(MESH))
    }

    /// Tells where a device of a space can be reached, when no server is to tell it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Mesh`] when an address cannot be read.
    pub async fn add_peer(
        &self,
        space: SpaceKey,
        device: DeviceKey,
        addresses: Vec<String>,
    ) -> Result<(), ClientError> {
        let network = self.client.network()?;
        let topic = Topic::of_space(&space);
        let add = AddPeer {
            device,
            addresses,
            topic,
        };
        let node = self.client.node()?;
        node.address_book
            .remember(&add)
            .map_err(crate::NodeError::from)?;
        Ok(network
            .mesh
            .add_peer()
            .ask(add)
            .await
            .map_err(ClientError::unanswered(MESH))??)
    }

    /// This device.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub fn device(&self) -> Result<DeviceKey, ClientError> {
        Ok(self.client.node()?.halo.signer().device())
    }
}
