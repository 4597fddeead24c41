//! The registry against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::{DeviceKey, Topic};
use dxos_transport::PeerAddress;
use dxos_wire::limits::TOPICS_PER_DEVICE_MAX;
use proptest::prelude::*;

use super::{key, topic};
use crate::message::{ClientMessage, ServerMessage};
use crate::registry::{ClientId, Registry};

type Members = BTreeMap<Topic, BTreeMap<DeviceKey, Vec<PeerAddress>>>;

/// Takes in what a client is told.
fn hear(view: &mut Members, messages: Vec<ServerMessage>) {
    for message in messages {
        match message {
            ServerMessage::Found {
                topic,
                device,
                addresses,
            } => {
                view.entry(topic).or_default().insert(device, addresses);
            }
            ServerMessage::Lost { topic, device } => {
                let known = view.entry(topic).or_default().remove(&device);
                assert!(known.is_some(), "told of a loss of nobody");
            }
            ServerMessage::Complete { .. } | ServerMessage::Full { .. } => {}
        }
    }
}

fn join(number: u8, place: u64) -> ClientMessage {
    let addresses = vec![PeerAddress::Memory(place)];
    ClientMessage::Join {
        topic: topic(number),
        addresses,
    }
}

proptest! {
    #[test]
    fn every_client_sees_who_is_in_its_topics_and_nobody_else(
        steps in prop::collection::vec((0..4_u8, 0..3_u8, 0..4_u8, 0..3_u64), 0..80),
    ) {
        let mut registry = Registry::new(1000);
        let mut model = Members::new();
        let mut views: BTreeMap<u8, Members> = (0..4).map(|n| (n, Members::new())).collect();
        for n in 0..4 {
            registry.connect(ClientId(n.into()), key(n), None);
        }
        for (who, number, what, place) in steps {
            let (id, topic) = (ClientId(who.into()), topic(number));
            let view = views.get_mut(&who).unwrap();
            match what {
                0 | 1 => {
                    let addresses = vec![PeerAddress::Memory(place)];
                    model.entry(topic).or_default().insert(key(who), addresses);
                    registry.receive(id, join(number, place));
                }
                2 => {
                    model.entry(topic).or_default().remove(&key(who));
                    view.remove(&topic);
                    registry.receive(id, ClientMessage::Leave { topic });
                }
                _ => hear(view, registry.produce(id, 2)),
            }
        }
        for (who, view) in &mut views {
            loop {
                let messages = registry.produce(ClientId((*who).into()), 3);
                if messages.is_empty() {
                    break;
                }
                hear(view, messages);
            }
            for (topic, members) in &model {
                let seen = view.get(topic).cloned().unwrap_or_default();
                let mut others = members.clone();
                let is_in = others.remove(&key(*who)).is_some();
                prop_assert_eq!(seen, if is_in { others } else { BTreeMap::new() });
            }
        }
        let joined: usize = model.values().map(BTreeMap::len).sum();
        prop_assert_eq!(registry.joined(), joined);
        for n in 0..4 {
            registry.disconnect(ClientId(n));
        }
        prop_assert_eq!(registry.joined(), 0);
    }
}

#[test]
fn nobody_gets_more_topics_than_there_are_for_it() {
    let mut registry = Registry::new(5);
    registry.connect(ClientId(1), key(1), None);
    let mut full = 0;
    for n in 0..8 {
        registry.receive(ClientId(1), join(n, 1));
        let told = registry.produce(ClientId(1), 10);
        full += told
            .iter()
            .filter(|m| matches!(m, ServerMessage::Full { .. }))
            .count();
    }
    assert_eq!((registry.joined(), full), (5, 3));

    let mut registry = Registry::new(usize::MAX);
    registry.connect(ClientId(1), key(1), None);
    for n in 0..TOPICS_PER_DEVICE_MAX + 10 {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        let join = ClientMessage::Join {
            topic: Topic::from_bytes(bytes),
            addresses: vec![],
        };
        registry.receive(ClientId(1), join);
    }
    assert_eq!(registry.joined(), TOPICS_PER_DEVICE_MAX);
}

#[test]
fn a_device_that_connects_anew_is_not_lost_when_its_old_connection_ends() {
    let mut registry = Registry::new(100);
    for (client, who) in [(1, 1), (2, 2), (3, 2)] {
        registry.connect(ClientId(client), key(who), None);
        registry.receive(ClientId(client), join(1, client));
    }
    let mut view = Members::new();
    hear(&mut view, registry.produce(ClientId(1), 100));
    registry.disconnect(ClientId(2));
    hear(&mut view, registry.produce(ClientId(1), 100));
    assert_eq!(view[&topic(1)][&key(2)], [PeerAddress::Memory(3)]);
}

#[test]
fn the_server_adds_the_address_that_it_sees() {
    let mut registry = Registry::new(10);
    let seen = PeerAddress::Memory(77);
    registry.connect(ClientId(1), key(1), Some(seen.clone()));
    registry.connect(ClientId(2), key(2), None);
    for client in [1, 2] {
        registry.receive(ClientId(client), join(1, client));
    }
    let told = registry.produce(ClientId(2), 10).into_iter();
    let told: BTreeSet<_> = told
        .filter_map(|message| match message {
            ServerMessage::Found { addresses, .. } => Some(addresses),
            _ => None,
        })
        .collect();
    assert_eq!(told, BTreeSet::from([vec![seen, PeerAddress::Memory(1)]]));
}
