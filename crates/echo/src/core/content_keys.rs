//! Content keys: made, sealed for those who may read, and opened.

use std::collections::BTreeMap;

use dxos_credentials::{Assertion, ControlBlock, Credential, Refused, Right};
use dxos_keys::{ContentKey, DeviceKey};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;
use rand_core::CryptoRng;

use super::space::{Outcome, Space};

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

    /// Seals a content key for some devices.
    pub(super) fn seal_key(
        &mut self,
        key: &ContentKey,
        readers: BTreeMap<DeviceKey, dxos_keys::SealingKey>,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        // A device that published no usable key gets none; that must not keep others from it.
        let recipients = readers
            .into_iter()
            .filter_map(|(device, sealing)| Some((device, sealing.seal(&info, key, rng).ok()?)))
            .collect();
        let space = self.key();
        let assertion = Assertion::ContentKey {
            space,
            key: key.id(),
            recipients,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Opens every content key that was sealed for this device.
    pub(super) fn open_keys(&mut self) {
        // Which keys are known must follow from the blocks alone, or replicas that saw another
        // order read other blocks.
        self.keys.clear();
        let blocks: Vec<_> = self.membership.blocks().cloned().collect();
        for block in &blocks {
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
        if self.keys.contains_key(key) || !self.may_issue_keys(block) {
            return false;
        }
        let device = self.device();
        let info = self.key();
        let opened = recipients
            .iter()
            .filter(|(recipient, _)| *recipient == device)
            .find_map(|(_, sealed)| self.authority.sealing.open(info.as_bytes(), sealed).ok())
            .filter(|opened| opened.id() == *key);
        match opened {
            Some(opened) => self.keys.insert(*key, opened).is_none(),
            None => false,
        }
    }

    /// Whether the writer of a block might issue keys when it did. That it was removed since does
    /// not make unreadable what others sealed with its key in good faith.
    fn may_issue_keys(&self, block: &ControlBlock) -> bool {
        let place = (&block.feed, block.seq);
        let device = &block.descriptor.device;
        matches!(
            self.membership
                .judge(device, place, &block.past, Right::Admit),
            Ok(_) | Err(Refused::Removed | Refused::Revoked)
        )
    }
}
