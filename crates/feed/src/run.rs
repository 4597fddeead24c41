//! Runs: contiguous ranges of one feed, as they travel.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dxos_keys::FeedId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Block, FeedLimits};

/// Blocks `first`, `first + 1`, … of one feed. One signature, that of the last block, vouches
/// for all of them: each block's hash covers the signature and hash of the one before.
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

    /// The sequence number after the last block.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.blocks.len() as u64)
    }

    /// Bytes of all blocks in compact form.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::encoded_bytes).sum()
    }

    fn encode_blocks(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.bytes() + 4 * self.blocks.len());
        for block in &self.blocks {
            out.put_u32_le(u32::try_from(block.encoded_bytes()).unwrap_or(u32::MAX));
            block.encode_into(&mut out);
        }
        out.freeze()
    }

    fn decode_blocks(mut bytes: Bytes) -> Result<Vec<Block>, &'static str> {
        // Whether a body or the deps are within bounds is checked here with the default limits
        // and again by the replica with its own.
        let limits = FeedLimits::default();
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            if bytes.len() < 4 {
                return Err("run is cut short");
            }
            let length = bytes.get_u32_le() as usize;
            if length > bytes.len() {
                return Err("run is cut short");
            }
            if blocks.len() == Self::BLOCKS_MAX {
                return Err("run holds too many blocks");
            }
            let block = bytes.split_to(length);
            blocks.push(Block::decode(&block, &limits).map_err(|_| "run holds a malformed block")?);
        }
        if blocks.is_empty() {
            Err("run holds no block")
        } else {
            Ok(blocks)
        }
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
        let blocks = self.encode_blocks().into();
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
        let blocks = Self::decode_blocks(blocks.into()).map_err(D::Error::custom)?;
        Ok(Self {
            feed,
            first,
            blocks,
        })
    }
}
