//! A world: its peers, and what must hold at the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dxos_actors::{ChaCha20Rng, SeedTree, testing};
use dxos_client::{ConnectionState, ObjectId, Space, SpaceKey, StateHash};
use dxos_keys::{HashDomain, Hasher};
use dxos_transport::mem::{LinkConfig, MemConfig, MemDiscovery, MemNetwork, TraceEvent};
use rand_core::Rng;

use crate::peer::{Peer, Surroundings};
use crate::{Counts, Report};

/// How long healed peers may take to agree, in virtual time.
const REST_MAX: Duration = Duration::from_secs(600);
/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_millis(250);

/// An object whose creation was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) object: ObjectId,
    pub(crate) peer: usize,
    /// Whether it was said to be on the disk.
    pub(crate) synced: bool,
}

/// A running world.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) around: Surroundings,
    pub(crate) peers: Vec<Peer>,
    pub(crate) space: Option<SpaceKey>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) counts: Counts,
    pub(crate) rng: ChaCha20Rng,
    trace: Arc<Mutex<[u8; 32]>>,
}

impl World {
    pub(crate) fn new(shared: &testing::World, peers: usize) -> Self {
        let seeds: &SeedTree = &shared.seeds;
        let network = MemNetwork::with_config(seeds.child("network").seed(), MemConfig::default());
        let trace = Arc::new(Mutex::new([0; 32]));
        let hook = Arc::clone(&trace);
        network.on_frame(move |event| fold(&hook, event));
        let around = Surroundings {
            network,
            discovery: MemDiscovery::default(),
            clock: shared.clock.clone(),
        };
        Self {
            seed: shared.seed,
            around,
            peers: (1..)
                .take(peers)
                .map(|number| Peer::new(number, seeds))
                .collect(),
            space: None,
            acknowledged: Vec::new(),
            counts: Counts::default(),
            rng: seeds.rng_of("scenario"),
            trace,
        }
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.rng.next_u64() % sides).unwrap_or_default()
    }

    pub(crate) async fn pause(&mut self, ms_max: usize) {
        let ms = self.below(ms_max) as u64;
        self.around.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// Sets how all links behave.
    pub(crate) fn set_links(&self, link: LinkConfig) {
        let devices: Vec<_> = self.peers.iter().filter_map(|peer| peer.device).collect();
        for (n, a) in devices.iter().enumerate() {
            for b in devices.iter().skip(n + 1) {
                self.around.network.set_link(*a, *b, link);
            }
        }
    }

    pub(crate) fn key(&self) -> Result<SpaceKey> {
        self.space.context("there is no space yet")
    }

    /// Ends every fault, brings everyone back, and waits until all agree.
    pub(crate) async fn come_to_rest(&mut self) -> Result<()> {
        self.around.network.heal_all();
        self.set_links(LinkConfig {
            latency: Duration::from_millis(5),
            ..LinkConfig::default()
        });
        let around = self.around.clone();
        for peer in &mut self.peers {
            peer.disk.heal();
            peer.start(&around).await?;
            peer.client()?
                .mesh()
                .set_connection_state(ConnectionState::Online)
                .await?;
        }
        self.set_links(LinkConfig {
            latency: Duration::from_millis(5),
            ..LinkConfig::default()
        });
        let start = around.clock.now();
        loop {
            for peer in &self.peers {
                peer.check()?;
            }
            let (agreed, states) = self.agreed().await?;
            if agreed {
                return Ok(());
            }
            if around.clock.now() - start > REST_MAX {
                bail!(
                    "the replicas do not agree after {} s: {states}",
                    REST_MAX.as_secs()
                );
            }
            around.clock.sleep(LOOK).await;
        }
    }

    async fn agreed(&self) -> Result<(bool, String)> {
        let key = self.key()?;
        let (mut hashes, mut missing, mut states) = (Vec::new(), 0, Vec::new());
        for peer in &self.peers {
            let space = peer.space(key).await?;
            let report = space.report().await?;
            let hash = space.state_hash().await?;
            missing += report.missing_blocks;
            states.push(format!(
                "peer {}: {} objects, {} blocks, {} missing, {} peers, {} forks, state {}",
                peer.number,
                report.objects,
                report.blocks,
                report.missing_blocks,
                report.peers.len(),
                report.forks.len(),
                hash.short()
            ));
            hashes.push(hash);
        }
        let equal = hashes.windows(2).all(|pair| pair.first() == pair.last());
        Ok((equal && missing == 0, states.join("; ")))
    }

    /// What must hold when all agree.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let key = self.key()?;
        let mut last: Option<StateHash> = None;
        for peer in &self.peers {
            let space: Space = peer.space(key).await?;
            let members = space.members().await?;
            ensure!(
                members.len() == self.peers.len(),
                "{} members of {} who were invited once each",
                members.len(),
                self.peers.len()
            );
            let report = space.report().await?;
            ensure!(
                report.forks.is_empty(),
                "an honest device has forked its feed"
            );
            for Acknowledged {
                object,
                peer: writer,
                synced,
            } in &self.acknowledged
            {
                let found = space.db().get(*object).await?;
                ensure!(
                    found.is_some(),
                    "object {object}, acknowledged by peer {} (synced: {synced}), is lost",
                    writer + 1
                );
            }
            last = Some(space.state_hash().await?);
        }
        self.counts.objects = self.acknowledged.len() as u64;
        let state = last.context("there are no peers")?;
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hasher = Hasher::new(HashDomain::Trace);
        hasher.part(&*trace).part(state.as_bytes());
        *trace = hasher.finish();
        Ok(())
    }

    /// Sums the world up.
    pub(crate) fn report(mut self, failure: Option<String>) -> Report {
        let faults = self.around.network.faults();
        self.counts.connections_lost = faults.connections_dropped + faults.connections_timed_out;
        self.counts.frames = faults.frames_sent;
        let trace = *self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            seed: self.seed,
            trace: trace.iter().map(|byte| format!("{byte:02x}")).collect(),
            failure,
            counts: self.counts,
            virtual_ms: self.around.clock.now_ms(),
        }
    }
}

fn fold(trace: &Mutex<[u8; 32]>, event: &TraceEvent) {
    let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
    let mut hasher = Hasher::new(HashDomain::Trace);
    hasher
        .part(&*trace)
        .part(&event.at.as_nanos().to_le_bytes())
        .part(event.from.as_bytes())
        .part(event.to.as_bytes())
        .part(&event.kind)
        .part(&event.length.to_le_bytes())
        .part(&event.digest);
    *trace = hasher.finish();
}
