//! Epochs that nobody asks for: when much was written since the last one, or it is old.

use std::num::NonZeroU64;
use std::time::Duration;

use dxos_credentials::Assertion;
use dxos_feed::{BlockIndex as _, Designation};
use dxos_store::Read;

use crate::core::space::Space;

/// When a device of an admin signs an epoch by itself: whatever comes first. With any of it, this
/// device drops what an epoch stands for, once it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochPolicy {
    /// After so many data blocks.
    pub blocks: Option<NonZeroU64>,
    /// When the last epoch, or the space while it has none, is so old and something was written
    /// since. That goes by the clocks of those who made them.
    pub age: Option<Duration>,
}

impl EpochPolicy {
    pub(crate) const fn is_empty(&self) -> bool {
        self.blocks.is_none() && self.age.is_none()
    }
}

impl Space {
    /// Whether so many blocks were written since the last epoch, or it is so old, that this
    /// device, as the first of an admin that is online, is to sign the next one. It does not
    /// unless it could without showing the state to somebody who was let in without the history.
    pub(crate) fn is_epoch_due_by(
        &self,
        policy: &EpochPolicy,
        now_ms: u64,
        store: &dyn Read,
    ) -> bool {
        let new = self.blocks_since_epoch();
        let is_much = policy.blocks.is_some_and(|blocks| new >= blocks.get());
        let is_old = || {
            policy.age.is_some_and(|age| {
                let old_ms = self.epoch_age_ms(now_ms, store);
                old_ms.is_some_and(|old_ms| u128::from(old_ms) >= age.as_millis())
            })
        };
        new > 0
            && (is_much || is_old())
            && self.epochs.wanted.is_none()
            && self.open_erasure().is_none()
            && !self.stale
            && self.permit(dxos_credentials::Right::Admit, "").is_ok()
            && self.is_first_of_admins()
            && self.missing_keys().is_empty()
            && self.readers_without_history().is_empty()
    }

    /// How old the epoch of the base is, or the space when there is none, by what was written in
    /// its block. `None` when that block cannot be read.
    fn epoch_age_ms(&self, now_ms: u64, store: &dyn Read) -> Option<u64> {
        let (feed, seq) = match self.epoch_of_base() {
            Some(epoch) => (epoch.feed, epoch.seq),
            None => {
                let mut blocks = self.membership.blocks();
                let genesis = blocks.find(|block| {
                    let assertion = block.credential.assertion();
                    matches!(assertion, Assertion::SpaceGenesis { .. })
                })?;
                (genesis.feed, genesis.seq)
            }
        };
        let block = self.blocks(store).block(&feed, seq).ok()??;
        Some(now_ms.saturating_sub(block.time_ms))
    }

    /// Data blocks that the base does not stand for.
    fn blocks_since_epoch(&self) -> u64 {
        let data = self.dag.feeds().map(|(_, state)| state);
        let data = data.filter(|state| state.descriptor.designation == Designation::Data);
        let new = data.map(|state| state.length.saturating_sub(state.floor_length()));
        new.fold(0, u64::saturating_add)
    }

    /// Whether there are blocks here that the base stands for, and that may be dropped.
    pub(crate) fn has_blocks_to_drop(&self) -> bool {
        let Some(base) = &self.epochs.base else {
            return false;
        };
        let starts = self.sync.starts();
        let left = base.snapshot.floors.iter().any(|(feed, (_, floor))| {
            let start = starts.get(feed).copied().unwrap_or_default();
            start < floor.length
        });
        left && self.epochs.wanted.is_none()
            && self
                .epoch_of_base()
                .is_some_and(|epoch| self.membership.may_contest(&epoch).is_empty())
    }
}
