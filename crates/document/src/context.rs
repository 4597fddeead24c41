//! Where an operation stands among all others: what its writer had seen, and which of two
//! concurrent ones comes later.

use dxos_keys::FeedId;
use serde::{Deserialize, Serialize};

/// A vector clock over feeds: for each feed, how many of its blocks are covered. The block with
/// sequence number `s` is covered when the count is greater than `s`.
pub type Timeframe = crdts::VClock<FeedId>;

/// The position of a transaction: unique, and totally ordered by (`lamport`, `feed`) in a way
/// that agrees with cause and effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Logical time: one more than the greatest that the writer had seen.
    pub lamport: u64,
    /// The feed it is in, and so who wrote it.
    pub feed: FeedId,
    /// Its number in that feed.
    pub seq: u64,
}

/// The position of one operation: its transaction's, then its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// The transaction.
    pub stamp: Stamp,
    /// The index in the transaction, from 0.
    pub index: u32,
}

/// When something was done: a place in the order, and a wall clock that orders nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// The transaction that did it.
    pub stamp: Stamp,
    /// Milliseconds since 1970 by its writer's clock: for display only.
    pub time_ms: u64,
}

/// What must be known of a transaction to apply it.
///
/// Transactions are applied in causal order: all that `past` covers comes first.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The transaction's position.
    pub stamp: Stamp,
    /// What its writer had applied before. What it says of the writer's own feed is not used:
    /// a writer has always seen its own earlier transactions.
    pub past: &'a Timeframe,
    /// The writer's wall clock, milliseconds since 1970: for display only.
    pub time_ms: u64,
}

/// How many operations of one transaction can be told apart.
pub(crate) const INDEX_BITS: u32 = 20;
/// Sequence numbers from here on leave no room for the index.
pub(crate) const SEQ_END: u64 = 1 << (63 - INDEX_BITS);

/// The position of one operation and what its writer had seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) index: u32,
}

impl Seen<'_> {
    pub(crate) fn id(&self) -> OpId {
        OpId {
            stamp: self.context.stamp,
            index: self.index,
        }
    }

    /// Whether the writer had seen the operation.
    pub(crate) fn covers(&self, id: &OpId) -> bool {
        let own = &self.context.stamp;
        if id.stamp.feed == own.feed {
            (id.stamp.seq, id.index) < (own.seq, self.index)
        } else {
            id.stamp.seq < self.context.past.get(&id.stamp.feed)
        }
    }

    /// This operation's number within its feed, from 1: grows with every operation.
    pub(crate) fn dot(&self) -> u64 {
        self.id().dot()
    }

    /// The number of the last operation of `feed` that the writer had seen.
    pub(crate) fn covered_dot(&self, feed: &FeedId) -> u64 {
        if *feed == self.context.stamp.feed {
            self.dot() - 1
        } else {
            self.context.past.get(feed).min(SEQ_END) << INDEX_BITS
        }
    }
}

impl OpId {
    pub(crate) fn dot(&self) -> u64 {
        ((self.stamp.seq << INDEX_BITS) | u64::from(self.index)) + 1
    }

    pub(crate) fn from_dot(feed: FeedId, dot: u64, lamport: u64) -> Self {
        let number = dot.saturating_sub(1);
        Self {
            stamp: Stamp {
                lamport,
                feed,
                seq: number >> INDEX_BITS,
            },
            index: u32::try_from(number & ((1 << INDEX_BITS) - 1)).unwrap_or(0),
        }
    }
}
