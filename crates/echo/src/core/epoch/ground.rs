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
    /// Since when it was waited for and nobody who is there had it.
    nobody_since_ms: Option<u64>,
    /// Whether that was too long.
    in_vain: bool,
}

/// How long somebody who has its snapshot is waited for.
const PATIENCE_MS: u64 = 10_000;

impl Space {
    /// The latest epoch before `epoch`, on which that one stands, that nobody can contest. `None`
    /// where nobody can contest `epoch` itself.
    pub(super) fn ground_of(&self, epoch: Epoch, usable: &[Epoch]) -> Option<Epoch> {
        let is_contestable = |epoch: &Epoch| !self.membership.may_contest(epoch).is_empty();
        let before = |epoch: &Epoch| {
            let previous = epoch.previous?;
            usable.iter().find(|known| known.hash == previous).copied()
        };
        if !is_contestable(&epoch) {
            return None;
        }
        // Numbers fall from one to the next.
        let mut ground = before(&epoch)?;
        while is_contestable(&ground) {
            ground = before(&ground)?;
        }
        Some(ground)
    }

    /// Gives the ground up when it was wanted, and nobody who is there has had it for long:
    /// peers that were made to drop what may be contested.
    pub(super) fn tick_ground(&mut self, now_ms: u64, store: &dyn Read) -> Result<(), EchoError> {
        let is_missing = self.epochs.wanted.as_ref().is_some_and(|wanted| {
            let ground = self.epochs.ground.as_ref();
            let is_ground = ground.is_some_and(|g| g.is_wanted && g.epoch == wanted.epoch);
            is_ground && (wanted.snapshot.is_none() || !wanted.missing.is_empty())
        });
        let is_nowhere = self.sync.sessions().next().is_some() && !self.sync.is_fetching();
        let Some(ground) = &mut self.epochs.ground else {
            return Ok(());
        };
        if !is_missing || !is_nowhere {
            ground.nobody_since_ms = None;
            return Ok(());
        }
        let since_ms = *ground.nobody_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) < PATIENCE_MS {
            return Ok(());
        }
        (ground.is_wanted, ground.in_vain) = (false, true);
        self.choose_epoch(store)
    }

    /// A peer has a snapshot: if it is that of the ground, that can be begun with after all.
    pub(in crate::core) fn hear_of_snapshot(&mut self, snapshot: StateHash) {
        if let Some(ground) = &mut self.epochs.ground
            && ground.epoch.snapshot == snapshot
        {
            ground.in_vain = false;
        }
    }

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
                nobody_since_ms: before.as_ref().and_then(|before| before.nobody_since_ms),
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
