//! Blocks without signatures of their own, for which a later one vouches.

use dxos_keys::Signature;

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
    assert_eq!(full.blocks[0].signature, None);
    let mut receiver = Replica::new(&all);
    let early = receiver.insert(run(&all[0], 0, &full.blocks[..2]));
    assert!(matches!(early, Err(InsertError::BadSignature { .. })));
    assert_eq!(receiver.length(&all[0]), 0);
    assert_eq!(receiver.insert(full).unwrap().accepted, 3);
    assert_eq!(receiver.log, source.log);
}

#[test]
fn a_block_is_the_same_whenever_it_is_signed() {
    let all = writers(1);
    let mut source = written(&all, &[(b"0", false), (b"1", false)]);
    let states: Vec<_> = source.dag.feeds().map(|(_, state)| state.clone()).collect();
    source.dag = Dag::open(SPACE, FeedLimits::default(), states);
    let head = source.dag.feed(&all[0].feed).unwrap().head;
    let mut sent = source.all(&all[0]);
    sent.blocks[1].sign(&head, &all[0].secret);
    let early = written(&all, &[(b"0", true), (b"1", true)]);
    assert_eq!(sent.blocks[1], early.all(&all[0]).blocks[1]);
    let mut receiver = Replica::new(&all);
    assert_eq!(receiver.insert(sent).unwrap().accepted, 2);
    // What was written behind it follows for both.
    source.append(&all[0], b"2");
    let rest = source.run(all[0].feed, 2, 3);
    assert_eq!(receiver.insert(rest).unwrap().accepted, 1);
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
fn a_run_keeps_the_signatures_that_bound_what_one_vouches_for() {
    let all = writers(1);
    let mut source = Replica::new(&all);
    let large = [0; 1024];
    for number in 0..200_u8 {
        let body: &[u8] = if number == 100 { &large } else { &[number] };
        source.append(&all[0], body);
    }
    let full = source.all(&all[0]);
    let mut sent = full.clone();
    sent.leave_out_signatures();
    let signed = (0..200).filter(|at| sent.blocks[*at].signature.is_some());
    assert_eq!(signed.collect::<Vec<_>>(), [63, 100, 127, 191, 199]);
    let mut receiver = Replica::new(&all);
    receiver.insert(sent).unwrap();
    assert_eq!(receiver.log, source.log);
}

#[test]
fn feeds_without_most_signatures_do_not_wait_for_each_other() {
    let all = writers(2);
    let mut source = Replica::new(&all);
    for round in 0..5_u8 {
        for body in 0..3 {
            source.append(&all[0], &[round, body]);
        }
        for body in 0..3 {
            source.append(&all[1], &[round, body]);
        }
    }
    let mut left_out = 0;
    for first in [0, 1] {
        let mut receiver = Replica::new(&all);
        for writer in [first, 1 - first] {
            let mut sent = source.all(&all[writer]);
            sent.leave_out_signatures();
            left_out += sent
                .blocks
                .iter()
                .filter(|block| block.signature.is_none())
                .count();
            receiver.insert(sent).unwrap();
        }
        assert_eq!(receiver.dag.waiting_blocks(), 0);
        assert_eq!(receiver.dag.timeframe(), source.dag.timeframe());
        // And the same from there.
        let mut other = Replica::new(&all);
        while other.pull(&receiver) {}
        assert_eq!(other.dag.timeframe(), source.dag.timeframe());
    }
    assert_eq!(left_out, 2 * 20);
}

/// Blocks of two feeds that name each other, in turn.
fn in_turn(all: &[Writer]) -> Replica {
    let mut source = Replica::new(all);
    for round in 0..3_u8 {
        source.append(&all[0], &[round]);
        source.append(&all[1], &[round]);
    }
    source
}

#[test]
fn a_relay_cannot_make_feeds_wait_for_each_other() {
    let all = writers(2);
    let source = in_turn(&all);
    for signature in [None, Some(Signature::from_bytes([1; 64]))] {
        let mut altered = source.all(&all[0]);
        altered.blocks[0].signature = signature;
        let mut receiver = Replica::new(&all);
        let refused = receiver.insert(altered).unwrap_err();
        assert!(matches!(refused, InsertError::BadSignature { .. }) && refused.is_offence());
        assert_eq!(receiver.dag.waiting_blocks(), 0);
        // What others send is taken in as if nothing had happened.
        for writer in &all {
            receiver.insert(source.all(writer)).unwrap();
        }
        assert_eq!(receiver.dag.timeframe(), source.dag.timeframe());
    }
}

#[test]
fn control_feeds_are_signed_throughout() {
    let mut all = writers(1);
    all[0].descriptor = FeedDescriptor {
        designation: Designation::Control,
        ..all[0].descriptor
    };
    all[0].feed = all[0].descriptor.id();
    let source = written(&all, &[(b"0", true), (b"1", true)]);
    let mut altered = source.all(&all[0]);
    altered.blocks[0].signature = None;
    let mut receiver = Replica::new(&all);
    assert!(receiver.insert(altered).unwrap_err().is_offence());
    assert_eq!(receiver.insert(source.all(&all[0])).unwrap().accepted, 2);
}

#[test]
fn what_stands_before_a_fork_is_taken_from_a_run_that_ends_behind_it() {
    let all = writers(1);
    let (trunk, tip) = all[0].chain(&START, &[b"0", b"1"], |_| false);
    let (one, _) = all[0].chain(&tip, &[b"2a", b"3a"], |number| number == 1);
    let (other, _) = all[0].chain(&tip, &[b"2b"], |_| true);
    let mut left = Replica::new(&all);
    left.insert(run(&all[0], 0, &[trunk.clone(), one.clone()].concat()))
        .unwrap();
    let Err(InsertError::Fork(proof)) = left.insert(run(&all[0], 2, &other)) else {
        panic!("a fork")
    };
    let mut right = Replica::new(&all);
    right.cut(&proof);
    // What vouched for the run is not there any more, only the proof is.
    let rest = [trunk, one[..1].to_vec()].concat();
    assert_eq!(right.insert(run(&all[0], 0, &rest)).unwrap().accepted, 2);
}
