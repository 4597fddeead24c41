//! Handshakes, honest and otherwise.

use bytes::Bytes;
use dxos_actors::{Port, testing};
use dxos_keys::FeedId;
use dxos_protocol::auth::{
    Evidence, EvidenceRest, HelloReply, JudgeEvidence, Judgement, PresentEvidence, Presented,
    SwarmSecret,
};
use dxos_transport::{Announcement, Connection, Discovery as _, Transport as _};
use dxos_wire::StreamKind;

use super::raw::{Raw, drain, receive, send};
use super::{Event, Net, Node, OTHER, TOPIC, secret_of, secs};

/// Nothing beyond the handshake's refusal was said or even asked.
fn assert_nothing_asked(node: &Node) {
    assert_eq!(node.log.all(), []);
}

#[test]
fn two_peers_authenticate_and_exchange_gossip() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let (alice, bob) = (net.chatter(1), net.chatter(2));
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        alice.until_sessions(TOPIC, 1).await;
        alice.say(TOPIC, "hello").await;
        bob.until_sessions(TOPIC, 1).await;
        bob.say(TOPIC, "welcome").await;
        net.eventually("gossip", || {
            alice.heard().len() == 1 && bob.heard().len() == 1
        })
        .await;
        assert_eq!(bob.heard(), [(alice.device, Bytes::from("hello"))]);
        assert_eq!(alice.heard(), [(bob.device, Bytes::from("welcome"))]);
        assert_eq!(alice.report().await.refused, 0);
        assert_eq!(bob.report().await.connections.len(), 1);
    });
}

#[test]
fn who_knows_only_the_topic_gets_the_refusal_and_nothing_else() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |_| {});
        alice.join(TOPIC).await;
        let mallory = Raw::new(&net, 2);
        let connection = mallory.connect(&alice).await;
        let wrong = SwarmSecret::from_bytes([0; 32]);
        let mut seen = Vec::new();
        // The same for a topic that Alice is in and for one that she is not in.
        for topic in [TOPIC, OTHER] {
            let mut stream = connection.open(StreamKind::Auth).await.unwrap();
            let hello = mallory.hello(&*connection, topic, &wrong);
            send(&mut stream, hello.encode().unwrap()).await;
            seen.push(drain(&mut stream).await);
            // And the streams of a session that there is not.
            for kind in [StreamKind::Replicate, StreamKind::Gossip] {
                let mut stream = mallory.open(&*connection, kind, topic).await;
                let (frames, error) = drain(&mut stream).await;
                assert_eq!(frames, Vec::<Bytes>::new());
                assert!(error.is_some());
            }
        }
        let refusal = HelloReply::Refused.encode().unwrap();
        assert_eq!(seen, [(vec![refusal.clone()], None), (vec![refusal], None)]);
        // Alice opens no stream of her own, and gives up the connection after a while.
        assert!(connection.accept().await.is_err());
        assert_nothing_asked(&alice);
        let report = alice.report().await;
        assert_eq!(report.refused, 2);
        assert_eq!(report.swarms[0].sessions, []);
        assert_eq!(report.connections, []);
    });
}

#[test]
fn who_announces_itself_without_the_secret_gets_a_proof_it_cannot_use() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |_| {});
        alice.join(TOPIC).await;
        let mallory = Raw::new(&net, 2);
        let me = Announcement {
            device: mallory.device,
            addresses: mallory.transport.addresses(),
        };
        let _presence = net.discovery.join(TOPIC, me).await.unwrap();
        // Reflecting the proof, and making one up.
        for reflect in [true, false] {
            let connection = mallory.transport.accept().await.unwrap();
            let (kind, mut stream) = connection.accept().await.unwrap();
            assert_eq!(kind, StreamKind::Auth);
            let hello = receive(&mut stream).await;
            let hello = dxos_protocol::auth::Hello::decode(&hello).unwrap();
            let proof = if reflect { hello.proof } else { [9; 32] };
            let reply = HelloReply::Accepted { proof };
            send(&mut stream, reply.encode().unwrap()).await;
            assert_eq!(drain(&mut stream).await.0, Vec::<Bytes>::new());
            // A proof of Alice's, shown by Mallory to Alice: she is another device.
            let mut stream = connection.open(StreamKind::Auth).await.unwrap();
            send(&mut stream, hello.encode().unwrap()).await;
            let (frames, _) = drain(&mut stream).await;
            assert_eq!(frames, [HelloReply::Refused.encode().unwrap()]);
            connection.close(dxos_transport::CloseReason::Done);
        }
        assert_nothing_asked(&alice);
        assert!(alice.sessions(TOPIC).await.is_empty());
    });
}

#[test]
fn a_proof_is_worth_nothing_on_another_connection_or_for_another_swarm() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |_| {});
        alice.join(TOPIC).await;
        alice.join(OTHER).await;
        let member = Raw::new(&net, 2);
        let first = member.connect(&alice).await;
        let captured = member.hello(&*first, TOPIC, &secret_of(TOPIC));
        first.close(dxos_transport::CloseReason::Done);
        net.pass(secs(3)).await;
        let second = member.connect(&alice).await;
        let fresh = member.hello(&*second, TOPIC, &secret_of(TOPIC));
        let mut moved = fresh.clone();
        moved.topic = OTHER;
        for (hello, accepted) in [(captured, false), (moved, false), (fresh, true)] {
            let mut stream = second.open(StreamKind::Auth).await.unwrap();
            send(&mut stream, hello.encode().unwrap()).await;
            let reply = HelloReply::decode(&receive(&mut stream).await).unwrap();
            assert_eq!(reply != HelloReply::Refused, accepted);
        }
    });
}

#[test]
fn who_fails_too_often_is_disconnected_and_kept_out_for_a_while() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |_| {});
        let bob = net.node(2, |_| {});
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        alice.until_sessions(TOPIC, 1).await;
        let mallory = Raw::new(&net, 3);
        let connection = mallory.connect(&alice).await;
        let wrong = SwarmSecret::from_bytes([0; 32]);
        let mut tries = 0;
        while let Ok(mut stream) = connection.open(StreamKind::Auth).await {
            tries += 1;
            assert!(tries <= 16);
            let hello = mallory.hello(&*connection, TOPIC, &wrong);
            let _ = stream.sender.send(hello.encode().unwrap()).await;
            drain(&mut stream).await;
        }
        assert_eq!(tries, 16);
        assert_eq!(
            connection.closed().await,
            dxos_transport::CloseReason::Refused
        );
        let again = mallory.connect(&alice).await;
        assert_eq!(again.closed().await, dxos_transport::CloseReason::Refused);
        // Bob's session is as before.
        assert_eq!(alice.log.closed(), []);
        assert_eq!(alice.sessions(TOPIC).await, [bob.device]);
    });
}

#[test]
fn evidence_that_does_not_hold_is_refused() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |setup| {
            setup.ports.judge = Port::stub(|_: JudgeEvidence| Judgement::Refused);
        });
        let bob = net.node(2, |_| {});
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        net.pass(secs(20)).await;
        for node in [&alice, &bob] {
            assert!(node.sessions(TOPIC).await.is_empty());
            assert_eq!(node.log.opened(), []);
        }
        assert!(alice.report().await.refused > 0);
    });
}

/// Admits only those that show everything.
fn demanding() -> Port<JudgeEvidence> {
    Port::stub(|JudgeEvidence { evidence, .. }| {
        if evidence == super::evidence(true) {
            Judgement::Admitted
        } else {
            Judgement::NeedMore
        }
    })
}

#[test]
fn more_evidence_is_shown_when_it_is_asked_for() {
    for demands in [[true, false], [false, true], [true, true]] {
        testing::run(1, |world| async move {
            let net = Net::new(world);
            let nodes = [(1, demands[0]), (2, demands[1])].map(|(number, demands)| {
                net.node(number, |setup| {
                    if demands {
                        setup.ports.judge = demanding();
                    }
                })
            });
            for node in &nodes {
                node.join(TOPIC).await;
            }
            for (node, asked) in nodes.iter().zip([demands[1], demands[0]]) {
                node.until_sessions(TOPIC, 1).await;
                let full = node
                    .log
                    .count(|event| *event == Event::Presented { full: true });
                assert_eq!(full, usize::from(asked));
            }
        });
    }
}

/// Shows `parts` large parts when asked for all.
fn in_parts(parts: u64) -> Port<PresentEvidence> {
    Port::stub(move |PresentEvidence { full, rest, .. }| {
        let feed = FeedId::from_bytes([0; 32]);
        let shown = rest.map_or(0, |EvidenceRest(places)| places[&feed].0) + 1;
        let rest = (full && shown < parts)
            .then(|| EvidenceRest([(feed, (shown, parts))].into_iter().collect()));
        let mut evidence = super::evidence(full);
        if full {
            evidence.bytes = vec![u8::from(rest.is_none()); 900 * 1024].into();
        }
        evidence.more = rest.is_some();
        Ok(Presented { evidence, rest })
    })
}

/// Lets in who shows the last part.
fn until_the_last() -> Port<JudgeEvidence> {
    Port::stub(|JudgeEvidence { evidence, .. }| {
        if evidence.bytes.first() == Some(&1) {
            Judgement::Admitted
        } else {
            Judgement::NeedMore
        }
    })
}

#[test]
fn much_evidence_is_shown_in_parts_by_both_at_once() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let nodes = [1, 2].map(|seed| {
            net.node(seed, |setup| {
                setup.ports.present = in_parts(20);
                setup.ports.judge = until_the_last();
            })
        });
        for node in &nodes {
            node.join(TOPIC).await;
        }
        net.pass(secs(60)).await;
        for node in &nodes {
            assert_eq!(node.log.opened().len(), 1);
        }
    });
}

#[test]
fn evidence_that_goes_on_for_ever_ends_the_handshake() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |setup| setup.ports.judge = until_the_last());
        let bob = net.node(2, |setup| setup.ports.present = in_parts(u64::MAX));
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        net.pass(secs(120)).await;
        assert_eq!(alice.log.opened(), []);
        assert_eq!(bob.log.opened(), []);
    });
}

#[test]
fn who_cannot_show_enough_is_refused() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |setup| setup.ports.judge = demanding());
        let bob = net.node(2, |setup| {
            setup.ports.present =
                Port::stub(|_: PresentEvidence| Ok(Presented::whole(super::evidence(false).bytes)));
        });
        alice.join(TOPIC).await;
        bob.join(TOPIC).await;
        net.pass(secs(20)).await;
        assert_eq!(alice.log.opened(), []);
        assert_eq!(bob.log.opened(), []);
        assert!(alice.report().await.refused > 0);
    });
}

/// How far a peer goes before it falls silent.
#[derive(Clone, Copy, Debug)]
enum Stall {
    Kind,
    Hello,
    Evidence,
    Judgement,
    MoreEvidence,
    Streams,
}

#[test]
fn a_peer_that_falls_silent_is_dropped_at_every_step() {
    use Stall::{Evidence as Shown, Hello, Judgement as Judged, Kind, MoreEvidence, Streams};
    for stall in [Kind, Hello, Shown, Judged, MoreEvidence, Streams] {
        testing::run(1, |world| async move {
            let net = Net::new(world);
            let alice = net.node(1, |setup| {
                if matches!(stall, MoreEvidence) {
                    setup.ports.judge = demanding();
                }
            });
            alice.join(TOPIC).await;
            let loris = Raw::new(&net, 2);
            let connection = loris.connect(&alice).await;
            let begin = net.world.clock.now();
            let mut stream = connection.open(StreamKind::Auth).await.unwrap();
            stall_at(&loris, &*connection, &mut stream, stall).await;
            drain(&mut stream).await;
            net.eventually("the session ends", || {
                alice.log.opened().len() == alice.log.closed().len()
            })
            .await;
            let took = net.world.clock.now() - begin;
            assert!(took <= secs(11), "{stall:?}: {took:?}");
            assert!(alice.sessions(TOPIC).await.is_empty());
            // It costs no more than that: the connection itself is closed as unused.
            connection.closed().await;
            assert_eq!(alice.report().await.connections, []);
        });
    }
}

async fn stall_at(loris: &Raw, connection: &dyn Connection, stream: &mut super::Stream, at: Stall) {
    if matches!(at, Stall::Kind) {
        return;
    }
    let hello = loris.hello(connection, TOPIC, &secret_of(TOPIC));
    send(stream, hello.encode().unwrap()).await;
    receive(stream).await;
    if matches!(at, Stall::Hello) {
        return;
    }
    send(stream, super::evidence(false).encode().unwrap()).await;
    Evidence::decode(&receive(stream).await).unwrap();
    if matches!(at, Stall::Evidence) {
        return;
    }
    let judgement = Judgement::decode(&receive(stream).await).unwrap();
    if matches!(at, Stall::Judgement) {
        return;
    }
    send(stream, Judgement::Admitted.encode().unwrap()).await;
    if matches!(at, Stall::MoreEvidence) {
        assert_eq!(judgement, Judgement::NeedMore);
    }
}

#[test]
fn a_peer_that_never_answers_a_handshake_is_given_up() {
    testing::run(1, |world| async move {
        let net = Net::new(world);
        let alice = net.node(1, |_| {});
        alice.join(TOPIC).await;
        let loris = Raw::new(&net, 2);
        let me = Announcement {
            device: loris.device,
            addresses: loris.transport.addresses(),
        };
        let _presence = net.discovery.join(TOPIC, me).await.unwrap();
        let connection = loris.transport.accept().await.unwrap();
        let (_, mut stream) = connection.accept().await.unwrap();
        receive(&mut stream).await;
        let begin = net.world.clock.now();
        drain(&mut stream).await;
        assert_eq!((net.world.clock.now() - begin).as_secs(), 10);
        assert!(alice.sessions(TOPIC).await.is_empty());
    });
}
