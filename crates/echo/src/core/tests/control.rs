use dxos_credentials::{Credential, Profile, Role};
use dxos_keys::BlockHash;

use super::super::control::Verified;
use super::{NUMBER, Net};

/// More credentials than are verified at each start.
fn many_profiles(net: &mut Net) {
    for number in 0..80 {
        let profile = Profile::named(format!("Name {number} ✍"));
        net.control(1, |space, now_ms, (store, _)| {
            space.set_profile(profile, now_ms, store)
        })
        .unwrap();
    }
}

/// Writes the last credential of a replica once more, with a signature that is wrong.
fn forge(net: &mut Net, number: usize) {
    let mut signed = {
        let blocks = net.replicas[number].space.membership.blocks();
        blocks.last().unwrap().credential.encode()
    };
    *signed.last_mut().unwrap() ^= 1;
    assert!(Credential::decode(&signed).is_err());
    let forged = Credential::decode_again(&signed).unwrap();
    net.control(number, |space, now_ms, (store, _)| {
        let mut outcome = space.begin_control(now_ms, store)?;
        space.append_control(&forged, now_ms, store, &mut outcome)?;
        Ok(((), space.end_control(now_ms, store, outcome)?))
    })
    .unwrap();
}

#[test]
fn a_credential_is_verified_once_and_again_when_another_block_stands_there() {
    let mut net = Net::of(31, &[Role::Editor]);
    net.connect(0, 1);
    net.settle_duties();
    many_profiles(&mut net);
    net.settle_duties();
    forge(&mut net, 1);

    net.reopen(1, |_| {});
    let honest = net.replicas[1].space.membership.clone();
    assert_eq!(
        honest.blocks().count(),
        net.replicas[0].space.membership.blocks().count()
    );
    let mark = net.replicas[1].space.verified.clone().unwrap();
    let replica = &mut net.replicas[1];
    replica.space.keep_verified(&replica.store);
    net.reopen(1, |_| {});
    assert_eq!(net.replicas[1].space.membership, honest);
    assert_eq!(
        net.replicas[1].space.verified, None,
        "it was verified before"
    );
    let replica = &net.replicas[1];
    assert_eq!(Verified::stored(NUMBER, &replica.store).unwrap(), mark);

    // A mark is believed as long as it speaks of these blocks.
    let read = |mark: &Verified| {
        let read = mark.read_control(&replica.space.dag, &replica.store, NUMBER);
        read.unwrap()
    };
    let (read_again, _) = read(&mark);
    assert_eq!(read_again.len(), honest.blocks().count());
    let mut credulous = mark.clone();
    credulous.refused.clear();
    assert_eq!(read(&credulous).0.len(), read_again.len() + 1);
    for last in credulous.feeds.values_mut() {
        last.1 = BlockHash::from_bytes([7; 32]);
    }
    let (verified, another) = read(&credulous);
    assert_eq!(verified, read_again);
    assert_eq!(another, Some(mark.clone()));
    for last in credulous.feeds.values_mut() {
        last.0 = u64::MAX;
    }
    assert_eq!(read(&credulous).0, read_again);
}

#[test]
fn what_came_since_is_verified() {
    let mut net = Net::of(32, &[Role::Editor]);
    net.connect(0, 1);
    many_profiles(&mut net);
    net.settle_duties();
    net.reopen(1, |_| {});
    let replica = &mut net.replicas[1];
    replica.space.keep_verified(&replica.store);
    forge(&mut net, 1);
    let known = net.replicas[1].space.membership.clone();
    net.reopen(1, |_| {});
    assert_eq!(net.replicas[1].space.membership, known);
}

#[test]
fn a_mark_that_cannot_be_read_has_everything_verified() {
    let mut net = Net::of(33, &[Role::Editor]);
    many_profiles(&mut net);
    net.reopen(1, |_| {});
    let replica = &mut net.replicas[1];
    let members = replica.space.membership.clone();
    replica.space.keep_verified(&replica.store);
    let mut batch = dxos_store::Batch::new();
    let key = super::super::layout::verified_key(NUMBER);
    batch.put(super::super::layout::TALLIES, key, vec![1, 255, 255, 255]);
    dxos_store::Store::commit(&replica.store, batch, dxos_store::Durability::Synced).unwrap();
    net.reopen(1, |_| {});
    assert_eq!(net.replicas[1].space.membership, members);
    assert!(net.replicas[1].space.verified.is_some());
}
