//! From the set of control blocks to members: the definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_keys::{DeviceKey, IdentityKey, InvitationId, SpaceKey};

use super::derived::{Derived, Limit};
use super::hope::Hope;
use super::view::{View, covers};
use super::{ControlBlock, Membership, Order};
use crate::{Assertion, Role};

/// Who goes first, the least first: the member nearer to genesis, ties by key. Of one member: what
/// it does to itself and its devices, then what it does to others, so that whoever left or lost a
/// device cannot go on doing that; then the device nearer to the identity's genesis, ties by key:
/// a stolen device neither leaves for the others nor revokes them, if they revoke it. Of one
/// device: leaving, then giving back. Nothing before the last part can be chosen after the fact.
pub(super) type Seniority = (u32, IdentityKey, Kind, Standing, Effect, Order);

/// Where a device stands among those of its identity.
type Standing = (usize, DeviceKey);

/// What a block does to what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    Leaves,
    GivesBack,
    TakesAway,
}

/// What a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Own,
    Restricting,
    Admitting,
}

/// What a block would take away from somebody.
#[derive(Clone, Copy, Debug)]
enum Claim {
    /// A membership, a role, a device.
    Restrict,
    /// The revocation of a device by another that comes after this one.
    Restore,
    /// An invitation that was used for another guest, too; this guest is the one.
    Invitation(InvitationId, IdentityKey),
}

/// How often decisions about invitations may have everything taken away worked out anew: enough
/// for accidents, and little enough that nobody can make it costly.
const FRESH_STARTS_MAX: usize = 16;

/// Whether a block decides who is a member, with which role and which devices.
pub(super) fn decides(block: &ControlBlock) -> bool {
    matches!(
        block.credential.assertion(),
        Assertion::SpaceGenesis { .. }
            | Assertion::SpaceMember { .. }
            | Assertion::MemberRemoved { .. }
            | Assertion::DeviceRevoked { .. }
            | Assertion::DeviceRestored { .. }
            | Assertion::DevicePresented { .. }
    )
}

impl Membership {
    /// Computes everything from the set of blocks.
    pub(super) fn evaluate_again(&mut self) {
        let Self { space, blocks, .. } = &*self;
        let mut hope = Hope::default();
        let (mut deciding, mut leaves) = (Vec::new(), Vec::new());
        for block in blocks.values() {
            if hope.take_in(*space, block) {
                let list = if decides(block) {
                    &mut deciding
                } else {
                    &mut leaves
                };
                list.push(block);
            }
        }
        let mut derived = Derived::of(*space, &deciding);
        for block in leaves {
            derived.apply_leaf(*space, block);
        }
        self.hope = hope;
        self.derived = derived;
    }
}

impl Derived {
    /// What follows from the blocks that decide, given in causal order. Removals take effect one
    /// by one, by seniority; one that cancels acts has everything computed again under it.
    ///
    /// A contest about an invitation is decided as if the others had never been admitted by it:
    /// what was worked out so far is worked out anew.
    fn of(space: SpaceKey, blocks: &[&Arc<ControlBlock>]) -> Self {
        let mut restrictions = Self::default();
        let mut fresh_starts = 0;
        loop {
            let mut derived = restrictions.clone();
            for block in blocks {
                derived.apply(space, block);
            }
            let mut candidates = BTreeMap::new();
            for block in blocks {
                if let Some((seniority, claim)) = derived.candidate(space, block) {
                    candidates.insert(seniority, (*block, claim));
                }
            }
            let mut settled = true;
            for (seniority, (block, claim)) in candidates {
                let (rank, issuer, ..) = seniority;
                // One that took effect in this round may have cancelled it.
                if derived.issuer(space, block).is_err() || derived.is_restored(block, &seniority) {
                    continue;
                }
                if let Claim::Restore = claim {
                    restrictions.restore(block, seniority);
                    derived.restore(block, seniority);
                    derived.counting.insert(block.order());
                    continue;
                }
                if let Claim::Invitation(invitation, guest) = claim {
                    if !restrictions.standing.is_empty() && fresh_starts < FRESH_STARTS_MAX {
                        fresh_starts += 1;
                        restrictions = restrictions.without_restrictions();
                    }
                    let winner = (block.order(), guest);
                    restrictions.winners.insert(invitation, winner);
                    settled = false;
                    break;
                }
                restrictions.restrict(block, &issuer, rank);
                derived.restrict(block, &issuer, rank);
                derived.counting.insert(block.order());
                if derived.disturbed_by(space, block) {
                    settled = false;
                    break;
                }
            }
            if !settled {
                continue;
            }
            let Some((invitation, order)) = derived.fallen_winner() else {
                return derived;
            };
            restrictions.winners.remove(&invitation);
            restrictions.fallen.insert(order);
        }
    }

    /// The seniority of a block that takes something away from somebody and may.
    fn candidate(&self, space: SpaceKey, block: &ControlBlock) -> Option<(Seniority, Claim)> {
        let stands = self.standing.contains_key(&block.order());
        // A reduction that uses an invitation has to be the one that may.
        let claim = if let Assertion::DeviceRestored { .. } = block.credential.assertion() {
            if self.restores(block) {
                return None;
            }
            Claim::Restore
        } else if let Some((invitation, guest)) = self.contested(block) {
            Claim::Invitation(invitation, guest)
        } else if !stands && self.takes_away(block) {
            Claim::Restrict
        } else {
            return None;
        };
        let own = self.issuer(space, block).ok()?.identity;
        let view = View::of(block);
        let (kind, effect) = match (claim, block.credential.assertion()) {
            (Claim::Invitation(..), _) => (Kind::Admitting, Effect::TakesAway),
            (Claim::Restore, _) => (Kind::Own, Effect::GivesBack),
            (_, Assertion::MemberRemoved { identity, .. }) if *identity == own => {
                (Kind::Own, Effect::Leaves)
            }
            (_, Assertion::DeviceRevoked { .. }) => (Kind::Own, Effect::TakesAway),
            _ => (Kind::Restricting, Effect::TakesAway),
        };
        let (rank, standing) = (self.rank_at(&own, view), self.weight(&own, block));
        let seniority = (rank, own, kind, standing, effect, block.order());
        (!self.is_restored(block, &seniority)).then_some((seniority, claim))
    }

    /// Where the device that issued a block stands among those of its identity, or, if that one
    /// comes after it and is known to the issuer, the device whose word it repeats.
    pub(super) fn weight(&self, own: &IdentityKey, block: &ControlBlock) -> Standing {
        let view = View::of(block);
        let standing = |device: DeviceKey| (self.depth(own, &device, view), device);
        let issuer = standing(block.descriptor.device);
        match block.credential.assertion() {
            Assertion::DeviceRevoked {
                repeats: Some(other),
                ..
            } if self.depth(own, other, view) < usize::MAX => issuer.max(standing(*other)),
            _ => issuer,
        }
    }

    /// Whether a revocation was taken back by a device that goes before whoever issued it.
    fn is_restored(&self, block: &ControlBlock, seniority: &Seniority) -> bool {
        let Assertion::DeviceRevoked {
            identity, device, ..
        } = block.credential.assertion()
        else {
            return false;
        };
        let restorations = self.restorations.get(&(*identity, *device));
        let mut restorations = restorations.into_iter().flatten();
        restorations.any(|(_, (before, restoration))| {
            before < seniority && covers(&restoration.past, &block.feed, block.seq)
        })
    }

    /// Whether a block is a restoration that has taken effect.
    pub(super) fn restores(&self, block: &ControlBlock) -> bool {
        let Assertion::DeviceRestored { identity, device } = block.credential.assertion() else {
            return false;
        };
        let restorations = self.restorations.get(&(*identity, *device));
        restorations.is_some_and(|restorations| restorations.contains_key(&block.order()))
    }

    fn restore(&mut self, block: &Arc<ControlBlock>, seniority: Seniority) {
        if let Assertion::DeviceRestored { identity, device } = block.credential.assertion() {
            let restorations = self.restorations.entry((*identity, *device)).or_default();
            restorations.insert(block.order(), (seniority, Arc::clone(block)));
        }
    }

    /// Whether a block takes something away from somebody, were it to count. An admission does
    /// when it gives less than another that did not come after it.
    fn takes_away(&self, block: &ControlBlock) -> bool {
        match block.credential.assertion() {
            Assertion::MemberRemoved { .. } | Assertion::DeviceRevoked { .. } => true,
            Assertion::SpaceMember { identity, role, .. } => {
                let acts = self.acts.get(identity).map(Vec::as_slice);
                let counts = self.counting.contains(&block.order());
                counts
                    && acts.unwrap_or_default().iter().any(|act| {
                        act.role.is_some_and(|given| given > *role)
                            && !act.knew(&block.feed, block.seq)
                    })
            }
            _ => false,
        }
    }

    /// Lets a removal, a reduction or a revocation take effect.
    pub(super) fn restrict(&mut self, block: &Arc<ControlBlock>, issuer: &IdentityKey, rank: u32) {
        let (order, block) = (block.order(), Arc::clone(block));
        self.standing.insert(order, 0);
        if let Some(issued) = self.issued.get_mut(issuer) {
            issued.remove(&order);
            if issued.is_empty() {
                self.issued.remove(issuer);
            }
        }
        let (identity, role): (_, Option<Role>) = match block.credential.assertion() {
            Assertion::MemberRemoved { identity, .. } => (*identity, None),
            Assertion::SpaceMember {
                identity,
                role,
                invitation,
                ..
            } => {
                self.standing.insert(order, rank);
                if let Some(invitation) = invitation {
                    let winner = self.winners.entry(*invitation);
                    winner.or_insert((order, *identity));
                }
                (*identity, Some(*role))
            }
            Assertion::DeviceRevoked {
                identity, device, ..
            } => {
                let revocations = self.revocations.entry((*identity, *device)).or_default();
                revocations.insert(order, block);
                return;
            }
            _ => return,
        };
        let limits = self.limits.entry(identity).or_default();
        limits.insert(order, Limit { block, role });
    }

    /// What was decided about invitations, without what was taken away.
    fn without_restrictions(self) -> Self {
        Self {
            winners: self.winners,
            fallen: self.fallen,
            ..Self::default()
        }
    }

    /// Whether a restriction that just took effect cancels acts.
    fn disturbed_by(&self, space: SpaceKey, block: &ControlBlock) -> bool {
        let (Assertion::MemberRemoved { identity, .. }
        | Assertion::SpaceMember { identity, .. }
        | Assertion::DeviceRevoked { identity, .. }) = block.credential.assertion()
        else {
            return false;
        };
        let issued = self.issued.get(identity).into_iter().flatten();
        issued
            .into_iter()
            .any(|(_, act)| self.issuer(space, act).is_err())
    }
}
