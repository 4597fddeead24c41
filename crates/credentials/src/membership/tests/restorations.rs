//! Revocations that are taken back, and words that are repeated.

use proptest::prelude::*;

use super::properties::answers;
use super::random::{Draw, Kind, any_steps, play, spoil, steps};
use super::world::World;
use crate::Refused::Revoked;
use crate::Role::{Admin, Replicator};
use crate::{Assertion, Membership};

/// The creator has one device; the other member has 1, 2 and 3, each authorized by the one before.
fn space() -> World {
    let mut world = World::new(&[1, 3]);
    world.populate(&[Admin]);
    world
}

fn is_revoked(world: &World, device: usize) -> bool {
    let membership = world.evaluate();
    assert_eq!(world.insert_all().0, membership);
    membership.is_revoked(&world.key(device))
}

#[test]
fn a_device_takes_back_what_others_repeated_about_it_at_the_word_of_a_thief() {
    let mut world = space();
    world.write(2, world.repeated(1, 3));
    let meanwhile = world.edit(1);
    world.meet_all();
    assert_eq!(world.judge(&meanwhile), Err(Revoked));
    assert!(world.evaluate().can_restore(&world.key(1), &world.key(1)));
    let restored = world.write(1, world.restored(1));
    let after = world.edit(1);
    assert!(world.counts(restored) && !is_revoked(&world, 1));
    assert!(world.judge(&meanwhile).is_ok() && world.judge(&after).is_ok());
    assert!(world.evaluate().readers().contains_key(&world.key(1)));
    let identity = world.identities[1];
    assert!(world.evaluate().revoked_devices(&identity).is_empty());
    let revocations = world.evaluate().revocations(&identity);
    let [revocation] = revocations.as_slice() else {
        panic!("{revocations:?}")
    };
    assert_eq!(revocation.repeats, Some(world.key(3)));
    assert!(!revocation.stands);
}

#[test]
fn whoever_repeated_a_word_takes_it_back() {
    let mut world = space();
    // The one that repeats goes before neither, and after the one that said it first.
    world.write(3, world.repeated(1, 2));
    world.meet_all();
    assert!(is_revoked(&world, 1));
    world.write(3, world.restored(1));
    assert!(!is_revoked(&world, 1));
}

#[test]
fn a_word_that_is_repeated_weighs_no_more_than_it_did() {
    // 1 goes before 2, and 2 before 3.
    let mut world = space();
    world.write(1, world.repeated(2, 3));
    world.meet_all();
    world.write(2, world.restored(2));
    assert!(!is_revoked(&world, 2));
    // What 1 says itself, 2 cannot take back, and 3 takes back nothing of either.
    for said_by_three in [false, true] {
        let mut world = space();
        let assertion = if said_by_three {
            world.repeated(3, 2)
        } else {
            world.revoked(2)
        };
        world.write(1, assertion);
        world.meet_all();
        let (thief, out) = if said_by_three { (3, 3) } else { (2, 2) };
        assert!(
            !world
                .evaluate()
                .can_restore(&world.key(thief), &world.key(out))
        );
        let block = world.write(thief, world.restored(out));
        assert!(!world.counts(block) && is_revoked(&world, out));
    }
}

#[test]
fn the_word_of_somebody_unknown_makes_nothing_weaker() {
    let mut world = space();
    for stranger in [0, world.authorize(3)] {
        let mut world = space();
        world.authorize(3);
        world.write(1, world.repeated(2, stranger));
        world.meet_all();
        world.write(2, world.restored(2));
        assert!(is_revoked(&world, 2));
    }
}

#[test]
fn a_stolen_device_does_not_bring_itself_back() {
    let mut world = space();
    let minted = world.authorize(3);
    world.write(1, world.revoked(3));
    world.meet_all();
    let everything = world.everything();
    world.lie(minted, 0, &everything, world.presented(minted));
    for (device, incarnation) in [(3, 0), (3, 1), (minted, 0)] {
        world.lie(device, incarnation, &everything, world.restored(3));
    }
    let early = world.just(&[0, 1, 2]);
    world.lie(3, 2, &early, world.presented(3));
    world.lie(3, 2, &early, world.restored(3));
    assert!(is_revoked(&world, 3) && is_revoked(&world, minted));
}

#[test]
fn what_a_restoration_did_not_know_holds() {
    let mut world = space();
    world.write(2, world.repeated(1, 3));
    world.meet(&[1, 2]);
    world.write(1, world.restored(1));
    assert!(!is_revoked(&world, 1));
    // Meanwhile 2 says it itself.
    world.write(2, world.revoked(1));
    assert!(is_revoked(&world, 1));
    world.meet_all();
    world.write(1, world.restored(1));
    assert!(!is_revoked(&world, 1));
    // And again, in knowledge of that.
    world.meet_all();
    world.write(2, world.revoked(1));
    assert!(is_revoked(&world, 1));
}

#[test]
fn a_device_that_heard_of_its_revocation_by_one_after_it_objects() {
    let mut world = space();
    world.write(3, world.revoked(1));
    world.write(3, world.revoked(2));
    world.meet_all();
    assert!(is_revoked(&world, 1));
    world.write(1, world.restored(1));
    let turned_out = world.write(1, world.revoked(3));
    world.meet_all();
    let edit = world.edit(1);
    assert!(world.counts(turned_out) && world.judge(&edit).is_ok());
    assert!(!is_revoked(&world, 1) && is_revoked(&world, 3));
    // What it knew of the other, it says so of the other.
    assert!(is_revoked(&world, 2));
    world.write(1, world.restored(2));
    assert!(!is_revoked(&world, 2) && is_revoked(&world, 3));
}

#[test]
fn a_stolen_device_does_not_leave_for_the_others() {
    for thief in [2, 3] {
        let mut world = space();
        // It says so before and after, openly and in a feed that looks old.
        let left = world.write(thief, world.removed(1));
        world.write(1, world.revoked(thief));
        world.meet(&[1, thief]);
        let early = world.just(&[0, 1, 2]);
        world.lie(thief, 1, &early, world.presented(thief));
        let backdated = world.lie(thief, 1, &early, world.removed(1));
        assert!(!world.counts(left) && !world.counts(backdated));
        assert_eq!(world.role(1), Some(Admin));
        // The one that goes before the others may.
        world.write(1, world.removed(1));
        assert_eq!(world.role(1), None);
        assert_eq!(world.insert_all().0, world.evaluate());
    }
}

#[test]
fn nobody_restores_the_device_of_another() {
    let mut world = space();
    world.write(1, world.revoked(3));
    world.meet_all();
    let claimed = Assertion::DeviceRestored {
        identity: world.identities[0],
        device: world.key(3),
    };
    for assertion in [world.restored(3), claimed] {
        world.write(0, assertion);
        assert!(is_revoked(&world, 3));
    }
    assert!(!world.evaluate().can_restore(&world.key(0), &world.key(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_revoked_device_changes_nothing_afterwards(
        history in steps(Kind::LoyalCreator, 50),
        tail in proptest::collection::vec((0..64_usize, 0..10_usize, 0..64_usize, any::<u64>(), 0..4_u32), 1..20),
    ) {
        let mut world = play(Kind::LoyalCreator, &history);
        world.meet_all();
        let revocation = world.write(0, world.revoked(1));
        let before = world.evaluate();
        prop_assert!(before.takes_effect(&world.blocks[revocation]));
        let judged = answers(&before, &world.data);
        let (data, length) = (world.data.clone(), world.blocks.len());
        let mut own = vec![1];
        for (device, what, subject, seed, incarnation) in tail {
            let device = own[device % own.len()];
            let past = Draw(seed).part(&world);
            let (member, other) = (subject % 5, subject % world.devices.len());
            let assertion = match what {
                0 => world.member(0, Admin),
                1 => world.member(member, Replicator),
                2 => world.removed(member),
                3 => world.content_key(250),
                4 => world.revoked(other),
                5 => world.repeated(other, subject % 3),
                6 => world.restored(1),
                7 => world.restored(other),
                8 => world.presented(device),
                _ => {
                    if world.devices.len() < 30 {
                        let new = world.authorize(device);
                        own.push(new);
                        let assertion = world.presented(new);
                        world.lie(new, incarnation, &past, assertion);
                    }
                    continue;
                }
            };
            world.lie(device, incarnation, &past, assertion);
        }
        let after = world.evaluate();
        prop_assert_eq!(before.members(), after.members());
        prop_assert_eq!(before.content_key(), after.content_key());
        prop_assert_eq!(before.readers(), after.readers());
        for block in &world.blocks[..length] {
            prop_assert_eq!(before.takes_effect(block), after.takes_effect(block));
        }
        prop_assert_eq!(judged, answers(&after, &data));
    }

    #[test]
    fn what_does_not_count_gives_nothing_back((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 12);
        let membership = world.evaluate();
        let idle = |block: &&crate::ControlBlock| {
            let restores = matches!(block.credential.assertion(), Assertion::DeviceRestored { .. });
            !restores || membership.takes_effect(block)
        };
        let rest: Vec<_> = world.blocks.iter().filter(idle).cloned().collect();
        let without = Membership::evaluate(world.space, rest.iter().cloned());
        prop_assert_eq!(without.members(), membership.members());
        prop_assert_eq!(without.readers(), membership.readers());
        for block in &rest {
            prop_assert_eq!(without.takes_effect(block), membership.takes_effect(block));
        }
        prop_assert_eq!(answers(&without, &world.data), answers(&membership, &world.data));
    }
}
