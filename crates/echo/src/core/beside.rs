//! Keys that one admin made beside another's admission.
//!
//! Who lets somebody read the history owes the keys that it knows. A key that another admin makes
//! meanwhile, without having heard of the guest, is sealed for it once both hear of each other,
//! if it is the one in use then; if it was replaced by that time, it is due by what stands here.
//! That follows from the control blocks alone, so any admin's device does it.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Assertion, ControlBlock, Role};
use dxos_keys::{ContentKeyId, DeviceKey, IdentityKey, SealingKey};

use super::devices::GivenKeys;
use super::space::Space;

impl Space {
    /// Keys that readers lack although they were let read the history: those that whoever
    /// admitted them had not heard of.
    pub(super) fn keys_made_beside(
        &self,
        given: &GivenKeys,
    ) -> Vec<(ContentKeyId, BTreeMap<DeviceKey, SealingKey>)> {
        if self.role() != Some(Role::Admin) || self.made_keys.len() < 2 {
            return Vec::new();
        }
        let mut readers = self.membership.readers();
        readers.retain(|device, _| !self.duties.is_hopeless(device));
        let held = self.made_keys.keys();
        let held = held.filter(|key| self.keys.contains_key(key) && !self.is_retired(key));
        let lacks = |key: &ContentKeyId, device: &DeviceKey| {
            !given
                .get(key)
                .is_some_and(|given| given.to.contains(device))
        };
        let lacking: Vec<(ContentKeyId, BTreeMap<DeviceKey, SealingKey>)> = held
            .map(|key| {
                let without = readers.iter().filter(|(device, _)| lacks(key, device));
                (*key, without.map(|(device, to)| (*device, *to)).collect())
            })
            .filter(|(_, without): &(_, BTreeMap<_, _>)| !without.is_empty())
            .collect();
        if lacking.is_empty() {
            return Vec::new();
        }
        let admissions = self.admissions();
        let admission = |device: &DeviceKey| {
            let (identity, _) = self.membership.author(device)?;
            admissions.get(&identity).copied()
        };
        let was_known = |key: &ContentKeyId, admission: &ControlBlock| {
            let mut made = self.made_keys.get(key).into_iter().flatten();
            made.any(|(feed, seq)| admission.past.get(feed) > *seq)
        };
        let mut with_history = BTreeSet::new();
        for block in self.membership.blocks() {
            if let Assertion::ContentKey {
                key, recipients, ..
            } = block.credential.assertion()
                && self.makes_keys(block)
            {
                let by = self.membership.author(&block.descriptor.device);
                let by = by.map(|(identity, _)| identity);
                // Before its admission it may have been a member once that was removed. What it
                // has from then, its devices give to each other.
                with_history.extend(recipients.iter().filter_map(|(device, _)| {
                    let (identity, _) = self.membership.author(device)?;
                    let admission = *admissions.get(&identity)?;
                    let is_after = block.past.get(&admission.feed) > admission.seq;
                    let is_let_read = is_after && by != Some(identity);
                    (is_let_read && was_known(key, admission)).then_some(*device)
                }));
            }
        }
        let beside = lacking.into_iter().map(|(key, mut without)| {
            without.retain(|device, _| {
                with_history.contains(device)
                    && admission(device).is_some_and(|admission| !was_known(&key, admission))
            });
            (key, without)
        });
        beside.filter(|(_, without)| !without.is_empty()).collect()
    }

    /// How each member came in last.
    fn admissions(&self) -> BTreeMap<IdentityKey, &ControlBlock> {
        let mut last: BTreeMap<IdentityKey, &ControlBlock> = BTreeMap::new();
        for block in self.membership.blocks() {
            if let Assertion::SpaceMember {
                identity,
                chain: Some(_),
                ..
            } = block.credential.assertion()
                && self.membership.takes_effect(block)
            {
                let before = last.entry(*identity).or_insert(block);
                if (before.lamport, before.hash) < (block.lamport, block.hash) {
                    *before = block;
                }
            }
        }
        last
    }
}
