//! A naive predicate for histories that only give, written without a look at the real one.

use std::collections::BTreeMap;

use super::world::World;
use crate::{Assertion, Issuer, Role};

/// Which blocks count when nobody is ever removed or revoked and each identity is only ever
/// given one role.
pub(super) fn counting(world: &World) -> Vec<bool> {
    let mut counts: Vec<bool> = Vec::new();
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
            Assertion::DevicePresented { chain, .. } => signed && chain.device().device == device,
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
    }
    counts
}
