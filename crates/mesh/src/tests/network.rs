//! Connections: made, shared, lost and made again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Shutdown, testing};
use dxos_protocol::mesh::{AddPeer, ConnectionState, JoinSwarm, MeshError};
use dxos_transport::mem::{LinkConfig, MemDiscovery};
use dxos_transport::{CloseReason, Transport as _};
use dxos_wire::StreamKind;

use super::raw::{Raw, receive, send};
use super::{Echo, Net, Node, OTHER, TOPIC, address_of, secs};
use crate::ConnectError;

async fn pair(net: &Net) -> (Node, Node) {
    let (alice, bob) = (net.node(1, |_| {}), net.node(2, |_| {}));
    alice.join(TOPIC).await;
    bob.join(TOPIC).await;
    alice.until_sessions(TOPIC, 1).await;
    bob.until_sessions(TOPIC, 1).await;
    (alice, bob)
}

#[test]
fn after_a_partition_peers_find_each_other_again() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        net.pass(secs(20)).await;
        net.network.partition(&[alice.device], &[bob.device]);
        alice.until_sessions(TOPIC, 0).await;
        bob.until_sessions(TOPIC, 0).await;
        net.pass(secs(600)).await;
        net.network.heal_all();
        let healed = net.world.clock.now();
        alice.until_sessions(TOPIC, 1).await;
        bob.until_sessions(TOPIC, 1).await;
        assert!(net.world.clock.now() - healed < secs(31));
        for node in [&alice, &bob] {
            let opened = node.log.opened();
            assert_eq!(node.log.closed(), [opened[0].0]);
            assert_eq!(opened.len(), 2);
        }
    });
}

#[test]
fn a_lost_connection_is_made_again_quickly() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        for _ in 0..5 {
            net.pass(secs(20)).await;
            net.network.drop_connections(alice.device, bob.device);
            let lost = net.world.clock.now();
            alice.until_sessions(TOPIC, 0).await;
            alice.until_sessions(TOPIC, 1).await;
            assert!(net.world.clock.now() - lost < secs(1));
        }
    });
}

#[test]
fn offline_ends_everything_and_online_is_at_once() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        alice.set_state(ConnectionState::Offline).await;
        bob.until_sessions(TOPIC, 0).await;
        net.pass(secs(300)).await;
        let report = alice.report().await;
        assert_eq!(report.state, ConnectionState::Offline);
        assert_eq!(report.connections, []);
        let stranger = Raw::new(&net, 3);
        let refused = stranger.connect(&alice).await.closed().await;
        assert_eq!(refused, CloseReason::ShuttingDown);
        let connect = alice.mesh.connect(bob.device, address_of(&bob)).await;
        assert!(matches!(connect, Err(ConnectError::Offline { .. })));
        alice.set_state(ConnectionState::Online).await;
        let online = net.world.clock.now();
        alice.until_sessions(TOPIC, 1).await;
        bob.until_sessions(TOPIC, 1).await;
        assert!(net.world.clock.now() - online < Duration::from_millis(200));
    });
}

#[test]
fn twenty_peers_are_all_connected_once() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let nodes: Vec<Node> = (0..20).map(|number| net.chatter(number)).collect();
        for (at, node) in nodes.iter().enumerate() {
            for other in &nodes[..at] {
                let link = LinkConfig {
                    latency: Duration::from_millis(20),
                    jitter: Duration::from_millis(40),
                    ..LinkConfig::default()
                };
                net.network.set_link(node.device, other.device, link);
            }
        }
        for node in &nodes {
            node.join(TOPIC).await;
        }
        for node in &nodes {
            node.until_sessions(TOPIC, 19).await;
        }
        net.pass(secs(10)).await;
        for node in &nodes {
            let report = node.report().await;
            assert_eq!(report.connections.len(), 19);
            assert_eq!(report.swarms[0].sessions.len(), 19);
            assert_eq!(report.refused, 0);
        }
        nodes[0].say(TOPIC, "all").await;
        net.eventually("all heard", || {
            nodes[1..].iter().all(|node| node.heard().len() == 1)
        })
        .await;
    });
}

#[test]
fn a_device_that_crashed_and_came_back_is_taken_in() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        net.pass(secs(30)).await;
        net.network.crash(bob.device);
        drop(bob);
        net.pass(secs(3)).await;
        // Alice does not know yet that the old connection is dead.
        assert_eq!(alice.sessions(TOPIC).await.len(), 1);
        let bob = net.node(2, |_| {});
        bob.join(TOPIC).await;
        bob.until_sessions(TOPIC, 1).await;
        net.eventually("the older session ends", || alice.log.closed().len() == 1)
            .await;
        assert_eq!(alice.sessions(TOPIC).await, [bob.device]);
        net.pass(secs(60)).await;
        assert_eq!(alice.log.opened().len(), 2);
    });
}

#[test]
fn peers_can_be_told_by_hand() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        // Sources of their own: they never discover each other.
        let alice = net.node(1, |setup| setup.discovery = MemDiscovery::default());
        let bob = net.node(2, |setup| setup.discovery = MemDiscovery::default());
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        let add = |address: String, topic| AddPeer {
            device: bob.device,
            addresses: vec![address],
            topic,
        };
        let right = address_of(&bob)[0].to_string();
        let port = alice.mesh.add_peer();
        let bad = port.ask(add("nowhere".into(), TOPIC)).await.unwrap();
        assert!(matches!(bad, Err(MeshError::BadAddress { .. })));
        // Of a swarm that is not joined yet it is kept, and nobody is dialed for it.
        port.ask(add(right.clone(), OTHER)).await.unwrap().unwrap();
        net.pass(secs(10)).await;
        assert!(alice.sessions(TOPIC).await.is_empty());
        port.ask(add(right, TOPIC)).await.unwrap().unwrap();
        alice.until_sessions(TOPIC, 1).await;
        // A swarm that both join later uses the same connection, whoever dialed.
        alice.join(OTHER).await;
        bob.join(OTHER).await;
        let known = AddPeer {
            device: alice.device,
            addresses: Vec::new(),
            topic: OTHER,
        };
        bob.mesh.add_peer().ask(known).await.unwrap().unwrap();
        alice.until_sessions(OTHER, 1).await;
        assert_eq!(alice.report().await.connections.len(), 1);
    });
}

#[test]
fn invitations_use_connections_outside_of_swarms() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let host = net.node(1, |setup| setup.invitations = Some(Arc::new(Echo)));
        let guest = net.node(2, |_| {});
        let connection = guest
            .mesh
            .connect(host.device, address_of(&host))
            .await
            .unwrap();
        let mut stream = connection.open(StreamKind::Invitation).await.unwrap();
        send(&mut stream, Bytes::from("knock")).await;
        assert_eq!(receive(&mut stream).await, Bytes::from("knock"));
        // Again: it is the same one.
        let again = guest.mesh.connect(host.device, Vec::new()).await.unwrap();
        assert_eq!(again.binding(b"x"), connection.binding(b"x"));
        net.pass(secs(300)).await;
        again.close(CloseReason::Done);
        drop((again, stream));
        net.pass(secs(29)).await;
        assert_eq!(guest.report().await.connections.len(), 1);
        drop(connection);
        net.pass(secs(31)).await;
        assert_eq!(guest.report().await.connections, []);
        assert_eq!(host.report().await.connections, []);
        // A node that serves none refuses the stream.
        let connection = host
            .mesh
            .connect(guest.device, address_of(&guest))
            .await
            .unwrap();
        let mut stream = connection.open(StreamKind::Invitation).await.unwrap();
        let _ = stream.sender.send(Bytes::from("knock")).await;
        assert!(stream.receiver.receive().await.is_err());
        // Nobody there.
        let nobody = net.secret(9);
        let error = guest
            .mesh
            .connect(dxos_keys::Signer::device(&nobody), Vec::new())
            .await;
        assert!(matches!(error, Err(ConnectError::Failed(_))));
    });
}

#[test]
fn shutdown_tells_the_peers_and_closes_the_sessions() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        let deadline = secs(5);
        let done = alice.mesh.shutdown().ask(Shutdown { deadline }).await;
        assert_eq!(done, Ok(Ok(())));
        assert_eq!(alice.log.closed().len(), 1);
        bob.until_sessions(TOPIC, 0).await;
        assert!(net.world.clock.now() < secs(2));
        assert!(alice.transport.accept().await.is_none());
        alice.set_state(ConnectionState::Online).await;
        net.pass(secs(60)).await;
        assert!(alice.sessions(TOPIC).await.is_empty());
        // Again does no harm.
        let done = alice.mesh.shutdown().ask(Shutdown { deadline }).await;
        assert_eq!(done, Ok(Ok(())));
    });
}

#[test]
fn joining_twice_changes_nothing() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = pair(&net).await;
        let secret = dxos_protocol::auth::SwarmSecret::from_bytes([0; 32]);
        let topic = TOPIC;
        let again = alice.mesh.join().ask(JoinSwarm { topic, secret }).await;
        assert_eq!(again, Ok(Ok(())));
        net.network.drop_connections(alice.device, bob.device);
        alice.until_sessions(TOPIC, 0).await;
        alice.until_sessions(TOPIC, 1).await;
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        testing::run(seed, |world| async move {
            let net = Net::new(world);
            let trace = Arc::new(std::sync::Mutex::new(Vec::new()));
            let hook = Arc::clone(&trace);
            net.network
                .on_frame(move |event| hook.lock().unwrap().push((event.at, event.digest)));
            let nodes: Vec<Node> = (0..5).map(|number| net.node(number, |_| {})).collect();
            for node in &nodes {
                node.join(TOPIC).await;
            }
            net.pass(secs(20)).await;
            net.network
                .drop_connections(nodes[0].device, nodes[1].device);
            net.pass(secs(20)).await;
            trace.lock().unwrap().clone()
        })
    };
    assert!(!run(1).is_empty());
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
