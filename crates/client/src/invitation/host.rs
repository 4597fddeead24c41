//! The host's side of an invitation: a pure state machine. Its driver moves messages, the clock
//! and the result of the admission in, and carries out what comes out.

use std::collections::BTreeMap;
use std::fmt;

use dxos_credentials::{DeviceChain, Role as MemberRole};
use dxos_keys::{DeviceKey, IdentityKey, InvitationId};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_protocol::invitation::{Authentication, GuestMessage, HostMessage, Refusal};
use dxos_wire::limits::{DISPLAY_NAME_BYTES_MAX, INVITATION_ATTEMPTS_MAX};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::pake::{Agreement, Exchange, Role, Transcript};

/// Guests that may be at one invitation at once.
const EXCHANGES_MAX: usize = 8;

/// The code that a host tells its guest over another channel: six digits.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(Zeroizing<String>);

impl InvitationCode {
    /// Draws one; each of the million is as likely.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        // 2^64 is so much larger than a million that the remainder favours none noticeably.
        Self(Zeroizing::new(format!("{:06}", rng.next_u64() % 1_000_000)))
    }

    /// The digits, to show them to the user.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationCode(..)")
    }
}

/// One guest's connection to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// An invitation as its host keeps it.
#[derive(Debug)]
pub(crate) struct HostInvitation {
    pub(crate) id: InvitationId,
    pub(crate) role: MemberRole,
    pub(crate) code: Option<InvitationCode>,
    pub(crate) single_use: bool,
    pub(crate) expires_ms: u64,
    /// How long one guest may take, from connecting to being admitted.
    pub(crate) patience_ms: u64,
    host: DeviceKey,
    attempts_left: u8,
    ended: Option<Refusal>,
    used_by: Vec<IdentityKey>,
    exchanges: BTreeMap<ExchangeId, GuestExchange>,
}

#[derive(Debug)]
struct GuestExchange {
    guest: DeviceKey,
    binding: [u8; 32],
    deadline_ms: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Connected,
    AwaitingPake,
    AwaitingConfirmation(Agreement),
    AwaitingRequest,
    Admitting(IdentityKey),
    Done,
}

/// What happens to an invitation.
#[derive(Debug)]
pub(crate) enum Input {
    /// A guest opened a stream.
    Connected { guest: DeviceKey, binding: [u8; 32] },
    /// It sent a message.
    Message(GuestMessage),
    /// It sent something that is no message.
    Malformed,
    /// Its stream ended.
    Closed,
    /// ECHO has admitted it, or not.
    Admission(Result<AdmissionTicket, EchoError>),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send a message to a guest.
    Send(ExchangeId, HostMessage),
    /// End a guest's stream, after what was sent.
    Close(ExchangeId),
    /// Ask ECHO to admit this guest and come back with [`Input::Admission`].
    Admit {
        exchange: ExchangeId,
        chain: DeviceChain,
        display_name: Option<String>,
    },
    /// Something the user wants to see.
    Progress(Progress),
}

/// What a host sees of its invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Connected,
    ReadyForAuthentication,
    Authenticating,
    WrongCode { attempts_left: u8 },
    Admitted(IdentityKey),
    Ended(Refusal),
    GuestLeft,
}

impl HostInvitation {
    pub(crate) fn new(
        id: InvitationId,
        host: DeviceKey,
        role: MemberRole,
        code: Option<InvitationCode>,
        (single_use, expires_ms, patience_ms): (bool, u64, u64),
    ) -> Self {
        Self {
            id,
            role,
            code,
            single_use,
            expires_ms,
            patience_ms,
            host,
            attempts_left: INVITATION_ATTEMPTS_MAX,
            ended: None,
            used_by: Vec::new(),
            exchanges: BTreeMap::new(),
        }
    }

    /// Why nobody can use it any more, if so.
    pub(crate) fn ended(&self) -> Option<Refusal> {
        self.ended
    }

    /// Takes in what happened in one exchange.
    pub(crate) fn step(
        &mut self,
        now_ms: u64,
        exchange: ExchangeId,
        input: Input,
        rng: &mut dyn CryptoRng,
        out: &mut Vec<Output>,
    ) {
        self.tick(now_ms, out);
        if let Input::Connected { guest, binding } = input {
            return self.connected(now_ms, exchange, guest, binding, out);
        }
        let Some(state) = self.exchanges.get_mut(&exchange) else {
            return;
        };
        let stage = std::mem::replace(&mut state.stage, Stage::Done);
        match (stage, input) {
            (Stage::Done, _) => {}
            (_, Input::Closed) => {
                self.exchanges.remove(&exchange);
                out.push(Output::Progress(Progress::GuestLeft));
            }
            (_, Input::Message(GuestMessage::Cancel)) => {
                self.exchanges.remove(&exchange);
                out.push(Output::Close(exchange));
                out.push(Output::Progress(Progress::GuestLeft));
            }
            (Stage::Connected, Input::Message(GuestMessage::Introduce { invitation }))
                if invitation == self.id =>
            {
                let authentication = match self.code {
                    None => Authentication::None,
                    Some(_) => Authentication::SharedSecret,
                };
                state.stage = match self.code {
                    None => Stage::AwaitingRequest,
                    Some(_) => Stage::AwaitingPake,
                };
                out.push(Output::Send(
                    exchange,
                    HostMessage::Ready { authentication },
                ));
                out.push(Output::Progress(Progress::ReadyForAuthentication));
                if self.code.is_none() {
                    let confirmation = [0; 32];
                    out.push(Output::Send(
                        exchange,
                        HostMessage::Authenticated { confirmation },
                    ));
                }
            }
            (Stage::Connected, Input::Message(GuestMessage::Introduce { .. })) => {
                self.refuse(exchange, Refusal::Unknown, out);
            }
            (Stage::AwaitingPake, Input::Message(GuestMessage::Pake { message })) => {
                let Some(code) = &self.code else { return };
                let transcript = Transcript {
                    invitation: self.id,
                    guest: state.guest,
                    host: self.host,
                    binding: state.binding,
                };
                let (pake, reply) = Exchange::start(Role::Host, code.as_str(), transcript, rng);
                match pake.finish(&message) {
                    Some(agreement) => {
                        state.stage = Stage::AwaitingConfirmation(agreement);
                        out.push(Output::Send(
                            exchange,
                            HostMessage::PakeReply { message: reply },
                        ));
                        out.push(Output::Progress(Progress::Authenticating));
                    }
                    None => self.refuse(exchange, Refusal::Protocol, out),
                }
            }
            (
                Stage::AwaitingConfirmation(agreement),
                Input::Message(GuestMessage::PakeConfirm { confirmation }),
            ) => {
                if agreement.confirms(Role::Guest, &confirmation) {
                    state.stage = Stage::AwaitingRequest;
                    let confirmation = agreement.confirmation(Role::Host);
                    out.push(Output::Send(
                        exchange,
                        HostMessage::Authenticated { confirmation },
                    ));
                } else {
                    self.wrong_code(exchange, out);
                }
            }
            (
                Stage::AwaitingRequest,
                Input::Message(GuestMessage::Request {
                    chain,
                    display_name,
                }),
            ) => self.request(exchange, chain, display_name, out),
            (Stage::Admitting(identity), Input::Admission(Ok(ticket))) => {
                if !self.used_by.contains(&identity) {
                    self.used_by.push(identity);
                }
                out.push(Output::Send(
                    exchange,
                    HostMessage::Admitted {
                        ticket,
                        addresses: Vec::new(),
                    },
                ));
                out.push(Output::Close(exchange));
                out.push(Output::Progress(Progress::Admitted(identity)));
            }
            (Stage::Admitting(_), Input::Admission(Err(error))) => {
                let refusal = match error {
                    EchoError::AlreadyMember { .. } => Refusal::AlreadyMember,
                    EchoError::InvitationUsed { .. } => Refusal::Unknown,
                    _ => Refusal::HostFailed,
                };
                self.refuse(exchange, refusal, out);
            }
            (stage @ Stage::Admitting(_), _) => state.stage = stage,
            (_, Input::Message(_) | Input::Malformed | Input::Admission(_)) => {
                self.refuse(exchange, Refusal::Protocol, out);
            }
            (_, Input::Connected { .. }) => {}
        }
    }

    /// Ends the invitation when its time has come, and guests that take too long.
    pub(crate) fn tick(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if now_ms >= self.expires_ms {
            self.end(Refusal::Expired, out);
        }
        let late: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, state)| state.deadline_ms <= now_ms && !matches!(state.stage, Stage::Done))
            .map(|(id, _)| *id)
            .collect();
        for exchange in late {
            self.refuse(exchange, Refusal::Timeout, out);
        }
    }

    /// Ends the invitation by the host's will.
    pub(crate) fn cancel(&mut self, out: &mut Vec<Output>) {
        self.end(Refusal::Cancelled, out);
    }

    fn connected(
        &mut self,
        now_ms: u64,
        exchange: ExchangeId,
        guest: DeviceKey,
        binding: [u8; 32],
        out: &mut Vec<Output>,
    ) {
        let refusal = match self.ended {
            Some(ended) => Some(ended),
            None if self.exchanges.len() >= EXCHANGES_MAX => Some(Refusal::HostFailed),
            None => None,
        };
        if let Some(refusal) = refusal {
            out.push(Output::Send(exchange, HostMessage::Refused { refusal }));
            out.push(Output::Close(exchange));
            return;
        }
        let deadline_ms = now_ms.saturating_add(self.patience_ms);
        let stage = Stage::Connected;
        self.exchanges.insert(
            exchange,
            GuestExchange {
                guest,
                binding,
                deadline_ms,
                stage,
            },
        );
        out.push(Output::Progress(Progress::Connected));
    }

    fn wrong_code(&mut self, exchange: ExchangeId, out: &mut Vec<Output>) {
        self.attempts_left = self.attempts_left.saturating_sub(1);
        let attempts_left = self.attempts_left;
        if let Some(state) = self.exchanges.get_mut(&exchange) {
            state.stage = Stage::AwaitingPake;
        }
        if attempts_left == 0 {
            return self.end(Refusal::TooManyAttempts, out);
        }
        out.push(Output::Send(
            exchange,
            HostMessage::WrongCode { attempts_left },
        ));
        out.push(Output::Progress(Progress::WrongCode { attempts_left }));
    }

    fn request(
        &mut self,
        exchange: ExchangeId,
        chain: DeviceChain,
        display_name: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let Some(state) = self.exchanges.get_mut(&exchange) else {
            return;
        };
        let named_well = display_name
            .as_ref()
            .is_none_or(|n| n.len() <= DISPLAY_NAME_BYTES_MAX);
        let verified = chain.device();
        if !named_well || verified.device != state.guest {
            return self.refuse(exchange, Refusal::Protocol, out);
        }
        // A guest that lost its ticket on the way may come again; nobody else may.
        let taken = |identity: &IdentityKey| *identity != verified.identity;
        let busy = self
            .exchanges
            .values()
            .any(|other| matches!(&other.stage, Stage::Admitting(identity) if taken(identity)));
        if self.single_use && (busy || self.used_by.iter().any(taken)) {
            return self.refuse(exchange, Refusal::Unknown, out);
        }
        if let Some(state) = self.exchanges.get_mut(&exchange) {
            state.stage = Stage::Admitting(verified.identity);
        }
        out.push(Output::Admit {
            exchange,
            chain,
            display_name,
        });
    }

    fn refuse(&mut self, exchange: ExchangeId, refusal: Refusal, out: &mut Vec<Output>) {
        self.exchanges.remove(&exchange);
        out.push(Output::Send(exchange, HostMessage::Refused { refusal }));
        out.push(Output::Close(exchange));
    }

    fn end(&mut self, refusal: Refusal, out: &mut Vec<Output>) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(refusal);
        // An admission that is under way is in ECHO's hands and is still answered.
        let open: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, state)| !matches!(state.stage, Stage::Admitting(_) | Stage::Done))
            .map(|(id, _)| *id)
            .collect();
        for exchange in open {
            self.refuse(exchange, refusal, out);
        }
        out.push(Output::Progress(Progress::Ended(refusal)));
    }
}
