//! What a feed is, and the id that follows from it.

use dxos_keys::{DeviceKey, FeedId, HashDomain, Hasher, SpaceKey};
use serde::{Deserialize, Serialize};

/// What a feed carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Designation {
    /// Credentials, readable by everyone who replicates the space.
    Control,
    /// Transactions, sealed for members.
    Data,
}

/// The four things that make a feed; [`FeedDescriptor::id`] is their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeedDescriptor {
    /// The only writer.
    pub device: DeviceKey,
    /// The space that the feed belongs to.
    pub space: SpaceKey,
    /// What it carries.
    pub designation: Designation,
    /// 0 for a device's first feed; a device whose disk was restored from a backup goes on in
    /// the next one.
    pub incarnation: u32,
}

impl FeedDescriptor {
    /// Puts the four parts together.
    pub const fn new(
        device: DeviceKey,
        space: SpaceKey,
        designation: Designation,
        incarnation: u32,
    ) -> Self {
        Self {
            device,
            space,
            designation,
            incarnation,
        }
    }

    /// The feed's id. One BLAKE3 hash: keep it where it is needed often.
    pub fn id(&self) -> FeedId {
        let designation = match self.designation {
            Designation::Control => 0,
            Designation::Data => 1,
        };
        let mut hasher = Hasher::new(HashDomain::Feed);
        hasher
            .update(self.device.as_bytes())
            .update(self.space.as_bytes())
            .update(&[designation])
            .update(&self.incarnation.to_le_bytes());
        FeedId::from_bytes(hasher.finish())
    }
}
