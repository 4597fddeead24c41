//! Content keys: made, sealed for those who may read, and opened.

use std::collections::BTreeMap;

use dxos_credentials::{Assertion, ControlBlock, Refused, Right};
use dxos_keys::{ContentKey, ContentKeyId, DeviceKey, SealingKey};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;
use rand_core::CryptoRng;

use super::space::{Outcome, Space};

/// Devices for which one credential seals a key; more need several.
const RECIPIENTS_MAX: usize = 3_000;

impl Space {
    /// Makes a new content key and seals it for every device that may read.
    pub(super) fn rotate_key(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let key = ContentKey::generate(rng);
        self.keys.insert(key.id(), key.clone());
        self.seal_key(
            &key,
            self.membership.readers(),
            now_ms,
            (store, rng),
            outcome,
        )
    }

    /// Seals a content key for some devices. Without devices there is nothing to say.
    pub(super) fn seal_key(
        &mut self,
        key: &ContentKey,
        readers: BTreeMap<DeviceKey, SealingKey>,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        let mut recipients = Vec::with_capacity(readers.len());
        for (device, sealing) in readers {
            // A device that published no usable key gets none; that must not keep others from it.
            match sealing.seal(&info, key, rng) {
                Ok(sealed) => recipients.push((device, sealed)),
                Err(_) => self.duties.give_up_on(device),
            }
        }
        while !recipients.is_empty() {
            let rest = recipients.split_off(recipients.len().min(RECIPIENTS_MAX));
            let given = Assertion::ContentKey {
                space: self.key(),
                key: key.id(),
                recipients: std::mem::replace(&mut recipients, rest),
            };
            self.issue(given, now_ms, store, outcome)?;
        }
        Ok(())
    }

    /// Opens every content key that was sealed for this device.
    pub(super) fn open_keys(&mut self) {
        // Which keys are known must follow from the blocks alone, or replicas that saw another
        // order read other blocks.
        self.keys.clear();
        self.made_keys.clear();
        let blocks = self.membership.blocks();
        let keys = blocks.filter(|block| {
            let assertion = block.credential.assertion();
            matches!(assertion, Assertion::ContentKey { .. })
        });
        for block in &keys.cloned().collect::<Vec<_>>() {
            self.open_key(block);
        }
    }

    /// Opens the content key in a control block; `true` when it was not known before.
    pub(super) fn open_key(&mut self, block: &ControlBlock) -> bool {
        let Assertion::ContentKey {
            key, recipients, ..
        } = block.credential.assertion()
        else {
            return false;
        };
        if self.makes_keys(block) {
            let places = self.made_keys.entry(*key).or_default();
            places.insert((block.feed, block.seq));
        } else if !self.hands_on(block, key) {
            return false;
        }
        if self.keys.contains_key(key) || self.is_retired(key) {
            return false;
        }
        if let Some(kept) = self.kept_keys.get(key) {
            return self.keys.insert(*key, kept.clone()).is_none();
        }
        let info = self.key();
        let device = self.device();
        let own = [&self.authority.sealing].into_iter();
        let own = own.chain(&self.authority.former);
        let on_paper = self.authority.recovery.iter();
        let on_paper = on_paper.map(|(device, sealing)| (*device, sealing));
        let opened = own
            .map(|sealing| (device, sealing))
            .chain(on_paper)
            .find_map(|(device, sealing)| {
                recipients
                    .iter()
                    .filter(|(recipient, _)| *recipient == device)
                    .find_map(|(_, sealed)| sealing.open(info.as_bytes(), sealed).ok())
                    .filter(|opened| opened.id() == *key)
            });
        match opened {
            Some(opened) => self.keys.insert(*key, opened).is_none(),
            None => false,
        }
    }

    /// Whether the writer of a block might make keys when it did. That it was removed since does
    /// not make unreadable what others sealed with its key in good faith.
    pub(super) fn makes_keys(&self, block: &ControlBlock) -> bool {
        self.was_allowed(block, Right::Admit)
    }

    /// Whether a block hands on a key that an admin made, as its writer knew.
    fn hands_on(&self, block: &ControlBlock, key: &ContentKeyId) -> bool {
        let made = self.made_keys.get(key).into_iter().flatten();
        let mut known = made.filter(|(feed, seq)| block.past.get(feed) > *seq);
        known.next().is_some() && self.was_allowed(block, Right::Read)
    }

    fn was_allowed(&self, block: &ControlBlock, right: Right) -> bool {
        let place = (&block.feed, block.seq);
        let device = &block.descriptor.device;
        matches!(
            self.membership.judge(device, place, &block.past, right),
            Ok(_) | Err(Refused::Removed | Refused::Revoked)
        )
    }
}
