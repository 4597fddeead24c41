//! From the set of control blocks to members: the definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_keys::{DeviceKey, IdentityKey, SpaceKey};

use super::derived::{Derived, Limit};
use super::hope::Hope;
use super::view::View;
use super::{ControlBlock, Membership, Order};
use crate::{Assertion, Role};

/// Who goes first, the least first: the member nearer to genesis, ties by key. Of one member:
/// leaving, then revocations, then what it does to others, so that whoever left or lost a device
/// cannot go on doing that; then the device nearer to the identity's genesis, ties by key.
/// Nothing before the last part can be chosen after the fact.
type Seniority = (u32, IdentityKey, Kind, usize, DeviceKey, Order);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Leaving,
    Revoking,
    Restricting,
}

/// Whether a block decides who is a member, with which role and which devices.
pub(super) fn decides(block: &ControlBlock) -> bool {
    matches!(
        block.credential.assertion(),
        Assertion::SpaceGenesis { .. }
            | Assertion::SpaceMember { .. }
            | Assertion::MemberRemoved { .. }
            | Assertion::DeviceRevoked { .. }
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
    fn of(space: SpaceKey, blocks: &[&Arc<ControlBlock>]) -> Self {
        let mut restrictions = Self::default();
        loop {
            let mut derived = restrictions.clone();
            for block in blocks {
                derived.apply(space, block);
            }
            let mut candidates: BTreeMap<Seniority, &Arc<ControlBlock>> = BTreeMap::new();
            for block in blocks {
                if let Some(seniority) = derived.candidate(space, block) {
                    candidates.insert(seniority, block);
                }
            }
            let mut settled = true;
            for ((rank, issuer, ..), block) in candidates {
                // One that took effect in this round may have cancelled it.
                if derived.issuer(space, block).is_err() {
                    continue;
                }
                restrictions.restrict(block, &issuer, rank);
                derived.restrict(block, &issuer, rank);
                derived.counting.insert(block.order());
                if derived.disturbed_by(space, block) {
                    settled = false;
                    break;
                }
            }
            if settled {
                return derived;
            }
        }
    }

    /// The seniority of a block that takes something away from somebody and may.
    fn candidate(&self, space: SpaceKey, block: &ControlBlock) -> Option<Seniority> {
        if self.standing.contains_key(&block.order()) || !self.takes_away(block) {
            return None;
        }
        let own = self.issuer(space, block).ok()?.identity;
        let (device, view) = (block.descriptor.device, View::of(block));
        let kind = match block.credential.assertion() {
            Assertion::MemberRemoved { identity, .. } if *identity == own => Kind::Leaving,
            Assertion::DeviceRevoked { .. } => Kind::Revoking,
            _ => Kind::Restricting,
        };
        let (rank, depth) = (self.rank_at(&own, view), self.depth(&own, &device, view));
        Some((rank, own, kind, depth, device, block.order()))
    }

    /// Whether a block takes something away from somebody, were it to count. An admission does
    /// when it gives less than another that did not come after it.
    fn takes_away(&self, block: &ControlBlock) -> bool {
        match block.credential.assertion() {
            Assertion::MemberRemoved { .. } | Assertion::DeviceRevoked { .. } => true,
            Assertion::SpaceMember { identity, role, .. } => {
                let acts = self.acts.get(identity).map(Vec::as_slice);
                acts.unwrap_or_default().iter().any(|act| {
                    act.role.is_some_and(|given| given > *role) && !act.knew(&block.feed, block.seq)
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
            Assertion::SpaceMember { identity, role, .. } => {
                self.standing.insert(order, rank);
                (*identity, Some(*role))
            }
            Assertion::DeviceRevoked { identity, device } => {
                let revocations = self.revocations.entry((*identity, *device)).or_default();
                revocations.insert(order, block);
                return;
            }
            _ => return,
        };
        let limits = self.limits.entry(identity).or_default();
        limits.insert(order, Limit { block, role });
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
