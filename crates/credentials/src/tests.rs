//! Tests of what is signed: every byte by a hostile hand.

mod chains;
mod credentials;
mod golden;
mod names;
mod presentations;

use dxos_keys::{DeviceSecret, IdentitySecret, SealingKey};

use crate::DeviceChain;

fn device(n: u8) -> DeviceSecret {
    DeviceSecret::from_seed(&[n; 32])
}

fn sealing(n: u8) -> SealingKey {
    SealingKey::from_bytes([n; 32])
}

/// An identity with devices 1..=length, each authorized by the one before.
fn chain(length: u8) -> DeviceChain {
    let secret = IdentitySecret::from_seed(&[100; 32]);
    let mut chain = DeviceChain::genesis(secret, device(1).device(), sealing(1));
    for n in 2..=length {
        chain = chain
            .authorize(&device(n - 1), device(n).device(), sealing(n))
            .unwrap();
    }
    chain
}

/// Every way to change one byte, to cut, and to add one.
fn altered(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let changed = (0..bytes.len()).flat_map(move |at| {
        // All values, but for keys and signatures, which are long, some.
        let step = if bytes.len() > 100 { 37 } else { 1 };
        (1..=255_u8).step_by(step).map(move |difference| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= difference;
            bytes
        })
    });
    let bits = (0..bytes.len() * 8).map(move |bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let cut = (0..bytes.len()).map(move |length| bytes[..length].to_vec());
    let longer = [0, 1, 255].map(|more| [bytes, &[more]].concat());
    changed.chain(bits).chain(cut).chain(longer)
}
