//! Runs: contiguous ranges of one feed, as they travel.

use bytes::Bytes;
use dxos_keys::FeedId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Block, run_codec};

/// Blocks `first`, `first + 1`, … of one feed. One signature, that of the last block, vouches
/// for all of them: each block's hash covers that of the one before. The others need not be
/// signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The feed.
    pub feed: FeedId,
    /// The sequence number of the first block.
    pub first: u64,
    /// The blocks, at least one.
    pub blocks: Vec<Block>,
}

impl Run {
    /// Blocks of one run. So many may stand between a block and the signature that vouches for
    /// it, at most.
    pub const BLOCKS_MAX: usize = 4096;

    /// Bytes of the headers and signatures of one run: everything but the bodies. Together with
    /// [`Run::BLOCKS_MAX`] it keeps every [`crate::ForkProof`] below 1 MiB.
    pub const HEADER_BYTES_MAX: usize = 344 * 1024;

    /// Leaves out the signatures that nobody needs when the last block of a run of a data feed
    /// is signed. Those of [anchors](Block::is_anchor) stay.
    ///
    /// So do those right before a block that names other feeds. Blocks that one signature vouches
    /// for are accepted together; were what the later ones name needed for the first ones, two
    /// feeds could wait for each other. As it is, all that they need comes before the first one.
    pub fn leave_out_signatures(&mut self) {
        let mut next_names = true;
        for (offset, block) in self.blocks.iter_mut().enumerate().rev() {
            let seq = self.first.saturating_add(offset as u64);
            if !next_names && !Block::is_anchor(seq, block.body.len()) {
                block.signature = None;
            }
            next_names = !block.deps.is_empty();
        }
    }

    /// The sequence number after the last block.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.blocks.len() as u64)
    }

    /// Bytes of all blocks, each in its compact form. As a run they take fewer: what repeats from
    /// one to the next is left out.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::encoded_bytes).sum()
    }
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    feed: FeedId,
    first: u64,
    #[serde(with = "serde_bytes")]
    blocks: Vec<u8>,
}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let blocks = run_codec::encode(&self.blocks);
        Encoded {
            feed: self.feed,
            first: self.first,
            blocks,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Encoded {
            feed,
            first,
            blocks,
        } = Encoded::deserialize(deserializer)?;
        let blocks = run_codec::decode(Bytes::from(blocks)).map_err(D::Error::custom)?;
        Ok(Self {
            feed,
            first,
            blocks,
        })
    }
}
