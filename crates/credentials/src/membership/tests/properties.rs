//! What holds of every history.

use std::collections::{BTreeMap, BTreeSet};

use dxos_feed::Designation;
use dxos_keys::{DeviceKey, IdentityKey};
use proptest::prelude::*;

use super::random::{Draw, Kind, any_steps, play, spoil, steps};
use super::reference;
use super::world::{Data, World, judge};
use crate::{Assertion, Authority, ControlBlock, Issuer, Membership, Refused, Right, Role};

pub(super) const RIGHTS: [Right; 4] = [Right::Replicate, Right::Read, Right::Write, Right::Admit];

/// The blocks in some order in which causes come first.
pub(super) fn deliver(world: &World, draw: &mut Draw) -> Vec<ControlBlock> {
    let mut left: Vec<&ControlBlock> = world.blocks.iter().collect();
    let mut delivered = Vec::new();
    while !left.is_empty() {
        let ready: Vec<usize> = (0..left.len())
            .filter(|at| {
                let causes = |other: &&&ControlBlock| {
                    left[*at].past.get(&other.feed) > other.seq && other.hash != left[*at].hash
                };
                !left.iter().any(|other| causes(&other))
            })
            .collect();
        let next = ready[draw.below(ready.len())];
        delivered.push(left.remove(next).clone());
    }
    delivered
}

pub(super) fn shuffle(world: &World, draw: &mut Draw) -> Vec<ControlBlock> {
    let mut left = world.blocks.clone();
    let mut shuffled = Vec::new();
    while !left.is_empty() {
        shuffled.push(left.swap_remove(draw.below(left.len())));
    }
    shuffled
}

fn as_data(block: &ControlBlock) -> Data {
    let (device, feed, seq) = (block.descriptor.device, block.feed, block.seq);
    Data {
        device,
        feed,
        seq,
        past: block.past.clone(),
    }
}

/// What a membership says of everything that one can ask about.
pub(super) fn answers(
    membership: &Membership,
    asked: &[Data],
) -> Vec<[Result<Authority, Refused>; 4]> {
    let ask = |data| RIGHTS.map(|right| judge(membership, data, right));
    asked.iter().map(ask).collect()
}

/// Devices for which chains of several identities were shown.
pub(super) fn shared(world: &World) -> BTreeSet<DeviceKey> {
    let mut identities: BTreeMap<DeviceKey, BTreeSet<IdentityKey>> = BTreeMap::new();
    for block in &world.blocks {
        let chain = match block.credential.assertion() {
            Assertion::DevicePresented { chain, .. } => Some(chain),
            Assertion::SpaceMember { chain, .. } => chain.as_ref(),
            _ => None,
        };
        if let Some(chain) = chain {
            let device = chain.device();
            identities
                .entry(device.device)
                .or_default()
                .insert(device.identity);
        }
    }
    identities.retain(|_, identities| identities.len() > 1);
    identities.into_keys().collect()
}

fn identity_of(world: &World, device: &DeviceKey) -> Option<usize> {
    let device = world
        .devices
        .iter()
        .find(|known| known.secret.device() == *device);
    device.map(|device| device.who)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 12);
        let mut draw = Draw(seed);
        let expected = world.evaluate();
        let shuffled = Membership::evaluate(world.space, shuffle(&world, &mut draw));
        prop_assert_eq!(&shuffled, &expected);

        let mut membership = Membership::new(world.space);
        let mut asked = world.data.clone();
        let mut before = answers(&membership, &asked);
        let mut counted = BTreeSet::new();
        for block in deliver(&world, &mut draw) {
            let change = membership.insert(block.clone());
            prop_assert_eq!(change.counts, membership.takes_effect(&block));
            let so_far = membership.blocks().cloned().collect::<Vec<_>>();
            let stopped_or_started = so_far
                .iter()
                .any(|other| *other != block && counted.contains(&other.hash) != membership.takes_effect(other));
            prop_assert!(change.retroactive || !stopped_or_started);
            counted = so_far.iter().filter(|block| membership.takes_effect(block)).map(|block| block.hash).collect();
            prop_assert_eq!(&Membership::evaluate(world.space, so_far), &membership);
            let after = answers(&membership, &asked);
            // What does not know the block is not judged differently, unless that is told.
            for (data, (before, after)) in asked.iter().zip(before.iter().zip(&after)) {
                if !change.retroactive && data.past.get(&block.feed) <= block.seq {
                    prop_assert_eq!(before, after);
                }
            }
            asked.push(as_data(&block));
            before = after;
            before.extend(answers(&membership, &asked[asked.len() - 1..]));
            prop_assert_eq!(membership.insert(block), crate::Change::default());
        }
        prop_assert_eq!(&membership, &expected);
    }

    #[test]
    fn many_at_once_give_the_same((kind, history) in any_steps(60), seed: u64) {
        let world = play(kind, &history);
        let mut draw = Draw(seed);
        let mut delivered = deliver(&world, &mut draw);
        let (mut membership, mut known) = (Membership::new(world.space), Vec::new());
        while !delivered.is_empty() {
            let rest = delivered.split_off(1 + draw.below(delivered.len().min(20)));
            let before = membership.clone();
            let change = membership.insert_all(delivered.iter().cloned());
            let counts = |block| membership.takes_effect(block);
            prop_assert_eq!(change.counts, delivered.iter().any(counts));
            let differs = |block| before.takes_effect(block) != membership.takes_effect(block);
            prop_assert!(change.retroactive || !known.iter().any(differs));
            known.append(&mut delivered);
            delivered = rest;
            let so_far = Membership::evaluate(world.space, known.iter().cloned());
            prop_assert_eq!(&so_far, &membership);
        }
    }

    #[test]
    fn a_cut_gives_what_is_left((kind, history) in any_steps(40), seed: u64) {
        let mut world = play(kind, &history);
        let (mut membership, _) = world.insert_all();
        let cut = world.blocks[Draw(seed).below(world.blocks.len())].clone();
        membership.cut(&cut.feed, cut.seq);
        world.blocks.retain(|block| block.feed != cut.feed || block.seq < cut.seq);
        prop_assert_eq!(membership, world.evaluate());
    }

    #[test]
    fn only_what_the_naive_predicate_allows_counts(history in steps(Kind::Giving, 80)) {
        let world = play(Kind::Giving, &history);
        let membership = world.evaluate();
        let found: Vec<_> = world.blocks.iter().map(|block| membership.takes_effect(block)).collect();
        prop_assert_eq!(found, reference::counting(&world));
    }

    #[test]
    fn who_never_had_the_right_never_takes_effect((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 12);
        let membership = world.evaluate();
        let shared = shared(&world);
        for block in world.blocks.iter().filter(|block| membership.takes_effect(block)) {
            let needed = match block.credential.assertion() {
                Assertion::SpaceGenesis { .. } | Assertion::DevicePresented { .. } => continue,
                Assertion::ContentKey { .. } => Right::Read,
                Assertion::SpaceMember { .. }
                | Assertion::DelegatedInvitation { .. }
                | Assertion::InvitationCancelled { .. } => Right::Admit,
                Assertion::MemberRemoved { identity, .. }
                    if identity_of(&world, &block.descriptor.device)
                        .is_none_or(|who| world.identities[who] != *identity) => Right::Admit,
                _ => Right::Replicate,
            };
            prop_assert_eq!(block.credential.issuer(), &Issuer::Device(block.descriptor.device));
            if shared.contains(&block.descriptor.device) {
                continue;
            }
            // Somebody gave it the right, in its past.
            let who = identity_of(&world, &block.descriptor.device).unwrap();
            let given = world.blocks.iter().any(|other| {
                let role = match other.credential.assertion() {
                    Assertion::SpaceGenesis { admin, .. } if *admin == world.identities[who] => Role::Admin,
                    Assertion::SpaceMember { identity, role, .. } if *identity == world.identities[who] => *role,
                    _ => return false,
                };
                role.allows(needed) && block.past.get(&other.feed) > other.seq && other.hash != block.hash
            });
            prop_assert!(given);
        }
    }

    #[test]
    fn what_a_removal_did_not_know_never_counts((kind, history) in any_steps(60), seed: u64) {
        let mut world = play(kind, &history);
        spoil(&mut world, seed, 30);
        let membership = world.evaluate();
        let shared = shared(&world);
        let mut asked = world.data.clone();
        asked.extend(world.blocks.iter().map(as_data));
        for removal in world.blocks.iter().filter(|block| membership.takes_effect(block)) {
            let Assertion::MemberRemoved { identity, .. } = removal.credential.assertion() else {
                continue;
            };
            for data in &asked {
                let own = identity_of(&world, &data.device).is_some_and(|who| world.identities[who] == *identity);
                let readmitted = world.blocks.iter().any(|other| {
                    matches!(other.credential.assertion(),
                        Assertion::SpaceMember { identity: of, .. } if of == identity)
                        && other.past.get(&removal.feed) > removal.seq
                        && data.past.get(&other.feed) > other.seq
                });
                let said = removal.credential.assertion().seen().unwrap().get(&data.feed);
                let control = world.blocks.iter().any(|block| block.feed == data.feed);
                let known = removal.past.get(&data.feed) > data.seq
                    || !control && said.is_some_and(|length| *length > data.seq);
                if own && !readmitted && !known && !shared.contains(&data.device) {
                    prop_assert!(judge(&membership, data, Right::Replicate).is_err());
                }
            }
        }
    }

    #[test]
    fn the_removed_change_nothing_afterwards(
        history in steps(Kind::LoyalCreator, 50),
        who in 1..5_usize,
        tail in proptest::collection::vec((0..64_usize, 0..8_usize, 0..64_usize, any::<u64>(), 0..4_u32), 1..20),
    ) {
        let mut world = play(Kind::LoyalCreator, &history);
        world.meet_all();
        let removal = world.write(0, world.removed(who));
        let before = world.evaluate();
        prop_assert!(before.takes_effect(&world.blocks[removal]));
        let judged = answers(&before, &world.data);
        let data = world.data.clone();
        let length = world.blocks.len();
        for (device, what, subject, seed, incarnation) in tail {
            let own: Vec<_> = (0..world.devices.len())
                .filter(|device| world.devices[*device].who == who)
                .collect();
            let device = own[device % own.len()];
            let past = Draw(seed).part(&world);
            let (member, other) = (subject % 5, subject % world.devices.len());
            let assertion = match what {
                0 => world.member(who, Role::Admin),
                1 => world.member(member, Role::Replicator),
                2 => world.removed(member),
                3 => world.content_key(250),
                4 => world.revoked(other),
                5 => world.profile("still here"),
                6 => world.presented(device),
                _ => {
                    if world.devices.len() < 30 {
                        let new = world.authorize(device);
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
        for block in &world.blocks[length..] {
            let shown = matches!(block.credential.assertion(), Assertion::DevicePresented { .. });
            prop_assert!(shown || !after.takes_effect(block));
        }
        prop_assert_eq!(judged, answers(&after, &data));
    }

    #[test]
    fn knowing_less_never_allows_more(history in steps(Kind::Wild, 60), seed: u64) {
        let world = play(Kind::Wild, &history);
        let membership = world.evaluate();
        let (shared, mut draw) = (shared(&world), Draw(seed));
        for device in 0..world.devices.len() {
            let key = world.key(device);
            if shared.contains(&key) {
                continue;
            }
            let now = membership.authority_of(&key).map(|authority| authority.role);
            let feed = world.feed(device, Designation::Data, 9).id();
            for _ in 0..20 {
                let past = draw.part(&world);
                let data = Data { device: key, feed, seq: 0, past };
                for right in RIGHTS {
                    let allowed = judge(&membership, &data, right).is_ok();
                    prop_assert!(!allowed || now.is_some_and(|role| role.allows(right)));
                }
            }
            let data = Data { device: key, feed, seq: 0, past: world.everything() };
            for right in RIGHTS {
                let allowed = judge(&membership, &data, right).is_ok();
                prop_assert_eq!(allowed, now.is_some_and(|role| role.allows(right)));
            }
        }
    }
}
