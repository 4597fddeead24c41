//! Blocks without signatures of their own, for which a later one vouches, and how runs of blocks
//! are written.

use bytes::Bytes;
use dxos_keys::{BlockHash, FeedId, Signature};
use proptest::prelude::*;

use super::support::*;
use crate::*;

/// What one writer wrote: each body, and whether its block is signed.
fn written(all: &[Writer], blocks: &[(&[u8], bool)]) -> Replica {
    let mut source = Replica::new(all);
    for (body, signs) in blocks {
        source.append_as(&all[0], body, *signs);
    }
    source
}

#[test]
fn a_signature_vouches_for_all_blocks_before_it() {
    let all = writers(2);
    let source = written(&all, &[(b"0", false), (b"1", false), (b"2", true)]);
    let full = source.all(&all[0]);
    assert!(full.blocks[0].signature.is_absent());
    let mut receiver = Replica::new(&all);
    let early = receiver.insert(run(&all[0], 0, &full.blocks[..2]));
    assert!(matches!(early, Err(InsertError::BadSignature { .. })));
    assert_eq!(receiver.length(&all[0]), 0);
    assert_eq!(receiver.insert(full).unwrap().accepted, 3);
    assert_eq!(receiver.log, source.log);
}

#[test]
fn a_writer_that_is_opened_again_goes_on_behind_unsigned_blocks() {
    let all = writers(2);
    let mut source = written(&all, &[(b"0", true), (b"1", false)]);
    let states: Vec<_> = source.dag.feeds().map(|(_, state)| state.clone()).collect();
    source.dag = Dag::open(SPACE, FeedLimits::default(), states);
    source.append(&all[0], b"2");
    let mut receiver = Replica::new(&all);
    assert_eq!(receiver.insert(source.all(&all[0])).unwrap().accepted, 3);
}

#[test]
fn a_fork_among_unsigned_blocks_is_proven_and_cut() {
    let all = writers(2);
    let one = written(&all, &[(b"0", true), (b"1", false), (b"2", true)]);
    let other = written(&all, &[(b"0", true), (b"one", false), (b"two", true)]);
    let mut receiver = Replica::new(&all);
    receiver.insert(one.all(&all[0])).unwrap();
    let Err(InsertError::Fork(proof)) = receiver.insert(other.all(&all[0])) else {
        panic!("a fork")
    };
    assert_eq!((proof.verify(), proof.seq()), (Ok(()), 1));
}

#[test]
fn a_block_that_vouches_waits_for_nothing_that_waits_for_it() {
    let all = writers(2);
    let mut source = written(&all, &[(b"0", false)]);
    source.append(&all[1], b"names 0");
    let unsigned = source.all(&all[0]).blocks;
    let secret = &all[0].secret;
    let last = source.dag.vouch(all[0].feed, 5, secret).unwrap();
    assert!(last.deps.is_empty() && last.body.is_empty());
    source.dag.stored();
    let mut receiver = Replica::new(&all);
    let names = receiver.insert(source.all(&all[1])).unwrap();
    assert_eq!((names.accepted, receiver.dag.waiting_blocks()), (0, 1));
    let blocks = [unsigned, vec![last]].concat();
    let vouched = receiver.insert(run(&all[0], 0, &blocks)).unwrap();
    assert_eq!(vouched.accepted, 3, "both, and what waited");
}

#[test]
fn the_compact_form_says_which_blocks_are_signed() {
    let all = writers(2);
    let source = written(&all, &[(b"0", false), (b"1", true)]);
    let full = source.all(&all[0]);
    for block in &full.blocks {
        let bytes = block.encode();
        assert_eq!(bytes.len(), block.encoded_bytes());
        let decoded = Block::decode(&bytes, &FeedLimits::default());
        assert_eq!(decoded.as_ref(), Ok(block));
    }
    let [unsigned, signed] = &full.blocks[..] else {
        panic!("two blocks")
    };
    assert_eq!(
        signed.encoded_bytes() - unsigned.encoded_bytes(),
        Signature::LENGTH
    );
    let mut empty = signed.encode().to_vec();
    empty[19..19 + Signature::LENGTH].fill(0);
    // Before blocks could go without, a writer that left it empty was believed as well.
    let decoded = Block::decode(&empty.into(), &FeedLimits::default()).unwrap();
    assert!(decoded.signature.is_absent());
}

/// The same run as programs wrote it before what repeats was left out.
fn earlier_form(run: &Run) -> Vec<u8> {
    let mut blocks = Vec::new();
    for block in &run.blocks {
        let length = u32::try_from(block.encoded_bytes()).unwrap();
        blocks.extend(length.to_le_bytes());
        blocks.extend(block.encode());
    }
    postcard::to_stdvec(&(run.feed, run.first, serde_bytes::ByteBuf::from(blocks))).unwrap()
}

fn any_block() -> impl Strategy<Value = Block> {
    let deps = proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u8>()), 0..3);
    let signature = prop_oneof![Just(0), any::<u8>()];
    // Bodies that begin alike, as those under one key do.
    let body = (
        0..3_u8,
        0..80_usize,
        proptest::collection::vec(any::<u8>(), 0..8),
    );
    (any::<u64>(), any::<u64>(), deps, signature, body).prop_map(
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
            signature: Signature::from_bytes([signature; 64]),
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
        prop_assert_eq!(postcard::from_bytes::<Run>(&earlier_form(&run)), Ok(run));
    }

    #[test]
    fn no_bytes_harm_and_no_two_are_one_run(mut bytes: Vec<u8>, is_close: bool) {
        if is_close {
            bytes.splice(0..0, [0; 4]);
        }
        if let Ok(blocks) = run_codec::decode(bytes.clone().into())
            && is_close
        {
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
