//! Devices: chains, revocations, stolen ones.

use dxos_feed::Timeframe;
use dxos_keys::DeviceSecret;

use super::world::{World, content_key, sealing};
use crate::Refused::{Revoked, UnknownDevice};
use crate::Role::{Admin, Editor};
use crate::{Assertion, DeviceChain, Membership, Seen};

/// The creator has one device, the other admin has 1, 2 and 3, each authorized by the one before.
fn space() -> World {
    let mut world = World::new(&[1, 3]);
    world.populate(&[Admin]);
    world
}

#[test]
fn a_revocation_works_like_a_removal_of_the_device() {
    let mut world = space();
    let known = world.edit(2);
    world.meet_all();
    let unknown = world.edit(2);
    let key = world.write(2, world.content_key(1));
    world.write(1, world.revoked(2));
    world.meet_all();
    let after = world.edit(2);
    let other = world.edit(1);
    assert!(world.judge(&known).is_ok());
    assert_eq!(world.judge(&unknown), Err(Revoked));
    assert_eq!(world.judge(&after), Err(Revoked));
    assert!(world.judge(&other).is_ok());
    assert!(!world.counts(key));
    let membership = world.evaluate();
    assert!(membership.is_revoked(&world.key(2)));
    assert_eq!(membership.authority_of(&world.key(2)), None);
    let devices = membership.member(&world.identities[1]).unwrap().devices;
    let expected = [1, 3].map(|device| world.key(device));
    assert!(
        devices
            .keys()
            .eq(&std::collections::BTreeSet::from(expected))
    );
    assert!(!membership.readers().contains_key(&world.key(2)));
}

#[test]
fn a_revoked_device_makes_no_new_devices() {
    let mut world = space();
    world.write(1, world.revoked(2));
    // The thief authorizes another with the key of the stolen device, out of sight.
    let mint = world.authorize(2);
    let chain = world.devices[mint].chain.clone();
    assert!(!world.evaluate().accepts(&chain));
    let everything = world.everything();
    world.lie(mint, 0, &everything, world.presented(mint));
    let edit = world.edit(mint);
    assert_eq!(world.judge(&edit), Err(Revoked));
    assert_eq!(world.evaluate().authority_of(&world.key(mint)), None);
    assert!(!world.evaluate().readers().contains_key(&world.key(mint)));
    // Also not by leaving out what it must not know.
    let mint = world.authorize(2);
    let known = world.just(&[0, 1, 2]);
    world.lie(mint, 0, &known, world.presented(mint));
    let edit = world.edit(mint);
    assert_eq!(world.judge(&edit), Err(Revoked));
}

#[test]
fn the_first_device_can_be_revoked_and_the_others_go_on() {
    let mut world = space();
    world.write(3, world.revoked(1));
    world.meet_all();
    let edit = world.edit(2);
    assert!(world.judge(&edit).is_ok());
    // A device that 2 authorizes afterwards comes from 1 too, over a link that was known.
    let new = world.authorize(2);
    assert!(world.evaluate().accepts(&world.devices[new].chain));
    world.meet(&[2, new]);
    world.write(new, world.presented(new));
    let edit = world.edit(new);
    assert!(world.judge(&edit).is_ok());
}

#[test]
fn nobody_revokes_the_device_of_another() {
    let mut world = space();
    let identity = world.identities[1];
    for claimed in [identity, world.identities[0]] {
        // The device is the creator's, whomever the revocation names as its owner.
        let device = world.key(0);
        world.write(
            1,
            Assertion::DeviceRevoked {
                identity: claimed,
                device,
                seen: Seen::new(),
                repeats: None,
            },
        );
    }
    let edit = world.edit(0);
    assert!(world.judge(&edit).is_ok());
    assert!(!world.evaluate().is_revoked(&world.key(0)));
    assert_eq!(world.evaluate().readers().len(), 4);
}

#[test]
fn a_device_does_not_revoke_itself() {
    let mut world = space();
    let block = world.write(2, world.revoked(2));
    assert!(!world.counts(block));
}

#[test]
fn devices_that_revoke_each_other_the_one_nearer_to_genesis_stays() {
    for first in [1, 3] {
        let mut world = space();
        // Whoever writes first has the lesser logical time.
        world.write(first, world.revoked(4 - first));
        world.write(4 - first, world.profile("wait"));
        world.write(4 - first, world.revoked(first));
        let membership = world.evaluate();
        assert!(!membership.is_revoked(&world.key(1)));
        assert!(membership.is_revoked(&world.key(3)));
    }
}

#[test]
fn a_stolen_device_cannot_save_itself_by_backdating() {
    let mut world = space();
    world.write(1, world.revoked(3));
    let past = world.just(&[0, 1, 2]);
    // In a new feed, with the least logical time it can have.
    world.lie(3, 1, &past, world.presented(3));
    for victim in [1, 2] {
        let block = world.lie(3, 1, &past, world.revoked(victim));
        assert!(!world.counts(block));
    }
    let block = world.lie(3, 1, &past, world.removed(0));
    assert!(!world.counts(block));
    assert!(world.evaluate().is_revoked(&world.key(3)));
}

#[test]
fn a_device_shown_by_another_does_not_change_hands() {
    // An admin claims the device of an editor for itself before the editor is admitted.
    let mut world = World::new(&[1, 1, 1]);
    let genesis = world.genesis(0);
    world.put(0, 0, &Timeframe::new(), &genesis);
    world.write(0, world.presented(0));
    world.write(0, world.member(1, Admin));
    world.meet(&[0, 1]);
    let claim = world.claim(1, 2);
    world.write(1, world.member_with(1, Admin, Some(claim)));
    world.meet(&[0, 1]);
    world.write(0, world.member(2, Editor));
    world.meet_all();
    world.write(2, world.presented(2));
    let edit = world.edit(2);
    assert_eq!(world.judge(&edit).unwrap().identity, world.identities[2]);
    let membership = world.evaluate();
    let key = world.devices[2].chain.device().sealing;
    assert_eq!(membership.readers()[&world.key(2)], key);
    assert!(
        !membership
            .member(&world.identities[1])
            .unwrap()
            .devices
            .contains_key(&world.key(2))
    );
    let authority = membership.authority_of(&world.key(2)).unwrap();
    assert_eq!(authority.identity, world.identities[2]);
}

#[test]
fn a_device_presents_only_itself_and_only_here() {
    let mut world = World::new(&[1, 1, 1]);
    world.populate(&[Admin]);
    // The chain of another device.
    let block = world.write(1, world.presented(2));
    assert!(!world.counts(block));
    // A chain that another device signed, in one's own feed.
    let other = dxos_keys::SpaceKey::from_bytes([9; 32]);
    let chain = world.devices[1].chain.clone();
    let block = world.write(
        1,
        Assertion::DevicePresented {
            space: other,
            chain,
            halo: None,
        },
    );
    assert!(!world.counts(block));
    let edit = world.edit(2);
    assert!(world.judge(&edit).is_err());
}

#[test]
fn without_a_chain_nothing_counts() {
    let mut world = World::new(&[1, 2]);
    let genesis = world.genesis(0);
    world.put(0, 0, &Timeframe::new(), &genesis);
    // The creator shows no chain.
    let admission = world.write(0, world.member(1, Admin));
    assert!(!world.counts(admission));
    world.write(0, world.presented(0));
    world.write(0, world.member(1, Admin));
    world.meet_all();
    // The second device of the member shows none.
    let key = world.write(2, world.content_key(1));
    let edit = world.edit(2);
    assert!(!world.counts(key));
    assert_eq!(world.judge(&edit), Err(UnknownDevice));
}

#[test]
fn a_device_is_named_by_its_own_identity() {
    let mut world = space();
    let name = |device| Assertion::DeviceProfile {
        device,
        name: "phone".to_owned(),
    };
    let (own, sister, other) = (world.key(1), world.key(2), world.key(0));
    let blocks = [own, sister, other].map(|device| world.write(1, name(device)));
    assert_eq!(blocks.map(|block| world.counts(block)), [true, true, false]);
}

#[test]
fn unreadable_credentials_count_nowhere() {
    let mut world = space();
    world.write(1, world.content_key(1));
    let mut block = world.blocks.last().unwrap().clone();
    // A program signs a name that no replica would read, and does not read it back itself.
    let assertion = world.profile("Ann\u{202e}nnA");
    block.credential = crate::Credential::by_device(&world.devices[1].secret, assertion);
    *world.blocks.last_mut().unwrap() = block.clone();
    assert!(!world.evaluate().takes_effect(&block));
    let (membership, changes) = world.insert_all();
    assert!(!changes.last().unwrap().counts);
    assert_eq!(membership.content_key(), None);
    assert_ne!(membership.content_key(), Some(content_key(1)));
    let mut foreign = block;
    foreign.descriptor.space = dxos_keys::SpaceKey::from_bytes([9; 32]);
    let mut membership = Membership::new(world.space);
    assert!(!membership.insert(foreign).counts);
    assert_eq!(membership.blocks().count(), 0);
}

/// The chain of a recovery key of the identity of `device`, shown by it.
fn write_down(world: &mut World, device: usize) -> (DeviceChain, DeviceSecret) {
    let paper = DeviceSecret::from_seed(&[90; 32]);
    let chain = world.devices[device].chain.authorize_recovery_key(
        &world.devices[device].secret,
        &paper,
        sealing(&paper),
        None,
    );
    let chain = chain.unwrap();
    world.write(device, shown(world, &chain));
    (chain, paper)
}

fn shown(world: &World, chain: &DeviceChain) -> Assertion {
    Assertion::DevicePresented {
        space: world.space,
        chain: chain.clone(),
        halo: None,
    }
}

#[test]
fn a_device_shows_another_of_its_identity() {
    let mut world = space();
    let new = world.authorize(2);
    let chain = world.devices[new].chain.clone();
    let block = world.write(1, shown(&world, &chain));
    assert!(world.counts(block));
    assert!(world.evaluate().readers().contains_key(&world.key(new)));
    assert!(
        world
            .evaluate()
            .chains_of(&world.identities[1])
            .contains_key(&world.key(new))
    );
    // Nobody of another identity does.
    let other = world.authorize(2);
    let chain = world.devices[other].chain.clone();
    let block = world.write(0, shown(&world, &chain));
    assert!(!world.counts(block));
    assert!(!world.evaluate().readers().contains_key(&world.key(other)));
    assert_eq!(world.insert_all().0, world.evaluate());
}

#[test]
fn a_recovery_key_gets_the_keys_and_writes_nothing() {
    let mut world = space();
    let (chain, paper) = write_down(&mut world, 1);
    let membership = world.evaluate();
    assert!(membership.readers().contains_key(&paper.device()));
    let member = membership.member(&world.identities[1]).unwrap();
    assert!(member.recovery_keys.contains_key(&paper.device()));
    assert!(!member.devices.contains_key(&paper.device()));
    assert!(!membership.accepts(&chain));
    assert_eq!(membership.authority_of(&paper.device()), None);
    // Whoever has the phrase cannot write with the key itself.
    let thief = world.adopt(paper, chain, 1);
    world.meet_all();
    let block = world.write(thief, world.presented(thief));
    assert!(!world.counts(block));
    let block = world.write(thief, world.content_key(3));
    assert!(!world.counts(block));
    let edit = world.edit(thief);
    assert_eq!(world.judge(&edit), Err(UnknownDevice));
}

#[test]
fn a_recovered_device_turns_out_a_stolen_one_that_resists() {
    let mut world = space();
    let (chain, paper) = write_down(&mut world, 1);
    world.meet_all();
    let secret = DeviceSecret::from_seed(&[91; 32]);
    let chain = chain.authorize(&paper, secret.device(), sealing(&secret));
    let chain = chain.unwrap();
    assert!(world.evaluate().accepts(&chain));
    let recovered = world.adopt(secret, chain, 1);
    world.meet(&[0, recovered]);
    world.write(recovered, world.presented(recovered));
    // At the same time the thief of the first device revokes whom it can.
    let stolen = world.write(1, world.revoked(3));
    let owner = world.write(recovered, world.revoked(1));
    assert!(world.counts(owner) && !world.counts(stolen));
    assert!(!world.evaluate().is_revoked(&world.key(3)));
    assert!(world.evaluate().is_revoked(&world.key(1)));
}

#[test]
fn a_phrase_that_was_found_out_is_revoked_like_a_device() {
    let mut world = space();
    let (chain, paper) = write_down(&mut world, 1);
    world.meet_all();
    let identity = world.identities[1];
    let device = paper.device();
    world.write(
        3,
        Assertion::DeviceRevoked {
            identity,
            device,
            seen: Seen::new(),
            repeats: None,
        },
    );
    assert!(!world.evaluate().readers().contains_key(&device));
    assert!(
        world
            .evaluate()
            .revoked_devices(&identity)
            .contains(&device)
    );
    let secret = DeviceSecret::from_seed(&[91; 32]);
    let chain = chain
        .authorize(&paper, secret.device(), sealing(&secret))
        .unwrap();
    assert!(!world.evaluate().accepts(&chain));
}

#[test]
fn a_content_key_is_made_by_admins_and_handed_on_by_readers() {
    let mut world = World::new(&[1, 1]);
    world.populate(&[Editor]);
    world.write(0, world.content_key(1));
    world.meet_all();
    let handed_on = world.write(1, world.content_key(1));
    assert!(world.counts(handed_on));
    let made = world.write(1, world.content_key(2));
    assert_eq!(world.evaluate().content_key(), Some(content_key(1)));
    assert!(!world.counts(made));
}

#[test]
fn a_removal_or_a_revocation_asks_for_a_new_key() {
    let mut world = space();
    assert!(world.evaluate().rotation_due());
    world.write(0, world.content_key(1));
    world.meet_all();
    assert!(!world.evaluate().rotation_due());
    world.write(1, world.revoked(3));
    assert!(world.evaluate().rotation_due());
    world.meet_all();
    world.write(0, world.content_key(2));
    assert!(!world.evaluate().rotation_due());
    // A lesser role that still reads does not.
    world.meet_all();
    world.write(0, world.member(1, Editor));
    assert!(!world.evaluate().rotation_due());
    world.write(0, world.member(1, crate::Role::Replicator));
    assert!(world.evaluate().rotation_due());
}

#[test]
fn a_space_is_an_identity_s_own_if_it_made_it_and_was_always_alone() {
    let mut world = World::new(&[1, 2]);
    let genesis = world.genesis(1);
    let laptop = 1;
    world.put(laptop, 0, &Timeframe::new(), &genesis);
    let of = |world: &World, who: usize| {
        let identity = world.identities[who];
        world.evaluate().sole_creator(&identity)
    };
    // Whose device it is has not been shown yet.
    assert_eq!(of(&world, 1), None);
    world.write(laptop, world.presented(laptop));
    let phone = world.devices[2].chain.clone();
    world.write(laptop, shown(&world, &phone));
    assert_eq!(of(&world, 1), Some(world.key(laptop)));
    assert_eq!(of(&world, 0), None);
    // Somebody else is a member for a while.
    world.write(laptop, world.member(0, Admin));
    assert_eq!(of(&world, 1), None);
    world.write(laptop, world.removed(0));
    assert_eq!(of(&world, 1), None);
}

#[test]
fn a_space_that_a_stranger_makes_for_somebody_is_not_its_own() {
    let mut world = World::new(&[1, 1]);
    let genesis = world.genesis(1);
    world.put(0, 0, &Timeframe::new(), &genesis);
    world.write(0, world.presented(0));
    world.meet_all();
    let victim = world.identities[1];
    assert_eq!(world.evaluate().sole_creator(&victim), None);
    // The victim comes, and is the only one who ever was a member.
    world.write(1, world.presented(1));
    let membership = world.evaluate();
    assert_eq!(membership.members().len(), 1);
    assert_eq!(membership.role_of(&victim), Some(Admin));
    assert_eq!(membership.sole_creator(&victim), None);
}
