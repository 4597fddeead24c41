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
//!   Prove { signature }               ->                               (a known key only)
//!                                     <-  Authenticated { confirmation }
//!                                         | WrongCode { attempts_left } | Refused
//!   Request { chain, profile }        ->                               (to join a space)
//!                                     <-  Admitted { ticket, addresses } | Refused
//!   RequestDevice { device, .. }      ->                               (to add a device)
//!                                     <-  DeviceAdmitted { chain, ticket, .. } | Refused
//! ```
//!
//! A ticket of more than half a frame is sent in `TicketPart`s before the message that admits.
//!
//! The exchange is SPAKE2, bound to the TLS session by its exported keying material and to both
//! device keys: a man in the middle gets one guess an exchange and three in all, counted on the
//! invitation. The guest confirms first, so that a host that is not asked for the third time
//! has shown nothing that could be guessed against. A signature with a known key is bound to the
//! same things: a host that gets one can show it to nobody else. A known identity is proven by
//! the chain in the request: it ends in the device that TLS has shown.

use dxos_credentials::{DeviceChain, Profile};
use dxos_feed::{FeedDescriptor, Run};
use dxos_keys::{DeviceKey, InvitationId, SealingKey, Signature};
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
    /// By a signature with a key that was made for the invitation, or by being an identity that
    /// the host named.
    KnownPublicKey,
}

/// What an invitation is to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InvitationKind {
    /// An identity becomes a member of a space.
    #[default]
    Space,
    /// A device becomes one of the host's own identity.
    Device,
}

/// Who may host an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InvitationType {
    /// The device that made it.
    #[default]
    Interactive,
    /// Every device of every admin of the space.
    Delegated,
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
    /// The guest did not prove that it has the key, or is the identity, that is invited.
    #[error("the invitation is for somebody else; ask for one of your own")]
    NotInvited,
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
        profile: Profile,
    },
    /// The guest gives up.
    Cancel,
    /// Shows that the guest has the key of the invitation.
    Prove {
        /// Over [`proof_message`], in [`dxos_keys::Domain::Invitation`].
        signature: Signature,
    },
    /// Asks to become a device of the host's identity.
    RequestDevice {
        /// The device, which TLS has shown.
        device: DeviceKey,
        /// Its encryption key.
        sealing: SealingKey,
        /// What is shown of it: `display_name` is what it is called, the field `platform` what
        /// it runs on.
        profile: Profile,
    },
}

/// A message of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
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
    /// The guest is a device of the host's identity.
    DeviceAdmitted {
        /// How it belongs to it.
        chain: DeviceChain,
        /// The space in which the identity keeps its devices.
        ticket: AdmissionTicket,
        /// What others are shown of the identity.
        profile: Profile,
        /// Where the host can be reached for replication, in text form.
        addresses: Vec<String>,
    },
    /// A part of a ticket that does not fit into one frame; the end of it comes with the message
    /// that admits.
    TicketPart {
        /// Control feeds with the next of their blocks, in causal order.
        control: Vec<(FeedDescriptor, Vec<Run>)>,
    },
}

/// What the guest signs with the key of an invitation: this guest at this host, in one TLS
/// session.
pub fn proof_message(
    invitation: &InvitationId,
    guest: &DeviceKey,
    host: &DeviceKey,
    binding: &[u8; 32],
) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        invitation.as_bytes(),
        guest.as_bytes(),
        host.as_bytes(),
        binding,
    ];
    parts.concat()
}

wire_message!(GuestMessage, 1);
wire_message!(HostMessage, 1);
