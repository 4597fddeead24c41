//! Attacks on invitations over the public wire: real QUIC connections that speak raw frames.

mod raw;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_client::{
    Authentication, Client, InvitationError, InvitationHost, InvitationOptions, InvitationState,
    Refusal, Space, map,
};
use dxos_credentials::{DeviceChain, Profile};
use dxos_keys::{
    DeviceSecret, HashDomain, Hasher, IdentitySecret, InvitationId, SealingSecret, Signature,
};
use dxos_protocol::invitation::{GuestMessage, HostMessage};
use dxos_quic::{QuicConfig, QuicTransport};
use dxos_transport::{Connection, PeerAddress, Stream, Transport};
use dxos_wire::StreamKind;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use tokio::task::JoinSet;

use self::raw::Raw;
use crate::support::{apart, converge, join, start, within};

fn is_refused(message: Option<&HostMessage>, with: Refusal) -> bool {
    matches!(message, Some(HostMessage::Refused { refusal }) if *refusal == with)
}

async fn coded(space: &Space) -> (InvitationHost, String, &'static str) {
    let options = InvitationOptions::default();
    let host = space.create_invitation(options).await.unwrap();
    let code = host.auth_code().unwrap().to_owned();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    (host, code, wrong)
}

async fn is_alone(space: &Space) -> bool {
    space.members().await.unwrap().len() == 1
}

#[tokio::test]
async fn codes_are_guessed_three_times_however_many_connections_there_are() {
    let (_home, _ann, _bob, space) = apart().await;
    let (host, code, wrong) = coded(&space).await;
    // All of them stand before the door, and then knock at once.
    let mut guests = Vec::new();
    for seed in 1..=8 {
        let mut guest = Raw::connect(seed, &host).await;
        let ready = guest.introduce().await;
        assert!(
            matches!(ready, Some(HostMessage::Ready { .. })),
            "{ready:?}"
        );
        guests.push(guest);
    }
    let mut tries = JoinSet::new();
    for mut guest in guests {
        tries.spawn(async move { guest.guess(wrong).await.1 });
    }
    let mut answered = 0;
    for answer in tries.join_all().await {
        assert!(!matches!(answer, Some(HostMessage::Authenticated { .. })));
        answered += u32::from(matches!(answer, Some(HostMessage::WrongCode { .. })));
    }
    // Two were told that they were wrong; the third ended it for everybody.
    assert_eq!(answered, 2);
    let status = host.status();
    let over = InvitationError::Refused(Refusal::TooManyAttempts);
    assert_eq!(status.error, Some(over));
    let mut late = Raw::connect(20, &host).await;
    let answer = late.introduce().await;
    assert!(is_refused(answer.as_ref(), Refusal::TooManyAttempts));
    let (_, answer) = late.guess(&code).await;
    assert_eq!(answer, None);
    assert!(is_alone(&space).await);
}

#[tokio::test]
async fn what_was_said_in_another_session_is_worth_nothing() {
    let (_home, _ann, _bob, space) = apart().await;
    let (host, code, _) = coded(&space).await;
    let mut honest = Raw::connect(1, &host).await;
    honest.introduce().await;
    let (said, answer) = honest.guess(&code).await;
    assert!(
        matches!(answer, Some(HostMessage::Authenticated { .. })),
        "{answer:?}"
    );
    // Somebody recorded it, and says the same: with a key of its own, and even on the guest's own
    // connection.
    let other = Raw::connect(2, &host).await;
    honest.stream = within(honest.connection.open(StreamKind::Invitation))
        .await
        .unwrap();
    for (mut replay, left) in [(other, 2), (honest, 1)] {
        replay.introduce().await;
        replay.send(&said[0]).await;
        let reply = replay.receive().await;
        assert!(
            matches!(reply, Some(HostMessage::PakeReply { .. })),
            "{reply:?}"
        );
        replay.send(&said[1]).await;
        let answer = replay.receive().await;
        let wrong = HostMessage::WrongCode {
            attempts_left: left,
        };
        assert_eq!(answer, Some(wrong));
    }
    assert!(is_alone(&space).await);
}

/// Passes frames on between a guest that takes it for the host, and the host.
async fn relay(transport: QuicTransport, host: InvitationHost) {
    let guest = transport.accept().await.unwrap();
    let (_, mut guest) = guest.accept().await.unwrap();
    let place = &host.invitation().hosts[0];
    let addresses: Vec<PeerAddress> = place.addresses.iter().map(|a| a.parse().unwrap()).collect();
    let on = transport.connect(place.device, &addresses).await.unwrap();
    let mut on = on.open(StreamKind::Invitation).await.unwrap();
    loop {
        tokio::select! {
            biased;
            frame = guest.receiver.receive() => match frame {
                Ok(Some(frame)) => drop(on.sender.send(frame).await),
                _ => break,
            },
            frame = on.receiver.receive() => match frame {
                Ok(Some(frame)) => drop(guest.sender.send(frame).await),
                _ => break,
            },
        }
    }
    drop(guest.sender.delivered().await);
}

#[tokio::test]
async fn a_man_in_the_middle_gets_one_guess_and_admits_nobody() {
    for authentication in [Authentication::SharedSecret, Authentication::KnownPublicKey] {
        let (_home, _ann, bob, space) = apart().await;
        let options = InvitationOptions::default().authentication(authentication);
        let host = space.create_invitation(options).await.unwrap();
        let device = DeviceSecret::from_seed(&[66; 32]);
        let local = QuicConfig::at(([127, 0, 0, 1], 0));
        let transport = QuicTransport::bind(local, Arc::new(device.clone())).unwrap();
        // Bob was handed a text with another host in it.
        let mut altered = host.invitation().clone();
        altered.hosts[0].device = device.device();
        altered.hosts[0].addresses = transport
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        // It ends with this.
        let mut relaying = JoinSet::new();
        relaying.spawn(relay(transport, host.clone()));
        let flow = bob.echo().accept_invitation(altered).await.unwrap();
        match host.auth_code() {
            Some(code) => {
                let status = within(flow.authenticate(code)).await.unwrap();
                // The right code is a wrong one: it was told to somebody else.
                assert_eq!(status.state, InvitationState::ReadyForAuthentication);
                assert_eq!(status.attempts_left, Some(2));
                flow.cancel();
            }
            None => {
                let told = within(flow.joined()).await.unwrap_err();
                let refused = InvitationError::Refused(Refusal::NotInvited);
                assert_eq!(told, dxos_client::ClientError::Invitation(refused));
            }
        }
        within(flow.joined()).await.unwrap_err();
        relaying.abort_all();
        assert!(is_alone(&space).await);
        assert!(bob.echo().spaces().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_request_without_the_proof_is_refused_whatever_is_asked_for() {
    let (_home, ann, _bob, space) = apart().await;
    let identity = ann.halo().identity().await.unwrap().unwrap().identity;
    let keyed = InvitationOptions::default().authentication(Authentication::KnownPublicKey);
    let all = [
        InvitationOptions::default(),
        keyed,
        InvitationOptions::default().for_identity(identity),
        InvitationOptions::delegated(),
        InvitationOptions::delegated().authentication(Authentication::KnownPublicKey),
    ];
    for options in all {
        let host = space.create_invitation(options).await.unwrap();
        for device in [false, true] {
            let mut guest = Raw::connect(3, &host).await;
            guest.introduce().await;
            let request = if device {
                guest.device_request()
            } else {
                guest.request()
            };
            let told = guest.ask(request).await;
            let refused = told.last();
            let wrong = is_refused(refused, Refusal::Protocol);
            assert!(
                wrong || is_refused(refused, Refusal::NotInvited),
                "{told:?}"
            );
            let mut guest = Raw::connect(4, &host).await;
            guest.introduce().await;
            let signature = Signature::from_bytes([7; 64]);
            guest.send(&GuestMessage::Prove { signature }).await;
            let told = guest.ask(guest.request()).await;
            assert!(matches!(told.last(), Some(HostMessage::Refused { .. })));
        }
    }
    assert!(is_alone(&space).await);
}

#[tokio::test]
async fn malformed_oversized_and_misplaced_messages_harm_nobody() {
    let (_home, _ann, bob, space) = apart().await;
    let (host, _, _) = coded(&space).await;
    let invitation = host.id();
    let introduce = GuestMessage::Introduce { invitation }.encode().unwrap();
    let large = |message| GuestMessage::Pake { message }.encode().unwrap();
    let name = "x".repeat(100_000);
    let frames: Vec<Bytes> = vec![
        Bytes::new(),
        Bytes::from_static(b"\x01"),
        Bytes::from_static(b"\xff\xff\xff\xff"),
        Bytes::from_static(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Bytes::from(vec![1; 65_536]),
        Bytes::from(vec![0; dxos_wire::limits::FRAME_BYTES_MAX]),
        large(Vec::new()),
        large(vec![0; 33]),
        large(vec![0xff; 33]),
        large(vec![0x42; 1_000_000]),
        introduce.clone(),
        GuestMessage::Cancel.encode().unwrap(),
    ];
    for (n, frame) in frames.iter().enumerate() {
        for introduced in [false, true] {
            let mut guest = Raw::connect(u8::try_from(n).unwrap() + 10, &host).await;
            if introduced {
                guest.introduce().await;
            }
            guest.send_bytes(frame.clone()).await;
            guest.send_bytes(frame.clone()).await;
            let Raw { mut stream, .. } = guest;
            drop(stream.sender.finish().await);
            // Whatever it says: it ends.
            while let Ok(Some(frame)) = within(stream.receiver.receive()).await {
                let message = HostMessage::decode(&frame).unwrap();
                let admitted = matches!(
                    message,
                    HostMessage::Admitted { .. } | HostMessage::Authenticated { .. }
                );
                assert!(!admitted);
            }
        }
    }
    // A profile that is no profile, from somebody who may join.
    let open = InvitationOptions::default().authentication(Authentication::None);
    let open = space.create_invitation(open).await.unwrap();
    let mut guest = Raw::connect(50, &open).await;
    guest.introduce().await;
    let GuestMessage::Request { chain, .. } = guest.request() else {
        unreachable!()
    };
    let profile = Profile::named(name);
    let told = guest.ask(GuestMessage::Request { chain, profile }).await;
    assert!(is_refused(told.last(), Refusal::Protocol), "{told:?}");
    assert!(is_alone(&space).await);
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
}

#[tokio::test]
async fn a_chain_of_another_device_admits_nobody() {
    let (_home, _ann, _bob, space) = apart().await;
    let open = InvitationOptions::default().authentication(Authentication::None);
    let host = space.create_invitation(open).await.unwrap();
    let (stranger, mut thief) = (Raw::connect(1, &host).await, Raw::connect(2, &host).await);
    thief.introduce().await;
    let told = thief.ask(stranger.request()).await;
    assert!(is_refused(told.last(), Refusal::Protocol), "{told:?}");
    assert!(is_alone(&space).await);
}

#[tokio::test]
async fn what_expired_was_cancelled_or_used_admits_nobody_over_the_wire() {
    let (_home, _ann, bob, space) = apart().await;
    let (cancelled, code, _) = coded(&space).await;
    let mut inside = Raw::connect(1, &cancelled).await;
    inside.introduce().await;
    let (_, answer) = inside.guess(&code).await;
    assert!(matches!(answer, Some(HostMessage::Authenticated { .. })));
    // It has proven itself, and then the host thinks better of it.
    cancelled.cancel();
    let told = inside.ask(inside.request()).await;
    assert!(is_refused(told.first(), Refusal::Cancelled), "{told:?}");
    let mut late = Raw::connect(2, &cancelled).await;
    let answer = late.introduce().await;
    assert!(is_refused(answer.as_ref(), Refusal::Cancelled));

    let short = InvitationOptions::default()
        .authentication(Authentication::None)
        .lifetime(Duration::from_millis(1));
    let expired = space.create_invitation(short).await.unwrap();
    let over = |status: &dxos_client::InvitationStatus| status.state.is_final();
    drop(within(expired.watch().wait_for(over)).await.unwrap());
    let mut late = Raw::connect(3, &expired).await;
    let answer = late.introduce().await;
    assert!(is_refused(answer.as_ref(), Refusal::Expired));
    let told = late.ask(late.request()).await;
    assert!(
        !told
            .iter()
            .any(|m| matches!(m, HostMessage::Admitted { .. }))
    );
    assert!(is_alone(&space).await);

    let (used, code, _) = coded(&space).await;
    let echo = bob.echo();
    let flow = echo.accept_invitation(used.invitation().clone()).await;
    let flow = flow.unwrap();
    within(flow.authenticate(&code)).await.unwrap();
    within(flow.joined()).await.unwrap();
    let mut late = Raw::connect(4, &used).await;
    late.introduce().await;
    let (_, answer) = late.guess(&code).await;
    assert!(matches!(answer, Some(HostMessage::Authenticated { .. })));
    let told = late.ask(late.request()).await;
    assert!(is_refused(told.last(), Refusal::Unknown), "{told:?}");
    assert_eq!(space.members().await.unwrap().len(), 2);
}

#[tokio::test]
async fn whoever_asks_for_invitations_that_do_not_exist_holds_up_no_guest() {
    let (_home, _ann, bob, space) = apart().await;
    let (host, _, _) = coded(&space).await;
    let mut asking = JoinSet::new();
    for seed in 1..=16 {
        let mut guest = Raw::connect(seed, &host).await;
        guest.id = InvitationId::from_bytes([seed; 16]);
        asking.spawn(async move { guest.introduce().await });
    }
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    for answer in asking.join_all().await {
        assert!(is_refused(answer.as_ref(), Refusal::Unknown), "{answer:?}");
    }
}

#[tokio::test]
async fn a_guest_is_told_of_attempts_that_a_restart_does_not_give_back() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let key = space.key();
    let (mut host, code, wrong) = coded(&space).await;
    let mut client: Client = ann;
    for (seed, left) in [(1, 2), (2, 1)] {
        let mut guest = Raw::connect(seed, &host).await;
        guest.introduce().await;
        let (_, answer) = guest.guess(wrong).await;
        let told = HostMessage::WrongCode {
            attempts_left: left,
        };
        assert_eq!(answer, Some(told));
        let id = host.id();
        client.destroy().await.unwrap();
        client = start(&path, "Ann").await;
        let space = client.echo().space(key).await.unwrap();
        host = space.invitation(id).await.unwrap().unwrap();
    }
    let mut guest = Raw::connect(3, &host).await;
    guest.introduce().await;
    let (_, answer) = guest.guess(wrong).await;
    assert!(is_refused(answer.as_ref(), Refusal::TooManyAttempts));
    client.destroy().await.unwrap();
    let client = start(&path, "Ann").await;
    let space = client.echo().space(key).await.unwrap();
    assert!(space.invitations().await.unwrap().is_empty());
    let mut guest = Raw::connect(4, &host).await;
    let answer = guest.introduce().await;
    assert!(is_refused(answer.as_ref(), Refusal::TooManyAttempts));
    let (_, answer) = guest.guess(&code).await;
    assert_eq!(answer, None);
    assert!(is_alone(&space).await);
}
