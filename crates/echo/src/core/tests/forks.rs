use dxos_credentials::Role;
use proptest::prelude::*;

use super::{Net, task};

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_forked_feed_is_cut_everywhere_and_honest_edits_go_on(
        seed: u64,
        common in 0..3_u8,
        one in 1..4_u8,
        two in 1..4_u8,
    ) {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
        net.connect(0, 2);
        for number in 0..common {
            net.edit(1, task(number, 1));
        }
        let twin = net.twin(1);
        for number in 0..one {
            net.edit(1, task(50 + number, 1));
        }
        for number in 0..two {
            net.edit(twin, task(100 + number, 1));
        }
        // Each honest replica sees one branch, builds on it, and then they meet.
        net.disconnect(0, 2);
        net.connect(0, 1);
        net.connect(2, twin);
        net.settle();
        net.edit(0, task(200, 1));
        net.edit(2, task(201, 1));
        net.settle();
        net.connect(0, 2);
        net.settle();
        net.assert_same(&[0, 2]);
        for honest in [0, 2] {
            prop_assert_eq!(net.replicas[honest].forks(), 1);
            for number in (0..common).chain([200, 201]) {
                prop_assert!(net.replicas[honest].has(number), "{} lacks {}", honest, number);
            }
            prop_assert!(!net.replicas[honest].has(50) && !net.replicas[honest].has(100));
        }
        // Honest edits go on, those of the device that forked as well: in new feeds.
        net.edit(0, task(210, 1));
        net.edit(2, task(211, 1));
        net.edit(1, task(212, 1));
        net.settle();
        net.assert_same(&[0, 1, 2]);
        for number in [210, 211, 212] {
            prop_assert!(net.replicas[0].has(number), "{}", number);
        }
    }
}

#[test]
fn a_proof_about_a_device_that_is_not_known_yet_takes_effect_when_it_is() {
    for seed in 0..10 {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor]);
        let new = net.join(1, Role::Editor);
        net.edit(new, task(1, 1));
        let twin = net.twin(new);
        net.edit(new, task(2, 1));
        net.edit(twin, task(3, 1));
        net.connect(1, new);
        net.connect(1, twin);
        net.settle();
        assert_eq!(net.replicas[1].forks(), 1, "seed {seed}");
        // 2 does not know the device; the proof may well come first.
        let proof = net.replicas[1].space.report(&net.replicas[1].store).forks;
        let proof = proof.into_iter().next().unwrap().proof;
        net.connect(1, 2);
        let message = dxos_protocol::replicate::Message::ForkProof(Box::new(proof));
        net.deliver(1, 2, message);
        assert_eq!(net.replicas[2].forks(), 0);
        net.settle();
        net.connect(0, 2);
        net.settle();
        net.assert_same(&[0, 1, 2]);
        assert_eq!(net.replicas[2].forks(), 1);
        assert!(net.replicas[2].has(1) && !net.replicas[2].has(2));
    }
}
