//! The bodies of data blocks: a transaction, made small where that pays, sealed, behind the name
//! of its key.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use dxos_feed::{FeedLimits, SealingContext};
use dxos_keys::{ContentKey, ContentKeyId, SEAL_OVERHEAD_BYTES};

/// What begins with this is an LZ4 block behind its length in four bytes. Transactions begin with
/// their version, which is far from it.
const COMPRESSED: u8 = 0xc4;
/// Shorter transactions are left as they are.
const COMPRESSED_MIN: usize = 256;

/// Bytes of the longest transaction, compressed or not.
pub(super) fn plain_bytes_max() -> usize {
    FeedLimits::default().body_bytes_max - SEAL_OVERHEAD_BYTES - ContentKeyId::LENGTH
}

/// A transaction, sealed, behind the name of its key.
pub(super) fn seal(key: &ContentKey, context: SealingContext, plain: &[u8]) -> Bytes {
    seal_as_it_is(key, context, &pack(plain))
}

/// The same without making it small: the result is the same for every version of this program.
pub(super) fn seal_as_it_is(key: &ContentKey, context: SealingContext, plain: &[u8]) -> Bytes {
    let sealed = key.seal(context.as_bytes(), plain);
    let mut body = BytesMut::with_capacity(ContentKeyId::LENGTH + sealed.len());
    body.put_slice(key.id().as_bytes());
    body.put_slice(&sealed);
    body.freeze()
}

pub(super) fn pack(plain: &[u8]) -> Cow<'_, [u8]> {
    let Ok(length) = u32::try_from(plain.len()) else {
        return Cow::Borrowed(plain);
    };
    if plain.len() < COMPRESSED_MIN {
        return Cow::Borrowed(plain);
    }
    let small = lz4_flex::block::compress(plain);
    // What saves less than an eighth is not worth the reader's time.
    if small.len() + 5 > plain.len() - plain.len() / 8 {
        return Cow::Borrowed(plain);
    }
    let mut packed = Vec::with_capacity(small.len() + 5);
    packed.push(COMPRESSED);
    packed.extend_from_slice(&length.to_be_bytes());
    packed.extend_from_slice(&small);
    Cow::Owned(packed)
}

/// What was packed. `None` for what no writer packs, such as a few bytes that claim to be many.
pub(super) fn unpack(packed: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(rest) = packed.strip_prefix(&[COMPRESSED]) else {
        return Some(Cow::Borrowed(packed));
    };
    let (length, small) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > plain_bytes_max() {
        return None;
    }
    let plain = lz4_flex::block::decompress(small, length).ok()?;
    (plain.len() == length).then_some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(word in proptest::collection::vec(1_u8..100, 1..40), times in 1_usize..100) {
            let plain = word.repeat(times);
            let packed = pack(&plain);
            prop_assert!(packed.len() <= plain.len());
            let unpacked = unpack(&packed);
            prop_assert_eq!(unpacked.as_deref(), Some(&plain[..]));
        }

        #[test]
        fn no_bytes_harm(mut bytes: Vec<u8>, head: [u8; 4]) {
            let _ = unpack(&bytes);
            bytes.splice(0..0, [COMPRESSED].into_iter().chain(head));
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_takes_memory() {
        let mut bomb = vec![COMPRESSED];
        bomb.extend(u32::MAX.to_be_bytes());
        let zeros = "0".repeat(700_000);
        bomb.extend(lz4_flex::block::compress(zeros.as_bytes()));
        assert_eq!(unpack(&bomb), None);
        let lie = pack(&[7; 10_000]).into_owned();
        for length in [0_u32, 9_999, 10_001, 700_000] {
            let mut lie = lie.clone();
            lie[1..5].copy_from_slice(&length.to_be_bytes());
            assert_eq!(unpack(&lie), None);
        }
    }
}
