//! All invitations that a client hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dxos_actors::{ChaCha20Rng, Clock, Port, SpawnerHandle};
use dxos_keys::{ContentKey, DeviceKey, InvitationId, SpaceKey};
use dxos_protocol::echo::{
    AdmitMember, CancelDelegated, DelegateInvitation, DelegatedProof, EchoError, ListDelegated,
    ListSpaces,
};
use dxos_protocol::halo::{Authority, GetAuthority};
use dxos_protocol::invitation::{
    Authentication, HostMessage, InvitationKind, InvitationType, Refusal,
};
use dxos_store::{Store, StoreError};
use tokio::sync::{mpsc, watch};

use super::delegated::Lookup;
use super::device::DeviceAuthority;
use super::host::{Admission, ExchangeId, GuestKey, HostInvitation, Output, Progress, Usage};
use super::record::{HostProof, Record, Records};
use super::{InvitationError, InvitationKey, InvitationOptions, InvitationState, InvitationStatus};
use crate::ClientError;

/// Invitations that one client hosts at once.
const HOSTED_MAX: usize = 256;
/// How often invitations are looked at whose time may be over.
const TICK: Duration = Duration::from_secs(1);

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
    spawner: SpawnerHandle,
    hosted: Mutex<BTreeMap<InvitationId, Arc<Hosted>>>,
    rng: Mutex<ChaCha20Rng>,
    ticking: AtomicBool,
    itself: Weak<Self>,
}

impl fmt::Debug for Invitations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invitations")
            .finish_non_exhaustive()
    }
}

/// One of them.
pub(super) struct Hosted {
    pub(super) id: InvitationId,
    pub(super) kind: InvitationKind,
    pub(super) invitation_type: InvitationType,
    /// The space, or the one in which the identity keeps its devices.
    pub(super) space: SpaceKey,
    pub(super) target: Option<String>,
    pub(super) proof: HostProof,
    pub(super) status: watch::Sender<InvitationStatus>,
    state: Mutex<HostedState>,
}

pub(super) struct HostedState {
    pub(super) machine: HostInvitation,
    /// What is sent to each guest. Not bounded by itself: the state machine answers a message
    /// with at most two, and with a ticket once.
    pub(super) outlets: BTreeMap<ExchangeId, mpsc::UnboundedSender<HostMessage>>,
    pub(super) next_exchange: u64,
    record: Record,
    /// Whether it is to outlive a restart.
    persistent: bool,
}

/// What a step leaves to be done outside.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) exchange: ExchangeId,
    pub(super) admission: Admission,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Hosted {
    fn new(
        id: InvitationId,
        (record, persistent): (Record, bool),
        proof: HostProof,
        device: DeviceKey,
    ) -> Self {
        let terms = record.terms(id, proof.challenge());
        let mut status = InvitationStatus::new(InvitationState::Init, Some(record.space));
        if let Some(refusal) = record.usage.ended {
            let error = own_error(refusal);
            status.state = error.state();
            status.error = Some(error);
        }
        let machine = HostInvitation::new(terms, record.usage.clone(), device);
        if machine.is_used_up() {
            status.state = InvitationState::Success;
        }
        Self {
            id,
            kind: record.kind,
            invitation_type: record.invitation_type,
            space: record.space,
            target: record.target.clone(),
            proof,
            status: watch::Sender::new(status),
            state: Mutex::new(HostedState {
                machine,
                outlets: BTreeMap::new(),
                next_exchange: 0,
                record,
                persistent,
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, HostedState> {
        lock(&self.state)
    }

    /// Whether a guest may still come.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state();
        state.machine.ended().is_none() && !state.machine.is_used_up()
    }

    fn report(&self, progress: Progress, single_use: bool) {
        self.status.send_modify(|status| {
            // What later guests of a used invitation do does not show.
            if status.state.is_final() {
                return;
            }
            match progress {
                Progress::Connected => status.state = InvitationState::Connected,
                Progress::ReadyForAuthentication => {
                    status.state = InvitationState::ReadyForAuthentication;
                }
                Progress::Authenticating => status.state = InvitationState::Authenticating,
                Progress::WrongCode { attempts_left } => {
                    status.state = InvitationState::ReadyForAuthentication;
                    status.attempts_left = Some(attempts_left);
                }
                Progress::Admitted(guest) => {
                    match guest {
                        GuestKey::Identity(identity) => status.identity = Some(identity),
                        GuestKey::Device(device) => status.device = Some(device),
                    }
                    status.state = if single_use {
                        InvitationState::Success
                    } else {
                        InvitationState::Init
                    };
                }
                Progress::GuestLeft => status.state = InvitationState::Init,
                Progress::Ended(refusal) => {
                    let error = own_error(refusal);
                    status.state = error.state();
                    status.error = Some(error);
                }
            }
        });
    }
}

/// To the guest it is a refusal; this side did it itself.
fn own_error(refusal: Refusal) -> InvitationError {
    match refusal {
        Refusal::Cancelled => InvitationError::Cancelled,
        Refusal::Expired => InvitationError::Expired,
        refusal => InvitationError::Refused(refusal),
    }
}

impl HostedState {
    /// Puts onto the disk what became of the invitation. What is over is not kept.
    fn save(&mut self, id: &InvitationId, records: &Records) -> Result<(), StoreError> {
        self.record.usage = self.machine.usage().clone();
        if !self.persistent {
            return Ok(());
        }
        if self.machine.ended() == Some(Refusal::Expired) {
            return records.remove(&[*id]);
        }
        records.put(id, &self.record)
    }

    /// Whether nothing is lost when it is forgotten.
    fn is_over(&self) -> bool {
        let over = self.machine.ended().is_some() || self.machine.is_used_up();
        over && self.outlets.is_empty()
    }
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

    /// Makes an invitation.
    pub(super) async fn begin(
        &self,
        kind: InvitationKind,
        space: SpaceKey,
        options: &InvitationOptions,
    ) -> Result<Arc<Hosted>, ClientError> {
        let (id, proof) = self.with_rng(|rng| {
            let id = InvitationId::generate(rng);
            let proof = match (options.authentication, options.identity) {
                (Authentication::SharedSecret, _) => HostProof::Code(ContentKey::generate(rng)),
                (Authentication::KnownPublicKey, Some(identity)) => HostProof::Identity(identity),
                (Authentication::KnownPublicKey, None) => {
                    let key = InvitationKey::generate(rng);
                    HostProof::Key {
                        public: key.public(),
                        secret: Some(key),
                    }
                }
                _ => HostProof::None,
            };
            (id, proof)
        });
        let expires_ms = self.clock.wall_ms();
        let expires_ms = expires_ms.saturating_add(millis(options.lifetime));
        let record = Record {
            kind,
            invitation_type: options.invitation_type,
            space,
            role: options.role,
            history: options.history,
            single_use: !options.multi_use,
            expires_ms,
            patience_ms: millis(options.timeout),
            target: options.target.clone(),
            proof: self.seal(&id, &proof).await?,
            usage: Usage::default(),
        };
        self.make_room()?;
        if options.is_persistent() {
            // Before anybody else hears of it: it can be cancelled then, whatever comes.
            let (records, record) = (self.records.clone(), record.clone());
            let stored = self.spawner.blocking(move || records.put(&id, &record));
            let stored = stored.await.map_err(|_| InvitationError::Stopped)?;
            stored.map_err(|error| InvitationError::Store {
                reason: error.to_string(),
            })?;
        }
        if options.invitation_type == InvitationType::Delegated {
            let delegated = self.delegate(id, &record, &proof).await;
            if delegated.is_err()
                && let Err(error) = self.records.remove(&[id])
            {
                tracing::warn!(%error, "an invitation that was not made could not be removed");
            }
            delegated?;
        }
        let record = (record, options.is_persistent());
        let hosted = Arc::new(Hosted::new(id, record, proof, self.device));
        lock(&self.hosted).insert(id, Arc::clone(&hosted));
        self.keep_time();
        self.has_changed();
        Ok(hosted)
    }

    async fn delegate(
        &self,
        invitation: InvitationId,
        record: &Record,
        proof: &HostProof,
    ) -> Result<(), ClientError> {
        let proof = match proof {
            HostProof::None => DelegatedProof::Plain(dxos_credentials::GuestProof::None),
            HostProof::Code(secret) => DelegatedProof::Code(secret.clone()),
            HostProof::Key { public, .. } => {
                DelegatedProof::Plain(dxos_credentials::GuestProof::Key(*public))
            }
            HostProof::Identity(identity) => {
                DelegatedProof::Plain(dxos_credentials::GuestProof::Identity(*identity))
            }
        };
        let message = DelegateInvitation {
            space: record.space,
            invitation,
            role: record.role,
            single_use: record.single_use,
            history: record.history,
            expires_ms: record.expires_ms,
            proof,
        };
        let made = self.echo.delegate.ask(message).await;
        Ok(made.map_err(ClientError::unanswered("ECHO"))??)
    }

    /// Seals a proof for this device.
    pub(super) async fn seal(
        &self,
        id: &InvitationId,
        proof: &HostProof,
    ) -> Result<super::record::StoredProof, ClientError> {
        let authority = self.authority.ask(GetAuthority).await;
        let authority = authority.map_err(ClientError::unanswered("HALO"))??;
        let sealing = authority.sealing.sealing_key();
        let sealed = self.with_rng(|rng| proof.seal(id, &sealing, rng));
        let reason = "this device's own encryption key cannot be used";
        Ok(sealed.ok_or_else(|| InvitationError::Store {
            reason: reason.to_owned(),
        })?)
    }

    /// Takes up an invitation that was made elsewhere; another task may have done so meanwhile.
    pub(super) fn host(
        &self,
        id: InvitationId,
        record: Record,
        proof: HostProof,
    ) -> Result<Arc<Hosted>, InvitationError> {
        self.make_room()?;
        let new = Arc::new(Hosted::new(id, (record, true), proof, self.device));
        let hosted = Arc::clone(lock(&self.hosted).entry(id).or_insert(new));
        self.keep_time();
        Ok(hosted)
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
    fn make_room(&self) -> Result<(), InvitationError> {
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

    /// Ends one by the host's will.
    pub(super) fn cancel(&self, hosted: &Hosted) {
        self.end(hosted, Refusal::Cancelled);
        if hosted.invitation_type == InvitationType::Delegated {
            self.cancel_everywhere(hosted.space, hosted.id);
        }
    }

    pub(super) fn end(&self, hosted: &Hosted, refusal: Refusal) {
        let mut out = Vec::new();
        let mut state = hosted.state();
        state.machine.end(refusal, &mut out);
        drop(self.settle(hosted, &mut state, out));
    }

    /// Has every other host end a delegated invitation.
    fn cancel_everywhere(&self, space: SpaceKey, invitation: InvitationId) {
        let cancel = self.echo.cancel.clone();
        let asked = self.spawner.spawn("cancel invitation", move || async move {
            match cancel.ask(CancelDelegated { space, invitation }).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "an invitation was not cancelled"),
                Err(error) => tracing::warn!(%error, "an invitation was not cancelled"),
            }
        });
        if let Err(error) = asked {
            tracing::warn!(%error, "an invitation was not cancelled");
        }
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

    /// Carries out what a state machine wants, but for admissions.
    pub(super) fn settle(
        &self,
        hosted: &Hosted,
        state: &mut HostedState,
        out: Vec<Output>,
    ) -> Option<Pending> {
        let save = out.iter().any(|output| matches!(output, Output::Save));
        let saved = !save || self.saved(hosted, state);
        let single_use = state.machine.terms().single_use;
        let mut pending = None;
        for output in out {
            match output {
                Output::Save => {}
                Output::Send(exchange, message) => {
                    let message = if saved || matches!(message, HostMessage::Refused { .. }) {
                        message
                    } else {
                        // What is not on the disk must not have happened for anybody.
                        let refusal = Refusal::HostFailed;
                        HostMessage::Refused { refusal }
                    };
                    if let Some(outlet) = state.outlets.get(&exchange) {
                        // The guest may be gone.
                        drop(outlet.send(message));
                    }
                    if !saved {
                        state.outlets.remove(&exchange);
                    }
                }
                // With its outlet gone, an exchange ends when everything is sent.
                Output::Close(exchange) => drop(state.outlets.remove(&exchange)),
                Output::Admit(exchange, _) if !saved => drop(state.outlets.remove(&exchange)),
                Output::Admit(exchange, admission) => {
                    pending = Some(Pending {
                        exchange,
                        admission,
                    });
                }
                Output::Progress(progress) => {
                    let delegated = hosted.invitation_type == InvitationType::Delegated;
                    let guessed = progress == Progress::Ended(Refusal::TooManyAttempts);
                    if delegated && guessed && !state.machine.is_used_up() {
                        self.cancel_everywhere(hosted.space, hosted.id);
                    }
                    let lists = matches!(progress, Progress::Admitted(_) | Progress::Ended(_));
                    hosted.report(progress, single_use);
                    if lists {
                        self.has_changed();
                    }
                }
            }
        }
        pending
    }

    fn saved(&self, hosted: &Hosted, state: &mut HostedState) -> bool {
        let saved = state.save(&hosted.id, &self.records);
        if let Err(error) = &saved {
            tracing::warn!(%error, "an invitation could not be stored");
        }
        saved.is_ok()
    }

    /// Looks at the clock as long as there are invitations whose time may come.
    fn keep_time(&self) {
        if self.ticking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (itself, clock) = (Weak::clone(&self.itself), self.clock.clone());
        let ticking = async move {
            loop {
                clock.sleep(TICK).await;
                let Some(invitations) = itself.upgrade() else {
                    return;
                };
                if !invitations.tick(clock.wall_ms()) {
                    return;
                }
            }
        };
        if let Err(error) = self.spawner.spawn("invitations", move || ticking) {
            tracing::debug!(%error, "nobody looks at the clock for invitations");
        }
    }

    /// Ends what is over; whether anything is left to look at.
    fn tick(&self, now_ms: u64) -> bool {
        let all: Vec<_> = lock(&self.hosted).values().cloned().collect();
        for hosted in all {
            let mut out = Vec::new();
            let mut state = hosted.state();
            state.machine.tick(now_ms, &mut out);
            drop(self.settle(&hosted, &mut state, out));
        }
        let hosted = lock(&self.hosted);
        let left = hosted
            .values()
            .any(|hosted| hosted.state().machine.ended().is_none());
        if !left {
            // Under the lock: whoever adds one sees it.
            self.ticking.store(false, Ordering::Release);
        }
        left
    }
}

/// Why ECHO did not answer.
pub(super) fn stopped(error: dxos_actors::PortError) -> EchoError {
    EchoError::Stopped {
        reason: error.to_string(),
    }
}
