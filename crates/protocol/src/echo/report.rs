//! What is said of a space.

use std::collections::BTreeMap;
use std::fmt;

use dxos_credentials::{Departure, Role};
use dxos_document::Value;
use dxos_feed::ForkProof;
use dxos_keys::{DeviceKey, FeedId, IdentityKey, SpaceKey, Topic};
use serde::{Deserialize, Serialize};

/// What a space is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SpaceState {
    /// Closed by the user: neither replicated nor readable.
    Closed,
    /// Its members may be known, and its content cannot be read yet.
    ControlOnly,
    /// Deleted on this device.
    Deleted,
    /// It cannot be used, or only be read; see the reason.
    Error,
    /// This device is no part of it any more: what is here can be read, nothing new comes, and
    /// nothing can be written.
    Inactive,
    /// Being opened or rebuilt.
    Initializing,
    /// Usable.
    Ready,
}

impl SpaceState {
    /// Whether objects can be read.
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Inactive | Self::Ready)
    }
}

impl fmt::Display for SpaceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "closed",
            Self::ControlOnly => "control-only",
            Self::Deleted => "deleted",
            Self::Error => "error",
            Self::Inactive => "inactive",
            Self::Initializing => "initializing",
            Self::Ready => "ready",
        })
    }
}

/// Why a space is in another state than [`SpaceState::Ready`], and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum SpaceReason {
    /// Nothing says yet that this identity is a member.
    AwaitsAdmission,
    /// The key of its content has not arrived.
    AwaitsContentKey,
    /// The user closed it.
    ClosedByUser,
    /// The user deleted it on this device.
    DeletedByUser,
    /// It cannot be read or written, and is tried again by itself.
    Failed {
        /// What was said.
        error: String,
    },
    /// Its invitation admitted another guest.
    InvitationLost,
    /// What is written to it may not get onto the disk. What is here can be read.
    NotStored(StoreFailure),
    /// The identity has left it.
    Left,
    /// It is being opened.
    Opening,
    /// The identity was removed from it.
    Removed {
        /// By whom.
        by: IdentityKey,
    },
    /// It is being brought back from an archive, or that was cut off.
    Restoring,
    /// This device was revoked by another of its identity.
    Revoked,
}

impl fmt::Display for SpaceReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitsAdmission => formatter.write_str(
                "who its members are has not arrived yet; wait until another device of it is there",
            ),
            Self::AwaitsContentKey => formatter.write_str(
                "the key of its content has not arrived yet; wait until another member is there",
            ),
            Self::ClosedByUser => formatter.write_str("it was closed here; open it to use it"),
            Self::DeletedByUser => formatter.write_str("it was deleted on this device"),
            Self::Failed { error } => write!(formatter, "{error}; it is tried again"),
            Self::InvitationLost => formatter.write_str(
                "its invitation had admitted another guest before; ask for a new invitation",
            ),
            Self::NotStored(failure) => failure.fmt(formatter),
            Self::Left => formatter.write_str("you have left it; what is here can be read"),
            Self::Opening => formatter.write_str("it is being opened"),
            Self::Removed { by } => write!(
                formatter,
                "{} removed you from it; what is here can be read",
                by.short()
            ),
            Self::Restoring => formatter.write_str(
                "it is being restored from an archive, and not all of it may be here; if that was \
                 cut off, run the restore again",
            ),
            Self::Revoked => formatter.write_str(
                "this device was revoked; restore it at another device, if that was not meant",
            ),
        }
    }
}

impl From<&Departure> for SpaceReason {
    fn from(departure: &Departure) -> Self {
        match departure {
            Departure::Left => Self::Left,
            Departure::Removed { by } => Self::Removed { by: *by },
            Departure::InvitationLost { .. } => Self::InvitationLost,
            _ => Self::AwaitsAdmission,
        }
    }
}

/// A write to the store of a profile that failed and was not made up for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFailure {
    /// What was said, with what to do.
    pub error: String,
    /// Whether what failed was to get edits onto the disk that may have been acknowledged before:
    /// they are lost if the power fails now.
    pub of_sync: bool,
    /// Whether the store takes no writes until the client is started again. Otherwise it is tried
    /// again until it goes well.
    pub lasts: bool,
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_sync {
            formatter.write_str("what was written last may not be on the disk: ")?;
        }
        formatter.write_str(&self.error)?;
        if self.lasts {
            return formatter.write_str("; what is here can be read until then");
        }
        formatter.write_str("; it is tried again")
    }
}

/// What went over the network since the space was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// Blocks that came.
    pub received_blocks: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Blocks that were sent, to all peers together.
    pub sent_blocks: u64,
    /// Their bytes.
    pub sent_bytes: u64,
}

/// A space, as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// The space.
    pub space: SpaceKey,
    /// Where its devices meet.
    pub topic: Topic,
    /// What it is doing.
    pub state: SpaceState,
    /// Why it is not [`SpaceState::Ready`].
    pub reason: Option<SpaceReason>,
    /// Why it is in [`SpaceState::Error`]: what failed.
    pub error: Option<String>,
    /// The properties object, such as `name`.
    pub properties: BTreeMap<String, Value>,
    /// What this identity may do in it.
    pub role: Option<Role>,
    /// Objects that exist and are not deleted.
    pub objects: u64,
    /// Blocks here.
    pub blocks: u64,
    /// Counts up when a receipt comes; see [`SyncStatus`](super::SyncStatus).
    pub receipts: u64,
    /// Blocks that peers have announced and that are not here yet.
    pub missing_blocks: u64,
    /// What went over the network since it was opened.
    pub transferred: Transferred,
    /// Devices with which it is replicating.
    pub peers: Vec<DeviceKey>,
    /// Feeds whose writers forked them.
    pub forks: Vec<ForkReport>,
    /// How this identity stopped being a member, if it has.
    pub departure: Option<Departure>,
    /// Whether this device was revoked by another of its identity.
    pub revoked: bool,
    /// The device that created it, where that is one of this identity and nobody else was ever a
    /// member: what an identity keeps for itself alone is told by that from what others say it is.
    pub sole_creator: Option<DeviceKey>,
}

impl SpaceReport {
    /// A space of which nothing but its state can be told.
    pub fn of_state(space: SpaceKey, state: SpaceState, reason: Option<SpaceReason>) -> Self {
        let error = match &reason {
            Some(SpaceReason::Failed { error }) => Some(error.clone()),
            Some(SpaceReason::NotStored(failure)) => Some(failure.error.clone()),
            _ => None,
        };
        Self {
            space,
            topic: Topic::of_space(&space),
            state,
            reason,
            error,
            properties: BTreeMap::new(),
            role: None,
            objects: 0,
            blocks: 0,
            receipts: 0,
            missing_blocks: 0,
            transferred: Transferred::default(),
            peers: Vec::new(),
            forks: Vec::new(),
            departure: None,
            revoked: false,
            sole_creator: None,
        }
    }
}

/// A forked feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkReport {
    /// The device that forked.
    pub device: DeviceKey,
    /// The feed.
    pub feed: FeedId,
    /// The first place that no longer counts.
    pub seq: u64,
    /// The proof, to show to anyone.
    pub proof: ForkProof,
}
