//! What becomes of blocks that others wrote.

use dxos_keys::{BlockHash, FeedId};

use crate::{Block, Dep, FeedDescriptor, ForkProof, IndexError, Timeframe};
#[cfg(doc)]
use crate::{Dag, Run};

/// A block that was accepted, in causal order: everything it depends on was accepted before.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// The feed's descriptor.
    pub descriptor: &'a FeedDescriptor,
    /// The feed.
    pub feed: FeedId,
    /// The block's place in it.
    pub seq: u64,
    /// The hash of the block before it.
    pub prev: BlockHash,
    /// The block's hash.
    pub hash: BlockHash,
    /// The block.
    pub block: &'a Block,
    /// What its writer had applied, this block included.
    pub past: &'a Timeframe,
}

/// What became of a run that is not an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// How many blocks were accepted, of this run and of others that waited for it.
    pub accepted: usize,
    /// How many blocks were known already.
    pub duplicates: usize,
    /// What the next block of this run's feed waits for, if it does. When the buffer of waiting
    /// blocks was full, the rest of the run was dropped: [`Dag::next_needed`] tells.
    pub missing: Option<MissingDep>,
}

/// A dependency that has to arrive first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDep {
    /// The block, or the feed itself, is not here yet.
    Block(Dep),
    /// The feed has another block at that place: its writer forked it, and whoever sent the
    /// waiting block can show the other branch.
    OtherBranch(Dep),
}

impl MissingDep {
    /// The dependency.
    pub const fn dep(&self) -> Dep {
        match self {
            Self::Block(dep) | Self::OtherBranch(dep) => *dep,
        }
    }
}

/// Why a run, or the rest of one, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The run is not what the feed's device signed: altered, forged or reordered. An offence.
    #[error("blocks {first}..{end} of feed {feed} are not what its device signed")]
    BadSignature {
        /// The feed.
        feed: FeedId,
        /// The run's first block.
        first: u64,
        /// The place after its last block.
        end: u64,
    },
    /// Dependencies are unsorted, repeated, of the feed itself, too many, or older than ones
    /// that the same writer named before. An offence of the writer.
    #[error("block {seq} of feed {feed} names its dependencies wrongly")]
    BadDeps {
        /// The feed.
        feed: FeedId,
        /// The block.
        seq: u64,
    },
    /// Logical time is not one more than the greatest among the causes. An offence of the
    /// writer: it tries to win conflicts, or to lose them.
    #[error("block {seq} of feed {feed} has logical time {found} where {expected} follows")]
    BadLamport {
        /// The feed.
        feed: FeedId,
        /// The block.
        seq: u64,
        /// What it claims.
        found: u64,
        /// What follows from its causes.
        expected: u64,
    },
    /// The body is larger than a block may have. An offence.
    #[error("block {seq} of feed {feed} has {found} bytes, more than the {max} allowed")]
    BodyTooLarge {
        /// The feed.
        feed: FeedId,
        /// The block.
        seq: u64,
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The run holds no block. An offence.
    #[error("run of feed {feed} holds no block")]
    Empty {
        /// The feed.
        feed: FeedId,
    },
    /// The run is longer than [`Run::BLOCKS_MAX`] or its headers than [`Run::HEADER_BYTES_MAX`].
    /// An offence.
    #[error("run of feed {feed} with {blocks} blocks is longer than allowed; send several")]
    RunTooLong {
        /// The feed.
        feed: FeedId,
        /// How many blocks it has.
        blocks: usize,
    },
    /// The feed's writer signed another block at the same place. Not the sender's fault: call
    /// [`Dag::cut`] with the proof, store it and pass it on.
    #[error("feed {} was forked by its writer at block {}", .0.feed(), .0.seq())]
    Fork(Box<ForkProof>),
    /// The run lies behind the place where the feed was cut before. Not an offence: the sender
    /// may not know yet; send it the proof.
    #[error("feed {feed} was forked and is closed")]
    Forked {
        /// The feed.
        feed: FeedId,
    },
    /// Blocks before the run are missing. Ask for them from [`Dag::next_needed`].
    #[error("blocks {needed}..{first} of feed {feed} are missing before this run")]
    Gap {
        /// The feed.
        feed: FeedId,
        /// The next block that can be used.
        needed: u64,
        /// The run's first block.
        first: u64,
    },
    /// The caller's index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The feed is not registered.
    #[error("feed {feed} is not known")]
    Unknown {
        /// The feed.
        feed: FeedId,
    },
    /// Too many blocks wait for missing causes, and nothing of this run can be accepted now. Ask
    /// again later: blocks in order of logical time never wait.
    #[error("too many blocks wait for missing causes")]
    WaitingFull,
}

impl InsertError {
    /// Whether the sender did something that no honest replica does.
    pub const fn is_offence(&self) -> bool {
        matches!(
            self,
            Self::BadSignature { .. }
                | Self::BadDeps { .. }
                | Self::BadLamport { .. }
                | Self::BodyTooLarge { .. }
                | Self::Empty { .. }
                | Self::RunTooLong { .. }
        )
    }
}
