use dxos_keys::{DeviceKey, IdentityKey, IdentitySecret, SealingKey, Signature, SpaceKey};
use dxos_wire::limits::CHAIN_LENGTH_MAX;

use super::{altered, chain, device, sealing};
use crate::{Assertion, ChainError, Credential, DeviceChain, Issuer, LinkKind};

const LONGEST: u8 = 32;

/// A chain as it is written, for writing what no honest device would.
type Raw = (
    IdentityKey,
    Vec<(
        DeviceKey,
        SealingKey,
        LinkKind,
        Option<(Option<[u8; 32]>, Signature)>,
        Signature,
    )>,
);

fn halo() -> SpaceKey {
    SpaceKey::from_bytes([7; 32])
}

fn raw(chain: &DeviceChain) -> Raw {
    dxos_wire::decode(1, &dxos_wire::encode(1, chain).unwrap()).unwrap()
}

fn read(raw: &Raw) -> Result<DeviceChain, dxos_wire::DecodeError> {
    dxos_wire::decode(1, &dxos_wire::encode(1, raw).unwrap())
}

#[test]
fn a_chain_proves_the_device_at_its_end() {
    let long = chain(LONGEST);
    assert_eq!(long.device().device, device(LONGEST).device());
    assert_eq!(
        long.device().identity,
        IdentitySecret::from_seed(&[100; 32]).identity()
    );
    assert_eq!(read(&raw(&long)), Ok(long.clone()));
    let credentials = long.credentials();
    assert_eq!(credentials.len(), CHAIN_LENGTH_MAX);
    assert_eq!(CHAIN_LENGTH_MAX, usize::from(LONGEST));
    for credential in &credentials {
        assert_eq!(
            Credential::decode(&credential.encode()).as_ref(),
            Ok(credential)
        );
    }
    assert_eq!(
        *credentials[0].issuer(),
        Issuer::Identity(long.device().identity)
    );
    assert_eq!(*credentials[2].issuer(), Issuer::Device(device(2).device()));
}

#[test]
fn every_alteration_is_refused() {
    for length in 1..4 {
        let bytes = dxos_wire::encode(1, &chain(length)).unwrap();
        for altered in altered(&bytes) {
            assert!(dxos_wire::decode::<DeviceChain>(1, &altered).is_err());
        }
    }
}

#[test]
fn a_chain_that_is_too_long_is_refused_before_it_is_verified() {
    let longest = chain(LONGEST);
    let last = device(LONGEST);
    let next = device(99);
    assert_eq!(
        longest.authorize(&last, next.device(), sealing(1)),
        Err(ChainError::TooLong)
    );
    let mut longer = raw(&longest);
    for n in 0..4000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        longer.1.push((
            DeviceKey::from_bytes(key),
            sealing(1),
            LinkKind::Device,
            None,
            Signature::from_bytes([0; 64]),
        ));
    }
    assert!(read(&longer).is_err());
}

#[test]
fn an_empty_chain_is_refused() {
    let mut empty = raw(&chain(1));
    empty.1.clear();
    assert!(read(&empty).is_err());
}

#[test]
fn a_device_that_comes_twice_is_refused() {
    let twice = chain(2).authorize(&device(2), device(1).device(), sealing(1));
    assert_eq!(twice, Err(ChainError::Repeated));
    let same = chain(2).authorize(&device(2), device(2).device(), sealing(1));
    assert_eq!(same, Err(ChainError::Repeated));
}

#[test]
fn only_the_device_at_the_end_authorizes() {
    let other = chain(2).authorize(&device(1), device(3).device(), sealing(3));
    assert_eq!(other, Err(ChainError::OtherSigner));
    // Signed by the first device, put after the second.
    let identity = chain(1).device().identity;
    let assertion = Assertion::AuthorizedDevice {
        identity,
        device: device(3).device(),
        sealing: sealing(3),
    };
    let signature = *Credential::by_device(&device(1), assertion).signature();
    let mut forged = raw(&chain(2));
    forged.1.push((
        device(3).device(),
        sealing(3),
        LinkKind::Device,
        None,
        signature,
    ));
    assert!(read(&forged).is_err());
    // Where it belongs it holds.
    forged.1.remove(1);
    assert_eq!(read(&forged).unwrap().device().device, device(3).device());
}

#[test]
fn a_chain_belongs_to_one_identity() {
    let mut forged = raw(&chain(2));
    forged.0 = IdentitySecret::from_seed(&[101; 32]).identity();
    assert!(read(&forged).is_err());
    // A link that the right device signed for another identity.
    let other = DeviceChain::genesis(
        IdentitySecret::from_seed(&[101; 32]),
        device(1).device(),
        sealing(1),
    );
    let other = other
        .authorize(&device(1), device(2).device(), sealing(2))
        .unwrap();
    let mut forged = raw(&chain(1));
    forged.1.push(raw(&other).1[1]);
    assert!(read(&forged).is_err());
}

#[test]
fn a_sealing_key_cannot_be_exchanged() {
    let mut forged = raw(&chain(2));
    forged.1[1].1 = sealing(66);
    assert!(read(&forged).is_err());
}

/// Devices 1 and 2, a recovery key made by 2, and device 4 that it was used for.
fn recovered() -> [DeviceChain; 2] {
    let paper = chain(2)
        .authorize_recovery_key(&device(2), &device(3), sealing(3), Some(&halo()))
        .unwrap();
    let next = paper
        .authorize(&device(3), device(4).device(), sealing(4))
        .unwrap();
    [paper, next]
}

#[test]
fn a_recovery_key_brings_an_identity_to_a_new_device() {
    let [paper, next] = recovered();
    assert_eq!(paper.device().kind, LinkKind::RecoveryKey);
    assert_eq!(next.device().kind, LinkKind::Device);
    assert_eq!(next.device().identity, chain(1).device().identity);
    assert!(next.is_recovered() && !paper.is_recovered() && !chain(2).is_recovered());
    for chain in [&paper, &next] {
        assert_eq!(read(&raw(chain)).as_ref(), Ok(chain));
        let bytes = dxos_wire::encode(1, chain).unwrap();
        for altered in altered(&bytes) {
            assert!(dxos_wire::decode::<DeviceChain>(1, &altered).is_err());
        }
    }
    // The new device goes on like any other.
    let other = next.authorize(&device(4), device(5).device(), sealing(5));
    assert!(!other.unwrap().is_recovered());
}

#[test]
fn a_recovery_key_is_not_taken_for_a_device_nor_a_device_for_one() {
    let [paper, next] = recovered();
    let mut forged = raw(&paper);
    forged.1[2].2 = LinkKind::Device;
    assert!(read(&forged).is_err());
    let mut forged = raw(&chain(2));
    forged.1[1].2 = LinkKind::RecoveryKey;
    assert!(read(&forged).is_err());
    let mut forged = raw(&next);
    forged.1[3].2 = LinkKind::RecoveryKey;
    assert!(read(&forged).is_err());
    let mut forged = raw(&chain(1));
    forged.1[0].2 = LinkKind::RecoveryKey;
    assert!(read(&forged).is_err());
    let again = paper.authorize_recovery_key(&device(3), &device(4), sealing(4), None);
    assert_eq!(again, Err(ChainError::RecoveryOfRecovery));
}

#[test]
fn a_phrase_goes_before_the_device_that_made_it() {
    let [paper, next] = recovered();
    assert!(chain(1).seniority() < paper.seniority());
    assert!(paper.seniority() < chain(2).seniority());
    assert_eq!(paper.seniority(), next.seniority());
    let later = next.authorize(&device(4), device(5).device(), sealing(5));
    assert!(later.unwrap().seniority() >= chain(2).seniority());
    let first = chain(1)
        .authorize_recovery_key(&device(1), &device(9), sealing(9), None)
        .unwrap();
    assert!(first.seniority() < chain(1).seniority());
}

#[test]
fn a_recovery_key_agrees_to_the_identity_that_it_belongs_to() {
    // Mallory knows the key from a space and claims it for an identity of its own.
    let [paper, _] = recovered();
    let other = DeviceChain::genesis(
        IdentitySecret::from_seed(&[101; 32]),
        device(9).device(),
        sealing(9),
    );
    let claimed = other
        .authorize(&device(9), device(3).device(), sealing(3))
        .unwrap();
    let mut forged = raw(&claimed);
    forged.1[1].2 = LinkKind::RecoveryKey;
    forged.1[1].3 = raw(&paper).1[2].3;
    let assertion = Assertion::AuthorizedRecoveryKey {
        identity: other.device().identity,
        key: device(3).device(),
        sealing: sealing(3),
    };
    forged.1[1].4 = *Credential::by_device(&device(9), assertion).signature();
    assert!(read(&forged).is_err());
    forged.1[1].3 = None;
    assert!(read(&forged).is_err());
    let mut bare = raw(&paper);
    bare.1[2].3 = None;
    assert!(read(&bare).is_err());
}

#[test]
fn a_stolen_device_puts_no_other_way_in_front_of_a_phrase() {
    let [paper, next] = recovered();
    let (laptop, thief) = (device(2), device(8));
    let stolen = chain(1)
        .authorize(&device(1), thief.device(), sealing(8))
        .unwrap();
    // It authorizes the key itself, or the device that made the phrase, whose signature it has.
    let over_laptop = stolen
        .authorize(&thief, laptop.device(), sealing(2))
        .unwrap();
    for (before, signer) in [(stolen, &thief), (over_laptop, &laptop)] {
        // With the phrase it would do.
        let with_phrase = before
            .authorize_recovery_key(signer, &device(3), sealing(3), Some(&halo()))
            .unwrap();
        let mut forged = raw(&with_phrase);
        assert!(read(&forged).is_ok());
        forged.1.last_mut().unwrap().3 = raw(&paper).1[2].3;
        assert!(read(&forged).is_err());
    }
    // Nor does it say where the identity kept its devices.
    for chain in [&paper, &next] {
        assert!(chain.names_halo(&halo()));
        assert!(!chain.names_halo(&SpaceKey::from_bytes([8; 32])));
    }
    assert!(!chain(2).names_halo(&halo()));
    for other in [None, Some([9; 32])] {
        let mut forged = raw(&paper);
        let consent = forged.1[2].3.as_mut().unwrap();
        consent.0 = other;
        assert!(read(&forged).is_err());
    }
}
