//! Every byte counts.

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::support::*;
use crate::*;

/// Two writers; the second one's run of three blocks depends on the first one's block.
fn fixture() -> (Vec<Writer>, Replica, Run) {
    let all = writers(2);
    let mut replica = Replica::new(&all);
    replica.append(&all[0], b"cause");
    let receiver = replica.clone();
    for body in [&b"one"[..], b"", b"three"] {
        replica.append(&all[1], body);
    }
    let run = replica.all(&all[1]);
    (all, receiver, run)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// Nothing is accepted, nothing waits, nobody is accused of a fork.
fn refused(receiver: &Replica, run: Run) {
    let mut fresh = receiver.clone();
    let result = fresh.insert(run);
    assert!(result.is_err(), "{result:?}");
    assert!(!matches!(result, Err(InsertError::Fork(_))));
    assert_eq!(fresh.log, receiver.log);
    assert_eq!(fresh.dag.waiting_blocks(), receiver.dag.waiting_blocks());
    assert!(fresh.dag.feeds().eq(receiver.dag.feeds()));
}

#[test]
fn any_altered_byte_of_a_run_is_refused() {
    let (_, receiver, mut run) = fixture();
    // As runs travel: nobody looks at other signatures than the last.
    run.leave_out_signatures();
    let mut informed = receiver.clone();
    informed.insert(run.clone()).unwrap();
    let bytes = postcard::to_stdvec(&run).unwrap();
    assert_eq!(decode::<Run>(&bytes), Some(run));
    for place in 0..bytes.len() {
        for mask in [0x01, 0x10, 0x80, 0xff] {
            let mut altered = bytes.clone();
            altered[place] ^= mask;
            if let Some(run) = decode::<Run>(&altered) {
                refused(&receiver, run.clone());
                refused(&informed, run);
            }
        }
    }
}

#[test]
fn any_altered_byte_of_a_block_is_refused() {
    let (all, receiver, full) = fixture();
    for (number, original) in full.blocks.iter().enumerate() {
        let mut receiver = receiver.clone();
        if number > 0 {
            receiver
                .insert(run(&all[1], 0, &full.blocks[..number]))
                .unwrap();
        }
        let bytes = original.encode();
        assert_eq!(bytes.len(), original.encoded_bytes());
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.to_vec();
                altered[place] ^= 1 << bit;
                if let Ok(block) = Block::decode(&altered.into(), &FeedLimits::default()) {
                    refused(&receiver, run(&all[1], number as u64, &[block]));
                }
            }
        }
    }
}

#[test]
fn whatever_is_cut_short_or_too_long_is_refused() {
    let (all, receiver, full) = fixture();
    let bytes = postcard::to_stdvec(&full).unwrap();
    for length in 0..bytes.len() {
        assert_eq!(decode::<Run>(&bytes[..length]), None, "{length}");
    }
    let bytes = full.blocks[0].encode();
    for length in 0..bytes.len() {
        if let Ok(block) = Block::decode(&bytes.slice(..length), &FeedLimits::default()) {
            refused(&receiver, run(&all[1], 0, &[block]));
        }
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    let block = Block::decode(&longer.into(), &FeedLimits::default()).unwrap();
    refused(&receiver, run(&all[1], 0, &[block]));
}

#[test]
fn limits_hold_when_a_block_is_decoded() {
    let limits = FeedLimits {
        body_bytes_max: 4,
        deps_max: 0,
        ..FeedLimits::default()
    };
    let (_, _, full) = fixture();
    assert_eq!(
        Block::decode(&full.blocks[0].encode(), &limits),
        Err(BlockDecodeError::TooManyDeps { found: 1, max: 0 })
    );
    assert_eq!(
        Block::decode(&full.blocks[2].encode(), &limits),
        Err(BlockDecodeError::BodyTooLarge { found: 5, max: 4 })
    );
    let mut later = full.blocks[1].encode().to_vec();
    later[0] = 4;
    assert_eq!(
        Block::decode(&later.into(), &limits),
        Err(BlockDecodeError::Version { found: 4 })
    );
}

#[test]
fn any_altered_byte_of_a_fork_proof_is_refused() {
    let (all, receiver, full) = fixture();
    let mut receiver = receiver;
    receiver.insert(full).unwrap();
    let (other, _) = all[1].chain(&START, &[b"rubbish", b"signed"], |number| number == 1);
    let Err(InsertError::Fork(proof)) = receiver.insert(run(&all[1], 0, &other)) else {
        panic!("a fork")
    };
    let bytes = postcard::to_stdvec(&proof).unwrap();
    assert_eq!(decode::<ForkProof>(&bytes).as_ref(), Some(&*proof));
    assert_eq!(proof.verify(), Ok(()));
    for place in 0..bytes.len() {
        assert_eq!(decode::<ForkProof>(&bytes[..place]), None);
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[place] ^= 1 << bit;
            if let Some(altered) = decode::<ForkProof>(&altered) {
                assert_eq!(altered.verify(), Err(ForkProofError), "byte {place}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Block::decode(&Bytes::from(bytes.clone()), &FeedLimits::default());
        if let Some(proof) = decode::<ForkProof>(&bytes) {
            prop_assert!(proof.verify().is_err());
        }
        if let Some(run) = decode::<Run>(&bytes) {
            prop_assert!(Replica::new(&writers(1)).insert(run).is_err());
        }
    }

    #[test]
    fn garbled_runs_and_proofs_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (all, mut receiver, mut full) = fixture();
        full.leave_out_signatures();
        let garble = |mut bytes: Vec<u8>| {
            for (place, byte) in &edits {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            let length = bytes.len();
            bytes.truncate(length - cut.index(length / 4));
            bytes
        };
        let garbled = garble(postcard::to_stdvec(&full).unwrap());
        if let Some(found) = decode::<Run>(&garbled) && found != full {
            refused(&receiver, found);
        }
        receiver.insert(full).unwrap();
        let (other, _) = all[1].chain(&START, &[b"x"], |_| true);
        if let Err(InsertError::Fork(proof)) = receiver.insert(run(&all[1], 0, &other)) {
            let garbled = garble(postcard::to_stdvec(&proof).unwrap());
            if let Some(found) = decode::<ForkProof>(&garbled) && found != *proof {
                prop_assert!(found.verify().is_err());
            }
        }
    }
}
