//! Requests to ECHO: spaces, their members, objects and queries.

use std::collections::BTreeMap;

use dxos_credentials::{DeviceChain, Profile, Role};
use dxos_document::{Dangling, Group, Object, Value};
use dxos_feed::{FeedDescriptor, Run};
use dxos_keys::{DeviceKey, IdentityKey, InvitationId, ObjectId, SpaceKey, StateHash};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::request;

mod archive;
mod care;
mod epoch;
mod error;
mod life;
mod members;
mod message;
mod properties;
mod query;
mod queue;
mod report;
mod sync_status;
mod text;
mod transaction;

pub use self::archive::{
    ArchiveRest, ArchivedRun, BranchBlock, CreateClone, EndRestore, GetManifest, Manifest,
    ReadBlocks, ReadObjects, ReadPart, RestoreBlocks, RestoreNewSpace, RestoreSpace,
};
pub use self::care::{
    CheckDerived, CheckSpace, Checkup, CollectGarbage, DerivedCheckup, Finding, FindingKind,
    Garbage, GetStats, SpaceBytes, SpaceStats,
};
pub use self::epoch::{
    CreateEpoch, EpochReport, EpochState, EraseSpace, ErasureReport, ErasureState, GetErasure,
    ListEpochs, TrimSpace,
};
pub use self::error::EchoError;
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
    CountQuery, ExplainQuery, Explanation, FindIds, FoundIds, GroupQuery, IndexReport, ListIndexes,
    LiveQuery, ReadFound, RunQuery, Subscribe,
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
pub use self::text::{TextEvent, TextWatch, WatchText};
pub use self::transaction::{Aborted, Commit, Committed, Durability, Transact, Work};

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
    FindIds => Result<Option<FoundIds>, EchoError>,
    ReadFound => Result<Vec<Object>, EchoError>,
    ExplainQuery => Result<Explanation, EchoError>,
    CountQuery => Result<u64, EchoError>,
    GroupQuery => Result<Vec<Group>, EchoError>,
    ListIndexes => Result<Vec<IndexReport>, EchoError>,
    Subscribe => Result<LiveQuery, EchoError>,
    ComputeStateHash => Result<StateHash, EchoError>,
    GetSyncStatus => Result<SyncStatus, EchoError>,
    Flush => Result<(), EchoError>,
}
