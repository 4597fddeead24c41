//! A naive predicate for histories that only give, written without a look at the real one.

use std::collections::BTreeMap;

use super::world::World;
use crate::{Assertion, Issuer, LinkKind, Role};

/// Which blocks count when nobody is ever removed or revoked and each identity is only ever
/// given one role.
pub(super) fn counting(world: &World) -> Vec<bool> {
    let mut counts: Vec<bool> = Vec::new();
    let mut made_by_admin = Vec::new();
    for (at, block) in world.blocks.iter().enumerate() {
        let earlier = || {
            let counts = &counts;
            world.blocks[..at]
                .iter()
                .enumerate()
                .filter_map(move |(n, other)| {
                    let known = block.past.get(&other.feed) > other.seq;
                    (counts[n] && known).then_some(other.credential.assertion())
                })
        };
        let device = block.descriptor.device;
        let mut identity = None;
        for assertion in earlier() {
            let chain = match assertion {
                Assertion::DevicePresented { chain, .. } => Some(chain),
                Assertion::SpaceMember { chain, .. } => chain.as_ref(),
                _ => None,
            };
            if let Some(chain) = chain
                && chain.device().device == device
                && chain.device().kind == LinkKind::Device
            {
                identity = Some(chain.device().identity);
            }
        }
        let mut roles = BTreeMap::new();
        for assertion in earlier() {
            match assertion {
                Assertion::SpaceGenesis { admin, .. } => roles.insert(*admin, Role::Admin),
                Assertion::SpaceMember { identity, role, .. } => roles.insert(*identity, *role),
                _ => None,
            };
        }
        let role = identity.and_then(|identity| roles.get(&identity).copied());
        let signed = *block.credential.issuer() == Issuer::Device(device);
        let allowed = match block.credential.assertion() {
            Assertion::SpaceGenesis { space, .. } => {
                *block.credential.issuer() == Issuer::Space(*space)
            }
            Assertion::DevicePresented { chain, .. } => {
                let shown = chain.device();
                let itself = shown.device == device && shown.kind == LinkKind::Device;
                let sister = role.is_some() && identity == Some(shown.identity);
                signed && (itself || shown.device != device && sister)
            }
            // Whoever reads hands on what an admin made.
            Assertion::ContentKey { key, .. } => {
                let made = world.blocks[..at].iter().enumerate().any(|(n, other)| {
                    let same = matches!(other.credential.assertion(),
                        Assertion::ContentKey { key: made, .. } if made == key);
                    same && made_by_admin[n] && block.past.get(&other.feed) > other.seq
                });
                let reads = role.is_some_and(|role| role != Role::Replicator);
                signed && (role == Some(Role::Admin) || reads && made)
            }
            Assertion::MemberProfile { .. } => signed && role.is_some(),
            _ => signed && role == Some(Role::Admin),
        };
        let here = match block.credential.assertion() {
            Assertion::SpaceGenesis { space, .. }
            | Assertion::SpaceMember { space, .. }
            | Assertion::MemberProfile { space, .. }
            | Assertion::DevicePresented { space, .. }
            | Assertion::ContentKey { space, .. } => *space == world.space,
            _ => false,
        };
        counts.push(allowed && here);
        made_by_admin.push(allowed && here && role == Some(Role::Admin));
    }
    counts
}
