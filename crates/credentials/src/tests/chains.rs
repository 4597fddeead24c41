use dxos_keys::{DeviceKey, IdentityKey, IdentitySecret, RecoveryKey, SealingKey, Signature};
use dxos_wire::limits::CHAIN_LENGTH_MAX;

use super::{altered, chain, device, sealing};
use crate::{Assertion, ChainError, Credential, DeviceChain, Issuer};

const LONGEST: u8 = 32;

/// A chain as it is written, for writing what no honest device would.
type Raw = (
    IdentityKey,
    Option<RecoveryKey>,
    Vec<(DeviceKey, SealingKey, Signature)>,
);

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
        longer.2.push((
            DeviceKey::from_bytes(key),
            sealing(1),
            Signature::from_bytes([0; 64]),
        ));
    }
    assert!(read(&longer).is_err());
}

#[test]
fn an_empty_chain_is_refused() {
    let mut empty = raw(&chain(1));
    empty.2.clear();
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
    forged.2.push((device(3).device(), sealing(3), signature));
    assert!(read(&forged).is_err());
    // Where it belongs it holds.
    forged.2.remove(1);
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
    forged.2.push(raw(&other).2[1]);
    assert!(read(&forged).is_err());
}

#[test]
fn a_sealing_key_cannot_be_exchanged() {
    let mut forged = raw(&chain(2));
    forged.2[1].1 = sealing(66);
    assert!(read(&forged).is_err());
}

#[test]
fn an_identity_with_a_recovery_key_has_chains_too() {
    let secret = IdentitySecret::from_seed(&[100; 32]);
    let identity = secret.identity();
    let recovery = RecoveryKey::from_bytes([7; 32]);
    let genesis =
        Credential::identity_genesis(secret, device(1).device(), sealing(1), Some(recovery));
    let link = (device(1).device(), sealing(1), *genesis.signature());
    let read_back = read(&(identity, Some(recovery), vec![link])).unwrap();
    assert_eq!(read_back.credentials(), [genesis]);
    assert!(read(&(identity, None, vec![link])).is_err());
}
