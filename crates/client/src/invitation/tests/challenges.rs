//! What guests have to prove, and what they take for a proof of a host.

use super::*;

#[test]
fn every_kind_and_authentication_admits_its_guest_and_refuses_another() {
    for kind in [InvitationKind::Space, InvitationKind::Device] {
        for proof in PROOFS {
            let asked = Asked {
                kind,
                proof: proof(),
                single_use: true,
            };
            let mut host = Host::of(&asked);
            let code = host.code.clone().map(|code| code.as_str().to_owned());
            let codes: Vec<&str> = code.iter().map(String::as_str).collect();
            let named = matches!(asked.proof, InvitationProof::Identity(_));
            if named {
                let other = join(&mut host, 1, 2, SESSION, &codes);
                let refused = End::Failed(Failure::Refused(Refusal::NotInvited));
                assert_eq!(other, refused, "{asked:?}");
            }
            let end = join(&mut host, 2, 1, SESSION, &codes);
            if named && kind == InvitationKind::Device {
                // A device has no identity that it could show.
                assert_eq!(end, End::Failed(Failure::Refused(Refusal::NotInvited)));
                continue;
            }
            assert_eq!(end, End::Admitted, "{asked:?}");
            let second = join(&mut host, 3, 2, SESSION, &codes);
            assert!(matches!(second, End::Failed(_)), "{asked:?}: {second:?}");
        }
    }
}

#[test]
fn a_signature_for_another_session_or_host_or_by_another_key_proves_nothing() {
    let mut host = Host::new(Authentication::KnownPublicKey, true);
    // Made on a session with somebody in the middle.
    let other = join(&mut host, 1, 1, [6; 32], &[]);
    let refused = End::Failed(Failure::Refused(Refusal::NotInvited));
    assert_eq!(other, refused);
    let right = host.invitation.clone();
    let another = ContentKey::from_bytes([7; 32]);
    host.invitation.proof = InvitationProof::Key(InvitationKey::from_secret(&another));
    assert_eq!(join(&mut host, 2, 1, SESSION, &[]), refused);
    host.invitation = right;
    assert_eq!(join(&mut host, 3, 1, SESSION, &[]), End::Admitted);
}

#[test]
fn a_guest_leaves_a_host_that_asks_for_less_than_the_invitation_says() {
    let asks = [
        Authentication::None,
        Authentication::SharedSecret,
        Authentication::KnownPublicKey,
    ];
    for proof in PROOFS {
        for authentication in asks {
            let mut host = Host::new(Authentication::None, true);
            host.invitation.proof = proof();
            let (device, _) = guest(1);
            let mut out = Vec::new();
            let mut machine =
                GuestExchange::start(&host.invitation, host_device(), device, SESSION, &mut out);
            out.clear();
            machine.receive(HostMessage::Ready { authentication }, &mut out);
            let left = matches!(out[..], [guest::Output::Failed(Failure::Downgrade)]);
            assert_eq!(left, authentication != proof().authentication());
        }
    }
}

#[test]
fn a_guest_takes_no_shortcut_that_a_host_offers() {
    // The host claims that all is well before the guest has seen that it knows the code.
    for message in [
        HostMessage::Authenticated {
            confirmation: [0; 32],
        },
        HostMessage::Admitted {
            ticket: ticket(),
            addresses: Vec::new(),
        },
        HostMessage::WrongCode { attempts_left: 2 },
    ] {
        let host = Host::new(Authentication::SharedSecret, true);
        let mut out = Vec::new();
        let (device, _) = guest(1);
        let mut machine =
            GuestExchange::start(&host.invitation, host_device(), device, SESSION, &mut out);
        let authentication = Authentication::SharedSecret;
        machine.receive(HostMessage::Ready { authentication }, &mut out);
        out.clear();
        machine.receive(message, &mut out);
        assert!(matches!(
            out[..],
            [guest::Output::Failed(Failure::Protocol)]
        ));
    }
}
