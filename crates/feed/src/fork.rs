//! Forks: two blocks that one device signed for one place of its feed.
//!
//! Whoever holds a [`ForkProof`] can show it to anyone. A feed is cut at the earliest place for
//! which a proof is known, on every replica alike; blocks from there on are kept only as causes
//! of honest blocks that name them.

use dxos_keys::{BlockHash, BodyHash, FeedId, Signature};
use serde::{Deserialize, Serialize};

use crate::check::{Linked, Position};
use crate::dag::extend_clock;
use crate::insert::is_signed;
use crate::{
    Accepted, Block, BlockIndex, Dag, Dep, FeedDescriptor, FeedState, Header, IndexError,
    InsertError, Inserted, MissingDep, Run, Timeframe,
};

/// A header that its device vouched for: by a signature of it or of a later block, which covers
/// all before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The blocks that follow, up to the one that is signed; none when that is the first.
    rest: Vec<Later>,
    /// The device's signature of the last one.
    pub signature: Signature,
}

/// What of a later header does not follow from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Later {
    lamport: u64,
    time_ms: u64,
    deps: Vec<Dep>,
    body_hash: BodyHash,
    body_bytes: u32,
}

/// Why a chain of headers cannot be shown to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// Nothing valid vouches for it.
    Ended,
    /// What vouches for it is too far behind.
    TooLong,
}

impl SignedHeader {
    /// A header with its signature.
    pub const fn new(header: Header, signature: Signature) -> Self {
        Self {
            header,
            rest: Vec::new(),
            signature,
        }
    }

    /// Takes from a chain of headers as many as it needs for a valid signature.
    pub(crate) fn collect(
        feed: &FeedDescriptor,
        mut chain: impl Iterator<Item = (Header, Option<Signature>)>,
    ) -> Result<Self, Unsigned> {
        let valid = |header: &Header, signature: Option<Signature>| {
            signature.filter(|signature| header.verify(feed, signature).is_ok())
        };
        let (header, signature) = chain.next().ok_or(Unsigned::Ended)?;
        let mut found = valid(&header, signature);
        let (mut rest, mut bytes) = (Vec::new(), 0);
        loop {
            if let Some(signature) = found {
                return Ok(Self {
                    header,
                    rest,
                    signature,
                });
            }
            let (later, signature) = chain.next().ok_or(Unsigned::Ended)?;
            bytes += later.bytes();
            if rest.len() >= Run::BLOCKS_MAX || bytes > Run::HEADER_BYTES_MAX {
                return Err(Unsigned::TooLong);
            }
            found = valid(&later, signature);
            rest.push(Later {
                lamport: later.lamport,
                time_ms: later.time_ms,
                deps: later.deps,
                body_hash: later.body_hash,
                body_bytes: later.body_bytes,
            });
        }
    }

    /// The header and those that follow; the last one is signed.
    fn chain(&self) -> impl Iterator<Item = (Header, Option<Signature>)> {
        let mut later = self.rest.iter();
        let headers = std::iter::successors(Some(self.header.clone()), move |before| {
            let later = later.next()?;
            Some(Header {
                feed: before.feed,
                seq: before.seq.checked_add(1)?,
                prev: before.hash(),
                lamport: later.lamport,
                time_ms: later.time_ms,
                deps: later.deps.clone(),
                body_hash: later.body_hash,
                body_bytes: later.body_bytes,
            })
        });
        let last = self.rest.len();
        headers.enumerate().map(move |(at, header)| {
            let signature = (at == last).then_some(self.signature);
            (header, signature)
        })
    }

    fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    fn verify(&self, feed: &FeedDescriptor) -> Result<(), ForkProofError> {
        if self.rest.len() > Run::BLOCKS_MAX {
            return Err(ForkProofError);
        }
        let (header, signature) = self.chain().last().ok_or(ForkProofError)?;
        let signature = signature.ok_or(ForkProofError)?;
        header.verify(feed, &signature).map_err(|_| ForkProofError)
    }
}

/// Proof that a device forked its feed: two different blocks, both validly signed, at one place
/// and after the same block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkProof {
    descriptor: FeedDescriptor,
    blocks: Box<[SignedHeader; 2]>,
}

/// What was offered does not prove a fork. Refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the two blocks do not prove a fork")]
pub struct ForkProofError;

/// What a cut took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The feed.
    pub feed: FeedId,
    /// The first place that is gone.
    pub from: u64,
    /// How long the feed was: blocks `from..length` stop counting. Keep each for
    /// [`BlockIndex::branch`].
    pub length: u64,
}

/// Why a feed cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// The caller's index failed or lacks blocks.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The proof proves nothing. Refuse whoever sent it.
    #[error(transparent)]
    Invalid(#[from] ForkProofError),
    /// The feed is not registered.
    #[error("feed {feed} is not known")]
    Unknown {
        /// The feed.
        feed: FeedId,
    },
}

impl ForkProof {
    /// Puts two signed headers of one feed together.
    ///
    /// # Errors
    ///
    /// [`ForkProofError`] when they are equal, of different places, or not both validly signed.
    pub fn new(
        descriptor: FeedDescriptor,
        one: SignedHeader,
        other: SignedHeader,
    ) -> Result<Self, ForkProofError> {
        // One order for both, so that equal proofs are equal bytes.
        let blocks = if one.hash() < other.hash() {
            [one, other]
        } else {
            [other, one]
        };
        let proof = Self {
            descriptor,
            blocks: Box::new(blocks),
        };
        proof.verify()?;
        Ok(proof)
    }

    /// Checks a proof that came from outside.
    ///
    /// # Errors
    ///
    /// [`ForkProofError`] when it proves nothing.
    pub fn verify(&self) -> Result<(), ForkProofError> {
        let [one, other] = &*self.blocks;
        let place =
            |signed: &SignedHeader| (signed.header.feed, signed.header.seq, signed.header.prev);
        if place(one) != place(other)
            || one.header.feed != self.descriptor.id()
            || one.hash() >= other.hash()
        {
            return Err(ForkProofError);
        }
        one.verify(&self.descriptor)?;
        other.verify(&self.descriptor)
    }

    /// The feed's descriptor; it names the device that forked.
    pub const fn descriptor(&self) -> &FeedDescriptor {
        &self.descriptor
    }

    /// The feed.
    pub fn feed(&self) -> FeedId {
        let [one, _] = &*self.blocks;
        one.header.feed
    }

    /// The place at which the two branches part.
    pub fn seq(&self) -> u64 {
        let [one, _] = &*self.blocks;
        one.header.seq
    }

    /// The hash of the block before it, zeros when there is none.
    pub fn prev(&self) -> BlockHash {
        let [one, _] = &*self.blocks;
        one.header.prev
    }

    /// The headers of one branch, from where they part up to a valid signature.
    pub(crate) fn chain(&self) -> impl Iterator<Item = (Header, Option<Signature>)> {
        let [one, _] = &*self.blocks;
        one.chain()
    }

    /// The hashes of the two blocks.
    pub fn hashes(&self) -> [BlockHash; 2] {
        let [one, other] = &*self.blocks;
        [one.hash(), other.hash()]
    }
}

impl Dag {
    /// Cuts a feed where the proof says. `None` when it was cut there or earlier already.
    ///
    /// Blocks of the feed that wait are dropped: those before the cut are asked for again.
    ///
    /// # Errors
    ///
    /// [`CutError`] when the proof proves nothing or stored blocks cannot be read; nothing has
    /// changed then.
    pub fn cut(
        &mut self,
        proof: &ForkProof,
        index: &dyn BlockIndex,
    ) -> Result<Option<Cut>, CutError> {
        proof.verify()?;
        let (feed, from) = (proof.feed(), proof.seq());
        let state = self.feeds.get(&feed).ok_or(CutError::Unknown { feed })?;
        if state.fork.as_ref().is_some_and(|known| known.seq() <= from) {
            return Ok(None);
        }
        let length = state.length;
        let mut cut = state.clone();
        cut.fork = Some(proof.clone());
        let floor = state.floor.clone();
        let settled = state.floor_length();
        let from = from.max(settled);
        let mut keep = from;
        if from < length {
            keep = self.shown(&cut, from, index)?;
            cut.clock = floor
                .as_ref()
                .map_or_else(Timeframe::new, |floor| floor.clock.clone());
            cut.lamport = floor.map_or(0, |floor| floor.lamport);
            for seq in settled..keep {
                let block = index
                    .block(&feed, seq)?
                    .ok_or_else(|| not_stored(&feed, seq))?;
                extend_clock(&mut cut.clock, feed, seq + 1, &block.deps);
                cut.lamport = block.lamport;
            }
            cut.length = keep;
            cut.head = self
                .prev_of(&feed, keep, index)?
                .ok_or_else(|| not_stored(&feed, keep))?;
        }
        self.version += 1;
        self.feeds.insert(feed, cut);
        self.waiting.take(&feed);
        let mut gone = self.recent.split_off(&(feed, keep));
        self.recent.append(&mut gone.split_off(&(feed, u64::MAX)));
        for ((feed, seq), entry) in gone {
            self.recent_branches
                .insert((feed, seq, entry.hash), entry.lamport);
        }
        Ok(Some(Cut {
            feed,
            from: keep,
            length: length.max(keep),
        }))
    }

    /// How many of the first `from` blocks can be shown to others once what follows is cut: up
    /// to one that its own signature or the proof vouches for. They are all of them, unless the
    /// feed was forked before the proof's place, too, and this replica has another branch than
    /// the proof: then what vouched for its last blocks may lie beyond the cut.
    fn shown(&self, cut: &FeedState, from: u64, index: &dyn BlockIndex) -> Result<u64, IndexError> {
        let feed = cut.descriptor.id();
        let mut keep = from;
        while let Some(last) = keep.checked_sub(1) {
            if keep <= cut.floor_length() {
                // Others have the snapshot.
                break;
            }
            let lost = || not_stored(&feed, last);
            let hash = self.hash_at(&feed, last, index)?.ok_or_else(lost)?;
            let block = index.block(&feed, last)?.ok_or_else(lost)?;
            if is_signed(cut, last, (&hash, &block)) {
                break;
            }
            keep = last;
        }
        Ok(keep)
    }

    /// Takes in blocks of a cut branch, from the cut on, so that honest blocks that name them
    /// can be checked. Passes `(hash, block)` of each, in order from `run.first` on, to `keep`,
    /// which stores them for [`BlockIndex::branch`], and then accepts what waited for them.
    ///
    /// A branch that does not fit one run goes on with [`Dag::insert_branch_after`].
    ///
    /// # Errors
    ///
    /// [`InsertError`]: such blocks are held to the rules of any others, but that dependencies
    /// may be older than what the branch named before.
    pub fn insert_branch(
        &mut self,
        run: Run,
        index: &dyn BlockIndex,
        keep: &mut dyn FnMut(BlockHash, &Block),
        accept: &mut dyn FnMut(Accepted<'_>),
    ) -> Result<Inserted, InsertError> {
        let (feed, first) = (run.feed, run.first);
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        if state.closed_from() != Some(first) || state.length != first {
            let needed = state.length;
            return Err(InsertError::Gap {
                feed,
                needed,
                first,
            });
        }
        let before = (state.head, state.lamport);
        self.keep_branch(run, before, index, keep, accept)
    }

    /// The same for blocks that follow `prev`, a block of a cut branch that was kept before.
    ///
    /// # Errors
    ///
    /// [`InsertError`], as for [`Dag::insert_branch`]; [`InsertError::Gap`] when `prev` is not
    /// kept at the place before the run.
    pub fn insert_branch_after(
        &mut self,
        prev: BlockHash,
        run: Run,
        index: &dyn BlockIndex,
        keep: &mut dyn FnMut(BlockHash, &Block),
        accept: &mut dyn FnMut(Accepted<'_>),
    ) -> Result<Inserted, InsertError> {
        let (feed, first) = (run.feed, run.first);
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        let needed = state.length;
        let lamport = match (state.closed_from(), first.checked_sub(1)) {
            (Some(from), Some(before)) if from <= before => {
                self.branch(&feed, before, &prev, index)?
            }
            _ => None,
        };
        let lamport = lamport.ok_or(InsertError::Gap {
            feed,
            needed,
            first,
        })?;
        self.keep_branch(run, (prev, lamport), index, keep, accept)
    }

    fn keep_branch(
        &mut self,
        run: Run,
        (prev, lamport): (BlockHash, u64),
        index: &dyn BlockIndex,
        keep: &mut dyn FnMut(BlockHash, &Block),
        accept: &mut dyn FnMut(Accepted<'_>),
    ) -> Result<Inserted, InsertError> {
        let (feed, first) = (run.feed, run.first);
        let mut position = Position::branch(first, lamport);
        let mut result = Inserted::default();
        let mut refused = None;
        for (seq, Linked { hash, block, .. }) in (first..).zip(self.verify(run, prev)?) {
            match self.check(&feed, &position, &block, index) {
                Ok(None) => {
                    position.advance(&block);
                    self.recent_branches
                        .insert((feed, seq, hash), block.lamport);
                    keep(hash, &block);
                }
                Ok(Some(missing)) => {
                    result.missing = Some(missing);
                    break;
                }
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        self.release(index, accept, &mut result)?;
        refused.map_or(Ok(result), Err)
    }

    /// The dependencies of waiting blocks that lie on branches this replica never saw.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn missing_branches(&self, index: &dyn BlockIndex) -> Result<Vec<Dep>, IndexError> {
        let missing = self.missing(index)?.into_iter();
        Ok(missing
            .filter_map(|missing| match missing {
                MissingDep::OtherBranch(dep) => Some(dep),
                MissingDep::Block(_) => None,
            })
            .collect())
    }
}

fn not_stored(feed: &FeedId, seq: u64) -> IndexError {
    IndexError(format!("block {seq} of feed {feed} is not stored"))
}
