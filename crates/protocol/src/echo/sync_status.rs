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
/// A receipt proves what its device had on its disk when it signed it, at
/// [`DeviceSync::signed_at_ms`], and only what this device can check: blocks that it has itself, by
/// their hashes. A block that an epoch stands for counts as stored by whoever stored it or the
/// snapshot in its place.
///
/// What a device lost since is known when it, or somebody who met it, says so: one that deletes the
/// space tells those that it meets within five seconds, they tell others, and it is
/// [`withdrawn`](DeviceSync::withdrawn); one
/// whose disk was restored from a backup signs anew once it meets somebody; one that was removed or
/// revoked, and admitted again, is believed what it signs after that. Of a device that was lost or
/// wiped, or deleted the space while nobody was there to hear it, the last receipt stands: it says
/// what was so then, and not what is so now.
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
    /// When it signed that, in milliseconds since 1970 by its own clock: what is `stored` was on
    /// its disk then. `None` when there is no receipt.
    pub signed_at_ms: Option<u64>,
    /// Whether the device has said that it stores the space no more: it deleted it.
    pub withdrawn: bool,
    /// Blocks, of those in question, that its receipt proves that it had when it signed.
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
    /// Whether every device of every member has signed that it stored all of it. It is not while
    /// one has [`withdrawn`](DeviceSync::withdrawn).
    pub fn is_complete(&self) -> bool {
        self.devices
            .iter()
            .all(|device| device.has_signed_all() || self.blocks == 0)
    }

    /// The other devices that have signed that they stored all of it.
    pub fn stored_elsewhere(&self) -> impl Iterator<Item = &DeviceSync> {
        let others = self.devices.iter().filter(|device| !device.is_own);
        others.filter(|device| device.has_signed_all())
    }
}

impl DeviceSync {
    /// Whether it has signed that it stored all that is in question, and did not take that back.
    pub const fn has_signed_all(&self) -> bool {
        self.receipt.is_some() && !self.withdrawn && self.missing == 0
    }
}
