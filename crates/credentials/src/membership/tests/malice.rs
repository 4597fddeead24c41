//! What no history of careless and hostile writers gets around.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::IdentityKey;
use proptest::prelude::*;

use super::properties::{RIGHTS, answers, shared};
use super::random::{Kind, any_steps, play, spoil, steps};
use super::world::World;
use crate::{Assertion, ControlBlock, Departure, Issuer, Membership, Right};

/// Whom a block admits, and with which invitation for one guest.
fn admits(block: &ControlBlock) -> Option<(IdentityKey, Option<dxos_keys::InvitationId>)> {
    match block.credential.assertion() {
        Assertion::SpaceGenesis { admin, .. } => Some((*admin, None)),
        Assertion::SpaceMember {
            identity,
            invitation,
            ..
        } => Some((*identity, *invitation)),
        _ => None,
    }
}

/// Identities that lost their invitation and were never admitted by anything that counts.
fn losers(world: &World, membership: &Membership) -> Vec<IdentityKey> {
    let admitted: BTreeSet<_> = world
        .blocks
        .iter()
        .filter(|block| membership.takes_effect(block))
        .filter_map(admits)
        .map(|(identity, _)| identity)
        .collect();
    let lost = |identity: &&IdentityKey| {
        let departure = membership.departure(identity);
        matches!(departure, Some(Departure::InvitationLost { .. })) && !admitted.contains(*identity)
    };
    world.identities.iter().filter(lost).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn an_invitation_for_one_guest_admits_one(history in steps(Kind::Invitations, 60), seed: u64) {
        let mut world = play(Kind::Invitations, &history);
        spoil(&mut world, seed, 12);
        let membership = world.evaluate();
        let mut guests: BTreeMap<_, IdentityKey> = BTreeMap::new();
        for block in world.blocks.iter().filter(|block| membership.takes_effect(block)) {
            if let Some((guest, Some(invitation))) = admits(block) {
                prop_assert_eq!(*guests.entry(invitation).or_insert(guest), guest);
                prop_assert!(membership.invitation_used(&invitation));
            }
        }
        let used = |open: &crate::Delegated| open.single_use && guests.contains_key(&open.invitation);
        prop_assert!(!membership.delegated().iter().any(used));
        // It is used by somebody, unless nobody had the right to admit with it.
        for block in &world.blocks {
            let Some((guest, Some(invitation))) = admits(block) else { continue };
            if let Some(Departure::InvitationLost { invitation: lost }) = membership.departure(&guest)
                && lost == invitation
            {
                prop_assert!(guests.get(&invitation).is_some_and(|winner| *winner != guest));
            }
        }
    }

    #[test]
    fn a_guest_that_lost_leaves_nothing_behind(history in steps(Kind::Invitations, 60)) {
        let world = play(Kind::Invitations, &history);
        let membership = world.evaluate();
        let shared = shared(&world);
        for loser in losers(&world, &membership) {
            let own: BTreeSet<_> = (0..world.devices.len())
                .filter(|device| world.identities[world.devices[*device].who] == loser)
                .map(|device| world.key(device))
                .collect();
            if !own.is_disjoint(&shared) {
                continue;
            }
            let of_others = |block: &&ControlBlock| !own.contains(&block.descriptor.device);
            let others: Vec<_> = world.blocks.iter().filter(of_others).cloned().collect();
            let without = Membership::evaluate(world.space, others.iter().cloned());
            prop_assert_eq!(without.members(), membership.members());
            prop_assert_eq!(without.readers(), membership.readers());
            prop_assert_eq!(without.content_key(), membership.content_key());
            prop_assert_eq!(without.delegated(), membership.delegated());
            for block in &others {
                prop_assert_eq!(without.takes_effect(block), membership.takes_effect(block));
            }
            let mut data = world.data.clone();
            let judged = |membership: &Membership, data| answers(membership, data);
            for of_loser in data.extract_if(.., |data| own.contains(&data.device)) {
                let of_loser = answers(&membership, &[of_loser]);
                prop_assert!(of_loser.iter().flatten().all(Result::is_err));
            }
            prop_assert_eq!(judged(&without, &data), judged(&membership, &data));
        }
    }

    #[test]
    fn a_recovery_key_never_acts((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 12);
        let membership = world.evaluate();
        let papers: BTreeSet<_> = (0..world.devices.len())
            .filter(|device| world.is_recovery_key(*device))
            .map(|device| world.key(device))
            .collect();
        for block in &world.blocks {
            let by_paper = papers.contains(&block.descriptor.device)
                && matches!(block.credential.issuer(), Issuer::Device(_));
            prop_assert!(!by_paper || !membership.takes_effect(block));
        }
        for data in &world.data {
            let judged = answers(&membership, std::slice::from_ref(data));
            prop_assert!(!papers.contains(&data.device) || judged.iter().flatten().all(Result::is_err));
        }
        prop_assert!(papers.iter().all(|key| membership.authority_of(key).is_none()));
        prop_assert!(papers.is_disjoint(&membership.admin_devices().into_keys().collect()));
    }

    #[test]
    fn who_reads_may((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 12);
        let membership = world.evaluate();
        let (readers, members) = (membership.readers(), membership.members());
        let mut expected = BTreeMap::new();
        for (identity, member) in &members {
            prop_assert!(membership.departure(identity).is_none());
            let revoked = membership.revoked_devices(identity);
            for (device, sealing) in member.devices.iter().chain(&member.recovery_keys) {
                prop_assert!(!revoked.contains(device));
                if member.role.allows(Right::Read) {
                    expected.insert(*device, *sealing);
                }
            }
            let chains = membership.chains_of(identity);
            prop_assert!(chains.values().all(|chain| chain.device().identity == *identity));
        }
        prop_assert_eq!(&readers, &expected);
        // Every one of them was shown by somebody who might, to whoever counts it.
        for device in readers.keys() {
            let shown = world.blocks.iter().any(|block| {
                let (Assertion::DevicePresented { chain, .. }
                | Assertion::SpaceMember { chain: Some(chain), .. }) = block.credential.assertion()
                else {
                    return false;
                };
                membership.takes_effect(block) && chain.device().device == *device
            });
            prop_assert!(shown);
        }
        // The key in use was made by an admin.
        if let Some(current) = membership.content_key() {
            let made = world.blocks.iter().any(|block| {
                let same = matches!(block.credential.assertion(),
                    Assertion::ContentKey { key, .. } if *key == current);
                let place = (&block.feed, block.seq);
                let device = &block.descriptor.device;
                same && membership.takes_effect(block)
                    && membership.judge(device, place, &block.past, RIGHTS[3]).is_ok()
            });
            prop_assert!(made);
        }
    }
}
