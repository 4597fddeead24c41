//! Guests that do anything at all, to every combination of kind, type and authentication.

use std::collections::BTreeSet;

use dxos_protocol::invitation::proof_message;
use proptest::prelude::*;

use super::*;
use crate::invitation::pake::{self, Exchange, Transcript};

/// What a hostile guest may do.
#[derive(Clone, Debug)]
enum Move {
    Connect,
    Introduce(bool),
    Pake(Vec<u8>),
    /// A whole exchange with a guess: SPAKE2 with it, and the confirmation that follows.
    Guess(u32),
    Confirm([u8; 32]),
    /// A signature with a key of its own, or with the right key for another session or guest.
    Prove(Forgery),
    Request(u8, InvitationKind),
    Cancel,
    Malformed,
    Close,
    Admitted(bool),
    Wait(u64),
    Restart,
    End,
}

#[derive(Clone, Copy, Debug)]
enum Forgery {
    OwnKey,
    OtherSession,
    OtherGuest,
    OtherHost,
    OtherInvitation,
}

fn moves() -> impl Strategy<Value = Vec<(u64, Move)>> {
    let kind = prop_oneof![Just(InvitationKind::Space), Just(InvitationKind::Device)];
    let forgery = prop_oneof![
        Just(Forgery::OwnKey),
        Just(Forgery::OtherSession),
        Just(Forgery::OtherGuest),
        Just(Forgery::OtherHost),
        Just(Forgery::OtherInvitation),
    ];
    let one = prop_oneof![
        4 => Just(Move::Connect),
        4 => prop::bool::weighted(0.9).prop_map(Move::Introduce),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Move::Pake),
        2 => (0..1_000_000_u32).prop_map(Move::Guess),
        1 => any::<[u8; 32]>().prop_map(Move::Confirm),
        2 => forgery.prop_map(Move::Prove),
        4 => (1..5_u8, kind).prop_map(|(who, kind)| Move::Request(who, kind)),
        1 => Just(Move::Cancel),
        1 => Just(Move::Malformed),
        1 => Just(Move::Close),
        4 => prop::bool::weighted(0.8).prop_map(Move::Admitted),
        1 => (0..PATIENCE_MS).prop_map(Move::Wait),
        1 => Just(Move::Restart),
        1 => prop::bool::weighted(0.05).prop_map(|end| if end { Move::End } else { Move::Connect }),
    ];
    prop::collection::vec((0..4_u64, one), 0..80)
}

fn asked() -> impl Strategy<Value = Asked> {
    let kind = prop_oneof![Just(InvitationKind::Space), Just(InvitationKind::Device)];
    (kind, 0..PROOFS.len(), any::<bool>()).prop_map(|(kind, proof, single_use)| Asked {
        kind,
        proof: PROOFS[proof](),
        single_use,
    })
}

fn who(exchange: u64) -> u8 {
    u8::try_from(exchange).unwrap() + 1
}

impl Host {
    fn transcript(&self, exchange: u64) -> Transcript {
        Transcript {
            invitation: self.invitation.id,
            guest: guest(who(exchange)).0,
            host: host_device(),
            binding: SESSION,
        }
    }

    /// Guesses a code; whether the host was told of a wrong one.
    fn guess(&mut self, n: u64, code: u32) -> bool {
        let exchange = ExchangeId(n);
        self.sent.remove(&exchange);
        let code = format!("{code:06}");
        let mut rng = ChaCha20Rng::seed_from_u64(n);
        let transcript = self.transcript(n);
        let (guess, message) = Exchange::start(pake::Role::Guest, &code, transcript, &mut rng);
        self.step(exchange, Input::Message(GuestMessage::Pake { message }));
        let answer = self.received(exchange);
        let Some(HostMessage::PakeReply { message }) = answer.first() else {
            return false;
        };
        let agreement = guess.finish(message).unwrap();
        let confirmation = agreement.confirmation(pake::Role::Guest);
        self.step(
            exchange,
            Input::Message(GuestMessage::PakeConfirm { confirmation }),
        );
        let told = self.received(exchange);
        matches!(
            told.first(),
            Some(
                HostMessage::WrongCode { .. }
                    | HostMessage::Refused {
                        refusal: Refusal::TooManyAttempts
                    }
            )
        )
    }

    fn forge(&self, n: u64, forgery: Forgery) -> GuestMessage {
        let Transcript {
            invitation,
            guest: own,
            host,
            binding,
        } = self.transcript(n);
        let other = DeviceKey::from_bytes([77; 32]);
        let other_id = InvitationId::from_bytes([77; 16]);
        let message = match forgery {
            Forgery::OwnKey => proof_message(&invitation, &own, &host, &binding),
            Forgery::OtherSession => proof_message(&invitation, &own, &host, &[77; 32]),
            Forgery::OtherGuest => proof_message(&invitation, &other, &host, &binding),
            Forgery::OtherHost => proof_message(&invitation, &own, &other, &binding),
            Forgery::OtherInvitation => proof_message(&other_id, &own, &host, &binding),
        };
        let right = key();
        let wrong = InvitationKey::from_secret(&ContentKey::from_bytes([1; 32]));
        let signature = match forgery {
            Forgery::OwnKey => wrong.prove(&message),
            _ => right.prove(&message),
        };
        GuestMessage::Prove { signature }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Guests without the code or the key; guest 1 is the identity that may be invited.
    #[test]
    fn whatever_guests_do_a_code_is_never_got_around_and_one_use_is_one(
        moves in moves(),
        asked in asked(),
    ) {
        let mut host = Host::of(&asked);
        let right: Option<u32> = host.code.as_ref().map(|code| code.as_str().parse().unwrap());
        let mut admitted = BTreeSet::new();
        let mut wrong = 0;
        for (n, action) in moves {
            let exchange = ExchangeId(n);
            let id = host.invitation.id;
            let input = match action {
                Move::Connect => Input::Connected { guest: guest(who(n)).0, binding: SESSION },
                Move::Introduce(right) => {
                    let invitation = if right { id } else { InvitationId::from_bytes([0; 16]) };
                    Input::Message(GuestMessage::Introduce { invitation })
                }
                Move::Pake(message) => Input::Message(GuestMessage::Pake { message }),
                Move::Guess(code) => {
                    if Some(code) != right {
                        wrong += u32::from(host.guess(n, code));
                    }
                    continue;
                }
                Move::Confirm(confirmation) => {
                    Input::Message(GuestMessage::PakeConfirm { confirmation })
                }
                Move::Prove(forgery) => Input::Message(host.forge(n, forgery)),
                Move::Request(who, kind) => Input::Message(request(kind, who)),
                Move::Cancel => Input::Message(GuestMessage::Cancel),
                Move::Malformed => Input::Malformed,
                Move::Close => Input::Closed,
                Move::Admitted(true) => {
                    // Only an admission that was asked for is answered.
                    if let Some((exchange, admission)) = host.admissions.last().cloned() {
                        let guest = match admission {
                            Admission::Member { chain, .. } => {
                                prop_assert_eq!(asked.kind, InvitationKind::Space);
                                let device = chain.device();
                                prop_assert_eq!(device.device, guest(who(exchange.0)).0);
                                GuestKey::Identity(device.identity)
                            }
                            Admission::Device(new) => {
                                prop_assert_eq!(asked.kind, InvitationKind::Device);
                                prop_assert_eq!(new.device, guest(who(exchange.0)).0);
                                GuestKey::Device(new.device)
                            }
                        };
                        host.admit();
                        admitted.insert(format!("{guest:?}"));
                        if let InvitationProof::Identity(invited) = asked.proof {
                            prop_assert_eq!(guest, GuestKey::Identity(invited));
                        }
                    }
                    continue;
                }
                Move::Admitted(false) => {
                    if let Some((exchange, _)) = host.admissions.pop() {
                        host.step(exchange, Input::Admission(Err(Refusal::HostFailed)));
                    }
                    continue;
                }
                Move::Wait(ms) => {
                    host.now_ms += ms;
                    continue;
                }
                Move::Restart => {
                    host.restart();
                    continue;
                }
                Move::End => {
                    let mut out = Vec::new();
                    host.machine.end(Refusal::Cancelled, &mut out);
                    host.take(out);
                    continue;
                }
            };
            host.step(exchange, input);
            // What must outlive a restart has been saved whenever anybody was told.
            prop_assert_eq!(&host.saved, host.machine.usage());
        }
        if asked.single_use {
            prop_assert!(admitted.len() <= 1, "{admitted:?}");
        }
        if matches!(asked.proof, InvitationProof::Code | InvitationProof::Key(_)) {
            prop_assert!(admitted.is_empty() && host.admissions.is_empty());
        }
        let attempts = u32::from(dxos_wire::limits::INVITATION_ATTEMPTS_MAX);
        prop_assert!(wrong <= attempts, "{wrong} guesses were answered");
        // A request that no proof came before gets nothing either.
        if asked.kind == InvitationKind::Device
            && matches!(asked.proof, InvitationProof::Identity(_))
        {
            prop_assert!(admitted.is_empty());
        }
    }

    /// Cancelled, expired or guessed at too often, it admits nobody, whatever they know.
    #[test]
    fn what_has_ended_admits_nobody(asked in asked(), restart in any::<bool>(), how in 0..3_u8) {
        let mut host = Host::of(&asked);
        match how {
            0 => {
                let mut out = Vec::new();
                host.machine.end(Refusal::Cancelled, &mut out);
                host.take(out);
            }
            1 => host.now_ms = EXPIRES_MS,
            _ => {
                let Some(code) = host.code.clone() else { return Ok(()) };
                let other = u32::from(code.as_str() == "000000");
                for n in 0..3 {
                    host.step(
                        ExchangeId(n),
                        Input::Connected { guest: guest(who(n)).0, binding: SESSION },
                    );
                    let invitation = host.invitation.id;
                    let introduce = GuestMessage::Introduce { invitation };
                    host.step(ExchangeId(n), Input::Message(introduce));
                    prop_assert!(host.guess(n, other));
                }
            }
        }
        if restart {
            host.restart();
        }
        let code = host.code.clone().map(|code| code.as_str().to_owned());
        let codes: Vec<&str> = code.iter().map(String::as_str).collect();
        let end = join(&mut host, 9, 1, SESSION, &codes);
        prop_assert!(matches!(end, End::Failed(Failure::Refused(_))), "{end:?}");
    }
}
