//! The peers of a world and what is between them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dxos_actors::{Clock, SeedTree};
use dxos_keys::{HashDomain, Hasher};
use dxos_transport::mem::{LinkConfig, MemConfig, MemDiscovery, MemNetwork};

use crate::draw::Draw;
use crate::outcasts::Outcast;
use crate::peer::{Peer, Surroundings};
use crate::timeline::{Meter, Moment, Timeline, What};
use crate::{Counts, Options, Violation};

/// Peers, their disks, and the network between them.
#[derive(Debug)]
pub struct World {
    pub(crate) around: Surroundings,
    pub(crate) peers: Vec<Peer>,
    pub(crate) draw: Draw,
    /// For what is only looked at, so that the world goes the same way without it.
    pub(crate) looks: Draw,
    pub(crate) counts: Counts,
    pub(crate) objects: Vec<dxos_client::ObjectId>,
    pub(crate) next_mark: i64,
    /// How many of the peers stay; those after them are thrown out.
    pub(crate) honest: usize,
    pub(crate) outcasts: Vec<Outcast>,
    pub(crate) has_epochs: bool,
    pub(crate) moments: Vec<Moment>,
    meter: Arc<Mutex<Meter>>,
    seeds: SeedTree,
    trace: Arc<Mutex<Hasher>>,
}

impl World {
    /// A world without a running client. To be made on the thread and in the runtime in which
    /// it is to be used, as in [`dxos_actors::testing::run`].
    pub fn new(seeds: &SeedTree, clock: &Clock, options: &Options) -> Self {
        let mut draw = Draw::new(seeds, "world");
        let config = MemConfig {
            link: link(&mut draw),
            ..MemConfig::default()
        };
        let network = MemNetwork::with_config(seeds.child("network").seed(), config);
        let trace = Arc::new(Mutex::new(Hasher::new(HashDomain::Trace)));
        let hook = Arc::clone(&trace);
        let meter = Arc::new(Mutex::new(Meter::default()));
        let counting = Arc::clone(&meter);
        network.on_frame(move |event| {
            let mut trace = hook.lock().unwrap_or_else(PoisonError::into_inner);
            trace
                .update(&event.at.as_nanos().to_le_bytes())
                .update(event.from.as_bytes())
                .update(event.to.as_bytes())
                .update(&event.kind)
                .update(&event.length.to_le_bytes())
                .part(event.digest.as_ref());
            let mut meter = counting.lock().unwrap_or_else(PoisonError::into_inner);
            meter.sent(event.at, event.from, event.to, event.length);
        });
        let peers = (0..options.peers.clamp(1, 64)).map(|index| {
            let skew_ms = draw.small().saturating_mul(300);
            let seeds = seeds.child_n("peer", index as u64);
            Peer::new(index, seeds, clock.skewed(skew_ms))
        });
        let peers: Vec<_> = peers.collect();
        Self {
            honest: peers.len(),
            outcasts: Vec::new(),
            has_epochs: false,
            moments: Vec::new(),
            meter,
            seeds: seeds.clone(),
            around: Surroundings {
                network,
                discovery: MemDiscovery::default(),
                clock: clock.clone(),
            },
            peers,
            draw,
            looks: Draw::new(seeds, "looks"),
            counts: Counts::default(),
            objects: Vec::new(),
            next_mark: 0,
            trace,
        }
    }

    /// The hash of everything that was sent so far, and of what [`World::note`] added.
    pub fn hash(&self) -> String {
        let trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        let hex: String = (trace.finish().iter().take(16))
            .map(|byte| format!("{byte:02x}"))
            .collect();
        hex
    }

    /// Adds something to the hash.
    pub fn note(&self, bytes: &[u8]) {
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.part(bytes);
    }

    /// What happened so far, and when.
    pub fn timeline(&self) -> Timeline {
        let number = |device: &_| self.peers.iter().position(|peer| peer.device == *device);
        let meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        Timeline {
            peers: self.peers.len(),
            moments: self.moments.clone(),
            traffic: meter.read(number),
        }
    }

    /// How often what happened so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        counts.take_faults(&self.around.network.faults());
        counts
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.around.clock.sleep(duration).await;
    }

    /// The peers whose client runs and has joined.
    pub(crate) fn running(&self) -> Vec<usize> {
        let runs = |peer: &&Peer| peer.life.is_some() && peer.space.is_some();
        let honest = self.peers.iter().take(self.honest);
        honest.filter(runs).map(|p| p.index).collect()
    }

    pub(crate) fn peer(&self, index: usize) -> Result<&Peer, Violation> {
        self.peers.get(index).ok_or_else(|| no_peer(index))
    }

    pub(crate) fn peer_mut(&mut self, index: usize) -> Result<&mut Peer, Violation> {
        self.peers.get_mut(index).ok_or_else(|| no_peer(index))
    }

    /// Another peer; its number.
    pub(crate) fn add_peer(&mut self) -> usize {
        let index = self.peers.len();
        let seeds = self.seeds.child_n("peer", index as u64);
        let clock = self.around.clock.skewed(0);
        self.peers.push(Peer::new(index, seeds, clock));
        index
    }

    pub(crate) async fn start(&mut self, index: usize) -> Result<(), Violation> {
        let around = self.around.clone();
        self.peer_mut(index)?.start(&around).await?;
        self.tell(What::Started, &[index]);
        Ok(())
    }
}

fn no_peer(peer: usize) -> Violation {
    Violation::Life {
        peer,
        action: "found",
        reason: "there is no such peer".to_owned(),
    }
}

/// A link as links may be: some good, some bad.
pub(crate) fn link(draw: &mut Draw) -> LinkConfig {
    let bad = draw.percent(40);
    LinkConfig {
        latency: draw.millis(0, if bad { 150 } else { 30 }),
        jitter: draw.millis(0, if bad { 100 } else { 10 }),
        bandwidth: draw.percent(25).then(|| draw.between(20_000, 2_000_000)),
        drop_per_million: u32::try_from(draw.below(if bad { 10_000 } else { 500 })).unwrap_or(0),
        refuse_per_million: u32::try_from(draw.below(if bad { 200_000 } else { 5_000 }))
            .unwrap_or(0),
    }
}
