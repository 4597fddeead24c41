//! Taking in what others wrote: verify, order, hold back, detect forks.

use dxos_keys::{BlockHash, FeedId};

use crate::block::GENESIS;
use crate::{
    Block, BlockIndex, Dag, Dep, Entry, FeedDescriptor, ForkProof, IndexError, Run, SignedHeader,
    Timeframe,
};

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
    /// What the next block of this run's feed waits for, if it does.
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
    /// The feed's writer signed another block at the same place. Not the sender's fault: call
    /// [`Dag::cut`] with the proof, store it and pass it on.
    #[error("feed {} was forked by its writer at block {}", .0.feed(), .0.seq())]
    Fork(Box<ForkProof>),
    /// The feed was cut before. Not an offence: the sender may not know yet; send it the proof.
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
    /// Too many blocks wait for missing causes. Ask for the causes, then for this run again.
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
        )
    }
}

/// A block with the hashes that follow from its place.
pub(crate) struct Linked {
    pub(crate) prev: BlockHash,
    pub(crate) hash: BlockHash,
    pub(crate) block: Block,
}

impl Dag {
    /// Takes in a run: verifies all of it with one signature, skips what is known, and passes
    /// every block that can be accepted now to `accept`, in causal order, together with blocks
    /// of other feeds that waited for it. The caller stores them, then calls [`Dag::stored`].
    ///
    /// # Errors
    ///
    /// [`InsertError`] says whose fault it is. Blocks that were passed to `accept` before are
    /// valid all the same and stay; the one in question and what follows it is refused. A block
    /// of *another* feed that waited and turns out invalid is dropped with what follows it.
    pub fn insert(
        &mut self,
        run: Run,
        index: &dyn BlockIndex,
        accept: &mut dyn FnMut(Accepted<'_>),
    ) -> Result<Inserted, InsertError> {
        let feed = run.feed;
        let first = run.first;
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        if state.fork.is_some() {
            return Err(InsertError::Forked { feed });
        }
        let needed = self.next_needed(&feed);
        if first > needed {
            return Err(InsertError::Gap {
                feed,
                needed,
                first,
            });
        }
        let linked = self.verify(run, index)?;
        let mut result = Inserted::default();
        let mut fresh = Vec::new();
        let mut linked = (first..).zip(linked);
        while let Some((seq, link)) = linked.next() {
            match self.known_hash(&feed, seq, index)? {
                Some(hash) if hash == link.hash => result.duplicates += 1,
                Some(_) => {
                    let branch = std::iter::once(link).chain(linked.map(|(_, link)| link));
                    return Err(self.prove_fork(feed, seq, branch, index)?);
                }
                None => fresh.push((link.hash, link.block)),
            }
        }
        if fresh.is_empty() {
            return Ok(result);
        }
        let held = self.waiting.tail(&feed).is_some();
        if !held {
            // The common case: nothing waits, so blocks are accepted without being buffered.
            let mut rest = fresh.into_iter();
            let mut accepted_any = false;
            while let Some((hash, block)) = rest.next() {
                match self.check(&feed, &block, index) {
                    Ok(None) => {
                        self.accept_block(feed, hash, &block, accept);
                        accepted_any = true;
                        result.accepted += 1;
                    }
                    Ok(Some(missing)) => {
                        result.missing = Some(missing);
                        let waiting = std::iter::once((hash, block))
                            .chain(rest)
                            .collect::<Vec<_>>();
                        if !self.waiting.push(feed, waiting.into_iter(), &self.limits) {
                            if accepted_any {
                                break;
                            }
                            return Err(InsertError::WaitingFull);
                        }
                        break;
                    }
                    Err(error) if accepted_any => {
                        // What was accepted before is valid and stays; the rest is refused.
                        self.release(index, accept, &mut result)?;
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        } else if !self.waiting.push(feed, fresh.into_iter(), &self.limits) {
            return Err(InsertError::WaitingFull);
        }
        self.release(index, accept, &mut result)?;
        Ok(result)
    }

    /// Links the blocks of a run by hash from the last known block on and verifies the last
    /// signature, which vouches for all before it.
    pub(crate) fn verify(
        &self,
        Run {
            feed,
            first,
            blocks,
        }: Run,
        index: &dyn BlockIndex,
    ) -> Result<Vec<Linked>, InsertError> {
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        let mut prev = match first.checked_sub(1) {
            None => GENESIS,
            Some(seq) => match self.known_hash(&feed, seq, index)? {
                Some(hash) => hash,
                None => {
                    let needed = self.next_needed(&feed);
                    return Err(InsertError::Gap {
                        feed,
                        needed,
                        first,
                    });
                }
            },
        };
        let end = first.saturating_add(blocks.len() as u64);
        let mut linked = Vec::with_capacity(blocks.len());
        let mut last = None;
        for (seq, block) in (first..).zip(blocks) {
            if block.body.len() > self.limits.body_bytes_max {
                let max = self.limits.body_bytes_max;
                return Err(InsertError::BodyTooLarge {
                    feed,
                    seq,
                    found: block.body.len(),
                    max,
                });
            }
            let header = block.header(feed, seq, prev);
            let hash = header.block_hash(&block.signature);
            last = Some((header, block.signature));
            linked.push(Linked { prev, hash, block });
            prev = hash;
        }
        let (header, signature) = last.ok_or(InsertError::Empty { feed })?;
        header
            .verify(&state.descriptor, &signature)
            .map_err(|_| InsertError::BadSignature { feed, first, end })?;
        Ok(linked)
    }

    /// The hash of a block of this feed that was accepted or waits.
    fn known_hash(
        &self,
        feed: &FeedId,
        seq: u64,
        index: &dyn BlockIndex,
    ) -> Result<Option<BlockHash>, InsertError> {
        let Some(state) = self.feeds.get(feed) else {
            return Ok(None);
        };
        if let Some(offset) = seq.checked_sub(state.length) {
            return Ok(usize::try_from(offset)
                .ok()
                .and_then(|offset| self.waiting.hash_at(feed, offset)));
        }
        Ok(self.entry(feed, seq, index)?.map(|entry| entry.hash))
    }

    pub(crate) fn entry(
        &self,
        feed: &FeedId,
        seq: u64,
        index: &dyn BlockIndex,
    ) -> Result<Option<Entry>, IndexError> {
        match self.feeds.get(feed) {
            Some(state) if seq + 1 == state.length => Ok(Some(Entry {
                hash: state.head,
                lamport: state.lamport,
            })),
            Some(state) if seq < state.length => match self.recent.get(&(*feed, seq)) {
                Some(entry) => Ok(Some(*entry)),
                None => index.entry(feed, seq),
            },
            _ => Ok(None),
        }
    }

    /// Checks dependencies and logical time of the next block of `feed`; tells what is missing.
    fn check(
        &self,
        feed: &FeedId,
        block: &Block,
        index: &dyn BlockIndex,
    ) -> Result<Option<MissingDep>, InsertError> {
        let Some(state) = self.feeds.get(feed) else {
            return Err(InsertError::Unknown { feed: *feed });
        };
        self.check_at(
            feed,
            (state.length, state.lamport, &state.clock),
            block,
            index,
        )
    }

    /// The same for a block that follows a given position.
    pub(crate) fn check_at(
        &self,
        feed: &FeedId,
        (seq, lamport, clock): (u64, u64, &Timeframe),
        block: &Block,
        index: &dyn BlockIndex,
    ) -> Result<Option<MissingDep>, InsertError> {
        let bad_deps = InsertError::BadDeps { feed: *feed, seq };
        let sorted = block.deps.is_sorted_by(|a, b| a.feed < b.feed);
        if !sorted || block.deps.len() > self.limits.deps_max {
            return Err(bad_deps);
        }
        let mut greatest = lamport;
        for dep in &block.deps {
            if dep.feed == *feed || dep.seq < clock.get(&dep.feed) {
                return Err(bad_deps);
            }
            match self.dep_lamport(dep, index)? {
                Ok(lamport) => greatest = greatest.max(lamport),
                Err(missing) => return Ok(Some(missing)),
            }
        }
        let expected = greatest.saturating_add(1);
        if block.lamport != expected {
            let found = block.lamport;
            return Err(InsertError::BadLamport {
                feed: *feed,
                seq,
                found,
                expected,
            });
        }
        Ok(None)
    }

    /// The logical time of a dependency, when this replica has it.
    fn dep_lamport(
        &self,
        dep: &Dep,
        index: &dyn BlockIndex,
    ) -> Result<Result<u64, MissingDep>, InsertError> {
        let Some(state) = self.feeds.get(&dep.feed) else {
            return Ok(Err(MissingDep::Block(*dep)));
        };
        if let Some(entry) = self.entry(&dep.feed, dep.seq, index)?
            && entry.hash == dep.hash
        {
            return Ok(Ok(entry.lamport));
        }
        // A block of a cut branch counts as a cause: its writer's fork is not the fault of
        // whoever had applied it in good faith.
        if let Some(lamport) = self.recent_branches.get(&dep.hash) {
            return Ok(Ok(*lamport));
        }
        if let Some(lamport) = index.branch(&dep.hash)? {
            return Ok(Ok(lamport));
        }
        let other = state.fork.is_some() || dep.seq < state.length;
        Ok(Err(if other {
            MissingDep::OtherBranch(*dep)
        } else {
            MissingDep::Block(*dep)
        }))
    }

    fn accept_block(
        &mut self,
        feed: FeedId,
        hash: BlockHash,
        block: &Block,
        accept: &mut dyn FnMut(Accepted<'_>),
    ) {
        let prev = self.feeds.get(&feed).map_or(GENESIS, |state| state.head);
        self.advance(feed, hash, block);
        if let Some(state) = self.feeds.get(&feed) {
            let seq = state.length - 1;
            let (descriptor, past) = (&state.descriptor, &state.clock);
            accept(Accepted {
                descriptor,
                feed,
                seq,
                prev,
                hash,
                block,
                past,
            });
        }
    }

    /// Accepts what waited and now can be, until nothing more can.
    pub(crate) fn release(
        &mut self,
        index: &dyn BlockIndex,
        accept: &mut dyn FnMut(Accepted<'_>),
        result: &mut Inserted,
    ) -> Result<(), InsertError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        loop {
            let mut progress = false;
            for feed in self.waiting.feeds() {
                while let Some((_, block)) = self.waiting.first(&feed) {
                    match self.check(&feed, block, index) {
                        Ok(None) => {
                            if let Some((hash, block)) = self.waiting.pop(&feed) {
                                self.accept_block(feed, hash, &block, accept);
                                result.accepted += 1;
                                progress = true;
                            }
                        }
                        Ok(Some(_)) => break,
                        Err(InsertError::Index(error)) => return Err(InsertError::Index(error)),
                        Err(_) => self.waiting.drop_feed(&feed),
                    }
                }
            }
            if !progress {
                return Ok(());
            }
        }
    }

    /// What the waiting blocks lack, one dependency a feed.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn missing(&self, index: &dyn BlockIndex) -> Result<Vec<MissingDep>, IndexError> {
        let mut missing = Vec::new();
        for feed in self.waiting.feeds() {
            if let Some((_, block)) = self.waiting.first(&feed) {
                match self.check(&feed, block, index) {
                    Ok(found) => missing.extend(found),
                    Err(InsertError::Index(error)) => return Err(error),
                    Err(_) => {}
                }
            }
        }
        Ok(missing)
    }

    /// Two blocks that the device vouched for stand at one place: the proof.
    fn prove_fork(
        &self,
        feed: FeedId,
        seq: u64,
        others: impl Iterator<Item = Linked>,
        index: &dyn BlockIndex,
    ) -> Result<InsertError, InsertError> {
        let Some(state) = self.feeds.get(&feed) else {
            return Err(InsertError::Unknown { feed });
        };
        let mut others = others.peekable();
        let prev = others.peek().map_or(GENESIS, |linked| linked.prev);
        let others = (seq..).zip(others).map(|(seq, linked)| {
            (
                linked.block.header(feed, seq, linked.prev),
                linked.block.signature,
            )
        });
        let mut ours = Vec::new();
        let mut hash = prev;
        for seq in seq.. {
            let block = match seq.checked_sub(state.length) {
                None => index.block(&feed, seq)?,
                Some(offset) => self.waiting.block_at(&feed, offset).cloned(),
            };
            let Some(block) = block else { break };
            let header = block.header(feed, seq, hash);
            let valid = header.verify(&state.descriptor, &block.signature).is_ok();
            hash = header.block_hash(&block.signature);
            ours.push((header, block.signature));
            if valid {
                break;
            }
        }
        let proof = SignedHeader::new(&state.descriptor, ours.into_iter())
            .zip(SignedHeader::new(&state.descriptor, others))
            .and_then(|(one, other)| ForkProof::new(state.descriptor, one, other).ok());
        Ok(match proof {
            Some(proof) => InsertError::Fork(Box::new(proof)),
            None => InsertError::Index(IndexError(format!("block {seq} of feed {feed} is lost"))),
        })
    }
}
