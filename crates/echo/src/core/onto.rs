//! The feed onto which a branch is grafted, and what its blocks name.

use std::collections::BTreeMap;

use dxos_feed::{Block, BlockIndex, Dep, FeedDescriptor, FeedState, Timeframe};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::EchoError;

use super::layout::StoredBlocks;
use super::space::advance_clock;

/// The feed onto which a branch is grafted, behind its last block.
#[derive(Clone, Debug)]
pub(super) struct Onto {
    pub(super) descriptor: FeedDescriptor,
    pub(super) seq: u64,
    pub(super) prev: BlockHash,
    pub(super) lamport: u64,
    pub(super) clock: Timeframe,
}

impl Onto {
    pub(super) fn new(descriptor: FeedDescriptor) -> Self {
        Self {
            descriptor,
            seq: 0,
            prev: BlockHash::from_bytes([0; 32]),
            lamport: 0,
            clock: Timeframe::new(),
        }
    }

    /// Moves on behind a block.
    pub(super) fn pass(&mut self, hash: BlockHash, block: &Block) {
        advance_clock(&mut self.clock, self.descriptor.id(), self.seq, &block.deps);
        self.seq += 1;
        self.prev = hash;
        self.lamport = block.lamport;
    }
}

/// Whether a block of a graft may have been made from this block of a branch.
pub(super) fn is_graft_of(graft: &Block, lost: &Block) -> bool {
    graft.time_ms == lost.time_ms && graft.lamport >= lost.lamport
}

/// The blocks with which a graft begins, by their logical times and what they name: all of
/// `named`, the block `lead` with this logical time first, which is later than all others.
pub(super) fn links(
    lead: Option<Dep>,
    named: BTreeMap<FeedId, Dep>,
    lamport: u64,
    deps_max: usize,
) -> Vec<(u64, Vec<Dep>)> {
    let Some(lead) = lead else {
        return Vec::new();
    };
    let others = named.into_values().filter(|dep| dep.feed != lead.feed);
    let others: Vec<_> = others.collect();
    let (first, rest) = others.split_at(others.len().min(deps_max.saturating_sub(1)));
    let mut first = first.to_vec();
    first.push(lead);
    first.sort_by_key(|dep| dep.feed);
    let rest = rest.chunks(deps_max.max(1)).map(<[Dep]>::to_vec);
    (lamport.saturating_add(1)..)
        .zip(std::iter::once(first).chain(rest))
        .collect()
}

/// What a feed named last of every other one before it was cut. `None` when an epoch stands for
/// blocks that would have to be read for that.
pub(super) fn named_before(
    blocks: &StoredBlocks<'_>,
    feed: &FeedId,
    state: &FeedState,
) -> Result<Option<BTreeMap<FeedId, Dep>>, EchoError> {
    let others = state.clock.dots.keys().filter(|other| *other != feed);
    let wanted = others.count();
    let mut named = BTreeMap::new();
    for seq in (0..state.length).rev() {
        if named.len() >= wanted {
            break;
        }
        let block = blocks.block(feed, seq).map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        let Some(block) = block else {
            return Ok(None);
        };
        for dep in &block.deps {
            named.entry(dep.feed).or_insert(*dep);
        }
    }
    Ok(Some(named))
}
