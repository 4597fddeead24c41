//! The blocks of a run as bytes: what repeats from one block to the next is left out.
//!
//! For each block there stands: its logical time and its wall clock as the difference from the block
//! before; what it names of other feeds, behind twice their number, and one more when it is signed;
//! its signature; how much of its body is as the one before begins, mostly the name of a key; and
//! the rest of it. Numbers are LEB128.

use bytes::{Buf as _, BufMut as _, Bytes};
use dxos_keys::{BlockHash, FeedId, Signature};

use crate::{Block, Dep, FeedLimits, Run};

/// Bytes of a body that may be those of the one before: few bytes never stand for many.
const SHARED_MAX: usize = 64;
/// Longer bodies are whole: they can be read where they lie.
const SHARING_BYTES_MAX: usize = 4096;

const SHORT: &str = "run is cut short";
const MALFORMED: &str = "run holds a malformed block";
const TOO_MANY: &str = "run holds too many blocks";

/// What the next block is compared with.
#[derive(Default)]
struct Before {
    lamport: u64,
    time_ms: u64,
    body: Bytes,
}

impl Before {
    fn of(block: &Block) -> Self {
        Self {
            lamport: block.lamport,
            time_ms: block.time_ms,
            body: block.body.clone(),
        }
    }

    fn shared(&self, body: &[u8]) -> usize {
        if body.len() > SHARING_BYTES_MAX {
            return 0;
        }
        let pairs = self.body.iter().zip(body).take(SHARED_MAX);
        pairs.take_while(|(before, now)| before == now).count()
    }
}

pub(crate) fn encode(blocks: &[Block]) -> Vec<u8> {
    let bytes = blocks.iter().map(Block::encoded_bytes).sum::<usize>();
    let mut out = Vec::with_capacity(bytes);
    let mut before = Before::default();
    for block in blocks {
        put(block, &before, &mut out);
        before = Before::of(block);
    }
    out
}

fn put(block: &Block, before: &Before, out: &mut Vec<u8>) {
    put_number(block.lamport.wrapping_sub(before.lamport), out);
    let later = block.time_ms.wrapping_sub(before.time_ms).cast_signed();
    // Small differences either way are small numbers.
    put_number(((later << 1) ^ (later >> 63)).cast_unsigned(), out);
    let is_signed = u64::from(block.signature.is_some());
    put_number((block.deps.len() as u64) << 1 | is_signed, out);
    for dep in &block.deps {
        out.put_slice(dep.feed.as_bytes());
        put_number(dep.seq, out);
        out.put_slice(dep.hash.as_bytes());
    }
    if let Some(signature) = &block.signature {
        out.put_slice(signature.as_bytes());
    }
    let shared = before.shared(&block.body);
    let rest = block.body.get(shared..).unwrap_or_default();
    put_number(shared as u64, out);
    put_number(rest.len() as u64, out);
    out.put_slice(rest);
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.put_u8(number.to_le_bytes()[0]);
}

/// Reads blocks, at least one. Whether a body or what a block names is within bounds is checked
/// here with the default limits and again by the replica with its own.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Vec<Block>, &'static str> {
    let limits = FeedLimits::default();
    let mut blocks = Vec::new();
    let mut before = Before::default();
    while !bytes.is_empty() {
        if blocks.len() == Run::BLOCKS_MAX {
            return Err(TOO_MANY);
        }
        let block = take(&mut bytes, &before, &limits)?;
        before = Before::of(&block);
        blocks.push(block);
    }
    if blocks.is_empty() {
        return Err("run holds no block");
    }
    Ok(blocks)
}

fn take(bytes: &mut Bytes, before: &Before, limits: &FeedLimits) -> Result<Block, &'static str> {
    let lamport = before.lamport.wrapping_add(take_number(bytes)?);
    let later = take_number(bytes)?;
    let later = (later >> 1) ^ (later & 1).wrapping_neg();
    let time_ms = before.time_ms.wrapping_add(later);
    let count = take_number(bytes)?;
    let is_signed = count & 1 == 1;
    let count = usize::try_from(count >> 1).map_err(|_| MALFORMED)?;
    if count > limits.deps_max {
        return Err(MALFORMED);
    }
    let mut deps = Vec::new();
    for _ in 0..count {
        deps.push(Dep {
            feed: FeedId::from_bytes(take_array(bytes)?),
            seq: take_number(bytes)?,
            hash: BlockHash::from_bytes(take_array(bytes)?),
        });
    }
    let signature = if is_signed {
        Some(Signature::from_bytes(take_array(bytes)?))
    } else {
        None
    };
    Ok(Block {
        lamport,
        time_ms,
        deps,
        signature,
        body: take_body(bytes, before, limits)?,
    })
}

fn take_body(
    bytes: &mut Bytes,
    before: &Before,
    limits: &FeedLimits,
) -> Result<Bytes, &'static str> {
    let shared = usize::try_from(take_number(bytes)?).map_err(|_| MALFORMED)?;
    let front = before.body.get(..shared).ok_or(MALFORMED)?;
    let rest = take_number(bytes)?;
    let rest = take_bytes(bytes, rest)?;
    if shared > SHARED_MAX || shared + rest.len() > limits.body_bytes_max {
        return Err(MALFORMED);
    }
    let body = if shared == 0 {
        rest
    } else {
        [front, &rest].concat().into()
    };
    // No two byte strings are one run.
    if before.shared(&body) != shared {
        return Err(MALFORMED);
    }
    Ok(body)
}

fn take_number(bytes: &mut Bytes) -> Result<u64, &'static str> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| SHORT)?;
        let bits = u64::from(byte & 0x7f);
        let is_padded = byte == 0 && shift > 0;
        if is_padded || bits.leading_zeros() < shift {
            return Err(MALFORMED);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(MALFORMED)
}

fn take_array<const N: usize>(bytes: &mut Bytes) -> Result<[u8; N], &'static str> {
    let mut array = [0; N];
    bytes.try_copy_to_slice(&mut array).map_err(|_| SHORT)?;
    Ok(array)
}

fn take_bytes(bytes: &mut Bytes, length: u64) -> Result<Bytes, &'static str> {
    let length = usize::try_from(length).map_err(|_| SHORT)?;
    if length > bytes.len() {
        return Err(SHORT);
    }
    Ok(bytes.split_to(length))
}
