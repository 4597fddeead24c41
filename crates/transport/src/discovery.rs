//! Who is in a topic.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use dxos_keys::{DeviceKey, Topic};
use serde::{Deserialize, Serialize};

use crate::PeerAddress;

/// What a device tells the others of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The device.
    pub device: DeviceKey,
    /// Where it can be reached.
    pub addresses: Vec<PeerAddress>,
}

/// A change of who is in a topic. Both are hints: that a device is really there and really
/// the one shows when a connection to it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryEvent {
    /// A device is there, or its addresses changed.
    PeerFound {
        /// The device.
        device: DeviceKey,
        /// Every address known now, in place of earlier ones.
        addresses: Vec<PeerAddress>,
    },
    /// A device left or was not heard of for too long. Connections to it may go on.
    PeerLost {
        /// The device.
        device: DeviceKey,
    },
}

/// Why a topic cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The source was shut down. Start a new one.
    #[error("discovery was shut down; start it again")]
    Closed,
    /// This device is in as many topics as it may. Leave one.
    #[error("already in {max} topics, which is the limit; leave one first")]
    TooManyTopics {
        /// The limit.
        max: usize,
    },
}

/// A source of peers: a rendezvous server, the local network, a configured list.
#[async_trait]
pub trait Discovery: Send + Sync + Debug {
    /// Announces `me` in `topic` and begins to watch who else is there. It does not wait for
    /// any server: a source that is down for now delivers when it is up.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    async fn join(
        &self,
        topic: Topic,
        me: Announcement,
    ) -> Result<Box<dyn Presence>, DiscoveryError>;
}

/// Being in a topic. Dropping it leaves the topic.
#[async_trait]
pub trait Presence: Send + Debug {
    /// The next change. The device itself is never told of. `None` once the source is gone
    /// for good. A slow reader misses only states in between, and memory stays bounded.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change.
    async fn next(&mut self) -> Option<DiscoveryEvent>;
}

/// A fixed list of peers, the same for every topic: works with no server at all.
#[derive(Clone, Debug, Default)]
pub struct StaticPeers {
    peers: BTreeMap<DeviceKey, Vec<PeerAddress>>,
}

impl StaticPeers {
    /// Takes the list; addresses of a device that is listed twice are put together.
    pub fn new(peers: impl IntoIterator<Item = Announcement>) -> Self {
        let mut by_device = BTreeMap::<_, Vec<_>>::new();
        for peer in peers {
            let known = by_device.entry(peer.device).or_default();
            for address in peer.addresses {
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        Self { peers: by_device }
    }
}

#[async_trait]
impl Discovery for StaticPeers {
    async fn join(
        &self,
        _topic: Topic,
        me: Announcement,
    ) -> Result<Box<dyn Presence>, DiscoveryError> {
        let events = self
            .peers
            .iter()
            .filter(|(device, _)| **device != me.device)
            .map(|(device, addresses)| DiscoveryEvent::PeerFound {
                device: *device,
                addresses: addresses.clone(),
            })
            .collect();
        Ok(Box::new(StaticPresence { events }))
    }
}

#[derive(Debug)]
struct StaticPresence {
    events: VecDeque<DiscoveryEvent>,
}

#[async_trait]
impl Presence for StaticPresence {
    async fn next(&mut self) -> Option<DiscoveryEvent> {
        match self.events.pop_front() {
            Some(event) => Some(event),
            None => std::future::pending().await,
        }
    }
}

/// Several sources as one. A device is found with the addresses of all sources, and lost when
/// no source knows it any more.
#[derive(Clone, Debug, Default)]
pub struct Combined {
    sources: Vec<Arc<dyn Discovery>>,
}

impl Combined {
    /// Combines `sources`; addresses of earlier ones come first.
    pub fn new(sources: Vec<Arc<dyn Discovery>>) -> Self {
        Self { sources }
    }
}

#[async_trait]
impl Discovery for Combined {
    /// Joins at every source.
    ///
    /// # Errors
    ///
    /// That of the last source, when there are sources and all failed.
    async fn join(
        &self,
        topic: Topic,
        me: Announcement,
    ) -> Result<Box<dyn Presence>, DiscoveryError> {
        let mut sources = Vec::new();
        let mut last = None;
        for source in &self.sources {
            match source.join(topic, me.clone()).await {
                Ok(presence) => sources.push(Some(presence)),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if sources.is_empty() => Err(error),
            _ => Ok(Box::new(CombinedPresence {
                sources,
                known: BTreeMap::new(),
            })),
        }
    }
}

#[derive(Debug)]
struct CombinedPresence {
    /// `None` for a source that is gone.
    sources: Vec<Option<Box<dyn Presence>>>,
    known: BTreeMap<DeviceKey, BTreeMap<usize, Vec<PeerAddress>>>,
}

impl CombinedPresence {
    /// The next change of any source, and which one; the event is `None` when that source is
    /// gone. `None` when no source is left.
    async fn poll_sources(&mut self) -> Option<(usize, Option<DiscoveryEvent>)> {
        type Next<'a> = Pin<Box<dyn Future<Output = Option<DiscoveryEvent>> + Send + 'a>>;
        let mut waits: Vec<(usize, Next<'_>)> = self
            .sources
            .iter_mut()
            .enumerate()
            .filter_map(|(index, source)| source.as_mut().map(|source| (index, source.next())))
            .collect();
        if waits.is_empty() {
            return None;
        }
        poll_fn(|context| {
            for (index, wait) in &mut waits {
                if let Poll::Ready(event) = wait.as_mut().poll(context) {
                    return Poll::Ready(Some((*index, event)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Takes what one source says of a device and tells what that changes.
    fn learn(
        &mut self,
        source: usize,
        device: DeviceKey,
        addresses: Option<Vec<PeerAddress>>,
    ) -> Option<DiscoveryEvent> {
        let entry = self.known.entry(device).or_default();
        let before = (!entry.is_empty()).then(|| union(entry));
        match addresses {
            Some(addresses) => entry.insert(source, addresses),
            None => entry.remove(&source),
        };
        if entry.is_empty() {
            self.known.remove(&device);
            return before.map(|_| DiscoveryEvent::PeerLost { device });
        }
        let addresses = union(entry);
        (before.as_ref() != Some(&addresses))
            .then_some(DiscoveryEvent::PeerFound { device, addresses })
    }
}

fn union(by_source: &BTreeMap<usize, Vec<PeerAddress>>) -> Vec<PeerAddress> {
    let mut all = Vec::new();
    for address in by_source.values().flatten() {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

#[async_trait]
impl Presence for CombinedPresence {
    async fn next(&mut self) -> Option<DiscoveryEvent> {
        loop {
            let (source, event) = self.poll_sources().await?;
            let change = match event {
                Some(DiscoveryEvent::PeerFound { device, addresses }) => {
                    self.learn(source, device, Some(addresses))
                }
                Some(DiscoveryEvent::PeerLost { device }) => self.learn(source, device, None),
                // What a source said before it went away stays known.
                None => {
                    if let Some(gone) = self.sources.get_mut(source) {
                        *gone = None;
                    }
                    None
                }
            };
            if change.is_some() {
                return change;
            }
        }
    }
}
