//! Signing a snapshot of the space as it is here now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_credentials::{Assertion, Right};
use dxos_keys::{ContentKeyId, DeviceKey};
use dxos_protocol::echo::{EchoError, EpochReport};
use dxos_store::{Read, Store};
use rand_core::CryptoRng;

use super::Base;
use super::snapshot::{self, Snapshot};
use super::stream::Form;
use super::verify::ToStore;
use crate::core::space::{Outcome, Space};

impl Space {
    /// Signs a snapshot. It stands for what was written before from then on, here at once.
    ///
    /// Its chunks are written to the store before the block that names them; what is left of a
    /// write that ended half way is cleared away later.
    pub(crate) fn create_epoch(
        &mut self,
        (share_state, erases): (bool, bool),
        now_ms: u64,
        (store, rng): (&dyn Store, &mut dyn CryptoRng),
    ) -> Result<(EpochReport, Outcome), EchoError> {
        self.permit(Right::Admit, "create epochs")?;
        self.check_epoch(share_state)?;
        if !erases && self.open_erasure().is_some() {
            // It would hold what was deleted, sealed with a key that is not going to be destroyed.
            return Err(EchoError::ErasureUnderWay);
        }
        let read: &dyn Read = store;
        let mut outcome = self.begin_control(now_ms, read)?;
        if self.membership.rotation_due() {
            // Or whoever was removed could read it.
            self.rotate_key(now_ms, (read, rng), &mut outcome)?;
            self.settle_members(now_ms, read, &mut outcome)?;
        }
        let key = self.membership.content_key();
        let key = key.and_then(|key| self.keys.get(&key)).cloned();
        let key = key.ok_or(EchoError::NoContentKey { space: self.key() })?;
        let to_store = ToStore::new(store, self.record.number);
        let form = Form { key: &key, erases };
        let written = self.write_rows(form, read, &mut |hash, bytes| to_store.put(hash, bytes));
        let too_large = |reason: &'static str| EchoError::EpochTooLarge {
            reason: reason.to_owned(),
        };
        // With its snapshot, it is on the disk before anybody hears of it: when the power went
        // between, nobody would have what everybody is to load.
        outcome.synced = true;
        let list = snapshot::list(&self.dag, &key, written?).map_err(too_large)?;
        let snapshot = Snapshot::read(&self.key(), &list).map_err(too_large)?;
        to_store.put(snapshot.name, list)?;
        let before = self.membership.epochs().into_iter().next();
        let assertion = Assertion::Epoch {
            space: self.key(),
            number: before.map_or(1, |before| before.number.saturating_add(1)),
            previous: before.map(|before| before.hash),
            snapshot: snapshot.name,
            erases,
        };
        self.issue(assertion, now_ms, read, &mut outcome)?;
        let current = self.membership.epochs().into_iter().next();
        let current = current.filter(|epoch| epoch.snapshot == snapshot.name);
        let Some(epoch) = current else {
            return Err(EchoError::Stopped {
                reason: "the epoch that was just created does not count".to_owned(),
            });
        };
        let is_verified = self.is_base_verified();
        self.take_floors(&snapshot, read, &mut outcome)?;
        self.epochs.base = Some(Base {
            epoch: epoch.hash,
            number: epoch.number,
            snapshot: Arc::new(snapshot),
            is_verified,
        });
        self.epochs.untidy = true;
        self.tell_snapshots();
        self.look_at_retired();
        // What was deleted is left out of the state here too.
        self.stale |= erases;
        self.put_base(&mut outcome.batch)?;
        let outcome = self.end_control(now_ms, read, outcome)?;
        Ok((self.report_epoch(&epoch), outcome))
    }

    /// Whether an epoch can be made here now.
    pub(in crate::core) fn check_epoch(&self, share_state: bool) -> Result<(), EchoError> {
        if let Some(wanted) = &self.epochs.wanted {
            return Err(EchoError::EpochLoading {
                number: wanted.epoch.number,
            });
        }
        let missing = self.missing_keys().len();
        if missing > 0 {
            return Err(EchoError::KeysMissing { missing });
        }
        let devices = self.readers_without_history();
        if !devices.is_empty() && !share_state {
            return Err(EchoError::EpochSharesState { devices });
        }
        Ok(())
    }

    /// Whether what the state follows from was all checked here.
    pub(super) fn is_base_verified(&self) -> bool {
        let base = self.epochs.base.as_ref();
        base.is_none_or(|base| base.is_verified)
    }

    /// Keys that admins made and that are not here.
    pub(in crate::core) fn missing_keys(&self) -> BTreeSet<ContentKeyId> {
        let made = self.made_keys.keys();
        made.filter(|key| !self.keys.contains_key(key) && !self.is_retired(key))
            .copied()
            .collect()
    }

    /// Devices that may read now and were not given all keys.
    pub(super) fn readers_without_history(&self) -> BTreeSet<DeviceKey> {
        let mut given: BTreeMap<DeviceKey, BTreeSet<ContentKeyId>> = BTreeMap::new();
        for block in self.membership.blocks() {
            if let Assertion::ContentKey {
                key, recipients, ..
            } = block.credential.assertion()
                && self.made_keys.contains_key(key)
                && !self.is_retired(key)
            {
                for (device, _) in recipients {
                    given.entry(*device).or_default().insert(*key);
                }
            }
        }
        let made = self.made_keys.keys();
        let all = made.filter(|key| !self.is_retired(key)).count();
        let readers = self.membership.readers().into_keys();
        let lacks = |device: &DeviceKey| given.get(device).map_or(0, BTreeSet::len) < all;
        readers.filter(lacks).collect()
    }
}
