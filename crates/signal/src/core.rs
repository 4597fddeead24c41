//! Who is in which topic: a state machine without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use dxos_keys::{DeviceKey, Topic};
use dxos_transport::{Announcement, PeerAddress};
use dxos_wire::limits::{ADDRESSES_MAX, PEERS_PER_ANSWER_MAX, TOPICS_PER_DEVICE_MAX};

/// Bounds of the whole server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) devices_max: usize,
    pub(crate) announcements_max: usize,
}

/// Names one connected device.
pub(crate) type SessionId = u64;

/// Why an announcement is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A bound of the server or of the device is reached.
    Full,
    /// It breaks the protocol.
    Offence,
    /// The session is over.
    Ended,
}

#[derive(Debug)]
struct Session {
    device: DeviceKey,
    topics: BTreeSet<Topic>,
    /// Topics whose present state is still to be told. A set, so that a slow reader costs no
    /// more than it announced.
    stale: BTreeSet<Topic>,
}

#[derive(Debug)]
pub(crate) struct Core {
    limits: Limits,
    next: SessionId,
    sessions: BTreeMap<SessionId, Session>,
    by_device: BTreeMap<DeviceKey, SessionId>,
    topics: BTreeMap<Topic, BTreeMap<DeviceKey, Vec<PeerAddress>>>,
    announcements: usize,
}

impl Core {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            sessions: BTreeMap::new(),
            by_device: BTreeMap::new(),
            topics: BTreeMap::new(),
            announcements: 0,
        }
    }

    /// A device came. The session that it had before, if any, is ended: the device is known
    /// by its key, and only its newest connection counts. `None` when there is no room.
    pub(crate) fn connect(&mut self, device: DeviceKey) -> Option<SessionId> {
        if let Some(before) = self.by_device.get(&device).copied() {
            self.disconnect(before);
        }
        if self.sessions.len() >= self.limits.devices_max {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let session = Session {
            device,
            topics: BTreeSet::new(),
            stale: BTreeSet::new(),
        };
        self.sessions.insert(id, session);
        self.by_device.insert(device, id);
        Some(id)
    }

    pub(crate) fn is_live(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// How many topics a session is in.
    pub(crate) fn topics_of(&self, id: SessionId) -> usize {
        self.sessions.get(&id).map_or(0, |s| s.topics.len())
    }

    pub(crate) fn announce(
        &mut self,
        id: SessionId,
        topic: Topic,
        announced: Vec<PeerAddress>,
        observed: Option<PeerAddress>,
    ) -> Result<(), Refusal> {
        let session = self.sessions.get_mut(&id).ok_or(Refusal::Ended)?;
        if announced.len() > ADDRESSES_MAX {
            return Err(Refusal::Offence);
        }
        let new = !session.topics.contains(&topic);
        if new
            && (session.topics.len() >= TOPICS_PER_DEVICE_MAX
                || self.announcements >= self.limits.announcements_max)
        {
            return Err(Refusal::Full);
        }
        let device = session.device;
        let addresses = merge(announced, observed);
        if new {
            session.topics.insert(topic);
            session.stale.insert(topic);
            self.announcements += 1;
        }
        let members = self.topics.entry(topic).or_default();
        let before = members.insert(device, addresses.clone());
        if before.as_ref() != Some(&addresses) {
            self.changed(topic, device);
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self, id: SessionId, topic: Topic) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.stale.remove(&topic);
        if session.topics.remove(&topic) {
            let device = session.device;
            self.remove(topic, device);
        }
    }

    pub(crate) fn disconnect(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.by_device.remove(&session.device);
        for topic in session.topics {
            self.remove(topic, session.device);
        }
    }

    fn remove(&mut self, topic: Topic, device: DeviceKey) {
        self.announcements = self.announcements.saturating_sub(1);
        if let Some(members) = self.topics.get_mut(&topic) {
            members.remove(&device);
            if members.is_empty() {
                self.topics.remove(&topic);
            }
        }
        self.changed(topic, device);
    }

    /// Everyone in the topic but `device` is to be told.
    fn changed(&mut self, topic: Topic, device: DeviceKey) {
        for member in self.topics.get(&topic).into_iter().flatten() {
            if *member.0 != device
                && let Some(id) = self.by_device.get(member.0)
                && let Some(session) = self.sessions.get_mut(id)
            {
                session.stale.insert(topic);
            }
        }
    }

    /// The sessions that have something to be told.
    pub(crate) fn stale(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|s| !s.stale.is_empty())
    }

    /// The present state of one topic that the session was not told of yet.
    pub(crate) fn take(&mut self, id: SessionId) -> Option<(Topic, Vec<Announcement>)> {
        let session = self.sessions.get_mut(&id)?;
        let topic = session.stale.pop_first()?;
        let device = session.device;
        Some((topic, self.view(topic, device)))
    }

    /// Those that come after `device` in the circle of keys: when a topic has more than can
    /// be told, everyone still is told to someone, and all hang together.
    fn view(&self, topic: Topic, device: DeviceKey) -> Vec<Announcement> {
        let Some(members) = self.topics.get(&topic) else {
            return Vec::new();
        };
        let after = members.range((Bound::Excluded(device), Bound::Unbounded));
        let before = members.range(..device);
        after
            .chain(before)
            .take(PEERS_PER_ANSWER_MAX)
            .map(|(device, addresses)| Announcement {
                device: *device,
                addresses: addresses.clone(),
            })
            .collect()
    }
}

fn merge(announced: Vec<PeerAddress>, observed: Option<PeerAddress>) -> Vec<PeerAddress> {
    let observed = observed.filter(|address| !announced.contains(address));
    let room = ADDRESSES_MAX - usize::from(observed.is_some());
    let mut all: Vec<PeerAddress> = Vec::new();
    for address in announced {
        if all.len() < room && !all.contains(&address) {
            all.push(address);
        }
    }
    all.extend(observed);
    all
}
