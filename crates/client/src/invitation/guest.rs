//! The guest's side of an invitation: a pure state machine.

use dxos_keys::DeviceKey;
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::invitation::{Authentication, GuestMessage, HostMessage, Refusal};
use rand_core::CryptoRng;

use super::Invitation;
use super::pake::{Agreement, Exchange, Role, Transcript};

/// What a guest is doing on one connection.
#[derive(Debug)]
pub(crate) struct GuestExchange {
    transcript: Transcript,
    authentication: Authentication,
    stage: Stage,
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
    /// The host is who it should be: ask it for admission with [`GuestExchange::request`].
    Request,
    /// The host admitted this guest.
    Admitted {
        ticket: AdmissionTicket,
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
    /// The host sent what no host sends here.
    Protocol,
}

impl GuestExchange {
    /// Begins on a connection to the invitation's host.
    pub(crate) fn start(
        invitation: &Invitation,
        guest: DeviceKey,
        binding: [u8; 32],
        out: &mut Vec<Output>,
    ) -> Self {
        let transcript = Transcript {
            invitation: invitation.id,
            guest,
            host: invitation.host,
            binding,
        };
        out.push(Output::Send(GuestMessage::Introduce {
            invitation: invitation.id,
        }));
        let authentication = invitation.authentication;
        Self {
            transcript,
            authentication,
            stage: Stage::AwaitingReady,
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
            (Stage::AwaitingReady, HostMessage::Ready { authentication })
                // A host that asks for less than the invitation promised is not the host.
                if authentication == self.authentication =>
            {
                match authentication {
                    Authentication::SharedSecret => {
                        self.stage = Stage::AwaitingCode;
                        out.push(Output::AskCode { attempts_left: None });
                    }
                    _ => self.stage = Stage::AwaitingAuthenticated(None),
                }
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
            (Stage::AwaitingAuthenticated(_), HostMessage::WrongCode { attempts_left }) => {
                self.stage = Stage::AwaitingCode;
                out.push(Output::AskCode { attempts_left: Some(attempts_left) });
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
            (Stage::AwaitingAdmission, HostMessage::Admitted { ticket, addresses }) => {
                out.push(Output::Admitted { ticket, addresses });
            }
            _ => out.push(Output::Failed(Failure::Protocol)),
        }
    }
}
