//! What happened in a world and when, for people to look at.

use std::collections::BTreeMap;
use std::time::Duration;

use dxos_keys::DeviceKey;
use serde::Serialize;

use crate::World;

/// What happened in a world, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How many peers there were, with those that were thrown out.
    pub peers: usize,
    /// What peers did, and what was done to them.
    pub moments: Vec<Moment>,
    /// What they sent each other.
    pub traffic: Vec<Traffic>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When, in milliseconds of virtual time.
    pub at_ms: u64,
    /// What.
    pub what: What,
    /// To whom: the peers by number; none when it is of the network.
    pub peers: Vec<usize>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// A client was started.
    Started,
    /// It was closed.
    Stopped,
    /// It was killed: what was acknowledged survives.
    Killed,
    /// It lost its power: what was not synced may be gone.
    PowerLost,
    /// A backup of its disk was made.
    Imaged,
    /// Its disk was restored from a backup.
    Restored,
    /// It created an epoch.
    CreatedEpoch,
    /// It dropped the blocks that an epoch stands for.
    Trimmed,
    /// It joined the space.
    Joined,
    /// A transaction of it was acknowledged.
    Committed,
    /// Everything that it had written was put onto its disk.
    Flushed,
    /// A transaction of it was refused.
    Refused,
    /// Its disk became full.
    DiskFull,
    /// There is space on its disk again.
    DiskFreed,
    /// Its wall clock was set to another time.
    ClockSet,
    /// It went online.
    Online,
    /// It went offline.
    Offline,
    /// These were cut off from the others.
    Partitioned,
    /// The network is whole again.
    Healed,
    /// The link between both became another one.
    LinkChanged,
    /// The connections between both were broken.
    Dropped,
    /// It was thrown out of the space.
    CastOut,
    /// It wrote something although it was thrown out.
    Banned,
    /// All replicas have one state.
    OneState,
}

/// What one peer sent another in one second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Which second of virtual time.
    pub second: u64,
    /// Who sent.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How many frames.
    pub frames: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Counts frames as they are sent.
#[derive(Debug, Default)]
pub(crate) struct Meter(BTreeMap<(u64, DeviceKey, DeviceKey), (u64, u64)>);

impl Meter {
    pub(crate) fn sent(&mut self, at: Duration, from: DeviceKey, to: DeviceKey, bytes: usize) {
        let sum = self.0.entry((at.as_secs(), from, to)).or_default();
        sum.0 += 1;
        sum.1 += bytes as u64;
    }

    /// What was counted, with the numbers of peers in place of their keys.
    pub(crate) fn read(&self, number: impl Fn(&DeviceKey) -> Option<usize>) -> Vec<Traffic> {
        let one = |(key, sum): (&(u64, DeviceKey, DeviceKey), &(u64, u64))| {
            Some(Traffic {
                second: key.0,
                from: number(&key.1)?,
                to: number(&key.2)?,
                frames: sum.0,
                bytes: sum.1,
            })
        };
        self.0.iter().filter_map(one).collect()
    }
}

impl World {
    /// Remembers that something happened now.
    pub(crate) fn tell(&mut self, what: What, peers: &[usize]) {
        let at_ms = self.around.clock.now().as_millis();
        self.moments.push(Moment {
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            what,
            peers: peers.to_vec(),
        });
    }
}
