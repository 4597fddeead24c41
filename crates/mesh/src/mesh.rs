//! The handle.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Address, Clock, Port, SeedTree, Shutdown, SpawnerHandle};
use dxos_keys::DeviceKey;
use dxos_protocol::mesh::{
    AddPeer, Broadcast, EndSession, JoinSwarm, LeaveSwarm, MembersChanged, NetworkReport,
    NetworkStatus, SetConnectionState, Wake,
};
use dxos_transport::{Connection, Discovery, PeerAddress, Transport};
use tokio::sync::watch;

use crate::actor::{MeshActor, Parts};
use crate::config::MeshConfig;
use crate::hold::InvitationHandler;
use crate::ports::MeshPorts;
use crate::requests::{Connect, ConnectError};

/// A running mesh. Cheap to clone; it stops when the last handle and port are gone, at once
/// and without a word to the peers: ask for [`Shutdown`] before.
#[derive(Clone, Debug)]
pub struct Mesh {
    address: Address<MeshActor>,
    report: watch::Receiver<NetworkReport>,
    dial_timeout: Duration,
}

impl Mesh {
    /// Starts a mesh on `spawner`, for the device that `transport` proves to be. It accepts
    /// connections from then on; it has no swarm yet.
    ///
    /// `invitations` serves streams of invitations; without it they are refused. `seed` gives
    /// the jitter of delays.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn start(
        spawner: &SpawnerHandle,
        config: MeshConfig,
        transport: Arc<dyn Transport>,
        discovery: Arc<dyn Discovery>,
        ports: MeshPorts,
        invitations: Option<Arc<dyn InvitationHandler>>,
        clock: Clock,
        seed: &SeedTree,
    ) -> Self {
        let (sender, report) = watch::channel(NetworkReport {
            state: config.state,
            ..NetworkReport::default()
        });
        let dial_timeout = config.dial_timeout;
        let parts = Parts {
            config,
            transport,
            discovery,
            ports,
            invitations,
            clock,
            seed: seed.child("mesh"),
            report: sender,
        };
        Self {
            address: spawner.start(move || MeshActor::new(parts)),
            report,
            dial_timeout,
        }
    }

    /// To join swarms.
    pub fn join(&self) -> Port<JoinSwarm> {
        self.address.port()
    }

    /// To leave swarms.
    pub fn leave(&self) -> Port<LeaveSwarm> {
        self.address.port()
    }

    /// To go online and offline.
    pub fn set_state(&self) -> Port<SetConnectionState> {
        self.address.port()
    }

    /// To tell where a device may be reached.
    pub fn add_peer(&self) -> Port<AddPeer> {
        self.address.port()
    }

    /// To say that the members of a space have changed.
    pub fn members_changed(&self) -> Port<MembersChanged> {
        self.address.port()
    }

    /// To say that a session has something to send.
    pub fn wake(&self) -> Port<Wake> {
        self.address.port()
    }

    /// To end sessions.
    pub fn end_session(&self) -> Port<EndSession> {
        self.address.port()
    }

    /// To send ephemeral messages.
    pub fn broadcast(&self) -> Port<Broadcast> {
        self.address.port()
    }

    /// To ask for the state of the network, with measurements of this moment.
    pub fn status(&self) -> Port<NetworkStatus> {
        self.address.port()
    }

    /// To end it: sessions end, peers are told, the transport is closed. Online is no way back.
    pub fn shutdown(&self) -> Port<Shutdown> {
        self.address.port()
    }

    /// The state of the network as a value that changes. Measurements of connections are those
    /// of the last other change.
    pub fn report(&self) -> watch::Receiver<NetworkReport> {
        self.report.clone()
    }

    /// Waits until the state of the network is as `wanted`; `None` when the mesh has stopped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn until(
        &self,
        mut wanted: impl FnMut(&NetworkReport) -> bool,
    ) -> Option<NetworkReport> {
        let mut report = self.report.clone();
        let found = report.wait_for(|report| wanted(report)).await;
        found.ok().map(|report| report.clone())
    }

    /// Connects to a device outside of any swarm, such as the host of an invitation. Returns
    /// the connection that there is, or makes one.
    ///
    /// The connection is shared with the mesh, which accepts its streams and closes it when
    /// nobody uses it: keep what is returned while you do, then drop it. Closing it only gives
    /// it back.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(
        &self,
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    ) -> Result<Arc<dyn Connection>, ConnectError> {
        let connect: Port<Connect> = self.address.port();
        let within = self.dial_timeout.saturating_mul(2);
        connect
            .ask_within(Connect { device, addresses }, within)
            .await?
    }
}
