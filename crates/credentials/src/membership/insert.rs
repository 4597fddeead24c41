//! Adding one block: the shortcuts past computing everything again.

use std::sync::Arc;

use dxos_keys::IdentityKey;

use super::evaluate::decides;
use super::{Change, ControlBlock, Membership};
use crate::Assertion;

impl Membership {
    /// Takes in a block that was kept just now. No block known here has it in its past, so it
    /// changes how others are judged only by taking something away.
    pub(super) fn take_in(&mut self, block: &Arc<ControlBlock>) -> Change {
        if !self.hope.take_in(self.space, block) {
            return Change::default();
        }
        if !decides(block) {
            let counts = self.derived.apply_leaf(self.space, block);
            return Change {
                counts,
                retroactive: false,
            };
        }
        let only_adds = match block.credential.assertion() {
            Assertion::SpaceGenesis { admin, .. } => self
                .derived
                .genesis
                .is_none_or(|(first, named)| named == *admin || first < block.order()),
            Assertion::SpaceMember { identity, role, .. } => {
                self.hope.only_gives(identity, *role, block)
            }
            Assertion::MemberRemoved { identity, .. }
            | Assertion::DeviceRevoked { identity, .. } => {
                if self.hope.reaches_nothing(identity, block)
                    && let Ok(authority) = self.derived.issuer(self.space, block)
                {
                    return self.restrict(block, &authority.identity);
                }
                false
            }
            _ => true,
        };
        if only_adds {
            let counts = self.derived.apply(self.space, block);
            return Change {
                counts,
                retroactive: false,
            };
        }
        let before = std::mem::take(&mut self.derived);
        self.evaluate_again();
        let named = |derived: &super::Derived| derived.genesis.map(|(_, admin)| admin);
        Change {
            counts: self.derived.counting.contains(&block.order()),
            retroactive: before.standing != self.derived.standing
                || named(&before).is_some() && named(&before) != named(&self.derived),
        }
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
