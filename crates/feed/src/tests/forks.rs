//! A writer that says one thing here and another there.

use dxos_keys::BlockHash;
use proptest::prelude::*;

use super::delivery::history;
use super::support::*;
use crate::*;

fn proof_of(result: Result<Inserted, InsertError>) -> ForkProof {
    match result {
        Err(InsertError::Fork(proof)) => *proof,
        other => panic!("a fork, not {other:?}"),
    }
}

/// Two chains of one writer that part behind the first two blocks.
fn branches(writer: &Writer) -> (Vec<Block>, [Vec<Block>; 2]) {
    let (trunk, tip) = writer.chain(&START, &[b"0", b"1"], |_| true);
    let (one, _) = writer.chain(&tip, &[b"2a", b"3a", b"4a"], |_| true);
    let (other, _) = writer.chain(&tip, &[b"2b", b"3b"], |_| true);
    (
        trunk.clone(),
        [[trunk.clone(), one].concat(), [trunk, other].concat()],
    )
}

#[test]
fn both_sides_find_the_same_proof() {
    let all = writers(1);
    let (_, [one, other]) = branches(&all[0]);
    let mut proofs = Vec::new();
    for (ours, theirs) in [(&one, &other), (&other, &one)] {
        // From the start, from the trunk's end, from the fork itself, and block by block.
        for first in 0..3 {
            let mut replica = Replica::new(&all);
            replica.insert(run(&all[0], 0, ours)).unwrap();
            let start = first as u64;
            proofs.push(proof_of(replica.insert(run(
                &all[0],
                start,
                &theirs[first..],
            ))));
            let alone = run(&all[0], 2, &theirs[2..3]);
            proofs.push(proof_of(replica.insert(alone)));
        }
    }
    for proof in &proofs {
        assert_eq!(proof, &proofs[0]);
        assert_eq!((proof.feed(), proof.seq()), (all[0].feed, 2));
        assert_eq!(proof.descriptor(), &all[0].descriptor);
        assert_eq!(proof.verify(), Ok(()));
        assert!(!InsertError::Fork(Box::new(proof.clone())).is_offence());
    }
}

#[test]
fn a_fork_is_found_when_one_side_only_waits() {
    let all = writers(2);
    let mut source = Replica::new(&all);
    source.append(&all[0], b"cause");
    let dep = all[0].dep(&Tip {
        seq: 1,
        hash: source.dag.feed(&all[0].feed).unwrap().head,
        lamport: 1,
    });
    let (waits, _) = all[1].forge(&START, (2, vec![dep]), b"waits", true);
    let (free, _) = all[1].forge(&START, (1, vec![]), b"free", true);
    let mut replica = Replica::new(&all);
    replica
        .insert(run(&all[1], 0, std::slice::from_ref(&waits)))
        .unwrap();
    let proof = proof_of(replica.insert(run(&all[1], 0, std::slice::from_ref(&free))));
    assert_eq!(
        replica.cut(&proof).map(|cut| (cut.from, cut.length)),
        Some((0, 0))
    );
    assert_eq!(replica.dag.waiting_blocks(), 0);
    // The other way round: what waits is compared before it is checked.
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[1], 0, &[free])).unwrap();
    assert_eq!(proof_of(replica.insert(run(&all[1], 0, &[waits]))), proof);
}

#[test]
fn two_signatures_of_one_header_are_no_fork() {
    let all = writers(1);
    let (one, _) = all[0].chain(&START, &[b"0", b"1"], |_| true);
    let (other, _) = all[0].chain(&START, &[b"0", b"1"], |number| number == 1);
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[0], 0, &one)).unwrap();
    let again = replica.insert(run(&all[0], 0, &other)).unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 2));
}

#[test]
fn honest_writers_cannot_be_framed() {
    let all = writers(2);
    let (one, _) = all[0].chain(&START, &[b"0"], |_| true);
    let (other, _) = all[0].chain(&START, &[b"x"], |_| true);
    let genesis = BlockHash::from_bytes([0; 32]);
    let signed = |block: &Block, seq| {
        let header = block.header(all[0].feed, seq, genesis);
        SignedHeader::new(header, block.signature.unwrap())
    };
    let frame = |descriptor, one, other| ForkProof::new(descriptor, one, other);
    let (a, b) = (signed(&one[0], 0), signed(&other[0], 0));
    assert!(frame(all[0].descriptor, a.clone(), b.clone()).is_ok());
    assert_eq!(
        frame(all[0].descriptor, a.clone(), a.clone()),
        Err(ForkProofError)
    );
    assert_eq!(
        frame(all[1].descriptor, a.clone(), b.clone()),
        Err(ForkProofError)
    );
    // The same feed claimed for another device, another place, a block nobody signed.
    let mut elsewhere = b.clone();
    elsewhere.header.seq = 1;
    let mut unsigned = b.clone();
    unsigned.header.time_ms += 1;
    let mut after_another = b;
    after_another.header.prev = BlockHash::from_bytes([1; 32]);
    for forged in [elsewhere, unsigned, after_another] {
        assert_eq!(
            frame(all[0].descriptor, a.clone(), forged),
            Err(ForkProofError)
        );
    }
}

#[test]
fn the_earliest_cut_wins_in_any_order() {
    let all = writers(1);
    let (trunk, [one, other]) = branches(&all[0]);
    let later = {
        let (_, tip) = all[0].chain(&START, &[b"0", b"1"], |_| true);
        let (fork, _) = all[0].chain(&tip, &[b"2a", b"3a", b"4c"], |_| true);
        let mut replica = Replica::new(&all);
        replica.insert(run(&all[0], 0, &one)).unwrap();
        proof_of(replica.insert(run(&all[0], 2, &fork)))
    };
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[0], 0, &one)).unwrap();
    let early = proof_of(replica.insert(run(&all[0], 0, &other)));
    assert_eq!((early.seq(), later.seq()), (2, 4));

    let mut states = Vec::new();
    for proofs in [[&early, &later], [&later, &early]] {
        for blocks in [&trunk[..1], &trunk[..], &one[..4], &one[..], &other[..]] {
            let mut replica = Replica::new(&all);
            replica.insert(run(&all[0], 0, blocks)).unwrap();
            let cuts: Vec<_> = proofs.iter().map(|proof| replica.cut(proof)).collect();
            assert!(cuts[0].is_some());
            assert_eq!(cuts[1].is_some(), proofs[1] == &early);
            assert_eq!(replica.cut(proofs[0]), None);
            // A replica that is shorter goes on up to the cut, and not beyond.
            let needed = replica.length(&all[0]);
            if needed < 2 {
                let start = usize::try_from(needed).unwrap();
                let inserted = replica.insert(run(&all[0], needed, &one[start..])).unwrap();
                assert_eq!(inserted.accepted, 2 - start);
            }
            let feed = all[0].feed;
            assert_eq!(
                replica.insert(run(&all[0], 2, &one[2..])),
                Err(InsertError::Forked { feed })
            );
            states.push(replica.dag.feed(&feed).unwrap().clone());
        }
    }
    for state in &states {
        assert_eq!(state, &states[0]);
        assert_eq!(state.length, 2);
    }
}

#[test]
fn an_earlier_fork_is_found_after_a_later_one_was_cut() {
    // One replica has the first branch and a later proof about it, the other is on the second.
    let all = writers(1);
    let (_, [one, other]) = branches(&all[0]);
    let (_, tip) = all[0].chain(&START, &[b"0", b"1", b"2a", b"3a"], |_| true);
    let (third, _) = all[0].chain(&tip, &[b"4c"], |_| true);
    let mut left = Replica::new(&all);
    left.insert(run(&all[0], 0, &one)).unwrap();
    let later = proof_of(left.insert(run(&all[0], 4, &third)));
    left.cut(&later);
    let mut right = Replica::new(&all);
    right.insert(run(&all[0], 0, &other[..3])).unwrap();
    right.cut(&later);
    assert_eq!(right.length(&all[0]), 3);
    let mut both = [left, right];
    settle(&mut both);
    assert_eq!(both[0].forked(&all[0].feed), Some(2));
}

#[test]
fn a_proof_for_an_unknown_feed_or_of_nothing_cuts_nothing() {
    let all = writers(2);
    let (_, [one, other]) = branches(&all[0]);
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[0], 0, &one)).unwrap();
    let proof = proof_of(replica.insert(run(&all[0], 0, &other)));
    let mut stranger = Replica::new(&all[1..]);
    let feed = all[0].feed;
    let refused = stranger.dag.cut(&proof, &stranger.index);
    assert_eq!(refused, Err(CutError::Unknown { feed }));
    let lost = replica.dag.clone().cut(&proof, &MemoryIndex::default());
    assert!(matches!(lost, Err(CutError::Index(_))));
}

/// A forked feed, cut, and honest blocks that name each of its branches.
struct Aftermath {
    all: Vec<Writer>,
    replicas: Vec<Replica>,
}

fn aftermath() -> Aftermath {
    let all = writers(3);
    let (_, [one, other]) = branches(&all[0]);
    let mut replicas: Vec<_> = (0..4).map(|_| Replica::new(&all)).collect();
    replicas[1].insert(run(&all[0], 0, &one)).unwrap();
    replicas[1].append(&all[1], b"names the end of one");
    replicas[2].insert(run(&all[0], 0, &other)).unwrap();
    replicas[2].append(&all[2], b"names the end of the other");
    Aftermath { all, replicas }
}

#[test]
fn honest_blocks_on_either_branch_are_accepted_everywhere() {
    let Aftermath { all, mut replicas } = aftermath();
    settle(&mut replicas);
    for replica in &replicas {
        let lengths: Vec<_> = all.iter().map(|writer| replica.length(writer)).collect();
        assert_eq!(lengths, [2, 1, 1]);
    }
    // And life goes on.
    for (number, writer) in [(1, &all[1]), (2, &all[2])] {
        replicas[number].append(writer, b"after");
    }
    settle(&mut replicas);
}

#[test]
fn a_branch_may_come_in_parts() {
    let Aftermath { all, mut replicas } = aftermath();
    let source = replicas[1].clone();
    let one = source.all(&all[0]).blocks;
    let proof = proof_of(replicas[2].insert(source.all(&all[0])));
    let reader = &mut replicas[3];
    reader.insert(run(&all[0], 0, &one[..2])).unwrap();
    reader.cut(&proof);
    let waits = reader.insert(source.all(&all[1])).unwrap();
    assert!(matches!(waits.missing, Some(MissingDep::OtherBranch(_))));
    reader.insert_branch(None, run(&all[0], 2, &one[2..3]));
    let hash = |seq| {
        source
            .dag
            .hash_at(&all[0].feed, seq, &source.index)
            .unwrap()
            .unwrap()
    };
    reader.insert_branch(Some(hash(2)), run(&all[0], 3, &one[3..4]));
    let missing = reader.dag.missing_branches(&reader.index).unwrap();
    assert_eq!(
        missing.iter().map(|dep| dep.hash).collect::<Vec<_>>(),
        [hash(4)]
    );
    // Not after a block that is not kept, not at another place.
    for (prev, first) in [(hash(4), 4), (hash(3), 5), (hash(3), 3), (hash(1), 2)] {
        let run = run(&all[0], first, &one[4..]);
        let (index, none) = (&reader.index, &mut |_: BlockHash, _: &Block| panic!());
        let refused = reader
            .dag
            .insert_branch_after(prev, run, index, none, &mut |_| panic!());
        assert!(matches!(refused, Err(InsertError::Gap { .. })));
    }
    let last = reader.insert_branch(Some(hash(3)), run(&all[0], 4, &one[4..]));
    assert_eq!((last.accepted, reader.length(&all[1])), (1, 1));
}

#[test]
fn a_branch_is_held_to_the_rules() {
    let Aftermath { all, mut replicas } = aftermath();
    let theirs = replicas[2].all(&all[0]);
    let proof = proof_of(replicas[1].insert(theirs));
    replicas[1].cut(&proof);
    let replica = &mut replicas[1];
    let state = replica.dag.feed(&all[0].feed).unwrap();
    let tip = Tip {
        seq: 2,
        hash: state.head,
        lamport: state.lamport,
    };
    let (inflated, _) = all[0].forge(&tip, (1000, vec![]), b"", true);
    let mut altered = inflated.clone();
    altered.lamport = 3;
    for (block, first) in [(&inflated, 2), (&altered, 2), (&altered, 1), (&altered, 3)] {
        let run = run(&all[0], first, std::slice::from_ref(block));
        let (index, keep) = (&replica.index, &mut |_: BlockHash, _: &Block| panic!());
        assert!(
            replica
                .dag
                .insert_branch(run, index, keep, &mut |_| panic!())
                .is_err()
        );
    }
}

#[test]
fn a_branch_block_is_a_cause_at_its_own_place_only() {
    // A writer that names a real block of a branch for another place would claim to have seen
    // what does not exist.
    let Aftermath { all, mut replicas } = aftermath();
    settle(&mut replicas);
    let replica = &replicas[0];
    let ((_, seq, hash), (_, block)) = replica.branches.first_key_value().unwrap();
    let own = replica.dag.feed(&all[2].feed).unwrap();
    let tip = Tip {
        seq: own.length,
        hash: own.head,
        lamport: own.lamport,
    };
    let claims = [
        (all[0].feed, seq + 1_000_000),
        (all[0].feed, u64::MAX),
        (all[1].feed, *seq),
        (all[1].feed, 1_000_000),
    ];
    for (feed, seq) in claims {
        let mut replica = replica.clone();
        let dep = Dep {
            feed,
            seq,
            hash: *hash,
        };
        let lamport = block.lamport.max(tip.lamport) + 1;
        let (claim, _) = all[2].forge(&tip, (lamport, vec![dep]), b"", true);
        let result = replica.insert(run(&all[2], tip.seq, &[claim]));
        assert_eq!(result.unwrap().accepted, 0, "{feed} {seq}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn forks_in_random_histories_are_cut_alike(seed in any::<u64>(), count in 3..=5_u8) {
        let dice = &mut Dice(seed);
        let all = writers(count);
        let mut replicas = history(dice, &all, 40);
        // The first writer is restored from a backup, up to three times, and goes on with
        // whoever it meets; the others go on as well.
        for _ in 0..=dice.below(3) {
            let mut restored = Replica::new(&all);
            let old = &replicas[0];
            let length = old.length(&all[0]);
            if length == 0 {
                break;
            }
            let keep = dice.below(usize::try_from(length).unwrap()) as u64;
            for writer in &all[1..] {
                if old.length(writer) > 0 {
                    restored.insert(old.all(writer)).unwrap();
                }
            }
            if keep > 0 {
                restored.insert(old.run(all[0].feed, 0, keep)).unwrap();
            }
            if restored.length(&all[0]) < keep || restored.forked(&all[0].feed).is_some() {
                break;
            }
            for _ in 0..=dice.below(4) {
                restored.append(&all[0], &dice.0.to_le_bytes());
                let meets = 1 + dice.below(all.len() - 1);
                replicas[meets].pull(&restored);
                if dice.below(2) == 0 {
                    replicas[meets].append(&all[meets], b"meanwhile");
                }
            }
            replicas.push(restored);
        }
        settle(&mut replicas);
        for (number, writer) in all.iter().enumerate().skip(1) {
            replicas[number].append(writer, b"after");
        }
        settle(&mut replicas);
    }
}
