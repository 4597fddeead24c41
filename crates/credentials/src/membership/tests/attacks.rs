//! Attempts to count after all.

use dxos_feed::Timeframe;

use super::world::World;
use crate::Refused::Removed;
use crate::Role::{Admin, Editor, Reader, Replicator};
use crate::{Assertion, Credential, Role, Seen};

fn space(roles: &[Role]) -> World {
    let mut world = World::new(&vec![1; roles.len() + 1]);
    world.populate(roles);
    world
}

#[test]
fn written_after_removal_it_never_counts() {
    let mut world = space(&[Admin]);
    let before = world.everything();
    world.write(0, world.removed(1));
    world.meet_all();
    for (incarnation, past) in [(0, world.everything()), (0, before.clone()), (1, before)] {
        let data = world.transact(1, incarnation, &past);
        let key = world.lie(1, incarnation, &past, world.content_key(1));
        let admission = world.lie(1, incarnation, &past, world.member(1, Admin));
        assert!(world.judge(&data).is_err());
        assert!(!world.counts(key));
        assert!(!world.counts(admission));
    }
    assert_eq!(world.role(1), None);
    assert_eq!(world.evaluate().content_key(), None);
}

#[test]
fn backdated_in_a_new_feed_it_never_counts() {
    let mut world = space(&[Admin, Editor]);
    world.write(0, world.removed(1));
    // Only its own admission: as if it had been offline ever since.
    let past = world.just(&[2]);
    world.lie(1, 7, &past, world.presented(1));
    let data = world.transact(1, 7, &past);
    let removal = world.lie(1, 7, &past, world.removed(2));
    let counter = world.lie(1, 7, &past, world.removed(0));
    assert!(world.judge(&data).is_err());
    assert!(!world.counts(removal));
    assert!(!world.counts(counter));
    assert_eq!(world.role(2), Some(Editor));
}

#[test]
fn who_left_cannot_go_on_in_the_past() {
    let mut world = space(&[Admin, Editor]);
    let past = world.everything();
    world.write(1, world.removed(1));
    let removal = world.lie(1, 1, &past, world.removed(2));
    let data = world.transact(1, 1, &past);
    assert!(!world.counts(removal));
    assert_eq!(world.judge(&data), Err(Removed));
    assert_eq!((world.role(1), world.role(2)), (None, Some(Editor)));
}

#[test]
fn a_removed_member_readmits_nobody_through_an_accomplice_without_the_right() {
    let mut world = space(&[Admin, Editor]);
    world.write(0, world.removed(1));
    world.meet_all();
    let readmission = world.write(2, world.member(1, Admin));
    world.meet_all();
    let data = world.edit(1);
    assert!(!world.counts(readmission));
    assert!(world.judge(&data).is_err());
}

#[test]
fn a_reduced_member_gains_nothing_by_not_knowing() {
    let mut world = space(&[Admin, Editor]);
    let past = world.everything();
    world.write(0, world.member(1, Reader));
    let key = world.lie(1, 1, &past, world.content_key(1));
    let data = world.transact(1, 1, &past);
    assert!(!world.counts(key));
    assert_eq!(world.judge(&data), Err(Removed));
}

#[test]
fn the_genesis_of_another_cannot_be_taken_over_by_copying_it() {
    let mut world = space(&[Admin, Editor]);
    let genesis = world.blocks[0].credential.clone();
    let count = world.evaluate().members();
    // Copies at the very beginning of feeds, before and after the original in the order.
    for device in 1..3 {
        for incarnation in 1..20 {
            world.put(device, incarnation, &Timeframe::new(), &genesis);
        }
    }
    assert_eq!(world.evaluate().members(), count);
    let (membership, changes) = world.insert_all();
    assert_eq!(membership, world.evaluate());
    assert!(!changes.iter().any(|change| change.retroactive));
    let edit = world.edit(2);
    assert!(world.judge(&edit).is_ok());
    let admission = world.write(0, world.member(2, Reader));
    assert!(world.counts(admission));
}

#[test]
fn a_removed_creator_does_not_come_back_with_a_copy_of_its_genesis() {
    let mut world = space(&[Admin]);
    let genesis = world.blocks[0].credential.clone();
    world.write(1, world.removed(0));
    world.meet_all();
    for (incarnation, past) in [
        (0, world.everything()),
        (1, world.everything()),
        (2, Timeframe::new()),
    ] {
        world.put(0, incarnation, &past, &genesis);
        world.lie(0, incarnation, &past, world.presented(0));
        let key = world.lie(0, incarnation, &past, world.content_key(1));
        let data = world.transact(0, incarnation, &past);
        assert!(!world.counts(key));
        assert!(world.judge(&data).is_err());
    }
    assert_eq!((world.role(0), world.role(1)), (None, Some(Admin)));
}

#[test]
fn a_reduced_creator_stays_reduced() {
    let mut world = space(&[Admin]);
    let genesis = world.blocks[0].credential.clone();
    world.write(1, world.member(0, Reader));
    world.meet_all();
    let everything = world.everything();
    world.put(0, 3, &everything, &genesis);
    let key = world.write(0, world.content_key(1));
    assert!(!world.counts(key));
    assert_eq!(world.role(0), Some(Reader));
}

#[test]
fn credentials_of_others_count_in_no_other_feed() {
    let mut world = space(&[Admin, Editor]);
    // The editor copies a credential that an admin signed and never published, or did.
    let signed = Credential::by_device(&world.devices[1].secret, world.member(2, Admin));
    let everything = world.everything();
    let copy = world.put(2, 0, &everything, &signed);
    assert!(!world.counts(copy));
    assert_eq!(world.role(2), Some(Editor));
}

#[test]
fn credentials_for_another_space_count_for_nothing() {
    let mut world = space(&[Admin, Editor]);
    let (own, other) = (world.space, dxos_keys::SpaceKey::from_bytes([9; 32]));
    world.space = other;
    let assertions = [
        world.member(2, Admin),
        world.removed(2),
        world.content_key(1),
        world.profile("x"),
    ];
    world.space = own;
    for assertion in assertions {
        let block = world.write(1, assertion);
        assert!(!world.counts(block));
    }
    // A genesis of another space.
    let secret = dxos_keys::SpaceSecret::from_seed(&[5; 32]);
    let genesis = Credential::space_genesis(secret, world.identities[2]);
    let block = world.put(2, 1, &Timeframe::new(), &genesis);
    assert!(!world.counts(block));
    assert_eq!(world.role(2), Some(Editor));
}

#[test]
fn an_assertion_of_genesis_by_a_device_is_none() {
    let mut world = space(&[Admin]);
    let (space, admin) = (world.space, world.identities[1]);
    let block = world.lie(
        1,
        1,
        &Timeframe::new(),
        Assertion::SpaceGenesis { space, admin },
    );
    assert!(!world.counts(block));
}

#[test]
fn a_flood_of_pretensions_is_refused_cheaply() {
    let mut world = space(&[Admin, Reader, Replicator]);
    let before = world.evaluate();
    for n in 0..200 {
        let role = if n % 2 == 0 { Admin } else { Reader };
        world.write(2, world.member(3, role));
        world.write(2, world.removed(0));
        world.write(3, world.member(3, Admin));
        let (identity, mut device) = (world.identities[3], [n; 32]);
        device[0] = 1;
        let device = dxos_keys::DeviceKey::from_bytes(device);
        world.write(
            3,
            Assertion::DeviceRevoked {
                identity,
                device,
                seen: Seen::new(),
                repeats: None,
            },
        );
    }
    let (membership, _) = world.insert_all();
    assert_eq!(membership, world.evaluate());
    assert_eq!(membership.members(), before.members());
}

#[test]
fn a_lesser_role_hidden_behind_what_came_after_it_still_holds() {
    let mut world = space(&[Admin, Editor]);
    let removal = world.write(1, world.removed(2));
    // It knows of the removal, and pretends not to know of the admission before that.
    let past = world.just(&[2, removal]);
    let readmission = world.lie(1, 1, &past, world.member(2, Admin));
    assert!(world.counts(readmission));
    world.meet_all();
    assert_eq!(world.role(2), Some(Editor));
    let (reduction, edit) = (world.write(2, world.member(1, Reader)), world.edit(2));
    assert!(!world.counts(reduction));
    assert!(world.judge(&edit).is_ok());
    assert_eq!(world.insert_all().0, world.evaluate());
}
