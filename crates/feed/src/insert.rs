//! Taking in what others wrote: verify, order, hold back, detect forks.

use std::collections::VecDeque;

use dxos_keys::{BlockHash, FeedId};

use crate::block::GENESIS;
use crate::check::{Linked, Position};
use crate::fork::Unsigned;
use crate::waiting::Held;
use crate::{
    Accepted, Block, BlockIndex, Dag, FeedState, ForkProof, IndexError, InsertError, Inserted,
    MissingDep, Run, SignedHeader,
};

/// Why not all blocks of a chain can be accepted.
enum Stop {
    Bad(InsertError),
    Missing(MissingDep),
}

impl Dag {
    /// Takes in a run: verifies all of it with one signature, and those that it must not do
    /// without ([`Run::leave_out_signatures`]), skips what is known, and passes every block that
    /// can be accepted now to `accept`, in causal order, together with blocks of other feeds that
    /// waited for it. The caller stores them, then calls [`Dag::stored`].
    ///
    /// Blocks are accepted up to one whose own signature is valid, so that every replica can
    /// show each block that it has to others, and prove it.
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
        let (first, end) = (run.first, run.end());
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        let closed_from = state.closed_from();
        let closed = |seq| closed_from.is_some_and(|from| from <= seq);
        if closed(first) {
            return Err(InsertError::Forked { feed });
        }
        let needed = self.next_needed(&feed);
        // What lies below the floor is settled, whatever was sent.
        let prev = if first <= needed && state.floor_length() <= first {
            self.prev_of(&feed, first, index)?
        } else {
            None
        };
        let Some(prev) = prev else {
            return Err(InsertError::Gap {
                feed,
                needed,
                first,
            });
        };
        let mut result = Inserted::default();
        let mut fresh = VecDeque::new();
        let mut linked = (first..).zip(self.verify(run, prev)?);
        while let Some((seq, link)) = linked.next() {
            if closed(seq) {
                break;
            }
            match self.hash_at(&feed, seq, index)? {
                Some(hash) if hash == link.hash => result.duplicates += 1,
                Some(_) => {
                    let branch = std::iter::once(link).chain(linked.map(|(_, link)| link));
                    return Err(self.prove_fork(feed, seq, branch, index)?);
                }
                None => fresh.push_back(Held {
                    hash: link.hash,
                    block: link.block,
                    signed: None,
                }),
            }
        }
        if closed_from.is_none_or(|from| end <= from) {
            if let Some(last) = fresh.back_mut() {
                last.signed = Some(true);
            }
        } else if let Some(state) = self.feeds.get(&feed) {
            // What vouched for the last blocks lies beyond the cut.
            let signed = signed_prefix(state, needed, &mut fresh, usize::MAX);
            fresh.truncate(signed);
        }
        if fresh.is_empty() {
            return if result.duplicates == 0 {
                Err(InsertError::Forked { feed })
            } else {
                Ok(result)
            };
        }
        match self.waiting.lacks(&feed) {
            None => self.take_in(feed, fresh, index, accept, &mut result)?,
            Some(lacks) => {
                if !self.waiting.push(feed, fresh, lacks, &self.limits) {
                    return Err(InsertError::WaitingFull);
                }
            }
        }
        if let Some(lacks) = self.waiting.lacks(&feed) {
            result.missing = self.dep_lamport(&lacks, index)?.err();
        }
        Ok(result)
    }

    /// Accepts what can be of blocks that follow the head of a feed; the rest waits or is
    /// refused.
    fn take_in(
        &mut self,
        feed: FeedId,
        mut fresh: VecDeque<Held>,
        index: &dyn BlockIndex,
        accept: &mut dyn FnMut(Accepted<'_>),
        result: &mut Inserted,
    ) -> Result<(), InsertError> {
        let (count, stop) = self.acceptable(&feed, &mut fresh, index)?;
        for held in fresh.drain(..count) {
            self.accept_block(feed, &held, accept);
        }
        result.accepted += count;
        if let Some(Stop::Missing(missing)) = stop
            && !self.waiting.push(feed, fresh, missing.dep(), &self.limits)
        {
            if count == 0 {
                return Err(InsertError::WaitingFull);
            }
            result.missing = Some(missing);
        }
        if count > 0 {
            self.release(index, accept, result)?;
        }
        match stop {
            Some(Stop::Bad(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// How many of the blocks that follow the head of a feed can be accepted, and why not all.
    fn acceptable(
        &self,
        feed: &FeedId,
        blocks: &mut VecDeque<Held>,
        index: &dyn BlockIndex,
    ) -> Result<(usize, Option<Stop>), InsertError> {
        let Some(state) = self.feeds.get(feed) else {
            return Err(InsertError::Unknown { feed: *feed });
        };
        let mut position = Position::head(state);
        let mut stop = None;
        let mut count = 0;
        for held in &*blocks {
            match self.check(feed, &position, &held.block, index) {
                Ok(None) => {}
                Ok(Some(missing)) => stop = Some(Stop::Missing(missing)),
                Err(InsertError::Index(error)) => return Err(error.into()),
                Err(error) => stop = Some(Stop::Bad(error)),
            }
            if stop.is_some() {
                break;
            }
            position.advance(&held.block);
            count += 1;
        }
        if stop.is_some() {
            count = signed_prefix(state, state.length, blocks, count);
        }
        Ok((count, stop))
    }

    fn accept_block(&mut self, feed: FeedId, held: &Held, accept: &mut dyn FnMut(Accepted<'_>)) {
        let prev = self.feeds.get(&feed).map_or(GENESIS, |state| state.head);
        self.advance(feed, held.hash, &held.block);
        if let Some(state) = self.feeds.get(&feed) {
            accept(Accepted {
                descriptor: &state.descriptor,
                feed,
                seq: state.length - 1,
                prev,
                hash: held.hash,
                block: &held.block,
                past: &state.clock,
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
        let mut progress = !self.waiting.is_empty();
        while progress {
            progress = false;
            for feed in self.waiting.feeds() {
                let Some(lacks) = self.waiting.lacks(&feed) else {
                    continue;
                };
                // One look-up a feed, however many blocks wait and however much they depend on.
                if self.dep_lamport(&lacks, index)?.is_err() {
                    continue;
                }
                let mut blocks = self.waiting.take(&feed);
                let (count, stop) = match self.acceptable(&feed, &mut blocks, index) {
                    Ok(found) => found,
                    Err(error) => {
                        self.waiting.put(feed, blocks, lacks);
                        return Err(error);
                    }
                };
                for held in blocks.drain(..count) {
                    self.accept_block(feed, &held, accept);
                }
                result.accepted += count;
                progress |= count > 0;
                if let Some(Stop::Missing(missing)) = stop {
                    self.waiting.put(feed, blocks, missing.dep());
                }
            }
        }
        Ok(())
    }

    /// What the waiting blocks lack, one dependency a feed.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn missing(&self, index: &dyn BlockIndex) -> Result<Vec<MissingDep>, IndexError> {
        let mut missing = Vec::new();
        for feed in self.waiting.feeds() {
            if let Some(lacks) = self.waiting.lacks(&feed) {
                missing.extend(self.dep_lamport(&lacks, index)?.err());
            }
        }
        Ok(missing)
    }

    /// How many leading blocks of a run that was read from the store others can verify: up to
    /// the last one whose own signature is valid. When it is 0, read more blocks at once: within
    /// [`Run::BLOCKS_MAX`] there is a valid signature.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn verifiable(&self, run: &Run, index: &dyn BlockIndex) -> Result<usize, IndexError> {
        let Some(state) = self.feeds.get(&run.feed) else {
            return Ok(0);
        };
        for (offset, block) in (0..run.blocks.len()).zip(&run.blocks).rev() {
            let seq = run.first.saturating_add(offset as u64);
            let hash = self.hash_at(&run.feed, seq, index)?;
            if hash.is_some_and(|hash| is_signed(state, seq, (&hash, block))) {
                return Ok(offset + 1);
            }
        }
        Ok(0)
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
        let mut others = (seq..).zip(others).peekable();
        let mut prev = others.peek().map_or(GENESIS, |(_, linked)| linked.prev);
        let mut end = prev;
        let mut vouching = state.fork.iter().flat_map(ForkProof::chain);
        let others = std::iter::from_fn(|| match others.next() {
            Some((seq, linked)) => {
                end = linked.hash;
                let block = linked.block;
                Some((block.header(feed, seq, linked.prev), block.signature))
            }
            // What stands before a cut may be vouched for by the proof alone.
            None => {
                let (header, signature) = vouching.next().filter(|(next, _)| next.prev == end)?;
                end = header.hash();
                Some((header, signature))
            }
        });
        let mut failed = None;
        let mut places = seq..;
        let mut proven = state.fork.iter().flat_map(ForkProof::chain);
        let ours = std::iter::from_fn(|| {
            let seq = places.next()?;
            let is_cut = (state.fork.as_ref()).is_some_and(|fork| fork.seq() <= seq);
            let found = match seq.checked_sub(state.length) {
                // A snapshot may stand for blocks behind the fork.
                _ if is_cut => None,
                None => index.block(&feed, seq).unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                }),
                Some(offset) => self
                    .waiting
                    .at(&feed, offset)
                    .map(|held| held.block.clone()),
            };
            let (header, signature) = match found {
                Some(block) => (block.header(feed, seq, prev), block.signature),
                // The blocks before a cut may be vouched for by the proof alone.
                None => proven.next().filter(|(header, _)| header.prev == prev)?,
            };
            prev = header.hash();
            Some((header, signature))
        });
        let ours = SignedHeader::collect(&state.descriptor, ours);
        if let Some(error) = failed {
            return Err(error.into());
        }
        let others = SignedHeader::collect(&state.descriptor, others);
        if [ours.as_ref().err(), others.as_ref().err()].contains(&Some(&Unsigned::TooLong)) {
            // Only its writer can bring that about; the feed was cut before.
            return Ok(InsertError::Forked { feed });
        }
        (ours.ok().zip(others.ok()))
            .and_then(|(one, other)| ForkProof::new(state.descriptor, one, other).ok())
            .map(|proof| InsertError::Fork(Box::new(proof)))
            .ok_or_else(|| IndexError(format!("block {seq} of feed {feed} is lost")).into())
    }
}

/// How many of the first `count` blocks, which stand at `first` of the feed, end with one whose
/// own signature is valid, or that stands right before a proven fork.
fn signed_prefix(
    state: &FeedState,
    first: u64,
    blocks: &mut VecDeque<Held>,
    count: usize,
) -> usize {
    let mut count = count.min(blocks.len());
    while let Some(last) = count.checked_sub(1) {
        let Some(Held {
            hash,
            block,
            signed,
        }) = blocks.get_mut(last)
        else {
            break;
        };
        let seq = first.saturating_add(last as u64);
        if *signed.get_or_insert_with(|| is_signed(state, seq, (hash, block))) {
            break;
        }
        count = last;
    }
    count
}

/// Whether a signature of the block or a proven fork right behind it vouches for it.
pub(crate) fn is_signed(state: &FeedState, seq: u64, (hash, block): (&BlockHash, &Block)) -> bool {
    let fork = state.fork.as_ref();
    if fork.is_some_and(|fork| fork.seq() == seq.saturating_add(1) && fork.prev() == *hash) {
        return true;
    }
    block.is_signed_by(&state.descriptor.device, hash)
}
