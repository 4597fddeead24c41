//! What is settled when an invitation is made, and what has become of it.

use dxos_credentials::Role;
use dxos_keys::{DeviceKey, IdentityKey, InvitationId};
use dxos_protocol::invitation::{Authentication, InvitationKind, Refusal};
use dxos_wire::limits::INVITATION_ATTEMPTS_MAX;
use serde::{Deserialize, Serialize};

use super::InvitationCode;

/// What is settled when an invitation is made.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) id: InvitationId,
    pub(crate) kind: InvitationKind,
    /// What a guest may do in a space.
    pub(crate) role: Role,
    /// Whether a guest reads what was written in the space before.
    pub(crate) history: bool,
    pub(crate) single_use: bool,
    pub(crate) expires_ms: u64,
    /// How long one guest may take, from connecting to being admitted.
    pub(crate) patience_ms: u64,
    pub(crate) challenge: Challenge,
}

/// What a guest has to prove.
#[derive(Clone, Debug)]
pub(crate) enum Challenge {
    /// Nothing.
    None,
    /// That it was told the code.
    Code(InvitationCode),
    /// That it has the secret half of this key.
    Key(DeviceKey),
    /// That it is this identity.
    Identity(IdentityKey),
}

impl Challenge {
    pub(crate) const fn authentication(&self) -> Authentication {
        match self {
            Self::None => Authentication::None,
            Self::Code(_) => Authentication::SharedSecret,
            Self::Key(_) | Self::Identity(_) => Authentication::KnownPublicKey,
        }
    }
}

/// What became of an invitation so far: what has to outlive a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) attempts_left: u8,
    pub(crate) ended: Option<Refusal>,
    /// Who used it, or is about to.
    pub(crate) used_by: Vec<GuestKey>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            attempts_left: INVITATION_ATTEMPTS_MAX,
            ended: None,
            used_by: Vec::new(),
        }
    }
}

/// Who uses an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GuestKey {
    Identity(IdentityKey),
    Device(DeviceKey),
}
