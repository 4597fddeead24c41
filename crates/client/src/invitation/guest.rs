//! The guest's side of an invitation: a pure state machine.

use dxos_keys::DeviceKey;
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::invitation::{
    Authentication, GuestMessage, HostMessage, InvitationKind, Refusal, proof_message,
};
use rand_core::CryptoRng;

use super::device::DeviceAdmission;
use super::pake::{Agreement, Exchange, Role, Transcript};
use super::ticket::Parts;
use super::{Invitation, InvitationProof};

/// What a guest is doing on one connection.
#[derive(Debug)]
pub(crate) struct GuestExchange {
    transcript: Transcript,
    kind: InvitationKind,
    proof: InvitationProof,
    stage: Stage,
    parts: Parts,
}

#[derive(Debug)]
enum Stage {
    AwaitingReady,
    AwaitingCode,
    AwaitingPakeReply(Exchange),
    AwaitingAuthenticated(Option<Agreement>),
    AwaitingAdmission,
    Done,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send a message to the host.
    Send(GuestMessage),
    /// Ask the user for the code and come back with [`GuestExchange::authenticate`].
    AskCode {
        /// How many tries are left, when one was wrong.
        attempts_left: Option<u8>,
    },
    /// The host is who it should be: ask it for admission, as a member or as a device, and come
    /// back with [`GuestExchange::requested`].
    Request,
    /// The host admitted this guest to a space.
    Admitted {
        ticket: AdmissionTicket,
        addresses: Vec<String>,
    },
    /// The host admitted this device to its identity.
    DeviceAdmitted {
        admission: Box<DeviceAdmission>,
        addresses: Vec<String>,
    },
    /// It ended.
    Failed(Failure),
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused(Refusal),
    /// The host does not know the code itself: somebody stands in its place.
    Impostor,
    /// The host asks for another proof than the invitation says.
    Downgrade,
    /// The host sent what no host sends here.
    Protocol,
}

impl GuestExchange {
    /// Begins on a connection to `host`, one of the invitation's.
    pub(crate) fn start(
        invitation: &Invitation,
        host: DeviceKey,
        guest: DeviceKey,
        binding: [u8; 32],
        out: &mut Vec<Output>,
    ) -> Self {
        let transcript = Transcript {
            invitation: invitation.id,
            guest,
            host,
            binding,
        };
        out.push(Output::Send(GuestMessage::Introduce {
            invitation: invitation.id,
        }));
        Self {
            transcript,
            kind: invitation.kind,
            proof: invitation.proof.clone(),
            stage: Stage::AwaitingReady,
            parts: Parts::default(),
        }
    }

    /// Whether a code is being waited for.
    pub(crate) const fn awaits_code(&self) -> bool {
        matches!(self.stage, Stage::AwaitingCode)
    }

    /// Tries a code that the user typed.
    pub(crate) fn authenticate(
        &mut self,
        code: &str,
        rng: &mut dyn CryptoRng,
        out: &mut Vec<Output>,
    ) {
        if !self.awaits_code() {
            return;
        }
        let (exchange, message) = Exchange::start(Role::Guest, code, self.transcript, rng);
        self.stage = Stage::AwaitingPakeReply(exchange);
        out.push(Output::Send(GuestMessage::Pake { message }));
    }

    /// Notes that the request for admission was sent.
    pub(crate) fn requested(&mut self) {
        self.stage = Stage::AwaitingAdmission;
    }

    /// Takes in a message of the host.
    pub(crate) fn receive(&mut self, message: HostMessage, out: &mut Vec<Output>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        match (stage, message) {
            (Stage::Done, _) => {}
            (_, HostMessage::Refused { refusal }) => {
                out.push(Output::Failed(Failure::Refused(refusal)));
            }
            (Stage::AwaitingReady, HostMessage::Ready { authentication }) => {
                self.ready(authentication, out);
            }
            (Stage::AwaitingPakeReply(exchange), HostMessage::PakeReply { message }) => {
                match exchange.finish(&message) {
                    Some(agreement) => {
                        let confirmation = agreement.confirmation(Role::Guest);
                        self.stage = Stage::AwaitingAuthenticated(Some(agreement));
                        out.push(Output::Send(GuestMessage::PakeConfirm { confirmation }));
                    }
                    None => out.push(Output::Failed(Failure::Protocol)),
                }
            }
            (Stage::AwaitingAuthenticated(Some(_)), HostMessage::WrongCode { attempts_left }) => {
                self.stage = Stage::AwaitingCode;
                out.push(Output::AskCode {
                    attempts_left: Some(attempts_left),
                });
            }
            (
                Stage::AwaitingAuthenticated(agreement),
                HostMessage::Authenticated { confirmation },
            ) => {
                let genuine = agreement.is_none_or(|a| a.confirms(Role::Host, &confirmation));
                if genuine {
                    self.stage = Stage::AwaitingAdmission;
                    out.push(Output::Request);
                } else {
                    out.push(Output::Failed(Failure::Impostor));
                }
            }
            (Stage::AwaitingAdmission, HostMessage::TicketPart { control }) => {
                if self.parts.add(control) {
                    self.stage = Stage::AwaitingAdmission;
                } else {
                    out.push(Output::Failed(Failure::Protocol));
                }
            }
            (Stage::AwaitingAdmission, HostMessage::Admitted { ticket, addresses })
                if self.kind == InvitationKind::Space =>
            {
                let ticket = self.parts.complete(ticket);
                out.push(Output::Admitted { ticket, addresses });
            }
            (
                Stage::AwaitingAdmission,
                HostMessage::DeviceAdmitted {
                    chain,
                    ticket,
                    profile,
                    addresses,
                },
            ) if self.kind == InvitationKind::Device
                && chain.device().device == self.transcript.guest
                && profile.check().is_ok() =>
            {
                let admission = Box::new(DeviceAdmission {
                    chain,
                    ticket: self.parts.complete(ticket),
                    profile,
                });
                out.push(Output::DeviceAdmitted {
                    admission,
                    addresses,
                });
            }
            _ => out.push(Output::Failed(Failure::Protocol)),
        }
    }

    fn ready(&mut self, authentication: Authentication, out: &mut Vec<Output>) {
        // A host that asks for less than the invitation promised is not the host.
        if authentication != self.proof.authentication() {
            return out.push(Output::Failed(Failure::Downgrade));
        }
        match &self.proof {
            InvitationProof::Code => {
                self.stage = Stage::AwaitingCode;
                return out.push(Output::AskCode {
                    attempts_left: None,
                });
            }
            InvitationProof::Key(key) => {
                let Transcript {
                    invitation,
                    guest,
                    host,
                    binding,
                } = &self.transcript;
                let signature = key.prove(&proof_message(invitation, guest, host, binding));
                out.push(Output::Send(GuestMessage::Prove { signature }));
            }
            InvitationProof::None | InvitationProof::Identity(_) => {}
        }
        self.stage = Stage::AwaitingAuthenticated(None);
    }
}
