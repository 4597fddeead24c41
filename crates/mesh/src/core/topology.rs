//! Which devices of a swarm to be connected with.

use std::collections::BTreeSet;
use std::fmt;

use dxos_keys::DeviceKey;

/// Chooses the connections of one device in a swarm.
///
/// Replication stores and forwards, so any choice that keeps the swarm connected carries
/// everything to everyone. A device also accepts the connections that others choose. It must be
/// deterministic: the same members give the same choice.
pub trait Topology: Send + Sync + fmt::Debug {
    /// The devices among `members` that `own` is to connect to. `own` is not among them.
    fn choose(&self, own: &DeviceKey, members: &BTreeSet<DeviceKey>) -> BTreeSet<DeviceKey>;
}

/// Everyone is connected with everyone: the shortest way for every change, at a cost of
/// `n * (n - 1) / 2` connections. Right for swarms of up to some tens of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FullyConnected;

impl Topology for FullyConnected {
    fn choose(&self, _own: &DeviceKey, members: &BTreeSet<DeviceKey>) -> BTreeSet<DeviceKey> {
        members.clone()
    }
}

/// Everyone is connected with one device in the middle, such as one that is always on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Star {
    /// The device in the middle. While it is away nobody is connected.
    pub center: DeviceKey,
}

impl Topology for Star {
    fn choose(&self, own: &DeviceKey, members: &BTreeSet<DeviceKey>) -> BTreeSet<DeviceKey> {
        if *own == self.center {
            members.clone()
        } else {
            members
                .iter()
                .filter(|member| **member == self.center)
                .copied()
                .collect()
        }
    }
}
