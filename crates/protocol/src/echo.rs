//! Requests to ECHO: spaces, their members, objects and queries.

use std::collections::BTreeMap;

use dxos_credentials::{DeviceChain, Profile, Role};
use dxos_document::{
    Dangling, Group, Object, Op, Path, QueryError, TextChange, TextSnapshot, Tx, TypeName, Value,
};
use dxos_feed::{FeedDescriptor, Run};
use dxos_keys::{
    BlockHash, DeviceKey, FeedId, IdentityKey, InvitationId, ObjectId, SpaceKey, StateHash,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::request;

mod archive;
mod care;
mod epoch;
mod life;
mod members;
mod message;
mod properties;
mod query;
mod queue;
mod report;
mod sync_status;

pub use self::archive::{
    GetManifest, Manifest, ReadBlocks, ReadObjects, ReadPart, RestoreBlocks, RestoreSpace,
};
pub use self::care::{
    CheckSpace, Checkup, CollectGarbage, Finding, FindingKind, Garbage, GetStats, SpaceBytes,
    SpaceStats,
};
pub use self::epoch::{
    CreateEpoch, EpochReport, EpochState, EraseSpace, ErasureReport, ErasureState, GetErasure,
    ListEpochs, TrimSpace,
};
pub use self::life::{CloseSpace, DeleteSpace, OpenSpace};
pub use self::members::{
    AdoptSpace, CancelDelegated, DelegateInvitation, DelegatedProof, FindRecovery, GetTicket,
    LeaveSpace, ListDelegated, ListDevices, ListRecoveryKeys, OwnDevices, QueryCredentials,
    Recovery, RemoveMember, RestoreDevice, RevokeDevice, SetMemberProfile, SetRole,
    SpaceCredential, UseDevices, WatchSealing,
};
pub use self::message::{MessageContext, OpenMessage, SealMessage};
pub use self::properties::{PROPERTIES_TYPE, properties_object};
pub use self::query::{
    CountQuery, ExplainQuery, Explanation, GroupQuery, IndexReport, ListIndexes, LiveQuery,
    RunQuery, Subscribe,
};
pub use self::queue::{
    AppendItems, Appended, ListQueues, ParseCursorError, QUEUE_PAGE_BYTES_MAX,
    QUEUE_PAGE_ITEMS_MAX, QueueCursor, QueueItem, QueuePage, QueueReport, ReadItems, ReadQueue,
    SetRetention, WatchQueue,
};
pub use self::report::{
    ForkReport, SpaceReason, SpaceReport, SpaceState, StoreFailure, Transferred,
};
pub use self::sync_status::{
    DeviceSync, GetSyncStatus, MISSING_RANGES_MAX, MissingRange, SyncStatus,
};

/// Hands ECHO what this device signs and opens with, and opens the spaces of the profile. Sent
/// once an identity exists. Sent again it is used for spaces that are taken up from then on.
#[derive(Clone, Debug)]
pub struct UseAuthority {
    /// The authority.
    pub authority: crate::halo::Authority,
}

/// Creates a space whose first member and admin is this profile's identity.
#[derive(Clone, Debug, Default)]
pub struct CreateSpace {
    /// Kept in an object of the space, such as `name`.
    pub properties: BTreeMap<String, Value>,
}

/// Takes up a space to which this identity was admitted.
#[derive(Clone, Debug)]
pub struct JoinSpace {
    /// What the host of the invitation gave.
    pub ticket: AdmissionTicket,
}

/// What a new member needs to take part: the control blocks that prove its admission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionTicket {
    /// The space.
    pub space: SpaceKey,
    /// Control feeds with all their blocks, in causal order.
    pub control: Vec<(FeedDescriptor, Vec<Run>)>,
}

/// Admits an identity to a space.
#[derive(Clone, Debug)]
pub struct AdmitMember {
    /// The space.
    pub space: SpaceKey,
    /// The identity, by one of its devices, which will hold the content key.
    pub chain: DeviceChain,
    /// What it may do.
    pub role: Role,
    /// What others are shown.
    pub profile: Profile,
    /// The invitation for one guest that is used up by this; a second admission with it is
    /// refused.
    pub invitation: Option<InvitationId>,
    /// Whether it gets the keys of what was written before. Without, a new key is made for what
    /// comes.
    pub history: bool,
}

/// Asks for all spaces of the profile.
#[derive(Clone, Copy, Debug)]
pub struct ListSpaces;

/// Asks for one space.
#[derive(Clone, Copy, Debug)]
pub struct GetSpace {
    /// The space.
    pub space: SpaceKey,
}

/// A member of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// The identity.
    pub identity: IdentityKey,
    /// What it may do.
    pub role: Role,
    /// What others are shown.
    #[serde(flatten)]
    pub profile: Profile,
    /// Its devices that are known in the space.
    pub devices: Vec<DeviceKey>,
    /// Whether one of them is online: as ECHO knows, this device or replicating with it now.
    pub online: bool,
}

/// Asks for the members of a space.
#[derive(Clone, Copy, Debug)]
pub struct ListMembers {
    /// The space.
    pub space: SpaceKey,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When the operating system has it: it survives a kill of the process; after a loss of
    /// power the last moments (see the sync interval of the client) may be gone.
    #[default]
    Interval,
    /// When it is on the disk.
    Synced,
}

/// Writes a transaction: one block, atomic on every replica.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The space.
    pub space: SpaceKey,
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// When to acknowledge.
    pub durability: Durability,
}

/// The code of a transaction. It runs within the space, alone, and sees the objects as they are
/// then; what it does becomes one block, or nothing when it fails or panics.
///
/// The one message that is more than data: what a transaction reads must not change before it is
/// written. It should be quick, as the space does nothing else meanwhile.
pub struct Work(Box<Code>);

type Code = dyn FnOnce(&mut Tx<'_>) -> Result<(), Aborted> + Send;

/// The code of a transaction wants nothing of it to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl Work {
    /// This code.
    pub fn new(work: impl FnOnce(&mut Tx<'_>) -> Result<(), Aborted> + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// [`Aborted`] when nothing of it is to be written.
    pub fn run(self, tx: &mut Tx<'_>) -> Result<(), Aborted> {
        (self.0)(tx)
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Work").finish_non_exhaustive()
    }
}

/// Runs the code of a transaction: one block, atomic on every replica.
#[derive(Debug)]
pub struct Transact {
    /// The space.
    pub space: SpaceKey,
    /// The code.
    pub work: Work,
    /// When to acknowledge.
    pub durability: Durability,
}

/// Where a transaction was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The feed of this device.
    pub feed: FeedId,
    /// The block.
    pub seq: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// Its logical time.
    pub lamport: u64,
}

/// Asks for one object, deleted or not.
#[derive(Clone, Copy, Debug)]
pub struct GetObject {
    /// The space.
    pub space: SpaceKey,
    /// The object.
    pub object: ObjectId,
}

/// Asks for the references of a space whose targets are deleted or not here.
#[derive(Clone, Copy, Debug)]
pub struct FindDangling {
    /// The space.
    pub space: SpaceKey,
}

/// Asks for a copy of a text, and for what happens to it from then on; `None` when there is no
/// text at the path.
#[derive(Clone, Debug)]
pub struct WatchText {
    /// The space.
    pub space: SpaceKey,
    /// The object.
    pub object: ObjectId,
    /// The text.
    pub path: Path,
}

/// A copy of a text. Dropping the events ends it.
#[derive(Debug)]
pub struct TextWatch {
    /// The text as it was when it began.
    pub snapshot: Box<TextSnapshot>,
    /// The feed that this device writes to.
    pub feed: FeedId,
    /// What happened since. A reader that falls behind gets the text anew, so that no more than
    /// a fixed number are ever kept.
    pub events: mpsc::Receiver<TextEvent>,
}

/// What happened to a text.
#[derive(Clone, Debug)]
pub enum TextEvent {
    /// Operations changed it.
    Changed(Vec<TextChange>),
    /// There is no text at the path any more.
    Gone,
    /// It is to be read anew: it was replaced, taken back in part, or too much happened.
    Replaced(Box<TextSnapshot>),
}

/// Follows which spaces are on this device; intermediate lists may be skipped.
#[derive(Clone, Copy, Debug)]
pub struct WatchSpaces;

/// Follows a space's report; intermediate reports may be skipped.
#[derive(Clone, Copy, Debug)]
pub struct WatchSpace {
    /// The space.
    pub space: SpaceKey,
}

/// Computes the hash of everything visible in a space: objects, with conflicts, and members.
#[derive(Clone, Copy, Debug)]
pub struct ComputeStateHash {
    /// The space.
    pub space: SpaceKey,
}

/// Puts everything that was acknowledged onto the disk.
#[derive(Clone, Copy, Debug)]
pub struct Flush;

/// Why ECHO did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EchoError {
    /// The identity is a member already.
    #[error("{identity} is a member of the space already")]
    AlreadyMember {
        /// The identity.
        identity: IdentityKey,
    },
    /// The space is on this device already.
    #[error("space {space} has been joined already; open it instead")]
    AlreadyJoined {
        /// The space.
        space: SpaceKey,
    },
    /// What an archive holds is not what its writers signed, or of another space.
    #[error("the archive does not hold: {reason}; use another one")]
    BadArchive {
        /// What is wrong.
        reason: String,
    },
    /// The ticket does not prove an admission.
    #[error("the admission does not hold: {reason}; ask for a new invitation")]
    BadTicket {
        /// What is wrong.
        reason: String,
    },
    /// What was asked for lies before an epoch, and its blocks are gone.
    #[error("that was before epoch {number}, and what was written before it is gone here")]
    BeforeEpoch {
        /// The number of the epoch.
        number: u64,
    },
    /// Devices of admins may still contest the epoch.
    #[error(
        "{} devices of admins do not know of epoch {number} yet; wait for them, or force it",
        devices.len()
    )]
    EpochContestable {
        /// The number of the epoch.
        number: u64,
        /// The devices.
        devices: std::collections::BTreeSet<DeviceKey>,
    },
    /// An erasure is under way.
    #[error(
        "an erasure is under way, and another epoch would keep what it is to destroy; wait until it is done"
    )]
    ErasureUnderWay,
    /// The epoch before is not the current one here yet.
    #[error("epoch {number} is still loading; wait until it is the current one")]
    EpochLoading {
        /// Its number.
        number: u64,
    },
    /// Some who may read now were let in without what was written before.
    #[error(
        "{} devices that may read lack keys of what was written before, and would read its state \
         in the snapshot; allow that, or hand them the keys",
        devices.len()
    )]
    EpochSharesState {
        /// The devices.
        devices: std::collections::BTreeSet<DeviceKey>,
    },
    /// The space has too many feeds, or too much data, for a snapshot.
    #[error("the snapshot cannot be made: {reason}")]
    EpochTooLarge {
        /// What there is too much of.
        reason: String,
    },
    /// Keys are missing here, so that not all that counts can be read.
    #[error("{missing} content keys are missing here; wait until a peer hands them on")]
    KeysMissing {
        /// How many.
        missing: usize,
    },
    /// There is no epoch.
    #[error("the space has no epoch; create one first")]
    NoEpoch,
    /// The invitation was used.
    #[error("invitation {invitation} was used already; ask for a new one")]
    InvitationUsed {
        /// The invitation.
        invitation: InvitationId,
    },
    /// The query cannot be answered as it is.
    #[error("the query cannot be answered: {0}")]
    InvalidQuery(#[from] QueryError),
    /// The operations cannot be applied as they are.
    #[error("the transaction cannot be written: {reason}")]
    InvalidTransaction {
        /// What is wrong.
        reason: String,
    },
    /// The identity is the last admin: it cannot leave while others are there, and cannot take a
    /// lesser role at all. Make one of the others an admin first.
    #[error(
        "you are the last admin of space {space}; make another member an admin before you leave \
         or take a lesser role"
    )]
    LastAdmin {
        /// The space.
        space: SpaceKey,
    },
    /// The key that seals new content has not arrived yet. Wait until the space has synchronised.
    #[error("the content key of space {space} has not arrived yet; wait for a peer")]
    NoContentKey {
        /// The space.
        space: SpaceKey,
    },
    /// The profile has no identity yet.
    #[error(
        "this profile has no identity yet; create one with `dx identity create NAME`, or in code \
         with create_identity"
    )]
    NoIdentity,
    /// The identity is no member.
    #[error("{identity} is no member of space {space}")]
    NotMember {
        /// The identity.
        identity: IdentityKey,
        /// The space.
        space: SpaceKey,
    },
    /// This device was revoked: nothing that it writes counts for anybody. Another device of the
    /// identity that goes before the one that revoked it can take that back.
    #[error(
        "this device was revoked, and what it writes does not count: it may not {action} in space \
         {space}; if that was not meant, restore it at another device"
    )]
    DeviceRevoked {
        /// The space.
        space: SpaceKey,
        /// What was tried.
        action: &'static str,
    },
    /// The role does not allow it.
    #[error("{} may not {action} in space {space}; an admin can change that", with_role(*role))]
    NotPermitted {
        /// The space.
        space: SpaceKey,
        /// The role, `None` for no member at all.
        role: Option<Role>,
        /// What was tried.
        action: &'static str,
    },
    /// Somebody else wrote the transaction.
    #[error("the transaction was written by somebody else ({device}); ask to undo it all the same")]
    OthersTransaction {
        /// The device that wrote it.
        device: DeviceKey,
    },
    /// What counts has changed while the past was read, as when a fork was cut.
    #[error("the space changed while its past was read; ask again")]
    PastChanged,
    /// What was to be written does not fit the schema that the space has for the type. Correct
    /// it, or write another version of the type.
    #[error("object {object} would not fit the schema of {type_name}: {violation}")]
    SchemaViolated {
        /// The object.
        object: ObjectId,
        /// Its type.
        type_name: TypeName,
        /// Where it does not fit, and why: `/due: "x" is not a timestamp`.
        violation: String,
    },
    /// The client is shutting down, or the space failed; restart it.
    #[error("ECHO has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// A device was not revoked, or by one that goes before this one.
    #[error(
        "{device} cannot be taken back from here: it was not revoked, or by a device that goes \
         before this one; ask for it on that device, or on one that goes before it"
    )]
    NotRestorable {
        /// The device.
        device: DeviceKey,
    },
    /// The store failed.
    #[error("the store failed: {reason}")]
    Store {
        /// What it said.
        reason: String,
    },
    /// A timeframe reaches beyond what is here.
    #[error("the timeframe names {missing} blocks that are not here; wait until they have arrived")]
    TimeframeAhead {
        /// How many blocks are missing.
        missing: u64,
    },
    /// The code of a transaction gave up; nothing was written.
    #[error("the transaction was given up by its own code; nothing of it was written")]
    TransactionAborted,
    /// The code of a transaction panicked; nothing was written. The log has the message.
    #[error("the code of the transaction panicked; nothing of it was written: see the log")]
    TransactionPanicked,
    /// There is no such device of this identity, or it is this one.
    #[error("{device} is no other device of your identity")]
    UnknownDevice {
        /// The device.
        device: DeviceKey,
    },
    /// There is no such transaction, or it does not count.
    #[error("there is no transaction {seq} in feed {feed} that counts")]
    UnknownTransaction {
        /// The feed.
        feed: FeedId,
        /// The block.
        seq: u64,
    },
    /// The space is being closed, deleted or looked through.
    #[error("space {space} is {doing} just now; try again when that is done")]
    SpaceBusy {
        /// The space.
        space: SpaceKey,
        /// What is being done to it.
        doing: &'static str,
    },
    /// The space was closed by the user.
    #[error("space {space} is closed; open it first")]
    SpaceClosed {
        /// The space.
        space: SpaceKey,
    },
    /// The space was deleted on this device, which does not take it up again by itself.
    #[error(
        "space {space} was deleted on this device; accept an invitation, or restore an archive, to \
         have it again"
    )]
    SpaceDeleted {
        /// The space.
        space: SpaceKey,
    },
    /// A cursor of a queue is not of this device, or of one whose disk was put back since.
    #[error(
        "this cursor of queue {queue:?} is of another device or another state of its disk; read from the start"
    )]
    UnknownCursor {
        /// The name of the queue.
        queue: String,
    },
    /// The space is not on this device.
    #[error("space {space} is not on this device")]
    UnknownSpace {
        /// The space.
        space: SpaceKey,
    },
}

request! {
    UseAuthority => Result<(), EchoError>,
    CreateSpace => Result<SpaceReport, EchoError>,
    JoinSpace => Result<SpaceReport, EchoError>,
    AdmitMember => Result<AdmissionTicket, EchoError>,
    ListSpaces => Vec<SpaceReport>,
    WatchSpaces => watch::Receiver<Vec<SpaceKey>>,
    GetSpace => Result<SpaceReport, EchoError>,
    WatchText => Result<Option<TextWatch>, EchoError>,
    WatchSpace => Result<watch::Receiver<SpaceReport>, EchoError>,
    ListMembers => Result<Vec<MemberReport>, EchoError>,
    Commit => Result<Committed, EchoError>,
    Transact => Result<Option<Committed>, EchoError>,
    GetObject => Result<Option<Object>, EchoError>,
    FindDangling => Result<Vec<Dangling>, EchoError>,
    RunQuery => Result<Vec<Object>, EchoError>,
    ExplainQuery => Result<Explanation, EchoError>,
    CountQuery => Result<u64, EchoError>,
    GroupQuery => Result<Vec<Group>, EchoError>,
    ListIndexes => Result<Vec<IndexReport>, EchoError>,
    Subscribe => Result<LiveQuery, EchoError>,
    ComputeStateHash => Result<StateHash, EchoError>,
    GetSyncStatus => Result<SyncStatus, EchoError>,
    Flush => Result<(), EchoError>,
}

/// A role in a sentence.
fn with_role(role: Option<Role>) -> String {
    role.map_or_else(
        || "who is no member".to_owned(),
        |role| format!("the role of {role}"),
    )
}
