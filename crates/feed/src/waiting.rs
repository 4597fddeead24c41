//! Verified blocks that wait for others they depend on, bounded.

use std::collections::{BTreeMap, VecDeque};

use dxos_keys::{BlockHash, FeedId};

use crate::{Block, FeedLimits};

/// For each feed, the blocks that follow its head and whose first one lacks a cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    chains: BTreeMap<FeedId, VecDeque<(BlockHash, Block)>>,
    blocks: usize,
    bytes: usize,
}

impl Waiting {
    /// How many blocks of `feed` wait, and the hash of the last.
    pub(crate) fn tail(&self, feed: &FeedId) -> Option<(u64, BlockHash)> {
        let chain = self.chains.get(feed)?;
        chain.back().map(|(hash, _)| (chain.len() as u64, *hash))
    }

    pub(crate) fn hash_at(&self, feed: &FeedId, offset: usize) -> Option<BlockHash> {
        self.chains.get(feed)?.get(offset).map(|(hash, _)| *hash)
    }

    pub(crate) fn block_at(&self, feed: &FeedId, offset: u64) -> Option<&Block> {
        self.chains
            .get(feed)?
            .get(usize::try_from(offset).ok()?)
            .map(|(_, block)| block)
    }

    /// Adds blocks behind those of `feed` that wait already; `false` when there is no room, and
    /// then nothing was added.
    pub(crate) fn push(
        &mut self,
        feed: FeedId,
        blocks: impl ExactSizeIterator<Item = (BlockHash, Block)> + Clone,
        limits: &FeedLimits,
    ) -> bool {
        let bytes: usize = blocks.clone().map(|(_, block)| block.encoded_bytes()).sum();
        if self.blocks + blocks.len() > limits.waiting_blocks_max
            || self.bytes + bytes > limits.waiting_bytes_max
        {
            return false;
        }
        self.blocks += blocks.len();
        self.bytes += bytes;
        self.chains.entry(feed).or_default().extend(blocks);
        true
    }

    pub(crate) fn first(&self, feed: &FeedId) -> Option<&(BlockHash, Block)> {
        self.chains.get(feed)?.front()
    }

    pub(crate) fn pop(&mut self, feed: &FeedId) -> Option<(BlockHash, Block)> {
        let chain = self.chains.get_mut(feed)?;
        let first = chain.pop_front();
        if chain.is_empty() {
            self.chains.remove(feed);
        }
        if let Some((_, block)) = &first {
            self.blocks -= 1;
            self.bytes -= block.encoded_bytes();
        }
        first
    }

    pub(crate) fn drop_feed(&mut self, feed: &FeedId) {
        while self.pop(feed).is_some() {}
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
