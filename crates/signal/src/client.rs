//! The client: what a server says, as a [`Discovery`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dxos_actors::{ChaCha20Rng, Clock, SeedTree, SpawnerHandle};
use dxos_keys::{DeviceKey, Topic};
use dxos_transport::{
    Announcement, Discovery, DiscoveryError, DiscoveryEvent, PeerAddress, Presence, Stream,
    Transport,
};
use dxos_wire::StreamKind;
use dxos_wire::limits::{PEERS_PER_ANSWER_MAX, TOPICS_PER_DEVICE_MAX};
use rand_core::Rng;
use tokio::sync::{Notify, watch};

use crate::address::ServerAddress;
use crate::message::{ClientMessage, ServerMessage, VERSION};

/// Delays between tries to reach the server double from the first to the last.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long the server may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The devices that one server knows of. All topics share one connection, which is made again
/// when it breaks.
#[derive(Debug)]
pub struct SignalClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    topics: Mutex<BTreeMap<Topic, Joined>>,
    /// Topics were joined or left, or the client is gone.
    changed: Notify,
    connected: watch::Sender<bool>,
    gone: watch::Sender<bool>,
}

/// One topic, joined one or more times.
#[derive(Debug)]
struct Joined {
    me: Announcement,
    users: usize,
    peers: BTreeMap<DeviceKey, Known>,
    /// Counts changes of `peers`.
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<PeerAddress>,
    /// Not confirmed since the server was reached again.
    stale: bool,
}

impl SignalClient {
    /// Makes a client of a server, whose task runs on `spawner`. It connects once there is a
    /// topic, and begins again, after a while, whenever the server is gone.
    pub fn new(
        transport: Arc<dyn Transport>,
        server: ServerAddress,
        spawner: &SpawnerHandle,
        clock: Clock,
        seeds: &SeedTree,
    ) -> Self {
        let shared = Arc::new(Shared {
            topics: Mutex::default(),
            changed: Notify::new(),
            connected: watch::Sender::new(false),
            gone: watch::Sender::new(false),
        });
        let rng = seeds.rng_of("retry");
        let session = Session {
            shared: Arc::clone(&shared),
            transport,
            server,
            clock,
            rng,
        };
        if spawner.spawn("signal", move || session.run()).is_err() {
            shared.gone.send_replace(true);
        }
        Self { shared }
    }

    /// Whether the server is reached, as a value that changes.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }
}

impl Drop for SignalClient {
    fn drop(&mut self) {
        self.shared.gone.send_replace(true);
        self.shared.changed.notify_one();
    }
}

#[async_trait]
impl Discovery for SignalClient {
    async fn join(
        &self,
        topic: Topic,
        me: Announcement,
    ) -> Result<Box<dyn Presence>, DiscoveryError> {
        if *self.shared.gone.borrow() {
            return Err(DiscoveryError::Closed);
        }
        let mut topics = self.shared.lock();
        if !topics.contains_key(&topic) && topics.len() >= TOPICS_PER_DEVICE_MAX {
            return Err(DiscoveryError::TooManyTopics {
                max: TOPICS_PER_DEVICE_MAX,
            });
        }
        let joined = topics.entry(topic).or_insert_with(|| Joined {
            me: me.clone(),
            users: 0,
            peers: BTreeMap::new(),
            version: watch::Sender::new(0),
        });
        joined.users += 1;
        if !me.addresses.is_empty() {
            joined.me = me;
        }
        let mut version = joined.version.subscribe();
        version.mark_changed();
        drop(topics);
        self.shared.changed.notify_one();
        let (shared, gone) = (Arc::clone(&self.shared), self.shared.gone.subscribe());
        Ok(Box::new(SignalPresence {
            shared,
            topic,
            version,
            gone,
            told: BTreeMap::new(),
        }))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Topic, Joined>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct SignalPresence {
    shared: Arc<Shared>,
    topic: Topic,
    version: watch::Receiver<u64>,
    gone: watch::Receiver<bool>,
    told: BTreeMap<DeviceKey, Vec<PeerAddress>>,
}

impl SignalPresence {
    /// The first difference between what was told and what is.
    fn difference(&mut self) -> Option<DiscoveryEvent> {
        let topics = self.shared.lock();
        let peers = &topics.get(&self.topic)?.peers;
        let lost = self
            .told
            .keys()
            .find(|device| !peers.contains_key(*device))
            .copied();
        if let Some(device) = lost {
            self.told.remove(&device);
            return Some(DiscoveryEvent::PeerLost { device });
        }
        let (device, known) = peers
            .iter()
            .find(|(device, known)| self.told.get(*device) != Some(&known.addresses))?;
        let addresses = known.addresses.clone();
        self.told.insert(*device, addresses.clone());
        Some(DiscoveryEvent::PeerFound {
            device: *device,
            addresses,
        })
    }
}

#[async_trait]
impl Presence for SignalPresence {
    async fn next(&mut self) -> Option<DiscoveryEvent> {
        loop {
            // Before looking, or a change in between would be missed.
            self.version.borrow_and_update();
            if let Some(event) = self.difference() {
                return Some(event);
            }
            tokio::select! {
                biased;
                changed = self.version.changed() => changed.ok()?,
                gone = self.gone.wait_for(|gone| *gone) => {
                    drop(gone);
                    return None;
                }
            }
        }
    }
}

impl Drop for SignalPresence {
    fn drop(&mut self) {
        let mut topics = self.shared.lock();
        if let Some(joined) = topics.get_mut(&self.topic) {
            joined.users = joined.users.saturating_sub(1);
            if joined.users == 0 {
                topics.remove(&self.topic);
            }
        }
        drop(topics);
        self.shared.changed.notify_one();
    }
}

/// The task that talks to the server.
struct Session {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    server: ServerAddress,
    clock: Clock,
    rng: ChaCha20Rng,
}

impl Session {
    async fn run(mut self) {
        let mut delay = RETRY_MIN;
        loop {
            while self.shared.lock().is_empty() {
                if *self.shared.gone.borrow() {
                    return;
                }
                self.shared.changed.notified().await;
            }
            if *self.shared.gone.borrow() {
                return;
            }
            let since = self.clock.now();
            let why = self.talk().await;
            self.shared.connected.send_replace(false);
            tracing::info!(server = %self.server.device.short(), why, "no rendezvous server");
            if self.clock.now() - since > RETRY_MAX {
                delay = RETRY_MIN;
            }
            // Up to a half less, so that not everyone comes back at once.
            let part = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
            let wait = delay.mul_f64(1.0 - part / 2.0);
            let mut gone = self.shared.gone.subscribe();
            tokio::select! {
                biased;
                _ = gone.wait_for(|gone| *gone) => return,
                () = self.clock.sleep(wait) => {}
            }
            delay = (delay * 2).min(RETRY_MAX);
        }
    }

    /// Talks to the server while there is something to say. Returns why it ended.
    async fn talk(&self) -> String {
        let addresses = [self.server.address.clone()];
        let connecting = self.transport.connect(self.server.device, &addresses);
        let connection = match self.clock.timeout(PATIENCE, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return error.to_string(),
            Err(error) => return error.to_string(),
        };
        let opened = self
            .clock
            .timeout(PATIENCE, connection.open(StreamKind::Signal))
            .await;
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error.to_string(),
            Err(error) => return error.to_string(),
        };
        for joined in self.shared.lock().values_mut() {
            joined
                .peers
                .values_mut()
                .for_each(|known| known.stale = true);
        }
        self.shared.connected.send_replace(true);
        self.exchange(stream).await
    }

    async fn exchange(&self, stream: Stream) -> String {
        let Stream {
            mut sender,
            mut receiver,
            ..
        } = stream;
        let mut said: BTreeMap<Topic, Vec<PeerAddress>> = BTreeMap::new();
        loop {
            let news = self.news(&mut said);
            if said.is_empty() && news.is_empty() {
                return "nothing is looked for".to_owned();
            }
            let frames = news
                .iter()
                .filter_map(|message| dxos_wire::encode(VERSION, message).ok().map(Into::into));
            match self
                .clock
                .timeout(PATIENCE, sender.send_many(frames.collect()))
                .await
            {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(error) => return error.to_string(),
            }
            tokio::select! {
                biased;
                frame = receiver.receive() => match frame {
                    Ok(Some(frame)) => match dxos_wire::decode(VERSION, &frame) {
                        Ok(message) => self.heard(message),
                        Err(error) => return format!("the server does not speak the protocol: {error}"),
                    },
                    Ok(None) => return "the server ended the conversation".to_owned(),
                    Err(error) => return error.to_string(),
                },
                () = self.shared.changed.notified() => {
                    if *self.shared.gone.borrow() {
                        return "the client is gone".to_owned();
                    }
                }
            }
        }
    }

    /// What the server was not told yet.
    fn news(&self, said: &mut BTreeMap<Topic, Vec<PeerAddress>>) -> Vec<ClientMessage> {
        let topics = self.shared.lock();
        let left: BTreeSet<_> = said
            .keys()
            .filter(|topic| !topics.contains_key(*topic))
            .copied()
            .collect();
        said.retain(|topic, _| !left.contains(topic));
        let mut news: Vec<_> = left
            .into_iter()
            .map(|topic| ClientMessage::Leave { topic })
            .collect();
        for (topic, joined) in &*topics {
            let addresses = &joined.me.addresses;
            if said.get(topic) != Some(addresses) {
                said.insert(*topic, addresses.clone());
                news.push(ClientMessage::Join {
                    topic: *topic,
                    addresses: addresses.clone(),
                });
            }
        }
        news
    }

    fn heard(&self, message: ServerMessage) {
        let mut topics = self.shared.lock();
        let (ServerMessage::Found { topic, .. }
        | ServerMessage::Lost { topic, .. }
        | ServerMessage::Complete { topic }
        | ServerMessage::Full { topic }) = message;
        let Some(joined) = topics.get_mut(&topic) else {
            return;
        };
        match message {
            ServerMessage::Found {
                device,
                mut addresses,
                ..
            } => {
                addresses.truncate(dxos_wire::limits::ADDRESSES_MAX);
                // A server that names more than it may is not listened to.
                let room = joined.peers.len() < 2 * PEERS_PER_ANSWER_MAX;
                if device != joined.me.device && (room || joined.peers.contains_key(&device)) {
                    joined.peers.insert(
                        device,
                        Known {
                            addresses,
                            stale: false,
                        },
                    );
                }
            }
            ServerMessage::Lost { device, .. } => drop(joined.peers.remove(&device)),
            ServerMessage::Complete { .. } => joined.peers.retain(|_, known| !known.stale),
            ServerMessage::Full { .. } => {
                tracing::warn!(server = %self.server.device.short(), "the rendezvous server is full");
            }
        }
        joined
            .version
            .send_modify(|version| *version = version.wrapping_add(1));
    }
}
