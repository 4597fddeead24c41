//! What a replica knows of the feeds of one space, and how it appends to its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dxos_keys::{BlockHash, DeviceKey, FeedId, Signer, SpaceKey};
use serde::{Deserialize, Serialize};

use crate::block::{GENESIS, SealingContext};
use crate::waiting::Waiting;
use crate::{Block, Dep, Entry, FeedDescriptor, FeedLimits, Floor, ForkProof, Header, Timeframe};

/// The state of one feed on one replica; store it with the block that changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedState {
    /// What the feed is.
    pub descriptor: FeedDescriptor,
    /// How many blocks were accepted.
    pub length: u64,
    /// The hash of the last one, zeros when there is none.
    pub head: BlockHash,
    /// The logical time of the last one, 0 when there is none.
    pub lamport: u64,
    /// What the writer had applied when it wrote the last one, that one included.
    pub clock: Timeframe,
    /// Proof that the writer forked the feed; it was cut there and takes no blocks from there on.
    /// Those before it are as good as any: a replica that is shorter goes on to the cut.
    pub fork: Option<ForkProof>,
    /// The place before which a snapshot stands for its blocks. It is not stored with the rest:
    /// see [`Dag::restore_floor`].
    #[serde(skip)]
    pub floor: Option<Arc<Floor>>,
}

/// The feeds of one space as one replica knows them.
///
/// Memory is bounded by the number of feeds (each with a clock of at most as many entries) and
/// by the blocks that wait, both within [`FeedLimits`].
#[derive(Clone, Debug)]
pub struct Dag {
    pub(crate) space: SpaceKey,
    pub(crate) limits: FeedLimits,
    pub(crate) feeds: BTreeMap<FeedId, FeedState>,
    pub(crate) waiting: Waiting,
    /// Blocks accepted since [`Dag::stored`], which the caller's index may not have yet.
    pub(crate) recent: BTreeMap<(FeedId, u64), Entry>,
    /// The same for blocks of cut branches, with their logical times.
    pub(crate) recent_branches: BTreeMap<(FeedId, u64, BlockHash), u64>,
    /// How often a length or a head changed.
    pub(crate) version: u64,
}

/// Why a feed cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The feed belongs to another space. Refuse whoever offered it.
    #[error("feed {feed} belongs to another space")]
    OtherSpace {
        /// The feed.
        feed: FeedId,
    },
    /// The space has as many feeds as it may.
    #[error("the space has {max} feeds already, the most that is allowed")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// Why a replica cannot append to a feed of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The body is larger than a block may have. Split the transaction.
    #[error("block body of {found} bytes, more than the {max} allowed; write less at once")]
    BodyTooLarge {
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The feed was forked and cut. Go on in a feed with the next incarnation.
    #[error("feed {feed} was forked and is closed; go on in a new incarnation")]
    Forked {
        /// The feed.
        feed: FeedId,
    },
    /// The signer is not the feed's device.
    #[error("feed {feed} is written by another device")]
    OtherDevice {
        /// The feed.
        feed: FeedId,
    },
    /// The feed was never registered.
    #[error("feed {feed} is not known")]
    Unknown {
        /// The feed.
        feed: FeedId,
    },
}

/// Where the next block of a feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its sequence number.
    pub seq: u64,
    /// The hash of the block before it.
    pub prev: BlockHash,
    /// Its logical time.
    pub lamport: u64,
    /// What it names of other feeds.
    pub deps: Vec<Dep>,
    /// What its writer has applied, it included.
    pub clock: Timeframe,
}

/// What an append needs to know besides the body.
#[derive(Clone, Copy)]
pub struct Append<'a> {
    /// A registered feed of the signer's device.
    pub feed: FeedId,
    /// The wall clock, for display.
    pub time_ms: u64,
    /// Signs for the device.
    pub signer: &'a dyn Signer,
}

impl std::fmt::Debug for Append<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Append")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}

impl FeedState {
    /// The place from which on a forked feed takes no blocks. What a snapshot stands for is settled,
    /// also behind a fork.
    pub fn closed_from(&self) -> Option<u64> {
        let fork = self.fork.as_ref().map(ForkProof::seq);
        fork.map(|from| from.max(self.floor_length()))
    }

    fn empty(descriptor: FeedDescriptor) -> Self {
        Self {
            descriptor,
            length: 0,
            head: GENESIS,
            lamport: 0,
            clock: Timeframe::new(),
            fork: None,
            floor: None,
        }
    }
}

impl Dag {
    /// A replica of `space` that knows no feed yet.
    pub fn new(space: SpaceKey, limits: FeedLimits) -> Self {
        Self {
            space,
            limits,
            feeds: BTreeMap::new(),
            waiting: Waiting::default(),
            recent: BTreeMap::new(),
            recent_branches: BTreeMap::new(),
            version: 0,
        }
    }

    /// A replica as it was stored: the states of all its feeds.
    pub fn open(
        space: SpaceKey,
        limits: FeedLimits,
        feeds: impl IntoIterator<Item = FeedState>,
    ) -> Self {
        let mut dag = Self::new(space, limits);
        dag.feeds.extend(
            feeds
                .into_iter()
                .map(|state| (state.descriptor.id(), state)),
        );
        dag
    }

    /// Makes a feed known; `true` when it was not before.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when it belongs elsewhere or there are too many.
    pub fn register(&mut self, descriptor: FeedDescriptor) -> Result<bool, RegisterError> {
        let feed = descriptor.id();
        if descriptor.space != self.space {
            return Err(RegisterError::OtherSpace { feed });
        }
        if self.feeds.contains_key(&feed) {
            return Ok(false);
        }
        if self.feeds.len() >= self.limits.feeds_max {
            return Err(RegisterError::TooMany {
                max: self.limits.feeds_max,
            });
        }
        self.feeds.insert(feed, FeedState::empty(descriptor));
        Ok(true)
    }

    /// How often the length or head of a feed changed since this was made or opened.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The space.
    pub const fn space(&self) -> &SpaceKey {
        &self.space
    }

    /// The limits that were given.
    pub const fn limits(&self) -> &FeedLimits {
        &self.limits
    }

    /// All feeds, sorted by id.
    pub fn feeds(&self) -> impl Iterator<Item = (&FeedId, &FeedState)> {
        self.feeds.iter()
    }

    /// One feed.
    pub fn feed(&self, feed: &FeedId) -> Option<&FeedState> {
        self.feeds.get(feed)
    }

    /// The sequence number of the next block of `feed` that this replica can use: those that
    /// wait are not needed again.
    pub fn next_needed(&self, feed: &FeedId) -> u64 {
        let length = self.feeds.get(feed).map_or(0, |state| state.length);
        length + self.waiting.tail(feed).map_or(0, |(count, _)| count)
    }

    /// The hash of the block before [`Dag::next_needed`], zeros when there is none.
    pub fn head_needed(&self, feed: &FeedId) -> BlockHash {
        let tail = self.waiting.tail(feed).map(|(_, hash)| hash);
        tail.or_else(|| self.feeds.get(feed).map(|state| state.head))
            .unwrap_or(GENESIS)
    }

    /// How many blocks wait for others.
    pub fn waiting_blocks(&self) -> usize {
        self.waiting.len()
    }

    /// How many blocks of each feed were accepted.
    pub fn timeframe(&self) -> Timeframe {
        let dots = self.feeds.iter().filter(|(_, state)| state.length > 0);
        Timeframe {
            dots: dots.map(|(feed, state)| (*feed, state.length)).collect(),
        }
    }

    /// Tells that everything accepted so far can be found through the caller's index.
    pub fn stored(&mut self) {
        self.recent.clear();
        self.recent_branches.clear();
    }

    /// Where the next block of a feed of `device` will stand: [`Dag::append`] puts it there, as
    /// long as nothing else is accepted before.
    ///
    /// # Errors
    ///
    /// [`AppendError`] when the device cannot append to the feed.
    pub fn next(&self, feed: &FeedId, device: DeviceKey) -> Result<Next, AppendError> {
        let feed = *feed;
        let state = self.feeds.get(&feed).ok_or(AppendError::Unknown { feed })?;
        if state.fork.is_some() {
            return Err(AppendError::Forked { feed });
        }
        if state.descriptor.device != device {
            return Err(AppendError::OtherDevice { feed });
        }
        // What is beyond the limit is named by a later block. The count is sent in 16 bits.
        let deps_max = self.limits.deps_max.min(usize::from(u16::MAX));
        let mut lamport = state.lamport;
        let mut deps = Vec::new();
        for (other, other_state) in &self.feeds {
            if *other != feed && other_state.length > state.clock.get(other) {
                if deps.len() == deps_max {
                    break;
                }
                lamport = lamport.max(other_state.lamport);
                deps.push(Dep {
                    feed: *other,
                    seq: other_state.length - 1,
                    hash: other_state.head,
                });
            }
        }
        let mut clock = state.clock.clone();
        extend_clock(&mut clock, feed, state.length + 1, &deps);
        Ok(Next {
            seq: state.length,
            prev: state.head,
            lamport: lamport.saturating_add(1),
            deps,
            clock,
        })
    }

    /// Appends a block to a feed of the signer's device: names what changed in other feeds,
    /// takes the next logical time, signs. `body` makes the body; what it is sealed for must be
    /// bound to the [`SealingContext`].
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing has changed then.
    pub fn append(
        &mut self,
        Append {
            feed,
            time_ms,
            signer,
        }: Append<'_>,
        body: impl FnOnce(SealingContext) -> Bytes,
    ) -> Result<Block, AppendError> {
        let place = (feed, signer.device());
        let (hash, mut block) = self.append_unsigned(place, time_ms, body)?;
        block.sign(&hash, signer);
        Ok(block)
    }

    /// The same without a signature, and the hash of the block. Others cannot take it in before
    /// it or a later one is signed, see [`Block::sign`]. A block that names others must not
    /// follow an unsigned one: see [`crate::Run::leave_out_signatures`].
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing has changed then.
    pub fn append_unsigned(
        &mut self,
        (feed, device): (FeedId, DeviceKey),
        time_ms: u64,
        body: impl FnOnce(SealingContext) -> Bytes,
    ) -> Result<(BlockHash, Block), AppendError> {
        let Next {
            seq,
            prev,
            lamport,
            deps,
            ..
        } = self.next(&feed, device)?;
        let header = Header {
            feed,
            seq,
            prev,
            lamport,
            time_ms,
            deps,
            body_hash: crate::block::body_hash(&[]),
            body_bytes: 0,
        };
        let (hash, block) = header.block(body);
        if block.body.len() > self.limits.body_bytes_max {
            let max = self.limits.body_bytes_max;
            return Err(AppendError::BodyTooLarge {
                found: block.body.len(),
                max,
            });
        }
        self.advance(feed, hash, &block);
        Ok((hash, block))
    }

    /// Moves a feed's head to `block`, which was checked.
    pub(crate) fn advance(&mut self, feed: FeedId, hash: BlockHash, block: &Block) {
        let Some(state) = self.feeds.get_mut(&feed) else {
            return;
        };
        self.recent.insert(
            (feed, state.length),
            Entry {
                hash,
                lamport: block.lamport,
            },
        );
        self.version += 1;
        state.length += 1;
        state.head = hash;
        state.lamport = block.lamport;
        extend_clock(&mut state.clock, feed, state.length, &block.deps);
    }
}

/// Adds a block and what it names to a writer's clock.
pub(crate) fn extend_clock(clock: &mut Timeframe, feed: FeedId, length: u64, deps: &[Dep]) {
    for dep in deps {
        let count = clock.dots.entry(dep.feed).or_insert(0);
        *count = (*count).max(dep.seq.saturating_add(1));
    }
    clock.dots.insert(feed, length);
}
