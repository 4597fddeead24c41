//! Control blocks as they are read from the store when a space is opened.
//!
//! A credential is verified once: a mark in the store says up to which block of each feed that
//! was done, and which were refused. It names the last of those blocks by its hash, and thereby
//! all before it: whatever stands there instead is verified.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_credentials::{ControlBlock, Credential};
use dxos_feed::{Dag, Designation, FeedDescriptor, Timeframe};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Durability, Read, Store};
use serde::{Deserialize, Serialize};

use super::layout::{SpaceNumber, StoredBlocks, TALLIES, verified_key};
use super::serve::Blocks as _;
use super::space::{Space, advance_clock, decode_row, encode_row, store_failed};

/// So many are verified at each start rather than written down.
const VERIFIED_AGAIN_MAX: u64 = 64;

/// Up to where the credentials of a space were verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verified {
    /// How many blocks of each control feed, and the last of them.
    pub(super) feeds: BTreeMap<FeedId, (u64, BlockHash)>,
    /// Those of them whose credential was refused.
    pub(super) refused: BTreeSet<(FeedId, u64)>,
}

/// A block that is not read yet.
struct Unread {
    hash: BlockHash,
    lamport: u64,
    past: Timeframe,
    body: Bytes,
}

impl Verified {
    /// What the store says.
    pub(super) fn stored(number: SpaceNumber, store: &dyn Read) -> Result<Self, EchoError> {
        let row = store.get(TALLIES, &verified_key(number));
        let row = row.map_err(|error| store_failed(&error))?;
        // One that cannot be read costs the time to verify everything.
        let mark = row.and_then(|row| decode_row("mark of what was verified", &row).ok());
        Ok(mark.unwrap_or_default())
    }

    pub(super) fn put(&self, number: SpaceNumber, batch: &mut Batch) -> Result<(), EchoError> {
        batch.put(TALLIES, verified_key(number), encode_row(self)?);
        Ok(())
    }

    /// All control blocks in the store, with what their writers had applied, and another mark if
    /// much had to be verified.
    pub(super) fn read_control(
        &self,
        dag: &Dag,
        store: &dyn Read,
        number: SpaceNumber,
    ) -> Result<(Vec<ControlBlock>, Option<Self>), EchoError> {
        let blocks = StoredBlocks { store, number };
        let (mut found, mut now) = (Vec::new(), Self::default());
        let mut verified = 0;
        for (feed, state) in dag.feeds() {
            if state.descriptor.designation == Designation::Control {
                let unread = unread(&blocks, feed, state.length)?;
                verified += self.read(state.descriptor, *feed, unread, (&mut found, &mut now));
            }
        }
        Ok((found, (verified > VERIFIED_AGAIN_MAX).then_some(now)))
    }

    /// Reads the blocks of one feed, from its first one on, and tells how many it verified.
    fn read(
        &self,
        descriptor: FeedDescriptor,
        feed: FeedId,
        unread: Vec<Unread>,
        (found, now): (&mut Vec<ControlBlock>, &mut Self),
    ) -> u64 {
        let Some(last) = unread.last() else {
            return 0;
        };
        let length = u64::try_from(unread.len()).unwrap_or(u64::MAX);
        now.feeds.insert(feed, (length, last.hash));
        let known = self.feeds.get(&feed).map_or(0, |(known, last)| {
            let at = usize::try_from(*known)
                .ok()
                .and_then(|at| at.checked_sub(1));
            let stands = at.and_then(|at| unread.get(at));
            stands.map_or(0, |block| if block.hash == *last { *known } else { 0 })
        });
        for (seq, block) in (0..).zip(unread) {
            let refused_before = seq < known && self.refused.contains(&(feed, seq));
            let credential = if refused_before {
                None
            } else if seq < known {
                Credential::decode_again(&block.body).ok()
            } else {
                Credential::decode(&block.body).ok()
            };
            let Some(credential) = credential else {
                now.refused.insert((feed, seq));
                continue;
            };
            let place = (feed, seq, block.hash, block.lamport);
            found.push(ControlBlock::of(descriptor, place, block.past, credential));
        }
        length.saturating_sub(known)
    }
}

impl Space {
    /// Writes down what was verified when it was opened.
    pub(crate) fn keep_verified(&mut self, store: &dyn Store) {
        let Some(verified) = self.verified.take() else {
            return;
        };
        let mut batch = Batch::new();
        let put = verified.put(self.record.number, &mut batch);
        let kept = put.is_ok() && store.commit(batch, Durability::Buffered).is_ok();
        if !kept {
            // There may be no room on the disk; it goes with what is written next.
            self.verified = Some(verified);
        }
    }
}

/// The blocks of a feed, up to its length: the store may have more.
fn unread(blocks: &StoredBlocks<'_>, feed: &FeedId, length: u64) -> Result<Vec<Unread>, EchoError> {
    let mut clock = Timeframe::new();
    let mut unread = Vec::new();
    let mut seq = 0;
    let visited = blocks.visit(feed, 0, &mut |hash, block| {
        if seq == length {
            return false;
        }
        advance_clock(&mut clock, *feed, seq, &block.deps);
        unread.push(Unread {
            hash,
            lamport: block.lamport,
            past: clock.clone(),
            body: block.body,
        });
        seq += 1;
        true
    });
    visited.map_err(|error| EchoError::Store {
        reason: error.to_string(),
    })?;
    Ok(unread)
}
