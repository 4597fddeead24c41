//! One signature vouches for a run, and for nothing else.

use dxos_keys::{Signature, SpaceKey};

use super::support::*;
use crate::*;

fn fixture() -> (Vec<Writer>, Replica, Vec<Block>) {
    let all = writers(2);
    let mut source = Replica::new(&all);
    let blocks = (0..6_u8)
        .map(|body| source.append(&all[0], &[body]))
        .collect();
    (all, source, blocks)
}

fn offends(all: &[Writer], run: Run) {
    let mut receiver = Replica::new(all);
    let (feed, first, end) = (run.feed, run.first, run.end());
    assert_eq!(
        receiver.insert(run),
        Err(InsertError::BadSignature { feed, first, end })
    );
    assert!(receiver.log.is_empty());
}

#[test]
fn only_the_last_signature_is_looked_at_and_vouches_for_all() {
    let (all, source, blocks) = fixture();
    let mut receiver = Replica::new(&all);
    let inserted = receiver.insert(run(&all[0], 0, &blocks[..4])).unwrap();
    assert_eq!((inserted.accepted, inserted.duplicates), (4, 0));
    let inserted = receiver.insert(run(&all[0], 2, &blocks[2..])).unwrap();
    assert_eq!((inserted.accepted, inserted.duplicates), (2, 2));
    assert_eq!(receiver.log, source.log);
}

#[test]
fn replaced_reordered_dropped_and_replayed_blocks_are_refused() {
    let (all, _, blocks) = fixture();
    for place in 0..5 {
        let mut replaced = blocks.clone();
        replaced[place].body = (&b"other"[..]).into();
        offends(&all, run(&all[0], 0, &replaced));

        let mut reordered = blocks.clone();
        reordered.swap(place, place + 1);
        offends(&all, run(&all[0], 0, &reordered));

        let mut dropped = blocks.clone();
        dropped.remove(place);
        offends(&all, run(&all[0], 0, &dropped));

        let mut replayed = blocks.clone();
        replayed.insert(place, blocks[place].clone());
        offends(&all, run(&all[0], 0, &replayed));

        let mut unsigned = blocks.clone();
        unsigned[5].signature = None;
        offends(&all, run(&all[0], 0, &unsigned));
        unsigned[5].signature = blocks[place].signature;
        offends(&all, run(&all[0], 0, &unsigned));
    }
}

#[test]
fn a_relay_that_alters_signatures_in_the_middle_changes_nothing() {
    let (all, source, blocks) = fixture();
    for signature in [None, Some(Signature::from_bytes([1; 64]))] {
        let mut altered = blocks.clone();
        for block in &mut altered[..5] {
            block.signature = signature;
        }
        let mut receiver = Replica::new(&all);
        receiver.insert(run(&all[0], 0, &altered)).unwrap();
        assert_eq!(receiver.log, source.log);
        // What it has, it can show to others.
        let mut other = Replica::new(&all);
        other.pull(&receiver);
        assert_eq!(other.log, source.log);
    }
}

#[test]
fn a_run_of_another_feed_device_or_space_is_refused() {
    let (all, _, blocks) = fixture();
    offends(&all, run(&all[1], 0, &blocks));
    for descriptor in [
        FeedDescriptor {
            designation: Designation::Control,
            ..all[0].descriptor
        },
        FeedDescriptor {
            incarnation: 1,
            ..all[0].descriptor
        },
        FeedDescriptor {
            space: SpaceKey::from_bytes([3; 32]),
            ..all[0].descriptor
        },
    ] {
        let mut receiver = Dag::new(descriptor.space, FeedLimits::default());
        receiver.register(descriptor).unwrap();
        let feed = descriptor.id();
        let (index, accept) = (MemoryIndex::default(), &mut |_: Accepted<'_>| panic!());
        // As it is, and passed off as one of the feed that is known.
        let unknown = receiver.insert(run(&all[0], 0, &blocks), &index, accept);
        assert_eq!(unknown, Err(InsertError::Unknown { feed: all[0].feed }));
        let passed_off = Run {
            feed,
            first: 0,
            blocks: blocks.clone(),
        };
        let refused = receiver.insert(passed_off, &index, accept).unwrap_err();
        assert!(refused.is_offence(), "{refused}");
    }
}

#[test]
fn gaps_empty_and_overlong_runs_are_refused() {
    let (all, _, blocks) = fixture();
    let feed = all[0].feed;
    let mut receiver = Replica::new(&all);
    receiver.insert(run(&all[0], 0, &blocks[..2])).unwrap();
    let gap = |first| InsertError::Gap {
        feed,
        needed: 2,
        first,
    };
    assert_eq!(receiver.insert(run(&all[0], 3, &blocks[3..])), Err(gap(3)));
    let far = run(&all[0], u64::MAX, &blocks);
    assert_eq!(receiver.insert(far), Err(gap(u64::MAX)));
    let empty = receiver.insert(run(&all[0], 2, &[])).unwrap_err();
    assert_eq!(empty, InsertError::Empty { feed });
    assert!(empty.is_offence() && !gap(3).is_offence());

    let many = vec![blocks[0].clone(); Run::BLOCKS_MAX + 1];
    let long = run(&all[0], 2, &many);
    let bytes = postcard::to_stdvec(&long).unwrap();
    assert!(postcard::from_bytes::<Run>(&bytes).is_err());
    let error = receiver.insert(long).unwrap_err();
    assert!(matches!(error, InsertError::RunTooLong { .. }) && error.is_offence());
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let (all, _, blocks) = fixture();
    let limits = FeedLimits {
        body_bytes_max: 0,
        ..FeedLimits::default()
    };
    let error = Replica::with_limits(&all, limits)
        .insert(run(&all[0], 0, &blocks))
        .unwrap_err();
    assert!(matches!(
        error,
        InsertError::BodyTooLarge {
            seq: 0,
            found: 1,
            max: 0,
            ..
        }
    ));
}
