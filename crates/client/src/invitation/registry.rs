//! All invitations that a client hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dxos_actors::{ChaCha20Rng, Clock, Port, SpawnerHandle};
use dxos_keys::{DeviceKey, InvitationId, SpaceKey};
use dxos_protocol::echo::{
    AdmitMember, CancelDelegated, DelegateInvitation, EchoError, ListDelegated, ListSpaces,
};
use dxos_protocol::halo::{Authority, GetAuthority};
use dxos_protocol::invitation::{InvitationKind, InvitationType, Refusal};
use dxos_store::{Store, StoreError};
use tokio::sync::watch;

use super::delegated::Lookup;
use super::device::DeviceAuthority;
use super::hosted::Hosted;
use super::record::Records;
use super::{InvitationError, InvitationState};

/// Invitations that one client hosts at once.
const HOSTED_MAX: usize = 256;

/// How invitations reach ECHO.
#[derive(Clone, Debug)]
pub(crate) struct EchoPorts {
    pub(crate) admit: Port<AdmitMember>,
    pub(crate) spaces: Port<ListSpaces>,
    pub(crate) delegate: Port<DelegateInvitation>,
    pub(crate) cancel: Port<CancelDelegated>,
    pub(crate) delegated: Port<ListDelegated>,
}

/// All invitations that a client hosts.
pub(crate) struct Invitations {
    pub(super) device: DeviceKey,
    pub(super) echo: EchoPorts,
    pub(super) authority: Port<GetAuthority>,
    pub(super) devices: Arc<dyn DeviceAuthority>,
    pub(super) clock: Clock,
    pub(super) records: Records,
    pub(super) lookup: tokio::sync::Mutex<Lookup>,
    /// Counts what happened to any of them.
    pub(super) changed: watch::Sender<u64>,
    pub(super) spawner: SpawnerHandle,
    pub(super) hosted: Mutex<BTreeMap<InvitationId, Arc<Hosted>>>,
    pub(super) rng: Mutex<ChaCha20Rng>,
    pub(super) ticking: AtomicBool,
    pub(super) itself: Weak<Self>,
}

impl fmt::Debug for Invitations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invitations")
            .finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Invitations {
    pub(crate) fn new(
        (device, authority): (DeviceKey, Port<GetAuthority>),
        echo: EchoPorts,
        devices: Arc<dyn DeviceAuthority>,
        store: Arc<dyn Store>,
        clock: Clock,
        rng: ChaCha20Rng,
        spawner: SpawnerHandle,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            device,
            echo,
            authority,
            devices,
            clock,
            records: Records::new(store),
            lookup: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(0),
            spawner,
            hosted: Mutex::default(),
            rng: Mutex::new(rng),
            ticking: AtomicBool::new(false),
            itself: Weak::clone(itself),
        })
    }

    /// Hosts again what was hosted when the client ended.
    pub(crate) async fn restore(&self) -> Result<(), StoreError> {
        if self.records.all()?.is_empty() {
            return Ok(());
        }
        // What is stored is read after that: it may be sealed for another key meanwhile.
        let Ok(Ok(authority)) = self.authority.ask(GetAuthority).await else {
            return Ok(());
        };
        let sealing = authority.sealing.sealing_key();
        let stored = self.records.all()?;
        let now_ms = self.clock.wall_ms();
        let mut gone = Vec::new();
        for (id, mut record) in stored {
            if record.expires_ms <= now_ms {
                gone.push(id);
                continue;
            }
            let secrets = std::iter::once(&authority.sealing).chain(&authority.former);
            let mut opened = secrets.filter_map(|secret| record.open(id, secret));
            let Some((_, proof)) = opened.next() else {
                tracing::warn!(%id, "a stored invitation cannot be opened and is left out");
                continue;
            };
            if record.open(id, &authority.sealing).is_none()
                && let Some(sealed) = self.with_rng(|rng| proof.seal(&id, &sealing, rng))
            {
                record.proof = sealed;
            }
            let ended = record.usage.ended;
            let delegated = record.invitation_type == InvitationType::Delegated;
            let hosted = Hosted::new(id, (record, true), proof, self.device);
            let hosted = Arc::new(hosted);
            if delegated && matches!(ended, Some(Refusal::TooManyAttempts | Refusal::Cancelled)) {
                // The end of the process may have come in between.
                self.cancel_everywhere(hosted.space, id);
            }
            lock(&self.hosted).insert(id, hosted);
        }
        self.records.remove(&gone)?;
        self.keep_time();
        Ok(())
    }

    /// Seals what is stored for this device's new encryption key, before the one that opened it
    /// is destroyed. That key is destroyed for what was erased, and not for these.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when something is not stored: then that key is needed still.
    pub(crate) fn reseal(&self, authority: &Authority) -> Result<(), StoreError> {
        let sealing = authority.sealing.sealing_key();
        for (id, mut record) in self.records.all()? {
            if record.open(id, &authority.sealing).is_some() {
                continue;
            }
            let former = authority.former.as_ref();
            let Some((_, proof)) = former.and_then(|former| record.open(id, former)) else {
                continue;
            };
            let Some(sealed) = self.with_rng(|rng| proof.seal(&id, &sealing, rng)) else {
                continue;
            };
            match self.get(&id) {
                // What has become of it meanwhile is there.
                Some(hosted) => {
                    let mut state = hosted.state();
                    state.record.proof = sealed;
                    state.save(&id, &self.records)?;
                }
                None => {
                    record.proof = sealed;
                    self.records.put(&id, &record)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, id: &InvitationId) -> Option<Arc<Hosted>> {
        lock(&self.hosted).get(id).cloned()
    }

    /// Those of a space, or for devices, that a guest may still use.
    pub(super) fn open(&self, kind: InvitationKind, space: SpaceKey) -> Vec<Arc<Hosted>> {
        let all: Vec<_> = lock(&self.hosted).values().cloned().collect();
        let wanted = |hosted: &Arc<Hosted>| hosted.kind == kind && hosted.space == space;
        all.into_iter()
            .filter(|hosted| wanted(hosted) && hosted.is_open())
            .collect()
    }

    /// Forgets what is over when there is no room left.
    pub(super) fn make_room(&self) -> Result<(), InvitationError> {
        let mut hosted = lock(&self.hosted);
        if hosted.len() < HOSTED_MAX {
            return Ok(());
        }
        let over = |hosted: &Arc<Hosted>| hosted.state().is_over();
        let gone: Vec<_> = hosted
            .iter()
            .filter(|(_, hosted)| over(hosted))
            .map(|(id, _)| *id)
            .collect();
        hosted.retain(|id, _| !gone.contains(id));
        if let Err(error) = self.records.remove(&gone) {
            tracing::warn!(%error, "invitations that are over could not be removed");
        }
        if hosted.len() >= HOSTED_MAX {
            return Err(InvitationError::TooMany { max: HOSTED_MAX });
        }
        Ok(())
    }

    pub(super) fn with_rng<T>(&self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        draw(&mut lock(&self.rng))
    }

    pub(super) fn has_changed(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hosts no invitation to a space any more; other devices may go on.
    pub(crate) fn forget_space(&self, space: SpaceKey) {
        let all: Vec<_> = lock(&self.hosted).values().cloned().collect();
        for hosted in all.iter().filter(|hosted| hosted.space == space) {
            self.end(hosted, Refusal::Cancelled);
        }
    }

    /// The client goes away. What does not outlive it is cancelled; guests of the rest see their
    /// connection end, and may come again.
    pub(crate) fn close(&self) {
        let all: Vec<_> = std::mem::take(&mut *lock(&self.hosted))
            .into_values()
            .collect();
        for hosted in all {
            if !hosted.state().persistent {
                self.end(&hosted, Refusal::Cancelled);
                continue;
            }
            hosted.state().outlets.clear();
            hosted.status.send_if_modified(|status| {
                let open = !status.state.is_final();
                if open {
                    status.state = InvitationState::Cancelled;
                    status.error = Some(InvitationError::Stopped);
                }
                open
            });
        }
    }
}

/// Why ECHO did not answer.
pub(super) fn stopped(error: dxos_actors::PortError) -> EchoError {
    EchoError::Stopped {
        reason: error.to_string(),
    }
}
