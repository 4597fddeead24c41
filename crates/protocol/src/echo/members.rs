//! Requests about members, the devices of one's own identity, delegated invitations and recovery
//! keys.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Credential, Delegated, DeviceChain, GuestProof, Profile, Role};
use dxos_keys::{
    ContentKey, DeviceKey, IdentityKey, InvitationId, SealedKey, SealingKey, SpaceKey,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{AdmissionTicket, EchoError, SpaceReport};
use crate::request;

/// Takes up a space by its key alone: the identity is a member of it already, and peers are asked
/// for everything else.
#[derive(Clone, Copy, Debug)]
pub struct AdoptSpace {
    /// The space.
    pub space: SpaceKey,
}

/// Removes a member, and makes a new content key for what is written from then on.
#[derive(Clone, Copy, Debug)]
pub struct RemoveMember {
    /// The space.
    pub space: SpaceKey,
    /// The member.
    pub identity: IdentityKey,
}

/// Gives a member another role.
#[derive(Clone, Copy, Debug)]
pub struct SetRole {
    /// The space.
    pub space: SpaceKey,
    /// The member.
    pub identity: IdentityKey,
    /// What it may do from then on.
    pub role: Role,
}

/// Ends the membership of this profile's own identity.
#[derive(Clone, Copy, Debug)]
pub struct LeaveSpace {
    /// The space.
    pub space: SpaceKey,
    /// Who becomes an admin instead: needed of the last one while there are others.
    pub successor: Option<IdentityKey>,
}

/// Says what others are to be shown of this profile's own identity.
#[derive(Clone, Debug)]
pub struct SetMemberProfile {
    /// The space.
    pub space: SpaceKey,
    /// What they are shown.
    pub profile: Profile,
}

/// Asks for the devices of this profile's own identity, as a space knows them.
#[derive(Clone, Copy, Debug)]
pub struct ListDevices {
    /// The space.
    pub space: SpaceKey,
}

/// The devices of this profile's own identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnDevices {
    /// The chains of its devices and recovery keys, this device's included.
    pub chains: Vec<DeviceChain>,
    /// Devices and recovery keys that were revoked, each with the device that did it.
    pub revoked: BTreeMap<DeviceKey, DeviceKey>,
    /// Revocations that were made and do not stand: by which device, and of which. What others
    /// did on the strength of them is taken back.
    pub fallen: BTreeSet<(DeviceKey, DeviceKey)>,
    /// The space in which the identity keeps its devices.
    pub halo: Option<SpaceKey>,
    /// The one in which it did before it was recovered, if this device has that.
    pub former: Option<SpaceKey>,
    /// All in which it ever did, as far as this device has them. A recovery key has agreed to one.
    pub halos: BTreeSet<SpaceKey>,
    /// Of the answer to [`ListDevices`]: whether nothing is left to be done for them in the space.
    pub settled: bool,
    /// Of the answer to [`ListDevices`]: whether a content key that was destroyed in the space can
    /// be opened with this device's encryption key, as others once sealed it for that.
    pub opens_destroyed: bool,
    /// Of the same: the encryption key of this device for which all content keys of the space are
    /// kept, so that those before it are not needed.
    pub resealed: Option<SealingKey>,
}

/// Follows what [`OwnDevices::opens_destroyed`] and [`OwnDevices::resealed`] say: a number that
/// changes whenever one of them may have changed in a space.
#[derive(Clone, Copy, Debug)]
pub struct WatchSealing;

/// Has every space know these devices: those that belong to the identity are shown and get the
/// content keys that this device has, those that were revoked are revoked there too.
#[derive(Clone, Debug)]
pub struct UseDevices {
    /// The devices.
    pub devices: OwnDevices,
    /// Whether this device does what is to be done for them at once, and answers then; otherwise
    /// another of them that is online may come before it.
    pub at_once: bool,
}

/// Asks for the control blocks of a space, for another device of the identity.
#[derive(Clone, Copy, Debug)]
pub struct GetTicket {
    /// The space.
    pub space: SpaceKey,
}

/// Revokes a device or recovery key of this profile's own identity in one space.
#[derive(Clone, Copy, Debug)]
pub struct RevokeDevice {
    /// The space.
    pub space: SpaceKey,
    /// The device.
    pub device: DeviceKey,
}

/// Takes back the revocation of a device or recovery key of this profile's own identity in one
/// space, as far as it is by devices that come after this one, or by this one.
#[derive(Clone, Copy, Debug)]
pub struct RestoreDevice {
    /// The space.
    pub space: SpaceKey,
    /// The device.
    pub device: DeviceKey,
}

/// Makes an invitation that any admin's device may host.
#[derive(Clone, Debug)]
pub struct DelegateInvitation {
    /// The space.
    pub space: SpaceKey,
    /// Its name.
    pub invitation: InvitationId,
    /// What its guests may do.
    pub role: Role,
    /// Whether one guest only may use it.
    pub single_use: bool,
    /// Whether they get to read what was written before.
    pub history: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// How a guest proves that it was meant.
    pub proof: DelegatedProof,
}

/// How a guest of a delegated invitation proves that it was meant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DelegatedProof {
    /// As it stands.
    Plain(GuestProof),
    /// By a code that follows from this secret: sealed for every device that may host it.
    Code(ContentKey),
}

/// Ends a delegated invitation everywhere.
#[derive(Clone, Copy, Debug)]
pub struct CancelDelegated {
    /// The space.
    pub space: SpaceKey,
    /// The invitation.
    pub invitation: InvitationId,
}

/// Asks for the delegated invitations of a space that are neither cancelled nor used up, each
/// with the secret of its code where this device may host it.
#[derive(Clone, Copy, Debug)]
pub struct ListDelegated {
    /// The space.
    pub space: SpaceKey,
}

/// Asks for all credentials of a space.
#[derive(Clone, Copy, Debug)]
pub struct QueryCredentials {
    /// The space.
    pub space: SpaceKey,
}

/// A credential of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceCredential {
    /// What was signed.
    pub credential: Credential,
    /// Whether it takes effect.
    pub counts: bool,
    /// Its logical time.
    pub lamport: u64,
}

/// Asks in which spaces a recovery key, or a device, belongs to a member, and to which.
#[derive(Clone, Copy, Debug)]
pub struct FindRecovery {
    /// The key.
    pub key: DeviceKey,
}

/// Where a recovery key is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// How it belongs to its identity.
    pub chain: DeviceChain,
    /// What others are shown of that.
    pub profile: Profile,
    /// The space in which the identity keeps its devices, sealed for the key, and bound to a
    /// space in which that was said. Any device of the identity can have said it, also one that
    /// was stolen: the right one is what the chain agrees to.
    pub hints: Vec<(SpaceKey, SealedKey)>,
    /// The spaces of which that is a member.
    pub spaces: Vec<SpaceKey>,
}

/// Asks for the recovery keys of all members of all spaces, so that this device can be found by
/// whoever lost everything but the phrase.
#[derive(Clone, Copy, Debug)]
pub struct ListRecoveryKeys;

request! {
    AdoptSpace => Result<SpaceReport, EchoError>,
    RemoveMember => Result<(), EchoError>,
    SetRole => Result<(), EchoError>,
    LeaveSpace => Result<(), EchoError>,
    SetMemberProfile => Result<(), EchoError>,
    GetTicket => Result<AdmissionTicket, EchoError>,
    ListDevices => Result<OwnDevices, EchoError>,
    WatchSealing => watch::Receiver<u64>,
    UseDevices => Result<(), EchoError>,
    RevokeDevice => Result<(), EchoError>,
    RestoreDevice => Result<(), EchoError>,
    DelegateInvitation => Result<(), EchoError>,
    CancelDelegated => Result<(), EchoError>,
    ListDelegated => Result<Vec<(Delegated, Option<ContentKey>)>, EchoError>,
    QueryCredentials => Result<Vec<SpaceCredential>, EchoError>,
    FindRecovery => Option<Recovery>,
    ListRecoveryKeys => BTreeSet<DeviceKey>,
}
