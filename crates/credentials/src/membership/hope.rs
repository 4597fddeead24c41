//! What could count if nobody had ever been removed, restricted or revoked.
//!
//! A block that could not even then counts under no circumstances, whatever else arrives: that
//! makes a flood of pretensions cheap to refuse. It also tells cheaply that a new restriction
//! reaches nothing that was there before.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::{DeviceKey, FeedId, IdentityKey, InvitationId, SpaceKey};

use super::ControlBlock;
use super::authority::{in_its_place, right_needed};
use super::derived::shows_itself;
use super::view::{View, covers};
use crate::{Assertion, DeviceChain, Role};

/// An over-estimate of who may do what, a function of the set of blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hope {
    /// Roles that each identity may have been given, and where in each feed.
    roles: BTreeMap<IdentityKey, BTreeMap<(Role, FeedId), Places>>,
    /// Identities that each device may act for, and where in each feed that was shown.
    shown: BTreeMap<DeviceKey, BTreeMap<(IdentityKey, FeedId), Places>>,
    /// The last block of each identity in each feed that may count.
    issued: BTreeMap<IdentityKey, BTreeMap<FeedId, u64>>,
    /// Whom each invitation for one guest may have admitted.
    guests: BTreeMap<InvitationId, BTreeSet<IdentityKey>>,
}

/// The first and the last place in a feed where something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    first: u64,
    last: u64,
}

fn note<K: Ord>(places: &mut BTreeMap<K, Places>, key: K, seq: u64) {
    let only = Places {
        first: seq,
        last: seq,
    };
    let known = places.entry(key).or_insert(only);
    known.first = known.first.min(seq);
    known.last = known.last.max(seq);
}

impl Hope {
    /// Takes in a block, after its causes. Tells whether it may count.
    pub(super) fn take_in(&mut self, space: SpaceKey, block: &ControlBlock) -> bool {
        if !in_its_place(space, block) {
            return false;
        }
        let (feed, seq) = (block.feed, block.seq);
        match block.credential.assertion() {
            Assertion::SpaceGenesis { admin, .. } => {
                let roles = self.roles.entry(*admin).or_default();
                note(roles, (Role::Admin, feed), seq);
                return true;
            }
            Assertion::DevicePresented { chain, .. } if shows_itself(block, chain) => {
                self.show(block, chain);
                return true;
            }
            _ => {}
        }
        let mut issuers = self.issuers(block);
        if let Assertion::DevicePresented { chain, .. } = block.credential.assertion() {
            issuers.retain(|issuer| *issuer == chain.device().identity);
        }
        if issuers.is_empty() {
            return false;
        }
        for issuer in issuers {
            let last = self.issued.entry(issuer).or_default();
            let last = last.entry(feed).or_insert(seq);
            *last = seq.max(*last);
        }
        match block.credential.assertion() {
            Assertion::SpaceMember {
                identity,
                role,
                chain,
                invitation,
                ..
            } => {
                note(self.roles.entry(*identity).or_default(), (*role, feed), seq);
                if let Some(chain) = chain
                    && chain.device().identity == *identity
                {
                    self.show(block, chain);
                }
                if let Some(invitation) = invitation {
                    self.guests
                        .entry(*invitation)
                        .or_default()
                        .insert(*identity);
                }
            }
            Assertion::DevicePresented { chain, .. } => self.show(block, chain),
            _ => {}
        }
        true
    }

    /// The identities for which the block may have been issued.
    fn issuers(&self, block: &ControlBlock) -> Vec<IdentityKey> {
        let view = View::of(block);
        let assertion = block.credential.assertion();
        let Some(needed) = right_needed(assertion) else {
            return Vec::new();
        };
        let shown = self
            .shown
            .get(&block.descriptor.device)
            .into_iter()
            .flatten();
        let mut issuers: Vec<_> = shown
            .filter(|((_, feed), places)| view.holds(feed, places.first))
            .map(|((identity, _), _)| *identity)
            .filter(|own| {
                let needed = match assertion {
                    Assertion::MemberRemoved { identity, .. } if identity != own => {
                        crate::Right::Admit
                    }
                    _ => needed,
                };
                let roles = self.roles.get(own).into_iter().flatten();
                roles
                    .filter(|((role, _), _)| role.allows(needed))
                    .any(|((_, feed), places)| view.holds(feed, places.first))
            })
            .collect();
        issuers.dedup();
        issuers
    }

    fn show(&mut self, block: &ControlBlock, chain: &DeviceChain) {
        let device = chain.device();
        let shown = self.shown.entry(device.device).or_default();
        note(shown, (device.identity, block.feed), block.seq);
    }

    /// Whether an identity was admitted by somebody who might have been allowed to.
    pub(super) fn admits(&self, identity: &IdentityKey) -> bool {
        self.roles.contains_key(identity)
    }

    /// Whether a new removal or revocation, about this identity or a device of it, was made in
    /// knowledge of all that the identity ever issued.
    pub(super) fn reaches_nothing(&self, identity: &IdentityKey, block: &ControlBlock) -> bool {
        let issued = self.issued.get(identity).into_iter().flatten();
        issued
            .into_iter()
            .all(|(feed, last)| covers(&block.past, feed, *last))
    }

    /// Whether an invitation for one guest may have been used for several.
    pub(super) fn is_contested(&self, invitation: Option<&InvitationId>) -> bool {
        let guests = invitation.and_then(|invitation| self.guests.get(invitation));
        guests.is_some_and(|guests| guests.len() > 1)
    }

    /// Whether a new admission can neither restrict what is there nor be restricted by it: all
    /// other roles that the identity may have been given are the same, or lesser ones that the
    /// admission came after.
    pub(super) fn only_gives(
        &self,
        identity: &IdentityKey,
        role: Role,
        block: &ControlBlock,
    ) -> bool {
        let view = View::of(block);
        let roles = self.roles.get(identity).into_iter().flatten();
        roles.into_iter().all(|((other, feed), places)| {
            *other == role || (*other < role && view.holds(feed, places.last))
        })
    }
}
