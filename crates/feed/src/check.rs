//! What is checked of a block before it is accepted: signature, dependencies, logical time.

use std::collections::BTreeMap;

use dxos_keys::{BlockHash, FeedId};

use crate::block::GENESIS;
use crate::floor::Lamport;
use crate::{
    Block, BlockIndex, Dag, Dep, Designation, Entry, FeedDescriptor, FeedState, IndexError,
    InsertError, MissingDep, Run, Timeframe,
};

/// A block with the hashes that follow from its place.
pub(crate) struct Linked {
    pub(crate) prev: BlockHash,
    pub(crate) hash: BlockHash,
    pub(crate) block: Block,
}

/// A place in a feed: what the next block there is checked against.
pub(crate) struct Position<'a> {
    seq: u64,
    lamport: u64,
    /// What the blocks before had named. `None` on a cut branch, where it is not known.
    clock: Option<&'a Timeframe>,
    /// What was named since.
    newer: BTreeMap<FeedId, u64>,
}

impl<'a> Position<'a> {
    /// After the last accepted block.
    pub(crate) const fn head(state: &'a FeedState) -> Self {
        Self {
            seq: state.length,
            lamport: state.lamport,
            clock: Some(&state.clock),
            newer: BTreeMap::new(),
        }
    }

    /// On a cut branch, after a block with this logical time.
    pub(crate) const fn branch(seq: u64, lamport: u64) -> Self {
        Self {
            seq,
            lamport,
            clock: None,
            newer: BTreeMap::new(),
        }
    }

    fn named(&self, feed: &FeedId) -> u64 {
        let before = self.clock.map_or(0, |clock| clock.get(feed));
        self.newer.get(feed).map_or(before, |newer| *newer)
    }

    /// Moves on behind `block`, which was checked.
    pub(crate) fn advance(&mut self, block: &Block) {
        self.seq += 1;
        self.lamport = block.lamport;
        if self.clock.is_some() {
            let named = block
                .deps
                .iter()
                .map(|dep| (dep.feed, dep.seq.saturating_add(1)));
            self.newer.extend(named);
        }
    }
}

impl Dag {
    /// Links the blocks of a run by hash, behind `prev`, and verifies the last signature, which
    /// vouches for all before it, and those that [`Run::leave_out_signatures`] has to leave in:
    /// a relay must not make blocks wait for each other by taking them out. A proof vouches for
    /// what is before its fork; without a valid signature behind that, the rest is dropped.
    pub(crate) fn verify(
        &self,
        Run {
            feed,
            first,
            blocks,
        }: Run,
        mut prev: BlockHash,
    ) -> Result<Vec<Linked>, InsertError> {
        let state = self.feeds.get(&feed).ok_or(InsertError::Unknown { feed })?;
        let end = first.saturating_add(blocks.len() as u64);
        let header_bytes: usize = blocks.iter().map(Block::header_bytes).sum();
        if blocks.len() > Run::BLOCKS_MAX || header_bytes > Run::HEADER_BYTES_MAX {
            let blocks = blocks.len();
            return Err(InsertError::RunTooLong { feed, blocks });
        }
        let mut linked = Vec::with_capacity(blocks.len());
        for (seq, block) in (first..).zip(blocks) {
            if block.body.len() > self.limits.body_bytes_max {
                return Err(InsertError::BodyTooLarge {
                    feed,
                    seq,
                    found: block.body.len(),
                    max: self.limits.body_bytes_max,
                });
            }
            let hash = block.hash(&feed, seq, &prev);
            linked.push(Linked { prev, hash, block });
            prev = hash;
        }
        let last = linked.last().ok_or(InsertError::Empty { feed })?;
        let FeedDescriptor {
            device,
            designation,
            ..
        } = &state.descriptor;
        let refused = InsertError::BadSignature { feed, first, end };
        if !last.block.is_signed_by(device, &last.hash) {
            let proven = state.fork.as_ref().and_then(|fork| {
                let count = usize::try_from(fork.seq().checked_sub(first)?).ok()?;
                let last = linked.get(count.checked_sub(1)?)?;
                (last.hash == fork.prev()).then_some(count)
            });
            linked.truncate(proven.ok_or_else(|| refused.clone())?);
        }
        let keeps_all = *designation == Designation::Control;
        for (link, next) in linked.iter().zip(linked.iter().skip(1)) {
            let is_needed = keeps_all || !next.block.deps.is_empty();
            if is_needed && !link.block.is_signed_by(device, &link.hash) {
                return Err(refused);
            }
        }
        Ok(linked)
    }

    /// The hash of the block before `seq` of `feed`, when it is known.
    pub(crate) fn prev_of(
        &self,
        feed: &FeedId,
        seq: u64,
        index: &dyn BlockIndex,
    ) -> Result<Option<BlockHash>, IndexError> {
        match seq.checked_sub(1) {
            None => Ok(Some(GENESIS)),
            Some(before) => self.hash_at(feed, before, index),
        }
    }

    /// The hash of the block at `seq` of `feed` that was accepted or waits.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn hash_at(
        &self,
        feed: &FeedId,
        seq: u64,
        index: &dyn BlockIndex,
    ) -> Result<Option<BlockHash>, IndexError> {
        let Some(state) = self.feeds.get(feed) else {
            return Ok(None);
        };
        match seq.checked_sub(state.length) {
            Some(offset) => Ok(self.waiting.at(feed, offset).map(|held| held.hash)),
            None => Ok(self.entry(feed, seq, index)?.map(|entry| entry.hash)),
        }
    }

    /// The accepted block at `seq` of `feed`.
    pub(crate) fn entry(
        &self,
        feed: &FeedId,
        seq: u64,
        index: &dyn BlockIndex,
    ) -> Result<Option<Entry>, IndexError> {
        let state = self.feeds.get(feed);
        if let Some(floor) = state.and_then(|state| state.floor.as_ref())
            && floor.length.checked_sub(1) == Some(seq)
        {
            return Ok(Some(Entry {
                hash: floor.head,
                lamport: floor.lamport,
            }));
        }
        match state {
            Some(state) if state.length.checked_sub(1) == Some(seq) => Ok(Some(Entry {
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

    /// Checks dependencies and logical time of the block at `position` of `feed`; tells what is
    /// missing.
    pub(crate) fn check(
        &self,
        feed: &FeedId,
        position: &Position<'_>,
        block: &Block,
        index: &dyn BlockIndex,
    ) -> Result<Option<MissingDep>, InsertError> {
        let seq = position.seq;
        let bad_deps = InsertError::BadDeps { feed: *feed, seq };
        let sorted = block.deps.is_sorted_by(|a, b| a.feed < b.feed);
        let stale = |dep: &Dep| dep.feed == *feed || dep.seq < position.named(&dep.feed);
        if !sorted || block.deps.len() > self.limits.deps_max || block.deps.iter().any(stale) {
            return Err(bad_deps);
        }
        let mut greatest = position.lamport;
        let mut settled = 0;
        for dep in &block.deps {
            match self.dep_lamport(dep, index)? {
                Ok(Lamport::Exact(lamport)) => greatest = greatest.max(lamport),
                Ok(Lamport::AtMost(lamport)) => settled = settled.max(lamport),
                Err(missing) => return Ok(Some(missing)),
            }
        }
        let expected = greatest.saturating_add(1);
        let latest = greatest.max(settled).saturating_add(1);
        if !(expected..=latest).contains(&block.lamport) {
            return Err(InsertError::BadLamport {
                feed: *feed,
                seq,
                found: block.lamport,
                expected,
            });
        }
        Ok(None)
    }

    /// The logical time of a dependency, when this replica has it or a snapshot stands for it.
    pub(crate) fn dep_lamport(
        &self,
        dep: &Dep,
        index: &dyn BlockIndex,
    ) -> Result<Result<Lamport, MissingDep>, IndexError> {
        let Some(state) = self.feeds.get(&dep.feed) else {
            return Ok(Err(MissingDep::Block(*dep)));
        };
        if let Some(floor) = state.floor.as_ref().filter(|f| dep.seq < f.length) {
            // Whether or not the block is still here, so that all replicas judge alike.
            let is_last = dep.seq + 1 == floor.length && dep.hash == floor.head;
            return Ok(Ok(if is_last {
                Lamport::Exact(floor.lamport)
            } else {
                Lamport::AtMost(floor.lamport)
            }));
        }
        if let Some(entry) = self.entry(&dep.feed, dep.seq, index)?
            && entry.hash == dep.hash
        {
            return Ok(Ok(Lamport::Exact(entry.lamport)));
        }
        let closed = state.closed_from().is_some_and(|from| from <= dep.seq);
        if closed && let Some(lamport) = self.branch(&dep.feed, dep.seq, &dep.hash, index)? {
            // A block of a cut branch counts as a cause: its writer's fork is not the fault of
            // whoever had applied it in good faith.
            return Ok(Ok(Lamport::Exact(lamport)));
        }
        Ok(Err(if closed || dep.seq < state.length {
            MissingDep::OtherBranch(*dep)
        } else {
            MissingDep::Block(*dep)
        }))
    }

    /// The logical time of a block of a cut branch, when it is kept.
    pub(crate) fn branch(
        &self,
        feed: &FeedId,
        seq: u64,
        hash: &BlockHash,
        index: &dyn BlockIndex,
    ) -> Result<Option<u64>, IndexError> {
        match self.recent_branches.get(&(*feed, seq, *hash)) {
            Some(lamport) => Ok(Some(*lamport)),
            None => index.branch(feed, seq, hash),
        }
    }
}
