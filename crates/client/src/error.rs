//! What can go wrong when a client is used.

use dxos_actors::PortError;
use dxos_keys::SpaceKey;
use dxos_protocol::echo::{EchoError, SpaceReason, SpaceState};
use dxos_protocol::halo::HaloError;
use dxos_protocol::mesh::MeshError;
use dxos_schema::MigrationError;

use crate::{ConfigError, InvitationError, MessageError, NodeError, RecoverError};

/// Why a client did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// ECHO refused.
    #[error(transparent)]
    Echo(#[from] EchoError),
    /// HALO refused.
    #[error(transparent)]
    Halo(#[from] HaloError),
    /// The space is the one in which the identity keeps its devices.
    #[error(
        "in space {space} the identity keeps its devices: it can be neither closed nor deleted; \
         reset the profile to have this device forget the identity"
    )]
    IdentitySpace {
        /// The space.
        space: SpaceKey,
    },
    /// An invitation failed.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// The client is locked, or could not be unlocked.
    #[error("the client is locked; call unlock() with the passphrase of its profile")]
    Locked,
    /// MESH refused.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// A message cannot be sent.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A migration cannot be registered.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The client could not be brought up or down.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The client is not initialized.
    #[error("the client is not initialized; call initialize() first")]
    NotInitialized,
    /// The client has no network.
    #[error("the network is disabled in the configuration; set network.enabled to use it")]
    NoNetwork,
    /// The identity was not recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The profile was wiped.
    #[error("this client was reset and must not be used any more; make a new one")]
    Reset,
    /// The space cannot be used, and nothing is about to change that.
    #[error("space {space} is {state}{}", reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}")))]
    SpaceNotReady {
        /// The space.
        space: SpaceKey,
        /// What it is doing.
        state: SpaceState,
        /// Why.
        reason: Option<SpaceReason>,
    },
    /// A part of the client did not answer.
    #[error("{part} did not answer: {error}; the log says why")]
    Unanswered {
        /// Which part.
        part: &'static str,
        /// What became of the request.
        error: PortError,
    },
}

impl ClientError {
    pub(crate) fn unanswered(part: &'static str) -> impl Fn(PortError) -> Self {
        move |error| Self::Unanswered { part, error }
    }
}
