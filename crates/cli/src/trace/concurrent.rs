//! Several authors: a replica for each, which has seen exactly what its author had when it writes,
//! and observers that receive the blocks in several orders.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dxos_actors::{Failures, SeedTree, Spawner, SpawnerHandle};
use dxos_client::{ObjectId, SpaceKey};
use dxos_keys::FeedId;
use dxos_protocol::replicate::Message;
use indicatif::ProgressBar;

use super::batch::{Batches, Edit};
use super::file::{Patch, Trace};
use super::plan::{Plan, Seen, Step};
use super::relay::{Lengths, Relay};
use super::replica::Replica;
use super::report::{self, Replayed, ms};

const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);
/// Blocks that the observer of a random order gets at once, at most.
const RANDOM_BLOCKS_MAX: u64 = 16;

/// The orders in which observers receive all blocks, each after its causes.
const ORDERS: [(&str, Order); 3] = [
    ("observer, agents in order", Order::Forwards),
    ("observer, agents in reverse", Order::Backwards),
    ("observer, agents at random", Order::Random),
];

#[derive(Clone, Copy, Debug)]
enum Order {
    /// Of the first agent as much as can be used, then of the next.
    Forwards,
    /// Of the last agent as much as can be used, then of the one before.
    Backwards,
    /// A few blocks of an agent drawn at random; the same each time.
    Random,
}

pub(crate) async fn replay(
    home: &Path,
    trace: &Arc<Trace>,
    coalesce: u32,
    bar: &ProgressBar,
) -> Result<(Replayed, usize)> {
    let plan = Plan::new(&trace.transactions)?;
    let agents = plan.agents.len();
    let spawner = Spawner::thread("trace", &Failures::new())?;
    let (trace, bar, home) = (Arc::clone(trace), bar.clone(), home.to_path_buf());
    let handle = spawner.handle();
    // On the thread of the replicas: nothing waits for another thread at each message.
    let replayed = spawner.run(move || async move {
        let seeds = SeedTree::from_os()?;
        let mut world = World::new(home, &plan, (handle, seeds)).await?;
        world.replay(&trace, &plan, coalesce, &bar).await
    });
    let replayed = replayed.await??;
    spawner.shutdown(SHUTDOWN_DEADLINE).await?;
    Ok((replayed, agents))
}

/// An author and its replica.
struct Agent {
    name: String,
    replica: Replica,
    /// What it typed and did not write yet, by transaction. It received nothing meanwhile.
    unwritten: VecDeque<Vec<Edit>>,
    unwritten_edits: usize,
    /// For each number of transactions of the trace how many blocks of its feed hold them. Right
    /// where another agent has seen so many, and no more.
    blocks: Vec<usize>,
    /// What it has received.
    seen: Seen,
}

struct World {
    spawner: SpawnerHandle,
    seeds: SeedTree,
    home: PathBuf,
    space: SpaceKey,
    document: ObjectId,
    relay: Relay,
    agents: Vec<Agent>,
    observers: Vec<Replica>,
}

impl World {
    /// All replicas, members of one space that has an empty text.
    async fn new(
        home: PathBuf,
        plan: &Plan,
        (spawner, seeds): (SpawnerHandle, SeedTree),
    ) -> Result<Self> {
        let mut replicas = Vec::new();
        let agents = plan.agents.iter().map(|agent| format!("agent {agent}"));
        let names: Vec<_> = agents.collect();
        let observers = (0..ORDERS.len()).map(|number| format!("observer {number}"));
        for name in names.iter().cloned().chain(observers) {
            let seeds = seeds.child(&name);
            replicas.push(Replica::new(&home.join(&name), (&spawner, &seeds)).await?);
        }
        let first = replicas.first().context("a trace without an agent")?;
        let space = first.create_space().await?;
        for guest in replicas.iter().skip(1) {
            first.admit(space, guest).await?;
        }
        let mut relay = Relay::new(space);
        for replica in &mut replicas {
            replica.connect(space).await?;
            replica.take(&mut relay).await?;
        }
        // Who is a member is known to everyone before the first edit.
        let members = relay.lengths();
        for replica in &mut replicas {
            replica.give(&relay, &members).await?;
        }
        let first = replicas.first().context("a trace without an agent")?;
        let document = first.create_document(space).await?;
        let observers = replicas.split_off(names.len());
        let agents = names
            .into_iter()
            .zip(replicas)
            .map(|(name, replica)| Agent {
                name,
                replica,
                unwritten: VecDeque::new(),
                unwritten_edits: 0,
                blocks: vec![0],
                seen: Arc::clone(&plan.nothing),
            });
        Ok(Self {
            spawner,
            seeds,
            home,
            space,
            document,
            agents: agents.collect(),
            relay,
            observers,
        })
    }

    async fn replay(
        &mut self,
        trace: &Trace,
        plan: &Plan,
        coalesce: u32,
        bar: &ProgressBar,
    ) -> Result<Replayed> {
        let mut replayed = Replayed::default();
        self.begin(&trace.start).await?;
        let before: usize = self.relay.lengths().values().sum();
        bar.set_message("replayed");
        let began = Instant::now();
        let transactions = trace.transactions.iter().zip(&plan.steps);
        for (number, (transaction, step)) in transactions.enumerate() {
            self.catch_up(step, plan, coalesce).await?;
            let patches = transaction.patches.iter();
            let edits: Vec<_> = patches.flat_map(|patch| Edit::of(number, patch)).collect();
            let agent = agent(&mut self.agents, step.agent)?;
            agent.unwritten_edits += edits.len();
            agent.unwritten.push_back(edits);
            if agent.unwritten_edits >= coalesce as usize {
                self.write(step.agent, plan, coalesce).await?;
            }
            bar.inc(transaction.patches.len() as u64);
        }
        for place in 0..self.agents.len() {
            self.write(place, plan, coalesce).await?;
        }
        let all = self.relay.lengths();
        for agent in &mut self.agents {
            agent.replica.give(&self.relay, &all).await?;
        }
        let applied = began.elapsed();
        for agent in &self.agents {
            agent.replica.flush().await?;
        }
        let figures = &mut replayed.figures;
        figures.replayed(trace.edits(), applied, began.elapsed());
        figures.blocks = (all.values().sum::<usize>() - before) as u64;
        self.observe(&mut replayed, bar).await?;
        self.end(replayed, trace).await
    }

    /// Writes the text with which the trace begins, and hands it to all agents.
    async fn begin(&mut self, start: &str) -> Result<()> {
        let beginning = Patch(0, 0, start.into());
        let first = agent(&mut self.agents, 0)?;
        for batch in Batches::new(Edit::of(0, &beginning), 1) {
            let place = (self.space, self.document);
            first.replica.write(place, batch).await?;
        }
        first.replica.take(&mut self.relay).await?;
        let all = self.relay.lengths();
        for agent in &mut self.agents {
            agent.replica.give(&self.relay, &all).await?;
            agent.blocks = vec![agent.replica.written(&self.relay)];
        }
        Ok(())
    }

    /// Brings an agent exactly to what it had seen before a transaction.
    async fn catch_up(&mut self, step: &Step, plan: &Plan, coalesce: u32) -> Result<()> {
        let place = step.agent;
        let before = Arc::clone(&agent(&mut self.agents, place)?.seen);
        if Arc::ptr_eq(&before, &step.seen) {
            return Ok(());
        }
        // What it typed so far it typed without them.
        self.write(place, plan, coalesce).await?;
        let mut until = Lengths::new();
        let counts = before.iter().zip(step.seen.iter()).enumerate();
        for (other, (_, count)) in counts.filter(|(_, (old, new))| new > old) {
            if other == place {
                continue;
            }
            self.write(other, plan, coalesce).await?;
            let writer = agent(&mut self.agents, other)?;
            let blocks = writer.blocks.get(*count as usize).copied();
            let blocks = blocks.context("an agent saw what was not written")?;
            // Nothing was ever written when there is no feed.
            if let Some(feed) = writer.replica.data_feed(&self.relay) {
                until.insert(feed, blocks);
            }
        }
        let agent = agent(&mut self.agents, place)?;
        agent.replica.give(&self.relay, &until).await?;
        agent.seen = Arc::clone(&step.seen);
        Ok(())
    }

    /// Writes what an agent typed: a transaction of ours ends wherever somebody saw what was
    /// typed so far and no more.
    async fn write(&mut self, place: usize, plan: &Plan, coalesce: u32) -> Result<()> {
        let agent = agent(&mut self.agents, place)?;
        agent.unwritten_edits = 0;
        while !agent.unwritten.is_empty() {
            let mut edits = Vec::new();
            let mut count = 0;
            while let Some(typed) = agent.unwritten.pop_front() {
                edits.extend(typed);
                count += 1;
                if plan.is_seen_alone(place, agent.blocks.len() - 1 + count) {
                    break;
                }
            }
            for batch in Batches::new(edits, coalesce) {
                let place = (self.space, self.document);
                agent.replica.write(place, batch).await?;
            }
            agent.replica.take(&mut self.relay).await?;
            let blocks = agent.replica.written(&self.relay);
            agent.blocks.extend(std::iter::repeat_n(blocks, count));
        }
        Ok(())
    }

    /// Hands all blocks to observers that have none, in several orders.
    async fn observe(&mut self, replayed: &mut Replayed, bar: &ProgressBar) -> Result<()> {
        let all = self.relay.lengths();
        let feeds = self.agents.iter().enumerate();
        let ranks: BTreeMap<FeedId, usize> = feeds
            .filter_map(|(place, agent)| Some((agent.replica.data_feed(&self.relay)?, place)))
            .collect();
        let rank = |feed: &FeedId| ranks.get(feed).copied().unwrap_or_default();
        let draws = SeedTree::from_seed(1);
        for ((name, order), observer) in ORDERS.iter().zip(&mut self.observers) {
            bar.set_message(*name);
            let mut drawn = 0;
            let choose = |usable: &[FeedId]| {
                let places = 0..usable.len();
                let rank = |place: &usize| usable.get(*place).map(&rank);
                match order {
                    Order::Forwards => (places.min_by_key(rank).unwrap_or_default(), usize::MAX),
                    Order::Backwards => (places.max_by_key(rank).unwrap_or_default(), usize::MAX),
                    Order::Random => {
                        drawn += 1;
                        let draw = draws.child_n("draw", drawn).seed();
                        let count = 1 + (draw >> 32) % RANDOM_BLOCKS_MAX;
                        let place = draw % (usable.len().max(1) as u64);
                        let number = |n: u64| usize::try_from(n).unwrap_or_default();
                        (number(place), number(count))
                    }
                }
            };
            // As bytes, as they would travel.
            let messages = self.relay.messages(&mut observer.has, &all, choose)?;
            let frames = messages.iter().map(Message::encode);
            let frames: Vec<_> = frames.collect::<Result<_, _>>()?;
            drop(messages);
            let sent: usize = frames.iter().map(bytes::Bytes::len).sum();
            let began = Instant::now();
            for frame in frames {
                observer.receive(Message::decode(&frame)?).await?;
            }
            observer.body((self.space, self.document)).await?;
            let figures = &mut replayed.figures;
            figures.merge_ms = figures.merge_ms.max(ms(began.elapsed()));
            figures.sent_bytes = figures.sent_bytes.max(sent as u64);
        }
        Ok(())
    }

    /// What every replica has in the end, one of them from its disk.
    async fn end(&mut self, mut replayed: Replayed, trace: &Trace) -> Result<Replayed> {
        let place = (self.space, self.document);
        let ended = async |name: &str, replica: &Replica| {
            let text = replica.body(place).await?;
            let hash = replica.state_hash(self.space).await?;
            anyhow::Ok(report::Replica::new(name, hash, &trace.end, &text))
        };
        let replicas = &mut replayed.replicas;
        for Agent { name, replica, .. } in &self.agents {
            replicas.push(ended(name, replica).await?);
        }
        for ((name, _), replica) in ORDERS.iter().zip(&self.observers) {
            replicas.push(ended(name, replica).await?);
        }
        let mut closed = None;
        for agent in self.agents.drain(..) {
            let usage = agent.replica.usage()?;
            let profile = agent.replica.close().await?;
            closed.get_or_insert((agent.name, profile, usage));
        }
        for observer in self.observers.drain(..) {
            observer.close().await?;
        }
        let (name, profile, usage) = closed.context("a trace without an agent")?;
        let figures = &mut replayed.figures;
        (figures.block_bytes, figures.state_bytes) = (usage.blocks, usage.objects);
        figures.file_bytes = super::file_bytes(&self.home.join(&name))?;
        let began = Instant::now();
        let again = profile
            .open((&self.spawner, &self.seeds.child("again")))
            .await?;
        again.body(place).await?;
        figures.reload_ms = Some(ms(began.elapsed()));
        let name = format!("{name}, read again from disk");
        replicas.push(ended(&name, &again).await?);
        again.close().await?;
        let mut hashes = replicas.iter().map(|replica| replica.state_hash);
        let first = hashes.next();
        replayed.converged = hashes.all(|hash| Some(hash) == first);
        Ok(replayed)
    }
}

fn agent(agents: &mut [Agent], place: usize) -> Result<&mut Agent> {
    agents.get_mut(place).context("an agent without a replica")
}
