//! Members and keys: credentials verified and folded into a membership, and a content key sealed
//! for everybody who may read.

mod history;
mod hostile;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dxos_credentials::{Assertion, ControlBlock, Credential, Membership};
use dxos_keys::{ContentKey, DeviceSecret, SealingSecret, SpaceKey};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use self::history::{History, Stored};
use crate::Figure;

pub(crate) fn run(size: usize) -> Result<Vec<Figure>> {
    let credentials = (size / 10).max(100);
    let mut figures = Vec::new();

    let old = History::of_an_old_space(credentials)?;
    let (read, took) = read_all(&old.stored)?;
    figures.push(Figure::millis(
        format!("{credentials} credentials, 100 members: verified"),
        took,
    ));
    let (folded, at_once) = evaluate(old.space, &read);
    figures.push(Figure::millis("the same: folded at once", at_once));
    figures.push(Figure::millis(
        "the same: verified and folded",
        took + at_once,
    ));
    let begin = Instant::now();
    for block in &old.stored {
        Credential::decode_again(&block.body)?;
    }
    figures.push(Figure::millis(
        "the same, verified before: read and folded",
        begin.elapsed() + at_once,
    ));
    let (inserted, one_by_one) = insert_all(old.space, &read);
    ensure!(inserted == folded, "the order of arrival made a difference");
    ensure!(folded.members().len() == old.members, "members are missing");
    figures.push(Figure::millis("the same: folded one by one", one_by_one));

    let young = History::of_a_young_space(credentials / 20)?;
    let (read, took) = read_all(&young.stored)?;
    let (folded, at_once) = evaluate(young.space, &read);
    ensure!(
        folded.members().len() == young.members,
        "members are missing"
    );
    let name = format!(
        "{} credentials, {} members with two devices: verified and folded",
        read.len(),
        young.members
    );
    figures.push(Figure::millis(name, took + at_once));

    figures.push(seal((size / 100).max(10))?);

    let hostile = (size / 400).max(8);
    for blocks in [hostile, hostile * 2] {
        for (what, history) in hostile::histories(blocks)? {
            let (read, _) = read_all(&history.stored)?;
            let name = format!("{} blocks of {what}", read.len());
            let (folded, took) = evaluate(history.space, &read);
            figures.push(Figure::millis(format!("{name}: folded at once"), took));
            let (inserted, took) = insert_all(history.space, &read);
            ensure!(inserted == folded, "the order of arrival made a difference");
            figures.push(Figure::millis(format!("{name}: folded one by one"), took));
        }
    }
    Ok(figures)
}

/// Reads and verifies the bodies of all blocks, as when a space is opened or blocks arrive.
fn read_all(stored: &[Stored]) -> Result<(Vec<ControlBlock>, Duration)> {
    let pasts: Vec<_> = stored.iter().map(|block| block.past.clone()).collect();
    let begin = Instant::now();
    let mut read = Vec::with_capacity(stored.len());
    for (block, past) in stored.iter().zip(pasts) {
        read.push(ControlBlock::read(
            block.descriptor,
            block.place,
            past,
            &block.body,
        )?);
    }
    Ok((read, begin.elapsed()))
}

fn evaluate(space: SpaceKey, blocks: &[ControlBlock]) -> (Membership, Duration) {
    let blocks = blocks.to_vec();
    let begin = Instant::now();
    let membership = Membership::evaluate(space, blocks);
    (membership, begin.elapsed())
}

fn insert_all(space: SpaceKey, blocks: &[ControlBlock]) -> (Membership, Duration) {
    let blocks = blocks.to_vec();
    let begin = Instant::now();
    let mut membership = Membership::new(space);
    for block in blocks {
        membership.insert(block);
    }
    (membership, begin.elapsed())
}

/// What a removal asks for: a new key, sealed for two devices of each member, and signed.
fn seal(members: usize) -> Result<Figure> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let signer = DeviceSecret::generate(&mut rng);
    let space = SpaceKey::from_bytes([2; 32]);
    let devices: Vec<_> = (0..members * 2)
        .map(|_| {
            let device = DeviceSecret::generate(&mut rng).device();
            (device, SealingSecret::generate(&mut rng).sealing_key())
        })
        .collect();
    let begin = Instant::now();
    let key = ContentKey::generate(&mut rng);
    let mut recipients = Vec::with_capacity(devices.len());
    for (device, sealing) in &devices {
        recipients.push((*device, sealing.seal(space.as_bytes(), &key, &mut rng)?));
    }
    let (key, sealed) = (key.id(), recipients.len());
    let assertion = Assertion::ContentKey {
        space,
        key,
        recipients,
    };
    let bytes = Credential::by_device(&signer, assertion).encode();
    let took = begin.elapsed();
    Credential::decode(&bytes)?;
    let name = format!("a key sealed for {sealed} devices of {members} members");
    Ok(Figure::millis(name, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_credential_counts_and_every_order_agrees() {
        let history = History::of_an_old_space(600).unwrap();
        let (read, _) = read_all(&history.stored).unwrap();
        let (membership, _) = insert_all(history.space, &read);
        assert_eq!(read.len(), 600);
        assert!(read.iter().all(|block| membership.takes_effect(block)));
        let history = History::of_a_young_space(5).unwrap();
        let (read, _) = read_all(&history.stored).unwrap();
        let (membership, _) = insert_all(history.space, &read);
        assert!(read.iter().all(|block| membership.takes_effect(block)));
        assert_eq!(membership.readers().len(), 12);
    }

    #[test]
    fn figures_are_positive() {
        let figures = run(100).unwrap();
        assert!(figures.iter().all(|figure| figure.value > 0.0));
    }
}
