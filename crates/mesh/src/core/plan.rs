//! What is due now, and when something will be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_transport::{CloseReason, PeerAddress};
use rand_core::Rng;

use super::types::{ConnectionId, Output};
use super::{Core, Slot};

impl<R: Rng> Core<R> {
    /// Starts what is due and notes when to look again.
    pub(super) fn plan(&mut self, now: Duration, out: &mut Vec<Output>) {
        self.wake_at = None;
        self.prune(now);
        if self.state == ConnectionState::Offline {
            return;
        }
        self.plan_idle(now, out);
        self.plan_handshakes(now, out);
        self.plan_dials(now, out);
    }

    fn wake(&mut self, at: Duration) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }

    fn plan_idle(&mut self, now: Duration, out: &mut Vec<Output>) {
        let unused: Vec<(ConnectionId, Duration)> = self
            .links
            .iter()
            .filter(|(_, link)| !link.in_use() && link.ours_in_flight() == 0)
            .map(|(id, link)| (*id, link.unused_since + self.rules.idle))
            .collect();
        for (connection, due) in unused {
            if due <= now {
                self.close(now, connection, CloseReason::Done, out);
            } else {
                self.wake(due);
            }
        }
    }

    fn plan_handshakes(&mut self, now: Duration, out: &mut Vec<Output>) {
        let cost = self.rules.refusal_decay;
        // Stay well below what the other side puts up with.
        let capacity = cost.saturating_mul((self.rules.refusals_max / 2).max(1));
        let mut due: Vec<(ConnectionId, Topic)> = Vec::new();
        let mut wakes: Vec<Duration> = Vec::new();
        for (id, link) in &self.links {
            let mut in_flight = link.ours_in_flight();
            for (topic, swarm) in &self.swarms {
                let Some(known) = swarm.known.get(&link.device) else {
                    continue;
                };
                if !known.present
                    || link.slots.contains_key(topic)
                    || self.session_with(topic, &link.device).is_some()
                {
                    continue;
                }
                let mut at = known.next_auth.max(known.penalized_until);
                if !link.outgoing {
                    at = at.max(link.since.max(known.since) + self.rules.auth_grace);
                }
                let spent = cost.saturating_mul(in_flight + 1);
                at = at.max(link.attempts.fits_at(now, spent, capacity));
                if at <= now {
                    in_flight += 1;
                    due.push((*id, *topic));
                } else {
                    wakes.push(at);
                }
            }
        }
        for at in wakes {
            self.wake(at);
        }
        for (connection, topic) in due {
            let auth = self.begin(connection, topic, Slot::Ours);
            out.push(Output::Authenticate {
                auth,
                connection,
                topic,
            });
        }
    }

    fn plan_dials(&mut self, now: Duration, out: &mut Vec<Output>) {
        let connected: BTreeSet<DeviceKey> = self.links.values().map(|link| link.device).collect();
        let mut wanted: BTreeMap<DeviceKey, Duration> = BTreeMap::new();
        for swarm in self.swarms.values() {
            let members: BTreeSet<DeviceKey> = swarm
                .known
                .iter()
                .filter(|(_, known)| known.present)
                .map(|(device, _)| *device)
                .collect();
            for device in self.topology.choose(&self.own, &members) {
                let Some(known) = swarm.known.get(&device) else {
                    continue;
                };
                if connected.contains(&device) || known.addresses.is_empty() {
                    continue;
                }
                let mut at = known.penalized_until;
                if known.refused {
                    at = at.max(known.next_auth);
                }
                if self.own > device {
                    at = at.max(known.since + self.rules.dial_grace);
                }
                wanted
                    .entry(device)
                    .and_modify(|earlier| *earlier = at.min(*earlier))
                    .or_insert(at);
            }
        }
        let mut dialing = self.peers.values().filter(|peer| peer.dialing).count();
        for (device, at) in wanted {
            let peer = self.peers.entry(device).or_default();
            if peer.dialing {
                continue;
            }
            let at = at.max(peer.next_dial).max(peer.banned_until);
            if at > now {
                self.wake(at);
                continue;
            }
            if dialing >= self.rules.dials_max
                || self.links.len() + dialing >= self.rules.connections_max
            {
                // The end of a dial or of a connection brings us here again.
                break;
            }
            peer.dialing = true;
            peer.last_dial = now;
            dialing += 1;
            out.push(Output::Dial {
                device,
                addresses: self.addresses_of(&device),
            });
        }
    }

    fn addresses_of(&self, device: &DeviceKey) -> Vec<PeerAddress> {
        let mut all: Vec<PeerAddress> = Vec::new();
        for swarm in self.swarms.values() {
            for address in swarm.known.get(device).iter().flat_map(|k| &k.addresses) {
                if all.len() < dxos_wire::limits::ADDRESSES_MAX && !all.contains(address) {
                    all.push(address.clone());
                }
            }
        }
        all
    }

    /// Forgets devices of which nothing needs to be remembered.
    fn prune(&mut self, now: Duration) {
        let connected: BTreeSet<DeviceKey> = self.links.values().map(|link| link.device).collect();
        let mut remembered: BTreeSet<DeviceKey> = BTreeSet::new();
        for swarm in self.swarms.values_mut() {
            swarm.known.retain(|device, known| {
                connected.contains(device)
                    || (known.present && !known.addresses.is_empty())
                    || known.penalized_until > now
            });
            remembered.extend(swarm.known.keys());
        }
        self.peers.retain(|device, peer| {
            remembered.contains(device)
                || connected.contains(device)
                || peer.dialing
                || peer.banned_until > now
        });
    }
}
