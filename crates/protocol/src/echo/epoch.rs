//! Epochs: snapshots that stand for what was written before them.

use std::collections::BTreeSet;

use dxos_keys::{BlockHash, DeviceKey, IdentityKey, SpaceKey, StateHash};
use serde::{Deserialize, Serialize};

use super::EchoError;
use crate::request;

/// Signs a snapshot of a space as it is now, as an admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateEpoch {
    /// The space.
    pub space: SpaceKey,
    /// Whether the state may reach members who were let in without the history: whoever may read
    /// now can read the snapshot. Otherwise it is refused while there are any.
    pub share_state: bool,
}

/// Drops the blocks that the current epoch stands for from this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimSpace {
    /// The space.
    pub space: SpaceKey,
    /// Whether to do so though devices of admins may still contest the epoch. Should one do so,
    /// this device goes on with what the epoch says, and others do not.
    pub force: bool,
}

/// Lists the epochs of a space, the latest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEpochs {
    /// The space.
    pub space: SpaceKey,
}

/// Asks for an erasure, as an admin: what was deleted by now is destroyed on every device, together
/// with the content keys that it was sealed with. When one is under way it goes on with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseSpace {
    /// The space.
    pub space: SpaceKey,
    /// As for [`CreateEpoch::share_state`].
    pub share_state: bool,
}

/// Asks what became of the erasure that was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetErasure {
    /// The space.
    pub space: SpaceKey,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErasureState {
    /// Devices have still to say that they seal nothing more with the keys before.
    Acknowledging,
    /// All have; a device of an admin that has all blocks creates the epoch next.
    Requested,
    /// The epoch is there; blocks and keys are not all destroyed on this device yet, or the
    /// encryption key for which the latter were sealed: that waits for spaces that are closed.
    Erasing,
    /// They are, on this device: nothing that it has opens what was erased.
    Done,
}

/// An erasure, as this device knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReport {
    /// The device that asked for it.
    pub by: DeviceKey,
    /// How far it is.
    pub state: ErasureState,
    /// The number of the epoch that does it, once there is one.
    pub epoch: Option<u64>,
    /// The devices that it waits for: those that may write and have not acknowledged it, and
    /// later those of admins that have not acknowledged the epoch. One that is lost has to be
    /// revoked.
    pub waits_for: BTreeSet<DeviceKey>,
    /// Blocks that devices said they knew and that are not here yet.
    pub missing_blocks: u64,
    /// How many content keys it destroys.
    pub keys: u64,
    /// Recovery keys for which these content keys were sealed: whoever has such a phrase, and has
    /// kept the control blocks and the blocks, can read them all the same.
    pub recovery_keys: BTreeSet<DeviceKey>,
}

/// Where an epoch stands on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EpochState {
    /// The state here begins with its snapshot.
    Current,
    /// It is to be the current one, and its snapshot is not here yet.
    Loading,
    /// A later one, or another one with the same number, took its place.
    Superseded,
    /// Its snapshot is not what its issuer had, by the blocks that are here, or cannot be used.
    Refused,
}

/// An epoch, as this device knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochReport {
    /// One more than that of the epoch before, 1 for the first.
    pub number: u64,
    /// The block that holds it.
    pub block: BlockHash,
    /// The device that issued it.
    pub by: DeviceKey,
    /// The identity of that device.
    pub identity: Option<IdentityKey>,
    /// The hash that names the snapshot.
    pub snapshot: StateHash,
    /// Where it stands here.
    pub state: EpochState,
    /// How many objects the snapshot holds, deleted ones included; `None` when that is not known
    /// here.
    pub objects: Option<u64>,
    /// How many blocks it stands for; `None` when that is not known here.
    pub blocks: Option<u64>,
    /// Of the current one: whether this device has dropped those blocks, or never had them.
    pub is_trimmed: bool,
    /// Whether what nobody needs any more is still being deleted here.
    pub is_tidying: bool,
    /// Devices of admins that are not known to know of it. While there are any, the blocks that
    /// it stands for are kept, unless that is forced.
    pub may_contest: BTreeSet<DeviceKey>,
}

request! {
    CreateEpoch => Result<EpochReport, EchoError>,
    TrimSpace => Result<u64, EchoError>,
    ListEpochs => Result<Vec<EpochReport>, EchoError>,
    EraseSpace => Result<ErasureReport, EchoError>,
    GetErasure => Result<Option<ErasureReport>, EchoError>,
}
