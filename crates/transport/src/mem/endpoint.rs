//! An endpoint of the network in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dxos_keys::DeviceKey;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::connection::{Link, MemConnection, pause};
use super::network::{MemNetwork, Network};
use super::state::{Pair, Side, chance, draw};
use crate::{ConnectError, Connection, PeerAddress, Transport};

/// A device on a [`MemNetwork`]; see [`MemNetwork::endpoint`].
pub struct MemTransport {
    network: Arc<Network>,
    device: DeviceKey,
    number: u64,
    generation: u64,
    changed: Arc<Notify>,
}

impl fmt::Debug for MemTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemTransport")
            .field("device", &self.device)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl MemTransport {
    pub(super) const fn new(
        network: Arc<Network>,
        device: DeviceKey,
        number: u64,
        generation: u64,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            network,
            device,
            number,
            generation,
            changed,
        }
    }

    /// Its number, for [`MemNetwork::endpoint_at`].
    pub const fn number(&self) -> u64 {
        self.number
    }

    fn is_open(&self) -> bool {
        let state = self.network.state();
        (state.endpoints.get(&self.number))
            .is_some_and(|endpoint| endpoint.generation == self.generation)
    }

    /// Stops listening. Tells whether it did until now.
    fn leave(&self) -> bool {
        let left = {
            let mut state = self.network.state();
            let own = (state.endpoints.get(&self.number))
                .is_some_and(|endpoint| endpoint.generation == self.generation);
            own.then(|| state.endpoints.remove(&self.number)).flatten()
        };
        let was_open = left.is_some();
        for (_, link) in left.into_iter().flat_map(|endpoint| endpoint.pending) {
            // Accepting it for a moment closes it.
            drop(MemConnection::new(link, Side::Acceptor));
        }
        self.changed.notify_waiters();
        was_open
    }

    async fn attempt(&self, peer: DeviceKey, to: u64) -> Result<Arc<Link>, ConnectError> {
        let (way, refused) = self.plan(peer);
        let timeout = self.network.config.connect_timeout;
        let way = way.filter(|way| *way <= timeout);
        sleep_unless_zero(way.unwrap_or(timeout)).await;
        if way.is_some() {
            if let Some(outcome) = self.meet(peer, to, refused) {
                return outcome;
            }
            sleep_unless_zero(timeout.saturating_sub(way.unwrap_or_default())).await;
        }
        self.network.count(|faults| faults.connects_cut += 1);
        Err(ConnectError::TimedOut {
            peer,
            tried: vec![PeerAddress::Memory(to)],
            waited: timeout,
        })
    }

    /// How long the handshake takes, `None` when a partition swallows it, and whether it will
    /// be refused.
    fn plan(&self, peer: DeviceKey) -> (Option<Duration>, bool) {
        let mut state = self.network.state();
        let attempt = state.attempts;
        state.attempts += 1;
        let there = self.network.link_config(&state, self.device, peer);
        let back = self.network.link_config(&state, peer, self.device);
        let cut = state.is_cut(self.device, peer);
        drop(state);
        let mut rng = self.network.rng(b"connect", &[attempt]);
        let mut way = |link: super::LinkConfig| link.latency + draw(&mut rng, link.jitter);
        let way = way(there) + way(back);
        let refused = chance(&mut rng, there.refuse_per_million);
        ((!cut).then_some(way), refused)
    }

    /// The end of the handshake; `None` when a partition swallows it.
    fn meet(
        &self,
        peer: DeviceKey,
        to: u64,
        refused: bool,
    ) -> Option<Result<Arc<Link>, ConnectError>> {
        let address = PeerAddress::Memory(to);
        if !self.is_open() {
            return Some(Err(ConnectError::Closed));
        }
        let now = Instant::now();
        let mut state = self.network.state();
        if state.is_cut(self.device, peer) {
            return None;
        }
        let Some(found) = state.endpoints.get(&to).map(|endpoint| endpoint.device) else {
            self.network.count(|faults| faults.connects_misled += 1);
            return Some(Err(ConnectError::Unreachable {
                peer,
                tried: vec![address],
                reason: "nothing listens there".to_owned(),
            }));
        };
        if found != peer {
            self.network.count(|faults| faults.connects_misled += 1);
            return Some(Err(ConnectError::WrongKey {
                expected: peer,
                address,
            }));
        }
        let busy = (state.live().iter())
            .filter(|link| link.addresses.initiator == to || link.addresses.acceptor == to)
            .filter(|link| !link.state().is_over(now))
            .count();
        if refused || busy >= self.network.config.connections_max {
            self.network.count(|faults| faults.connects_refused += 1);
            return Some(Err(ConnectError::Refused { peer, address }));
        }
        let devices = Pair {
            initiator: self.device,
            acceptor: peer,
        };
        let addresses = Pair {
            initiator: self.number,
            acceptor: to,
        };
        let link = (self.network).make_connection(&mut state, devices, addresses, now);
        let latency = self.network.link_config(&state, self.device, peer).latency;
        if let Some(endpoint) = state.endpoints.get_mut(&to) {
            let place = (now + latency, link.number);
            endpoint.pending.insert(place, Arc::clone(&link));
            endpoint.changed.notify_waiters();
        }
        Some(Ok(link))
    }
}

async fn sleep_unless_zero(duration: Duration) {
    if duration > Duration::ZERO {
        sleep(duration).await;
    }
}

#[async_trait]
impl Transport for MemTransport {
    fn device(&self) -> DeviceKey {
        self.device
    }

    fn addresses(&self) -> Vec<PeerAddress> {
        vec![PeerAddress::Memory(self.number)]
    }

    async fn connect(
        &self,
        peer: DeviceKey,
        addresses: &[PeerAddress],
    ) -> Result<Arc<dyn Connection>, ConnectError> {
        if !self.is_open() {
            return Err(ConnectError::Closed);
        }
        if peer == self.device {
            return Err(ConnectError::Itself { peer });
        }
        let mut last = ConnectError::NoAddress { peer };
        let mut failed = Vec::new();
        for address in addresses {
            let PeerAddress::Memory(number) = address else {
                continue;
            };
            match self.attempt(peer, *number).await {
                Ok(link) => return Ok(Arc::new(MemConnection::new(link, Side::Initiator))),
                Err(ConnectError::Closed) => return Err(ConnectError::Closed),
                Err(error) => last = error,
            }
            failed.push(address.clone());
        }
        if let ConnectError::Unreachable { tried, .. } | ConnectError::TimedOut { tried, .. } =
            &mut last
        {
            *tried = failed;
        }
        Err(last)
    }

    async fn accept(&self) -> Option<Arc<dyn Connection>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let (link, wake) = {
                let mut state = self.network.state();
                let endpoint = (state.endpoints.get_mut(&self.number))
                    .filter(|endpoint| endpoint.generation == self.generation)?;
                let first = endpoint.pending.first_key_value();
                match first.map(|(place, _)| place.0) {
                    Some(due) if due <= now => (endpoint.pending.pop_first(), None),
                    later => (None, later),
                }
            };
            if let Some((_, link)) = link {
                return Some(Arc::new(MemConnection::new(link, Side::Acceptor)));
            }
            pause(changed, wake).await;
        }
    }

    async fn close(&self) {
        if self.leave() {
            MemNetwork::close_connections(&self.network, self.device, self.number);
        }
    }
}

impl Drop for MemTransport {
    fn drop(&mut self) {
        self.leave();
    }
}
