//! Archives: reading everything that a space consists of, and taking it in again.
//!
//! What comes out of an archive is held to the same rules as what peers send. Content keys have
//! no writer who vouches for them: a key is used only if a credential of an admin names it, and
//! its name is its hash.
//!
//! An archive has the branches, too, that forks cut away from feeds: others built on them.

mod read;
mod restore;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use dxos_document::Object;
use dxos_feed::{Designation, Timeframe};
use dxos_keys::{ContentKey, ContentKeyId, ObjectId, SealedKey, StateHash};
use dxos_protocol::echo::{EchoError, Manifest};
use dxos_store::{Batch, Read};
use rand_core::CryptoRng;

use super::cache;
use super::epoch::Base;
use super::epoch::stream::part_key;
use super::layout::{SNAPSHOTS, SpaceNumber, TALLIES, kept_keys_key};
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};

/// The content keys that came from archives, sealed for this device.
type Kept = Vec<(ContentKeyId, SealedKey)>;

/// The row of keys that came from archives.
fn stored(number: SpaceNumber, store: &dyn Read) -> Result<Kept, EchoError> {
    let row = store.get(TALLIES, &kept_keys_key(number));
    let row = row.map_err(|error| store_failed(&error))?;
    Ok(row
        .map(|row| decode_row("content keys", &row))
        .transpose()?
        .unwrap_or_default())
}

impl Space {
    /// What an archive begins with.
    pub(crate) fn manifest(&self, store: &dyn Read) -> Result<Manifest, EchoError> {
        // As long as all blocks are here, they say it all.
        let base = self.epochs.base.as_ref();
        let base = base.filter(|_| !self.sync.starts().is_empty());
        let begin = base.map(Base::timeframe).unwrap_or_default();
        Ok(Manifest {
            control: self.archive_rest(Designation::Control, &Timeframe::default(), store)?,
            keys: self.keys.values().cloned().collect(),
            parts: base.map(Base::parts).unwrap_or_default(),
            data: self.archive_rest(Designation::Data, &begin, store)?,
        })
    }

    /// A part of the snapshot of an epoch.
    pub(crate) fn read_part(
        &self,
        part: &StateHash,
        store: &dyn Read,
    ) -> Result<Option<Bytes>, EchoError> {
        let row = store.get(SNAPSHOTS, &part_key(self.record.number, part));
        row.map_err(|error| store_failed(&error))
    }

    /// Objects that are not deleted, in the order of their ids.
    pub(crate) fn read_objects(
        &self,
        after: Option<ObjectId>,
        limit: usize,
        store: &dyn Read,
    ) -> Result<Vec<Object>, EchoError> {
        let properties = self.properties_id();
        let tree = self.tree(store)?;
        let mut found = Vec::new();
        let visited = cache::visit_after(store, self.record.number, after, &mut |id, state| {
            if found.len() >= limit {
                return ControlFlow::Break(());
            }
            let wanted = id != properties && after.is_none_or(|after| after < id);
            if let Some(mut object) = wanted.then(|| state.object(id)).flatten() {
                tree.tell(&mut object);
                if !object.is_deleted() && !object.is_hidden() {
                    found.push(object);
                }
            }
            ControlFlow::Continue(())
        });
        visited.map_err(|error| store_failed(&error))?;
        Ok(found)
    }

    /// Keeps content keys that are not known, and reads again what they open.
    pub(super) fn keep_keys(
        &mut self,
        keys: Vec<ContentKey>,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        let mut row = None;
        for key in keys {
            let id = key.id();
            if self.is_retired(&id) {
                self.refused_keys.insert(id);
                continue;
            }
            if self.keys.contains_key(&id) || self.kept_keys.contains_key(&id) {
                continue;
            }
            let own = self.authority.sealing.sealing_key();
            let sealed = own
                .seal(&info, &key, rng)
                .map_err(|error| EchoError::Store {
                    reason: error.to_string(),
                })?;
            if row.is_none() {
                row = Some(stored(self.record.number, store)?);
            }
            row.get_or_insert_default().push((id, sealed));
            self.kept_keys.insert(id, key);
            self.kept_now.insert(id);
        }
        let Some(row) = row else { return Ok(()) };
        let key = kept_keys_key(self.record.number);
        outcome.batch.put(TALLIES, key, encode_row(&row)?);
        let before = self.keys.len();
        self.open_keys();
        if self.keys.len() != before && self.has_sealed_blocks() {
            self.stale = true;
        }
        self.look_at_wanted(store)?;
        self.duties.look_again();
        Ok(())
    }

    /// Forgets content keys that were kept.
    pub(super) fn forget_kept(
        &mut self,
        keys: &BTreeSet<ContentKeyId>,
        store: &dyn Read,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        self.kept_keys.retain(|key, _| !keys.contains(key));
        let mut row = stored(self.record.number, store)?;
        let before = row.len();
        row.retain(|(key, _)| !keys.contains(key));
        if row.len() < before {
            batch.put(
                TALLIES,
                kept_keys_key(self.record.number),
                encode_row(&row)?,
            );
        }
        Ok(())
    }

    /// Keeps all content keys that this device has, sealed for its encryption key.
    pub(super) fn keep_all(
        &mut self,
        rng: &mut dyn CryptoRng,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        let own = self.authority.sealing.sealing_key();
        // Also those that no credential has named yet.
        for (id, key) in &self.keys {
            self.kept_keys.entry(*id).or_insert_with(|| key.clone());
        }
        self.kept_keys.append(&mut self.retired_to_keep());
        let mut row = Kept::new();
        for (id, key) in &self.kept_keys {
            let sealed = own.seal(&info, key, rng);
            let sealed = sealed.map_err(|error| EchoError::Store {
                reason: error.to_string(),
            })?;
            row.push((*id, sealed));
        }
        batch.put(
            TALLIES,
            kept_keys_key(self.record.number),
            encode_row(&row)?,
        );
        let kept = row.into_iter().map(|(id, _)| id).collect();
        self.note_kept(kept);
        Ok(())
    }

    /// The content keys that came from archives, or were sealed for this device before it replaced
    /// its encryption key.
    pub(super) fn load_kept_keys(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        let mut now = BTreeSet::new();
        for (id, sealed) in stored(self.record.number, store)? {
            // One that was sealed for secrets that this device has no more is of no use.
            let opened = self.authority.sealing.open(&info, &sealed).ok();
            if opened.as_ref().is_some_and(|key| key.id() == id) {
                now.insert(id);
            }
            let former = self.authority.former.as_ref();
            let opened =
                opened.or_else(|| former.and_then(|former| former.open(&info, &sealed).ok()));
            if let Some(key) = opened.filter(|key| key.id() == id) {
                self.kept_keys.insert(id, key);
            }
        }
        self.note_kept(now);
        Ok(())
    }
}
