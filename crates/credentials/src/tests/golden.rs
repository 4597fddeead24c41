//! The bytes of the format. A change here is a new version of it.

use std::fmt::Write;

use dxos_keys::SpaceKey;

use super::{chain, device};
use crate::{Assertion, Credential, DeviceChain, Profile, Role, Seen};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

const CREDENTIAL: &str = "
    01028a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c01010101010101010101
    01010101010101010101010101010101010101010101012bc2800b3316e009209ffd757dab19ccf0ae84bc7a
    e90654e1e81712d270f653020103416e6e0000000000fa7df05aa3e55d483f5fc1f5077143aee3641277d090
    b55da4b1414c5bb2e253985b50749532ba2817f1ea771610514f146b19d6c1b81408f9b597a723fe140c
";

const CHAIN: &str = "
    012bc2800b3316e009209ffd757dab19ccf0ae84bc7ae90654e1e81712d270f653028a88e3dd7409f195fd52
    db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c01010101010101010101010101010101010101010101
    010101010101010101010000490fb824041f27ffc395075ba06d5dc93031ebb9718f7f6997aac5d3ace9e4af
    68685e34a50018dce1fed0d36ecd6eae549b7a4e4a0b4668c1d0ee6decfc2c098139770ea87d175f56a35466
    c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394020202020202020202020202020202020202020202020202
    020202020202020200009005d9492d1e473c7bb1d724dcec99485f38b8a842710e96d58141a3fab515f0e9ba
    2eaea4e93cb5a7cb1be97fa377d0f445f4a7a956c451d93bb364d07d0a0e
";

#[test]
fn a_credential() {
    let assertion = Assertion::SpaceMember {
        space: SpaceKey::from_bytes([1; 32]),
        identity: chain(1).device().identity,
        role: Role::Editor,
        profile: Profile::named("Ann"),
        chain: None,
        invitation: None,
        seen: Seen::new(),
    };
    let credential = Credential::by_device(&device(1), assertion);
    assert_eq!(
        hex(&credential.encode()),
        CREDENTIAL.replace(char::is_whitespace, "")
    );
}

#[test]
fn a_chain() {
    let bytes = dxos_wire::encode(1, &chain(2)).unwrap();
    assert_eq!(hex(&bytes), CHAIN.replace(char::is_whitespace, ""));
    let read: DeviceChain = dxos_wire::decode(1, &bytes).unwrap();
    assert_eq!(read, chain(2));
}

#[test]
fn the_kinds_of_assertions_keep_their_numbers() {
    let space = SpaceKey::from_bytes([1; 32]);
    let identity = chain(1).device().identity;
    let key = device(1).device();
    for (number, assertion) in [
        (
            2,
            Assertion::MemberRemoved {
                space,
                identity,
                seen: Seen::new(),
            },
        ),
        (
            3,
            Assertion::MemberProfile {
                space,
                profile: Profile::default(),
            },
        ),
        (
            6,
            Assertion::DeviceRevoked {
                identity,
                device: key,
                seen: Seen::new(),
                repeats: None,
            },
        ),
        (
            7,
            Assertion::DeviceProfile {
                device: key,
                name: "x".to_owned(),
            },
        ),
        (
            13,
            Assertion::DevicePresented {
                space,
                chain: chain(1),
                halo: None,
            },
        ),
        (
            15,
            Assertion::DeviceRestored {
                identity,
                device: key,
            },
        ),
    ] {
        // Version, kind and key of the issuer, then the kind of the assertion.
        let bytes = Credential::by_device(&device(1), assertion).encode();
        assert_eq!((bytes[0], bytes[1], bytes[34]), (1, 2, number));
    }
}
