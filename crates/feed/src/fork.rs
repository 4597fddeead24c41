//! Forks: two blocks that one device signed for one place of its feed.
//!
//! Whoever holds a [`ForkProof`] can show it to anyone. A feed is cut at the earliest place for
//! which a proof is known, on every replica alike; blocks from there on are kept only as causes
//! of honest blocks that name them.

use dxos_keys::{BlockHash, FeedId, Signature};
use serde::{Deserialize, Serialize};

use crate::dag::extend_clock;
use crate::insert::Linked;
use crate::{
    Block, BlockIndex, Dag, FeedDescriptor, Header, IndexError, InsertError, MissingDep, Run,
    Timeframe,
};

/// How many headers may stand between a block and the signature that vouches for it.
const REST_MAX: usize = 4096;

/// A header that its device vouched for: by its own signature, or, when the writer put rubbish
/// there, by that of a later block, which covers all before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The device's signature of it.
    pub signature: Signature,
    /// The blocks that follow, up to the first whose signature is valid; mostly none.
    pub rest: Vec<(Header, Signature)>,
}

impl SignedHeader {
    /// Takes from a chain of headers as many as it needs for a valid signature.
    pub(crate) fn new(
        feed: &FeedDescriptor,
        mut chain: impl Iterator<Item = (Header, Signature)>,
    ) -> Option<Self> {
        let (header, signature) = chain.next()?;
        let mut signed = Self {
            header,
            signature,
            rest: Vec::new(),
        };
        while signed.verify(feed).is_err() {
            if signed.rest.len() == REST_MAX {
                return None;
            }
            signed.rest.push(chain.next()?);
        }
        Some(signed)
    }

    fn hash(&self) -> BlockHash {
        self.header.block_hash(&self.signature)
    }

    fn verify(&self, feed: &FeedDescriptor) -> Result<(), ForkProofError> {
        let mut last = (&self.header, &self.signature);
        for next in &self.rest {
            let linked = next.0.feed == last.0.feed
                && Some(next.0.seq) == last.0.seq.checked_add(1)
                && next.0.prev == last.0.block_hash(last.1);
            if !linked {
                return Err(ForkProofError);
            }
            last = (&next.0, &next.1);
        }
        if self.rest.len() > REST_MAX {
            return Err(ForkProofError);
        }
        last.0.verify(feed, last.1).map_err(|_| ForkProofError)
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
    /// How long the feed was: blocks `from..length` stop counting. Keep hash and logical time of
    /// each for [`BlockIndex::branch`].
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
        for signed in [one, other] {
            signed
                .header
                .verify(&self.descriptor, &signed.signature)
                .map_err(|_| ForkProofError)?;
        }
        Ok(())
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

    /// The hashes of the two blocks.
    pub fn hashes(&self) -> [BlockHash; 2] {
        let [one, other] = &*self.blocks;
        [one.hash(), other.hash()]
    }
}

impl Dag {
    /// Cuts a feed where the proof says. `None` when it was cut there or earlier already.
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
        if from < length {
            let (mut clock, mut lamport, mut head) = (Timeframe::new(), 0, crate::block::GENESIS);
            for seq in 0..from {
                let lost = || IndexError(format!("block {seq} of feed {feed} is not stored"));
                let block = index.block(&feed, seq)?.ok_or_else(lost)?;
                let entry = self.entry(&feed, seq, index)?.ok_or_else(lost)?;
                extend_clock(&mut clock, feed, seq + 1, &block.deps);
                (lamport, head) = (entry.lamport, entry.hash);
            }
            (cut.length, cut.lamport, cut.head, cut.clock) = (from, lamport, head, clock);
        }
        cut.fork = Some(proof.clone());
        self.feeds.insert(feed, cut);
        self.waiting.drop_feed(&feed);
        let gone: Vec<_> = self
            .recent
            .range((feed, from)..=(feed, u64::MAX))
            .map(|(k, _)| *k)
            .collect();
        for key in gone {
            if let Some(entry) = self.recent.remove(&key) {
                self.recent_branches.insert(entry.hash, entry.lamport);
            }
        }
        Ok(Some(Cut {
            feed,
            from,
            length: length.max(from),
        }))
    }

    /// Takes in blocks of a cut branch, from the cut on, so that honest blocks that name them
    /// can be checked. Passes `(hash, block)` of each to `keep`, which stores them for
    /// [`BlockIndex::branch`], and then accepts what waited for them.
    ///
    /// # Errors
    ///
    /// [`InsertError`]: such blocks are held to the same rules as any others.
    pub fn insert_branch(
        &mut self,
        run: Run,
        index: &dyn BlockIndex,
        keep: &mut dyn FnMut(BlockHash, &Block),
        accept: &mut dyn FnMut(crate::Accepted<'_>),
    ) -> Result<crate::Inserted, InsertError> {
        let feed = run.feed;
        let first = run.first;
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        if state.fork.is_none() || first != state.length {
            return Err(InsertError::Gap {
                feed,
                needed: state.length,
                first,
            });
        }
        let (mut lamport, mut clock) = (state.lamport, state.clock.clone());
        let mut result = crate::Inserted::default();
        for (seq, Linked { hash, block, .. }) in (first..).zip(self.verify(run, index)?) {
            match self.check_at(&feed, (seq, lamport, &clock), &block, index)? {
                None => {
                    lamport = block.lamport;
                    extend_clock(&mut clock, feed, seq + 1, &block.deps);
                    self.recent_branches.insert(hash, lamport);
                    keep(hash, &block);
                }
                Some(missing) => {
                    result.missing = Some(missing);
                    break;
                }
            }
        }
        self.release(index, accept, &mut result)?;
        Ok(result)
    }

    /// The dependencies of waiting blocks that lie on branches this replica never saw.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn missing_branches(&self, index: &dyn BlockIndex) -> Result<Vec<crate::Dep>, IndexError> {
        let missing = self.missing(index)?.into_iter();
        Ok(missing
            .filter_map(|missing| match missing {
                MissingDep::OtherBranch(dep) => Some(dep),
                MissingDep::Block(_) => None,
            })
            .collect())
    }
}
