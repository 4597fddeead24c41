//! Control blocks as membership takes them.

use dxos_feed::{FeedDescriptor, Timeframe};
use dxos_keys::{BlockHash, FeedId};

use crate::{Credential, CredentialError};

/// Where a block stands in the causal order that is the same everywhere: logical time, feed,
/// place in the feed.
pub(super) type Order = (u64, FeedId, u64);

/// A control block: a verified credential and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBlock {
    /// The feed, of the device that wrote the block.
    pub descriptor: FeedDescriptor,
    /// Its id.
    pub feed: FeedId,
    /// The block's place.
    pub seq: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// Its logical time.
    pub lamport: u64,
    /// What its writer had applied, itself included.
    pub past: Timeframe,
    /// What it says.
    pub credential: Credential,
}

impl ControlBlock {
    /// Reads the credential in a block's body and verifies it.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] when it is none: such a block counts for nothing.
    pub fn read(
        descriptor: FeedDescriptor,
        (feed, seq, hash, lamport): (FeedId, u64, BlockHash, u64),
        past: Timeframe,
        body: &[u8],
    ) -> Result<Self, CredentialError> {
        let credential = Credential::decode(body)?;
        Ok(Self::of(
            descriptor,
            (feed, seq, hash, lamport),
            past,
            credential,
        ))
    }

    /// The block at a place, with a credential that was read from its body.
    pub const fn of(
        descriptor: FeedDescriptor,
        (feed, seq, hash, lamport): (FeedId, u64, BlockHash, u64),
        past: Timeframe,
        credential: Credential,
    ) -> Self {
        Self {
            descriptor,
            feed,
            seq,
            hash,
            lamport,
            past,
            credential,
        }
    }

    pub(super) fn order(&self) -> Order {
        (self.lamport, self.feed, self.seq)
    }
}
