//! Putting ECHO, HALO and MESH together: the one place that knows all three. Production and
//! simulation differ only in the [`Parts`] that they hand over.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dxos_actors::{
    ChaCha20Rng, Clock, LatePort, Port, SeedTree, Shutdown, ShutdownError, ShutdownFailures,
    SpawnError, SpawnerHandle, StageFailure, shutdown_in_order,
};
use dxos_echo::{Echo, EchoConfig, EpochPolicy};
use dxos_halo::{Halo, HaloConfig, OpenHaloError};
use dxos_keys::{ObjectId, Protection, ProtectionKind, Signer};
use dxos_mesh::{InvitationHandler, Mesh, MeshConfig, MeshPorts, ReplicationPorts};
use dxos_protocol::mesh::{DeliverGossip, EndSession, JoinSwarm, LeaveSwarm, MembersChanged, Wake};
use dxos_quic::BindError;
use dxos_store::{Store, StoreError};
use dxos_transport::{Discovery, PeerAddress, Transport};

use crate::address_book::AddressBook;
use crate::identity::{Devices, Keeper, Streams};
use crate::invitation::{DeviceAuthority, EchoPorts, Invitations};
use crate::presence::GossipService;
use crate::{KeyringProtection, PathDisplay};

/// How long ECHO is waited for at most when it is not done within its usual time.
const ECHO_DEADLINE: Duration = Duration::from_secs(600);

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
    /// When a space gets an epoch by itself: see [`crate::StorageConfig`].
    pub epochs: EpochPolicy,
    /// Memory for the objects in use, in bytes: see [`EchoConfig::cache_bytes`].
    pub cache_bytes: usize,
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
    /// The keychain of the operating system cannot be used: there is none, it is locked, or this
    /// program was built without it.
    #[error(
        "the keychain of the operating system cannot be used: {reason}; a profile can be protected by a passphrase or a key file instead (keyring.protection)"
    )]
    Keychain {
        /// What is wrong.
        reason: String,
    },
    /// The keychain does not have the key of this profile.
    #[error(
        "the keychain has no entry {service:?} for {entry:?}, and the profile was encrypted with it; restore the entry, or move the profile back to where it was made"
    )]
    KeychainEntry {
        /// The service that the entry belongs to.
        service: &'static str,
        /// The entry.
        entry: String,
    },
    /// The keyring is protected by a passphrase and none was given.
    #[error(
        "this profile asks for a passphrase; give it in DX_PASSPHRASE, to dx with --profile-passphrase-file, or in code with unlock()"
    )]
    NoPassphrase,
    /// The keyring is protected in another way than the configuration says.
    #[error(
        "the keyring of this profile is protected by {found}, and keyring.protection is {configured}; {how}"
    )]
    OtherProtection {
        /// What the configuration says.
        configured: KeyringProtection,
        /// What protects it.
        found: ProtectionKind,
        /// How to open it.
        how: &'static str,
    },
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
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) devices: Arc<dyn DeviceAuthority>,
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
    pub(crate) gossip: Arc<GossipService>,
}

impl Network {
    /// Tells the others that this device goes offline.
    pub(crate) async fn leave(&self, spawner: &SpawnerHandle) {
        let network = self.clone();
        let told = spawner.run(move || async move { network.gossip.leave(&network.mesh).await });
        // Without its threads nobody can be told.
        drop(told.await);
    }

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
        let now_ms = self.clock.wall_ms();
        self.with_rng(|rng| ObjectId::generate_at(now_ms, rng))
    }

    /// Runs something with the node's source of randomness.
    pub(crate) fn with_rng<T>(&self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends everything in order: invitations, network, spaces, identity, store.
    pub(crate) async fn shut_down(&self, deadline: Duration) -> Result<(), NodeError> {
        self.echo.begin_shutdown();
        self.invitations.close();
        self.keeper.close();
        let mut failed = Vec::new();
        let share = deadline / 4;
        if let Some(network) = &self.network {
            network.leave(&self.spawner).await;
            network.gossip.close();
            let mesh = vec![("mesh", network.mesh.shutdown())];
            failed.extend(shutdown_in_order(mesh, share).await.err());
        }
        let echo = self.shut_echo_down(deadline / 2).await;
        let is_over = !matches!(echo, Err(ShutdownError::Deadline));
        failed.extend(echo.err().map(|error| {
            let stage = "echo".to_owned();
            ShutdownFailures {
                stages: vec![StageFailure { stage, error }],
            }
        }));
        let halo = vec![("halo", self.halo.shutdown())];
        failed.extend(shutdown_in_order(halo, share).await.err());
        if is_over {
            let store = Arc::clone(&self.store);
            self.spawner.blocking(move || store.close()).await??;
        }
        let stages: Vec<_> = failed.into_iter().flat_map(|all| all.stages).collect();
        if stages.is_empty() {
            Ok(())
        } else {
            Err(ShutdownFailures { stages }.into())
        }
    }

    /// Ends ECHO. A store must not be closed below what is at work, so what is not done within
    /// `usual` is waited for, and who waits is told.
    async fn shut_echo_down(&self, usual: Duration) -> Result<(), ShutdownError> {
        for (deadline, last) in [(usual, false), (ECHO_DEADLINE, true)] {
            let port = self.echo.shutdown();
            let asked = port.ask_within(Shutdown { deadline }, deadline);
            match asked.await.unwrap_or_else(|error| Err(error.into())) {
                Err(ShutdownError::Deadline) if !last => {
                    tracing::warn!(
                        "a space is still being worked on: closing waits until it is done"
                    );
                }
                ended => return ended,
            }
        }
        Err(ShutdownError::Deadline)
    }
}

/// The ports by which ECHO reaches MESH, which starts after it.
struct LateMesh {
    join: LatePort<JoinSwarm>,
    leave: LatePort<LeaveSwarm>,
    members_changed: LatePort<MembersChanged>,
    wake: LatePort<Wake>,
    end: LatePort<EndSession>,
}

impl LateMesh {
    fn new() -> Self {
        Self {
            join: LatePort::new(),
            leave: LatePort::new(),
            members_changed: LatePort::new(),
            wake: LatePort::new(),
            end: LatePort::new(),
        }
    }

    fn ports(&self) -> dxos_echo::MeshPorts {
        dxos_echo::MeshPorts {
            join: self.join.port(),
            leave: self.leave.port(),
            members_changed: self.members_changed.port(),
            wake: self.wake.port(),
            end: self.end.port(),
        }
    }

    fn bind(self, mesh: &Mesh) {
        self.join.bind(mesh.join());
        self.leave.bind(mesh.leave());
        self.members_changed.bind(mesh.members_changed());
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
        epochs,
        cache_bytes,
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
        EchoConfig {
            sync_interval,
            epochs,
            cache_bytes,
        },
        late.as_ref().map(LateMesh::ports),
        clock.clone(),
        &seeds,
    );
    let device = halo.signer().device();
    let keeper = Arc::new(Keeper::new(
        Arc::clone(&store),
        echo.clone(),
        halo.clone(),
        clock.clone(),
        spawner.clone(),
    ));
    let devices: Arc<dyn DeviceAuthority> = Arc::new(Devices(Arc::clone(&keeper)));
    let invitations = Invitations::new(
        (device, halo.authority()),
        echo_ports(&echo),
        Arc::clone(&devices),
        Arc::clone(&store),
        clock.clone(),
        seeds.rng_of("invitations"),
        spawner.clone(),
    );
    keeper.use_invitations(&invitations);
    let gossip = GossipService::new(echo.clone(), halo.signer(), clock.clone(), spawner.clone());
    let gossip = Arc::new(gossip);
    let network = network.map(|parts| {
        let handler: Arc<dyn InvitationHandler> = Arc::new(Streams {
            invitations: Arc::clone(&invitations),
            echo: echo.clone(),
            device,
            clock: clock.clone(),
        });
        let mesh = Mesh::start(
            spawner,
            parts.mesh,
            Arc::clone(&parts.transport),
            Arc::clone(&parts.discovery),
            mesh_ports(&echo, gossip.port()),
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
            gossip,
        }
    });
    if let (Some(late), Some(network)) = (late, &network) {
        late.bind(&network.mesh);
    }
    if let Some(network) = &network {
        keeper.use_network(network.clone());
    }
    let address_book = keeper.address_book.clone();
    let node = Node {
        echo,
        halo,
        network,
        invitations,
        keeper,
        devices,
        address_book,
        store,
        clock,
        spawner: spawner.clone(),
        rng: Mutex::new(seeds.rng_of("client")),
    };
    open_spaces(&node).await?;
    if let Some(network) = &node.network {
        network.gossip.start(&network.mesh)?;
    }
    node.invitations.restore().await?;
    Ok(node)
}

/// How invitations reach ECHO.
fn echo_ports(echo: &Echo) -> EchoPorts {
    EchoPorts {
        admit: echo.admit_member(),
        spaces: echo.list_spaces(),
        delegate: echo.delegate_invitation(),
        cancel: echo.cancel_delegated(),
        delegated: echo.list_delegated(),
    }
}

/// How MESH reaches ECHO, and those who listen to gossip.
fn mesh_ports(echo: &Echo, gossip: Port<DeliverGossip>) -> MeshPorts {
    MeshPorts {
        present: echo.present_evidence(),
        judge: echo.judge_evidence(),
        gossip,
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
    let begun = node.keeper.begin().await;
    begun.map_err(|error| NodeError::Start {
        part: "the identity",
        reason: error.to_string(),
    })?;
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
