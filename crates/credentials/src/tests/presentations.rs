use dxos_keys::IdentitySecret;

use super::{altered, chain, device, sealing};
use crate::{DeviceChain, Presentation, PresentationError};

fn shown() -> Presentation {
    Presentation::sign(&device(2), chain(2), b"challenge", "example.com")
}

#[test]
fn it_proves_the_device_to_whom_it_was_meant_for() {
    let bytes = shown().encode().unwrap();
    let verified = Presentation::decode(&bytes)
        .unwrap()
        .verify(b"challenge", "example.com");
    assert_eq!(verified, Ok(chain(2).device()));
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
fn only_the_device_of_the_chain_can_sign() {
    let stolen = Presentation::sign(&device(1), chain(2), b"challenge", "example.com");
    assert_eq!(
        stolen.verify(b"challenge", "example.com"),
        Err(PresentationError::Signature)
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
    let bytes = shown().encode().unwrap();
    let signature = &bytes[bytes.len() - 64..];
    let mut exchanged = dxos_wire::encode(1, &claimed).unwrap();
    exchanged.extend_from_slice(signature);
    let exchanged = Presentation::decode(&exchanged).unwrap();
    assert_eq!(
        exchanged.verify(b"challenge", "example.com"),
        Err(PresentationError::Signature)
    );
}

#[test]
fn one_that_is_too_large_is_refused() {
    let found = 64 * 1024 + 1;
    let refused = Presentation::decode(&vec![1; found]);
    assert_eq!(refused, Err(PresentationError::TooLarge { found }));
}
