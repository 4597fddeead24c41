//! Verified blocks that wait for others they depend on, bounded.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use dxos_keys::{BlockHash, FeedId};

use crate::{Block, Dep, FeedLimits};

/// A block that a later signature vouches for.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) hash: BlockHash,
    pub(crate) block: Block,
    /// Whether its own signature is valid, when that was looked at.
    pub(crate) signed: Option<bool>,
}

/// Blocks that follow the head of a feed. The last one's signature is valid.
#[derive(Clone, Debug)]
struct Chain {
    blocks: VecDeque<Held>,
    /// What the first block that cannot be accepted lacks.
    lacks: Dep,
    bytes: usize,
}

/// For each feed, the blocks that follow its head and that lack a cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    chains: BTreeMap<FeedId, Chain>,
    blocks: usize,
    bytes: usize,
}

fn bytes_of(blocks: &VecDeque<Held>) -> usize {
    blocks.iter().map(|held| held.block.encoded_bytes()).sum()
}

impl Waiting {
    /// How many blocks of `feed` wait, and the hash of the last.
    pub(crate) fn tail(&self, feed: &FeedId) -> Option<(u64, BlockHash)> {
        let chain = self.chains.get(feed)?;
        let last = chain.blocks.back()?;
        Some((chain.blocks.len() as u64, last.hash))
    }

    pub(crate) fn at(&self, feed: &FeedId, offset: u64) -> Option<&Held> {
        let chain = self.chains.get(feed)?;
        chain.blocks.get(usize::try_from(offset).ok()?)
    }

    /// What the blocks of `feed` that wait lack.
    pub(crate) fn lacks(&self, feed: &FeedId) -> Option<Dep> {
        self.chains.get(feed).map(|chain| chain.lacks)
    }

    /// Adds blocks behind those of `feed` that wait already; when there are none, `lacks` is what
    /// they lack. `false` when there is no room, and then nothing was added.
    pub(crate) fn push(
        &mut self,
        feed: FeedId,
        mut blocks: VecDeque<Held>,
        lacks: Dep,
        limits: &FeedLimits,
    ) -> bool {
        let bytes = bytes_of(&blocks);
        if self.blocks + blocks.len() > limits.waiting_blocks_max
            || self.bytes + bytes > limits.waiting_bytes_max
        {
            return false;
        }
        for held in &mut blocks {
            // A body shares the memory of all that it came with; one that stays must not keep
            // that alive, for only its own bytes are counted.
            held.block.body = Bytes::copy_from_slice(&held.block.body);
        }
        self.put(feed, blocks, lacks);
        true
    }

    /// Removes the blocks of `feed`.
    pub(crate) fn take(&mut self, feed: &FeedId) -> VecDeque<Held> {
        let Some(chain) = self.chains.remove(feed) else {
            return VecDeque::new();
        };
        self.blocks -= chain.blocks.len();
        self.bytes -= chain.bytes;
        chain.blocks
    }

    /// Puts back what is left of blocks that were taken: there is room for them.
    pub(crate) fn put(&mut self, feed: FeedId, mut blocks: VecDeque<Held>, lacks: Dep) {
        let bytes = bytes_of(&blocks);
        self.blocks += blocks.len();
        self.bytes += bytes;
        let chain = self.chains.entry(feed).or_insert_with(|| Chain {
            blocks: VecDeque::new(),
            lacks,
            bytes: 0,
        });
        chain.blocks.append(&mut blocks);
        chain.bytes += bytes;
    }

    pub(crate) fn feeds(&self) -> Vec<FeedId> {
        self.chains.keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.blocks
    }
}
