//! Floors: places in feeds below which a snapshot of what the blocks say stands for them.
//!
//! Below a floor a replica need not have the blocks, and nobody asks what they are: a block that
//! names one of them as a cause is taken at its word, within what can be true. So replicas that
//! have those blocks and replicas that do not judge every other block alike.

use std::sync::Arc;

use dxos_keys::BlockHash;
use serde::{Deserialize, Serialize};

use crate::waiting::Waiting;
use crate::{BlockIndex, Dag, FeedDescriptor, FeedState, IndexError, RegisterError, Timeframe};

/// What is known of a feed at the place before which a snapshot stands for its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// How many blocks the snapshot stands for, at least one.
    pub length: u64,
    /// The hash of the last of them.
    pub head: BlockHash,
    /// Its logical time.
    pub lamport: u64,
    /// What the writer had applied when it wrote that block, that one included.
    pub clock: Timeframe,
}

/// The logical time of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lamport {
    /// Known.
    Exact(u64),
    /// Below a floor: no more than this.
    AtMost(u64),
}

/// What became of a feed that got a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The replica had all blocks below the floor; its head is where it was.
    Had,
    /// It had fewer blocks, or others: its head is the floor now. Blocks of the feed that it had
    /// are not part of it any more, however many they were.
    Jumped {
        /// How many blocks it had.
        length: u64,
        /// Whether it had another block than the snapshot stands for in the last place that
        /// both have, as far as is known.
        differs: bool,
    },
}

impl FeedState {
    /// How many of its blocks a snapshot stands for.
    pub fn floor_length(&self) -> u64 {
        self.floor.as_ref().map_or(0, |floor| floor.length)
    }
}

impl Dag {
    /// Whether this replica has all blocks of a feed that a floor would stand for.
    ///
    /// # Errors
    ///
    /// [`IndexError`] when stored blocks cannot be read.
    pub fn reaches(
        &self,
        descriptor: &FeedDescriptor,
        floor: &Floor,
        index: &dyn BlockIndex,
    ) -> Result<bool, IndexError> {
        let feed = descriptor.id();
        let Some(state) = self.feeds.get(&feed) else {
            return Ok(false);
        };
        let Some(last) = floor.length.checked_sub(1) else {
            return Ok(true);
        };
        if state.length < floor.length {
            return Ok(false);
        }
        let entry = self.entry(&feed, last, index)?;
        Ok(entry.is_some_and(|entry| entry.hash == floor.head))
    }

    /// Gives a feed a floor, in place of the one that it has. All accepted blocks are stored.
    ///
    /// Blocks of all feeds that wait are dropped: they are asked for again.
    ///
    /// # Errors
    ///
    /// [`SettleError`]; nothing has changed then.
    pub fn settle(
        &mut self,
        descriptor: FeedDescriptor,
        floor: Floor,
        index: &dyn BlockIndex,
    ) -> Result<Settled, SettleError> {
        let feed = descriptor.id();
        let had = self.reaches(&descriptor, &floor, index)?;
        let state = self.feeds.get(&feed);
        let differs = !had && state.is_some_and(|state| state.length >= floor.length);
        self.register(descriptor)?;
        self.waiting = Waiting::default();
        let Some(state) = self.feeds.get_mut(&feed) else {
            return Ok(Settled::Had);
        };
        let length = state.length;
        if !had {
            self.version += 1;
            state.length = floor.length;
            state.head = floor.head;
            state.lamport = floor.lamport;
            state.clock = floor.clock.clone();
        }
        state.floor = Some(Arc::new(floor));
        Ok(if had {
            Settled::Had
        } else {
            Settled::Jumped { length, differs }
        })
    }

    /// Takes a floor away from a feed of which this replica has all blocks.
    pub fn unsettle(&mut self, feed: &dxos_keys::FeedId) {
        self.waiting = Waiting::default();
        if let Some(state) = self.feeds.get_mut(feed) {
            state.floor = None;
        }
    }

    /// Gives a feed again the floor that it had before the replica was closed. A feed whose state
    /// has not come as far is left as it is.
    pub fn restore_floor(&mut self, feed: &dxos_keys::FeedId, floor: Floor) {
        if let Some(state) = self.feeds.get_mut(feed)
            && state.length >= floor.length
        {
            state.floor = Some(Arc::new(floor));
        }
    }
}

/// Why a feed cannot be given a floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The caller's index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The feed cannot be made known.
    #[error(transparent)]
    Register(#[from] RegisterError),
}
