//! Host and guest against each other, and against rubbish.

use std::collections::BTreeMap;

use dxos_credentials::{DeviceChain, Role};
use dxos_keys::{DeviceKey, DeviceSecret, IdentitySecret, InvitationId, SealingSecret, Topic};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_protocol::invitation::{Authentication, GuestMessage, HostMessage, Refusal};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::guest::{self, Failure, GuestExchange};
use super::host::{ExchangeId, HostInvitation, Input, InvitationCode, Output, Progress};
use super::{Invitation, InvitationOptions};

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
    let sealing = SealingSecret::generate(&mut rng()).sealing_key();
    let chain = DeviceChain::genesis(IdentitySecret::from_seed(&[n; 32]), device, sealing);
    (device, chain)
}

fn ticket() -> AdmissionTicket {
    let space = dxos_keys::SpaceSecret::generate(&mut rng()).space();
    AdmissionTicket {
        space,
        control: Vec::new(),
    }
}

/// A host, what it has shown, and the tickets it has asked for.
struct Host {
    machine: HostInvitation,
    invitation: Invitation,
    code: Option<InvitationCode>,
    rng: ChaCha20Rng,
    now_ms: u64,
    sent: BTreeMap<ExchangeId, Vec<HostMessage>>,
    progress: Vec<Progress>,
    admissions: Vec<ExchangeId>,
}

impl Host {
    fn new(authentication: Authentication, single_use: bool) -> Self {
        let mut rng = rng();
        let id = InvitationId::generate(&mut rng);
        let code = (authentication == Authentication::SharedSecret)
            .then(|| InvitationCode::generate(&mut rng));
        let times = (single_use, EXPIRES_MS, PATIENCE_MS);
        let machine = HostInvitation::new(id, host_device(), Role::Editor, code.clone(), times);
        let invitation = Invitation {
            id,
            topic: Topic::from_bytes([1; 32]),
            host: host_device(),
            addresses: Vec::new(),
            signal: Vec::new(),
            authentication,
            expires_ms: EXPIRES_MS,
        };
        Self {
            machine,
            invitation,
            code,
            rng,
            now_ms: 0,
            sent: BTreeMap::new(),
            progress: Vec::new(),
            admissions: Vec::new(),
        }
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
                Output::Send(exchange, message) => {
                    self.sent.entry(exchange).or_default().push(message);
                }
                Output::Close(_) => {}
                Output::Admit { exchange, .. } => self.admissions.push(exchange),
                Output::Progress(progress) => self.progress.push(progress),
            }
        }
    }

    fn received(&mut self, exchange: ExchangeId) -> Vec<HostMessage> {
        self.sent.remove(&exchange).unwrap_or_default()
    }

    fn ended(&self) -> Option<Refusal> {
        self.machine.ended()
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
    let (device, chain) = guest(who);
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
    let mut machine = GuestExchange::start(&host.invitation, device, binding, &mut out);
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
                    let chain = chain.clone();
                    let request = GuestMessage::Request {
                        chain,
                        display_name: None,
                    };
                    host.step(exchange, Input::Message(request));
                    machine.requested();
                    if host.admissions.pop() == Some(exchange) {
                        host.step(exchange, Input::Admission(Ok(ticket())));
                    }
                }
                guest::Output::Admitted { .. } => return End::Admitted,
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
            display_name: None,
        };
        host.step(exchange, Input::Message(request));
    }
    assert_eq!(host.admissions, [ExchangeId(1)]);
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
        display_name: None,
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
            display_name: None,
        };
        host.step(exchange, Input::Message(request));
        assert_eq!(host.admissions.pop(), Some(exchange));
        let error = EchoError::Store {
            reason: "disk full".to_owned(),
        };
        host.step(exchange, Input::Admission(Err(error)));
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

/// What a hostile guest may do.
#[derive(Clone, Debug)]
enum Move {
    Connect,
    Introduce(bool),
    Pake(Vec<u8>),
    Confirm([u8; 32]),
    Request(u8),
    Cancel,
    Malformed,
    Close,
    Admitted(bool),
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<(u64, Move)>> {
    let one = prop_oneof![
        3 => Just(Move::Connect),
        3 => any::<bool>().prop_map(Move::Introduce),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Move::Pake),
        2 => any::<[u8; 32]>().prop_map(Move::Confirm),
        3 => (1..4_u8).prop_map(Move::Request),
        1 => Just(Move::Cancel),
        1 => Just(Move::Malformed),
        1 => Just(Move::Close),
        3 => any::<bool>().prop_map(Move::Admitted),
        1 => (0..PATIENCE_MS).prop_map(Move::Wait),
    ];
    prop::collection::vec((0..4_u64, one), 0..60)
}

proptest! {
    #[test]
    fn whatever_guests_do_a_code_is_never_got_around_and_one_use_is_one(
        moves in moves(),
        coded in any::<bool>(),
    ) {
        let authentication =
            if coded { Authentication::SharedSecret } else { Authentication::None };
        let mut host = Host::new(authentication, true);
        let mut admitted = std::collections::BTreeSet::new();
        for (n, action) in moves {
            let exchange = ExchangeId(n);
            let who = u8::try_from(n).unwrap() + 1;
            let id = host.invitation.id;
            let input = match action {
                Move::Connect => Input::Connected { guest: guest(who).0, binding: SESSION },
                Move::Introduce(right) => {
                    let invitation = if right { id } else { InvitationId::from_bytes([0; 16]) };
                    Input::Message(GuestMessage::Introduce { invitation })
                }
                Move::Pake(message) => Input::Message(GuestMessage::Pake { message }),
                Move::Confirm(confirmation) => {
                    Input::Message(GuestMessage::PakeConfirm { confirmation })
                }
                Move::Request(who) => Input::Message(GuestMessage::Request {
                    chain: guest(who).1,
                    display_name: Some("x".repeat(usize::from(who) * 100)),
                }),
                Move::Cancel => Input::Message(GuestMessage::Cancel),
                Move::Malformed => Input::Malformed,
                Move::Close => Input::Closed,
                Move::Admitted(well) => {
                    // Only an admission that was asked for is answered.
                    let Some(asked) = host.admissions.pop() else { continue };
                    if well {
                        admitted.insert(asked);
                        host.step(asked, Input::Admission(Ok(ticket())));
                    } else {
                        let error = EchoError::NoIdentity;
                        host.step(asked, Input::Admission(Err(error)));
                    }
                    continue;
                }
                Move::Wait(ms) => {
                    host.now_ms += ms;
                    continue;
                }
            };
            host.step(exchange, input);
        }
        prop_assert!(admitted.len() <= 1 , "{admitted:?}");
        if coded {
            prop_assert!(admitted.is_empty() && host.admissions.is_empty());
        }
    }
}
