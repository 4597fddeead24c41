//! What went wrong, as it goes over the wire.

use std::path::PathBuf;

use dxos_client::{
    ArchiveError, ClientError, DatabaseError, EchoError, HaloError, InvitationError, NodeError,
    ResolveError, TextError, TransactionError, TxError,
};

use crate::protocol::{ErrorAction, ErrorData, ErrorInfo, code};

/// Why a host could not be started or stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The client's configuration cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The port is taken, or may not be used.
    #[error("port {port} on this machine cannot be used: {reason}; give another with --port")]
    Bind {
        /// The port.
        port: u16,
        /// What the operating system said.
        reason: String,
    },
    /// What the host keeps over a restart cannot be written.
    #[error("{path} cannot be written: {reason}; see that the profile's directory is writable")]
    Memory {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The operating system gives no randomness.
    #[error("no randomness: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// An origin that is to be allowed is none.
    #[error("{origin:?} is no origin; write for example http://localhost:5173")]
    Origin {
        /// The text.
        origin: String,
    },
}

impl ErrorInfo {
    pub(crate) fn new(
        code: i32,
        kind: &str,
        action: ErrorAction,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            data: ErrorData {
                kind: kind.to_owned(),
                action,
            },
        }
    }

    pub(crate) fn params(message: impl Into<String>) -> Self {
        Self::new(
            code::INVALID_PARAMS,
            "invalidParams",
            ErrorAction::Correct,
            message,
        )
    }

    pub(crate) fn not_found(kind: &str, message: impl Into<String>) -> Self {
        Self::new(code::NOT_FOUND, kind, ErrorAction::Correct, message)
    }

    pub(crate) fn limit(kind: &str, message: impl Into<String>) -> Self {
        Self::new(code::LIMIT, kind, ErrorAction::Correct, message)
    }

    pub(crate) fn refused(kind: &str, message: impl Into<String>) -> Self {
        Self::new(code::REFUSED, kind, ErrorAction::Correct, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(code::INTERNAL, "internal", ErrorAction::Report, message)
    }

    /// The disk of this device failed.
    pub(crate) fn disk(message: impl Into<String>) -> Self {
        Self::failed("disk", message)
    }

    fn failed(kind: &str, message: impl Into<String>) -> Self {
        Self::new(code::FAILED, kind, ErrorAction::Report, message)
    }
}

impl From<ClientError> for ErrorInfo {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        let not_ready = |kind, action| Self::new(code::NOT_READY, kind, action, message.clone());
        match error {
            ClientError::Echo(error) => error.into(),
            ClientError::Halo(error) => error.into(),
            ClientError::Invitation(error) => error.into(),
            ClientError::IdentitySpace { .. } => Self::refused("identitySpace", message),
            ClientError::SpaceNotReady { .. } => not_ready("spaceNotReady", ErrorAction::Retry),
            ClientError::Locked => not_ready("locked", ErrorAction::Unlock),
            ClientError::NotInitialized => not_ready("notInitialized", ErrorAction::Retry),
            ClientError::Reset => not_ready("reset", ErrorAction::Report),
            ClientError::NoNetwork => {
                Self::new(code::NETWORK, "noNetwork", ErrorAction::Correct, message)
            }
            ClientError::Mesh(_) => Self::refused("mesh", message),
            ClientError::Message(_) => Self::refused("message", message),
            ClientError::Migration(_) => Self::refused("migration", message),
            ClientError::Recover(_) => {
                Self::new(code::NETWORK, "recover", ErrorAction::Retry, message)
            }
            ClientError::Node(error) => error.into(),
            ClientError::Config(_) => Self::failed("config", message),
            ClientError::Unanswered { .. } => Self::failed("unanswered", message),
            _ => Self::failed("failed", message),
        }
    }
}

impl From<ArchiveError> for ErrorInfo {
    fn from(error: ArchiveError) -> Self {
        let message = error.to_string();
        let kind = match error {
            ArchiveError::Client(error) => return error.into(),
            ArchiveError::Io { .. } => return Self::disk(message),
            ArchiveError::Altered => "archiveAltered",
            ArchiveError::Empty => "archiveEmpty",
            ArchiveError::NeedsPassphrase => "archiveNeedsPassphrase",
            ArchiveError::Newer { .. } => "archiveNewer",
            ArchiveError::NotAnArchive => "notAnArchive",
            ArchiveError::TooLarge { .. } | ArchiveError::PropertyTooLarge { .. } => {
                "archiveTooLarge"
            }
            ArchiveError::Truncated => "archiveTruncated",
            ArchiveError::WrongPassphrase => "archiveWrongPassphrase",
            _ => "archiveInvalid",
        };
        Self::refused(kind, message)
    }
}

impl From<NodeError> for ErrorInfo {
    fn from(error: NodeError) -> Self {
        let message = error.to_string();
        let passphrase = match &error {
            NodeError::NoPassphrase => Some("noPassphrase"),
            NodeError::Halo(dxos_client::OpenHaloError::Keyring(
                dxos_client::KeyringError::WrongKey,
            )) => Some("wrongPassphrase"),
            _ => None,
        };
        match passphrase {
            Some(kind) => Self::new(code::NOT_READY, kind, ErrorAction::Unlock, message),
            None => Self::failed("node", message),
        }
    }
}

impl From<EchoError> for ErrorInfo {
    fn from(error: EchoError) -> Self {
        let message = error.to_string();
        let refused = |kind| Self::refused(kind, message.clone());
        let gone = |kind| Self::not_found(kind, message.clone());
        match error {
            EchoError::NoIdentity => Self::new(
                code::NO_IDENTITY,
                "noIdentity",
                ErrorAction::CreateIdentity,
                message,
            ),
            EchoError::NotPermitted { .. } | EchoError::DeviceRevoked { .. } => Self::new(
                code::NOT_PERMITTED,
                "notPermitted",
                ErrorAction::AskAdmin,
                message,
            ),
            EchoError::UnknownSpace { .. } => gone("unknownSpace"),
            EchoError::UnknownDevice { .. } => gone("unknownDevice"),
            EchoError::UnknownTransaction { .. } => gone("unknownTransaction"),
            EchoError::NotMember { .. } => gone("notMember"),
            EchoError::TimeframeAhead { .. } => gone("timeframeAhead"),
            EchoError::AlreadyMember { .. } => refused("alreadyMember"),
            EchoError::AlreadyJoined { .. } => refused("alreadyJoined"),
            EchoError::BadTicket { .. } => refused("badTicket"),
            EchoError::InvitationUsed { .. } => refused("invitationUsed"),
            EchoError::InvalidQuery(_) => refused("invalidQuery"),
            EchoError::InvalidTransaction { .. } => refused("invalidTransaction"),
            EchoError::LastAdmin { .. } => refused("lastAdmin"),
            EchoError::OthersTransaction { .. } => refused("othersTransaction"),
            EchoError::SchemaViolated { .. } => refused("schemaViolated"),
            EchoError::BeforeEpoch { .. } => refused("beforeEpoch"),
            EchoError::EpochContestable { .. } => refused("epochContestable"),
            EchoError::EpochSharesState { .. } => refused("epochSharesState"),
            EchoError::EpochTooLarge { .. } => refused("epochTooLarge"),
            EchoError::NoEpoch => refused("noEpoch"),
            EchoError::EpochLoading { .. } => {
                Self::new(code::REFUSED, "epochLoading", ErrorAction::Retry, message)
            }
            EchoError::KeysMissing { .. } => {
                Self::new(code::NETWORK, "keysMissing", ErrorAction::Retry, message)
            }
            EchoError::SpaceClosed { .. } => Self::new(
                code::NOT_READY,
                "spaceClosed",
                ErrorAction::OpenSpace,
                message,
            ),
            EchoError::SpaceBusy { .. } => {
                Self::new(code::NOT_READY, "spaceBusy", ErrorAction::Retry, message)
            }
            EchoError::SpaceDeleted { .. } => gone("spaceDeleted"),
            EchoError::NoContentKey { .. } => {
                Self::new(code::NETWORK, "noContentKey", ErrorAction::Retry, message)
            }
            EchoError::PastChanged => {
                Self::new(code::REFUSED, "pastChanged", ErrorAction::Retry, message)
            }
            EchoError::Stopped { .. } => {
                Self::new(code::FAILED, "stopped", ErrorAction::Retry, message)
            }
            _ => Self::failed("echo", message),
        }
    }
}

impl From<HaloError> for ErrorInfo {
    fn from(error: HaloError) -> Self {
        let message = error.to_string();
        match error {
            HaloError::NoIdentity => Self::new(
                code::NO_IDENTITY,
                "noIdentity",
                ErrorAction::CreateIdentity,
                message,
            ),
            HaloError::IdentityExists { .. } => Self::refused("identityExists", message),
            HaloError::BadDeviceName { .. } => Self::refused("badDeviceName", message),
            HaloError::BadPreference { .. } => Self::refused("badPreference", message),
            HaloError::BadProfile { .. } => Self::refused("badProfile", message),
            HaloError::NotAuthorized { .. } => Self::refused("notAuthorized", message),
            HaloError::Presentation(_) => Self::refused("presentation", message),
            _ => Self::failed("halo", message),
        }
    }
}

impl From<InvitationError> for ErrorInfo {
    fn from(error: InvitationError) -> Self {
        let message = error.to_string();
        let (kind, action) = match &error {
            InvitationError::Echo(_) => ("echo", ErrorAction::Report),
            InvitationError::AlreadyJoined { .. } => ("alreadyJoined", ErrorAction::Correct),
            InvitationError::BadCode => ("badCode", ErrorAction::Correct),
            InvitationError::BadOptions { .. } => ("badOptions", ErrorAction::Correct),
            InvitationError::Cancelled => ("cancelled", ErrorAction::Correct),
            InvitationError::Expired => ("expired", ErrorAction::Correct),
            InvitationError::HasIdentity { .. } => ("hasIdentity", ErrorAction::Correct),
            InvitationError::Impostor => ("impostor", ErrorAction::Report),
            InvitationError::Downgrade => ("downgrade", ErrorAction::Report),
            InvitationError::Lost => ("lost", ErrorAction::Retry),
            InvitationError::NotAwaitingCode => ("notAwaitingCode", ErrorAction::Correct),
            InvitationError::NotInvited { .. } => ("notInvited", ErrorAction::Correct),
            InvitationError::Refused(refusal) => (refusal_kind(*refusal), ErrorAction::Correct),
            InvitationError::Timeout => ("timeout", ErrorAction::Retry),
            InvitationError::TooMany { .. } => ("tooMany", ErrorAction::Correct),
            InvitationError::UnknownInvitation { .. } => ("unknown", ErrorAction::Correct),
            InvitationError::Unreachable { .. } => ("unreachable", ErrorAction::Retry),
            InvitationError::WrongKind { .. } => ("wrongKind", ErrorAction::Correct),
            InvitationError::AdmittedAnother { .. } => ("admittedAnother", ErrorAction::Correct),
            _ => ("failed", ErrorAction::Report),
        };
        Self::new(code::INVITATION, kind, action, message)
    }
}

fn refusal_kind(refusal: dxos_client::Refusal) -> &'static str {
    use dxos_client::Refusal;
    match refusal {
        Refusal::AlreadyMember => "alreadyMember",
        Refusal::Cancelled => "cancelledByHost",
        Refusal::Expired => "expired",
        Refusal::Timeout => "timeout",
        Refusal::TooManyAttempts => "tooManyAttempts",
        Refusal::Unknown => "unknown",
        Refusal::NotInvited => "notInvited",
        _ => "refused",
    }
}

impl From<DatabaseError> for ErrorInfo {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Client(error) => error.into(),
            DatabaseError::Invalid(error) => error.into(),
            DatabaseError::NotFound { .. } => Self::not_found("unknownObject", error.to_string()),
            other => Self::refused("mismatch", other.to_string()),
        }
    }
}

impl From<TxError> for ErrorInfo {
    fn from(error: TxError) -> Self {
        let message = error.to_string();
        match error {
            TxError::NotFound { .. } => Self::not_found("unknownObject", message),
            TxError::NoList { .. } => Self::not_found("noList", message),
            TxError::NoText { .. } => Self::not_found("noText", message),
            TxError::Range { .. } => Self::refused("range", message),
            TxError::Meta(_) => Self::refused("meta", message),
            TxError::Limit(_) | TxError::Apply(_) | TxError::TooLong => {
                Self::limit("tooLarge", message)
            }
            TxError::Store { .. } => Self::failed("store", message),
            _ => Self::refused("invalidTransaction", message),
        }
    }
}

impl From<TransactionError<Self>> for ErrorInfo {
    fn from(error: TransactionError<Self>) -> Self {
        match error {
            TransactionError::Aborted(error) => error,
            TransactionError::Client(error) => error.into(),
            _ => Self::failed(
                "transaction",
                "the transaction was not written; the log says why",
            ),
        }
    }
}

impl From<ResolveError> for ErrorInfo {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::Client(error) => error.into(),
            ResolveError::UnknownSpace { .. } => Self::not_found("unknownSpace", message),
            ResolveError::NotHere { .. } => Self::not_found("unknownObject", message),
            _ => Self::params(message),
        }
    }
}

impl From<TextError> for ErrorInfo {
    fn from(error: TextError) -> Self {
        let message = error.to_string();
        match error {
            TextError::Client(error) => error.into(),
            TextError::Edit(error) => error.into(),
            TextError::Gone { .. } => Self::not_found("noText", message),
            TextError::Closed => Self::new(code::NOT_READY, "closed", ErrorAction::Retry, message),
            _ => Self::failed("text", message),
        }
    }
}
