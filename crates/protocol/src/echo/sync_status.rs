//! Who has stored what durably.

use dxos_keys::{DeviceKey, FeedId, IdentityKey, ObjectId, SpaceKey};
use serde::Serialize;

/// Ranges of missing blocks that are told of one device.
pub const MISSING_RANGES_MAX: usize = 64;

/// Asks which devices have stored a space, or an object of it.
#[derive(Clone, Copy, Debug)]
pub struct GetSyncStatus {
    /// The space.
    pub space: SpaceKey,
    /// Only what an object may be made of.
    pub object: Option<ObjectId>,
}

/// Which devices have signed that they stored what durably, as far as their receipts prove it.
///
/// A receipt proves what its device had on its disk when it signed it, and only what this device
/// can check: blocks that it has itself, by their hashes. Of what a device stored since, or lost
/// since without having met anybody, nothing is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// The blocks in question: those of the space that are here; for an object, those that were
    /// written until it changed last.
    pub blocks: u64,
    /// Every device of a member, this one included.
    pub devices: Vec<DeviceSync>,
}

/// What is known of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceSync {
    /// The device.
    pub device: DeviceKey,
    /// Whose device it is.
    pub identity: IdentityKey,
    /// Whether it is this device.
    pub is_own: bool,
    /// The number of its latest receipt; `None` when there is none.
    pub receipt: Option<u64>,
    /// Blocks, of those in question, that its receipt proves.
    pub stored: u64,
    /// Blocks, of those in question, that it is not known to have stored.
    pub missing: u64,
    /// Where they are, at most [`MISSING_RANGES_MAX`] ranges.
    pub missing_ranges: Vec<MissingRange>,
}

/// Blocks `from..until` of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRange {
    /// The feed.
    pub feed: FeedId,
    /// The first block.
    pub from: u64,
    /// The one after the last.
    pub until: u64,
}

impl SyncStatus {
    /// Whether every device of every member has signed that it stored all of it.
    pub fn is_complete(&self) -> bool {
        self.devices.iter().all(|device| device.missing == 0)
    }

    /// The other devices that have signed that they stored all of it.
    pub fn stored_elsewhere(&self) -> impl Iterator<Item = &DeviceSync> {
        let others = self.devices.iter().filter(|device| !device.is_own);
        others.filter(|device| device.receipt.is_some() && device.missing == 0)
    }
}
