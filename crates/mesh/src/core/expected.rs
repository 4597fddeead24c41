//! Devices of swarms that were not joined yet, or were left: whoever knows where they are may say
//! so before the swarm is joined, and a swarm that is joined again needs nobody to say it again.

use std::collections::BTreeMap;

use dxos_keys::{DeviceKey, Topic};
use dxos_transport::PeerAddress;
use dxos_wire::limits::ADDRESSES_MAX;

/// Devices of all such swarms together; beyond that they are forgotten.
const EXPECTED_MAX: usize = 4_096;

/// Where devices are to be expected.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<(Topic, DeviceKey), Vec<PeerAddress>>);

impl Expected {
    /// Notes where a device is; what was said of it last counts.
    pub(super) fn put(&mut self, topic: Topic, device: DeviceKey, mut addresses: Vec<PeerAddress>) {
        let key = (topic, device);
        let room = self.0.len() < EXPECTED_MAX || self.0.contains_key(&key);
        if room {
            addresses.truncate(ADDRESSES_MAX);
            self.0.insert(key, addresses);
        }
    }

    /// Gives out those of a swarm, which is joined now.
    pub(super) fn take(&mut self, topic: &Topic) -> Vec<(DeviceKey, Vec<PeerAddress>)> {
        let first = DeviceKey::from_bytes([0; 32]);
        let last = DeviceKey::from_bytes([u8::MAX; 32]);
        let range = self.0.range((*topic, first)..=(*topic, last));
        let devices: Vec<DeviceKey> = range.map(|((_, device), _)| *device).collect();
        let mut taken = Vec::new();
        for device in devices {
            let addresses = self.0.remove(&(*topic, device));
            taken.extend(addresses.map(|addresses| (device, addresses)));
        }
        taken
    }
}
