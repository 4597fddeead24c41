//! Spaces.

use super::object::Properties;

wire! {
    /// A space.
    pub struct SpaceInfo {
        /// Its key.
        pub key: String,
        /// Where its devices meet, which says nothing of the key.
        pub topic: String,
        /// What it is doing.
        pub state: SpaceStateInfo,
        /// Why it is not in the state `ready`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reason: Option<super::SpaceReasonInfo>,
        /// Why it is in the state `error`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// Its properties, such as `name`.
        #[cfg_attr(test, ts(type = "EchoProperties"))]
        pub properties: Properties,
        /// What this identity may do in it; none when it is no member any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role: Option<RoleInfo>,
        /// What is here and what is missing.
        pub pipeline: PipelineInfo,
        /// Devices with which it is replicating.
        pub peers: Vec<String>,
        /// Feeds whose writers forked them.
        pub forks: Vec<ForkInfo>,
        /// How this identity stopped being a member.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub departure: Option<DepartureInfo>,
        /// Whether this device was revoked by another of its identity.
        pub revoked: bool,
    }

    /// What of a space is here and what is missing.
    pub struct PipelineInfo {
        /// Objects that exist and are not deleted, its properties and schemas among them.
        pub objects: u64,
        /// Blocks here.
        pub blocks: u64,
        /// Blocks that peers have announced and that are not here yet.
        pub missing_blocks: u64,
    }

    /// A forked feed.
    pub struct ForkInfo {
        /// The device that forked.
        pub device: String,
        /// The feed.
        pub feed: String,
        /// The first place that no longer counts.
        pub seq: u64,
    }

    /// A member of a space.
    pub struct MemberInfo {
        /// The identity.
        pub identity: String,
        /// What it may do.
        pub role: RoleInfo,
        /// What others are shown.
        pub profile: super::ProfileInfo,
        /// Its devices that are known in the space.
        pub devices: Vec<String>,
        /// Whether one of them is online.
        pub online: bool,
        /// Whether it is the identity of this host.
        pub own: bool,
    }

    /// What others wrote to a channel since the last time.
    pub struct Messages {
        /// The messages, in the order in which they came.
        pub messages: Vec<MessageInfo>,
        /// How many were dropped because the client was slow.
        pub dropped: u64,
    }

    /// A message to a channel of a space. It is not stored and may be lost.
    pub struct MessageInfo {
        /// The device that sent it.
        pub device: String,
        /// The identity of the device, when it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity: Option<String>,
        /// What it says.
        #[cfg_attr(test, ts(type = "Json"))]
        pub payload: serde_json::Value,
    }

    /// A feed of a space.
    pub struct FeedInfo {
        /// The feed.
        pub feed: String,
        /// What it is for.
        pub designation: DesignationInfo,
        /// Which of the device's feeds of this designation it is: a further one begins when the
        /// one before cannot be gone on with.
        pub incarnation: u32,
        /// Who writes it.
        pub author: super::AuthorInfo,
        /// How many of its blocks were applied here.
        pub applied: u64,
    }

    /// Blocks of a space.
    pub struct BlockPage {
        /// The blocks, the newest first.
        pub blocks: Vec<BlockInfo>,
        /// Where the next page begins, none when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<super::StampInfo>,
    }

    /// A block with a transaction that counts.
    pub struct BlockInfo {
        /// Where it is.
        pub committed: super::CommittedInfo,
        /// Who wrote it.
        pub author: super::AuthorInfo,
        /// Milliseconds since 1970 by its author's clock: for display only.
        pub time_ms: u64,
        /// How many changes it makes.
        pub changes: u32,
    }

    /// The hash of everything visible in a space: equal on devices that have the same.
    pub struct StateHashInfo {
        /// The hash.
        pub hash: String,
    }
}

kinds! {
    /// What a feed is for.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum DesignationInfo {
        /// Credentials.
        Control,
        /// Transactions.
        Data,
    }

    /// What a space is doing.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum SpaceStateInfo {
        /// Closed by the user.
        Closed,
        /// Its content cannot be read yet.
        ControlOnly,
        /// Deleted on this device.
        Deleted,
        /// This device is no part of it any more; what is here can be read.
        Inactive,
        /// Being opened or rebuilt.
        Initializing,
        /// Usable.
        Ready,
        /// It cannot be used; see the error.
        Error,
    }

    /// What a member may do.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum RoleInfo {
        /// Carries ciphertext for others and cannot read it.
        Replicator,
        /// Reads.
        Reader,
        /// Reads and writes.
        Editor,
        /// Reads, writes, admits and removes.
        Admin,
    }

    /// How an identity stopped being a member.
    #[serde(tag = "how", rename_all = "kebab-case")]
    pub enum DepartureInfo {
        /// It left.
        Left,
        /// It was removed.
        Removed {
            /// The identity that did it.
            by: String,
        },
        /// Another guest was admitted with the same invitation.
        InvitationLost {
            /// The invitation.
            invitation: String,
        },
        /// In a way that this host does not know.
        Unknown,
    }
}

params! {
    /// Creates a space, ready to be used.
    pub struct CreateSpace {
        /// For people, such as `name`.
        #[cfg_attr(test, ts(type = "EchoProperties", optional))]
        #[serde(default)]
        pub properties: Properties,
    }

    /// Changes properties of a space; null takes one out.
    pub struct UpdateSpace {
        /// The space.
        pub space: String,
        /// What changes.
        #[cfg_attr(test, ts(type = "EchoProperties"))]
        pub properties: Properties,
    }

    /// Names a member.
    pub struct MemberParams {
        /// The space.
        pub space: String,
        /// The member.
        pub identity: String,
    }

    /// Gives a member another role.
    pub struct UpdateMemberRole {
        /// The space.
        pub space: String,
        /// The member.
        pub identity: String,
        /// What it may do from then on.
        pub role: RoleInfo,
    }

    /// Leaves a space for good, with all devices of the identity.
    pub struct LeaveSpace {
        /// The space.
        pub space: String,
        /// Who becomes an admin: needed of the last one while others are there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub successor: Option<String>,
    }

    /// Sends a message to a channel of a space.
    pub struct PostMessage {
        /// The space.
        pub space: String,
        /// The channel.
        pub channel: String,
        /// What it says.
        #[cfg_attr(test, ts(type = "Json"))]
        pub payload: serde_json::Value,
    }

    /// Reads blocks.
    pub struct ReadBlocks {
        /// The space.
        pub space: String,
        /// Only those of this feed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub feed: Option<String>,
        /// Only those before: `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub before: Option<super::StampInfo>,
        /// How many to look at, up to 1,000.
        pub limit: u32,
    }
}
