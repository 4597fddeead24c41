//! The bytes of the format. A change here is a new version of it.

use std::fmt::Write;

use dxos_keys::SpaceKey;

use super::{chain, device};
use crate::{Assertion, Credential, DeviceChain, Role};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

const CREDENTIAL: &str = "
    01028a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c01010101010101010101
    01010101010101010101010101010101010101010101012bc2800b3316e009209ffd757dab19ccf0ae84bc7a
    e90654e1e81712d270f653020103416e6e00000dc841d6d436195344d34d90328cb997ac80c8bb10225f9f2c
    79e559130557da1c6258643bfa448590f4923f552a27bf81221ca2560577f068cb4ac6a2aa3b0f
";

const CHAIN: &str = "
    012bc2800b3316e009209ffd757dab19ccf0ae84bc7ae90654e1e81712d270f65300028a88e3dd7409f195fd
    52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010101010101010101010101010101010101010101
    010101010101010101010155c88cff47329f9c1303ceb05828f6fae6b5300b6c58d609aa0eeba6927bf57cbe
    180ec9beee425b5c9b118df71b05901a03c6bc2c0ef4551c1fc8b48c7b9d0b8139770ea87d175f56a35466c3
    4c7ecccb8d8a91b4ee37a25df60f5b8fc9b39402020202020202020202020202020202020202020202020202
    020202020202029005d9492d1e473c7bb1d724dcec99485f38b8a842710e96d58141a3fab515f0e9ba2eaea4
    e93cb5a7cb1be97fa377d0f445f4a7a956c451d93bb364d07d0a0e
";

#[test]
fn a_credential() {
    let assertion = Assertion::SpaceMember {
        space: SpaceKey::from_bytes([1; 32]),
        identity: chain(1).device().identity,
        role: Role::Editor,
        display_name: Some("Ann".to_owned()),
        chain: None,
        invitation: None,
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
        (2, Assertion::MemberRemoved { space, identity }),
        (
            3,
            Assertion::MemberProfile {
                space,
                display_name: None,
            },
        ),
        (
            6,
            Assertion::DeviceRevoked {
                identity,
                device: key,
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
            },
        ),
    ] {
        // Version, kind and key of the issuer, then the kind of the assertion.
        let bytes = Credential::by_device(&device(1), assertion).encode();
        assert_eq!((bytes[0], bytes[1], bytes[34]), (1, 2, number));
    }
}
