//! Content keys that an epoch which erases has retired, and destroying them.
//!
//! Where such an epoch is the base, no block that is read is sealed with a retired key: so the
//! keys count as unknown from then on, on every device, whether or not it has destroyed them yet.

use std::collections::BTreeSet;

use dxos_keys::ContentKeyId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read};

use crate::core::layout::{TALLIES, destroyed_key, traces_key};
use crate::core::space::{Outcome, Space, decode_row, encode_row, store_failed};

impl Space {
    /// Finds out which keys are retired where the base stands.
    pub(super) fn look_at_retired(&mut self) {
        let base = self.epochs.base.as_ref();
        let retired = base.map(|base| self.membership.retired_at(&base.epoch));
        self.epochs.retired = retired.unwrap_or_default();
    }

    /// Whether a content key is not to be used any more.
    pub(in crate::core) fn is_retired(&self, key: &ContentKeyId) -> bool {
        self.epochs.retired.contains(key) || self.epochs.destroyed.contains(key)
    }

    /// Whether keys are retired here that are not destroyed yet.
    pub(in crate::core) fn holds_retired(&self) -> bool {
        !self.epochs.retired.is_subset(&self.epochs.destroyed)
    }

    /// Which keys the store says were destroyed.
    pub(super) fn load_destroyed(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let row = store.get(TALLIES, &destroyed_key(self.record.number));
        if let Some(row) = row.map_err(|error| store_failed(&error))? {
            self.epochs.destroyed = decode_row("list of destroyed keys", &row)?;
        }
        let traces = store.contains(TALLIES, &traces_key(self.record.number));
        self.epochs.has_traces = traces.map_err(|error| store_failed(&error))?;
        Ok(())
    }

    /// Whether what the base stands for is to be dropped without being asked for: it erases.
    pub(crate) fn erases(&self) -> bool {
        !self.epochs.retired.is_empty()
    }

    /// Destroys the retired keys, once nothing of what they open is left to be deleted. `None`
    /// when there is nothing to do, or not yet.
    pub(crate) fn destroy_keys(&mut self, store: &dyn Read) -> Result<Option<Outcome>, EchoError> {
        let is_new = |key: &ContentKeyId| !self.epochs.destroyed.contains(key);
        if self.epochs.untidy || self.stale || !self.epochs.retired.iter().any(is_new) {
            return Ok(None);
        }
        let Some(base) = &self.epochs.base else {
            return Ok(None);
        };
        let starts = self.sync.starts();
        let is_trimmed = base.snapshot.floors.iter().all(|(feed, (_, floor))| {
            let start = starts.get(feed).copied().unwrap_or_default();
            start >= floor.length
        });
        if !is_trimmed {
            return Ok(None);
        }
        let retired: BTreeSet<ContentKeyId> = self.epochs.retired.clone();
        let mut batch = Batch::new();
        self.epochs.destroyed.extend(&retired);
        let key = destroyed_key(self.record.number);
        batch.put(TALLIES, key, encode_row(&self.epochs.destroyed)?);
        batch.put(TALLIES, traces_key(self.record.number), vec![1]);
        self.epochs.has_traces = true;
        self.forget_kept(&retired, store, &mut batch)?;
        self.keys.retain(|key, _| !retired.contains(key));
        for key in &retired {
            // Nobody is to be given what is gone.
            for owed in self.owed.values_mut() {
                owed.keys.retain(|owed| owed != key);
            }
        }
        tracing::info!(
            space = %self.key().short(), keys = retired.len(),
            "the keys of what was erased are destroyed on this device"
        );
        Ok(Some(Outcome {
            batch,
            synced: true,
            effects: crate::core::Effects::default(),
        }))
    }

    /// Whether the store is to give up what it may still hold of what was erased: rows are deleted
    /// by writing that they are.
    pub(crate) fn has_traces(&self) -> bool {
        self.epochs.has_traces
    }

    /// It has.
    pub(crate) fn note_no_traces(&mut self) -> Batch {
        self.epochs.has_traces = false;
        let mut batch = Batch::new();
        batch.delete(TALLIES, traces_key(self.record.number));
        batch
    }
}
