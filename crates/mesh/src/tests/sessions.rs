//! What runs in sessions, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Port, testing};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::auth::Judgement;
use dxos_protocol::mesh::{EndSession, LeaveSwarm, Wake};
use dxos_protocol::replicate::{Message, Range, Receive, SessionError};
use dxos_wire::limits::{GOSSIP_BYTES_MAX, OFFENCES_MAX};

use super::raw::{Raw, drain, send};
use super::{Event, Net, Node, OTHER, TOPIC, secret_of, secs};

fn message(number: u64) -> Message {
    Message::Want {
        ranges: vec![Range {
            feed: FeedId::from_bytes([7; 32]),
            from: 0,
            until: number,
            prev: BlockHash::from_bytes([0; 32]),
        }],
    }
}

fn received(node: &Node) -> Vec<Message> {
    let received = node.log.all().into_iter().filter_map(|event| match event {
        Event::Received { message, .. } => Some(message),
        _ => None,
    });
    received.collect()
}

#[test]
fn messages_arrive_in_order_at_the_beginning_and_after_a_wake() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.node(1, |_| {}), net.node(2, |_| {}));
        alice.outbox.lock().unwrap().extend((0..5).map(message));
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        net.eventually("the first", || received(&bob).len() == 5)
            .await;
        for node in [&alice, &bob] {
            assert_eq!(node.log.opened().len(), 1);
        }
        bob.outbox.lock().unwrap().extend((0..101).map(message));
        alice.outbox.lock().unwrap().push(message(5));
        net.pass(secs(5)).await;
        assert_eq!(received(&bob).len(), 5);
        for node in [&alice, &bob] {
            let (session, _, _) = node.log.opened()[0];
            for _ in 0..3 {
                node.mesh.wake().tell(Wake { session }).unwrap();
            }
        }
        net.eventually("the others", || received(&bob).len() == 6)
            .await;
        net.eventually("the many", || received(&alice).len() == 101)
            .await;
        assert_eq!(received(&bob), (0..6).map(message).collect::<Vec<_>>());
        assert_eq!(received(&alice), (0..101).map(message).collect::<Vec<_>>());
    });
}

#[test]
fn malformed_messages_end_their_session_and_no_other() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.node(1, |_| {}), net.node(2, |_| {}));
        for topic in [TOPIC, OTHER] {
            alice.join(topic).await;
        }
        bob.join(TOPIC).await;
        alice.until_sessions(TOPIC, 1).await;
        let mallory = Raw::new(&net, 3);
        let connection = mallory.connect(&alice).await;
        let (_one, _two) = mallory
            .session(&*connection, OTHER, &secret_of(OTHER))
            .await;
        let (mut replicate, _gossip) = mallory
            .session(&*connection, TOPIC, &secret_of(TOPIC))
            .await;
        alice.until_sessions(TOPIC, 2).await;
        for number in 1..=OFFENCES_MAX {
            assert_eq!(alice.log.closed(), []);
            // One that is good between those that are not changes nothing.
            send(&mut replicate, message(0).encode().unwrap()).await;
            let garbage: &'static [u8] = if number % 2 == 0 { b"" } else { b"\x01\xff" };
            send(&mut replicate, Bytes::from_static(garbage)).await;
            net.pass(Duration::from_millis(10)).await;
        }
        alice.until_sessions(TOPIC, 1).await;
        assert!(drain(&mut replicate).await.1.is_some());
        assert_eq!(alice.log.closed().len(), 1);
        assert_eq!(alice.sessions(TOPIC).await, [bob.device]);
        assert_eq!(alice.sessions(OTHER).await, [mallory.device]);
        // It does not come back soon.
        let judgement = mallory
            .authenticate(&*connection, TOPIC, &secret_of(TOPIC))
            .await;
        assert_eq!(judgement, Judgement::Refused);
        net.pass(secs(61)).await;
        let judgement = mallory
            .authenticate(&*connection, TOPIC, &secret_of(TOPIC))
            .await;
        assert_eq!(judgement, Judgement::Admitted);
    });
}

#[test]
fn a_replica_that_does_not_answer_stops_the_sender() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let handed = Arc::new(AtomicUsize::new(0));
        let stuck = {
            let handed = Arc::clone(&handed);
            Port::from_fn(&net.world.spawner, move |_: Receive| {
                handed.fetch_add(1, Ordering::Relaxed);
                std::future::pending()
            })
        };
        let alice = net.node(1, |setup| {
            setup.ports.replication.as_mut().unwrap().receive = stuck;
        });
        alice.join(TOPIC).await;
        let peer = Raw::new(&net, 2);
        let connection = peer.connect(&alice).await;
        let (mut replicate, _gossip) = peer.session(&*connection, TOPIC, &secret_of(TOPIC)).await;
        let Message::Want { ranges } = message(0) else {
            unreachable!()
        };
        let large = Message::Want {
            ranges: ranges.repeat(8_000),
        };
        let frame = large.encode().unwrap();
        let mut sent = 0;
        let flood = async {
            loop {
                send(&mut replicate, frame.clone()).await;
                sent += frame.len();
            }
        };
        assert!(tokio::time::timeout(secs(30), flood).await.is_err());
        assert_eq!(handed.load(Ordering::Relaxed), 4);
        assert!(sent <= 8 * 1024 * 1024, "{sent} bytes were taken");
        // Stuck for a minute is broken.
        alice.until_sessions(TOPIC, 0).await;
        net.eventually("closed", || alice.log.closed().len() == 1)
            .await;
    });
}

#[test]
fn gossip_is_limited_in_size_and_rate() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.chatter(1), net.chatter(2));
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        alice.until_sessions(TOPIC, 1).await;
        let large = Bytes::from(vec![0; GOSSIP_BYTES_MAX + 1]);
        let broadcast = |topic, payload| {
            let port = alice.mesh.broadcast();
            async move {
                let broadcast = dxos_protocol::mesh::Broadcast {
                    topic,
                    payload,
                    except: None,
                };
                port.ask(broadcast).await.unwrap()
            }
        };
        assert!(broadcast(TOPIC, large.clone()).await.is_err());
        assert!(broadcast(OTHER, Bytes::new()).await.is_err());
        assert!(broadcast(TOPIC, large.slice(1..)).await.is_ok());
        for number in 0..1_000_u32 {
            alice.say(TOPIC, number.to_be_bytes().to_vec()).await;
        }
        net.pass(secs(10)).await;
        // A burst of two seconds, and what little time went by.
        let heard = bob.heard().len();
        assert!((10..=140).contains(&heard), "{heard}");
        // The last of what was sent arrives: it is the oldest that is dropped.
        alice.say(TOPIC, "last").await;
        net.eventually("the last", || {
            bob.heard().last() == Some(&(alice.device, Bytes::from("last")))
        })
        .await;
        assert_eq!(alice.sessions(TOPIC).await, [bob.device]);
    });
}

#[test]
fn sessions_end_when_echo_says_so() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.node(1, |_| {}), net.node(2, |_| {}));
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        alice.until_sessions(TOPIC, 1).await;
        bob.until_sessions(TOPIC, 1).await;
        let (session, _, _) = alice.log.opened()[0];
        let reason = SessionError::Offence {
            reason: "a test".into(),
        };
        let end = EndSession { session, reason };
        alice.mesh.end_session().ask(end).await.unwrap();
        net.eventually("both closed", || {
            alice.log.closed().len() == 1 && bob.log.closed().len() == 1
        })
        .await;
        net.pass(secs(30)).await;
        assert_eq!(alice.log.opened().len(), 1);
        // In time it is forgiven.
        alice.until_sessions(TOPIC, 1).await;
        bob.until_sessions(TOPIC, 1).await;
    });
}

#[test]
fn leaving_ends_the_sessions_of_that_swarm_alone() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.node(1, |_| {}), net.node(2, |_| {}));
        for node in [&alice, &bob] {
            node.join(TOPIC).await;
            node.join(OTHER).await;
        }
        for node in [&alice, &bob] {
            node.until_sessions(TOPIC, 1).await;
            node.until_sessions(OTHER, 1).await;
            assert_eq!(node.report().await.connections.len(), 1);
        }
        let leave = LeaveSwarm { topic: TOPIC };
        alice
            .mesh
            .leave()
            .ask(leave.clone())
            .await
            .unwrap()
            .unwrap();
        assert!(alice.mesh.leave().ask(leave).await.unwrap().is_err());
        bob.until_sessions(TOPIC, 0).await;
        net.pass(secs(60)).await;
        assert_eq!(bob.sessions(OTHER).await, [alice.device]);
        assert_eq!(bob.log.closed().len(), 1);
        alice.join(TOPIC).await;
        bob.until_sessions(TOPIC, 1).await;
    });
}
