//! Reading the blocks of a space for an archive: of its feeds, and of branches that were cut.
//!
//! They come in the order of logical time, which is a causal order, so that nothing waits where
//! they are taken in: neither what was built on a branch for the branch, nor the branch for what
//! it was built on.

use std::collections::BTreeSet;

use dxos_feed::{Block, Designation, FeedLimits, FeedState, ForkProof, IndexError, Run, Timeframe};
use dxos_keys::{BlockHash, DeviceKey, FeedId};
use dxos_protocol::echo::{ArchiveRest, ArchivedRun, BranchBlock, EchoError};
use dxos_store::Read;
use dxos_wire::limits::{FRAME_BYTES_MAX, RUN_BLOCKS_MAX, RUN_BYTES_MAX};

use crate::core::layout::{BranchRecord, StoredBlocks};
use crate::core::serve::{next_lamport, take_run};
use crate::core::space::Space;
use crate::core::sync::Serving;

/// Bytes of blocks of a branch that one signature vouches for: they came in one message.
const UNIT_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

fn failed(error: &dyn std::error::Error) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}

impl Space {
    /// All blocks of feeds of a designation, but for those that `begin` has. The proofs of all forks
    /// come with control blocks: the snapshot of an epoch is held against them.
    pub(super) fn archive_rest(
        &self,
        designation: Designation,
        begin: &Timeframe,
        store: &dyn Read,
    ) -> Result<ArchiveRest, EchoError> {
        let blocks = self.blocks(store);
        let mut rest = ArchiveRest::default();
        for (feed, state) in self.dag.feeds() {
            if state.fork.is_some() && designation == Designation::Control {
                rest.forks.insert(*feed);
            }
            if state.descriptor.designation != designation {
                continue;
            }
            let from = begin.get(feed);
            if from < state.length {
                rest.feeds.insert(*feed, (from, state.length));
            }
            if state.closed_from() == Some(state.length) {
                let branches = blocks.children(feed, (state.length, &state.head));
                for (hash, record) in branches.map_err(|error| failed(&error))? {
                    note((*feed, state.length), (hash, &record), &mut rest);
                }
            }
        }
        Ok(rest)
    }

    /// About `bytes_max` bytes of what is left, and what is left then.
    pub(crate) fn read_blocks(
        &self,
        mut rest: ArchiveRest,
        bytes_max: usize,
        store: &dyn Read,
    ) -> Result<(Vec<ArchivedRun>, ArchiveRest), EchoError> {
        let blocks = self.blocks(store);
        let mut next = BTreeSet::new();
        for (feed, (from, until)) in &rest.feeds {
            let here = self.dag.feed(feed).map_or(0, |state| state.length);
            let start = self.sync.starts().get(feed).copied().unwrap_or_default();
            if here < *until || *from < start {
                // A fork was cut, or an epoch stands for what was asked for.
                return Err(EchoError::PastChanged);
            }
            let serving = Serving {
                next: *from,
                until: *until,
            };
            let lamport = next_lamport(feed, &serving, &blocks).map_err(|error| failed(&error))?;
            next.extend(lamport.map(|lamport| (lamport, *feed)));
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_max {
            let of_feed = next.first().copied();
            let of_branch = rest
                .branches
                .first_key_value()
                .map(|(block, _)| block.lamport);
            let is_branch =
                of_branch.is_some_and(|branch| of_feed.is_none_or(|(lamport, _)| branch < lamport));
            let run = if is_branch {
                let bound = of_feed.map_or(u64::MAX, |(lamport, _)| lamport);
                self.read_branch_run(bound, &blocks, &mut rest)?
            } else if let Some((_, feed)) = next.pop_first() {
                let others = next.first().map(|(lamport, _)| *lamport);
                let bound = others
                    .into_iter()
                    .chain(of_branch)
                    .min()
                    .unwrap_or(u64::MAX);
                let run = self.read_run(feed, bound, &blocks, &mut rest)?;
                if let Some((from, until)) = rest.feeds.get(&feed).copied() {
                    let serving = Serving { next: from, until };
                    let lamport = next_lamport(&feed, &serving, &blocks);
                    let lamport = lamport.map_err(|error| failed(&error))?;
                    next.extend(lamport.map(|lamport| (lamport, feed)));
                }
                run
            } else {
                break;
            };
            bytes += run.as_ref().map_or(0, ArchivedRun::bytes);
            found.extend(run);
        }
        if found.is_empty() {
            found.extend(self.read_proof(&mut rest));
        }
        Ok((found, rest))
    }

    /// Blocks of a feed up to about a logical time, the last one with a signature.
    fn read_run(
        &self,
        feed: FeedId,
        bound: u64,
        blocks: &StoredBlocks<'_>,
        rest: &mut ArchiveRest,
    ) -> Result<Option<ArchivedRun>, EchoError> {
        let (Some(state), Some((next, until))) =
            (self.dag.feed(&feed), rest.feeds.get(&feed).copied())
        else {
            return Ok(None);
        };
        let serving = Serving { next, until };
        let run = take_run(feed, &serving, bound, (&self.dag, blocks));
        let run = run.map_err(|error| failed(&error))?;
        let end = run.end();
        if run.blocks.is_empty() || end >= until {
            rest.feeds.remove(&feed);
        } else {
            rest.feeds.insert(feed, (end, until));
        }
        if run.blocks.is_empty() {
            return Ok(None);
        }
        let prev = match next.checked_sub(1) {
            None => None,
            Some(before) => {
                let before = self.dag.hash_at(&feed, before, blocks);
                before.map_err(|error| failed(&error))?
            }
        };
        // It may be what vouches for the last ones.
        let fork = if end >= until {
            proof(state, rest)
        } else {
            None
        };
        Ok(Some(ArchivedRun {
            descriptor: state.descriptor,
            prev: prev.unwrap_or(BlockHash::from_bytes([0; BlockHash::LENGTH])),
            run: Some(run),
            fork,
        }))
    }

    /// Blocks of the branch that goes on first, up to about a logical time, the last one with a
    /// signature; `None` when nothing vouches for them.
    fn read_branch_run(
        &self,
        bound: u64,
        blocks: &StoredBlocks<'_>,
        rest: &mut ArchiveRest,
    ) -> Result<Option<ArchivedRun>, EchoError> {
        let Some((block, prev)) = rest.branches.pop_first() else {
            return Ok(None);
        };
        let BranchBlock { feed, seq, .. } = block;
        let others = rest.branches.first_key_value();
        let bound = others.map_or(bound, |(other, _)| bound.min(other.lamport));
        let Some(state) = self.dag.feed(&feed) else {
            return Ok(None);
        };
        let children = |seq, prev: &BlockHash| blocks.children(&feed, (seq, prev));
        let first = children(seq, &prev).map_err(|error| failed(&error))?;
        let mut next = first.into_iter().find(|(hash, _)| *hash == block.hash);
        let (mut run, mut bytes) = (Vec::new(), 0);
        while let Some(start) = next.take() {
            let at = seq + run.len() as u64;
            let start_block = start.clone();
            let unit = unit(&state.descriptor.device, (feed, at), start, blocks);
            let unit = unit.map_err(|error| failed(&error))?;
            let size: usize = unit.iter().map(|(_, block)| block.encoded_bytes()).sum();
            let is_full = bytes + size > RUN_BYTES_MAX || run.len() + unit.len() > RUN_BLOCKS_MAX;
            if is_full && !run.is_empty() {
                note((feed, at), (start_block.0, &start_block.1), rest);
                break;
            }
            bytes += size;
            let mut unit = unit.into_iter().zip(at..).peekable();
            while let Some(((hash, block), at)) = unit.next() {
                run.push(block);
                let mut more = children(at + 1, &hash).map_err(|error| failed(&error))?;
                let goes_on = match unit.peek() {
                    Some(((inner, _), _)) => more.iter().position(|(hash, _)| hash == inner),
                    None => more.iter().position(|(_, record)| record.lamport <= bound),
                };
                let chosen = goes_on.map(|chosen| more.remove(chosen));
                for (hash, record) in &more {
                    note((feed, at + 1), (*hash, record), rest);
                }
                next = chosen;
            }
        }
        if run.is_empty() {
            return Ok(None);
        }
        Ok(Some(ArchivedRun {
            descriptor: state.descriptor,
            prev,
            run: Some(Run {
                feed,
                first: seq,
                blocks: run,
            }),
            fork: proof(state, rest),
        }))
    }

    /// The proof of a fork that did not come with blocks.
    fn read_proof(&self, rest: &mut ArchiveRest) -> Option<ArchivedRun> {
        while let Some(feed) = rest.forks.first().copied() {
            rest.forks.remove(&feed);
            if let Some(state) = self.dag.feed(&feed)
                && let Some(fork) = &state.fork
            {
                return Some(ArchivedRun {
                    descriptor: state.descriptor,
                    prev: state.head,
                    run: None,
                    fork: Some(Box::new(fork.clone())),
                });
            }
        }
        None
    }
}

/// The proof that a feed was forked, the first time.
fn proof(state: &FeedState, rest: &mut ArchiveRest) -> Option<Box<ForkProof>> {
    let is_first = rest.forks.remove(&state.descriptor.id());
    let fork = state.fork.as_ref().filter(|_| is_first)?;
    Some(Box::new(fork.clone()))
}

/// Notes that a branch goes on with a block.
fn note(
    (feed, seq): (FeedId, u64),
    (hash, record): (BlockHash, &BranchRecord),
    rest: &mut ArchiveRest,
) {
    let block = BranchBlock {
        lamport: record.lamport,
        feed,
        seq,
        hash,
    };
    rest.branches.insert(block, record.prev);
}

type Kept = (BlockHash, BranchRecord);

/// A block of a branch and those behind it up to one that is signed: the others came with that
/// one. None when there is none.
fn unit(
    device: &DeviceKey,
    (feed, first): (FeedId, u64),
    start: Kept,
    blocks: &StoredBlocks<'_>,
) -> Result<Vec<(BlockHash, Block)>, IndexError> {
    // A branch may have been forked, too: at each place those that are left to be tried.
    let mut left = vec![vec![start]];
    let mut path: Vec<(BlockHash, Block)> = Vec::new();
    let (mut tried, mut bytes) = (0, 0);
    while let Some(places) = left.last_mut() {
        let Some((hash, record)) = places.pop() else {
            left.pop();
            let gone = path.pop();
            bytes -= gone.map_or(0, |(_, block)| block.encoded_bytes());
            continue;
        };
        let Ok(block) = Block::decode(&record.block, &FeedLimits::default()) else {
            continue;
        };
        tried += 1;
        let size = block.encoded_bytes();
        if tried > RUN_BLOCKS_MAX || bytes + size > UNIT_BYTES_MAX {
            break;
        }
        bytes += size;
        let is_signed = block.is_signed_by(device, &hash);
        path.push((hash, block));
        if is_signed {
            return Ok(path);
        }
        let mut next = blocks.children(&feed, (first + path.len() as u64, &hash))?;
        next.reverse();
        left.push(next);
    }
    Ok(Vec::new())
}
