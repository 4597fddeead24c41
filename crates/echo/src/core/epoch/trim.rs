//! Dropping blocks that the base stands for, and what is left of snapshots.

use std::collections::BTreeSet;

use dxos_credentials::{Assertion, Epoch, Role};
use dxos_keys::StateHash;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Read, Store};

use crate::core::layout::{self, BLOCKS, SNAPSHOTS, in_space};
use crate::core::space::{Outcome, Space, store_failed};

/// Rows that are deleted at once: the space goes on meanwhile.
const ROWS_MAX: usize = 2_048;

impl Space {
    /// Says that blocks which the base stands for are gone; [`Space::tidy`] deletes them. Returns
    /// how many blocks it stands for.
    ///
    /// Once they are gone this device cannot go back before the epoch. So every device that could
    /// have the epoch not count has to have written something in knowledge of it, unless `force`
    /// is given.
    pub(crate) fn trim(&mut self, force: bool) -> Result<(u64, Outcome), EchoError> {
        if let Some(wanted) = &self.epochs.wanted {
            return Err(EchoError::EpochLoading {
                number: wanted.epoch.number,
            });
        }
        let base = self.epochs.base.clone().ok_or(EchoError::NoEpoch)?;
        let epoch = self.epoch_of_base().ok_or(EchoError::NoEpoch)?;
        let devices = self.membership.may_contest(&epoch);
        if !force && !devices.is_empty() {
            let number = epoch.number;
            return Err(EchoError::EpochContestable { number, devices });
        }
        let mut starts = self.sync.starts().clone();
        for (feed, (_, floor)) in &base.snapshot.floors {
            let start = starts.entry(*feed).or_default();
            *start = (*start).max(floor.length);
        }
        self.sync.set_starts(starts);
        self.epochs.untidy = true;
        let mut outcome = Outcome::default();
        self.put_base(&mut outcome.batch)?;
        // For those that are told that what they asked for is gone.
        outcome
            .effects
            .wake
            .extend(self.sync.sessions().map(|(session, _)| session));
        Ok((base.snapshot.blocks(), outcome))
    }

    /// The epoch of the base, if it counts.
    pub(super) fn epoch_of_base(&self) -> Option<Epoch> {
        let base = self.epochs.base.as_ref()?;
        let epochs = self.membership.epochs();
        epochs.into_iter().find(|epoch| epoch.hash == base.epoch)
    }

    /// Deletes some of what nobody needs any more; `false` when there is none.
    pub(crate) fn tidy(&mut self, store: &dyn Store) -> Result<bool, EchoError> {
        let queues = self.tidy_queues(store)?;
        if !self.epochs.untidy {
            return Ok(queues);
        }
        let mut batch = Batch::new();
        let blocks = self.old_blocks(store, &mut batch)?;
        if batch.len() < ROWS_MAX {
            self.old_parts(store, &mut batch)?;
        }
        if batch.is_empty() {
            self.epochs.untidy = false;
            return Ok(queues);
        }
        self.tally.blocks = self.tally.blocks.saturating_sub(blocks);
        self.flush(&mut batch)?;
        let deleted = store.commit(batch, Durability::Buffered);
        deleted.map_err(|error| store_failed(&error))?;
        Ok(true)
    }

    fn old_blocks(&self, store: &dyn Read, batch: &mut Batch) -> Result<u64, EchoError> {
        let mut blocks = 0;
        for (feed, start) in self.sync.starts() {
            let from = layout::block_key(feed, 0);
            // The last one stays: whoever goes on from there is shown that it does.
            let until = layout::block_key(feed, start.saturating_sub(1));
            let range = KeyRange::between(&from, &until);
            let room = ROWS_MAX.saturating_sub(batch.len());
            for row in store.scan(BLOCKS, range, Direction::Forward).take(room) {
                let (key, _) = row.map_err(|error| store_failed(&error))?;
                batch.delete(BLOCKS, key);
                blocks += 1;
            }
        }
        Ok(blocks)
    }

    fn old_parts(&self, store: &dyn Read, batch: &mut Batch) -> Result<(), EchoError> {
        let mut kept: BTreeSet<StateHash> = BTreeSet::new();
        if let Some(base) = &self.epochs.base {
            kept.insert(base.snapshot.name);
            kept.extend(&base.snapshot.chunks);
        }
        if let Some(wanted) = &self.epochs.wanted {
            kept.insert(wanted.epoch.snapshot);
            let list = wanted.snapshot.as_ref();
            kept.extend(list.into_iter().flat_map(|list| &list.chunks));
        }
        kept.extend(self.parts_of_ground(store)?);
        let prefix = in_space(self.record.number, b"");
        for row in store.scan(SNAPSHOTS, KeyRange::prefix(&prefix), Direction::Forward) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            let hash = key.get(prefix.len()..).and_then(StateHash::from_slice);
            if hash.is_none_or(|hash| !kept.contains(&hash)) {
                batch.delete(SNAPSHOTS, key);
            }
            if batch.len() >= ROWS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// The epoch that this device, as one of an admin, is to say that it knows of.
    pub(in crate::core) fn epoch_to_acknowledge(&self) -> Option<Epoch> {
        if self.role() != Some(Role::Admin) || self.epochs.wanted.is_some() {
            return None;
        }
        let epoch = self.epoch_of_base()?;
        let contests = self.membership.may_contest(&epoch);
        contests.contains(&self.device()).then_some(epoch)
    }

    /// Says so.
    pub(in crate::core) fn acknowledge_epoch(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let Some(epoch) = self.epoch_to_acknowledge() else {
            return Ok(());
        };
        let assertion = Assertion::EpochAcknowledged {
            space: self.key(),
            epoch: epoch.hash,
        };
        // A loss of power must not take what others then rely on.
        outcome.synced = true;
        self.issue(assertion, now_ms, store, outcome)
    }
}
