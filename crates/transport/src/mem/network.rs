//! The network itself: who listens where, and what is done to the links.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use dxos_keys::{DeviceKey, HashDomain, Hasher, Signer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::{Faults, LinkConfig, MemConfig, TraceEvent};
use super::connection::Link;
use super::endpoint::MemTransport;
use super::state::{ConnectionState, Pair, Side};
use crate::CloseReason;

type Hook = dyn Fn(&TraceEvent) + Send + Sync;

/// A network in memory. Cloning gives another handle to the same one.
///
/// All latencies and chances are drawn from the seed, separately for every connection and
/// stream, so that what happens on one link does not shift what happens on another.
///
/// ```
/// # use std::sync::Arc;
/// # use dxos_keys::DeviceSecret;
/// use dxos_transport::{Transport, mem::MemNetwork};
/// use dxos_wire::StreamKind;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = MemNetwork::new(1);
/// let alice = network.endpoint(&DeviceSecret::from_seed(&[1; 32]));
/// let bob = network.endpoint(&DeviceSecret::from_seed(&[2; 32]));
/// let to_bob = alice.connect(bob.device(), &bob.addresses()).await?;
/// let from_alice = bob.accept().await.ok_or("closed")?;
///
/// let mut out = to_bob.open(StreamKind::Gossip).await?;
/// out.sender.send("hello".into()).await?;
/// let (kind, mut incoming) = from_alice.accept().await?;
/// assert_eq!(kind, StreamKind::Gossip);
/// assert_eq!(incoming.receiver.receive().await?.as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemNetwork(pub(super) Arc<Network>);

/// An endpoint is at this address already. Close it, or take another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another endpoint is at memory:{number}; close it first")]
pub struct AddressInUse {
    /// The number of the address.
    pub number: u64,
}

/// What all handles share.
pub(super) struct Network {
    pub(super) seed: u64,
    pub(super) config: MemConfig,
    started: Instant,
    state: Mutex<NetworkState>,
    faults: Mutex<Faults>,
    hook: Mutex<Option<Arc<Hook>>>,
}

#[derive(Default)]
pub(super) struct NetworkState {
    pub(super) endpoints: BTreeMap<u64, Endpoint>,
    next_address: u64,
    next_generation: u64,
    links: BTreeMap<(DeviceKey, DeviceKey), LinkConfig>,
    cuts: BTreeSet<(DeviceKey, DeviceKey)>,
    isolated: BTreeSet<DeviceKey>,
    pub(super) connections: BTreeMap<u64, Weak<Link>>,
    pub(super) next_connection: u64,
    pub(super) attempts: u64,
}

/// Somebody who listens.
pub(super) struct Endpoint {
    pub(super) device: DeviceKey,
    /// Tells endpoints apart that had the same address one after the other.
    pub(super) generation: u64,
    /// Connections to accept, by when they are there.
    pub(super) pending: BTreeMap<(Instant, u64), Arc<Link>>,
    pub(super) changed: Arc<Notify>,
}

impl NetworkState {
    pub(super) fn is_cut(&self, a: DeviceKey, b: DeviceKey) -> bool {
        self.isolated.contains(&a) || self.isolated.contains(&b) || self.cuts.contains(&pair(a, b))
    }

    pub(super) fn live(&self) -> Vec<Arc<Link>> {
        self.connections
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// Two devices, whichever is named first.
fn pair(a: DeviceKey, b: DeviceKey) -> (DeviceKey, DeviceKey) {
    (a.min(b), a.max(b))
}

impl Network {
    pub(super) fn state(&self) -> MutexGuard<'_, NetworkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Faults)) {
        count(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Calls the hook, if there is one, with what `event` makes of time and digest.
    pub(super) fn trace(
        &self,
        frame: &Bytes,
        event: impl FnOnce(Duration, [u8; 32]) -> TraceEvent,
    ) {
        let hook = (self.hook.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(hook) = hook {
            let digest = Hasher::new(HashDomain::Trace).part(frame).finish();
            hook(&event(self.started.elapsed(), digest));
        }
    }

    /// The randomness of one thing, independent of that of all others.
    pub(super) fn rng(&self, label: &[u8], numbers: &[u64]) -> ChaCha8Rng {
        let mut hasher = Hasher::new(HashDomain::Seed);
        hasher
            .part(b"memory network")
            .part(&self.seed.to_le_bytes())
            .part(label);
        for number in numbers {
            hasher.part(&number.to_le_bytes());
        }
        ChaCha8Rng::from_seed(hasher.finish())
    }

    pub(super) fn link_config(
        &self,
        state: &NetworkState,
        from: DeviceKey,
        to: DeviceKey,
    ) -> LinkConfig {
        let own = state.links.get(&(from, to)).copied();
        own.unwrap_or(self.config.link)
    }

    /// Makes a connection between two endpoints that exist.
    pub(super) fn make_connection(
        self: &Arc<Self>,
        state: &mut NetworkState,
        devices: Pair<DeviceKey>,
        addresses: Pair<u64>,
        now: Instant,
    ) -> Arc<Link> {
        state.connections.retain(|_, link| link.strong_count() > 0);
        let number = state.next_connection;
        state.next_connection += 1;
        let links = Pair {
            initiator: self.link_config(state, devices.initiator, devices.acceptor),
            acceptor: self.link_config(state, devices.acceptor, devices.initiator),
        };
        let inner = ConnectionState::new(links, self.config.idle_timeout, now);
        let link = Link::new(Arc::clone(self), number, devices, addresses, inner);
        let link = Arc::new(link);
        state.connections.insert(number, Arc::downgrade(&link));
        self.count(|faults| faults.connections_made += 1);
        link
    }
}

impl MemNetwork {
    /// A perfect network; see [`MemNetwork::set_link`] for others.
    pub fn new(seed: u64) -> Self {
        Self::with_config(seed, MemConfig::default())
    }

    /// A network that behaves as `config` says.
    pub fn with_config(seed: u64, config: MemConfig) -> Self {
        Self(Arc::new(Network {
            seed,
            config,
            started: Instant::now(),
            state: Mutex::default(),
            faults: Mutex::default(),
            hook: Mutex::default(),
        }))
    }

    /// Adds an endpoint that is trusted to be `signer`'s device, at a new address. Dropping it
    /// stops it from accepting.
    pub fn endpoint(&self, signer: &dyn Signer) -> Arc<MemTransport> {
        let mut state = self.0.state();
        while state.endpoints.contains_key(&state.next_address) {
            state.next_address += 1;
        }
        let number = state.next_address;
        state.next_address += 1;
        self.add(&mut state, signer.device(), number)
    }

    /// Adds an endpoint at an address of one's choice, such as that of a device that crashed
    /// and comes back.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`].
    pub fn endpoint_at(
        &self,
        signer: &dyn Signer,
        number: u64,
    ) -> Result<Arc<MemTransport>, AddressInUse> {
        let mut state = self.0.state();
        if state.endpoints.contains_key(&number) {
            return Err(AddressInUse { number });
        }
        Ok(self.add(&mut state, signer.device(), number))
    }

    fn add(&self, state: &mut NetworkState, device: DeviceKey, number: u64) -> Arc<MemTransport> {
        let generation = state.next_generation;
        state.next_generation += 1;
        let changed = Arc::new(Notify::new());
        let endpoint = Endpoint {
            device,
            generation,
            pending: BTreeMap::new(),
            changed: Arc::clone(&changed),
        };
        state.endpoints.insert(number, endpoint);
        let network = Arc::clone(&self.0);
        Arc::new(MemTransport::new(
            network, device, number, generation, changed,
        ))
    }

    /// Changes how the link between two devices behaves, both ways, for connections made from
    /// now on and for the frames that are still to be sent on existing ones.
    pub fn set_link(&self, a: DeviceKey, b: DeviceKey, config: LinkConfig) {
        let mut state = self.0.state();
        state.links.insert((a, b), config);
        state.links.insert((b, a), config);
        let live = state.live();
        drop(state);
        for link in live {
            if joins(&link, a, b) {
                link.change(|state| {
                    state.directions.initiator.config = config;
                    state.directions.acceptor.config = config;
                });
            }
        }
    }

    /// Cuts every device of `group` off from every one of `others`: existing connections fall
    /// silent, and end by themselves if it lasts longer than [`MemConfig::idle_timeout`]; new
    /// ones fail.
    pub fn partition(&self, group: &[DeviceKey], others: &[DeviceKey]) {
        let mut state = self.0.state();
        for a in group {
            for b in others {
                if a != b {
                    state.cuts.insert(pair(*a, *b));
                }
            }
        }
        drop(state);
        self.apply_cuts();
    }

    /// Cuts a device off from everyone, those still to come included.
    pub fn isolate(&self, device: DeviceKey) {
        self.0.state().isolated.insert(device);
        self.apply_cuts();
    }

    /// Ends the partition between two devices, unless one is isolated.
    pub fn heal(&self, a: DeviceKey, b: DeviceKey) {
        self.0.state().cuts.remove(&pair(a, b));
        self.apply_cuts();
    }

    /// Ends every partition and isolation.
    pub fn heal_all(&self) {
        let mut state = self.0.state();
        state.cuts.clear();
        state.isolated.clear();
        drop(state);
        self.apply_cuts();
    }

    /// Makes every connection agree with the partitions.
    fn apply_cuts(&self) {
        let now = Instant::now();
        let state = self.0.state();
        let live: Vec<_> = (state.live().into_iter())
            .map(|link| {
                let cut = state.is_cut(link.devices.initiator, link.devices.acceptor);
                (link, cut)
            })
            .collect();
        drop(state);
        for (link, cut) in live {
            link.change(|state| {
                if cut {
                    state.cut(now);
                } else {
                    state.heal(now);
                }
            });
        }
    }

    /// Breaks every connection between two devices: both find them lost. They may connect
    /// again at once. Tells how many there were.
    pub fn drop_connections(&self, a: DeviceKey, b: DeviceKey) -> usize {
        let now = Instant::now();
        let live = self.0.state().live();
        let mut dropped = 0;
        for link in live {
            if joins(&link, a, b) {
                dropped += usize::from(link.change(|state| {
                    let over = state.is_over(now);
                    state.break_link(Side::Initiator, now);
                    !over
                }));
            }
        }
        self.0
            .count(|faults| faults.connections_dropped += dropped as u64);
        dropped
    }

    /// Ends a device without a goodbye: its endpoints are gone, its connections lost on its
    /// side at once and on the others' by silence.
    pub fn crash(&self, device: DeviceKey) {
        let now = Instant::now();
        let mut state = self.0.state();
        let mut waiting = Vec::new();
        let mut pending = Vec::new();
        state.endpoints.retain(|_, endpoint| {
            let stays = endpoint.device != device;
            if !stays {
                waiting.push(Arc::clone(&endpoint.changed));
                pending.push(std::mem::take(&mut endpoint.pending));
            }
            stays
        });
        let live = state.live();
        drop(state);
        for link in live {
            let sides: Vec<_> = link.sides_of(device).collect();
            link.change(|state| sides.iter().for_each(|side| state.crash(*side, now)));
        }
        for changed in waiting {
            changed.notify_waiters();
        }
        self.0.count(|faults| faults.crashes += 1);
    }

    /// How often each fault has happened so far.
    pub fn faults(&self) -> Faults {
        let now = Instant::now();
        let live = self.0.state().live();
        for link in &live {
            if link.state().count_timeout(now) {
                self.0.count(|faults| faults.connections_timed_out += 1);
            }
        }
        *(self.0.faults.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections exist that are not over for both sides.
    pub fn connections(&self) -> usize {
        let now = Instant::now();
        let live = self.0.state().live();
        live.iter()
            .filter(|link| !link.state().is_over(now))
            .count()
    }

    /// Calls `hook` for every frame from now on, in the order in which they are sent. It must
    /// not call the network.
    pub fn on_frame(&self, hook: impl Fn(&TraceEvent) + Send + Sync + 'static) {
        let mut slot = self.0.hook.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(hook));
    }

    /// Ends every connection of an endpoint that shuts down.
    pub(super) fn close_connections(network: &Network, device: DeviceKey, number: u64) {
        let now = Instant::now();
        let live = network.state().live();
        for link in live {
            for side in [Side::Initiator, Side::Acceptor] {
                if *link.devices.of(side) == device && *link.addresses.of(side) == number {
                    link.change(|state| state.close(side, CloseReason::ShuttingDown, now));
                }
            }
        }
    }
}

fn joins(link: &Link, a: DeviceKey, b: DeviceKey) -> bool {
    pair(link.devices.initiator, link.devices.acceptor) == pair(a, b)
}

impl fmt::Debug for MemNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemNetwork")
            .field("seed", &self.0.seed)
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
