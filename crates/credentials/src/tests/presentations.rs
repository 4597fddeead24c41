use dxos_keys::{IdentitySecret, SpaceKey};
use dxos_wire::limits::{PRESENTATION_BYTES_MAX, PRESENTATION_CREDENTIALS_MAX};

use super::{altered, chain, device, sealing};
use crate::{
    Assertion, Credential, CredentialError, DeviceChain, ParseProofError, Presentation,
    PresentationError, Profile, Role, Seen,
};

/// Somebody says that the identity is an editor of a space.
fn membership(by: u8) -> Credential {
    let assertion = Assertion::SpaceMember {
        space: SpaceKey::from_bytes([7; 32]),
        identity: chain(1).device().identity,
        role: Role::Editor,
        profile: Profile::named("Ann"),
        chain: None,
        invitation: None,
        seen: Seen::new(),
    };
    Credential::by_device(&device(by), assertion)
}

fn profile(name: &str) -> Credential {
    let name = name.to_owned();
    let device_key = device(2).device();
    let assertion = Assertion::DeviceProfile {
        device: device_key,
        name,
    };
    Credential::by_device(&device(1), assertion)
}

fn showing(credentials: Vec<Credential>) -> Presentation {
    Presentation::sign(
        &device(2),
        chain(2),
        credentials,
        b"challenge",
        "example.com",
    )
    .unwrap()
}

fn shown() -> Presentation {
    showing(vec![membership(5), profile("Phone")])
}

#[test]
fn it_proves_the_device_to_whom_it_was_meant_for() {
    for credentials in [vec![], vec![membership(5), profile("Phone")]] {
        let bytes = showing(credentials.clone()).encode().unwrap();
        let read = Presentation::decode(&bytes).unwrap();
        let verified = read.verify(b"challenge", "example.com");
        assert_eq!(verified, Ok(chain(2).device()));
        assert_eq!(read.credentials(), credentials);
        assert_eq!(read.chain(), &chain(2));
    }
}

#[test]
fn it_cannot_be_replayed() {
    for (challenge, audience) in [
        (&b"other"[..], "example.com"),
        (b"", "example.com"),
        (b"challenge", "example.org"),
        (b"challenge", ""),
        // The border between the two.
        (b"challengee", "xample.com"),
    ] {
        let verified = shown().verify(challenge, audience);
        assert_eq!(verified, Err(PresentationError::Signature));
    }
}

#[test]
fn every_alteration_is_refused() {
    let bytes = shown().encode().unwrap();
    for altered in altered(&bytes) {
        let verified = Presentation::decode(&altered)
            .and_then(|shown| shown.verify(b"challenge", "example.com"));
        assert!(verified.is_err());
    }
}

#[test]
fn credentials_cannot_be_added_left_out_or_exchanged() {
    let (one, two) = (membership(5), profile("Phone"));
    let signature = shown().encode().unwrap();
    let signature = &signature[signature.len() - 64..];
    for credentials in [
        vec![],
        vec![one.clone()],
        vec![two.clone(), one.clone()],
        vec![one.clone(), two.clone(), two.clone()],
        vec![membership(6), two],
    ] {
        let mut forged = showing(credentials).encode().unwrap();
        let at = forged.len() - 64;
        forged[at..].copy_from_slice(signature);
        let forged = Presentation::decode(&forged).unwrap();
        assert_eq!(
            forged.verify(b"challenge", "example.com"),
            Err(PresentationError::Signature)
        );
    }
}

#[test]
fn a_credential_that_nobody_signed_is_named() {
    let mut forged = membership(5).encode();
    *forged.last_mut().unwrap() ^= 1;
    let signature = *profile("Phone").signature();
    let parts = (chain(2), vec![profile("Phone").encode(), forged], signature);
    let bytes = dxos_wire::encode(2, &parts).unwrap();
    assert_eq!(
        Presentation::decode(&bytes),
        Err(PresentationError::Credential {
            number: 2,
            error: CredentialError::Signature
        })
    );
}

#[test]
fn only_the_device_of_the_chain_can_sign() {
    let stolen = Presentation::sign(&device(1), chain(2), vec![], b"challenge", "example.com");
    assert_eq!(
        stolen.unwrap().verify(b"challenge", "example.com"),
        Err(PresentationError::Signature)
    );
}

#[test]
fn a_recovery_phrase_cannot_sign_in() {
    let paper = chain(1)
        .authorize_recovery_key(&device(1), &device(8), sealing(8), None)
        .unwrap();
    let shown = Presentation::sign(&device(8), paper, vec![], b"challenge", "example.com");
    assert_eq!(
        shown.unwrap().verify(b"challenge", "example.com"),
        Err(PresentationError::RecoveryKey)
    );
}

#[test]
fn it_cannot_be_turned_into_one_for_another_identity() {
    // Somebody authorizes the device for an identity of its own, without its consent.
    let secret = IdentitySecret::from_seed(&[50; 32]);
    let own = DeviceChain::genesis(secret, device(9).device(), sealing(9));
    let claimed = own
        .authorize(&device(9), device(2).device(), sealing(9))
        .unwrap();
    let bytes = showing(vec![]).encode().unwrap();
    // No credentials, and the signature.
    let rest = &bytes[bytes.len() - 65..];
    let mut exchanged = dxos_wire::encode(2, &claimed).unwrap();
    exchanged.extend_from_slice(rest);
    let exchanged = Presentation::decode(&exchanged).unwrap();
    assert_eq!(
        exchanged.verify(b"challenge", "example.com"),
        Err(PresentationError::Signature)
    );
}

#[test]
fn what_is_too_much_is_refused_where_it_is_made_and_where_it_is_read() {
    let found = PRESENTATION_BYTES_MAX + 1;
    let refused = Presentation::decode(&vec![2; found]);
    assert_eq!(refused, Err(PresentationError::TooLarge { found }));

    let sign = |credentials| {
        Presentation::sign(
            &device(2),
            chain(2),
            credentials,
            b"challenge",
            "example.com",
        )
    };
    let found = PRESENTATION_CREDENTIALS_MAX + 1;
    let refused = sign(vec![profile("Phone"); found]);
    assert_eq!(refused, Err(PresentationError::TooMany { found }));
    assert!(sign(vec![profile("Phone"); found - 1]).is_ok());
    // Counted before any of them is looked at.
    let signature = *profile("Phone").signature();
    let parts = (chain(2), vec![Vec::<u8>::new(); found], signature);
    let bytes = dxos_wire::encode(2, &parts).unwrap();
    let refused = Presentation::decode(&bytes);
    assert_eq!(refused, Err(PresentationError::TooMany { found }));

    let seen = (0..10_000_u64).map(|number| {
        let mut feed = [0; 32];
        feed[..8].copy_from_slice(&number.to_be_bytes());
        (dxos_keys::FeedId::from_bytes(feed), u64::MAX)
    });
    let large = Assertion::MemberRemoved {
        space: SpaceKey::from_bytes([7; 32]),
        identity: dxos_keys::IdentityKey::from_bytes([2; 32]),
        seen: seen.collect(),
    };
    let refused = sign(vec![Credential::by_device(&device(1), large)]);
    assert!(matches!(refused, Err(PresentationError::TooLarge { .. })));
}

#[test]
fn text_round_trips_and_can_be_pasted() {
    let (chain, shown) = (chain(3), shown());
    let (as_chain, as_shown) = (chain.to_string(), shown.to_string());
    assert!(as_chain.starts_with("dxc1_") && as_shown.starts_with("dxp1_"));
    for text in [&as_chain, &as_shown] {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(text.bytes().all(plain));
    }
    assert_eq!(as_chain.parse(), Ok(chain.clone()));
    assert_eq!(as_shown.parse(), Ok(shown.clone()));
    // A mail program wraps and indents it.
    let wrap = |text: &str| {
        let lines = text.as_bytes().chunks(72);
        let lines = lines.map(|line| format!("  {}\r\n", str::from_utf8(line).unwrap()));
        lines.collect::<String>()
    };
    assert_eq!(wrap(&as_chain).parse(), Ok(chain));
    assert_eq!(wrap(&as_shown).parse(), Ok(shown));
}

#[test]
fn a_garbled_or_cut_text_is_told_from_a_forgery() {
    let text = chain(2).to_string();
    let garbled = |text: &str| {
        matches!(
            text.parse::<DeviceChain>(),
            Err(ParseProofError::Garbled { .. } | ParseProofError::Prefix { .. })
        )
    };
    for at in 0..text.len() {
        let mut one = text.clone().into_bytes();
        one[at] = if one[at] == b'A' { b'B' } else { b'A' };
        assert!(garbled(&String::from_utf8(one).unwrap()), "{at}");
        assert!(garbled(&text[..at]), "{at}");
    }
    // Not a chain but a presentation, and the other way round, also under another name.
    let presented = shown().to_string();
    assert!(garbled(&presented) && garbled(&presented.replacen("dxp1_", "dxc1_", 1)));
    assert!(text.parse::<Presentation>().is_err());
    // Whoever makes the text has the checksum right, and proves nothing.
    let mut bytes = dxos_wire::encode(1, &chain(2)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = crate::text::tests::chain_text(bytes).parse::<DeviceChain>();
    assert!(
        matches!(forged, Err(ParseProofError::Refused { .. })),
        "{forged:?}"
    );
    let newer = dxos_wire::encode(2, &chain(2)).unwrap();
    let newer = crate::text::tests::chain_text(newer).parse::<DeviceChain>();
    assert!(matches!(newer, Err(ParseProofError::Newer { .. })));
    for rubbish in ["", "dxc1_", "цепь", &"dxc1_A".repeat(10_000)] {
        assert!(rubbish.parse::<DeviceChain>().is_err());
        assert!(rubbish.parse::<Presentation>().is_err());
    }
}
