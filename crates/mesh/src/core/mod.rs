//! The rules of the mesh, as a state machine: whom to dial and when, which connection to keep,
//! which handshake to serve, when to give up on a peer. It reads no clock and does no I/O.
//!
//! Of two connections between the same devices the one with the smaller key decides which to
//! keep; the other keeps both until it is told, or until a session shows which one that is. So
//! two devices that dial each other at once never close both.

mod auth;
mod backoff;
mod expected;
mod links;
mod plan;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod topology;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::replicate::SessionId;
use dxos_transport::{CloseReason, PeerAddress};
use dxos_wire::limits::ADDRESSES_MAX;
use rand_core::Rng;

use backoff::{Backoff, Bucket};
pub(crate) use backoff::{Bucket as RateBucket, Schedule};
use expected::Expected;
use topology::Topology;
pub(crate) use types::{AuthId, AuthOutcome, ConnectionId, Input, Output, Rules, SessionEnd};

/// A device as known in one swarm.
#[derive(Debug)]
struct Known {
    addresses: Vec<PeerAddress>,
    /// Whether it is said to be there.
    present: bool,
    since: Duration,
    backoff: Backoff,
    next_auth: Duration,
    /// The last handshake ended with a refusal: dialing again would change nothing soon.
    refused: bool,
    penalized_until: Duration,
}

impl Known {
    fn new(now: Duration) -> Self {
        Self {
            addresses: Vec::new(),
            present: true,
            since: now,
            backoff: Backoff::default(),
            next_auth: now,
            refused: false,
            penalized_until: Duration::ZERO,
        }
    }
}

/// A swarm that was joined.
#[derive(Debug, Default)]
struct Swarm {
    known: BTreeMap<DeviceKey, Known>,
    /// When a change of members led to handshakes last, or will.
    reconsidered: Option<Duration>,
}

/// A device, whatever the swarm.
#[derive(Debug, Default)]
struct Peer {
    backoff: Backoff,
    next_dial: Duration,
    last_dial: Duration,
    dialing: bool,
    banned_until: Duration,
}

/// What goes on for a swarm on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Ours(AuthId),
    Theirs(AuthId),
    Open(SessionId),
}

/// A connection.
#[derive(Debug)]
struct Link {
    device: DeviceKey,
    outgoing: bool,
    since: Duration,
    /// Since when neither a session nor anything else uses it.
    unused_since: Duration,
    held: usize,
    slots: BTreeMap<Topic, Slot>,
    /// Handshakes of the peer that failed.
    strikes: Bucket,
    /// Handshakes of ours that failed.
    attempts: Bucket,
}

impl Link {
    fn has_session(&self) -> bool {
        self.slots
            .values()
            .any(|slot| matches!(slot, Slot::Open(_)))
    }

    fn in_use(&self) -> bool {
        self.held > 0 || self.has_session()
    }

    fn ours_in_flight(&self) -> u32 {
        let count = self
            .slots
            .values()
            .filter(|slot| matches!(slot, Slot::Ours(_)))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// A session.
#[derive(Debug)]
struct Session {
    topic: Topic,
    connection: ConnectionId,
    device: DeviceKey,
    since: Duration,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Core<R> {
    own: DeviceKey,
    rules: Rules,
    topology: Arc<dyn Topology>,
    rng: R,
    state: ConnectionState,
    swarms: BTreeMap<Topic, Swarm>,
    /// Devices of others.
    expected: Expected,
    peers: BTreeMap<DeviceKey, Peer>,
    links: BTreeMap<ConnectionId, Link>,
    auths: BTreeMap<AuthId, (ConnectionId, Topic)>,
    sessions: BTreeMap<SessionId, Session>,
    next_auth: u64,
    next_session: u64,
    refused: u64,
    wake_at: Option<Duration>,
}

impl<R: Rng> Core<R> {
    pub(crate) fn new(
        own: DeviceKey,
        rules: Rules,
        topology: Arc<dyn Topology>,
        state: ConnectionState,
        rng: R,
    ) -> Self {
        Self {
            own,
            rules,
            topology,
            rng,
            state,
            swarms: BTreeMap::new(),
            expected: Expected::default(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            auths: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_auth: 0,
            next_session: 0,
            refused: 0,
            wake_at: None,
        }
    }

    /// Takes in what happened at `now` and appends what is to be done.
    pub(crate) fn step(&mut self, now: Duration, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Join { topic } => self.join(now, topic, out),
            Input::Leave { topic } => self.leave(now, topic, out),
            Input::SetState(state) => self.set_state(now, state, out),
            Input::Known {
                topic,
                device,
                addresses,
            } => self.known(now, topic, device, addresses),
            Input::Gone { topic, device } => {
                if let Some(known) = self.known_mut(&topic, &device) {
                    known.present = false;
                }
            }
            Input::MembersChanged { topic } => self.members_changed(now, &topic),
            Input::Connected {
                connection,
                device,
                outgoing,
            } => self.connected(now, connection, device, outgoing, out),
            Input::DialFailed { device } => self.dial_failed(now, device),
            Input::Disconnected { connection, reason } => {
                self.disconnected(now, connection, reason, out);
            }
            Input::Hello {
                connection,
                topic,
                stream,
            } => self.hello(now, connection, topic, stream, out),
            Input::HelloBroken { connection } => self.strike(now, connection, out),
            Input::AuthEnded { auth, outcome } => self.auth_ended(now, auth, outcome, out),
            Input::SessionEnded { session, end } => self.session_ended(now, session, end, out),
            Input::Held { connection, held } => self.held(now, connection, held),
            Input::Tick => {}
        }
        self.plan(now, out);
    }

    /// When to call again with [`Input::Tick`] at the latest.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.wake_at
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.state
    }

    /// Handshakes that this device refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// The swarms, with the number of devices known to be there.
    pub(crate) fn swarms(&self) -> impl Iterator<Item = (Topic, usize)> + '_ {
        self.swarms.iter().map(|(topic, swarm)| {
            let present = swarm.known.values().filter(|known| known.present).count();
            (*topic, present)
        })
    }

    /// The connection with `device` that is used, the newest when there are several.
    pub(crate) fn connection_with(&self, device: &DeviceKey) -> Option<ConnectionId> {
        let mut found = None;
        for (id, link) in &self.links {
            if link.device == *device {
                found = Some(*id);
                if link.has_session() {
                    break;
                }
            }
        }
        found
    }

    fn join(&mut self, now: Duration, topic: Topic, out: &mut Vec<Output>) {
        if self.swarms.contains_key(&topic) {
            return;
        }
        self.swarms.insert(topic, Swarm::default());
        for (device, addresses) in self.expected.take(&topic) {
            self.known(now, topic, device, addresses);
        }
        if self.state == ConnectionState::Online {
            out.push(Output::Discover { topic });
        }
    }

    fn leave(&mut self, now: Duration, topic: Topic, out: &mut Vec<Output>) {
        let Some(swarm) = self.swarms.remove(&topic) else {
            return;
        };
        for (device, known) in swarm.known {
            self.expected.put(topic, device, known.addresses);
        }
        if self.state == ConnectionState::Online {
            out.push(Output::Forget { topic });
        }
        let ended: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.topic == topic)
            .map(|(id, _)| *id)
            .collect();
        for session in ended {
            self.end_session(now, session, out);
        }
        let abandoned: Vec<AuthId> = self
            .auths
            .iter()
            .filter(|(_, (_, of))| *of == topic)
            .map(|(id, _)| *id)
            .collect();
        for auth in abandoned {
            self.abandon(auth, out);
        }
    }

    fn set_state(&mut self, now: Duration, state: ConnectionState, out: &mut Vec<Output>) {
        if self.state == state {
            return;
        }
        self.state = state;
        match state {
            ConnectionState::Offline => {
                for topic in self.swarms.keys() {
                    out.push(Output::Forget { topic: *topic });
                }
                let all: Vec<ConnectionId> = self.links.keys().copied().collect();
                for connection in all {
                    self.close(now, connection, CloseReason::ShuttingDown, out);
                }
            }
            ConnectionState::Online => {
                for peer in self.peers.values_mut() {
                    peer.backoff.reset();
                    peer.next_dial = now;
                }
                for (topic, swarm) in &mut self.swarms {
                    for known in swarm.known.values_mut() {
                        known.backoff.reset();
                        known.next_auth = now;
                        known.refused = false;
                    }
                    out.push(Output::Discover { topic: *topic });
                }
            }
        }
    }

    fn known(
        &mut self,
        now: Duration,
        topic: Topic,
        device: DeviceKey,
        mut addresses: Vec<PeerAddress>,
    ) {
        if device == self.own {
            return;
        }
        let Some(swarm) = self.swarms.get_mut(&topic) else {
            self.expected.put(topic, device, addresses);
            return;
        };
        if !swarm.known.contains_key(&device) && swarm.known.len() >= self.rules.known_max {
            return;
        }
        let known = swarm.known.entry(device).or_insert_with(|| Known::new(now));
        known.present = true;
        let newer = addresses
            .iter()
            .any(|address| !known.addresses.contains(address));
        // The newest first; older ones stay as a way that may still work.
        addresses.append(&mut known.addresses);
        let mut kept: Vec<PeerAddress> = Vec::new();
        for address in addresses {
            if kept.len() < ADDRESSES_MAX && !kept.contains(&address) {
                kept.push(address);
            }
        }
        known.addresses = kept;
        let pause = self.rules.redial.base.saturating_mul(4);
        let peer = self.peers.entry(device).or_default();
        if newer {
            // A new address is a new chance, though not more often than this.
            let chance = now.max(peer.last_dial + pause);
            peer.next_dial = peer.next_dial.min(chance);
        }
    }

    fn known_mut(&mut self, topic: &Topic, device: &DeviceKey) -> Option<&mut Known> {
        self.swarms.get_mut(topic)?.known.get_mut(device)
    }

    fn session_with(&self, topic: &Topic, device: &DeviceKey) -> Option<SessionId> {
        self.links
            .values()
            .filter(|link| link.device == *device)
            .find_map(|link| match link.slots.get(topic) {
                Some(Slot::Open(session)) => Some(*session),
                _ => None,
            })
    }
}
