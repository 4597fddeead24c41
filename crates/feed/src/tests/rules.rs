//! Logical time and dependencies are what they must be.

use dxos_keys::{BlockHash, FeedId};

use super::support::*;
use crate::*;

/// The first writer has two blocks, the second one block that depends on the first of them.
fn fixture() -> (Vec<Writer>, Replica, [Tip; 2], Tip) {
    let all = writers(3);
    let (blocks, tip) = all[0].chain(&START, &[b"a", b"b"], |_| true);
    let (_, before) = all[0].chain(&START, &[b"a"], |_| true);
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[0], 0, &blocks)).unwrap();
    let deps = vec![all[0].dep(&tip)];
    let (block, own) = all[1].forge(&START, (3, deps), b"c", true);
    replica.insert(run(&all[1], 0, &[block])).unwrap();
    (all, replica, [before, tip], own)
}

#[test]
fn logical_time_is_exact() {
    let (all, replica, [_, cause], own) = fixture();
    assert_eq!(own.lamport, 3);
    // After its own block, and in a feed that names that one.
    let places = [
        (&all[1], &own, vec![], 4),
        (&all[2], &START, vec![all[1].dep(&own)], 4),
        (&all[2], &START, vec![all[0].dep(&cause)], 3),
        (&all[2], &START, vec![], 1),
    ];
    for (writer, tip, deps, expected) in places {
        let claims = [0, 1, 2, 3, 4, 5, 1000, u64::MAX - 1, u64::MAX];
        for found in claims {
            let mut replica = replica.clone();
            let (block, _) = writer.forge(tip, (found, deps.clone()), b"", true);
            let result = replica.insert(run(writer, tip.seq, &[block]));
            if found == expected {
                assert_eq!(result.unwrap().accepted, 1);
            } else {
                let error = InsertError::BadLamport {
                    feed: writer.feed,
                    seq: tip.seq,
                    found,
                    expected,
                };
                assert!(error.is_offence());
                assert_eq!(result, Err(error));
                assert_eq!(replica.dag.waiting_blocks(), 0);
            }
        }
    }
}

#[test]
fn dependencies_are_sorted_new_and_of_other_feeds() {
    let (mut all, mut replica, [stale, cause], own) = fixture();
    let (blocks, third) = all[2].chain(&START, &[b"d"], |_| true);
    replica.insert(run(&all[2], 0, &blocks)).unwrap();
    let writer = all.remove(1);
    let (one, other) = (all[0].dep(&cause), all[1].dep(&third));
    let (low, high) = if one.feed < other.feed {
        (one, other)
    } else {
        (other, one)
    };
    let many = (0..=FeedLimits::default().deps_max).map(|number| {
        let mut feed = [0; 32];
        feed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Dep {
            feed: FeedId::from_bytes(feed),
            ..low
        }
    });
    let wrong = [
        vec![high, low],
        vec![other, other],
        vec![writer.dep(&own)],
        // What the writer had named before, the same and an older one.
        vec![one],
        vec![all[0].dep(&stale)],
        many.collect(),
    ];
    for deps in wrong {
        for lamport in [4, 5] {
            let (block, _) = writer.forge(&own, (lamport, deps.clone()), b"", true);
            let mut replica = replica.clone();
            assert_eq!(
                replica.insert(run(&writer, 1, &[block])),
                Err(InsertError::BadDeps {
                    feed: writer.feed,
                    seq: 1
                })
            );
            assert_eq!(replica.dag.waiting_blocks(), 0);
        }
    }
    let (block, _) = writer.forge(&own, (4, vec![other]), b"", true);
    assert_eq!(
        replica.insert(run(&writer, 1, &[block])).unwrap().accepted,
        1
    );
}

#[test]
fn a_stale_dependency_within_one_run_is_refused() {
    let (all, mut replica, [before, cause], _) = fixture();
    let (first, tip) = all[2].forge(&START, (3, vec![all[0].dep(&cause)]), b"", true);
    let (second, _) = all[2].forge(&tip, (4, vec![all[0].dep(&before)]), b"", true);
    let result = replica.insert(run(&all[2], 0, &[first, second]));
    let feed = all[2].feed;
    assert_eq!(result, Err(InsertError::BadDeps { feed, seq: 1 }));
    // The good block before it stays.
    assert_eq!(replica.length(&all[2]), 1);
}

#[test]
fn a_cause_that_does_not_exist_is_never_accepted() {
    let (all, replica, [before, cause], _) = fixture();
    let unknown = writer(200);
    let hash = BlockHash::from_bytes([5; 32]);
    let zeros = BlockHash::from_bytes([0; 32]);
    let feed = all[0].feed;
    let bogus = [
        Dep { feed, seq: 1, hash },
        Dep {
            feed,
            seq: 0,
            hash: cause.hash,
        },
        Dep {
            feed,
            seq: 1,
            hash: before.hash,
        },
        Dep {
            feed,
            seq: 2,
            hash: cause.hash,
        },
        Dep {
            feed,
            seq: u64::MAX,
            hash: cause.hash,
        },
        Dep {
            feed: unknown.feed,
            seq: 0,
            hash,
        },
        Dep {
            feed: unknown.feed,
            seq: u64::MAX,
            hash: zeros,
        },
    ];
    for dep in bogus {
        for lamport in 1..5 {
            let mut replica = replica.clone();
            let (block, _) = all[2].forge(&START, (lamport, vec![dep]), b"", true);
            let inserted = replica.insert(run(&all[2], 0, &[block])).unwrap();
            assert_eq!(inserted.accepted, 0);
            assert_eq!(inserted.missing.unwrap().dep(), dep);
            let missing = replica.dag.missing(&replica.index).unwrap();
            assert_eq!(
                missing.iter().map(MissingDep::dep).collect::<Vec<_>>(),
                [dep]
            );
            // Other blocks do not let it in.
            replica.append(&all[0], b"more");
            assert_eq!(replica.dag.waiting_blocks(), 1);
            assert_eq!(replica.length(&all[2]), 0);
        }
    }
}

#[test]
fn the_place_before_the_first_block_is_no_cause() {
    // An empty feed, the last number there is, and the hash that stands before the first block.
    let all = writers(2);
    let mut replica = Replica::new(&all);
    let dep = Dep {
        feed: all[0].feed,
        seq: u64::MAX,
        hash: BlockHash::from_bytes([0; 32]),
    };
    let (block, _) = all[1].forge(&START, (1, vec![dep]), b"", true);
    let inserted = replica.insert(run(&all[1], 0, &[block])).unwrap();
    assert_eq!(inserted.missing, Some(MissingDep::Block(dep)));
    let found = replica.dag.hash_at(&dep.feed, u64::MAX, &replica.index);
    assert_eq!(found, Ok(None));
}
