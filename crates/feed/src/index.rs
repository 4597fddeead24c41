//! How a [`crate::Dag`] looks up blocks that the caller has stored.

use std::collections::BTreeMap;

use dxos_keys::{BlockHash, FeedId};

use crate::Block;

/// What must be known of a stored block to check others that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its hash.
    pub hash: BlockHash,
    /// Its logical time.
    pub lamport: u64,
}

/// The store behind the index failed. Stop using the replica and open it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored blocks cannot be read: {0}")]
pub struct IndexError(pub String);

/// Blocks that were accepted and stored by the caller.
///
/// Between [`crate::Dag::stored`] and the next one, [`BlockIndex::entry`] and
/// [`BlockIndex::branch`] need not know what was accepted meanwhile; [`BlockIndex::block`] must, or
/// a fork that is found there cannot be proven and ends in an [`IndexError`].
pub trait BlockIndex {
    /// Hash and logical time of the block at `seq` of `feed`, if it is stored.
    fn entry(&self, feed: &FeedId, seq: u64) -> Result<Option<Entry>, IndexError>;

    /// The block at `seq` of `feed`, if it is stored.
    fn block(&self, feed: &FeedId, seq: u64) -> Result<Option<Block>, IndexError>;

    /// Logical time of the block with this hash that stood at `seq` of `feed` on a branch that was
    /// cut, if it is kept. The hash alone is not enough: a writer could name it for any other
    /// place, and claim to have seen what does not exist yet.
    fn branch(&self, feed: &FeedId, seq: u64, hash: &BlockHash) -> Result<Option<u64>, IndexError>;
}

/// Blocks in memory: for tests, examples and programs that store nothing.
#[derive(Clone, Debug, Default)]
pub struct MemoryIndex {
    blocks: BTreeMap<(FeedId, u64), (BlockHash, Block)>,
    branches: BTreeMap<(FeedId, u64, BlockHash), u64>,
}

impl MemoryIndex {
    /// Stores a block that a [`crate::Dag`] made or accepted at `seq` of `feed`; the ones before
    /// it must be there.
    pub fn insert(&mut self, feed: &FeedId, seq: u64, block: &Block) {
        let prev = seq
            .checked_sub(1)
            .and_then(|seq| self.blocks.get(&(*feed, seq)))
            .map_or(crate::block::GENESIS, |(hash, _)| *hash);
        let hash = block.hash(feed, seq, &prev);
        self.blocks.insert((*feed, seq), (hash, block.clone()));
    }

    /// Keeps a block of a cut branch, with its logical time.
    pub fn insert_branch(&mut self, feed: &FeedId, seq: u64, hash: BlockHash, lamport: u64) {
        self.branches.insert((*feed, seq, hash), lamport);
    }

    /// Moves the blocks of `feed` from `seq` on to the branches.
    pub fn cut(&mut self, feed: &FeedId, seq: u64) {
        let rest: Vec<_> = self
            .blocks
            .range((*feed, seq)..=(*feed, u64::MAX))
            .map(|(key, _)| *key)
            .collect();
        for key in rest {
            if let Some((hash, block)) = self.blocks.remove(&key) {
                self.branches.insert((key.0, key.1, hash), block.lamport);
            }
        }
    }
}

impl BlockIndex for MemoryIndex {
    fn entry(&self, feed: &FeedId, seq: u64) -> Result<Option<Entry>, IndexError> {
        let found = self.blocks.get(&(*feed, seq));
        Ok(found.map(|(hash, block)| Entry {
            hash: *hash,
            lamport: block.lamport,
        }))
    }

    fn block(&self, feed: &FeedId, seq: u64) -> Result<Option<Block>, IndexError> {
        Ok(self
            .blocks
            .get(&(*feed, seq))
            .map(|(_, block)| block.clone()))
    }

    fn branch(&self, feed: &FeedId, seq: u64, hash: &BlockHash) -> Result<Option<u64>, IndexError> {
        Ok(self.branches.get(&(*feed, seq, *hash)).copied())
    }
}
