use dxos_keys::{
    ContentKey, ContentKeyId, InvitationId, SealingSecret, SpaceKey, SpaceSecret, StateHash,
};
use dxos_wire::limits::CREDENTIAL_BYTES_MAX;
use proptest::prelude::*;
use rand_core::SeedableRng;

use super::{altered, chain, device, sealing};
use crate::{Assertion, Credential, CredentialError, GuestProof, Issuer, Profile, Role, Seen};

/// One of every kind.
fn all() -> Vec<Credential> {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let (space, signer) = (SpaceKey::from_bytes([1; 32]), device(1));
    let identity = chain(1).device().identity;
    let invitation = InvitationId::from_slice(&[5; InvitationId::LENGTH]).unwrap();
    let secret = SealingSecret::generate(&mut rng);
    let content = ContentKey::generate(&mut rng);
    let sealed = secret.sealing_key().seal(b"", &content, &mut rng).unwrap();
    let assertions = vec![
        Assertion::SpaceMember {
            space,
            identity,
            role: Role::Editor,
            profile: Profile::named("Zoë 🦊"),
            chain: Some(chain(2)),
            invitation: Some(invitation),
            seen: Seen::new(),
        },
        Assertion::MemberRemoved {
            space,
            identity,
            seen: Seen::new(),
        },
        Assertion::MemberProfile {
            space,
            profile: Profile::default(),
        },
        Assertion::AuthorizedDevice {
            identity,
            device: device(2).device(),
            sealing: sealing(2),
        },
        Assertion::DeviceRevoked {
            identity,
            device: device(2).device(),
            seen: Seen::new(),
            repeats: Some(device(3).device()),
        },
        Assertion::DeviceRestored {
            identity,
            device: device(2).device(),
        },
        Assertion::DeviceProfile {
            device: device(2).device(),
            name: "phone".to_owned(),
        },
        Assertion::ContentKey {
            space,
            key: content.id(),
            recipients: vec![(device(2).device(), sealed.clone())],
        },
        Assertion::Epoch {
            space,
            number: 300,
            previous: Some(dxos_keys::BlockHash::from_bytes([4; 32])),
            snapshot: StateHash::from_bytes([6; 32]),
            erases: false,
        },
        Assertion::DelegatedInvitation {
            space,
            invitation,
            role: Role::Reader,
            single_use: true,
            history: false,
            expires_ms: 1 << 40,
            proof: GuestProof::Code(vec![(device(2).device(), sealed.clone())]),
        },
        Assertion::InvitationCancelled { space, invitation },
        Assertion::DevicePresented {
            space,
            chain: chain(1),
            halo: Some(sealed),
        },
        Assertion::AuthorizedRecoveryKey {
            identity,
            key: device(2).device(),
            sealing: sealing(2),
        },
        Assertion::IdentityRecovery {
            identity,
            device: device(2).device(),
            sealing: sealing(2),
        },
    ];
    let mut all: Vec<_> = assertions
        .into_iter()
        .map(|assertion| Credential::by_device(&signer, assertion))
        .collect();
    all.push(Credential::space_genesis(
        SpaceSecret::from_seed(&[8; 32]),
        identity,
    ));
    let identity_secret = dxos_keys::IdentitySecret::from_seed(&[100; 32]);
    all.push(Credential::identity_genesis(
        identity_secret,
        signer.device(),
        sealing(1),
    ));
    all
}

#[test]
fn what_was_signed_is_read() {
    for credential in all() {
        assert_eq!(
            Credential::decode(&credential.encode()),
            Ok(credential.clone())
        );
        // Also within something else.
        let bytes = dxos_wire::encode(9, &credential).unwrap();
        assert_eq!(dxos_wire::decode(9, &bytes), Ok(credential));
    }
}

#[test]
fn every_alteration_is_refused() {
    for credential in all() {
        let bytes = credential.encode();
        for altered in altered(&bytes) {
            assert!(Credential::decode(&altered).is_err(), "{credential:?}");
        }
    }
}

#[test]
fn a_signature_of_another_is_refused() {
    let space = SpaceKey::from_bytes([1; 32]);
    let signed = Credential::by_device(
        &device(1),
        Assertion::MemberProfile {
            space,
            profile: Profile::default(),
        },
    );
    let other = Issuer::Device(device(2).device());
    let forged = (other, signed.assertion(), signed.signature());
    let bytes = dxos_wire::encode(1, &forged).unwrap();
    assert_eq!(Credential::decode(&bytes), Err(CredentialError::Signature));
    // The same key in another part.
    let same = Issuer::Space(SpaceKey::from_bytes(*device(1).device().as_bytes()));
    let bytes = dxos_wire::encode(1, &(same, signed.assertion(), signed.signature())).unwrap();
    assert_eq!(Credential::decode(&bytes), Err(CredentialError::Signature));
}

#[test]
fn there_is_one_way_to_write_a_credential() {
    let space = SpaceKey::from_bytes([1; 32]);
    let signed = Credential::by_device(
        &device(1),
        Assertion::MemberRemoved {
            space,
            identity: chain(1).device().identity,
            seen: Seen::new(),
        },
    );
    let bytes = signed.encode();
    // The number of the issuer's kind, with a zero more than it needs.
    assert_eq!(bytes[1], 2);
    let longer = [&bytes[..1], &[0x82, 0], &bytes[2..]].concat();
    assert_eq!(
        Credential::decode(&longer),
        Err(CredentialError::NotCanonical)
    );
}

#[test]
fn a_credential_that_is_too_large_is_refused() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let content = ContentKey::generate(&mut rng);
    let sealed = SealingSecret::generate(&mut rng)
        .sealing_key()
        .seal(b"", &content, &mut rng)
        .unwrap();
    let recipients = vec![(device(2).device(), sealed); CREDENTIAL_BYTES_MAX / 100];
    let key = ContentKeyId::from_slice(&[1; ContentKeyId::LENGTH]).unwrap();
    let space = SpaceKey::from_bytes([1; 32]);
    let large = Credential::by_device(
        &device(1),
        Assertion::ContentKey {
            space,
            key,
            recipients,
        },
    );
    let bytes = large.encode();
    let found = bytes.len();
    assert!(found > CREDENTIAL_BYTES_MAX);
    assert_eq!(
        Credential::decode(&bytes),
        Err(CredentialError::TooLarge { found })
    );
    assert!(!large.is_readable());
    assert!(all().iter().all(Credential::is_readable));
}

#[test]
fn repeated_bytes_neither_nest_nor_allocate() {
    // Every byte that could open something, as often as a credential may be long.
    for byte in 0..=255 {
        let mut bytes = vec![byte; CREDENTIAL_BYTES_MAX];
        bytes[0] = 1;
        assert!(Credential::decode(&bytes).is_err());
        assert!(crate::Presentation::decode(&bytes[..1 << 16]).is_err());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Credential::decode(&bytes).is_err());
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        // A kind of issuer and of assertion that exist.
        for (at, bound) in [(1, 4), (34, 14)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte %= bound;
            }
        }
        prop_assert!(Credential::decode(&bytes).is_err());
        prop_assert!(crate::Presentation::decode(&bytes).is_err());
    }
}
