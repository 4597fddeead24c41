//! The ground: the latest epoch that nobody can contest any more.
//!
//! Blocks are dropped for what may not be contested alone, and only who is given the snapshot of
//! such an epoch can do without them for ever: whoever began with one that was contested later
//! could not go back.

use dxos_credentials::Epoch;
use dxos_keys::StateHash;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::snapshot::Snapshot;
use super::stream::part_key;
use crate::core::layout::SNAPSHOTS;
use crate::core::space::{Space, store_failed};

/// While the current epoch may be contested: the latest one that may not. Its snapshot is kept, as
/// whoever has to begin with a snapshot begins with that one.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) epoch: Epoch,
    /// Whether the state is to begin with it here before it goes on to the current epoch.
    pub(super) is_wanted: bool,
    /// Whether its snapshot is here.
    is_here: bool,
    /// Whether it was waited for, and nobody had it.
    pub(super) in_vain: bool,
}

impl Space {
    /// Notes which epoch is the ground.
    pub(super) fn stand_on(
        &mut self,
        epoch: Option<Epoch>,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let before = self.epochs.ground.take();
        let same = before.as_ref().map(|before| before.epoch) == epoch;
        if !same {
            // The snapshot that was kept for it may not be needed any more.
            self.epochs.untidy = true;
        }
        if let Some(epoch) = epoch {
            let list = part_key(self.record.number, &epoch.snapshot);
            let is_here = store.contains(SNAPSHOTS, &list);
            let before = before.filter(|_| same);
            self.epochs.ground = Some(Ground {
                epoch,
                is_wanted: before.as_ref().is_some_and(|before| before.is_wanted)
                    && self.is_above_base(&epoch),
                is_here: is_here.map_err(|error| store_failed(&error))?,
                in_vain: before.is_some_and(|before| before.in_vain),
            });
        }
        self.tell_snapshots();
        Ok(())
    }

    fn is_above_base(&self, epoch: &Epoch) -> bool {
        let base = self.epochs.base.as_ref();
        base.is_none_or(|base| base.epoch != epoch.hash && base.number <= epoch.number)
    }

    /// Whether the state has to begin with the ground, as blocks before it cannot be had.
    pub(super) fn begins_with_ground(&self) -> bool {
        let ground = self.epochs.ground.as_ref();
        ground.is_some_and(|ground| !ground.in_vain && self.is_above_base(&ground.epoch))
    }

    /// Tells peers which snapshots are here: that of the ground, and that of the base.
    pub(super) fn tell_snapshots(&mut self) {
        let ground = self.epochs.ground.as_ref().filter(|ground| ground.is_here);
        let base = self.epochs.base.as_ref();
        let all = [
            ground.map(|ground| ground.epoch.snapshot),
            base.map(|base| base.snapshot.name),
        ];
        self.sync.has_snapshots(all.into_iter().flatten().collect());
    }

    /// What the snapshot of the ground consists of, if it is here.
    pub(super) fn parts_of_ground(&self, store: &dyn Read) -> Result<Vec<StateHash>, EchoError> {
        let Some(ground) = self.epochs.ground.as_ref().filter(|ground| ground.is_here) else {
            return Ok(Vec::new());
        };
        let name = ground.epoch.snapshot;
        let list = store.get(SNAPSHOTS, &part_key(self.record.number, &name));
        let list = list.map_err(|error| store_failed(&error))?;
        let list = list.and_then(|list| Snapshot::read(&self.key(), &list).ok());
        let chunks = list.into_iter().flat_map(|list| list.chunks);
        Ok(std::iter::once(name).chain(chunks).collect())
    }
}
