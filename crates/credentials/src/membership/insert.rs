//! Adding blocks: the shortcuts past computing everything again.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_keys::IdentityKey;

use super::evaluate::decides;
use super::{Change, ControlBlock, Membership};
use crate::Assertion;

impl Membership {
    /// Takes in blocks one by one as long as the shortcuts allow, and then the rest at once.
    pub(super) fn take_in_all(&mut self, blocks: impl Iterator<Item = ControlBlock>) -> Change {
        let mut change = Change::default();
        let mut rest = BTreeSet::new();
        for block in blocks {
            let order = block.order();
            if self.blocks.contains_key(&order) {
                continue;
            }
            let Some(block) = self.keep(block) else {
                continue;
            };
            let taken = rest.is_empty().then(|| self.take_in(&block)).flatten();
            match taken {
                Some(one) => {
                    change.counts |= one.counts;
                    change.retroactive |= one.retroactive;
                }
                None => {
                    rest.insert(order);
                }
            }
        }
        if rest.is_empty() {
            return change;
        }
        let before = std::mem::take(&mut self.derived);
        self.evaluate_again();
        let after = &self.derived;
        let others = after.counting.iter().filter(|other| !rest.contains(other));
        change.retroactive |=
            before.standing != after.standing || !before.counting.iter().eq(others);
        change.counts |= rest.iter().any(|order| after.counting.contains(order));
        change
    }

    /// Takes in a block that was kept just now. No block known here has it in its past, so it
    /// changes how others are judged only by taking something away. `None` when everything is to
    /// be computed again.
    fn take_in(&mut self, block: &Arc<ControlBlock>) -> Option<Change> {
        if !self.hope.take_in(self.space, block) {
            return Some(Change::default());
        }
        if !decides(block) {
            let counts = self.derived.apply_leaf(self.space, block);
            return Some(Change {
                counts,
                retroactive: false,
            });
        }
        let only_adds = match block.credential.assertion() {
            Assertion::SpaceGenesis { admin, .. } => self
                .derived
                .genesis
                .is_none_or(|(first, named)| named == *admin || first < block.order()),
            Assertion::SpaceMember {
                identity,
                role,
                invitation,
                ..
            } => {
                self.hope.only_gives(identity, *role, block)
                    && !self.hope.is_contested(invitation.as_ref())
            }
            Assertion::MemberRemoved { identity, .. }
            | Assertion::DeviceRevoked { identity, .. } => {
                if self.hope.reaches_nothing(identity, block)
                    && let Ok(authority) = self.derived.issuer(self.space, block)
                {
                    return Some(self.restrict(block, &authority.identity));
                }
                false
            }
            // It changes how earlier blocks are judged.
            Assertion::DeviceRestored { .. } => false,
            _ => true,
        };
        only_adds.then(|| Change {
            counts: self.derived.apply(self.space, block),
            retroactive: false,
        })
    }

    /// Lets a removal or revocation take effect that reaches no control block known here. Data
    /// blocks it may reach.
    fn restrict(&mut self, block: &Arc<ControlBlock>, issuer: &IdentityKey) -> Change {
        self.derived.apply(self.space, block);
        self.derived.restrict(block, issuer, 0);
        self.derived.counting.insert(block.order());
        Change {
            counts: true,
            retroactive: true,
        }
    }
}
