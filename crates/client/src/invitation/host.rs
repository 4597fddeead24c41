//! The host's side of an invitation: a pure state machine. Its driver moves messages, the clock
//! and the result of the admission in, and carries out what comes out.

use std::collections::BTreeMap;

use dxos_credentials::{DeviceChain, LinkKind, Profile};
use dxos_keys::{DeviceKey, Domain, Signature};
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::invitation::{
    GuestMessage, HostMessage, InvitationKind, Refusal, proof_message,
};
use rand_core::CryptoRng;

use super::device::{DeviceAdmission, NewDevice};
use super::pake::{Agreement, Exchange, Role, Transcript};
use super::terms::{Challenge, GuestKey, Terms, Usage};
use super::ticket;

/// Guests that may be at one invitation at once.
const EXCHANGES_MAX: usize = 8;
/// Guests of an invitation of many uses that are remembered, the last ones.
const USED_BY_MAX: usize = 256;

/// One guest's connection to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// An invitation as its host keeps it.
#[derive(Debug)]
pub(crate) struct HostInvitation {
    terms: Terms,
    usage: Usage,
    host: DeviceKey,
    exchanges: BTreeMap<ExchangeId, GuestExchange>,
}

#[derive(Debug)]
struct GuestExchange {
    transcript: Transcript,
    deadline_ms: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Connected,
    AwaitingPake,
    AwaitingConfirmation(Agreement),
    AwaitingProof(DeviceKey),
    AwaitingRequest,
    Admitting(GuestKey),
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
    /// It has been admitted, or not.
    Admission(Result<Admitted, Refusal>),
}

/// Who is to be admitted.
#[derive(Clone, Debug)]
pub(crate) enum Admission {
    /// An identity, to the space.
    Member {
        chain: DeviceChain,
        profile: Profile,
    },
    /// A device, to the identity of this profile.
    Device(NewDevice),
}

/// What it gets.
#[derive(Clone, Debug)]
pub(crate) enum Admitted {
    Member(AdmissionTicket),
    Device(Box<DeviceAdmission>),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Store [`HostInvitation::usage`], before anything else that follows.
    Save,
    /// Send a message to a guest.
    Send(ExchangeId, HostMessage),
    /// End a guest's stream, after what was sent.
    Close(ExchangeId),
    /// Admit this guest and come back with [`Input::Admission`].
    Admit(ExchangeId, Admission),
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
    Admitted(GuestKey),
    Ended(Refusal),
    GuestLeft,
}

impl HostInvitation {
    pub(crate) const fn new(terms: Terms, usage: Usage, host: DeviceKey) -> Self {
        Self {
            terms,
            usage,
            host,
            exchanges: BTreeMap::new(),
        }
    }

    pub(crate) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Why nobody can use it any more, if so.
    pub(crate) const fn ended(&self) -> Option<Refusal> {
        self.usage.ended
    }

    /// Whether it was for one guest and that one has come.
    pub(crate) fn is_used_up(&self) -> bool {
        self.terms.single_use && !self.usage.used_by.is_empty()
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
            return self.connected(now_ms, exchange, (guest, binding), out);
        }
        let Some(state) = self.exchanges.get_mut(&exchange) else {
            return;
        };
        let stage = std::mem::replace(&mut state.stage, Stage::Done);
        match (stage, input) {
            (Stage::Done, _) => {}
            // Its admission is on its way and counts whether it waits for it or not.
            (Stage::Admitting(guest), Input::Admission(admitted)) => {
                self.admitted(exchange, guest, admitted, out);
            }
            (stage @ Stage::Admitting(_), _) => state.stage = stage,
            (_, Input::Closed) => {
                self.exchanges.remove(&exchange);
                out.push(Output::Progress(Progress::GuestLeft));
            }
            (_, Input::Message(GuestMessage::Cancel)) => {
                self.exchanges.remove(&exchange);
                out.push(Output::Close(exchange));
                out.push(Output::Progress(Progress::GuestLeft));
            }
            (Stage::Connected, Input::Message(GuestMessage::Introduce { invitation })) => {
                if invitation == self.terms.id {
                    self.ready(exchange, out);
                } else {
                    self.refuse(exchange, Refusal::Unknown, out);
                }
            }
            (Stage::AwaitingPake, Input::Message(GuestMessage::Pake { message })) => {
                self.pake(exchange, &message, rng, out);
            }
            (
                Stage::AwaitingConfirmation(agreement),
                Input::Message(GuestMessage::PakeConfirm { confirmation }),
            ) => {
                if agreement.confirms(Role::Guest, &confirmation) {
                    self.authenticated(exchange, agreement.confirmation(Role::Host), out);
                } else {
                    self.wrong_code(exchange, out);
                }
            }
            (Stage::AwaitingProof(key), Input::Message(GuestMessage::Prove { signature })) => {
                if state.transcript.is_signed_by(&key, &signature) {
                    self.authenticated(exchange, [0; 32], out);
                } else {
                    self.refuse(exchange, Refusal::NotInvited, out);
                }
            }
            (Stage::AwaitingRequest, Input::Message(message)) => {
                self.request(exchange, message, out);
            }
            (_, Input::Message(_) | Input::Malformed | Input::Admission(_)) => {
                self.refuse(exchange, Refusal::Protocol, out);
            }
            (_, Input::Connected { .. }) => {}
        }
    }

    /// Ends the invitation when its time has come, and guests that take too long.
    pub(crate) fn tick(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if now_ms >= self.terms.expires_ms {
            self.end(Refusal::Expired, out);
        }
        let waits = |stage: &Stage| !matches!(stage, Stage::Admitting(_) | Stage::Done);
        let late: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, state)| state.deadline_ms <= now_ms && waits(&state.stage))
            .map(|(id, _)| *id)
            .collect();
        for exchange in late {
            self.refuse(exchange, Refusal::Timeout, out);
        }
    }

    /// Ends the invitation for another reason than its own rules have.
    pub(crate) fn end(&mut self, refusal: Refusal, out: &mut Vec<Output>) {
        if self.usage.ended.is_some() {
            return;
        }
        self.usage.ended = Some(refusal);
        out.push(Output::Save);
        // An admission that is under way is in other hands and is still answered.
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

    fn connected(
        &mut self,
        now_ms: u64,
        exchange: ExchangeId,
        (guest, binding): (DeviceKey, [u8; 32]),
        out: &mut Vec<Output>,
    ) {
        let refusal = match self.usage.ended {
            Some(ended) => Some(ended),
            None if self.exchanges.len() >= EXCHANGES_MAX => Some(Refusal::HostFailed),
            None => None,
        };
        if let Some(refusal) = refusal {
            out.push(Output::Send(exchange, HostMessage::Refused { refusal }));
            out.push(Output::Close(exchange));
            return;
        }
        if self.exchanges.contains_key(&exchange) {
            return;
        }
        let transcript = Transcript {
            invitation: self.terms.id,
            guest,
            host: self.host,
            binding,
        };
        self.exchanges.insert(
            exchange,
            GuestExchange {
                transcript,
                deadline_ms: now_ms.saturating_add(self.terms.patience_ms),
                stage: Stage::Connected,
            },
        );
        out.push(Output::Progress(Progress::Connected));
    }

    fn enter(&mut self, exchange: ExchangeId, stage: Stage) {
        if let Some(state) = self.exchanges.get_mut(&exchange) {
            state.stage = stage;
        }
    }

    fn ready(&mut self, exchange: ExchangeId, out: &mut Vec<Output>) {
        let authentication = self.terms.challenge.authentication();
        let ready = HostMessage::Ready { authentication };
        out.push(Output::Send(exchange, ready));
        out.push(Output::Progress(Progress::ReadyForAuthentication));
        match self.terms.challenge {
            Challenge::Code(_) => self.enter(exchange, Stage::AwaitingPake),
            Challenge::Key(key) => self.enter(exchange, Stage::AwaitingProof(key)),
            // Who it is shows in its request.
            Challenge::None | Challenge::Identity(_) => {
                self.authenticated(exchange, [0; 32], out);
            }
        }
    }

    fn authenticated(
        &mut self,
        exchange: ExchangeId,
        confirmation: [u8; 32],
        out: &mut Vec<Output>,
    ) {
        self.enter(exchange, Stage::AwaitingRequest);
        let authenticated = HostMessage::Authenticated { confirmation };
        out.push(Output::Send(exchange, authenticated));
    }

    fn pake(
        &mut self,
        exchange: ExchangeId,
        message: &[u8],
        rng: &mut dyn CryptoRng,
        out: &mut Vec<Output>,
    ) {
        let (Challenge::Code(code), Some(state)) =
            (&self.terms.challenge, self.exchanges.get_mut(&exchange))
        else {
            return;
        };
        let (pake, message_back) =
            Exchange::start(Role::Host, code.as_str(), state.transcript, rng);
        let Some(agreement) = pake.finish(message) else {
            return self.refuse(exchange, Refusal::Protocol, out);
        };
        state.stage = Stage::AwaitingConfirmation(agreement);
        let message = message_back;
        out.push(Output::Send(exchange, HostMessage::PakeReply { message }));
        out.push(Output::Progress(Progress::Authenticating));
    }

    fn wrong_code(&mut self, exchange: ExchangeId, out: &mut Vec<Output>) {
        self.usage.attempts_left = self.usage.attempts_left.saturating_sub(1);
        let attempts_left = self.usage.attempts_left;
        self.enter(exchange, Stage::AwaitingPake);
        if attempts_left == 0 {
            return self.end(Refusal::TooManyAttempts, out);
        }
        out.push(Output::Save);
        let wrong = HostMessage::WrongCode { attempts_left };
        out.push(Output::Send(exchange, wrong));
        out.push(Output::Progress(Progress::WrongCode { attempts_left }));
    }

    fn request(&mut self, exchange: ExchangeId, message: GuestMessage, out: &mut Vec<Output>) {
        let Some(state) = self.exchanges.get(&exchange) else {
            return;
        };
        let peer = state.transcript.guest;
        let (guest, admission) = match (self.terms.kind, message) {
            (InvitationKind::Space, GuestMessage::Request { chain, profile })
                if chain.device().device == peer
                    && chain.device().kind == LinkKind::Device
                    && profile.check().is_ok() =>
            {
                let guest = GuestKey::Identity(chain.device().identity);
                (guest, Admission::Member { chain, profile })
            }
            (
                InvitationKind::Device,
                GuestMessage::RequestDevice {
                    device,
                    sealing,
                    profile,
                },
            ) if device == peer && profile.check().is_ok() => {
                let new = NewDevice {
                    device,
                    sealing,
                    profile,
                };
                (GuestKey::Device(device), Admission::Device(new))
            }
            _ => return self.refuse(exchange, Refusal::Protocol, out),
        };
        if let Challenge::Identity(invited) = self.terms.challenge
            && guest != GuestKey::Identity(invited)
        {
            return self.refuse(exchange, Refusal::NotInvited, out);
        }
        // A guest that lost its ticket on the way may come again; nobody else may.
        let taken = |other: &GuestKey| *other != guest;
        let busy = |state: &GuestExchange| matches!(&state.stage, Stage::Admitting(g) if taken(g));
        let used = self.usage.used_by.iter().any(taken) || self.exchanges.values().any(busy);
        if self.terms.single_use && used {
            return self.refuse(exchange, Refusal::Unknown, out);
        }
        if let GuestKey::Device(_) = guest {
            // ECHO keeps who used an invitation to a space. For a device only this does, and a
            // crash in between must not leave room for another.
            self.note_use(guest, out);
        }
        self.enter(exchange, Stage::Admitting(guest));
        out.push(Output::Admit(exchange, admission));
    }

    fn note_use(&mut self, guest: GuestKey, out: &mut Vec<Output>) {
        if self.usage.used_by.contains(&guest) {
            return;
        }
        if self.usage.used_by.len() >= USED_BY_MAX {
            self.usage.used_by.remove(0);
        }
        self.usage.used_by.push(guest);
        out.push(Output::Save);
    }

    fn admitted(
        &mut self,
        exchange: ExchangeId,
        guest: GuestKey,
        admitted: Result<Admitted, Refusal>,
        out: &mut Vec<Output>,
    ) {
        let addresses = Vec::new();
        let (parts, message) = match admitted {
            Ok(Admitted::Member(mut ticket)) => {
                let parts = ticket::split(&mut ticket);
                (parts, HostMessage::Admitted { ticket, addresses })
            }
            Ok(Admitted::Device(admission)) => {
                let DeviceAdmission {
                    chain,
                    mut ticket,
                    profile,
                } = *admission;
                let parts = ticket::split(&mut ticket);
                let message = HostMessage::DeviceAdmitted {
                    chain,
                    ticket,
                    profile,
                    addresses,
                };
                (parts, message)
            }
            Err(refusal) => {
                self.refuse(exchange, refusal, out);
                return out.push(Output::Progress(Progress::GuestLeft));
            }
        };
        self.note_use(guest, out);
        self.exchanges.remove(&exchange);
        for control in parts {
            out.push(Output::Send(exchange, HostMessage::TicketPart { control }));
        }
        out.push(Output::Send(exchange, message));
        out.push(Output::Close(exchange));
        out.push(Output::Progress(Progress::Admitted(guest)));
    }

    fn refuse(&mut self, exchange: ExchangeId, refusal: Refusal, out: &mut Vec<Output>) {
        self.exchanges.remove(&exchange);
        out.push(Output::Send(exchange, HostMessage::Refused { refusal }));
        out.push(Output::Close(exchange));
    }
}

impl Transcript {
    fn is_signed_by(&self, key: &DeviceKey, signature: &Signature) -> bool {
        let message = proof_message(&self.invitation, &self.guest, &self.host, &self.binding);
        key.verify(Domain::Invitation, &message, signature).is_ok()
    }
}
