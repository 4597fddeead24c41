//! Writers, honest or not, and replicas that talk to each other.

use std::collections::BTreeMap;

use bytes::Bytes;
use dxos_keys::{BlockHash, DeviceSecret, Domain, FeedId, Signature, SpaceKey};

use crate::block::{GENESIS, body_hash};
use crate::*;

pub(crate) const SPACE: SpaceKey = SpaceKey::from_bytes([7; 32]);

/// A device with one feed.
pub(crate) struct Writer {
    pub(crate) secret: DeviceSecret,
    pub(crate) descriptor: FeedDescriptor,
    pub(crate) feed: FeedId,
}

pub(crate) fn writer(number: u8) -> Writer {
    let secret = DeviceSecret::from_seed(&[number; 32]);
    let descriptor = FeedDescriptor::new(secret.device(), SPACE, Designation::Data, 0);
    Writer {
        secret,
        descriptor,
        feed: descriptor.id(),
    }
}

pub(crate) fn writers(count: u8) -> Vec<Writer> {
    (1..=count).map(writer).collect()
}

pub(crate) fn run(writer: &Writer, first: u64, blocks: &[Block]) -> Run {
    Run {
        feed: writer.feed,
        first,
        blocks: blocks.to_vec(),
    }
}

/// The end of a chain that a dishonest writer makes by hand.
#[derive(Clone)]
pub(crate) struct Tip {
    pub(crate) seq: u64,
    pub(crate) hash: BlockHash,
    pub(crate) lamport: u64,
}

pub(crate) const START: Tip = Tip {
    seq: 0,
    hash: GENESIS,
    lamport: 0,
};

impl Writer {
    /// A block after `tip` with any logical time and dependencies, signed or with rubbish in the
    /// place of a signature.
    pub(crate) fn forge(
        &self,
        tip: &Tip,
        (lamport, deps): (u64, Vec<Dep>),
        body: &[u8],
        signed: bool,
    ) -> (Block, Tip) {
        let header = Header {
            feed: self.feed,
            seq: tip.seq,
            prev: tip.hash,
            lamport,
            time_ms: 0,
            deps,
            body_hash: body_hash(body),
            body_bytes: u32::try_from(body.len()).unwrap(),
        };
        let hash = header.hash();
        let signature = if signed {
            self.secret.sign(Domain::Block, hash.as_bytes())
        } else {
            Signature::from_bytes([9; 64])
        };
        let tip = Tip {
            seq: tip.seq + 1,
            hash,
            lamport,
        };
        let block = Block {
            lamport,
            time_ms: 0,
            deps: header.deps,
            signature: Some(signature),
            body: Bytes::copy_from_slice(body),
        };
        (block, tip)
    }

    /// Blocks without dependencies, one a body; those that `signed` says are signed.
    pub(crate) fn chain(
        &self,
        tip: &Tip,
        bodies: &[&[u8]],
        signed: impl Fn(usize) -> bool,
    ) -> (Vec<Block>, Tip) {
        let (mut blocks, mut tip) = (Vec::new(), tip.clone());
        for (number, body) in bodies.iter().enumerate() {
            let front = (tip.lamport + 1, Vec::new());
            let (block, next) = self.forge(&tip, front, body, signed(number));
            blocks.push(block);
            tip = next;
        }
        (blocks, tip)
    }

    pub(crate) fn dep(&self, tip: &Tip) -> Dep {
        Dep {
            feed: self.feed,
            seq: tip.seq - 1,
            hash: tip.hash,
        }
    }
}

/// A replica with its store.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) dag: Dag,
    pub(crate) index: MemoryIndex,
    /// What was accepted, in order.
    pub(crate) log: Vec<(FeedId, u64, BlockHash)>,
    /// Blocks of cut branches, with the hashes before them.
    pub(crate) branches: BTreeMap<(FeedId, u64, BlockHash), (BlockHash, Block)>,
}

impl Replica {
    pub(crate) fn new(writers: &[Writer]) -> Self {
        Self::with_limits(writers, FeedLimits::default())
    }

    pub(crate) fn with_limits(writers: &[Writer], limits: FeedLimits) -> Self {
        let mut dag = Dag::new(SPACE, limits);
        for writer in writers {
            assert_eq!(dag.register(writer.descriptor), Ok(true));
        }
        Self {
            dag,
            index: MemoryIndex::default(),
            log: Vec::new(),
            branches: BTreeMap::new(),
        }
    }

    pub(crate) fn append(&mut self, writer: &Writer, body: &[u8]) -> Block {
        self.append_as(writer, body, true)
    }

    /// Appends a block that is signed or not.
    pub(crate) fn append_as(&mut self, writer: &Writer, body: &[u8], signs: bool) -> Block {
        let seq = self.length(writer);
        let body = Bytes::copy_from_slice(body);
        let place = (writer.feed, writer.descriptor.device);
        let append = self.dag.append_unsigned(place, 5, |_| body);
        let (hash, mut block) = append.unwrap();
        if signs {
            block.sign(&hash, &writer.secret);
        }
        self.store(vec![(writer.feed, seq, block.clone())]);
        block
    }

    fn store(&mut self, accepted: Vec<(FeedId, u64, Block)>) {
        for (feed, seq, block) in accepted {
            // Everything that a block depends on was accepted before it.
            for dep in &block.deps {
                let entry = self.index.entry(&dep.feed, dep.seq).unwrap();
                let branch = self.index.branch(&dep.feed, dep.seq, &dep.hash).unwrap();
                let causes = entry.filter(|entry| entry.hash == dep.hash);
                let lamport = causes.map(|entry| entry.lamport).or(branch);
                assert!(lamport.unwrap() < block.lamport);
            }
            self.index.insert(&feed, seq, &block);
            let hash = self.index.entry(&feed, seq).unwrap().unwrap().hash;
            self.log.push((feed, seq, hash));
        }
        self.dag.stored();
    }

    pub(crate) fn insert(&mut self, run: Run) -> Result<Inserted, InsertError> {
        let mut accepted = Vec::new();
        let result = self.dag.insert(run, &self.index, &mut |found| {
            assert!(found.past.get(&found.feed) == found.seq + 1);
            accepted.push((found.feed, found.seq, found.block.clone()));
        });
        if let Ok(inserted) = &result {
            assert_eq!(inserted.accepted, accepted.len());
        }
        self.store(accepted);
        result
    }

    pub(crate) fn length(&self, writer: &Writer) -> u64 {
        self.dag.feed(&writer.feed).unwrap().length
    }

    /// Blocks `first..end` from the store.
    pub(crate) fn run(&self, feed: FeedId, first: u64, end: u64) -> Run {
        let block = |seq| self.index.block(&feed, seq).unwrap().unwrap();
        Run {
            feed,
            first,
            blocks: (first..end).map(block).collect(),
        }
    }

    pub(crate) fn all(&self, writer: &Writer) -> Run {
        self.run(writer.feed, 0, self.length(writer))
    }

    pub(crate) fn cut(&mut self, proof: &ForkProof) -> Option<Cut> {
        let cut = self.dag.cut(proof, &self.index).unwrap()?;
        let mut before = GENESIS;
        for seq in cut.from..cut.length {
            let block = self.index.block(&cut.feed, seq).unwrap().unwrap();
            let hash = self.index.entry(&cut.feed, seq).unwrap().unwrap().hash;
            let prev = self.dag.prev_of(&cut.feed, seq, &self.index).unwrap();
            let prev = prev.unwrap_or(before);
            before = hash;
            self.branches.insert((cut.feed, seq, hash), (prev, block));
        }
        self.index.cut(&cut.feed, cut.from);
        self.dag.stored();
        Some(cut)
    }

    pub(crate) fn insert_branch(&mut self, prev: Option<BlockHash>, run: Run) -> Inserted {
        let (feed, mut seq) = (run.feed, run.first);
        let mut before = prev.unwrap_or_else(|| self.dag.feed(&feed).unwrap().head);
        let (mut kept, mut accepted) = (Vec::new(), Vec::new());
        let keep = &mut |hash, block: &Block| {
            kept.push(((feed, seq, hash), (before, block.clone())));
            (before, seq) = (hash, seq + 1);
        };
        let accept = &mut |found: Accepted<'_>| {
            accepted.push((found.feed, found.seq, found.block.clone()));
        };
        let result = match prev {
            None => self.dag.insert_branch(run, &self.index, keep, accept),
            Some(prev) => {
                let Self { dag, index, .. } = self;
                dag.insert_branch_after(prev, run, index, keep, accept)
            }
        };
        for ((feed, seq, hash), (_, block)) in &kept {
            self.index.insert_branch(feed, *seq, *hash, block.lamport);
        }
        self.branches.extend(kept);
        self.store(accepted);
        result.unwrap()
    }

    /// The blocks of a cut branch from the cut up to `dep`.
    fn branch(&self, dep: &Dep) -> Option<Vec<Block>> {
        let from = self.dag.feed(&dep.feed)?.fork.as_ref()?.seq();
        let (mut blocks, mut hash) = (Vec::new(), dep.hash);
        for seq in (from..=dep.seq).rev() {
            let (prev, block) = self.branches.get(&(dep.feed, seq, hash))?;
            blocks.push(block.clone());
            hash = *prev;
        }
        blocks.reverse();
        Some(blocks)
    }

    /// Takes from `other` what it has and this one lacks. `false` when there was nothing.
    pub(crate) fn pull(&mut self, other: &Self) -> bool {
        let before = (self.log.len(), self.branches.len(), self.forks());
        let feeds: Vec<_> = other.dag.feeds().map(|(feed, _)| *feed).collect();
        for feed in feeds {
            self.pull_feed(feed, other);
        }
        for dep in self.dag.missing_branches(&self.index).unwrap() {
            if let (Some(from), Some(blocks)) = (self.forked(&dep.feed), other.branch(&dep))
                && from == dep.seq + 1 - blocks.len() as u64
                && self.dag.feed(&dep.feed).unwrap().length == from
            {
                let run = Run {
                    feed: dep.feed,
                    first: from,
                    blocks,
                };
                self.insert_branch(None, run);
            }
        }
        before != (self.log.len(), self.branches.len(), self.forks())
    }

    fn pull_feed(&mut self, feed: FeedId, other: &Self) {
        let theirs = other.dag.feed(&feed).unwrap();
        if let Some(proof) = &theirs.fork {
            self.cut(proof);
        }
        let needed = self.dag.next_needed(&feed);
        let differs = |seq: &u64| {
            self.dag.hash_at(&feed, *seq, &self.index).unwrap()
                != other.dag.hash_at(&feed, *seq, &other.index).unwrap()
        };
        let first = (0..needed.min(theirs.length))
            .find(differs)
            .unwrap_or(needed);
        if first >= theirs.length {
            return;
        }
        let mut run = other.run(feed, first, theirs.length);
        let count = other.dag.verifiable(&run, &other.index).unwrap();
        assert!(count > 0, "a replica can show what it has");
        run.blocks.truncate(count);
        match self.insert(run) {
            Ok(_) | Err(InsertError::Forked { .. }) => {}
            Err(InsertError::Fork(proof)) => {
                assert!(self.cut(&proof).is_some());
            }
            Err(error) => panic!("honest replicas do not offend: {error}"),
        }
    }

    pub(crate) fn forked(&self, feed: &FeedId) -> Option<u64> {
        Some(self.dag.feed(feed)?.fork.as_ref()?.seq())
    }

    fn forks(&self) -> Vec<Option<u64>> {
        self.dag
            .feeds()
            .map(|(feed, _)| self.forked(feed))
            .collect()
    }
}

/// Lets all replicas talk until nothing is new, and checks that they agree then.
pub(crate) fn settle(replicas: &mut [Replica]) {
    let mut changed = true;
    while changed {
        changed = false;
        for to in 0..replicas.len() {
            for from in 0..replicas.len() {
                if to != from {
                    let other = replicas[from].clone();
                    changed |= replicas[to].pull(&other);
                }
            }
        }
    }
    for replica in &*replicas {
        assert_eq!(replica.dag.timeframe(), replicas[0].dag.timeframe());
        assert_eq!(replica.forks(), replicas[0].forks());
        for (feed, state) in replica.dag.feeds() {
            assert_eq!(state.head, replicas[0].dag.feed(feed).unwrap().head);
            assert_eq!(state.clock, replicas[0].dag.feed(feed).unwrap().clock);
        }
        assert_eq!(replica.dag.waiting_blocks(), 0);
    }
}

/// Numbers that follow from a seed (the xorshift of Marsaglia).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
