//! Invitations: a host admits a guest to a space.
//!
//! [`host`], [`guest`] and [`pake`] are pure state machines; [`hosting`] and [`joining`] move
//! messages, time and admissions between them and the outside.

mod guest;
mod host;
mod hosting;
mod joining;
mod pake;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use dxos_credentials::Role;
use dxos_keys::{DeviceKey, SpaceKey};
use dxos_protocol::echo::EchoError;
use dxos_protocol::invitation::{Authentication, Refusal};
use serde::Serialize;

pub use host::InvitationCode;
pub use hosting::InvitationHost;
pub(crate) use hosting::Invitations;
pub use joining::InvitationFlow;
pub use text::{Invitation, ParseInvitationError};

/// How an invitation is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitationOptions {
    /// How a guest proves that it was meant. Default: a code of six digits.
    pub authentication: Authentication,
    /// After how long it ends. Default: 7 days.
    pub lifetime: Duration,
    /// Whether more than one guest may use it. Default: no.
    pub multi_use: bool,
    /// What the guest may do. Default: [`Role::Editor`].
    pub role: Role,
    /// How long one guest may take once it is connected. Default: 3 minutes.
    pub timeout: Duration,
}

impl Default for InvitationOptions {
    fn default() -> Self {
        Self {
            authentication: Authentication::SharedSecret,
            lifetime: Duration::from_secs(7 * 24 * 3600),
            multi_use: false,
            role: Role::Editor,
            timeout: Duration::from_secs(180),
        }
    }
}

impl InvitationOptions {
    /// Sets what the guest may do.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets how a guest proves that it was meant.
    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets after how long it ends.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how long one guest may take once it is connected.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether more than one guest may use it.
    #[must_use]
    pub fn multi_use(mut self, multi_use: bool) -> Self {
        self.multi_use = multi_use;
        self
    }
}

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
    /// Whether nothing follows on it.
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
    /// The space: on the host from the beginning, on the guest once it has joined.
    pub space: Option<SpaceKey>,
}

impl InvitationStatus {
    pub(crate) const fn new(state: InvitationState, space: Option<SpaceKey>) -> Self {
        Self {
            state,
            attempts_left: None,
            error: None,
            space,
        }
    }
}

/// Why an invitation did not lead to a membership.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// The space is on this device already.
    #[error("space {space} is on this device already; open it instead of joining again")]
    AlreadyJoined {
        /// The space.
        space: SpaceKey,
    },
    /// What was typed is no code.
    #[error("a code has six digits; ask the host for it")]
    BadCode,
    /// This side gave up.
    #[error("the invitation was cancelled here")]
    Cancelled,
    /// ECHO refused.
    #[error(transparent)]
    Echo(#[from] EchoError),
    /// The invitation expired, by the clock of this device.
    #[error("the invitation expired; ask for a new one")]
    Expired,
    /// Somebody answers in the host's place who does not know the code.
    #[error("whoever answers does not know the code: it is not the host; do not try again")]
    Impostor,
    /// The connection ended before the guest was a member.
    #[error("the connection to the host ended too early; try the same invitation again")]
    Lost,
    /// No code is being waited for.
    #[error("no code is asked for now")]
    NotAwaitingCode,
    /// The host sent what no host sends.
    #[error("the host does not speak the protocol; use the same version on both sides")]
    Protocol,
    /// The host refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client is shutting down.
    #[error("the client is shutting down")]
    Stopped,
    /// The host did not answer in time.
    #[error("the host did not answer in time; see that it is online and try again")]
    Timeout,
    /// Too many invitations are open.
    #[error("{max} invitations are open, which is the limit; cancel one first")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The host cannot be reached.
    #[error("the host {} cannot be reached: {reason}; see that it is online and try again", .host.short())]
    Unreachable {
        /// The device that hosts the invitation.
        host: DeviceKey,
        /// What was tried and why it failed.
        reason: String,
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

/// What binds an exchange to its TLS session.
pub(crate) const BINDING_LABEL: &[u8] = b"dxos invitation";
/// How long one message may take.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(20);
