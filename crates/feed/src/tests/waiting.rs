//! Blocks that came before their causes.

use super::support::*;
use crate::*;

/// One block of the first writer, and `count` of the second that depend on it.
fn fixture(count: usize) -> (Vec<Writer>, Replica) {
    let all = writers(3);
    let mut source = Replica::new(&all);
    source.append(&all[0], b"cause");
    for _ in 0..count {
        source.append(&all[1], &[1; 100]);
    }
    (all, source)
}

#[test]
fn blocks_wait_for_their_causes_and_are_not_asked_for_again() {
    let (all, source) = fixture(5);
    let mut receiver = Replica::new(&all);
    let early = receiver.insert(source.run(all[1].feed, 0, 3)).unwrap();
    assert_eq!(early.accepted, 0);
    let missing = early.missing.unwrap();
    assert_eq!((missing.dep().feed, missing.dep().seq), (all[0].feed, 0));
    assert_eq!(receiver.dag.next_needed(&all[1].feed), 3);
    let third = source.dag.hash_at(&all[1].feed, 2, &source.index).unwrap();
    assert_eq!(Some(receiver.dag.head_needed(&all[1].feed)), third);
    assert_eq!(
        receiver.dag.hash_at(&all[1].feed, 2, &receiver.index),
        Ok(third)
    );
    // More of the same, with what is known already.
    let more = receiver.insert(source.run(all[1].feed, 1, 5)).unwrap();
    assert_eq!(
        (more.accepted, more.duplicates, more.missing),
        (0, 2, Some(missing))
    );
    assert_eq!(receiver.dag.missing(&receiver.index).unwrap(), [missing]);
    let rest = receiver.insert(source.all(&all[0])).unwrap();
    assert_eq!((rest.accepted, rest.missing), (6, None));
    settle(&mut [source, receiver]);
}

#[test]
fn a_run_that_frees_its_own_cause_lacks_nothing() {
    let all = writers(2);
    let mut source = Replica::new(&all);
    source.append(&all[0], b"a0");
    source.append(&all[1], b"b0");
    source.append(&all[0], b"a1");
    let mut receiver = Replica::new(&all);
    receiver.insert(source.all(&all[1])).unwrap();
    let inserted = receiver.insert(source.all(&all[0])).unwrap();
    assert_eq!((inserted.accepted, inserted.missing), (3, None));
    assert_eq!(receiver.dag.waiting_blocks(), 0);
}

#[test]
fn waiting_is_bounded_by_blocks() {
    let (all, source) = fixture(10);
    let limits = FeedLimits {
        waiting_blocks_max: 4,
        ..FeedLimits::default()
    };
    let mut receiver = Replica::with_limits(&all, limits);
    let full = receiver.insert(source.run(all[1].feed, 0, 5)).unwrap_err();
    assert_eq!(full, InsertError::WaitingFull);
    assert!(!full.is_offence());
    assert_eq!(receiver.dag.waiting_blocks(), 0);
    receiver.insert(source.run(all[1].feed, 0, 3)).unwrap();
    assert_eq!(
        receiver.insert(source.run(all[1].feed, 3, 5)),
        Err(InsertError::WaitingFull)
    );
    receiver.insert(source.run(all[1].feed, 3, 4)).unwrap();
    assert_eq!(receiver.dag.waiting_blocks(), 4);
    // The cause comes: there is room again.
    assert_eq!(receiver.insert(source.all(&all[0])).unwrap().accepted, 5);
    assert_eq!(
        receiver
            .insert(source.run(all[1].feed, 4, 10))
            .unwrap()
            .accepted,
        6
    );
    settle(&mut [source, receiver]);
}

#[test]
fn waiting_is_bounded_by_bytes() {
    let (all, source) = fixture(10);
    let size = source.run(all[1].feed, 1, 2).bytes();
    let limits = FeedLimits {
        waiting_bytes_max: 4 * size,
        ..FeedLimits::default()
    };
    let mut receiver = Replica::with_limits(&all, limits);
    // The first of them is larger by a dependency.
    receiver.insert(source.run(all[1].feed, 0, 3)).unwrap();
    assert_eq!(
        receiver.insert(source.run(all[1].feed, 3, 4)),
        Err(InsertError::WaitingFull)
    );
    for _ in 0..3 {
        receiver.insert(source.all(&all[0])).unwrap();
    }
    assert_eq!(receiver.length(&all[1]), 3);
    receiver.insert(source.run(all[1].feed, 3, 10)).unwrap();
    settle(&mut [source, receiver]);
}

#[test]
fn a_full_buffer_does_not_stop_what_needs_none() {
    let (all, mut source) = fixture(4);
    source.append(&all[0], b"again");
    source.append(&all[1], b"after");
    let limits = FeedLimits {
        waiting_blocks_max: 0,
        ..FeedLimits::default()
    };
    let mut receiver = Replica::with_limits(&all, limits);
    receiver.insert(source.run(all[0].feed, 0, 1)).unwrap();
    // Four can be accepted, the fifth would have to wait and is dropped.
    let inserted = receiver.insert(source.all(&all[1])).unwrap();
    assert_eq!(inserted.accepted, 4);
    assert!(inserted.missing.is_some());
    assert_eq!(receiver.dag.next_needed(&all[1].feed), 4);
    settle(&mut [source, receiver]);
}

#[test]
fn what_waits_holds_no_memory_but_its_own() {
    let (all, source) = fixture(1);
    let mut receiver = Replica::new(&all);
    let bytes = postcard::to_stdvec(&source.all(&all[1])).unwrap();
    let decoded: Run = postcard::from_bytes(&bytes).unwrap();
    let body = decoded.blocks[0].body.clone();
    receiver.insert(decoded).unwrap();
    assert_eq!(receiver.dag.waiting_blocks(), 1);
    assert!(body.is_unique(), "the run's memory is still held");
}

#[test]
fn a_waiting_block_that_turns_out_wrong_is_dropped_with_what_follows() {
    let (all, source) = fixture(0);
    let cause = source.dag.feed(&all[0].feed).unwrap();
    let dep = Dep {
        feed: all[0].feed,
        seq: 0,
        hash: cause.head,
    };
    // Logical time 7 where 2 follows: nobody can know before the cause is here.
    let (bad, tip) = all[2].forge(&START, (7, vec![dep]), b"", true);
    let (next, _) = all[2].chain(&tip, &[b"next"], |_| true);
    let mut receiver = Replica::new(&all);
    let early = receiver.insert(run(&all[2], 0, &[vec![bad], next].concat()));
    assert_eq!(early.unwrap().accepted, 0);
    assert_eq!(receiver.dag.waiting_blocks(), 2);
    assert_eq!(receiver.insert(source.all(&all[0])).unwrap().accepted, 1);
    assert_eq!(receiver.dag.waiting_blocks(), 0);
    assert_eq!(receiver.length(&all[2]), 0);
}
