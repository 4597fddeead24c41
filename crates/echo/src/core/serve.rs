//! Choosing the blocks that go out next.

use std::collections::BTreeMap;

use dxos_feed::{Block, BlockIndex, Dag, Designation, FeedDescriptor, ForkProof, IndexError, Run};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::replicate::{Message, Place, SessionError};
use dxos_wire::limits::{RUN_BLOCKS_MAX, RUN_BYTES_MAX};

use super::sync::{Serving, failed};

/// Stored blocks in order.
pub(crate) trait Blocks {
    /// Passes the blocks of `feed` from `from` on, with their hashes, to `visit` until it returns
    /// `false`.
    fn visit(
        &self,
        feed: &FeedId,
        from: u64,
        visit: &mut dyn FnMut(BlockHash, Block) -> bool,
    ) -> Result<(), IndexError>;

    /// Where cut branches of `feed` end: as many as fit one message.
    fn tips(&self, feed: &FeedId) -> Result<Vec<Place>, SessionError>;

    /// The same blocks by their places.
    fn index(&self) -> &dyn BlockIndex;

    /// A part of a snapshot, if it is stored.
    fn part(
        &self,
        snapshot: &dxos_keys::StateHash,
        part: u32,
    ) -> Result<Option<bytes::Bytes>, IndexError>;
}

/// Takes runs from what is to be served, in order of logical time over all feeds, until about
/// `bytes_max` bytes are out. Tells whether there is more.
pub(crate) fn serve(
    serving: &mut BTreeMap<FeedId, Serving>,
    bytes_max: usize,
    (dag, blocks): (&Dag, &dyn Blocks),
    messages: &mut Vec<Message>,
) -> Result<bool, SessionError> {
    let mut bytes = 0;
    let mut lamports = BTreeMap::new();
    for (feed, serving) in serving.iter() {
        lamports.extend(next_lamport(feed, serving, blocks)?.map(|lamport| (*feed, lamport)));
    }
    // A feed without a next block was cut meanwhile.
    serving.retain(|feed, _| lamports.contains_key(feed));
    while bytes < bytes_max {
        let Some((feed, _)) = lamports
            .iter()
            .min_by_key(|(feed, lamport)| (**lamport, **feed))
        else {
            break;
        };
        let feed = *feed;
        let bound = lamports
            .iter()
            .filter(|(other, _)| **other != feed)
            .map(|(_, lamport)| *lamport)
            .min()
            .unwrap_or(u64::MAX);
        let Some(range) = serving.get_mut(&feed) else {
            break;
        };
        let run = take_run(feed, range, bound, (dag, blocks))?;
        if run.blocks.is_empty() {
            lamports.remove(&feed);
            serving.remove(&feed);
            continue;
        }
        bytes += run.bytes();
        range.next = run.end();
        let next = if range.next < range.until {
            next_lamport(&feed, range, blocks)?
        } else {
            None
        };
        match next {
            Some(lamport) => {
                lamports.insert(feed, lamport);
            }
            None => {
                lamports.remove(&feed);
                serving.remove(&feed);
            }
        }
        messages.push(Message::Run(run));
    }
    Ok(!serving.is_empty())
}

/// The logical time of the next block.
pub(super) fn next_lamport(
    feed: &FeedId,
    serving: &Serving,
    blocks: &dyn Blocks,
) -> Result<Option<u64>, SessionError> {
    let mut lamport = None;
    blocks
        .visit(feed, serving.next, &mut |_, block| {
            lamport = Some(block.lamport);
            false
        })
        .map_err(|error| failed(&error))?;
    Ok(lamport)
}

/// At least one block, and as many as have a logical time up to `bound` and fit a run. The last
/// one has a valid signature: what has none goes with the next block that has one.
pub(super) fn take_run(
    feed: FeedId,
    serving: &Serving,
    bound: u64,
    (dag, blocks): (&Dag, &dyn Blocks),
) -> Result<Run, SessionError> {
    let mut run = Run {
        feed,
        first: serving.next,
        blocks: Vec::new(),
    };
    let Some(state) = dag.feed(&feed) else {
        return Ok(run);
    };
    let FeedDescriptor {
        device,
        designation,
        ..
    } = state.descriptor;
    // A proof vouches for what is before its fork.
    let proven = state.fork.as_ref().map(ForkProof::prev);
    let mut bytes = 0;
    let mut hashes = Vec::new();
    // Of so many blocks it is known that none has a valid signature.
    let mut unsigned = 0;
    blocks
        .visit(&feed, serving.next, &mut |hash, block| {
            let size = block.encoded_bytes();
            let full = bytes + size > RUN_BYTES_MAX
                || run.blocks.len() >= RUN_BLOCKS_MAX
                || run.end() >= serving.until
                || block.lamport > bound;
            if full {
                let mut ends = (unsigned..run.blocks.len()).rev();
                let signed = ends.find(|at| {
                    let found = run.blocks.get(*at).zip(hashes.get(*at));
                    found.is_some_and(|(block, hash)| {
                        proven == Some(*hash) || block.is_signed_by(&device, hash)
                    })
                });
                if let Some(last) = signed {
                    run.blocks.truncate(last + 1);
                    return false;
                }
                unsigned = run.blocks.len();
            }
            bytes += size;
            hashes.push(hash);
            run.blocks.push(block);
            true
        })
        .map_err(|error| failed(&error))?;
    let is_vouched = run
        .blocks
        .last()
        .is_some_and(|last| last.signature.is_some());
    if is_vouched && designation == Designation::Data {
        run.leave_out_signatures();
    }
    Ok(run)
}
