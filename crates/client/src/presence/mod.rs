//! Presence and ephemeral messages: what the devices of a space tell each other by gossip.
//!
//! Each device says every [`BEACON_INTERVAL`] in each of its spaces that it is there, and before
//! it goes that it is leaving. Whatever is new is passed on once, so that devices are seen that
//! are connected to others only. It is a hint and no proof: a member can hold such messages back,
//! or send those of an earlier time again to a device that has just started.

mod core;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Clock, Port, SpawnError, SpawnerHandle};
use dxos_echo::Echo;
use dxos_keys::{DeviceKey, IdentityKey, Signer, SpaceKey, Topic};
use dxos_mesh::Mesh;
use dxos_protocol::echo::{
    ListMembers, ListSpaces, MemberReport, MessageContext, OpenMessage, SealMessage,
};
use dxos_protocol::gossip::{Gossip, GossipContent};
use dxos_protocol::mesh::{Broadcast, DeliverGossip};
use tokio::sync::{Notify, mpsc, watch};

use self::core::{BEACON_INTERVAL, Beacon, Presence, Verdict};
use self::message::Channels;
pub use self::message::{CHANNEL_BYTES_MAX, MESSAGE_BYTES_MAX, Message, MessageError, Messages};
use crate::ClientError;

const ECHO: &str = "ECHO";
const MESH: &str = "MESH";
/// What has come and was not looked at yet; more is dropped.
const INBOX_MAX: usize = 256;
/// How often the members of a space are asked for because of a device that is not known.
const STRANGERS_EVERY: Duration = Duration::from_secs(1);
/// How long connections are kept open for the word that this device is leaving.
const LEAVE_GRACE: Duration = Duration::from_millis(50);
/// How long saying so may take.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// What the devices of the spaces tell each other, at one device.
pub(crate) struct GossipService {
    echo: Echo,
    signer: Arc<dyn Signer>,
    clock: Clock,
    spawner: SpawnerHandle,
    inbox: mpsc::Sender<DeliverGossip>,
    outside: Mutex<Option<mpsc::Receiver<DeliverGossip>>>,
    spaces: Mutex<BTreeMap<Topic, SpaceState>>,
    seq: Mutex<u64>,
    /// Counts what changes in who is online.
    changed: watch::Sender<u64>,
    /// Whether this device keeps silent, because it is offline or about to be.
    silent: AtomicBool,
    closed: AtomicBool,
    woken: Notify,
    dropped: AtomicU64,
}

/// What is known in one space.
#[derive(Debug)]
struct SpaceState {
    space: SpaceKey,
    presence: Presence,
    owners: BTreeMap<DeviceKey, IdentityKey>,
    channels: Channels,
    /// When the members were asked for because of a device that was not known.
    asked: Option<Duration>,
}

impl SpaceState {
    fn new(space: SpaceKey) -> Self {
        Self {
            space,
            presence: Presence::default(),
            owners: BTreeMap::new(),
            channels: Channels::default(),
            asked: None,
        }
    }
}

impl std::fmt::Debug for GossipService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GossipService")
            .field("silent", &self.silent)
            .finish_non_exhaustive()
    }
}

impl GossipService {
    pub(crate) fn new(
        echo: Echo,
        signer: Arc<dyn Signer>,
        clock: Clock,
        spawner: SpawnerHandle,
    ) -> Self {
        let (inbox, outside) = mpsc::channel(INBOX_MAX);
        Self {
            echo,
            signer,
            clock,
            spawner,
            inbox,
            outside: Mutex::new(Some(outside)),
            spaces: Mutex::default(),
            seq: Mutex::new(0),
            changed: watch::Sender::new(0),
            silent: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            woken: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Where MESH puts what comes.
    pub(crate) fn port(self: &Arc<Self>) -> Port<DeliverGossip> {
        let service = Arc::downgrade(self);
        Port::stub(move |gossip| {
            let Some(service) = service.upgrade() else {
                return;
            };
            if service.inbox.try_send(gossip).is_err() {
                let dropped = service.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::debug!(dropped, "gossip dropped");
            }
        })
    }

    /// Begins to tell others, and to listen.
    pub(crate) fn start(self: &Arc<Self>, mesh: &Mesh) -> Result<(), SpawnError> {
        let outside = lock(&self.outside).take();
        let Some(outside) = outside else {
            return Ok(());
        };
        let (service, broadcast) = (Arc::clone(self), mesh.broadcast());
        self.spawner.spawn("presence", move || async move {
            service.run(outside, broadcast).await;
        })
    }

    async fn run(self: Arc<Self>, mut outside: mpsc::Receiver<DeliverGossip>, to: Port<Broadcast>) {
        let mut next_beacon = self.clock.now();
        loop {
            let now = self.clock.now();
            let wake = self.next_tick().map_or(next_beacon, |t| t.min(next_beacon));
            tokio::select! {
                biased;
                () = self.woken.notified() => next_beacon = now,
                gossip = outside.recv() => match gossip {
                    Some(gossip) => self.receive(gossip, &to).await,
                    None => return,
                },
                () = self.clock.sleep(wake.saturating_sub(now)) => {}
            }
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let now = self.clock.now();
            self.tick(now);
            if now >= next_beacon {
                next_beacon = now.saturating_add(BEACON_INTERVAL);
                if let Err(error) = self.refresh_all().await {
                    tracing::debug!(%error, "the members of the spaces are not known");
                }
                if !self.silent.load(Ordering::Acquire) {
                    self.tell_all(&GossipContent::Here, &to).await;
                }
            }
        }
    }

    fn spaces(&self) -> MutexGuard<'_, BTreeMap<Topic, SpaceState>> {
        lock(&self.spaces)
    }

    fn next_tick(&self) -> Option<Duration> {
        let spaces = self.spaces();
        spaces.values().filter_map(|s| s.presence.next_tick()).min()
    }

    fn tick(&self, now: Duration) {
        let mut changed = false;
        for state in self.spaces().values_mut() {
            changed |= state.presence.tick(now);
        }
        self.note(changed);
    }

    fn note(&self, changed: bool) {
        if changed {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Looks which spaces there are, and who their members are.
    async fn refresh_all(&self) -> Result<(), ClientError> {
        let reports = self.echo.list_spaces().ask(ListSpaces).await;
        let reports = reports.map_err(ClientError::unanswered(ECHO))?;
        let open = reports
            .iter()
            .filter(|report| report.state != dxos_protocol::echo::SpaceState::Closed);
        let here: BTreeSet<Topic> = open.map(|report| report.topic).collect();
        self.spaces().retain(|topic, _| here.contains(topic));
        for report in reports {
            self.refresh(report.topic, report.space).await?;
        }
        Ok(())
    }

    async fn refresh(&self, topic: Topic, space: SpaceKey) -> Result<(), ClientError> {
        let listed = self.echo.list_members().ask(ListMembers { space }).await;
        let Ok(members) = listed.map_err(ClientError::unanswered(ECHO))? else {
            return Ok(());
        };
        let owners: BTreeMap<_, _> = members
            .iter()
            .flat_map(|member| member.devices.iter().map(|d| (*d, member.identity)))
            .collect();
        let mut devices: BTreeSet<_> = owners.keys().copied().collect();
        // What this device says itself comes back to it.
        devices.remove(&self.signer.device());
        let changed = {
            let mut spaces = self.spaces();
            let state = spaces.entry(topic);
            let state = state.or_insert_with(|| SpaceState::new(space));
            state.owners = owners;
            state.presence.set_devices(&devices)
        };
        self.note(changed);
        Ok(())
    }

    /// Takes in what came, and passes on what is new.
    async fn receive(&self, gossip: DeliverGossip, to: &Port<Broadcast>) {
        let DeliverGossip {
            topic,
            from,
            payload,
        } = gossip;
        let Ok(read) = Gossip::decode(&payload) else {
            tracing::debug!(peer = %from.short(), "gossip that cannot be read");
            return;
        };
        let (device, seq) = (read.device(), read.seq());
        if device == self.signer.device() {
            return;
        }
        if self.look(&topic, &device, seq).await != Verdict::New {
            return;
        }
        if !read.verify(&topic) {
            tracing::debug!(peer = %from.short(), "gossip that its device did not sign");
            return;
        }
        let now = self.clock.now();
        let (verdict, changed) = {
            let mut spaces = self.spaces();
            let Some(state) = spaces.get_mut(&topic) else {
                return;
            };
            let verdict = state.presence.take(now, &device, seq);
            let beacon = match read.content() {
                GossipContent::Here => Some(Beacon::Here),
                GossipContent::Leaving => Some(Beacon::Leaving),
                _ => None,
            };
            let heard = |beacon| state.presence.heard(now, &device, seq, beacon);
            let changed = verdict == Verdict::New && beacon.is_some_and(heard);
            (verdict, changed)
        };
        if verdict != Verdict::New {
            tracing::debug!(device = %device.short(), ?verdict, "gossip dropped");
            return;
        }
        self.note(changed);
        let passed = Broadcast {
            topic,
            payload,
            except: Some(from),
        };
        drop(to.ask(passed).await);
        if let GossipContent::Message(sealed) = read.content() {
            let context = MessageContext { device, seq };
            self.deliver(topic, context, sealed.clone()).await;
        }
    }

    /// What is to become of a message; who is not known may have come lately.
    async fn look(&self, topic: &Topic, device: &DeviceKey, seq: u64) -> Verdict {
        let now = self.clock.now();
        let space = {
            let mut spaces = self.spaces();
            let Some(state) = spaces.get_mut(topic) else {
                // A space that came lately is known with the next beacon.
                return Verdict::Stranger;
            };
            let looked = state.presence.look(device, seq);
            let lately = state.asked.is_some_and(|at| now < at + STRANGERS_EVERY);
            if looked != Verdict::Stranger || lately {
                return looked;
            }
            state.asked = Some(now);
            state.space
        };
        drop(self.refresh(*topic, space).await);
        let spaces = self.spaces();
        spaces
            .get(topic)
            .map_or(Verdict::Stranger, |s| s.presence.look(device, seq))
    }

    /// Hands a message to those who listen.
    async fn deliver(&self, topic: Topic, context: MessageContext, sealed: Bytes) {
        let space = match self.spaces().get(&topic) {
            Some(state) if !state.channels.is_empty() => state.space,
            _ => return,
        };
        let open = OpenMessage {
            space,
            context,
            sealed,
        };
        let opened = self.echo.open_message().ask(open).await;
        let Ok(Ok(Some(plain))) = opened else {
            return;
        };
        let Some((channel, payload)) = message::unpack(plain.into()) else {
            return;
        };
        let device = context.device;
        let spaces = self.spaces();
        let Some(state) = spaces.get(&topic) else {
            return;
        };
        if let Some(identity) = state.owners.get(&device) {
            let message = Message {
                device,
                identity: *identity,
                payload,
            };
            state.channels.deliver(&channel, message);
        }
    }

    /// The number of the next message: above those of all earlier lives of this device, unless
    /// its wall clock was set back.
    fn next_seq(&self) -> u64 {
        let mut seq = lock(&self.seq);
        *seq = seq.saturating_add(1).max(self.clock.wall_ms());
        *seq
    }

    /// Says something in all spaces.
    async fn tell_all(&self, content: &GossipContent, to: &Port<Broadcast>) {
        let topics: Vec<Topic> = self.spaces().keys().copied().collect();
        for topic in topics {
            let told = Gossip::sign(&*self.signer, &topic, self.next_seq(), content.clone());
            let Ok(payload) = told.encode() else {
                continue;
            };
            // A swarm that was not joined has nobody in it.
            let except = None;
            drop(
                to.ask(Broadcast {
                    topic,
                    payload,
                    except,
                })
                .await,
            );
        }
    }

    /// Says that this device is leaving, and no more after that. To be called on the thread of
    /// the node.
    pub(crate) async fn leave(&self, mesh: &Mesh) {
        if self.silent.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut swarms = mesh.report().borrow().swarms.clone().into_iter();
        if swarms.any(|swarm| !swarm.sessions.is_empty()) {
            let (content, to) = (GossipContent::Leaving, mesh.broadcast());
            let told = self.clock.timeout(LEAVE_MAX, self.tell_all(&content, &to));
            if told.await.is_err() {
                tracing::debug!("not all were told that this device is leaving");
            }
            self.clock.sleep(LEAVE_GRACE).await;
        }
    }

    /// Says again that this device is there.
    pub(crate) fn come_back(&self) {
        if self.silent.swap(false, Ordering::AcqRel) {
            self.woken.notify_one();
        }
    }

    /// Ends it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.woken.notify_one();
        self.spaces().clear();
    }

    /// The devices that said in a space that they are there.
    pub(crate) fn online(&self, space: &SpaceKey) -> BTreeSet<DeviceKey> {
        let spaces = self.spaces();
        let state = spaces.get(&Topic::of_space(space));
        state.map_or_else(BTreeSet::new, |state| state.presence.online().collect())
    }

    /// Counts up when somebody comes or goes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Says of members that they are online when they said so.
    pub(crate) fn show(&self, space: &SpaceKey, members: &mut [MemberReport]) {
        let online = self.online(space);
        for member in members {
            member.online |= member.devices.iter().any(|device| online.contains(device));
        }
    }

    /// Sends a message to all devices of a space that are online.
    pub(crate) async fn post(
        &self,
        mesh: &Mesh,
        space: SpaceKey,
        channel: &str,
        payload: &[u8],
    ) -> Result<(), ClientError> {
        let plain = message::pack(channel, payload)?;
        let device = self.signer.device();
        let seq = self.next_seq();
        let context = MessageContext { device, seq };
        let seal = SealMessage {
            space,
            context,
            plain,
        };
        let sealed = self.echo.seal_message().ask(seal).await;
        let sealed = sealed.map_err(ClientError::unanswered(ECHO))??;
        let topic = Topic::of_space(&space);
        let gossip = Gossip::sign(&*self.signer, &topic, seq, GossipContent::Message(sealed));
        let Ok(payload) = gossip.encode() else {
            let found = payload.len();
            return Err(MessageError::TooLarge { found }.into());
        };
        let broadcast = Broadcast {
            topic,
            payload,
            except: None,
        };
        let sent = mesh.broadcast().ask(broadcast).await;
        Ok(sent.map_err(ClientError::unanswered(MESH))??)
    }

    /// The messages of a channel from now on.
    pub(crate) fn listen(&self, space: SpaceKey, channel: &str) -> Messages {
        let mut spaces = self.spaces();
        let state = spaces.entry(Topic::of_space(&space));
        let state = state.or_insert_with(|| SpaceState::new(space));
        state.channels.listen(channel)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
