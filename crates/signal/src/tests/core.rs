use std::collections::{BTreeMap, BTreeSet};

use dxos_transport::PeerAddress;
use dxos_wire::limits::{ADDRESSES_MAX, PEERS_PER_ANSWER_MAX};
use proptest::prelude::*;

use super::{key, topic};
use crate::core::{Core, Limits, Refusal};

const LIMITS: Limits = Limits {
    devices_max: 4,
    announcements_max: 8,
};

#[derive(Clone, Debug)]
enum Op {
    Connect(u8),
    Announce(u8, u8, u64),
    Leave(u8, u8),
    Disconnect(u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let device = 0_u8..6;
    let op = prop_oneof![
        device.clone().prop_map(Op::Connect),
        (device.clone(), 0_u8..4, 0_u64..3).prop_map(|(d, t, a)| Op::Announce(d, t, a)),
        (device.clone(), 0_u8..4).prop_map(|(d, t)| Op::Leave(d, t)),
        device.prop_map(Op::Disconnect),
    ];
    prop::collection::vec(op, 0..80)
}

proptest! {
    #[test]
    fn everyone_is_told_what_a_naive_model_says(ops in ops()) {
        let mut core = Core::new(LIMITS);
        let mut ids = BTreeMap::new();
        let mut model = BTreeMap::<(u8, u8), u64>::new();
        let mut told = BTreeMap::<(u8, u8), BTreeSet<(Vec<u8>, u64)>>::new();
        for op in ops {
            match op {
                Op::Connect(d) => {
                    model.retain(|(_, device), _| *device != d);
                    told.retain(|(_, device), _| *device != d);
                    ids.remove(&d);
                    let id = core.connect(key(d));
                    prop_assert_eq!(id.is_some(), ids.len() < LIMITS.devices_max);
                    if let Some(id) = id { ids.insert(d, id); }
                }
                Op::Announce(d, t, a) => if let Some(id) = ids.get(&d) {
                    let room = model.contains_key(&(t, d)) || model.len() < LIMITS.announcements_max;
                    let done = core.announce(*id, topic(t), vec![PeerAddress::Memory(a)], None);
                    prop_assert_eq!(done.is_ok(), room);
                    if room { model.insert((t, d), a); }
                },
                Op::Leave(d, t) => if let Some(id) = ids.get(&d) {
                    core.leave(*id, topic(t));
                    model.remove(&(t, d));
                    told.remove(&(t, d));
                },
                Op::Disconnect(d) => if let Some(id) = ids.remove(&d) {
                    core.disconnect(id);
                    model.retain(|(_, device), _| *device != d);
                    told.retain(|(_, device), _| *device != d);
                },
            }
            for (d, id) in &ids {
                while let Some((t, peers)) = core.take(*id) {
                    let view = peers.iter().map(|peer| {
                        let PeerAddress::Memory(a) = peer.addresses[0] else { unreachable!() };
                        (peer.device.as_bytes().to_vec(), a)
                    });
                    told.insert((t.as_bytes()[0], *d), view.collect());
                }
            }
            for (t, d) in model.keys() {
                let others: BTreeSet<_> = model.iter()
                    .filter(|((topic, device), _)| topic == t && device != d)
                    .map(|((_, device), a)| (key(*device).as_bytes().to_vec(), *a))
                    .collect();
                prop_assert_eq!(told.get(&(*t, *d)), Some(&others));
            }
        }
    }
}

#[test]
fn the_observed_address_is_told_and_too_many_are_refused() {
    let mut core = Core::new(LIMITS);
    let (a, b) = (core.connect(key(1)).unwrap(), core.connect(key(2)).unwrap());
    let many = |count: usize| {
        (0..count as u64)
            .map(PeerAddress::Memory)
            .collect::<Vec<_>>()
    };
    let seen = Some(PeerAddress::Memory(99));
    core.announce(a, topic(1), many(ADDRESSES_MAX), seen)
        .unwrap();
    let refused = core.announce(a, topic(1), many(ADDRESSES_MAX + 1), None);
    assert_eq!(refused, Err(Refusal::Offence));
    core.announce(b, topic(1), vec![], None).unwrap();
    let (_, peers) = core.take(b).unwrap();
    assert_eq!(peers[0].addresses.len(), ADDRESSES_MAX);
    assert_eq!(peers[0].addresses.last(), Some(&PeerAddress::Memory(99)));
}

#[test]
fn an_answer_is_bounded_and_no_device_of_a_large_topic_is_unseen() {
    let mut core = Core::new(Limits {
        devices_max: 200,
        announcements_max: 200,
    });
    let ids: Vec<_> = (0..200).map(|n| core.connect(key(n)).unwrap()).collect();
    for id in &ids {
        core.announce(*id, topic(1), vec![], None).unwrap();
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let (_, peers) = core.take(id).unwrap();
        assert_eq!(peers.len(), PEERS_PER_ANSWER_MAX);
        assert!(core.take(id).is_none());
        seen.extend(peers.into_iter().map(|peer| peer.device));
    }
    assert_eq!(seen.len(), 200);
}
