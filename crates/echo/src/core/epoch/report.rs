//! What a caller is told of epochs.

use dxos_credentials::Epoch;
use dxos_protocol::echo::{EpochReport, EpochState};

use crate::core::space::Space;

impl Space {
    /// All epochs that count, the latest first.
    pub(crate) fn list_epochs(&self) -> Vec<EpochReport> {
        let epochs = self.membership.epochs();
        epochs
            .iter()
            .map(|epoch| self.report_epoch(epoch))
            .collect()
    }

    pub(super) fn report_epoch(&self, epoch: &Epoch) -> EpochReport {
        let base = self.epochs.base.as_ref();
        let base = base.filter(|base| base.epoch == epoch.hash);
        let wanted = self.epochs.wanted.as_ref();
        let wanted = wanted.filter(|wanted| wanted.epoch.hash == epoch.hash);
        let state = if base.is_some() {
            EpochState::Current
        } else if wanted.is_some() {
            EpochState::Loading
        } else if self.epochs.refused.contains(&epoch.hash) {
            EpochState::Refused
        } else {
            EpochState::Superseded
        };
        let list = wanted.and_then(|wanted| wanted.snapshot.as_deref());
        let list = list.or_else(|| base.map(|base| &*base.snapshot));
        EpochReport {
            number: epoch.number,
            block: epoch.hash,
            by: epoch.by,
            identity: self.membership.author(&epoch.by).map(|(by, _)| by),
            snapshot: epoch.snapshot,
            state,
            objects: list.map(|list| list.objects),
            blocks: list.map(super::snapshot::Snapshot::blocks),
            is_trimmed: base.is_some_and(|base| {
                let floors = &base.snapshot.floors;
                let starts = self.sync.starts();
                !floors.is_empty()
                    && floors.iter().all(|(feed, (_, floor))| {
                        starts.get(feed).is_some_and(|start| *start >= floor.length)
                    })
            }),
            is_tidying: self.epochs.untidy,
            may_contest: self.membership.may_contest(epoch),
        }
    }
}
