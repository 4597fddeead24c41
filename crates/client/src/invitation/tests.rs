//! Host and guest against each other, and against rubbish.

mod challenges;
mod hostile;
mod restarts;

use std::collections::BTreeMap;

use dxos_credentials::{DeviceChain, Profile, Role};
use dxos_keys::{
    ContentKey, DeviceKey, DeviceSecret, IdentitySecret, InvitationId, SealingKey, SealingSecret,
    Topic,
};
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::invitation::{
    Authentication, GuestMessage, HostMessage, InvitationKind, InvitationType, Refusal,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::device::{DeviceAdmission, NewDevice};
use super::guest::{self, Failure, GuestExchange};
use super::host::{Admission, Admitted, ExchangeId, HostInvitation, Input, Output, Progress};
use super::terms::{Challenge, GuestKey, Terms, Usage};
use super::{
    HostAddress, Invitation, InvitationCode, InvitationKey, InvitationOptions, InvitationProof,
};

const EXPIRES_MS: u64 = 1_000_000;
const PATIENCE_MS: u64 = 10_000;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

fn host_device() -> DeviceKey {
    DeviceSecret::from_seed(&[9; 32]).device()
}

fn guest(n: u8) -> (DeviceKey, DeviceChain) {
    let device = DeviceSecret::from_seed(&[n; 32]).device();
    let chain = DeviceChain::genesis(IdentitySecret::from_seed(&[n; 32]), device, sealing());
    (device, chain)
}

fn sealing() -> SealingKey {
    SealingSecret::generate(&mut rng()).sealing_key()
}

fn key() -> InvitationKey {
    InvitationKey::from_secret(&ContentKey::from_bytes([8; 32]))
}

fn ticket() -> AdmissionTicket {
    let space = dxos_keys::SpaceSecret::generate(&mut rng()).space();
    AdmissionTicket {
        space,
        control: Vec::new(),
    }
}

/// How guests prove that they were meant: with a key that was made, or as guest 1.
const PROOFS: [fn() -> InvitationProof; 4] = [
    || InvitationProof::None,
    || InvitationProof::Code,
    || InvitationProof::Key(key()),
    || InvitationProof::Identity(guest(1).1.device().identity),
];

/// What is asked of an invitation in a test.
#[derive(Clone, Debug)]
struct Asked {
    kind: InvitationKind,
    proof: InvitationProof,
    single_use: bool,
}

/// A host, what it has shown, and the admissions it has asked for. It keeps what it is told to
/// save and nothing else, as a disk does.
struct Host {
    machine: HostInvitation,
    invitation: Invitation,
    code: Option<InvitationCode>,
    rng: ChaCha20Rng,
    now_ms: u64,
    sent: BTreeMap<ExchangeId, Vec<HostMessage>>,
    progress: Vec<Progress>,
    admissions: Vec<(ExchangeId, Admission)>,
    saved: Usage,
}

impl Host {
    fn new(authentication: Authentication, single_use: bool) -> Self {
        let proof = match authentication {
            Authentication::None => InvitationProof::None,
            Authentication::SharedSecret => InvitationProof::Code,
            _ => InvitationProof::Key(key()),
        };
        Self::of(&Asked {
            kind: InvitationKind::Space,
            proof,
            single_use,
        })
    }

    fn of(asked: &Asked) -> Self {
        let mut rng = rng();
        let id = InvitationId::generate(&mut rng);
        let code = InvitationCode::of_secret(&ContentKey::generate(&mut rng));
        let challenge = match &asked.proof {
            InvitationProof::None => Challenge::None,
            InvitationProof::Code => Challenge::Code(code.clone()),
            InvitationProof::Key(key) => Challenge::Key(key.public()),
            InvitationProof::Identity(identity) => Challenge::Identity(*identity),
        };
        let terms = Terms {
            id,
            kind: asked.kind,
            role: Role::Editor,
            history: true,
            single_use: asked.single_use,
            expires_ms: EXPIRES_MS,
            patience_ms: PATIENCE_MS,
            challenge,
        };
        let invitation = Invitation {
            id,
            kind: asked.kind,
            invitation_type: InvitationType::Interactive,
            topic: Topic::from_bytes([1; 32]),
            hosts: vec![HostAddress {
                device: host_device(),
                addresses: Vec::new(),
            }],
            signal: Vec::new(),
            proof: asked.proof.clone(),
            expires_ms: EXPIRES_MS,
            target: None,
        };
        Self {
            machine: HostInvitation::new(terms, Usage::default(), host_device()),
            invitation,
            code: (asked.proof == InvitationProof::Code).then_some(code),
            rng,
            now_ms: 0,
            sent: BTreeMap::new(),
            progress: Vec::new(),
            admissions: Vec::new(),
            saved: Usage::default(),
        }
    }

    /// Ends and starts again with what is on the disk.
    fn restart(&mut self) {
        let terms = self.machine.terms().clone();
        self.machine = HostInvitation::new(terms, self.saved.clone(), host_device());
        self.sent.clear();
        self.admissions.clear();
    }

    fn step(&mut self, exchange: ExchangeId, input: Input) {
        let mut out = Vec::new();
        self.machine
            .step(self.now_ms, exchange, input, &mut self.rng, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Save => self.saved = self.machine.usage().clone(),
                Output::Send(exchange, message) => {
                    self.sent.entry(exchange).or_default().push(message);
                }
                Output::Close(_) => {}
                Output::Admit(exchange, admission) => self.admissions.push((exchange, admission)),
                Output::Progress(progress) => self.progress.push(progress),
            }
        }
    }

    /// Admits whoever was asked for last; whether there was anybody.
    fn admit(&mut self) -> bool {
        let Some((exchange, admission)) = self.admissions.pop() else {
            return false;
        };
        let admitted = match admission {
            Admission::Member { .. } => Admitted::Member(ticket()),
            Admission::Device(NewDevice {
                device, sealing, ..
            }) => {
                let host = DeviceSecret::from_seed(&[9; 32]);
                let secret = IdentitySecret::from_seed(&[9; 32]);
                let chain = DeviceChain::genesis(secret, host.device(), sealing);
                Admitted::Device(Box::new(DeviceAdmission {
                    chain: chain.authorize(&host, device, sealing).unwrap(),
                    ticket: ticket(),
                    profile: Profile::named("Ann"),
                }))
            }
        };
        self.step(exchange, Input::Admission(Ok(admitted)));
        true
    }

    fn received(&mut self, exchange: ExchangeId) -> Vec<HostMessage> {
        self.sent.remove(&exchange).unwrap_or_default()
    }

    fn ended(&self) -> Option<Refusal> {
        self.machine.ended()
    }
}

/// What an honest guest asks for.
fn request(kind: InvitationKind, who: u8) -> GuestMessage {
    let (device, chain) = guest(who);
    let profile = Profile::default();
    match kind {
        InvitationKind::Device => GuestMessage::RequestDevice {
            device,
            sealing: sealing(),
            profile,
        },
        _ => GuestMessage::Request { chain, profile },
    }
}

/// How an exchange ended for its guest.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Admitted,
    Failed(Failure),
    AsksForCode,
}

/// Runs a guest that tries `codes` in turn.
fn join(host: &mut Host, n: u64, who: u8, binding: [u8; 32], codes: &[&str]) -> End {
    let (device, _) = guest(who);
    let exchange = ExchangeId(n);
    host.step(
        exchange,
        Input::Connected {
            guest: device,
            binding: [5; 32],
        },
    );
    let mut rng = ChaCha20Rng::seed_from_u64(n);
    let mut codes = codes.iter();
    let mut out = Vec::new();
    let mut machine =
        GuestExchange::start(&host.invitation, host_device(), device, binding, &mut out);
    loop {
        for output in std::mem::take(&mut out) {
            match output {
                guest::Output::Send(message) => host.step(exchange, Input::Message(message)),
                guest::Output::AskCode { .. } => match codes.next() {
                    Some(code) => {
                        machine.authenticate(code, &mut rng, &mut out);
                        for output in std::mem::take(&mut out) {
                            let guest::Output::Send(message) = output else {
                                panic!()
                            };
                            host.step(exchange, Input::Message(message));
                        }
                    }
                    None => return End::AsksForCode,
                },
                guest::Output::Request => {
                    let request = request(host.invitation.kind, who);
                    host.step(exchange, Input::Message(request));
                    machine.requested();
                    host.admit();
                }
                guest::Output::Admitted { .. } | guest::Output::DeviceAdmitted { .. } => {
                    return End::Admitted;
                }
                guest::Output::Failed(failure) => return End::Failed(failure),
            }
        }
        let messages = host.received(exchange);
        assert!(!messages.is_empty(), "the host fell silent");
        for message in messages {
            machine.receive(message, &mut out);
        }
    }
}

const SESSION: [u8; 32] = [5; 32];

#[test]
fn the_right_code_admits_also_after_a_wrong_one() {
    let mut host = Host::new(Authentication::SharedSecret, true);
    let code = host.code.clone().unwrap();
    assert_eq!(
        join(&mut host, 1, 1, SESSION, &["000000", code.as_str()]),
        End::Admitted
    );
    assert!(
        host.progress
            .contains(&Progress::WrongCode { attempts_left: 2 })
    );
}

#[test]
fn three_wrong_codes_end_it_however_often_the_guest_reconnects() {
    let mut host = Host::new(Authentication::SharedSecret, true);
    let code = host.code.clone().unwrap();
    assert_eq!(
        join(&mut host, 1, 1, SESSION, &["000000"]),
        End::AsksForCode
    );
    assert_eq!(
        join(&mut host, 2, 2, SESSION, &["000001"]),
        End::AsksForCode
    );
    let third = join(&mut host, 3, 1, SESSION, &["000002"]);
    assert_eq!(
        third,
        End::Failed(Failure::Refused(Refusal::TooManyAttempts))
    );
    let late = join(&mut host, 4, 1, SESSION, &[code.as_str()]);
    assert_eq!(
        late,
        End::Failed(Failure::Refused(Refusal::TooManyAttempts))
    );
    assert_eq!(host.ended(), Some(Refusal::TooManyAttempts));
}

#[test]
fn a_man_in_the_middle_with_the_right_code_on_another_session_is_refused() {
    let mut host = Host::new(Authentication::SharedSecret, true);
    let code = host.code.clone().unwrap();
    assert_eq!(
        join(&mut host, 1, 1, [6; 32], &[code.as_str()]),
        End::AsksForCode
    );
    assert!(
        host.progress
            .contains(&Progress::WrongCode { attempts_left: 2 })
    );
}

#[test]
fn a_single_use_is_for_one_identity_which_may_fetch_its_ticket_again() {
    let mut host = Host::new(Authentication::None, true);
    assert_eq!(join(&mut host, 1, 1, SESSION, &[]), End::Admitted);
    let second = join(&mut host, 2, 2, SESSION, &[]);
    assert_eq!(second, End::Failed(Failure::Refused(Refusal::Unknown)));
    assert_eq!(join(&mut host, 3, 1, SESSION, &[]), End::Admitted);
    let mut open = Host::new(Authentication::None, false);
    assert_eq!(join(&mut open, 1, 1, SESSION, &[]), End::Admitted);
    assert_eq!(join(&mut open, 2, 2, SESSION, &[]), End::Admitted);
}

#[test]
fn a_guest_that_asks_while_another_is_being_admitted_is_refused() {
    let mut host = Host::new(Authentication::None, true);
    for n in 1..=2 {
        let (device, chain) = guest(n);
        let exchange = ExchangeId(u64::from(n));
        host.step(
            exchange,
            Input::Connected {
                guest: device,
                binding: SESSION,
            },
        );
        let invitation = host.invitation.id;
        host.step(
            exchange,
            Input::Message(GuestMessage::Introduce { invitation }),
        );
        let request = GuestMessage::Request {
            chain,
            profile: Profile::default(),
        };
        host.step(exchange, Input::Message(request));
    }
    assert_eq!(host.admissions.len(), 1);
    assert_eq!(host.admissions[0].0, ExchangeId(1));
    let told = host.received(ExchangeId(2));
    assert_eq!(
        told.last(),
        Some(&HostMessage::Refused {
            refusal: Refusal::Unknown
        })
    );
}

#[test]
fn who_shows_the_chain_of_another_device_is_refused() {
    let mut host = Host::new(Authentication::None, true);
    let (device, _) = guest(1);
    let (_, chain) = guest(2);
    host.step(
        ExchangeId(1),
        Input::Connected {
            guest: device,
            binding: SESSION,
        },
    );
    let invitation = host.invitation.id;
    host.step(
        ExchangeId(1),
        Input::Message(GuestMessage::Introduce { invitation }),
    );
    let request = GuestMessage::Request {
        chain,
        profile: Profile::default(),
    };
    host.step(ExchangeId(1), Input::Message(request));
    assert!(host.admissions.is_empty());
}

#[test]
fn time_ends_guests_that_dawdle_and_then_the_invitation() {
    let mut host = Host::new(Authentication::SharedSecret, true);
    assert_eq!(join(&mut host, 1, 1, SESSION, &[]), End::AsksForCode);
    host.now_ms = PATIENCE_MS;
    let mut out = Vec::new();
    host.machine.tick(host.now_ms, &mut out);
    host.take(out);
    let refused = HostMessage::Refused {
        refusal: Refusal::Timeout,
    };
    assert_eq!(host.received(ExchangeId(1)), [refused]);
    assert_eq!(host.ended(), None);
    host.now_ms = EXPIRES_MS;
    let late = join(&mut host, 2, 1, SESSION, &[]);
    assert_eq!(late, End::Failed(Failure::Refused(Refusal::Expired)));
}

#[test]
fn a_failed_admission_is_told_and_can_be_tried_again() {
    let mut host = Host::new(Authentication::None, true);
    let (device, chain) = guest(1);
    for n in 1..=2 {
        let exchange = ExchangeId(n);
        host.step(
            exchange,
            Input::Connected {
                guest: device,
                binding: SESSION,
            },
        );
        let invitation = host.invitation.id;
        host.step(
            exchange,
            Input::Message(GuestMessage::Introduce { invitation }),
        );
        let request = GuestMessage::Request {
            chain: chain.clone(),
            profile: Profile::default(),
        };
        host.step(exchange, Input::Message(request));
        assert_eq!(host.admissions.pop().map(|(n, _)| n), Some(exchange));
        host.step(exchange, Input::Admission(Err(Refusal::HostFailed)));
        let told = host.received(exchange);
        assert_eq!(
            told.last(),
            Some(&HostMessage::Refused {
                refusal: Refusal::HostFailed
            })
        );
    }
}

#[test]
fn the_default_is_an_editor_with_a_code_once_within_a_week() {
    let options = InvitationOptions::default();
    assert_eq!(options.role, Role::Editor);
    assert_eq!(options.authentication, Authentication::SharedSecret);
    assert!(!options.multi_use);
    assert_eq!(options.lifetime.as_secs(), 7 * 24 * 3600);
}

#[test]
fn a_code_follows_from_its_secret_and_says_nothing_of_another() {
    let code = |byte| InvitationCode::of_secret(&ContentKey::from_bytes([byte; 32]));
    assert_eq!(code(1), code(1));
    assert_ne!(code(1), code(2));
    for byte in 0..=255 {
        let code = code(byte);
        assert_eq!(code.as_str().len(), 6);
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    }
    assert_eq!(format!("{:?}", code(1)), "InvitationCode(..)");
}
