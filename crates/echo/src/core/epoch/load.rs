//! Getting the snapshot of the epoch that is to be the base.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_credentials::{Epoch, Right};
use dxos_feed::IndexError;
use dxos_keys::{SpaceKey, StateHash};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::{SessionError, SessionId};
use dxos_store::Read;

use super::snapshot::{CHUNK_STORED_BYTES_MAX, LIST_BYTES_MAX, Snapshot, hash_part};
use super::stream::part_key;
use crate::core::layout::{SNAPSHOTS, SpaceNumber};
use crate::core::space::{Outcome, Space, store_failed};
use crate::core::sync::Fetch;

/// Blocks are waited for, instead of fetching a snapshot of them, when no more than one in so
/// many is missing.
const MISSING_ONE_IN: u64 = 4;
/// And no longer than this.
const PATIENCE_MS: u64 = 10_000;

/// How long blocks were waited for that an epoch stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    New,
    Since(u64),
    InVain,
    /// It came with an archive, which holds no older blocks.
    No,
}

/// An epoch that is to be the base.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) epoch: Epoch,
    /// Its list, once that is here.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// Parts that are not in the store.
    pub(super) missing: BTreeSet<u32>,
    /// Whether the blocks were found not to prove the snapshot, nor to disprove it: its chunks
    /// have to be fetched.
    pub(super) is_unverifiable: bool,
    /// Whether a device of an admin may still have it not count: nobody drops blocks for it then,
    /// and they are fetched, so that nothing is built on what may not last.
    pub(super) is_contestable: bool,
    waiting: Waiting,
    /// Whether it can be made the base.
    pub(super) is_due: bool,
}

impl Wanted {
    pub(super) fn open(
        epoch: Epoch,
        space: SpaceKey,
        number: SpaceNumber,
        store: &dyn Read,
    ) -> Result<Self, EchoError> {
        let mut wanted = Self {
            epoch,
            snapshot: None,
            missing: BTreeSet::from([0]),
            is_unverifiable: false,
            is_contestable: true,
            waiting: Waiting::New,
            is_due: false,
        };
        let list = store.get(SNAPSHOTS, &part_key(number, &epoch.snapshot));
        if let Some(list) = list.map_err(|error| store_failed(&error))?
            && let Ok(snapshot) = Snapshot::read(&space, &list)
        {
            wanted.take_list(snapshot, number, store)?;
        }
        Ok(wanted)
    }

    fn take_list(
        &mut self,
        snapshot: Snapshot,
        number: SpaceNumber,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        self.missing.clear();
        for (part, hash) in (1..).zip(&snapshot.chunks) {
            let here = store.contains(SNAPSHOTS, &part_key(number, hash));
            if !here.map_err(|error| store_failed(&error))? {
                self.missing.insert(part);
            }
        }
        self.snapshot = Some(Arc::new(snapshot));
        Ok(())
    }
}

impl Space {
    pub(super) fn want(&mut self, wanted: Option<Wanted>) {
        if self.epochs.wanted.is_some() || wanted.is_some() {
            self.sync.fetch(None);
        }
        self.epochs.wanted = wanted;
    }

    /// Whether an epoch can be made the base, or the base dropped.
    pub(in crate::core) fn is_epoch_due(&self) -> bool {
        let wanted = self.epochs.wanted.as_ref();
        self.epochs.drops_base || wanted.is_some_and(|wanted| wanted.is_due)
    }

    /// Finds out whether the wanted epoch can be made the base, and what to fetch if not.
    pub(in crate::core) fn look_at_wanted(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let Some(wanted) = &self.epochs.wanted else {
            return Ok(());
        };
        let reads = self.permit(Right::Read, "").is_ok();
        let name = wanted.epoch.snapshot;
        let Some(snapshot) = wanted.snapshot.clone() else {
            self.sync.fetch(Some(Fetch::list(name)));
            return Ok(());
        };
        let has_key = !reads || self.keys.contains_key(&snapshot.key);
        let is_contestable = wanted.is_contestable;
        let reached = self
            .has_all_of(&snapshot, store)
            .map_err(|error| EchoError::Store {
                reason: error.to_string(),
            })?;
        let is_verifiable = reads && reached && !wanted.is_unverifiable;
        if !reached
            && is_contestable
            && self.is_gone_everywhere(&snapshot)
            && self.begins_with_ground()
        {
            if let Some(ground) = &mut self.epochs.ground {
                ground.is_wanted = true;
            }
            return self.choose_epoch(store);
        }
        let Some(wanted) = &self.epochs.wanted else {
            return Ok(());
        };
        let fetches = if reached {
            !is_verifiable
        } else {
            let is_slow = wanted.waiting == Waiting::InVain || self.is_much_missing(&snapshot);
            wanted.waiting == Waiting::No
                || !is_contestable && is_slow
                || self.is_gone_everywhere(&snapshot)
        };
        let fetch = (fetches && !wanted.missing.is_empty()).then(|| {
            let floors = snapshot.floors.iter();
            let unreached =
                floors.filter(|(feed, (_, floor))| self.dag.next_needed(feed) < floor.length);
            let unreached = unreached.map(|(feed, _)| *feed).collect();
            Fetch::parts(name, wanted.missing.clone(), unreached)
        });
        let is_here = wanted.missing.is_empty() && (reached || fetches);
        let is_due = has_key && (is_here || is_verifiable);
        if let Some(wanted) = &mut self.epochs.wanted {
            wanted.is_due = is_due;
        }
        self.sync.fetch(fetch.filter(|_| !is_due));
        Ok(())
    }

    /// Whether all blocks that a snapshot stands for are here.
    pub(super) fn has_all_of(
        &self,
        snapshot: &Snapshot,
        store: &dyn Read,
    ) -> Result<bool, IndexError> {
        let lacks = snapshot.floors.iter().any(|(feed, (_, floor))| {
            let state = self.dag.feed(feed);
            state.is_none_or(|state| state.length < floor.length)
        });
        if lacks {
            return Ok(false);
        }
        let index = self.blocks(store);
        for (descriptor, floor) in snapshot.floors.values() {
            if !self.dag.reaches(descriptor, floor, &index)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether so much is missing that the snapshot costs less, or what is missing are not blocks
    /// that may still come.
    fn is_much_missing(&self, snapshot: &Snapshot) -> bool {
        let base = self.epochs.base.as_ref();
        let (mut missing, mut new): (u64, u64) = (0, 0);
        for (feed, (_, floor)) in &snapshot.floors {
            let before = base.and_then(|base| base.snapshot.floors.get(feed));
            let before = before.map_or(0, |(_, before)| before.length);
            let state = self.dag.feed(feed);
            if state.is_some_and(|state| state.fork.is_some()) {
                // It takes no more blocks.
                return true;
            }
            let here = state.map_or(0, |state| state.length);
            missing = missing.saturating_add(floor.length.saturating_sub(here));
            new = new.saturating_add(floor.length.saturating_sub(before));
        }
        missing == 0 || missing.saturating_mul(MISSING_ONE_IN) > new
    }

    /// Whether peers have dropped blocks that are missing here, and nobody who is there has them.
    fn is_gone_everywhere(&self, snapshot: &Snapshot) -> bool {
        snapshot.floors.iter().any(|(feed, (_, floor))| {
            let needed = self.dag.next_needed(feed);
            needed < floor.length && self.sync.is_gone_everywhere(feed, needed)
        })
    }

    /// Looks after blocks that were waited for.
    pub(in crate::core) fn tick_epochs(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let Some(wanted) = &mut self.epochs.wanted else {
            return Ok(());
        };
        wanted.waiting = match wanted.waiting {
            Waiting::New => Waiting::Since(now_ms),
            Waiting::Since(ms) if now_ms.saturating_sub(ms) >= PATIENCE_MS => Waiting::InVain,
            waiting => waiting,
        };
        self.tick_ground(now_ms, store)?;
        self.look_at_wanted(store)
    }

    /// Takes in a part of a snapshot that was asked for.
    pub(in crate::core) fn receive_part(
        &mut self,
        session: SessionId,
        (snapshot, part): (StateHash, u32),
        bytes: Option<bytes::Bytes>,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), SessionError> {
        if !self
            .sync
            .part_came(session, snapshot, part, bytes.is_some())
        {
            // Nobody asked for it, or not any more.
            return Ok(());
        }
        let (Some(bytes), Some(wanted)) = (bytes, &mut self.epochs.wanted) else {
            return Ok(());
        };
        let expected = match &wanted.snapshot {
            None => (part == 0).then_some(snapshot),
            Some(list) => list.part(part),
        };
        let longest = LIST_BYTES_MAX.max(CHUNK_STORED_BYTES_MAX);
        let hash = hash_part(&bytes);
        if bytes.len() > longest || expected != Some(hash) {
            self.sync.has_none(session);
            self.sync.part_missing(part);
            return self
                .sync
                .offence(session, "a part of a snapshot that it is not");
        }
        let number = self.record.number;
        outcome
            .batch
            .put(SNAPSHOTS, part_key(number, &hash), bytes.to_vec());
        let failed = |error: EchoError| SessionError::SpaceClosed {
            reason: error.to_string(),
        };
        let epoch = wanted.epoch;
        if part > 0 {
            wanted.missing.remove(&part);
        } else {
            let read = Snapshot::read(&self.record.space, &bytes);
            let read = read.and_then(|read| read.is_plausible(&self.dag).map(|()| read));
            match read {
                Ok(read) => wanted.take_list(read, number, store).map_err(failed)?,
                Err(reason) => return self.refuse(&epoch, reason, store).map_err(failed),
            }
        }
        if part == 0 || wanted.missing.is_empty() {
            self.look_at_wanted(store).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes in a part of a snapshot that an archive holds, if it is of the wanted epoch.
    pub(in crate::core) fn restore_part(
        &mut self,
        bytes: &bytes::Bytes,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let (space, number) = (self.key(), self.record.number);
        let hash = hash_part(bytes);
        let Some(wanted) = &mut self.epochs.wanted else {
            return Ok(());
        };
        if let Some(list) = &wanted.snapshot {
            let chunk = list.chunks.iter().position(|chunk| *chunk == hash);
            let Some(chunk) = chunk.and_then(|chunk| u32::try_from(chunk).ok()) else {
                return Ok(());
            };
            wanted.missing.remove(&(chunk + 1));
        } else if hash == wanted.epoch.snapshot {
            let epoch = wanted.epoch;
            match Snapshot::read(&space, bytes) {
                Ok(list) => wanted.take_list(list, number, store)?,
                Err(reason) => return self.refuse(&epoch, reason, store),
            }
        } else {
            return Ok(());
        }
        wanted.waiting = Waiting::No;
        let key = part_key(number, &hash);
        outcome.batch.put(SNAPSHOTS, key, bytes.clone());
        self.look_at_wanted(store)
    }

    /// Does without an epoch whose snapshot is not what it claims to be.
    pub(super) fn refuse(
        &mut self,
        epoch: &Epoch,
        reason: &str,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        tracing::error!(
            space = %self.key().short(), number = epoch.number, by = %epoch.by.short(), reason,
            "the snapshot of an epoch is not used: history stays as it is"
        );
        self.epochs.refused.insert(epoch.hash);
        self.epochs.untidy = true;
        self.choose_epoch(store)
    }
}
