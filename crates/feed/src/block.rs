//! Blocks: their parts, their hash, and their compact form.
//!
//! What can be derived is never stored or sent: feed and sequence number are known from the
//! place, `prev` from the block before, hash and length of the body from the body. The compact
//! form has fixed-width fields, so that no two byte strings mean one block.
//!
//! The hash of a block covers its header and not its signature. So a signature of any block
//! vouches for all before it, which need none, and the device can add one whenever it is needed.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use dxos_keys::{
    BlockHash, BodyHash, DeviceKey, Domain, FeedId, HashDomain, Hasher, Signature, SignatureError,
    Signer,
};
use serde::{Deserialize, Serialize};

use crate::{FeedDescriptor, FeedLimits};

/// What the header's hash begins with.
const VERSION: u8 = 2;
/// What the compact form of a block begins with.
const UNSIGNED: u8 = 2;
const SIGNED: u8 = 3;
/// Every so many blocks of a feed, one keeps its signature.
const ANCHOR_EVERY: u64 = 64;
/// So do blocks with so many bytes of body, and more.
const ANCHOR_BYTES: usize = 1024;
const DEP_BYTES: usize = 32 + 8 + 32;
/// Version, lamport, time, number of deps.
const FIXED_BYTES: usize = 1 + 8 + 8 + 2;

/// The head of another feed that a block's writer had applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dep {
    /// The other feed.
    pub feed: FeedId,
    /// The sequence number of the last block applied.
    pub seq: u64,
    /// The hash of that block.
    pub hash: BlockHash,
}

/// Everything of a block but its body: what the device signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The feed that the block belongs to.
    pub feed: FeedId,
    /// Its place in the feed, from 0.
    pub seq: u64,
    /// The hash of the block before, zeros for the first.
    pub prev: BlockHash,
    /// Logical time: one more than the greatest among `prev` and `deps`.
    pub lamport: u64,
    /// The writer's wall clock in milliseconds since 1970, for display only.
    pub time_ms: u64,
    /// The heads of other feeds that changed since the block before, sorted by feed.
    pub deps: Vec<Dep>,
    /// The hash of the body.
    pub body_hash: BodyHash,
    /// The length of the body in bytes.
    pub body_bytes: u32,
}

/// One entry of a feed, in the form in which it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// See [`Header::lamport`].
    pub lamport: u64,
    /// See [`Header::time_ms`].
    pub time_ms: u64,
    /// See [`Header::deps`].
    pub deps: Vec<Dep>,
    /// The device's signature of the hash, if it is known. Without it, the next one behind this
    /// block vouches for it.
    pub signature: Option<Signature>,
    /// The content, opaque here.
    pub body: Bytes,
}

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockDecodeError {
    /// The body is larger than a block may have. Refuse it.
    #[error("block body of {found} bytes, more than the {max} allowed")]
    BodyTooLarge {
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The block names more feeds than it may. Refuse it.
    #[error("block depends on {found} feeds, more than the {max} allowed")]
    TooManyDeps {
        /// How many it names.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end too early. Refuse them.
    #[error("block is cut short")]
    Truncated,
    /// Another version wrote this. Read it with a program that knows that version.
    #[error("block of version {found}; this program reads versions {UNSIGNED} and {SIGNED}")]
    Version {
        /// The version found.
        found: u8,
    },
}

/// What is known of a block before its body is sealed; the body is bound to it as associated
/// data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingContext([u8; 32]);

impl SealingContext {
    /// The bytes to pass as associated data.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

static FRONT: LazyLock<Hasher> = LazyLock::new(|| Hasher::new(HashDomain::Header));
static BLOCK: LazyLock<Hasher> = LazyLock::new(|| Hasher::new(HashDomain::Block));
static BODY: LazyLock<Hasher> = LazyLock::new(|| Hasher::new(HashDomain::Body));

/// The hash of a feed's position before its first block.
pub(crate) const GENESIS: BlockHash = BlockHash::from_bytes([0; 32]);

fn hash_front(
    hasher: &mut Hasher,
    (feed, seq, prev): (&FeedId, u64, &BlockHash),
    (lamport, time_ms, deps): (u64, u64, &[Dep]),
) {
    hasher
        .update(&[VERSION])
        .update(feed.as_bytes())
        .update(&seq.to_le_bytes())
        .update(prev.as_bytes())
        .update(&lamport.to_le_bytes())
        .update(&time_ms.to_le_bytes())
        .update(&(deps.len() as u64).to_le_bytes());
    for dep in deps {
        hasher
            .update(dep.feed.as_bytes())
            .update(&dep.seq.to_le_bytes())
            .update(dep.hash.as_bytes());
    }
}

fn block_hash(
    place: (&FeedId, u64, &BlockHash),
    front: (u64, u64, &[Dep]),
    (body_hash, body_bytes): (&BodyHash, u32),
) -> BlockHash {
    let mut hasher = BLOCK.clone();
    hash_front(&mut hasher, place, front);
    hasher
        .update(body_hash.as_bytes())
        .update(&body_bytes.to_le_bytes());
    BlockHash::from_bytes(hasher.finish())
}

impl Header {
    /// The hash of the block: what its device signs.
    pub fn hash(&self) -> BlockHash {
        block_hash(
            (&self.feed, self.seq, &self.prev),
            (self.lamport, self.time_ms, &self.deps),
            (&self.body_hash, self.body_bytes),
        )
    }

    /// What the body of this block is bound to when it is sealed.
    pub fn sealing_context(&self) -> SealingContext {
        let mut hasher = FRONT.clone();
        hash_front(
            &mut hasher,
            (&self.feed, self.seq, &self.prev),
            (self.lamport, self.time_ms, &self.deps),
        );
        SealingContext(hasher.finish())
    }

    /// Makes the block of this header: `body` makes the body, and what it is sealed for must be
    /// bound to the [`SealingContext`]. The hash and length of a body that the header has are
    /// not looked at. It is not signed: see [`Block::sign`].
    pub fn block(mut self, body: impl FnOnce(SealingContext) -> Bytes) -> (BlockHash, Block) {
        let body = body(self.sealing_context());
        self.body_hash = body_hash(&body);
        self.body_bytes = length(&body);
        let hash = self.hash();
        let block = Block {
            lamport: self.lamport,
            time_ms: self.time_ms,
            deps: self.deps,
            signature: None,
            body,
        };
        (hash, block)
    }

    /// About how many bytes it takes.
    pub(crate) const fn bytes(&self) -> usize {
        FIXED_BYTES + self.deps.len() * DEP_BYTES + BodyHash::LENGTH
    }

    /// The same, signed. The same header, body and signer always give the same block.
    pub fn sign(
        self,
        signer: &dyn Signer,
        body: impl FnOnce(SealingContext) -> Bytes,
    ) -> (BlockHash, Block) {
        let (hash, mut block) = self.block(body);
        block.sign(&hash, signer);
        (hash, block)
    }

    /// Verifies that the feed's device signed this header.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it did not.
    pub fn verify(
        &self,
        feed: &FeedDescriptor,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        feed.device
            .verify(Domain::Block, self.hash().as_bytes(), signature)
    }
}

impl Block {
    /// The header of this block when it stands at `seq` of `feed`, after `prev`.
    pub fn header(&self, feed: FeedId, seq: u64, prev: BlockHash) -> Header {
        Header {
            feed,
            seq,
            prev,
            lamport: self.lamport,
            time_ms: self.time_ms,
            deps: self.deps.clone(),
            body_hash: body_hash(&self.body),
            body_bytes: length(&self.body),
        }
    }

    /// The hash of this block when it stands at `seq` of `feed`, after `prev`.
    pub fn hash(&self, feed: &FeedId, seq: u64, prev: &BlockHash) -> BlockHash {
        block_hash(
            (feed, seq, prev),
            (self.lamport, self.time_ms, &self.deps),
            (&body_hash(&self.body), length(&self.body)),
        )
    }

    /// Signs this block, whose hash that is, by its device. The same block and device always give
    /// the same signature.
    pub fn sign(&mut self, hash: &BlockHash, signer: &dyn Signer) {
        self.signature = Some(signer.sign(Domain::Block, hash.as_bytes()));
    }

    /// Whether this block, whose hash that is, has a valid signature of a device.
    pub fn is_signed_by(&self, device: &DeviceKey, hash: &BlockHash) -> bool {
        self.signature.is_some_and(|signature| {
            let verified = device.verify(Domain::Block, hash.as_bytes(), &signature);
            verified.is_ok()
        })
    }

    /// Whether a block at `seq` with a body of so many bytes keeps its signature wherever it is
    /// stored or sent, so that what one signature vouches for stays small: at most 64 blocks, all
    /// but the last with bodies below 1 KiB.
    pub const fn is_anchor(seq: u64, body_bytes: usize) -> bool {
        seq % ANCHOR_EVERY == ANCHOR_EVERY - 1 || body_bytes >= ANCHOR_BYTES
    }

    /// The length of the compact form.
    pub fn encoded_bytes(&self) -> usize {
        self.header_bytes() + self.body.len()
    }

    /// The length of the compact form without the body.
    pub(crate) const fn header_bytes(&self) -> usize {
        let signature = if self.signature.is_some() {
            Signature::LENGTH
        } else {
            0
        };
        FIXED_BYTES + self.deps.len() * DEP_BYTES + signature
    }

    /// Appends the compact form to `out`.
    pub fn encode_into(&self, out: &mut impl BufMut) {
        out.put_u8(if self.signature.is_some() {
            SIGNED
        } else {
            UNSIGNED
        });
        out.put_u64_le(self.lamport);
        out.put_u64_le(self.time_ms);
        out.put_u16_le(u16::try_from(self.deps.len()).unwrap_or(u16::MAX));
        for dep in &self.deps {
            out.put_slice(dep.feed.as_bytes());
            out.put_u64_le(dep.seq);
            out.put_slice(dep.hash.as_bytes());
        }
        if let Some(signature) = &self.signature {
            out.put_slice(signature.as_bytes());
        }
        out.put_slice(&self.body);
    }

    /// The compact form.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_bytes());
        self.encode_into(&mut out);
        out.freeze()
    }

    /// Reads the compact form: all of `bytes`. The body shares their memory.
    ///
    /// # Errors
    ///
    /// [`BlockDecodeError`] when the bytes are no block or beyond the limits.
    pub fn decode(bytes: &Bytes, limits: &FeedLimits) -> Result<Self, BlockDecodeError> {
        let mut reader = Reader(bytes);
        let [version] = reader.take()?;
        let is_signed = match version {
            SIGNED => true,
            UNSIGNED => false,
            found => return Err(BlockDecodeError::Version { found }),
        };
        let lamport = u64::from_le_bytes(reader.take()?);
        let time_ms = u64::from_le_bytes(reader.take()?);
        let found = usize::from(u16::from_le_bytes(reader.take()?));
        if found > limits.deps_max {
            return Err(BlockDecodeError::TooManyDeps {
                found,
                max: limits.deps_max,
            });
        }
        if reader.0.len() < found * DEP_BYTES {
            return Err(BlockDecodeError::Truncated);
        }
        let mut deps = Vec::with_capacity(found);
        for _ in 0..found {
            deps.push(Dep {
                feed: FeedId::from_bytes(reader.take()?),
                seq: u64::from_le_bytes(reader.take()?),
                hash: BlockHash::from_bytes(reader.take()?),
            });
        }
        let signature = if is_signed {
            Some(Signature::from_bytes(reader.take()?))
        } else {
            None
        };
        let found = reader.0.len();
        if found > limits.body_bytes_max {
            return Err(BlockDecodeError::BodyTooLarge {
                found,
                max: limits.body_bytes_max,
            });
        }
        let body = bytes.slice(bytes.len() - found..);
        Ok(Self {
            lamport,
            time_ms,
            deps,
            signature,
            body,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BlockDecodeError> {
        let (front, rest) = self
            .0
            .split_first_chunk()
            .ok_or(BlockDecodeError::Truncated)?;
        self.0 = rest;
        Ok(*front)
    }
}

pub(crate) fn length(body: &[u8]) -> u32 {
    u32::try_from(body.len()).unwrap_or(u32::MAX)
}

pub(crate) fn body_hash(body: &[u8]) -> BodyHash {
    BodyHash::from_bytes(BODY.clone().update(body).finish())
}
