//! Clients and a server over a network that breaks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::testing::{World, run};
use dxos_keys::{DeviceKey, DeviceSecret, Topic};
use dxos_transport::mem::{MemNetwork, MemTransport};
use dxos_transport::{Announcement, Discovery, DiscoveryEvent, Presence, Transport};
use dxos_wire::StreamKind;

use crate::{ServerAddress, SignalClient, SignalConfig, SignalServer};

mod registry;

const SERVER: u8 = 1;

fn topic(number: u8) -> Topic {
    Topic::from_bytes([number; 32])
}

fn endpoint(network: &MemNetwork, number: u8) -> Arc<MemTransport> {
    network.endpoint(&DeviceSecret::from_seed(&[number; 32]))
}

fn key(number: u8) -> DeviceKey {
    DeviceSecret::from_seed(&[number; 32]).device()
}

/// Serves at the address at which it was before, if any.
fn serve(world: &World, transport: Arc<MemTransport>) {
    let server = SignalServer::new(transport, SignalConfig::default());
    server
        .start(&world.spawner.handle(), world.clock.clone())
        .unwrap();
}

fn client(world: &World, transport: Arc<MemTransport>, server: &MemTransport) -> SignalClient {
    let seeds = world.seeds.child(&transport.device().to_string());
    let server = ServerAddress::new(server.device(), server.addresses().remove(0));
    let (spawner, clock) = (world.spawner.handle(), world.clock.clone());
    SignalClient::new(transport, server, &spawner, clock, &seeds)
}

async fn join(client: &SignalClient, of: &MemTransport, number: u8) -> Box<dyn Presence> {
    let me = Announcement {
        device: of.device(),
        addresses: of.addresses(),
    };
    client.join(topic(number), me).await.unwrap()
}

async fn next(presence: &mut Box<dyn Presence>) -> DiscoveryEvent {
    let event = tokio::time::timeout(Duration::from_secs(300), presence.next()).await;
    event.unwrap().unwrap()
}

fn found(event: &DiscoveryEvent, number: u8) -> bool {
    matches!(event, DiscoveryEvent::PeerFound { device, addresses }
        if *device == key(number) && !addresses.is_empty())
}

fn lost(event: &DiscoveryEvent, number: u8) -> bool {
    matches!(event, DiscoveryEvent::PeerLost { device } if *device == key(number))
}

#[test]
fn devices_of_a_topic_find_each_other_and_see_who_leaves() {
    run(1, |world| async move {
        let network = MemNetwork::new(1);
        let (server, a, b) = (
            endpoint(&network, SERVER),
            endpoint(&network, 2),
            endpoint(&network, 3),
        );
        serve(&world, server.clone());
        let (ca, cb) = (
            client(&world, a.clone(), &server),
            client(&world, b.clone(), &server),
        );
        let mut pa = join(&ca, &a, 1).await;
        let mut pb = join(&cb, &b, 1).await;
        assert!(found(&next(&mut pa).await, 3));
        assert!(found(&next(&mut pb).await, 2));
        assert!(*ca.connected().borrow());
        drop(pb);
        assert!(lost(&next(&mut pa).await, 3));
    });
}

#[test]
fn who_is_not_in_a_topic_learns_nothing_of_it() {
    run(2, |world| async move {
        let network = MemNetwork::new(2);
        let (server, a, b) = (
            endpoint(&network, SERVER),
            endpoint(&network, 2),
            endpoint(&network, 3),
        );
        serve(&world, server.clone());
        let (ca, cb) = (
            client(&world, a.clone(), &server),
            client(&world, b.clone(), &server),
        );
        let mut pa = join(&ca, &a, 1).await;
        let _pb = join(&cb, &b, 2).await;
        let told = tokio::time::timeout(Duration::from_secs(600), pa.next()).await;
        assert!(told.is_err());
    });
}

#[test]
fn a_restarted_server_is_found_again() {
    run(3, |world| async move {
        let network = MemNetwork::new(3);
        let (server, a, b) = (
            endpoint(&network, SERVER),
            endpoint(&network, 2),
            endpoint(&network, 3),
        );
        let ca = client(&world, a.clone(), &server);
        serve(&world, server.clone());
        let mut pa = join(&ca, &a, 1).await;
        let cb = client(&world, b.clone(), &server);
        let mut pb = join(&cb, &b, 1).await;
        assert!(found(&next(&mut pa).await, 3));
        assert!(found(&next(&mut pb).await, 2));
        let address = server.addresses().remove(0);
        server.close().await;
        drop(server);
        world.clock.sleep(Duration::from_secs(30)).await;
        assert!(!*ca.connected().borrow());
        drop((pb, cb));
        let dxos_transport::PeerAddress::Memory(number) = address else {
            panic!("{address}");
        };
        let secret = DeviceSecret::from_seed(&[SERVER; 32]);
        serve(&world, network.endpoint_at(&secret, number).unwrap());
        assert!(lost(&next(&mut pa).await, 3));
        assert!(*ca.connected().borrow());
    });
}

#[test]
fn a_hostile_client_is_cut_off_and_others_are_not() {
    run(4, |world| async move {
        let network = MemNetwork::new(4);
        let (server, a, b) = (
            endpoint(&network, SERVER),
            endpoint(&network, 2),
            endpoint(&network, 3),
        );
        serve(&world, server.clone());
        let ca = client(&world, a.clone(), &server);
        let mut pa = join(&ca, &a, 1).await;
        let evil = endpoint(&network, 9);
        for frame in [
            Bytes::from_static(b"\xffnonsense"),
            Bytes::from(vec![1; 100_000]),
            Bytes::new(),
        ] {
            let connection = evil
                .connect(server.device(), &server.addresses())
                .await
                .unwrap();
            let mut stream = connection.open(StreamKind::Signal).await.unwrap();
            stream.sender.send(frame).await.unwrap();
            connection.closed().await;
        }
        // Neither silence nor another kind of stream keeps a place.
        let silent = evil
            .connect(server.device(), &server.addresses())
            .await
            .unwrap();
        silent.closed().await;
        let other = evil
            .connect(server.device(), &server.addresses())
            .await
            .unwrap();
        let mut stream = other.open(StreamKind::Gossip).await.unwrap();
        drop(stream.sender.send(Bytes::from_static(b"x")).await);
        other.closed().await;
        let cb = client(&world, b.clone(), &server);
        let _pb = join(&cb, &b, 1).await;
        assert!(found(&next(&mut pa).await, 3));
    });
}
