//! Why ECHO did not do what was asked.

use dxos_credentials::Role;
use dxos_document::{QueryError, TypeName};
use dxos_keys::{DeviceKey, FeedId, IdentityKey, InvitationId, ObjectId, SpaceKey};

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

/// A role in a sentence.
fn with_role(role: Option<Role>) -> String {
    role.map_or_else(
        || "who is no member".to_owned(),
        |role| format!("the role of {role}"),
    )
}
