//! Where an invitation stands, and why it failed.

use dxos_keys::{DeviceKey, IdentityKey, InvitationId, SpaceKey};
use dxos_protocol::echo::EchoError;
use dxos_protocol::invitation::Refusal;
use serde::Serialize;

/// Where an invitation stands, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InvitationState {
    /// Made; nobody has connected yet.
    Init,
    /// The guest is looking for the host.
    Connecting,
    /// Host and guest are connected.
    Connected,
    /// The host waits for the code, the guest for its user to type it.
    ReadyForAuthentication,
    /// The code is being checked.
    Authenticating,
    /// The guest is a member.
    Success,
    /// One side gave up.
    Cancelled,
    /// One side took too long.
    Timeout,
    /// It failed; see the error.
    Error,
    /// Its time is over.
    Expired,
}

impl InvitationState {
    /// Whether nothing follows on it. There is one exception: a guest that had joined may learn
    /// later that another was admitted with the same invitation
    /// ([`InvitationError::AdmittedAnother`]).
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Cancelled | Self::Timeout | Self::Error | Self::Expired
        )
    }
}

/// Where an invitation stands, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationStatus {
    /// The state.
    pub state: InvitationState,
    /// How many tries of the code are left, once one was wrong.
    pub attempts_left: Option<u8>,
    /// Why it ended, when it did not end well.
    pub error: Option<InvitationError>,
    /// The space: on the host from the beginning, on the guest once it has joined. Of an
    /// invitation for a device it is the one in which the identity keeps its devices.
    pub space: Option<SpaceKey>,
    /// The identity that joined; of an invitation for a device the one that the device has now.
    pub identity: Option<IdentityKey>,
    /// The device that joined, of an invitation for a device.
    pub device: Option<DeviceKey>,
    /// How often the code was asked for.
    pub(crate) asked: u32,
}

impl InvitationStatus {
    pub(crate) const fn new(state: InvitationState, space: Option<SpaceKey>) -> Self {
        Self {
            state,
            attempts_left: None,
            error: None,
            space,
            identity: None,
            device: None,
            asked: 0,
        }
    }
}

/// Why an invitation did not lead to a membership.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// Several hosts admitted guests with one invitation for one guest, and another one's
    /// admission is the one that counts.
    #[error("another guest was admitted with the same invitation; ask for a new one")]
    AdmittedAnother {
        /// The invitation.
        invitation: InvitationId,
    },
    /// The space is on this device already.
    #[error("space {space} is on this device already; open it instead of joining again")]
    AlreadyJoined {
        /// The space.
        space: SpaceKey,
    },
    /// What was typed is no code.
    #[error("a code has six digits; ask the host for it")]
    BadCode,
    /// No such invitation can be made.
    #[error("such an invitation cannot be made: {reason}")]
    BadOptions {
        /// What does not fit.
        reason: &'static str,
    },
    /// This side gave up.
    #[error("the invitation was cancelled here")]
    Cancelled,
    /// Somebody answers in the host's place who asks for less than the invitation says.
    #[error("whoever answers asks for another proof than the invitation says: it is not the host")]
    Downgrade,
    /// ECHO refused.
    #[error(transparent)]
    Echo(#[from] EchoError),
    /// The invitation expired, by the clock of this device.
    #[error("the invitation expired; ask for a new one")]
    Expired,
    /// The profile has an identity, and a device can be of one only.
    #[error("this profile has the identity {identity}; join with a new profile")]
    HasIdentity {
        /// The identity.
        identity: IdentityKey,
    },
    /// Somebody answers in the host's place who does not know the code.
    #[error("whoever answers does not know the code: it is not the host; do not try again")]
    Impostor,
    /// The connection ended before the guest was a member.
    #[error("the connection to the host ended too early; try the same invitation again")]
    Lost,
    /// No code is being waited for.
    #[error("no code is asked for now")]
    NotAwaitingCode,
    /// The invitation is for another identity.
    #[error("the invitation is for identity {identity}; ask for one of your own")]
    NotInvited {
        /// The identity that is invited.
        identity: IdentityKey,
    },
    /// The device could not be taken into the identity.
    #[error("the device could not take the identity up: {reason}")]
    NotAdopted {
        /// What went wrong.
        reason: String,
    },
    /// The host sent what no host sends.
    #[error("the host does not speak the protocol; use the same version on both sides")]
    Protocol,
    /// The host refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client is shutting down.
    #[error("the client is shutting down")]
    Stopped,
    /// The invitation could not be stored.
    #[error("the invitation cannot be stored: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// The host did not answer in time.
    #[error("the host did not answer in time; see that it is online and try again")]
    Timeout,
    /// Too many invitations are open.
    #[error("{max} invitations are open, which is the limit; cancel one first")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// There is no such invitation that is open.
    #[error("there is no open invitation {invitation} here")]
    UnknownInvitation {
        /// The invitation.
        invitation: InvitationId,
    },
    /// The host cannot be reached.
    #[error("the host {} cannot be reached: {reason}; see that it is online and try again", .host.short())]
    Unreachable {
        /// A device that hosts the invitation.
        host: DeviceKey,
        /// What was tried and why it failed.
        reason: String,
    },
    /// The invitation is to something else.
    #[error("this is an invitation {}", if *.device { "for a device: use it with a profile that has no identity" } else { "to a space: join it with your identity" })]
    WrongKind {
        /// Whether it is for a device.
        device: bool,
    },
}

impl InvitationError {
    /// The state in which an invitation ends that failed so.
    pub(crate) const fn state(&self) -> InvitationState {
        match self {
            Self::Cancelled | Self::Stopped | Self::Refused(Refusal::Cancelled) => {
                InvitationState::Cancelled
            }
            Self::Expired | Self::Refused(Refusal::Expired) => InvitationState::Expired,
            Self::Timeout | Self::Refused(Refusal::Timeout) => InvitationState::Timeout,
            _ => InvitationState::Error,
        }
    }
}
