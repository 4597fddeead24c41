//! Random histories by honest, careless and hostile writers.

use dxos_feed::Timeframe;
use proptest::prelude::*;

use super::world::{self, World};
use crate::{Assertion, Credential, GuestProof, Role};

/// One thing that one device does. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    device: usize,
    what: What,
    subject: usize,
    role: Role,
    knows: Knows,
    incarnation: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Admit,
    AdmitWithoutChain,
    CancelInvitation,
    Claim,
    CopyGenesis,
    Delegate,
    Edit,
    Foreign,
    Forged,
    HandOn,
    Invite,
    Issue,
    Meet,
    MeetAll,
    Mint,
    Present,
    Profile,
    Remove,
    /// A revocation that claims to repeat the word of some device.
    Repeat,
    Restore,
    Revoke,
    /// Somebody shows a device, of its own identity or of another.
    ShowOther,
    /// A phrase is written down, and shown; whoever found it acts as a device from then on.
    WriteDown,
}

#[derive(Clone, Copy, Debug)]
enum Knows {
    /// What it was shown.
    Honest,
    /// A part of everything that was ever written, drawn from this seed.
    Part(u64),
}

/// How far a history may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything.
    Wild,
    /// Nobody is ever removed, revoked or given another role.
    Giving,
    /// Devices that are revoked and restored.
    Devices,
    /// Everything, and above all invitations used twice.
    Invitations,
    /// The creator is neither removed nor reduced, and issues nothing in the dark.
    LoyalCreator,
}

const GIVING: &[What] = &[
    What::Admit,
    What::Admit,
    What::Admit,
    What::AdmitWithoutChain,
    What::CopyGenesis,
    What::Edit,
    What::Foreign,
    What::Forged,
    What::HandOn,
    What::Issue,
    What::Meet,
    What::Meet,
    What::MeetAll,
    What::Mint,
    What::Present,
    What::Present,
    What::Profile,
    What::ShowOther,
    What::WriteDown,
];
const ALL: &[What] = &[
    What::Admit,
    What::Admit,
    What::Admit,
    What::AdmitWithoutChain,
    What::CancelInvitation,
    What::Claim,
    What::CopyGenesis,
    What::Delegate,
    What::Edit,
    What::Edit,
    What::Foreign,
    What::Forged,
    What::HandOn,
    What::Invite,
    What::Invite,
    What::Invite,
    What::Invite,
    What::Issue,
    What::Issue,
    What::Meet,
    What::Meet,
    What::Meet,
    What::MeetAll,
    What::Mint,
    What::Present,
    What::Present,
    What::Profile,
    What::Remove,
    What::Remove,
    What::Remove,
    What::Remove,
    What::Repeat,
    What::Restore,
    What::Restore,
    What::Revoke,
    What::Revoke,
    What::ShowOther,
    What::ShowOther,
    What::WriteDown,
];

const INVITATIONS: &[What] = &[
    What::Admit,
    What::Edit,
    What::Invite,
    What::Invite,
    What::Invite,
    What::Invite,
    What::Invite,
    What::Issue,
    What::Meet,
    What::Meet,
    What::Meet,
    What::Meet,
    What::Present,
    What::Present,
    What::Present,
    What::Remove,
    What::Remove,
    What::Repeat,
    What::Restore,
    What::Revoke,
    What::ShowOther,
];

/// Devices of few identities that turn against each other.
const DEVICES: &[What] = &[
    What::Edit,
    What::Edit,
    What::Issue,
    What::Meet,
    What::Meet,
    What::Meet,
    What::Mint,
    What::Present,
    What::Repeat,
    What::Repeat,
    What::Restore,
    What::Restore,
    What::Restore,
    What::Revoke,
    What::Revoke,
    What::Revoke,
    What::ShowOther,
    What::WriteDown,
];

pub(super) fn steps(kind: Kind, max: usize) -> impl Strategy<Value = Vec<Step>> {
    let whats = match kind {
        Kind::Giving => GIVING,
        Kind::Devices => DEVICES,
        Kind::Invitations => INVITATIONS,
        Kind::Wild | Kind::LoyalCreator => ALL,
    };
    let knows = prop_oneof![
        3 => Just(Knows::Honest),
        1 => any::<u64>().prop_map(Knows::Part),
    ];
    let roles = prop_oneof![
        4 => Just(Role::Admin),
        2 => Just(Role::Editor),
        1 => Just(Role::Reader),
        1 => Just(Role::Replicator),
    ];
    let step = (
        0..64_usize,
        proptest::sample::select(whats),
        0..64_usize,
        roles,
        knows,
        0..3_u32,
    )
        .prop_map(|(device, what, subject, role, knows, incarnation)| Step {
            device,
            what,
            subject,
            role,
            knows,
            incarnation,
        });
    proptest::collection::vec(step, 1..max)
}

/// Histories in which everything may happen, and those about invitations or devices, in equal
/// parts.
pub(super) fn any_steps(max: usize) -> impl Strategy<Value = (Kind, Vec<Step>)> {
    let kinds = proptest::sample::select(&[Kind::Wild, Kind::Invitations, Kind::Devices][..]);
    kinds.prop_flat_map(move |kind| (Just(kind), steps(kind, max)))
}

/// A small generator for choices within a case.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// A part of everything, each feed up to some block.
    pub(super) fn part(&mut self, world: &World) -> Timeframe {
        let mut part = world.everything();
        for length in part.dots.values_mut() {
            let whole = usize::try_from(*length).unwrap();
            *length = match self.below(3) {
                0 => 0,
                1 => whole,
                _ => self.below(whole + 1),
            } as u64;
        }
        part.dots.retain(|_, length| *length > 0);
        part
    }
}

/// The role that an identity always gets in histories that only give.
fn fixed(who: usize) -> Role {
    [
        Role::Admin,
        Role::Admin,
        Role::Editor,
        Role::Admin,
        Role::Reader,
    ][who]
}

/// What is left of a history when feeds were forked, and cut there, and blocks got lost on the
/// way: one in `lost` of each.
pub(super) fn spoil(world: &mut World, seed: u64, lost: usize) {
    let mut draw = Draw(seed);
    for _ in 0..draw.below(3) {
        let cut = world.blocks[draw.below(world.blocks.len())].clone();
        world
            .blocks
            .retain(|block| block.feed != cut.feed || block.seq < cut.seq);
        if world.blocks.is_empty() {
            return;
        }
    }
    if draw.below(2) == 0 {
        world.blocks.retain(|_| draw.below(lost) > 0);
    }
}

pub(super) fn play(kind: Kind, steps: &[Step]) -> World {
    let mut world = World::new(&[2, 2, 2, 1, 1]);
    let roles: Vec<_> = (1..3).map(fixed).collect();
    let roles = match kind {
        Kind::Invitations => &roles[..1],
        Kind::Devices | Kind::Giving | Kind::Wild | Kind::LoyalCreator => &roles,
    };
    world.populate(roles);
    for (n, step) in steps.iter().enumerate() {
        take(&mut world, kind, n, *step);
    }
    world
}

fn take(world: &mut World, kind: Kind, n: usize, step: Step) {
    let device = step.device % world.devices.len();
    let (mut who, other) = (step.subject % 5, step.subject % world.devices.len());
    let mut role = if kind == Kind::Giving {
        fixed(who)
    } else {
        step.role
    };
    if kind == Kind::Giving && who == 0 {
        role = Role::Admin;
    }
    if kind == Kind::LoyalCreator && who == 0 {
        who = 1;
    }
    let loyal = kind == Kind::LoyalCreator && world.devices[device].who == 0;
    let (past, incarnation) = match step.knows {
        Knows::Part(seed) if !loyal => (Draw(seed).part(world), step.incarnation),
        Knows::Part(_) | Knows::Honest => (world.devices[device].known.clone(), 0),
    };
    let number = u8::try_from(n % 250).unwrap();
    let invitation = u8::try_from(step.incarnation).unwrap();
    let mut assertion = match step.what {
        What::Admit => world.member(who, role),
        What::AdmitWithoutChain => world.member_with(who, role, None),
        // Only the device of the last identity is claimed, so that most act for one identity.
        What::Claim if kind == Kind::Wild && world.devices[device].who != 4 => {
            let chain = world.claim(device, 7);
            world.member_with(world.devices[device].who, role, Some(chain))
        }
        What::Claim => return,
        What::CancelInvitation => Assertion::InvitationCancelled {
            space: world.space,
            invitation: world::invitation(invitation),
        },
        What::Delegate => Assertion::DelegatedInvitation {
            space: world.space,
            invitation: world::invitation(invitation),
            role,
            single_use: step.subject.is_multiple_of(2),
            history: true,
            expires_ms: 5,
            proof: GuestProof::None,
        },
        What::CopyGenesis => {
            let genesis = world.blocks[0].credential.clone();
            world.put(device, incarnation, &past, &genesis);
            return;
        }
        What::Edit => {
            world.transact(device, incarnation, &past);
            return;
        }
        What::Foreign => {
            let own = std::mem::replace(&mut world.space, dxos_keys::SpaceKey::from_bytes([3; 32]));
            let assertion = world.member(who, Role::Admin);
            world.space = own;
            assertion
        }
        What::Forged => {
            let signer = &world.devices[other].secret;
            let credential = Credential::by_device(signer, world.member(who, role));
            if other != device {
                world.put(device, incarnation, &past, &credential);
            }
            return;
        }
        What::HandOn => {
            let keys = world
                .blocks
                .iter()
                .map(|block| block.credential.assertion());
            let keys: Vec<_> = keys
                .filter(|assertion| matches!(assertion, Assertion::ContentKey { .. }))
                .collect();
            match keys.len() {
                0 => return,
                count => keys[step.subject % count].clone(),
            }
        }
        What::Invite => world.invited(who, role, invitation),
        What::Issue => world.content_key(number),
        What::Meet => return world.meet(&[device, other]),
        What::MeetAll => return world.meet_all(),
        What::Mint => {
            if world.devices.len() < 14 {
                let new = world.authorize(device);
                let assertion = world.presented(new);
                world.lie(new, incarnation, &past, assertion);
            }
            return;
        }
        What::Present => world.presented(device),
        What::Profile => world.profile(&format!("name {n}")),
        What::Remove => world.removed(who),
        What::Repeat | What::Restore | What::Revoke
            if loyal || (kind == Kind::LoyalCreator && world.devices[other].who == 0) =>
        {
            return;
        }
        What::Repeat => {
            let by = usize::try_from(step.incarnation).unwrap() + n;
            world.repeated(other, by % world.devices.len())
        }
        What::Restore => world.restored(other),
        What::Revoke => world.revoked(other),
        What::ShowOther => world.presented(other),
        What::WriteDown => {
            if world.devices.len() >= 14 || world.is_recovery_key(device) {
                return;
            }
            let paper = world.write_down(device);
            world.presented(paper)
        }
    };
    // Some lie about what they knew of data: of feeds of others, of control feeds, of the future.
    if let Knows::Part(seed) = step.knows
        && !loyal
        && let Some(seen) = world::seen(&mut assertion)
    {
        let mut draw = Draw(seed);
        for feed in world.everything().dots.into_keys() {
            match draw.below(4) {
                0 => seen.insert(feed, u64::MAX),
                1 => seen.insert(feed, draw.below(4) as u64),
                _ => None,
            };
        }
    }
    world.lie(device, incarnation, &past, assertion);
}
