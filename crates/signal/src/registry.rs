//! Who is in which topic: the server's state, pure and bounded.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::{DeviceKey, Topic};
use dxos_transport::PeerAddress;
use dxos_wire::limits::{ADDRESSES_MAX, PEERS_PER_ANSWER_MAX, TOPICS_PER_DEVICE_MAX};

use crate::message::{ClientMessage, ServerMessage};

/// One connection of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u64);

/// The state of a server.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    clients: BTreeMap<ClientId, Client>,
    topics: BTreeMap<Topic, BTreeMap<DeviceKey, Entry>>,
    /// Topics joined, over all clients.
    joined: usize,
    joined_max: usize,
}

#[derive(Debug)]
struct Client {
    device: DeviceKey,
    /// The address from which it is seen to come.
    seen: Option<PeerAddress>,
    topics: BTreeMap<Topic, Told>,
    /// Topics of which there is something to say.
    dirty: BTreeSet<Topic>,
}

/// What a client was told of a topic, and what it is to be told. Two changes of one device are
/// one: what it is told is how things stand then.
#[derive(Debug, Default)]
struct Told {
    peers: BTreeSet<DeviceKey>,
    changed: BTreeSet<DeviceKey>,
    complete: bool,
    full: bool,
}

#[derive(Debug)]
struct Entry {
    client: ClientId,
    addresses: Vec<PeerAddress>,
}

impl Registry {
    /// A registry that takes so many joined topics over all clients.
    pub(crate) fn new(joined_max: usize) -> Self {
        Self {
            joined_max,
            ..Self::default()
        }
    }

    /// A device has connected.
    pub(crate) fn connect(
        &mut self,
        client: ClientId,
        device: DeviceKey,
        seen: Option<PeerAddress>,
    ) {
        let (topics, dirty) = (BTreeMap::new(), BTreeSet::new());
        self.clients.insert(
            client,
            Client {
                device,
                seen,
                topics,
                dirty,
            },
        );
    }

    /// A connection has ended. Returns whom to wake.
    pub(crate) fn disconnect(&mut self, client: ClientId) -> BTreeSet<ClientId> {
        let topics: Vec<_> = match self.clients.get(&client) {
            Some(state) => state.topics.keys().copied().collect(),
            None => return BTreeSet::new(),
        };
        let mut wake = BTreeSet::new();
        for topic in topics {
            wake.extend(self.leave(client, topic));
        }
        self.clients.remove(&client);
        wake.remove(&client);
        wake
    }

    /// Takes in a message. Returns whom to wake.
    pub(crate) fn receive(
        &mut self,
        client: ClientId,
        message: ClientMessage,
    ) -> BTreeSet<ClientId> {
        match message {
            ClientMessage::Join { topic, addresses } => self.join(client, topic, addresses),
            ClientMessage::Leave { topic } => self.leave(client, topic),
        }
    }

    fn join(
        &mut self,
        client: ClientId,
        topic: Topic,
        mut addresses: Vec<PeerAddress>,
    ) -> BTreeSet<ClientId> {
        let Some(state) = self.clients.get_mut(&client) else {
            return BTreeSet::new();
        };
        let device = state.device;
        if !state.topics.contains_key(&topic) {
            if state.topics.len() >= TOPICS_PER_DEVICE_MAX {
                return BTreeSet::new();
            }
            let full = self.joined >= self.joined_max;
            state.topics.insert(
                topic,
                Told {
                    full,
                    ..Told::default()
                },
            );
            state.dirty.insert(topic);
            if full {
                return [client].into();
            }
            self.joined += 1;
        } else if state.topics.get(&topic).is_some_and(|told| told.full) {
            return BTreeSet::new();
        }
        // The address that the server sees is the likeliest behind a router.
        if let Some(seen) = &state.seen
            && !addresses.contains(seen)
        {
            addresses.insert(0, seen.clone());
        }
        addresses.truncate(ADDRESSES_MAX);
        let members = self.topics.entry(topic).or_default();
        let unchanged = members
            .get(&device)
            .is_some_and(|entry| entry.client == client && entry.addresses == addresses);
        // A device that connected anew takes the place of its earlier connection.
        members.insert(device, Entry { client, addresses });
        let others: Vec<_> = members
            .iter()
            .filter(|(other, _)| **other != device)
            .map(|(other, entry)| (*other, entry.client))
            .collect();
        let mut wake = BTreeSet::from([client]);
        if let Some(state) = self.clients.get_mut(&client)
            && let Some(told) = state.topics.get_mut(&topic)
        {
            for (other, _) in &others {
                tell(told, *other);
            }
            state.dirty.insert(topic);
        }
        if !unchanged {
            for (_, other) in others {
                self.changed(other, topic, device, &mut wake);
            }
        }
        wake
    }

    fn leave(&mut self, client: ClientId, topic: Topic) -> BTreeSet<ClientId> {
        let mut wake = BTreeSet::new();
        let Some(state) = self.clients.get_mut(&client) else {
            return wake;
        };
        let device = state.device;
        state.dirty.remove(&topic);
        match state.topics.remove(&topic) {
            Some(told) if !told.full => self.joined = self.joined.saturating_sub(1),
            _ => return wake,
        }
        let Some(members) = self.topics.get_mut(&topic) else {
            return wake;
        };
        if members
            .get(&device)
            .is_none_or(|entry| entry.client != client)
        {
            return wake;
        }
        members.remove(&device);
        let others: Vec<_> = members.values().map(|entry| entry.client).collect();
        if members.is_empty() {
            self.topics.remove(&topic);
        }
        for other in others {
            self.changed(other, topic, device, &mut wake);
        }
        wake
    }

    fn changed(
        &mut self,
        client: ClientId,
        topic: Topic,
        device: DeviceKey,
        wake: &mut BTreeSet<ClientId>,
    ) {
        let Some(state) = self.clients.get_mut(&client) else {
            return;
        };
        let Some(told) = state.topics.get_mut(&topic) else {
            return;
        };
        if tell(told, device) {
            state.dirty.insert(topic);
            wake.insert(client);
        }
    }

    /// What to tell a client next, at most about `max` messages; none when there is nothing.
    pub(crate) fn produce(&mut self, client: ClientId, max: usize) -> Vec<ServerMessage> {
        let Self {
            clients, topics, ..
        } = self;
        let Some(state) = clients.get_mut(&client) else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        while messages.len() < max {
            let Some(topic) = state.dirty.first().copied() else {
                break;
            };
            let Some(told) = state.topics.get_mut(&topic) else {
                state.dirty.remove(&topic);
                continue;
            };
            if told.full {
                messages.push(ServerMessage::Full { topic });
                state.topics.remove(&topic);
                state.dirty.remove(&topic);
                continue;
            }
            let members = topics.get(&topic);
            while messages.len() < max
                && let Some(device) = told.changed.pop_first()
            {
                match members.and_then(|members| members.get(&device)) {
                    Some(entry) => {
                        told.peers.insert(device);
                        let addresses = entry.addresses.clone();
                        messages.push(ServerMessage::Found {
                            topic,
                            device,
                            addresses,
                        });
                    }
                    None if told.peers.remove(&device) => {
                        messages.push(ServerMessage::Lost { topic, device });
                    }
                    None => {}
                }
            }
            if told.changed.is_empty() {
                if !std::mem::replace(&mut told.complete, true) {
                    messages.push(ServerMessage::Complete { topic });
                }
                state.dirty.remove(&topic);
            }
        }
        messages
    }

    /// How many topics are joined, over all clients.
    #[cfg(test)]
    pub(crate) fn joined(&self) -> usize {
        self.joined
    }
}

/// Notes a change of a device, unless the client was told of as many others as it may be.
fn tell(told: &mut Told, device: DeviceKey) -> bool {
    let known = told.peers.contains(&device) || told.changed.contains(&device);
    if !known && told.peers.union(&told.changed).count() >= PEERS_PER_ANSWER_MAX {
        return false;
    }
    told.changed.insert(device);
    true
}
