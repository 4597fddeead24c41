//! How much of a space somebody knew.

use dxos_feed::Timeframe;
use dxos_keys::FeedId;

use super::ControlBlock;

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) feed: &'a FeedId,
    pub(super) seq: u64,
    /// Whether it is a block of data.
    pub(super) data: bool,
}

impl<'a> Place<'a> {
    /// The place of a control block.
    pub(super) const fn of(block: &'a ControlBlock) -> Self {
        Self {
            feed: &block.feed,
            seq: block.seq,
            data: false,
        }
    }

    /// Whether whoever took something away knew of the block there: by its causes, or, of data
    /// alone, because it says so. Saying so of control blocks would be a way to let an accomplice
    /// go on after its removal.
    pub(super) fn was_known_to(&self, restriction: &ControlBlock) -> bool {
        let said = || {
            let seen = restriction.credential.assertion().seen();
            seen.and_then(|seen| seen.get(self.feed))
                .is_some_and(|length| *length > self.seq)
        };
        covers(&restriction.past, self.feed, self.seq) || self.data && said()
    }
}

/// What the writer of a block had applied before it, or everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a>(Option<((FeedId, u64), &'a Timeframe)>);

impl<'a> View<'a> {
    /// Everything that is known here.
    pub(super) const fn all() -> Self {
        Self(None)
    }

    /// What the writer of the block at `place` knew, whether or not its `past` holds the block
    /// itself.
    pub(super) const fn before(place: (FeedId, u64), past: &'a Timeframe) -> Self {
        Self(Some((place, past)))
    }

    /// What the writer of `block` knew.
    pub(super) const fn of(block: &'a ControlBlock) -> Self {
        Self::before((block.feed, block.seq), &block.past)
    }

    /// Whether it holds the block at a place.
    pub(super) fn holds(&self, feed: &FeedId, seq: u64) -> bool {
        match self.0 {
            None => true,
            Some(((own, length), _)) if own == *feed => seq < length,
            Some((_, past)) => covers(past, feed, seq),
        }
    }
}

/// Whether a block is in a past.
pub(super) fn covers(past: &Timeframe, feed: &FeedId, seq: u64) -> bool {
    past.get(feed) > seq
}
