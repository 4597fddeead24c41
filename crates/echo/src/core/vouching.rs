//! Which of this device's data blocks are signed.
//!
//! A signature vouches for all blocks before it, so that while nobody hears of them, the blocks
//! of a burst of edits need none: the first one is signed, and what follows is vouched for by a
//! block without content that closes the burst. That is written before anybody is shown the
//! feed: when a session opens, before an archive is written or taken in, before an epoch or a graft, when the device has been quiet for
//! a moment, and when the space is closed. While a session is open, every block is signed.
//!
//! A signed block behind an unsigned one is on the disk before anything else happens. So a feed
//! that is found to end in an unsigned block never had another one that anybody heard of, unless
//! the disk is an older one, and can be closed where it ends, also after the power went.

use std::collections::BTreeMap;

use dxos_feed::{BlockIndex as _, Designation};
use dxos_keys::FeedId;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::append::write_failed;
use super::space::{Outcome, Space};

/// Unsigned blocks that may follow each other.
const BLOCKS_MAX: usize = 255;
/// Bytes that they may have: peers take them in together.
const BYTES_MAX: usize = 64 * 1024;

/// What stands behind the last signature of a feed.
#[derive(Clone, Copy, Debug, Default)]
struct Unsigned {
    blocks: usize,
    bytes: usize,
}

/// How the feeds of this device end, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Vouching {
    /// The feeds that were written to in this burst.
    known: BTreeMap<FeedId, Unsigned>,
    /// Whether all others are known to end in a signed block.
    looked: bool,
}

impl Vouching {
    /// Whether the next block of a feed, of about so many bytes, is signed, and whether it
    /// follows on one that is not.
    fn next(&self, feed: &FeedId, bytes: usize, is_alone: bool) -> (bool, bool) {
        let Some(before) = self.known.get(feed) else {
            // Where it is not known how the feed ends, it may end in an unsigned block.
            return (true, !self.looked);
        };
        let fits = before.blocks < BLOCKS_MAX && before.bytes.saturating_add(bytes) <= BYTES_MAX;
        (!(is_alone && fits), before.blocks > 0)
    }

    fn appended(&mut self, feed: FeedId, bytes: usize, is_signed: bool) {
        let unsigned = self.known.entry(feed).or_default();
        *unsigned = if is_signed {
            Unsigned::default()
        } else {
            Unsigned {
                blocks: unsigned.blocks + 1,
                bytes: unsigned.bytes.saturating_add(bytes),
            }
        };
    }
}

impl Space {
    /// Whether the next data block of this device is signed. When it has to be on the disk before
    /// anything else happens, the outcome says so.
    pub(super) fn signs_next(&self, feed: &FeedId, bytes: usize, outcome: &mut Outcome) -> bool {
        let is_alone = self.sync.sessions().next().is_none();
        let (signs, is_behind) = self.vouching.next(feed, bytes, is_alone);
        outcome.synced |= signs && is_behind;
        signs
    }

    /// Notes a data block of this device.
    pub(super) fn note_signed(&mut self, feed: FeedId, block: &dxos_feed::Block) {
        let is_signed = !block.signature.is_absent();
        self.vouching
            .appended(feed, block.encoded_bytes(), is_signed);
    }

    /// Whether this device wrote blocks in this process that no signature vouches for.
    pub(crate) fn owes_signatures(&self) -> bool {
        self.vouching.known.values().any(|feed| feed.blocks > 0)
    }

    /// Closes the feeds of this device that end in an unsigned block, before anybody is shown
    /// them; `None` when there are none.
    pub(crate) fn vouch(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Option<Outcome>, EchoError> {
        let mut outcome = Outcome::default();
        if !self.close_feeds(now_ms, store, &mut outcome)? {
            return Ok(None);
        }
        self.flush(&mut outcome.batch)?;
        Ok(Some(outcome))
    }

    /// The same as a part of another step; tells whether there was something to close.
    pub(super) fn close_feeds(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<bool, EchoError> {
        let open = self.open_feeds(store)?;
        for feed in &open {
            let block = self.dag.vouch(*feed, now_ms, &*self.authority.signer);
            let block = block.map_err(|error| write_failed(&error))?;
            self.store_own(feed, &block, outcome)?;
            self.note_signed(*feed, &block);
        }
        outcome.synced |= !open.is_empty();
        self.vouching.looked = true;
        Ok(!open.is_empty())
    }

    /// Notes that a burst is over, after [`Space::vouch`].
    pub(super) fn rest(&mut self) {
        if self.vouching.looked && !self.owes_signatures() {
            self.vouching.known.clear();
        }
    }

    /// The data feeds of this device that end in an unsigned block. One that was cut has none:
    /// the proof vouches for what is before the cut.
    fn open_feeds(&self, store: &dyn Read) -> Result<Vec<FeedId>, EchoError> {
        let device = self.device();
        let own = self.dag.feeds().filter(|(_, state)| {
            let descriptor = &state.descriptor;
            descriptor.device == device
                && descriptor.designation == Designation::Data
                && state.fork.is_none()
                && state.length > 0
        });
        let mut open = Vec::new();
        for (feed, state) in own {
            let is_open = match self.vouching.known.get(feed) {
                Some(unsigned) => unsigned.blocks > 0,
                None if self.vouching.looked => false,
                None => {
                    let blocks = self.blocks(store);
                    let head = blocks.block(feed, state.length - 1);
                    let head = head.map_err(|error| EchoError::Store {
                        reason: error.to_string(),
                    })?;
                    // Where an epoch stands for the last block, that was signed.
                    head.is_some_and(|block| block.signature.is_absent())
                }
            };
            if is_open {
                open.push(*feed);
            }
        }
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: FeedId = FeedId::from_bytes([1; 32]);

    #[test]
    fn the_first_block_of_a_feed_is_signed_and_the_next_ones_only_beside_a_peer() {
        let mut vouching = Vouching::default();
        assert_eq!(vouching.next(&FEED, 100, true), (true, true));
        vouching.appended(FEED, 100, true);
        assert_eq!(vouching.next(&FEED, 100, false), (true, false));
        assert_eq!(vouching.next(&FEED, 100, true), (false, false));
        vouching.appended(FEED, 100, false);
        assert_eq!(vouching.next(&FEED, 100, false), (true, true));
        // When the burst was closed, the next one begins.
        let closed = Vouching {
            looked: true,
            ..Vouching::default()
        };
        assert_eq!(closed.next(&FEED, 100, true), (true, false));
    }

    #[test]
    fn unsigned_blocks_are_bounded_in_number_and_bytes() {
        let mut vouching = Vouching::default();
        vouching.appended(FEED, 100, true);
        let mut unsigned = 0;
        while !vouching.next(&FEED, 1, true).0 {
            vouching.appended(FEED, 1, false);
            unsigned += 1;
        }
        assert_eq!(unsigned, BLOCKS_MAX);
        vouching.appended(FEED, 1, true);
        assert_eq!(vouching.next(&FEED, BYTES_MAX + 1, true), (true, false));
        vouching.appended(FEED, BYTES_MAX, false);
        assert_eq!(vouching.next(&FEED, 1, true), (true, true));
    }
}
