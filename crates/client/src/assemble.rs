//! Putting ECHO, HALO and MESH together: the one place that knows all three. Production and
//! simulation differ only in the [`Parts`] that they hand over.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dxos_actors::{
    ChaCha20Rng, Clock, LatePort, Port, SeedTree, ShutdownFailures, SpawnError, SpawnerHandle,
    shutdown_in_order,
};
use dxos_echo::{Echo, EchoConfig};
use dxos_halo::{Halo, HaloConfig, OpenHaloError};
use dxos_keys::{ObjectId, Protection, Signer};
use dxos_mesh::{InvitationHandler, Mesh, MeshConfig, MeshPorts, ReplicationPorts};
use dxos_protocol::echo::UseAuthority;
use dxos_protocol::halo::{GetAuthority, GetIdentity};
use dxos_protocol::mesh::{EndSession, JoinSwarm, Wake};
use dxos_quic::BindError;
use dxos_store::{Store, StoreError};
use dxos_transport::{Discovery, PeerAddress, Transport};

use crate::PathDisplay;
use crate::address_book::AddressBook;
use crate::invitation::Invitations;

/// What a node is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What protects the keyring at rest.
    pub protection: Protection,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub seeds: SeedTree,
    /// How long an acknowledged edit may lack its fsync.
    pub sync_interval: Duration,
    /// Opens the network; `None` for a local database.
    pub network: Option<NetworkFactory>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Parts")
            .field("store", &self.store)
            .field("sync_interval", &self.sync_interval)
            .field("network", &self.network.is_some())
            .finish_non_exhaustive()
    }
}

/// Opens the network for the device that a signer proves to be. It is called on the thread of
/// the node, within its runtime.
pub type NetworkFactory =
    Box<dyn FnOnce(Arc<dyn Signer>) -> Result<NetworkParts, NodeError> + Send>;

/// The network of a node.
#[derive(Debug)]
pub struct NetworkParts {
    /// Makes and takes connections.
    pub transport: Arc<dyn Transport>,
    /// Finds the devices of a swarm.
    pub discovery: Arc<dyn Discovery>,
    /// Times and limits.
    pub mesh: MeshConfig,
    /// Rendezvous servers to name in invitations, each `<device key>@host:port`.
    pub signal: Vec<String>,
}

/// Why a node could not be brought up or down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// An address in the configuration cannot be read.
    #[error("{key}: {text:?} cannot be used: {reason}")]
    Address {
        /// The setting, such as `network.peers`.
        key: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The network could not be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The identity could not be opened.
    #[error(transparent)]
    Halo(#[from] OpenHaloError),
    /// The key file of the profile cannot be used.
    #[error("the key file {path} cannot be used: {reason}")]
    KeyFile {
        /// The file.
        path: PathDisplay,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The keyring is protected by a passphrase and none was given.
    #[error("this profile asks for a passphrase; give it in code or in DX_PASSPHRASE")]
    NoPassphrase,
    /// The operating system gave no randomness.
    #[error("{reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// Not everything ended cleanly. What was acknowledged as durable is safe all the same.
    #[error(transparent)]
    Shutdown(#[from] ShutdownFailures),
    /// The threads of the node could not be started, or have stopped.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A subsystem did not start.
    #[error("{part} did not start: {reason}")]
    Start {
        /// Which one.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// The store cannot be opened, closed or wiped.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running client without its facade: see [`crate::Client::over`].
#[derive(Debug)]
pub struct Node {
    pub(crate) echo: Echo,
    pub(crate) halo: Halo,
    pub(crate) network: Option<Network>,
    pub(crate) invitations: Arc<Invitations>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) spawner: SpawnerHandle,
    pub(crate) address_book: AddressBook,
    rng: Mutex<ChaCha20Rng>,
}

/// What a node keeps of its network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) mesh: Mesh,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) discovery: Arc<dyn Discovery>,
    pub(crate) signal: Vec<String>,
}

impl Network {
    /// Where this device can be reached.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.transport
            .addresses()
            .iter()
            .map(PeerAddress::to_string)
            .collect()
    }
}

impl Node {
    /// A fresh object id.
    pub(crate) fn new_object_id(&self) -> ObjectId {
        ObjectId::generate(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs something with the node's source of randomness.
    pub(crate) fn with_rng<T>(&self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends everything in order: invitations, network, spaces, identity, store.
    pub(crate) async fn shut_down(&self, deadline: Duration) -> Result<(), NodeError> {
        self.invitations.close();
        let mut stages = Vec::new();
        if let Some(network) = &self.network {
            stages.push(("mesh", network.mesh.shutdown()));
        }
        stages.push(("echo", self.echo.shutdown()));
        stages.push(("halo", self.halo.shutdown()));
        let ended = shutdown_in_order(stages, deadline).await;
        let store = Arc::clone(&self.store);
        self.spawner.blocking(move || store.close()).await??;
        Ok(ended?)
    }
}

/// The ports by which ECHO reaches MESH, which starts after it.
struct LateMesh {
    join: LatePort<JoinSwarm>,
    wake: LatePort<Wake>,
    end: LatePort<EndSession>,
}

impl LateMesh {
    fn new() -> Self {
        Self {
            join: LatePort::new(),
            wake: LatePort::new(),
            end: LatePort::new(),
        }
    }

    fn ports(&self) -> dxos_echo::MeshPorts {
        dxos_echo::MeshPorts {
            join: self.join.port(),
            wake: self.wake.port(),
            end: self.end.port(),
        }
    }

    fn bind(self, mesh: &Mesh) {
        self.join.bind(mesh.join());
        self.wake.bind(mesh.wake());
        self.end.bind(mesh.end_session());
    }
}

/// Puts a node together and opens the spaces of its profile. To be called on the thread of
/// `spawner` ([`SpawnerHandle::run`]).
///
/// # Errors
///
/// [`NodeError`] says which part did not start and what to do.
pub async fn assemble(parts: Parts, spawner: &SpawnerHandle) -> Result<Node, NodeError> {
    let Parts {
        store,
        protection,
        clock,
        seeds,
        sync_interval,
        network,
    } = parts;
    let halo = Halo::start(
        spawner,
        Arc::clone(&store),
        &HaloConfig { protection },
        &seeds,
    )?;
    let network = network.map(|open| open(halo.signer())).transpose()?;
    let late = network.as_ref().map(|_| LateMesh::new());
    let echo = Echo::start(
        spawner,
        Arc::clone(&store),
        EchoConfig { sync_interval },
        late.as_ref().map(LateMesh::ports),
        clock.clone(),
        &seeds,
    );
    let device = halo.signer().device();
    let admit = echo.admit_member();
    let rng = seeds.rng_of("invitations");
    let invitations = Arc::new(Invitations::new(device, admit, clock.clone(), rng));
    let network = network.map(|parts| {
        let handler: Arc<dyn InvitationHandler> = Arc::<Invitations>::clone(&invitations);
        let mesh = Mesh::start(
            spawner,
            parts.mesh,
            Arc::clone(&parts.transport),
            Arc::clone(&parts.discovery),
            mesh_ports(&echo),
            Some(handler),
            clock.clone(),
            &seeds,
        );
        let NetworkParts {
            transport,
            discovery,
            signal,
            ..
        } = parts;
        Network {
            mesh,
            transport,
            discovery,
            signal,
        }
    });
    if let (Some(late), Some(network)) = (late, &network) {
        late.bind(&network.mesh);
    }
    let node = Node {
        echo,
        halo,
        network,
        invitations,
        address_book: AddressBook::new(Arc::clone(&store)),
        store,
        clock,
        spawner: spawner.clone(),
        rng: Mutex::new(seeds.rng_of("client")),
    };
    open_spaces(&node).await?;
    Ok(node)
}

/// How MESH reaches ECHO.
fn mesh_ports(echo: &Echo) -> MeshPorts {
    MeshPorts {
        present: echo.present_evidence(),
        judge: echo.judge_evidence(),
        // No application listens for ephemeral messages of a space yet.
        gossip: Port::stub(|_| ()),
        replication: Some(ReplicationPorts {
            open_session: echo.open_session(),
            receive: echo.receive(),
            produce: echo.produce(),
            close_session: echo.close_session(),
        }),
    }
}

/// Opens the spaces of a profile that has an identity, and tells MESH of devices met before.
async fn open_spaces(node: &Node) -> Result<(), NodeError> {
    let failed = |part| {
        move |error: &dyn fmt::Display| NodeError::Start {
            part,
            reason: error.to_string(),
        }
    };
    let (halo_failed, echo_failed) = (failed("HALO"), failed("ECHO"));
    let identity = node
        .halo
        .identity()
        .ask(GetIdentity)
        .await
        .map_err(|e| halo_failed(&e))?;
    if identity.is_none() {
        return Ok(());
    }
    let authority = node.halo.authority().ask(GetAuthority).await;
    let authority = authority
        .map_err(|e| halo_failed(&e))?
        .map_err(|e| halo_failed(&e))?;
    let opened = node
        .echo
        .use_authority()
        .ask(UseAuthority { authority })
        .await;
    opened
        .map_err(|e| echo_failed(&e))?
        .map_err(|e| echo_failed(&e))?;
    if let Some(network) = &node.network {
        for peer in node.address_book.peers()? {
            // An address that was good once and cannot be read any more is of no use.
            if let Ok(Err(error)) = network.mesh.add_peer().ask(peer).await {
                tracing::debug!(%error, "a stored address was left out");
            }
        }
    }
    Ok(())
}
