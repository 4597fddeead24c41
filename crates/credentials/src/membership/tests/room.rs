//! More devices of one identity than there is room for.

use std::collections::BTreeSet;

use dxos_keys::DeviceKey;
use dxos_wire::limits::DEVICES_PER_IDENTITY_MAX;
use proptest::prelude::*;

use super::properties::{deliver, shuffle};
use super::random::Draw;
use super::world::{Dev, World};
use crate::Membership;
use crate::Role::Editor;

/// The creator, and an editor whose first device is 1 and authorized this many others, each shown
/// by the first.
fn crowd(others: usize) -> World {
    let mut world = World::new(&[1, 1]);
    world.populate(&[Editor]);
    for _ in 0..others {
        let device = world.authorize(1);
        world.write(1, world.presented(device));
    }
    world
}

fn devices(world: &World, membership: &Membership) -> BTreeSet<DeviceKey> {
    let member = membership.member(&world.identities[1]).unwrap();
    member
        .devices
        .into_keys()
        .chain(member.recovery_keys.into_keys())
        .collect()
}

/// The devices of the editor, those that go first first.
fn in_order(world: &World, membership: &Membership) -> Vec<Dev> {
    let mut all: Vec<Dev> = (1..world.devices.len()).collect();
    all.retain(|device| membership.belongs(&world.identities[1], &world.key(*device)));
    all.sort_by_key(|device| {
        let chain = &world.devices[*device].chain;
        (chain.seniority(), world.key(*device))
    });
    all
}

#[test]
fn an_identity_has_room_for_so_many_devices_and_no_more() {
    let mut world = crowd(DEVICES_PER_IDENTITY_MAX - 2);
    let identity = world.identities[1];
    assert!(world.evaluate().has_room(&identity));
    let last = world.authorize(1);
    world.write(1, world.presented(last));
    assert!(!world.evaluate().has_room(&identity));
    assert_eq!(devices(&world, &world.evaluate()).len(), 128);
    for _ in 0..3 {
        let device = world.authorize(1);
        world.write(1, world.presented(device));
    }
    let membership = world.evaluate();
    assert_eq!(devices(&world, &membership).len(), 128);
    assert_eq!(membership.readers().len(), 129);
    assert_eq!(membership.chains_of(&identity).len(), 128);
    // Of the creator there is room still.
    assert!(membership.has_room(&world.identities[0]));
}

#[test]
fn a_revocation_makes_room_for_the_next_device() {
    let mut world = crowd(DEVICES_PER_IDENTITY_MAX + 1);
    let membership = world.evaluate();
    let order = in_order(&world, &membership);
    let [first, .., next, last] = order.as_slice() else {
        panic!("{order:?}");
    };
    assert_eq!((order.len(), *first), (130, 1));
    let has = |membership: &Membership, device: Dev| {
        devices(&world, membership).contains(&world.key(device))
    };
    assert!(!has(&membership, *next) && !has(&membership, *last));
    // What it writes counts all the same: it is as much the member's as anything else.
    let (next, last, gone) = (*next, *last, order[5]);
    let mut written = membership.clone();
    let key = world.key(next);
    assert!(written.belongs(&world.identities[1], &key));
    assert!(written.authority_of(&key).is_some());
    let revocation = world.write(1, world.revoked(gone));
    let change = written.insert(world.blocks[revocation].clone());
    assert!(change.counts);
    assert_eq!(written, world.evaluate());
    let now = devices(&world, &written);
    assert!(now.contains(&key) && !now.contains(&world.key(gone)));
    assert!(!now.contains(&world.key(last)));
    assert_eq!(now.len(), 128);
}

#[test]
fn a_stolen_device_crowds_out_those_only_that_come_after_it() {
    let mut world = World::new(&[1, 1]);
    world.populate(&[Editor]);
    let [sister, stolen] = [world.authorize(1), world.authorize(1)];
    let child = world.authorize(sister);
    for device in [sister, stolen, child] {
        world.write(1, world.presented(device));
    }
    world.meet_all();
    for _ in 0..2 * DEVICES_PER_IDENTITY_MAX - 60 {
        let device = world.authorize(stolen);
        world.write(stolen, world.presented(device));
    }
    let membership = world.evaluate();
    let now = devices(&world, &membership);
    assert_eq!(now.len(), 128);
    for device in [1, sister, stolen] {
        assert!(now.contains(&world.key(device)));
    }
    // The owner turns the thief out, not having heard of what it made.
    let revocation = world.write(1, world.revoked(stolen));
    assert!(world.counts(revocation));
    let expected: BTreeSet<_> = [1, sister, child].map(|device| world.key(device)).into();
    assert_eq!(devices(&world, &world.evaluate()), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_devices_when_there_is_no_room_for_all(seed: u64) {
        let mut draw = Draw(seed);
        let mut world = crowd(1);
        while world.devices.len() < DEVICES_PER_IDENTITY_MAX + 60 {
            let by = 1 + draw.below((world.devices.len() - 1).min(12));
            if world.is_recovery_key(by) {
                continue;
            }
            let paper = draw.below(6) == 0;
            let new = if paper { world.write_down(by) } else { world.authorize(by) };
            // Shown by itself, which may know anything or nothing, or by another.
            let own = !paper && draw.below(3) == 0;
            let shower = if own { new } else { by };
            let past = match draw.below(3) {
                0 => draw.part(&world),
                1 => world.everything(),
                _ => world.devices[by].known.clone(),
            };
            let incarnation = u32::try_from(draw.below(2)).unwrap();
            world.lie(shower, incarnation, &past, world.presented(new));
            if draw.below(8) == 0 {
                let revoked = 2 + draw.below(world.devices.len() - 2);
                let past = draw.part(&world);
                world.lie(by, 0, &past, world.revoked(revoked));
            }
        }
        let expected = world.evaluate();
        let shuffled = Membership::evaluate(world.space, shuffle(&world, &mut draw));
        prop_assert_eq!(&shuffled, &expected);
        let mut one_by_one = Membership::new(world.space);
        for block in deliver(&world, &mut draw) {
            one_by_one.insert(block);
            if let Some(member) = one_by_one.member(&world.identities[1]) {
                let many = member.devices.len() + member.recovery_keys.len();
                prop_assert!(many <= DEVICES_PER_IDENTITY_MAX);
            }
        }
        prop_assert_eq!(&one_by_one, &expected);
        prop_assert_eq!(one_by_one.members(), expected.members());
        prop_assert_eq!(one_by_one.readers(), expected.readers());
        let order = in_order(&world, &expected);
        let first = order.iter().take(DEVICES_PER_IDENTITY_MAX);
        let first: BTreeSet<_> = first.map(|device| world.key(*device)).collect();
        prop_assert_eq!(devices(&world, &expected), first);
    }
}
