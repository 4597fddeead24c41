//! Another encryption key for this device: what was sealed for the one before is kept otherwise,
//! and others are told what to seal for. Then the secret of the one before can be destroyed.
//!
//! Content keys lie in control feeds for ever, wrapped for devices. A content key that is to be
//! gone is gone only when nothing is left that opens one of these: so a device that destroyed it
//! destroys its own encryption key too, as soon as every space can do without that.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Assertion, ControlBlock, Right, Role};
use dxos_keys::{ContentKey, ContentKeyId, DeviceKey, SealedKey, SealingKey};
use dxos_protocol::echo::EchoError;
use dxos_protocol::halo::Authority;
use dxos_store::{Durability, Read, Store};
use rand_core::CryptoRng;

use super::devices::GivenKeys;
use super::layout::SpaceRecord;
use super::space::{Outcome, Space, store_failed};

impl Space {
    /// Opens and seals with these secrets from now on.
    pub(crate) fn use_authority(
        &mut self,
        authority: Authority,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        self.authority = authority;
        self.load_kept_keys(store)?;
        self.open_keys();
        self.duties.look_again();
        Ok(())
    }

    /// The same for a space that is going to be opened again.
    pub(crate) fn take_authority(&mut self, authority: Authority) {
        self.authority = authority;
    }

    /// The key that others seal for when they seal for this device.
    fn published_key(&self) -> SealingKey {
        let replaced = self.membership.replaced_keys();
        let replaced = replaced.get(&self.device()).map(|(_, sealing)| *sealing);
        replaced.unwrap_or(self.authority.chain.device().sealing)
    }

    fn is_published(&self) -> bool {
        self.published_key() == self.authority.sealing.sealing_key()
    }

    /// Whether this device has another encryption key than the one that its chain names.
    fn is_renewed(&self) -> bool {
        self.authority.chain.device().sealing != self.authority.sealing.sealing_key()
    }

    fn keeps_all(&self) -> bool {
        let mut keys = self.keys.keys().chain(self.kept_keys.keys());
        keys.all(|key| self.kept_now.contains(key)) && self.retired_to_keep().is_empty()
    }

    /// Retired keys that are neither destroyed nor kept yet, as far as this device can open them:
    /// they are needed again should the epoch that retires them not count.
    pub(super) fn retired_to_keep(&self) -> BTreeMap<ContentKeyId, ContentKey> {
        let info = self.key();
        let mut held = BTreeMap::new();
        if !self.holds_retired() {
            return held;
        }
        for (key, sealed) in self.wrapped_for_me() {
            if !self.is_retired(key)
                || self.epochs.destroyed.contains(key)
                || self.kept_now.contains(key)
                || held.contains_key(key)
            {
                continue;
            }
            let own = [&self.authority.sealing].into_iter();
            let mut own = own.chain(&self.authority.former);
            let opened = own.find_map(|own| own.open(info.as_bytes(), sealed).ok());
            if let Some(opened) = opened.filter(|opened| opened.id() == *key) {
                held.insert(*key, opened);
            }
        }
        held
    }

    /// The encryption key that this space can do without all others of this device, if so.
    pub(super) fn resealed(&self) -> Option<SealingKey> {
        let is_told = self.is_published() || self.permit(Right::Replicate, "").is_err();
        let is_kept = !self.is_renewed() || self.keeps_all();
        (is_told && is_kept && !self.stale).then(|| self.authority.sealing.sealing_key())
    }

    /// Keeps all content keys for the encryption key of this device, where it has replaced it,
    /// and tells others to seal for that one. `None` when all is so.
    pub(crate) fn reseal(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<Option<Outcome>, EchoError> {
        if !self.is_renewed() || self.stale || self.is_writing_again() {
            return Ok(None);
        }
        let tells = !self.is_published() && self.permit(Right::Replicate, "").is_ok();
        if !tells && self.keeps_all() {
            return Ok(None);
        }
        let mut outcome = if tells {
            self.begin_control(now_ms, store)?
        } else {
            Outcome::default()
        };
        self.keep_all(rng, &mut outcome.batch)?;
        self.publish_key(now_ms, store, &mut outcome)?;
        // Before it is, nothing may be destroyed.
        outcome.synced = true;
        Ok(Some(self.end_control(now_ms, store, outcome)?))
    }

    /// Does that in a space that is closed, in one go. The encryption key that it can do without
    /// all others of this device afterwards, if so.
    pub(crate) fn reseal_closed(
        (record, authority): (SpaceRecord, Authority),
        now_ms: u64,
        (store, rng): (&dyn Store, &mut dyn CryptoRng),
    ) -> Result<Option<SealingKey>, EchoError> {
        let read: &dyn Read = store;
        let mut space = Self::open(record, authority, read)?;
        if space.is_stale() {
            space.rebuild(store)?;
        }
        if let Some(outcome) = space.reseal(now_ms, (read, rng))? {
            for part in space.parts(outcome.batch)? {
                let written = store.commit(part, Durability::Synced);
                written.map_err(|error| store_failed(&error))?;
            }
            space.written(read)?;
        }
        let resealed = space.resealed();
        if let Some(batch) = space.close() {
            let closed = store.commit(batch, Durability::Synced);
            closed.map_err(|error| store_failed(&error))?;
        }
        Ok(resealed)
    }

    /// Tells others which key to seal for, unless they know.
    pub(super) fn publish_key(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if self.is_published() || self.permit(Right::Replicate, "").is_err() {
            return Ok(());
        }
        let lacks = self.given_to_me().any(|key| !self.keys.contains_key(&key));
        let assertion = Assertion::SealingKeyReplaced {
            space: self.key(),
            sealing: self.authority.sealing.sealing_key(),
            has_all: !lacks,
        };
        self.issue(assertion, now_ms, store, outcome)
    }

    /// The content keys that were wrapped for this device, but for those that are retired.
    fn given_to_me(&self) -> impl Iterator<Item = ContentKeyId> {
        let wrapped = self.wrapped_for_me();
        wrapped
            .map(|(key, _)| *key)
            .filter(|key| self.made_keys.contains_key(key) && !self.is_retired(key))
    }

    fn wrapped_for_me(&self) -> impl Iterator<Item = (&ContentKeyId, &SealedKey)> {
        let device = self.device();
        self.membership.blocks().flat_map(move |block| {
            let given = match block.credential.assertion() {
                Assertion::ContentKey {
                    key, recipients, ..
                } => Some((key, recipients)),
                _ => None,
            };
            given.into_iter().flat_map(move |(key, recipients)| {
                let own = recipients.iter().filter(move |(to, _)| *to == device);
                own.map(move |(_, sealed)| (key, sealed))
            })
        })
    }

    /// Whether a content key that was destroyed here can be opened once more with the encryption
    /// key that this device has now: then that has to go too.
    pub(super) fn opens_destroyed(&self) -> bool {
        let info = self.key();
        let destroyed = &self.epochs.destroyed;
        self.wrapped_for_me()
            .filter(|(key, _)| destroyed.contains(key))
            .any(|(key, sealed)| {
                let opened = self.authority.sealing.open(info.as_bytes(), sealed);
                opened.is_ok_and(|opened| opened.id() == *key)
            })
    }

    /// Content keys that were given to devices in vain, as they had replaced their encryption key,
    /// and that are to be given again.
    pub(super) fn keys_given_in_vain(
        &self,
    ) -> Vec<(ContentKeyId, BTreeMap<DeviceKey, SealingKey>)> {
        let renewals = self.membership.renewals();
        if self.role() != Some(Role::Admin) || renewals.is_empty() {
            return Vec::new();
        }
        let mut readers = self.membership.readers();
        readers.retain(|device, _| !self.duties.is_hopeless(device));
        let mut given: BTreeMap<ContentKeyId, BTreeMap<DeviceKey, bool>> = BTreeMap::new();
        for block in self.membership.blocks() {
            let Assertion::ContentKey {
                key, recipients, ..
            } = block.credential.assertion()
            else {
                continue;
            };
            if !self.keys.contains_key(key) || !self.gives(block) {
                continue;
            }
            for (device, _) in recipients {
                let has = renewals.has(device, block);
                *given.entry(*key).or_default().entry(*device).or_default() |= has;
            }
        }
        let mut in_vain = Vec::new();
        for (key, devices) in given {
            let without = devices.into_iter().filter(|(_, has)| !has);
            let without: BTreeMap<_, _> = without
                .filter_map(|(device, _)| Some((device, *readers.get(&device)?)))
                .collect();
            if !without.is_empty() {
                in_vain.push((key, without));
            }
        }
        in_vain
    }

    /// Whether an admin's device has a key to give to somebody who lacks it.
    pub(super) fn is_somebody_without_key(&self, given: &GivenKeys) -> bool {
        !self.readers_without_key(given).is_empty()
            || !self.keys_given_in_vain().is_empty()
            || !self.keys_made_beside(given).is_empty()
    }

    /// Whether what a block gives is not rubbish: its writer is a member still, and might.
    fn gives(&self, block: &ControlBlock) -> bool {
        let device = &block.descriptor.device;
        self.membership.authority_of(device).is_some() && self.membership.takes_effect(block)
    }

    /// The content keys that are kept for the encryption key of now.
    pub(super) fn note_kept(&mut self, kept: BTreeSet<ContentKeyId>) {
        self.kept_now = kept;
    }
}
