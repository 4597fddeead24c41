//! What host and guest of an invitation say to each other, on an
//! [`dxos_wire::StreamKind::Invitation`] stream of a mutually authenticated connection.
//!
//! ```text
//! guest                                   host
//!   Introduce { invitation }          ->
//!                                     <-  Ready { authentication } | Refused
//!   Pake { message }                  ->                               (shared secret only)
//!                                     <-  PakeReply { message }
//!   PakeConfirm { confirmation }      ->
//!                                     <-  Authenticated { confirmation }
//!                                         | WrongCode { attempts_left } | Refused
//!   Request { chain, display_name }   ->
//!                                     <-  Admitted { ticket } | Refused
//! ```
//!
//! The exchange is SPAKE2, bound to the TLS session by its exported keying material and to both
//! device keys: a man in the middle gets one guess an exchange and three in all, counted on the
//! invitation. The guest confirms first, so that a host that is not asked for the third time
//! has shown nothing that could be guessed against.

use dxos_credentials::DeviceChain;
use dxos_keys::InvitationId;
use serde::{Deserialize, Serialize};

use crate::echo::AdmissionTicket;
use crate::wire_message;

/// How a guest proves that it is the one who was invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Authentication {
    /// By having the invitation.
    None,
    /// By a code of six digits that the host tells over another channel.
    SharedSecret,
}

/// Why a host refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The guest is a member already.
    #[error("you are a member of this space already")]
    AlreadyMember,
    /// The host cancelled.
    #[error("the host cancelled the invitation; ask for a new one")]
    Cancelled,
    /// The invitation expired.
    #[error("the invitation expired; ask for a new one")]
    Expired,
    /// The host cannot admit the guest now.
    #[error("the host could not complete the admission; ask the host to look at its log")]
    HostFailed,
    /// The guest broke the protocol.
    #[error("the host did not understand; use the same version of the program on both sides")]
    Protocol,
    /// The guest took too long.
    #[error("the host waited too long; ask for a new invitation")]
    Timeout,
    /// Three wrong codes were tried.
    #[error("three wrong codes were tried and the invitation ended; ask for a new one")]
    TooManyAttempts,
    /// The host knows no such invitation, or it was used.
    #[error("the host knows no such invitation, or it was used; ask for a new one")]
    Unknown,
}

/// A message of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GuestMessage {
    /// Names the invitation.
    Introduce {
        /// The invitation.
        invitation: InvitationId,
    },
    /// The guest's side of SPAKE2, made with the code.
    Pake {
        /// 33 bytes.
        message: Vec<u8>,
    },
    /// Shows that the guest has the same key.
    PakeConfirm {
        /// Keyed hash over the transcript.
        confirmation: [u8; 32],
    },
    /// Asks to be admitted.
    Request {
        /// Who the guest is.
        chain: DeviceChain,
        /// What others are to be shown.
        display_name: Option<String>,
    },
    /// The guest gives up.
    Cancel,
}

/// A message of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HostMessage {
    /// The invitation is good so far.
    Ready {
        /// What comes next.
        authentication: Authentication,
    },
    /// The host's side of SPAKE2.
    PakeReply {
        /// 33 bytes.
        message: Vec<u8>,
    },
    /// The code was right.
    Authenticated {
        /// Shows that the host has the same key; all zeros where no code was asked for.
        confirmation: [u8; 32],
    },
    /// The code was wrong; the guest may try again with `Pake`.
    WrongCode {
        /// How often.
        attempts_left: u8,
    },
    /// The guest is a member.
    Admitted {
        /// What it needs to take part.
        ticket: AdmissionTicket,
        /// Where the host can be reached for replication, in text form.
        addresses: Vec<String>,
    },
    /// It ends here.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

wire_message!(GuestMessage, 1);
wire_message!(HostMessage, 1);
