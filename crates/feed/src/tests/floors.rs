//! Below a floor blocks may be missing, and everything else is judged alike.

use dxos_keys::BlockHash;

use super::support::*;
use crate::*;

/// The first writer has five blocks, of which a snapshot stands for three.
fn fixture() -> (Vec<Writer>, Vec<Block>, Floor) {
    let all = writers(2);
    let bodies: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
    let (blocks, _) = all[0].chain(&START, &bodies, |_| true);
    let (_, tip) = all[0].chain(&START, &bodies[..3], |_| true);
    let floor = Floor {
        length: 3,
        head: tip.hash,
        lamport: tip.lamport,
        clock: Timeframe {
            dots: [(all[0].feed, 3)].into(),
        },
    };
    (all, blocks, floor)
}

fn settled(all: &[Writer], floor: &Floor, blocks: &[Block]) -> (Replica, Settled) {
    let mut replica = Replica::new(all);
    if !blocks.is_empty() {
        replica.insert(run(&all[0], 0, blocks)).unwrap();
    }
    let index = replica.index.clone();
    let settled = replica.dag.settle(all[0].descriptor, floor.clone(), &index);
    (replica, settled.unwrap())
}

#[test]
fn a_replica_without_the_blocks_goes_on_from_the_floor() {
    let (all, blocks, floor) = fixture();
    let (mut replica, jumped) = settled(&all, &floor, &blocks[..1]);
    let expected = Settled::Jumped {
        length: 1,
        differs: false,
    };
    assert_eq!(jumped, expected);
    let accepted = replica.insert(run(&all[0], 3, &blocks[3..])).unwrap();
    assert_eq!(accepted.accepted, 2);
    let (whole, had) = settled(&all, &floor, &blocks);
    assert_eq!(had, Settled::Had);
    assert_eq!(replica.dag.timeframe(), whole.dag.timeframe());
    let state = |replica: &Replica| replica.dag.feed(&all[0].feed).cloned().unwrap();
    assert_eq!(state(&replica), state(&whole));
}

#[test]
fn what_reaches_below_the_floor_changes_nothing() {
    let (all, blocks, floor) = fixture();
    let (mut replica, _) = settled(&all, &floor, &[]);
    let result = replica.insert(run(&all[0], 1, &blocks[1..]));
    assert!(matches!(result, Err(InsertError::Gap { needed: 3, .. })));
    assert!(!result.unwrap_err().is_offence());
}

#[test]
fn replicas_with_and_without_the_blocks_judge_causes_below_the_floor_alike() {
    let (all, blocks, floor) = fixture();
    let (jumped, _) = settled(&all, &floor, &[]);
    let (whole, _) = settled(&all, &floor, &blocks[..3]);
    let hash = BlockHash::from_bytes([5; 32]);
    for (seq, hash, accepted) in [
        // A block that is there, or is said to have been: between nothing and the floor.
        (1, hash, 1..=4),
        (0, hash, 1..=4),
        (2, hash, 1..=4),
        // The last one is known.
        (2, floor.head, 4..=4),
    ] {
        for lamport in 0..7 {
            let dep = Dep {
                feed: all[0].feed,
                seq,
                hash,
            };
            let (block, _) = all[1].forge(&START, (lamport, vec![dep]), b"x", true);
            let block = [block];
            let results = [&jumped, &whole].map(|replica| {
                let (mut dag, index) = (replica.dag.clone(), replica.index.clone());
                let inserted = dag.insert(run(&all[1], 0, &block), &index, &mut |_| {});
                inserted.is_ok()
            });
            let expected = accepted.contains(&lamport);
            assert_eq!(results, [expected, expected], "{seq} {lamport}");
        }
    }
}

#[test]
fn a_fork_below_the_floor_closes_the_feed_at_the_floor() {
    let (all, blocks, floor) = fixture();
    let (other, _) = all[0].chain(&START, &[b"a", b"z"], |_| true);
    let mut twin = Replica::new(&all);
    twin.insert(run(&all[0], 0, &other)).unwrap();
    let fork = twin.insert(run(&all[0], 0, &blocks[..2]));
    let Err(InsertError::Fork(proof)) = fork else {
        panic!("{fork:?}");
    };
    let (mut whole, _) = settled(&all, &floor, &blocks);
    let index = whole.index.clone();
    let cut = whole.dag.cut(&proof, &index).unwrap().unwrap();
    assert_eq!((cut.from, cut.length), (3, 5));
    let (mut jumped, _) = settled(&all, &floor, &[]);
    let index = jumped.index.clone();
    jumped.dag.cut(&proof, &index).unwrap().unwrap();
    let state = |replica: &Replica| replica.dag.feed(&all[0].feed).cloned().unwrap();
    assert_eq!(state(&jumped), state(&whole));
    let result = jumped.insert(run(&all[0], 3, &blocks[3..]));
    assert_eq!(result, Err(InsertError::Forked { feed: all[0].feed }));
}

#[test]
fn whoever_has_another_branch_takes_the_one_that_the_snapshot_stands_for() {
    let (all, blocks, floor) = fixture();
    let bodies: [&[u8]; 4] = [b"a", b"z", b"y", b"x"];
    let (other, _) = all[0].chain(&START, &bodies, |_| true);
    let (mut replica, jumped) = settled(&all, &floor, &other);
    let expected = Settled::Jumped {
        length: 4,
        differs: true,
    };
    assert_eq!(jumped, expected);
    replica.insert(run(&all[0], 3, &blocks[3..])).unwrap();
    assert_eq!(replica.dag.feed(&all[0].feed).unwrap().length, 5);
}
