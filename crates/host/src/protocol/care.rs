//! How a space is kept: opened and closed, who has stored it, its epochs, what it takes.

wire! {
    /// Why a space is in another state than `ready`.
    pub struct SpaceReasonInfo {
        /// For programs.
        pub kind: SpaceReasonKind,
        /// For people, with what to do.
        pub message: String,
    }

    /// Which devices have signed that they stored a space, or an object, durably. It says no
    /// more than their receipts prove.
    pub struct SyncStatusInfo {
        /// The blocks in question: those of the space that are here; of an object, those that
        /// were written until it changed last.
        pub blocks: u64,
        /// Whether every device has signed that it stored all of them.
        pub complete: bool,
        /// Every device of a member, that of the host included.
        pub devices: Vec<DeviceSyncInfo>,
    }

    /// What is known of one device.
    pub struct DeviceSyncInfo {
        /// The device.
        pub device: String,
        /// Whose device it is.
        pub identity: String,
        /// Whether it is the device of this host.
        pub own: bool,
        /// The number of its latest receipt; none when it has signed none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub receipt: Option<u64>,
        /// When it signed that, in milliseconds since 1970 by its own clock; none when it has
        /// signed none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub signed_at_ms: Option<u64>,
        /// Whether it has said that it stores the space no more: it deleted it.
        pub withdrawn: bool,
        /// Blocks, of those in question, that its receipt proves that it had when it signed.
        pub stored: u64,
        /// Blocks, of those in question, that it is not known to have stored.
        pub missing: u64,
        /// Where they are: the first 64 ranges.
        pub missing_ranges: Vec<MissingRangeInfo>,
    }

    /// Blocks of a feed.
    pub struct MissingRangeInfo {
        /// The feed.
        pub feed: String,
        /// The first block.
        pub from: u64,
        /// The one after the last.
        pub until: u64,
    }

    /// An epoch: a signed snapshot that stands for what was written before it.
    pub struct EpochInfo {
        /// One more than that of the epoch before, 1 for the first.
        pub number: u64,
        /// The block that holds it.
        pub block: String,
        /// The device that issued it.
        pub device: String,
        /// The identity of that device, when it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity: Option<String>,
        /// The hash that names the snapshot.
        pub snapshot: String,
        /// Where it stands on this device.
        pub state: EpochStateInfo,
        /// Objects in the snapshot, deleted ones included; none when that is not known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub objects: Option<u64>,
        /// Blocks that it stands for; none when that is not known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub blocks: Option<u64>,
        /// Of the current one: whether those blocks are not on this device any more.
        pub trimmed: bool,
        /// Whether what nobody needs any more is still being deleted here.
        pub tidying: bool,
        /// Devices of admins that are not known to know of it: while there are any, the blocks
        /// are dropped only by force.
        pub may_contest: Vec<String>,
    }

    /// What was dropped.
    pub struct TrimmedInfo {
        /// How many blocks, which are deleted bit by bit.
        pub blocks: u64,
    }

    /// How far an erasure is: what was deleted is destroyed on every device, with the content
    /// keys that it was sealed with.
    pub struct ErasureInfo {
        /// The device that asked for it.
        pub device: String,
        /// How far it is on this device.
        pub state: ErasureStateInfo,
        /// The number of the epoch that does it, once there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub epoch: Option<u64>,
        /// Devices that it waits for. One that is lost has to be revoked.
        pub waits_for: Vec<String>,
        /// Blocks that devices said they knew and that are not here yet.
        pub missing_blocks: u64,
        /// How many content keys it destroys.
        pub keys: u64,
        /// Recovery keys that these content keys were sealed for: whoever has such a phrase and
        /// kept the blocks can read them all the same.
        pub recovery_keys: Vec<String>,
    }

    /// What is stored of a space.
    pub struct SpaceStatsInfo {
        /// Objects that exist and are not deleted.
        pub objects: u64,
        /// Blocks of feeds.
        pub blocks: u64,
        /// Blocks of cut branches.
        pub branches: u64,
        /// Feeds.
        pub feeds: u64,
        /// How often this device had to begin new feeds.
        pub incarnation: u32,
        /// Rows of indexes.
        pub index_rows: u64,
        /// Rows of queues.
        pub queue_rows: u64,
        /// What it takes.
        pub bytes: SpaceBytesInfo,
    }

    /// Bytes of a space, before the store compresses them.
    pub struct SpaceBytesInfo {
        /// Blocks of feeds.
        pub blocks: u64,
        /// Blocks of cut branches.
        pub branches: u64,
        /// Objects, which are made from blocks.
        pub objects: u64,
        /// Indexes, which are made from objects.
        pub indexes: u64,
        /// Queues, which are made from blocks.
        pub queues: u64,
        /// Everything else.
        pub rest: u64,
    }

    /// What collecting garbage did.
    pub struct GarbageInfo {
        /// Rows of spaces that are not on this device any more, now removed.
        pub rows: u64,
        /// Their bytes.
        pub bytes: u64,
        /// Bytes of the store on the disk before.
        pub disk_bytes_before: u64,
        /// And after.
        pub disk_bytes_after: u64,
    }

    /// What checking everything that is stored has found.
    pub struct DoctorInfo {
        /// Whether nothing is wrong, or not any more.
        pub whole: bool,
        /// Of every space, the one in which the identity keeps its devices among them.
        pub spaces: Vec<CheckupInfo>,
        /// What is derived and cannot be read. All spaces have it in the same tables.
        pub unreadable: Vec<FindingInfo>,
        /// Whether all of its kind was deleted, and made anew.
        pub emptied: bool,
        /// Rows of spaces that are not on this device any more.
        pub orphan_rows: u64,
        /// Their bytes.
        pub orphan_bytes: u64,
        /// Whether those were removed.
        pub orphans_removed: bool,
    }

    /// What checking one space has found.
    pub struct CheckupInfo {
        /// The space.
        pub space: String,
        /// Whether nothing is wrong, or not any more.
        pub whole: bool,
        /// Blocks that were checked.
        pub blocks: u64,
        /// Objects that were compared with what their blocks say.
        pub objects: u64,
        /// Rows of indexes that were compared with the objects.
        pub index_rows: u64,
        /// What is wrong: the first hundred things.
        pub findings: Vec<FindingInfo>,
        /// How many more there are.
        pub more: u64,
        /// Whether what is derived was, or is being, made anew.
        pub repaired: bool,
    }

    /// Something that is wrong.
    pub struct FindingInfo {
        /// What it is wrong with, such as `block`, `index` or `object`.
        pub kind: String,
        /// Whether that is made from blocks, and can be made anew.
        pub derived: bool,
        /// Where, and what it is.
        pub text: String,
    }
}

kinds! {
    /// Why a space is in another state than `ready`.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum SpaceReasonKind {
        /// Nothing says yet that this identity is a member.
        AwaitsAdmission,
        /// The key of its content has not arrived.
        AwaitsContentKey,
        /// The user closed it.
        ClosedByUser,
        /// The user deleted it on this device.
        DeletedByUser,
        /// It cannot be written, or not even read; the message says what is done about it.
        Failed,
        /// Its invitation admitted another guest.
        InvitationLost,
        /// The identity has left it.
        Left,
        /// It is being opened.
        Opening,
        /// The identity was removed from it.
        Removed,
        /// It is being brought back from an archive, or that was cut off.
        Restoring,
        /// This device was revoked by another of its identity.
        Revoked,
        /// One that this host does not know.
        Unknown,
    }

    /// How far an erasure is on a device.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum ErasureStateInfo {
        /// Devices have still to say that they seal nothing more with the keys before.
        Acknowledging,
        /// All have; a device of an admin that has all blocks creates the epoch next.
        Requested,
        /// The epoch is there; blocks and keys are not all destroyed yet.
        Erasing,
        /// They are.
        Done,
    }

    /// Where an epoch stands on a device.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum EpochStateInfo {
        /// The state here begins with its snapshot.
        Current,
        /// It is to be the current one, and its snapshot is not here yet.
        Loading,
        /// A later one, or another one with the same number, took its place.
        Superseded,
        /// Its snapshot is not what its issuer had, or cannot be used.
        Refused,
    }
}

params! {
    /// Checks everything that is stored: see `dx doctor`.
    pub struct RunDoctor {
        /// Whether what is derived and wrong is made anew, and what is of no space removed.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub repair: bool,
    }

    /// Asks who has stored a space.
    pub struct ReadSyncStatus {
        /// The space.
        pub space: String,
        /// Only what this object may be made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub object: Option<String>,
    }

    /// Signs a snapshot of a space as it is on this device, or asks for one that leaves out what
    /// was deleted.
    pub struct CreateEpoch {
        /// The space.
        pub space: String,
        /// Whether members who were let in without the history may read the state as it is now.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub share_state: bool,
    }

    /// Drops the blocks that the current epoch stands for from this device.
    pub struct TrimSpace {
        /// The space.
        pub space: String,
        /// Also while devices of admins may still contest the epoch.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub force: bool,
    }

    /// Deletes a space on this device, with what no other device has of it.
    pub struct DeleteSpace {
        /// The space.
        pub space: String,
        /// Has to be `delete-space`.
        pub confirm: String,
    }
}
