//! Epochs that nobody asks for: when much was written since the last one.

use dxos_feed::Designation;

use crate::core::space::Space;

impl Space {
    /// Whether so many blocks were written since the last epoch that this device, as the first of
    /// an admin that is online, is to sign the next one. It does not unless it could without
    /// showing the state to somebody who was let in without the history.
    pub(crate) fn is_epoch_due_after(&self, blocks: u64) -> bool {
        self.blocks_since_epoch() >= blocks
            && self.epochs.wanted.is_none()
            && !self.stale
            && self.permit(dxos_credentials::Right::Admit, "").is_ok()
            && self.is_first_of_admins()
            && self.missing_keys().is_empty()
            && self.readers_without_history().is_empty()
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
