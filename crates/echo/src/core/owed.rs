//! Keys of the past that are still to be handed on to somebody who was let read the history: of
//! many, the first step gives the latest, and the others follow.
//!
//! Nobody else knows that they are owed, so this device notes it in its store.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::Assertion;
use dxos_keys::{ContentKeyId, DeviceKey, SealingKey};
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, KeyRange, Read};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::duties::STEP_MAX;
use super::layout::{OWED, SpaceNumber, in_space};
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};

/// What is owed to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    sealing: SealingKey,
    /// The next one last.
    pub(super) keys: Vec<ContentKeyId>,
}

/// What was owed when the store was written last.
pub(super) fn stored(
    number: SpaceNumber,
    store: &dyn Read,
) -> Result<BTreeMap<DeviceKey, Owed>, EchoError> {
    let prefix = in_space(number, b"");
    let mut owed = BTreeMap::new();
    for row in store.scan(OWED, KeyRange::prefix(&prefix), Direction::Forward) {
        let (key, value) = row.map_err(|error| store_failed(&error))?;
        let device = key.get(prefix.len()..).and_then(|key| key.try_into().ok());
        let device = device.ok_or_else(|| EchoError::Store {
            reason: "stored key of a device is damaged".to_owned(),
        })?;
        owed.insert(
            DeviceKey::from_bytes(device),
            decode_row("list of keys", &value)?,
        );
    }
    Ok(owed)
}

impl Space {
    /// Lets devices read what was written so far: all keys that this device has are owed to them,
    /// and some are given at once, the one in use among them.
    pub(super) fn open_history(
        &mut self,
        readers: BTreeMap<DeviceKey, SealingKey>,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let keys = self.keys_in_order();
        for (device, sealing) in readers {
            let keys = keys.clone();
            self.owed.insert(device, Owed { sealing, keys });
            self.put_owed(&device, outcome)?;
        }
        self.pay(&mut { STEP_MAX }, now_ms, parts, outcome)
    }

    /// Seals keys that are owed as long as there is room.
    pub(super) fn pay(
        &mut self,
        room: &mut usize,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let readers = self.membership.readers();
        let mut due: Vec<(ContentKeyId, BTreeMap<DeviceKey, SealingKey>)> = Vec::new();
        let (mut left, mut changed) = (*room, Vec::new());
        for (device, owed) in &mut self.owed {
            match readers.get(device) {
                Some(sealing) => owed.sealing = *sealing,
                // Somebody who is gone gets nothing any more.
                None => owed.keys.clear(),
            }
            let many = owed.keys.len().min(left);
            left -= many;
            let next = owed.keys.split_off(owed.keys.len() - many);
            if many > 0 || owed.keys.is_empty() {
                changed.push(*device);
            }
            for key in next.into_iter().rev() {
                let to = due.iter_mut().find(|(other, _)| *other == key);
                match to {
                    Some((_, to)) => _ = to.insert(*device, owed.sealing),
                    None => due.push((key, [(*device, owed.sealing)].into())),
                }
            }
        }
        self.seal_some(due, room, now_ms, (store, rng), outcome)?;
        for device in changed {
            self.put_owed(&device, outcome)?;
        }
        Ok(())
    }

    /// Stores what is owed to a device.
    fn put_owed(&mut self, device: &DeviceKey, outcome: &mut Outcome) -> Result<(), EchoError> {
        let row = in_space(self.record.number, device.as_bytes());
        match self.owed.get(device) {
            Some(owed) if !owed.keys.is_empty() => {
                outcome.batch.put(OWED, row, encode_row(owed)?);
            }
            _ => {
                self.owed.remove(device);
                outcome.batch.delete(OWED, row);
            }
        }
        Ok(())
    }

    /// The keys that this device has, the first one made first and the one in use last.
    fn keys_in_order(&self) -> Vec<ContentKeyId> {
        let mut order = Vec::new();
        let mut left: BTreeSet<_> = self.keys.keys().copied().collect();
        let current = self.membership.content_key();
        let current = current.filter(|current| left.remove(current));
        for block in self.membership.blocks() {
            if let Assertion::ContentKey { key, .. } = block.credential.assertion()
                && left.remove(key)
            {
                order.push(*key);
            }
        }
        order.extend(current);
        order
    }
}
