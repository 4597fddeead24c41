//! Random histories by honest, careless and hostile writers.

use dxos_feed::Timeframe;
use proptest::prelude::*;

use super::world::World;
use crate::{Credential, Role};

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
    Claim,
    CopyGenesis,
    Edit,
    Foreign,
    Forged,
    Issue,
    Meet,
    MeetAll,
    Mint,
    Present,
    Profile,
    Remove,
    Revoke,
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
    What::Issue,
    What::Meet,
    What::Meet,
    What::MeetAll,
    What::Present,
    What::Present,
    What::Profile,
];
const ALL: &[What] = &[
    What::Admit,
    What::Admit,
    What::Admit,
    What::AdmitWithoutChain,
    What::Claim,
    What::CopyGenesis,
    What::Edit,
    What::Edit,
    What::Foreign,
    What::Forged,
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
    What::Revoke,
    What::Revoke,
];

pub(super) fn steps(kind: Kind, max: usize) -> impl Strategy<Value = Vec<Step>> {
    let whats = if kind == Kind::Giving { GIVING } else { ALL };
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

pub(super) fn play(kind: Kind, steps: &[Step]) -> World {
    let mut world = World::new(&[2, 2, 2, 1, 1]);
    let roles: Vec<_> = (1..3).map(fixed).collect();
    world.populate(&roles);
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
    let assertion = match step.what {
        What::Admit => world.member(who, role),
        What::AdmitWithoutChain => world.member_with(who, role, None),
        // Only the device of the last identity is claimed, so that most act for one identity.
        What::Claim if kind == Kind::Wild && world.devices[device].who != 4 => {
            let chain = world.claim(device, 7);
            world.member_with(world.devices[device].who, role, Some(chain))
        }
        What::Claim => return,
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
        What::Issue => world.content_key(number),
        What::Meet => return world.meet(&[device, other]),
        What::MeetAll => return world.meet_all(),
        What::Mint => {
            if world.devices.len() < 12 {
                let new = world.authorize(device);
                let assertion = world.presented(new);
                world.lie(new, incarnation, &past, assertion);
            }
            return;
        }
        What::Present => world.presented(device),
        What::Profile => world.profile(&format!("name {n}")),
        What::Remove => world.removed(who),
        What::Revoke if loyal || (kind == Kind::LoyalCreator && world.devices[other].who == 0) => {
            return;
        }
        What::Revoke => world.revoked(other),
    };
    world.lie(device, incarnation, &past, assertion);
}
