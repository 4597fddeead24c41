//! How runs of blocks are written.

use bytes::Bytes;
use dxos_keys::{BlockHash, FeedId, Signature};
use proptest::prelude::*;

use crate::*;

fn any_block() -> impl Strategy<Value = Block> {
    let deps = proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u8>()), 0..3);
    // Bodies that begin alike, as those under one key do.
    let body = (
        0..3_u8,
        0..80_usize,
        proptest::collection::vec(any::<u8>(), 0..8),
    );
    (any::<u64>(), any::<u64>(), deps, any::<Option<u8>>(), body).prop_map(
        |(lamport, time_ms, deps, signature, (front, length, rest))| Block {
            lamport,
            time_ms,
            deps: deps
                .into_iter()
                .map(|(feed, seq, hash)| Dep {
                    feed: FeedId::from_bytes([feed; 32]),
                    seq,
                    hash: BlockHash::from_bytes([hash; 32]),
                })
                .collect(),
            signature: signature.map(|byte| Signature::from_bytes([byte; 64])),
            body: Bytes::from([vec![front; length], rest].concat()),
        },
    )
}

proptest! {
    #[test]
    fn a_run_is_read_as_it_was_written(blocks in proptest::collection::vec(any_block(), 1..6)) {
        let run = Run { feed: FeedId::from_bytes([1; 32]), first: 7, blocks };
        let bytes = postcard::to_stdvec(&run).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Run>(&bytes), Ok(run.clone()));
        for block in run.blocks {
            let bytes = block.encode();
            prop_assert_eq!(bytes.len(), block.encoded_bytes());
            prop_assert_eq!(Block::decode(&bytes, &FeedLimits::default()), Ok(block));
        }
    }

    #[test]
    fn no_bytes_harm_and_no_two_are_one_run(bytes: Vec<u8>) {
        if let Ok(blocks) = run_codec::decode(bytes.clone().into()) {
            prop_assert_eq!(run_codec::encode(&blocks), bytes);
        }
    }

    #[test]
    fn an_altered_run_is_another_run_or_none(
        blocks in proptest::collection::vec(any_block(), 1..4),
        place: prop::sample::Index,
        mask in 1..=u8::MAX,
    ) {
        let mut bytes = run_codec::encode(&blocks);
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
        prop_assert_ne!(run_codec::decode(bytes.into()), Ok(blocks));
    }
}
