//! Keeping an identity: its HALO space, a space like any other whose one member is the identity
//! itself, and what follows from it for HALO, for every space and for the network.
//!
//! The HALO space holds what is shown of the identity and of its devices, and the list of its
//! spaces. Its control feeds say which devices there are; every other space is told of them.

mod adoption;
mod devices;
mod follow;
mod records;
mod recovery;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use dxos_actors::{Clock, SpawnerHandle};
use dxos_credentials::Profile;
use dxos_document::Value;
use dxos_echo::Echo;
use dxos_halo::Halo;
use dxos_keys::{DeviceKey, SpaceKey};
use dxos_protocol::echo::{
    CreateSpace, ListDevices, ListSpaces, OwnDevices, SpaceReport, UseAuthority, WatchSpaces,
};
use dxos_protocol::halo::{
    Authority, CreateIdentity, GetAuthority, GetIdentity, Identity, SetProfile,
};
use dxos_store::{Batch, Durability, Keyspace, Store};
use tokio::sync::{Notify, oneshot, watch};

pub use self::devices::{DeviceKind, DeviceReport};
pub(crate) use self::devices::{Devices, platform};
use self::records::{Change, Records};
pub(crate) use self::recovery::Streams;
pub use self::recovery::{RecoverError, RecoveryOptions};
use crate::address_book::AddressBook;
use crate::assemble::Network;
use crate::invitation::Invitations;
use crate::{ClientError, NodeError};

/// The HALO space of the profile.
const HALO_SPACE: Keyspace = Keyspace::new("halo-space");
const KEY: &[u8] = b"own";
/// The HALO space that the identity had before it was recovered here.
const FORMER: &[u8] = b"former";
/// When a recovery phrase was used here last, in milliseconds since 1970.
const RECOVERED: &[u8] = b"recovered";
/// The property by which a HALO space is told from the other spaces that the identity has for
/// itself alone. Anyone can set it in a space of their own: see [`is_own_halo`].
const MARK: &str = "dxos.org/halo";

const HALO: &str = "HALO";
const ECHO: &str = "ECHO";

/// Keeps the identity of a profile.
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    echo: Echo,
    halo: Halo,
    clock: Clock,
    spawner: SpawnerHandle,
    pub(crate) address_book: AddressBook,
    network: OnceLock<Network>,
    /// Those that this device hosts, which know the keeper.
    invitations: OnceLock<Weak<Invitations>>,
    /// The HALO space, once there is one.
    space: watch::Sender<Option<SpaceKey>>,
    /// Something may have changed.
    changed: Notify,
    following: AtomicBool,
    closed: AtomicBool,
    /// Recovery keys under which this device announces itself, each until its sender is dropped.
    announced: Mutex<BTreeMap<DeviceKey, oneshot::Sender<()>>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keeper")
            .field("space", &*self.space.borrow())
            .finish_non_exhaustive()
    }
}

/// Whether a space is one in which the identity of this profile kept its devices at some time: it
/// made it, and was always alone there. What others call so, and invite it to, is not.
fn is_own_halo(report: &SpaceReport) -> bool {
    report.sole_creator.is_some() && report.properties.contains_key(MARK)
}

impl Keeper {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        echo: Echo,
        halo: Halo,
        clock: Clock,
        spawner: SpawnerHandle,
    ) -> Self {
        Self {
            address_book: AddressBook::new(Arc::clone(&store)),
            store,
            echo,
            halo,
            clock,
            spawner,
            network: OnceLock::new(),
            invitations: OnceLock::new(),
            space: watch::Sender::new(None),
            changed: Notify::new(),
            following: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            announced: Mutex::default(),
        }
    }

    /// The network has started.
    pub(crate) fn use_network(&self, network: Network) {
        drop(self.network.set(network));
    }

    /// There are invitations, which have secrets of their own.
    pub(crate) fn use_invitations(&self, invitations: &Arc<Invitations>) {
        drop(self.invitations.set(Arc::downgrade(invitations)));
    }

    /// Ends what it does by itself.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.withdraw_all_but(&BTreeSet::new());
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Something that the identity's devices are to know may have changed.
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }

    /// The HALO space, if there is one.
    pub(crate) fn halo_space(&self) -> Option<SpaceKey> {
        *self.space.borrow()
    }

    /// Whether the identity keeps its devices in a space, or did so before it was recovered.
    pub(crate) fn keeps(&self, space: &SpaceKey) -> Result<bool, ClientError> {
        let own = self.halo_space() == Some(*space);
        Ok(own || self.former_space()? == Some(*space))
    }

    /// Whether a space is one in which an identity keeps its devices.
    pub(crate) fn is_halo(&self, report: &SpaceReport) -> bool {
        self.halo_space() == Some(report.space)
            || is_own_halo(report)
            || self.former_space().ok().flatten() == Some(report.space)
    }

    fn require_space(&self) -> Result<SpaceKey, ClientError> {
        self.halo_space()
            .ok_or(dxos_protocol::halo::HaloError::NoIdentity.into())
    }

    pub(crate) async fn identity(&self) -> Result<Option<Identity>, ClientError> {
        let asked = self.halo.identity().ask(GetIdentity).await;
        asked.map_err(ClientError::unanswered(HALO))
    }

    pub(crate) async fn authority(&self) -> Result<Authority, ClientError> {
        let asked = self.halo.authority().ask(GetAuthority).await;
        Ok(asked.map_err(ClientError::unanswered(HALO))??)
    }

    /// Creates the identity of the profile.
    pub(crate) async fn create(
        self: &Arc<Self>,
        profile: Profile,
    ) -> Result<Identity, ClientError> {
        let create = CreateIdentity { profile };
        let created = self.halo.create_identity().ask(create).await;
        let created = created.map_err(ClientError::unanswered(HALO))??;
        self.begin().await?;
        Ok(created)
    }

    pub(super) async fn use_authority(&self) -> Result<(), ClientError> {
        let authority = self.authority().await?;
        let used = self
            .echo
            .use_authority()
            .ask(UseAuthority { authority })
            .await;
        Ok(used.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Opens the spaces of a profile that has an identity, takes up those that it was not done
    /// with, makes its HALO space unless there is one, and begins to follow it.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<(), ClientError> {
        let Some(identity) = self.identity().await? else {
            return Ok(());
        };
        self.use_authority().await?;
        self.take_up_outstanding(&identity).await?;
        let space = match self.stored_space()? {
            Some(space) => space,
            None => self.find_or_make(&identity).await?,
        };
        self.space.send_replace(Some(space));
        self.follow()
    }

    fn stored_space(&self) -> Result<Option<SpaceKey>, ClientError> {
        self.stored(KEY)
    }

    /// The HALO space that the identity had before it was recovered here.
    fn former_space(&self) -> Result<Option<SpaceKey>, ClientError> {
        self.stored(FORMER)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<SpaceKey>, ClientError> {
        let stored = self.store.get(HALO_SPACE, key).map_err(NodeError::from)?;
        Ok(stored.and_then(|bytes| SpaceKey::from_slice(&bytes)))
    }

    fn store_space(&self, space: SpaceKey) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        batch.put(HALO_SPACE, KEY, space.as_bytes().to_vec());
        let stored = self.store.commit(batch, Durability::Synced);
        Ok(stored.map_err(NodeError::from)?)
    }

    pub(crate) async fn reports(&self) -> Result<Vec<SpaceReport>, ClientError> {
        let reports = self.echo.list_spaces().ask(ListSpaces).await;
        reports.map_err(ClientError::unanswered(ECHO))
    }

    /// The HALO space that the identity had before it was recovered here, once it has shown that
    /// it is one of this identity alone.
    fn former_among(&self, reports: &[SpaceReport]) -> Result<Option<SpaceKey>, ClientError> {
        let Some(former) = self.former_space()? else {
            return Ok(None);
        };
        let report = reports.iter().find(|report| report.space == former);
        let report = report.filter(|report| report.role.is_some());
        if report.is_some_and(|report| report.sole_creator.is_none()) {
            tracing::warn!(
                space = %former.short(),
                "what this device was told to be the space of its identity is not, and is ignored"
            );
        }
        let own = report.filter(|report| report.sole_creator.is_some());
        Ok(own.map(|report| report.space))
    }

    /// Makes the HALO space, or finds the one that was made before a crash.
    async fn find_or_make(&self, identity: &Identity) -> Result<SpaceKey, ClientError> {
        let reports = self.reports().await?;
        let former = self.former_space()?;
        let made = reports.iter().find(|report| {
            is_own_halo(report)
                && report.sole_creator == Some(identity.device)
                && Some(report.space) != former
        });
        let space = match made {
            Some(report) => report.space,
            None => {
                let properties = [(MARK.to_owned(), Value::from(true))].into();
                let create = CreateSpace { properties };
                let created = self.echo.create_space().ask(create).await;
                created.map_err(ClientError::unanswered(ECHO))??.space
            }
        };
        let now_ms = self.clock.wall_ms();
        let changes = vec![
            Change::Profile(identity.profile.clone()),
            Change::Created(identity.device, now_ms),
            Change::Platform(identity.device, platform()),
        ];
        records::write(&self.echo, space, changes).await?;
        // A kill before this has it found again, and what was written written again.
        self.store_space(space)?;
        Ok(space)
    }

    /// Says what others are to be shown of the identity, in all its spaces.
    pub(crate) async fn set_profile(
        self: &Arc<Self>,
        profile: Profile,
    ) -> Result<Identity, ClientError> {
        let set = SetProfile {
            profile: profile.clone(),
        };
        let identity = self.halo.set_profile().ask(set).await;
        let identity = identity.map_err(ClientError::unanswered(HALO))??;
        let change = Change::Profile(profile);
        records::write(&self.echo, self.require_space()?, vec![change]).await?;
        self.step().await?;
        Ok(identity)
    }

    async fn records(&self) -> Result<Records, ClientError> {
        Records::read(&self.echo, self.require_space()?).await
    }

    /// The devices of the identity: those that its HALO space knows, and those that showed
    /// themselves in another space, such as one that came by a recovery phrase.
    async fn own_devices(&self) -> Result<OwnDevices, ClientError> {
        let halo = self.require_space()?;
        let reports = self.reports().await?;
        let former = self.former_among(&reports)?;
        let own = reports.iter().filter(|report| is_own_halo(report));
        let halos: BTreeSet<_> = own
            .map(|report| report.space)
            .chain([halo])
            .chain(former)
            .collect();
        // One that does not answer is not reported on either.
        let here = self.echo.watch_spaces().ask(WatchSpaces).await;
        let here = here.map_err(ClientError::unanswered(ECHO))?;
        let here: BTreeSet<_> = here.borrow().iter().copied().collect();
        let mut all = Vec::new();
        for SpaceReport { space, .. } in reports {
            let listed = self.echo.list_devices().ask(ListDevices { space }).await;
            if let Ok(mut listed) = listed.map_err(ClientError::unanswered(ECHO))? {
                // With all devices lost nobody may have this one any more.
                listed.settled |= Some(space) == self.former_space()?;
                all.push((space, listed));
            }
        }
        let answered: BTreeSet<_> = all.iter().map(|(space, _)| *space).collect();
        let all_answered = here.is_subset(&answered);
        let mut devices = devices::gather(all, halo, former, halos);
        // One that is closed may need what was sealed for this device before.
        devices.resealed = devices.resealed.filter(|_| all_answered);
        Ok(devices)
    }
}
