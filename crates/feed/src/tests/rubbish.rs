//! A writer that puts rubbish where signatures of inner blocks belong: nobody looks at them when
//! a later one vouches for them, so it must gain nothing.

use dxos_keys::BlockHash;
use proptest::prelude::*;

use super::support::*;
use crate::*;

#[test]
fn what_nothing_valid_vouches_for_is_not_accepted() {
    let all = writers(2);
    let (mut blocks, tip) = all[0].chain(&START, &[b"0", b"1", b"2"], |number| number == 0);
    // The signature that vouches for blocks 1 and 2 is on a block that is refused.
    let (inflated, _) = all[0].forge(&tip, (99, vec![]), b"", true);
    blocks.push(inflated);
    let mut replica = Replica::new(&all);
    let result = replica.insert(run(&all[0], 0, &blocks));
    assert!(matches!(
        result,
        Err(InsertError::BadLamport { seq: 3, .. })
    ));
    assert_eq!(replica.length(&all[0]), 1);

    // Or on one that could wait for what never comes: such runs are refused at once.
    let hash = BlockHash::from_bytes([3; 32]);
    let dep = Dep {
        feed: all[1].feed,
        seq: 0,
        hash,
    };
    let (waits, _) = all[0].forge(&tip, (4, vec![dep]), b"", true);
    blocks[3] = waits;
    let refused = replica.insert(run(&all[0], 0, &blocks)).unwrap_err();
    assert!(matches!(refused, InsertError::BadSignature { .. }) && refused.is_offence());
    assert_eq!(replica.dag.waiting_blocks(), 0);
    // What a replica accepted, it can show to others.
    let mut other = Replica::new(&all);
    other.pull(&replica);
    assert_eq!(other.length(&all[0]), 1);
}

#[test]
fn only_what_names_others_waits_for_them() {
    let all = writers(2);
    let mut source = Replica::new(&all);
    source.append(&all[1], b"cause");
    let dep = source.run(all[1].feed, 0, 1);
    let cause = Tip {
        seq: 1,
        hash: source.dag.feed(&all[1].feed).unwrap().head,
        lamport: 1,
    };
    let (mut blocks, tip) = all[0].chain(&START, &[b"0", b"1"], |number| number == 1);
    let (waits, _) = all[0].forge(&tip, (3, vec![all[1].dep(&cause)]), b"", true);
    blocks.push(waits);
    let mut replica = Replica::new(&all);
    let early = replica.insert(run(&all[0], 0, &blocks)).unwrap();
    assert_eq!((early.accepted, replica.dag.waiting_blocks()), (2, 1));
    assert_eq!(replica.insert(dep).unwrap().accepted, 2);
}

#[test]
fn a_replica_sends_what_others_can_verify() {
    let all = writers(1);
    let signed = |number| number == 1 || number == 4;
    let bodies: [&[u8]; 5] = [b"0", b"1", b"2", b"3", b"4"];
    let (blocks, _) = all[0].chain(&START, &bodies, signed);
    let mut replica = Replica::new(&all);
    replica.insert(run(&all[0], 0, &blocks)).unwrap();
    let verifiable = |first, end| {
        let run = replica.run(all[0].feed, first, end);
        replica.dag.verifiable(&run, &replica.index).unwrap()
    };
    let found = [(0, 5), (0, 4), (0, 2), (0, 1), (2, 4), (2, 5)].map(|(a, b)| verifiable(a, b));
    assert_eq!(found, [5, 2, 2, 0, 0, 3]);
}

#[test]
fn forks_behind_rubbish_are_proven() {
    let all = writers(1);
    let (_, tip) = all[0].chain(&START, &[b"0"], |_| true);
    let (trunk, _) = all[0].chain(&START, &[b"0"], |_| true);
    let (one, _) = all[0].chain(&tip, &[b"1a", b"2a", b"3a", b"4a"], |number| number == 3);
    let (other, _) = all[0].chain(&tip, &[b"1b", b"2b", b"3b"], |number| number == 2);
    let mut proofs = Vec::new();
    for (ours, theirs) in [(&one, &other), (&other, &one)] {
        let mut replica = Replica::new(&all);
        replica
            .insert(run(&all[0], 0, &[trunk.clone(), ours.clone()].concat()))
            .unwrap();
        let Err(InsertError::Fork(proof)) = replica.insert(run(&all[0], 1, theirs)) else {
            panic!("a fork")
        };
        let bytes = postcard::to_stdvec(&proof).unwrap();
        let sent: ForkProof = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((sent.verify(), sent.seq()), (Ok(()), 1));
        assert!(replica.cut(&sent).is_some());
        assert_eq!(replica.length(&all[0]), 1);
        proofs.push(sent);
    }
    assert_eq!(proofs[0], proofs[1]);
}

#[test]
fn the_longest_proof_fits_a_frame() {
    let all = writers(1);
    let chain = |body: &[u8]| {
        let bodies = vec![body; Run::BLOCKS_MAX];
        all[0]
            .chain(&START, &bodies, |number| number + 1 == Run::BLOCKS_MAX)
            .0
    };
    let mut replica = Replica::new(&all);
    let inserted = replica.insert(run(&all[0], 0, &chain(b"a"))).unwrap();
    assert_eq!(inserted.accepted, Run::BLOCKS_MAX);
    let Err(InsertError::Fork(proof)) = replica.insert(run(&all[0], 0, &chain(b"b"))) else {
        panic!("a fork")
    };
    assert_eq!(proof.verify(), Ok(()));
    let bytes = postcard::to_stdvec(&proof).unwrap();
    assert!(bytes.len() < 1024 * 1024, "{} bytes", bytes.len());
}

#[test]
fn what_stands_before_a_cut_is_vouched_for_by_the_proof() {
    let all = writers(1);
    let (trunk, tip) = all[0].chain(&START, &[b"0", b"1"], |_| false);
    let (one, _) = all[0].chain(&tip, &[b"2a"], |_| true);
    let (other, _) = all[0].chain(&tip, &[b"2b"], |_| true);
    let mut left = Replica::new(&all);
    left.insert(run(&all[0], 0, &[trunk.clone(), one].concat()))
        .unwrap();
    let Err(InsertError::Fork(proof)) = left.insert(run(&all[0], 2, &other)) else {
        panic!("a fork")
    };
    left.cut(&proof);
    assert_eq!(left.length(&all[0]), 2);
    // The trunk alone is good for whoever knows the proof, and refused by others.
    let mut right = Replica::new(&all);
    assert!(
        right
            .insert(run(&all[0], 0, &trunk))
            .unwrap_err()
            .is_offence()
    );
    let mut both = [left, right];
    settle(&mut both);
    assert_eq!(both[1].length(&all[0]), 2);
    // An earlier fork is provable all the same.
    let (early, _) = all[0].chain(&START, &[b"0", b"x"], |number| number == 1);
    let Err(InsertError::Fork(earlier)) = both[1].insert(run(&all[0], 0, &early)) else {
        panic!("a fork")
    };
    assert_eq!(earlier.seq(), 1);
    both[1].cut(&earlier);
    settle(&mut both);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rubbish_and_forks_end_alike_everywhere(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let all = writers(3);
        let mut replicas: Vec<_> = (0..4).map(|_| Replica::new(&all)).collect();
        let mut tips = vec![START];
        for step in 0..20_u8 {
            // The first writer goes on from anywhere, and shows it to anyone who takes it.
            let at = dice.below(replicas.len());
            let tip = tips[dice.below(tips.len())].clone();
            let length = 1 + dice.below(4);
            let bodies: Vec<_> = (0..length).map(|_| std::slice::from_ref(&step)).collect();
            let mask = dice.below(16);
            let signed = |number| number + 1 == length || mask >> number & 1 == 1;
            let (blocks, end) = all[0].chain(&tip, &bodies, signed);
            let reached = replicas[at].dag.next_needed(&all[0].feed);
            if tip.seq <= reached && replicas[at].insert(run(&all[0], tip.seq, &blocks)).is_ok() {
                tips.push(end);
            }
            let (at, from) = (dice.below(4), dice.below(4));
            let other = replicas[from].clone();
            replicas[at].pull(&other);
            if at == 1 || at == 2 {
                replicas[at].append(&all[at], b"honest");
            }
        }
        settle(&mut replicas);
    }
}
