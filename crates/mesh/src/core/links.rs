//! Connections: which to keep, when to close one, when to dial again.

use std::collections::BTreeMap;
use std::time::Duration;

use dxos_keys::DeviceKey;
use dxos_protocol::mesh::ConnectionState;
use dxos_transport::CloseReason;
use rand_core::Rng;

use super::backoff::Bucket;
use super::types::{ConnectionId, Output};
use super::{AuthId, Core, Link, Slot};

/// Connections with one device at most: two while it is not settled which one is kept.
const LINKS_PER_DEVICE_MAX: usize = 2;

/// Devices remembered only because they are not to be spoken to.
const BANNED_MAX: usize = 1024;

impl<R: Rng> Core<R> {
    pub(super) fn connected(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        device: DeviceKey,
        outgoing: bool,
        out: &mut Vec<Output>,
    ) {
        if outgoing && let Some(peer) = self.peers.get_mut(&device) {
            peer.dialing = false;
        }
        if let Err(reason) = self.admit(now, &device, outgoing, out) {
            out.push(Output::Close { connection, reason });
            return;
        }
        for swarm in self.swarms.values_mut() {
            if let Some(known) = swarm.known.get_mut(&device)
                && !known.refused
            {
                known.next_auth = now;
            }
        }
        self.links.insert(
            connection,
            Link {
                device,
                outgoing,
                since: now,
                unused_since: now,
                held: 0,
                slots: BTreeMap::new(),
                strikes: Bucket::new(now),
                attempts: Bucket::new(now),
            },
        );
        out.push(Output::Accept { connection });
    }

    /// Makes room for a new connection, or says why there is none.
    fn admit(
        &mut self,
        now: Duration,
        device: &DeviceKey,
        outgoing: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        if self.state == ConnectionState::Offline {
            return Err(CloseReason::ShuttingDown);
        }
        if *device == self.own {
            return Err(CloseReason::Done);
        }
        let banned = self
            .peers
            .get(device)
            .is_some_and(|peer| peer.banned_until > now);
        if banned && !outgoing {
            return Err(CloseReason::Refused);
        }
        let others: Vec<(ConnectionId, Duration)> = self
            .links
            .iter()
            .filter(|(_, link)| link.device == *device)
            .map(|(id, link)| (*id, link.since))
            .collect();
        if self.own < *device {
            for (other, since) in others {
                if since + self.rules.simultaneous > now {
                    return Err(CloseReason::Duplicate);
                }
                // A peer with a live connection makes no other: it lost this one.
                self.close(now, other, CloseReason::Duplicate, out);
            }
        } else if others.len() >= LINKS_PER_DEVICE_MAX
            && let Some((oldest, _)) = others.first()
        {
            self.close(now, *oldest, CloseReason::Duplicate, out);
        }
        if self.links.len() >= self.rules.connections_max {
            // Those that proved something stay; of the others the oldest goes.
            let oldest = self
                .links
                .iter()
                .filter(|(_, link)| !link.in_use())
                .min_by_key(|(_, link)| link.unused_since)
                .map(|(id, _)| *id);
            match oldest {
                Some(oldest) => self.close(now, oldest, CloseReason::Overloaded, out),
                None => return Err(CloseReason::Overloaded),
            }
        }
        Ok(())
    }

    pub(super) fn dial_failed(&mut self, now: Duration, device: DeviceKey) {
        if let Some(peer) = self.peers.get_mut(&device) {
            peer.dialing = false;
            peer.next_dial = now + peer.backoff.fail(self.rules.redial, &mut self.rng);
        }
    }

    pub(super) fn disconnected(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Vec<Output>,
    ) {
        let Some(device) = self.remove_link(now, connection, out) else {
            return;
        };
        let rules = self.rules;
        if let Some(peer) = self.peers.get_mut(&device) {
            let mut delay = peer.backoff.fail(rules.redial, &mut self.rng);
            if matches!(reason, CloseReason::Refused | CloseReason::Offence) {
                delay = delay.max(rules.penalty);
            }
            peer.next_dial = now + delay;
        }
    }

    pub(super) fn close(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Vec<Output>,
    ) {
        if self.remove_link(now, connection, out).is_some() {
            out.push(Output::Close { connection, reason });
        }
    }

    /// Ends everything on a connection.
    fn remove_link(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        out: &mut Vec<Output>,
    ) -> Option<DeviceKey> {
        let sessions: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.connection == connection)
            .map(|(id, _)| *id)
            .collect();
        for session in sessions {
            self.end_session(now, session, out);
        }
        let auths: Vec<AuthId> = self
            .auths
            .iter()
            .filter(|(_, (of, _))| *of == connection)
            .map(|(id, _)| *id)
            .collect();
        for auth in auths {
            self.abandon(auth, out);
        }
        self.links.remove(&connection).map(|link| link.device)
    }

    pub(super) fn held(&mut self, now: Duration, connection: ConnectionId, held: bool) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        if held {
            link.held += 1;
        } else {
            link.held = link.held.saturating_sub(1);
            link.unused_since = now;
        }
    }

    /// Counts a failed handshake of the peer; too many close the connection.
    pub(super) fn strike(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        out: &mut Vec<Output>,
    ) {
        let cost = self.rules.refusal_decay;
        // The one that reaches the limit is the last.
        let capacity = cost.saturating_mul(self.rules.refusals_max.saturating_sub(1));
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        if link.strikes.add(now, cost, capacity) {
            return;
        }
        let device = link.device;
        self.close(now, connection, CloseReason::Refused, out);
        self.ban(now, device);
    }

    fn ban(&mut self, now: Duration, device: DeviceKey) {
        let banned = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.banned_until > now);
        if banned.clone().count() >= BANNED_MAX
            && let Some(first) = banned
                .min_by_key(|(_, peer)| peer.banned_until)
                .map(|(device, _)| *device)
            && let Some(peer) = self.peers.get_mut(&first)
        {
            peer.banned_until = now;
        }
        self.peers.entry(device).or_default().banned_until = now + self.rules.penalty;
    }

    pub(super) fn free_slot(&mut self, connection: ConnectionId, topic: &dxos_keys::Topic) -> bool {
        self.links
            .get_mut(&connection)
            .is_some_and(|link| link.slots.remove(topic).is_some())
    }

    pub(super) fn abandon(&mut self, auth: AuthId, out: &mut Vec<Output>) {
        let Some((connection, topic)) = self.auths.remove(&auth) else {
            return;
        };
        let current = self
            .links
            .get(&connection)
            .and_then(|link| link.slots.get(&topic));
        if matches!(current, Some(Slot::Ours(id) | Slot::Theirs(id)) if *id == auth) {
            self.free_slot(connection, &topic);
        }
        out.push(Output::Abandon { auth });
    }
}
