//! The actor that keeps the spaces of a profile and passes requests on to the one concerned.

mod authority;
mod care;
mod devices;
mod life;
mod list;
mod mend;
mod sessions;
mod sync;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dxos_actors::{
    Address, Answer, Behaviour, Clock, Context, Port, Receive, Shutdown, ShutdownError,
};
use dxos_credentials::{Credential, Delegated};
use dxos_document::{Op, Transaction};
use dxos_keys::{ContentKey, SpaceKey, SpaceSecret, Topic};
use dxos_protocol::auth::SwarmSecret;
#[allow(
    clippy::wildcard_imports,
    reason = "this is where all requests of ECHO are answered"
)]
use dxos_protocol::echo::*;
use dxos_protocol::halo::Authority;
use dxos_protocol::history::{
    Compare, ComparePage, FeedReport, GetObjectAt, GetTimeframe, HistoryPage, ListConflicts,
    ListFeeds, Loser, ReadHistory, RunQueryAt, Undo, Undone,
};
use dxos_protocol::mesh::JoinSwarm;
use dxos_protocol::replicate::SessionId;
use dxos_store::{Direction, Durability as StoreDurability, KeyRange, Read, Store};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::watch;

pub(crate) use self::sync::sync;
use crate::api::MeshPorts;
use crate::core::layout::{DELETED, SPACES, SpaceNumber, SpaceRecord};
use crate::core::memory::Memory;
use crate::core::space::{decode_row, store_failed};
use crate::core::{EpochPolicy, Outcome, Restoring, Space};
use crate::ending::{Ending, UntilEnding, shutting_down};
use crate::space_actor::{SpaceActor, Start};
use crate::trouble::Watched;

/// How long a space may take to answer what was passed on to it.
pub(crate) const PASS_DEADLINE: Duration = Duration::from_secs(600);

/// What all actors of ECHO share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    /// The same, to be asked what fails.
    pub(crate) watched: Arc<Watched>,
    pub(crate) clock: Clock,
    pub(crate) mesh: Option<MeshPorts>,
    /// Set when something was written that was not synced yet.
    pub(crate) unsynced: Arc<AtomicBool>,
    /// Turns to read the past; see [`crate::space_actor::READS_MAX`].
    pub(crate) reads: Arc<tokio::sync::Semaphore>,
    pub(crate) epochs: EpochPolicy,
    /// Where objects may be held, for all spaces.
    pub(crate) memory: Arc<Memory>,
    /// Whether all of them are about to end.
    pub(crate) ending: Ending,
    /// Counts how often a space destroyed content keys, or went over to another encryption key.
    pub(crate) sealing: watch::Sender<u64>,
}

impl Shared {
    /// The store, for work that takes long.
    pub(crate) fn until_ending(&self) -> UntilEnding {
        UntilEnding::new(Arc::clone(&self.store), self.ending.clone())
    }

    /// Whoever keeps the encryption keys of this device has to look again.
    pub(crate) fn tell_sealing(&self) {
        self.sealing
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

pub(crate) struct EchoActor {
    shared: Shared,
    rng: ChaCha20Rng,
    sync_interval: Duration,
    /// When it was last looked whether the store failed, or written.
    looked: Duration,
    authority: Option<Authority>,
    /// The devices of the identity, told to every space.
    devices: OwnDevices,
    /// Those that are open.
    spaces: BTreeMap<SpaceKey, Address<SpaceActor>>,
    /// Those that are not: closed, or about to be.
    asleep: BTreeMap<SpaceKey, life::Asleep>,
    /// Those that are open and about to be deleted.
    leaving: BTreeSet<SpaceKey>,
    /// What is said of each, for those who watch.
    reports: BTreeMap<SpaceKey, watch::Sender<SpaceReport>>,
    /// Their keys, for those who watch.
    listed: watch::Sender<Vec<SpaceKey>>,
    topics: BTreeMap<Topic, SpaceKey>,
    sessions: BTreeMap<SessionId, SpaceKey>,
    next_number: u32,
    stopped: bool,
    /// The spaces that were open when this was told to stop.
    ended: Vec<Port<Shutdown>>,
}

impl EchoActor {
    pub(crate) fn new(shared: Shared, rng: ChaCha20Rng, sync_interval: Duration) -> Self {
        Self {
            shared,
            rng,
            sync_interval,
            looked: Duration::ZERO,
            authority: None,
            devices: OwnDevices::default(),
            spaces: BTreeMap::new(),
            asleep: BTreeMap::new(),
            leaving: BTreeSet::new(),
            reports: BTreeMap::new(),
            listed: watch::Sender::default(),
            topics: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_number: 0,
            stopped: false,
            ended: Vec::new(),
        }
    }

    fn running(&self) -> Result<(), EchoError> {
        if self.stopped {
            return Err(shutting_down());
        }
        Ok(())
    }

    fn authority(&self) -> Result<Authority, EchoError> {
        self.running()?;
        self.authority.clone().ok_or(EchoError::NoIdentity)
    }

    fn space(&self, space: &SpaceKey) -> Result<&Address<SpaceActor>, EchoError> {
        self.running()?;
        if self.authority.is_none() {
            return Err(EchoError::NoIdentity);
        }
        self.spaces.get(space).ok_or_else(|| self.not_open(*space))
    }

    fn session(&self, session: SessionId) -> Option<&Address<SpaceActor>> {
        self.spaces.get(self.sessions.get(&session)?)
    }

    /// Starts the actor of a space and joins its swarm.
    fn start(&mut self, space: SpaceKey, start: Start, ctx: &Context<Self>) {
        let shared = self.shared.clone();
        let rng = child_rng(&mut self.rng);
        let report = self.report_of(space, SpaceState::Initializing, SpaceReason::Opening);
        let address = ctx.start_child(move || SpaceActor::new(space, start, shared, rng, report));
        let topic = Topic::of_space(&space);
        self.topics.insert(topic, space);
        if !self.devices.chains.is_empty() {
            let devices = self.devices.clone();
            Self::tell_devices(address.port(), devices, ctx);
        }
        self.woke(&space, &address);
        self.spaces.insert(space, address);
        self.list();
        if let Some(mesh) = &self.shared.mesh {
            let join = mesh.join.clone();
            ctx.spawn(async move {
                let secret = SwarmSecret::of_space(&space);
                if let Err(error) = join.ask(JoinSwarm { topic, secret }).await {
                    tracing::warn!(%error, "swarm could not be joined");
                }
            });
        }
    }

    fn stored_spaces(&self) -> Result<Vec<SpaceRecord>, EchoError> {
        let rows = self
            .shared
            .store
            .scan(SPACES, KeyRange::all(), Direction::Forward);
        rows.map(|row| {
            let (_, value) = row.map_err(|error| store_failed(&error))?;
            decode_row::<SpaceRecord>("space", &value)
        })
        .collect()
    }

    fn number(&mut self) -> SpaceNumber {
        let number = SpaceNumber(self.next_number);
        self.next_number += 1;
        number
    }

    fn create(
        &mut self,
        properties: BTreeMap<String, dxos_document::Value>,
        restoring: Option<Restoring>,
        ctx: &Context<Self>,
    ) -> Result<SpaceKey, EchoError> {
        let authority = self.authority()?;
        let admin = authority.chain.device().identity;
        let secret = SpaceSecret::generate(&mut self.rng);
        let space = secret.space();
        let genesis = Credential::space_genesis(secret, admin);
        let now_ms = self.shared.clock.wall_ms();
        let number = self.number();
        let store: &dyn Read = &self.shared.store;
        let (mut created, mut outcome) = Space::create(
            (number, space),
            authority,
            &genesis,
            now_ms,
            (store, &mut self.rng),
        )?;
        if let Some(op) = properties_op(&created, properties) {
            let (committed, named) = created.commit(vec![op], now_ms, (store, &mut self.rng))?;
            committed?;
            // All at once: a space without its properties would be nobody's.
            outcome.batch.append(named.batch);
        }
        if let Some(restoring) = restoring {
            created.begin_restore(restoring, &mut outcome.batch)?;
        }
        self.commit(&created, outcome.batch)?;
        created.written(&self.shared.store)?;
        self.start(space, Start::Ready(Box::new(created)), ctx);
        Ok(space)
    }

    fn join(&mut self, message: JoinSpace, ctx: &Context<Self>) -> Result<SpaceKey, EchoError> {
        let JoinSpace { ticket } = message;
        self.take_up(ticket.space, ctx, |space, now_ms, store| {
            space.take_up(ticket, now_ms, store)
        })
    }

    fn take_up(
        &mut self,
        space: SpaceKey,
        ctx: &Context<Self>,
        take_up: impl FnOnce(&mut Space, u64, &dyn Read) -> Result<Outcome, EchoError>,
    ) -> Result<SpaceKey, EchoError> {
        let authority = self.authority()?;
        if self.is_here(&space) {
            return Err(EchoError::AlreadyJoined { space });
        }
        let incarnation = life::next_incarnation(space, &self.shared.store)?;
        let record = SpaceRecord {
            number: self.number(),
            space,
            incarnation,
        };
        let store: &dyn Read = &self.shared.store;
        let mut joined = Space::open(record, authority, store)?;
        joined.use_stride(draw_stride(&mut self.rng));
        let outcome = take_up(&mut joined, self.shared.clock.wall_ms(), store)?;
        let mut batch = outcome.batch;
        batch.delete(DELETED, space.as_bytes().to_vec());
        self.commit(&joined, batch)?;
        joined.written(&self.shared.store)?;
        self.start(space, Start::Ready(Box::new(joined)), ctx);
        Ok(space)
    }

    fn commit(&self, space: &Space, batch: dxos_store::Batch) -> Result<(), EchoError> {
        // Creating and joining are rare and must not be lost: synced at once.
        for part in space.parts(batch)? {
            let durability = StoreDurability::Synced;
            let committed = self.shared.store.commit(part, durability);
            committed.map_err(|error| store_failed(&error))?;
        }
        Ok(())
    }

    fn report(&self, space: SpaceKey) -> Answer<Result<SpaceReport, EchoError>> {
        match self.report_asleep(&space) {
            Some(report) => Answer::Now(Ok(report)),
            None => pass(self.space(&space), GetSpace { space }),
        }
    }
}

/// What [`Space::use_stride`] takes.
pub(crate) fn draw_stride(rng: &mut ChaCha20Rng) -> u16 {
    let mut stride = [0; 2];
    rng.fill_bytes(&mut stride);
    u16::from_le_bytes(stride)
}

fn child_rng(rng: &mut ChaCha20Rng) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// The operation that makes the properties object of a new space.
fn properties_op(space: &Space, properties: BTreeMap<String, dxos_document::Value>) -> Option<Op> {
    let object = space.properties_id();
    Transaction::new()
        .create(object, PROPERTIES_TYPE, properties)
        .ops
        .pop()
}

/// Passes a request on to a space's actor.
fn pass<M, T>(
    space: Result<&Address<SpaceActor>, EchoError>,
    message: M,
) -> Answer<Result<T, EchoError>>
where
    M: dxos_wire::Request<Reply = Result<T, EchoError>>,
    T: Send + 'static,
    SpaceActor: Receive<M>,
{
    match space {
        Err(error) => Answer::Now(Err(error)),
        Ok(space) => {
            let port: Port<M> = space.port();
            Answer::later(ask(port, message))
        }
    }
}

/// Who asked has a deadline of its own, and knows how long this may take.
async fn ask<M, T>(port: Port<M>, message: M) -> Result<T, EchoError>
where
    M: dxos_wire::Request<Reply = Result<T, EchoError>>,
{
    let answered = port.with_deadline(PASS_DEADLINE).ask(message).await;
    answered.unwrap_or_else(|error| {
        Err(EchoError::Stopped {
            reason: error.to_string(),
        })
    })
}

impl Behaviour for EchoActor {
    const NAME: &'static str = "echo";
    const CREDITS: usize = 1024;

    fn started(&mut self, ctx: &Context<Self>) {
        self.sync_later(ctx);
    }
}

impl Receive<CreateSpace> for EchoActor {
    fn receive(
        &mut self,
        message: CreateSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        match self.create(message.properties, None, ctx) {
            Ok(space) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<JoinSpace> for EchoActor {
    fn receive(
        &mut self,
        message: JoinSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        match self.join(message, ctx) {
            Ok(space) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

macro_rules! pass_to_space {
    ($($message:ident => $reply:ty),* $(,)?) => {$(
        impl Receive<$message> for EchoActor {
            fn receive(
                &mut self,
                message: $message,
                _: &Context<Self>,
            ) -> Answer<Result<$reply, EchoError>> {
                self.ask_space(message.space, message)
            }
        }
    )*};
}

pass_to_space! {
    AdmitMember => AdmissionTicket,
    AppendItems => Appended,
    ListQueues => Vec<QueueReport>,
    ReadItems => Vec<QueueItem>,
    ReadQueue => QueuePage,
    SetRetention => (),
    WatchQueue => watch::Receiver<u64>,
    CancelDelegated => (),
    DelegateInvitation => (),
    LeaveSpace => (),
    ListDelegated => Vec<(Delegated, Option<ContentKey>)>,
    QueryCredentials => Vec<SpaceCredential>,
    RemoveMember => (),
    RestoreDevice => (),
    RevokeDevice => (),
    SetMemberProfile => (),
    SetRole => (),
    Commit => Committed,
    Compare => ComparePage,
    ComputeStateHash => dxos_keys::StateHash,
    CreateEpoch => EpochReport,
    EndRestore => (),
    FindDangling => Vec<dxos_document::Dangling>,
    GetManifest => Manifest,
    GetTicket => AdmissionTicket,
    ReadBlocks => (Vec<ArchivedRun>, ArchiveRest),
    ReadObjects => Vec<dxos_document::Object>,
    ReadPart => Option<bytes::Bytes>,
    RestoreSpace => (),
    GetObject => Option<dxos_document::Object>,
    GetObjectAt => Option<dxos_document::Object>,
    GetTimeframe => dxos_document::Timeframe,
    ListFeeds => Vec<FeedReport>,
    ListConflicts => BTreeMap<dxos_document::Path, Vec<Loser>>,
    ListEpochs => Vec<EpochReport>,
    EraseSpace => ErasureReport,
    GetErasure => Option<ErasureReport>,
    ListMembers => Vec<MemberReport>,
    OpenMessage => Option<Vec<u8>>,
    ReadHistory => HistoryPage,
    RunQuery => Vec<dxos_document::Object>,
    FindIds => Option<FoundIds>,
    ReadFound => Vec<dxos_document::Object>,
    ExplainQuery => Explanation,
    CountQuery => u64,
    GroupQuery => Vec<dxos_document::Group>,
    GetSyncStatus => SyncStatus,
    ListIndexes => Vec<IndexReport>,
    RunQueryAt => Vec<dxos_document::Object>,
    SealMessage => bytes::Bytes,
    Subscribe => LiveQuery,
    Transact => Option<Committed>,
    TrimSpace => u64,
    Undo => Undone,
    WatchText => Option<TextWatch>,
}

impl Receive<Shutdown> for EchoActor {
    fn receive(
        &mut self,
        message: Shutdown,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), ShutdownError>> {
        self.stopped = true;
        self.shared.ending.set();
        self.topics.clear();
        self.sessions.clear();
        self.wake_nobody();
        // Whoever watches hears of the end, also while somebody still has an address of this actor.
        self.reports.clear();
        self.listed = watch::Sender::default();
        let spaces = std::mem::take(&mut self.spaces);
        // Whoever gave up waiting and asks again waits for the same ones.
        self.ended.extend(spaces.values().map(Address::port));
        let ports = self.ended.clone();
        self.shared.unsynced.store(false, Ordering::Release);
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        Answer::later(async move {
            for port in ports {
                // A space that failed before has nothing more to write. One that is at work is
                // waited for: whoever asks knows how long.
                if let Err(error) = port.ask_within(message, PASS_DEADLINE).await {
                    tracing::debug!(%error, "a space had stopped");
                }
            }
            drop(spaces);
            sync(spawner, store)
                .await
                .map_err(|error| ShutdownError::Failed {
                    text: error.to_string(),
                })
        })
    }
}
