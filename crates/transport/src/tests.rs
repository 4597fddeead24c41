use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dxos_keys::{DeviceKey, DeviceSecret, Topic};
use dxos_wire::StreamKind;
use tokio::time::{Instant, timeout};

use crate::conformance::{self, Endpoints, connect};
use crate::mem::{LinkConfig, MemConfig, MemDiscovery, MemNetwork, MemTransport};
use crate::{
    Announcement, CloseReason, Combined, ConnectError, Connection, Discovery, DiscoveryEvent,
    PeerAddress, StaticPeers, Stream, StreamError, Transport,
};

fn secret(byte: u8) -> DeviceSecret {
    DeviceSecret::from_seed(&[byte; 32])
}

fn two(network: &MemNetwork) -> Endpoints {
    Endpoints {
        a: network.endpoint(&secret(1)),
        b: network.endpoint(&secret(2)),
    }
}

const SLOW: LinkConfig = LinkConfig {
    latency: Duration::from_millis(30),
    jitter: Duration::from_millis(20),
    bandwidth: Some(50_000_000),
    drop_per_million: 0,
    refuse_per_million: 0,
};

async fn stream(a: &dyn Connection, b: &dyn Connection) -> (Stream, Stream) {
    let (near, far) = tokio::join!(a.open(StreamKind::Gossip), b.accept());
    (near.unwrap(), far.unwrap().1)
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    conformance::all(|| async { two(&MemNetwork::new(1)) }).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_on_a_slow_network() {
    conformance::all(|| async {
        let config = MemConfig {
            link: SLOW,
            ..MemConfig::default()
        };
        two(&MemNetwork::with_config(2, config))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_several_threads_in_real_time() {
    conformance::all(|| async { two(&MemNetwork::new(3)) }).await;
}

#[tokio::test(start_paused = true)]
async fn latency_is_what_was_asked_for() {
    let network = MemNetwork::new(1);
    let ends = two(&network);
    let link = LinkConfig {
        latency: Duration::from_millis(100),
        ..LinkConfig::default()
    };
    network.set_link(ends.a.device(), ends.b.device(), link);
    let start = Instant::now();
    let (a, b) = connect(&ends).await;
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    let (mut near, mut far) = stream(&*a, &*b).await;
    let start = Instant::now();
    near.sender.send(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    far.receiver.receive().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert_eq!(a.stats().rtt, Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn bandwidth_limits() {
    let network = MemNetwork::new(1);
    let ends = two(&network);
    let link = LinkConfig {
        bandwidth: Some(1_000_000),
        ..LinkConfig::default()
    };
    network.set_link(ends.a.device(), ends.b.device(), link);
    let (a, b) = connect(&ends).await;
    let (mut near, mut far) = stream(&*a, &*b).await;
    let start = Instant::now();
    let send = async {
        for _ in 0..20 {
            let frame = Bytes::from(vec![0; 100_000]);
            near.sender.send(frame).await.unwrap();
        }
        near.sender.finish().await.unwrap();
    };
    let receive = async { while far.receiver.receive().await.unwrap().is_some() {} };
    tokio::join!(send, receive);
    let took = start.elapsed().as_secs_f64();
    assert!((2.0..2.3).contains(&took), "{took}");
    assert!(network.faults().frames_throttled > 0);
    assert!(network.faults().sends_blocked > 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_partition_holds_frames_back() {
    let network = MemNetwork::new(1);
    let ends = two(&network);
    let (device_a, device_b) = (ends.a.device(), ends.b.device());
    let (a, b) = connect(&ends).await;
    let (mut near, mut far) = stream(&*a, &*b).await;
    near.sender
        .send(Bytes::from_static(b"before"))
        .await
        .unwrap();
    network.partition(&[device_a], &[device_b]);
    near.sender
        .send(Bytes::from_static(b"during"))
        .await
        .unwrap();
    let before = far.receiver.receive().await.unwrap().unwrap();
    assert_eq!(before, "before");
    let wait = timeout(Duration::from_secs(5), far.receiver.receive()).await;
    assert!(wait.is_err());
    let error = ends.a.connect(device_b, &ends.b.addresses()).await;
    assert!(matches!(error, Err(ConnectError::TimedOut { .. })));
    // A connection lives through partitions that are each shorter than the timeout.
    network.heal(device_a, device_b);
    let during = far.receiver.receive().await.unwrap().unwrap();
    assert_eq!(during, "during");
    assert_eq!(network.faults().frames_cut, 1);
    assert_eq!(network.faults().connects_cut, 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_partition_ends_connections_on_both_sides() {
    for watched in [true, false] {
        let network = MemNetwork::new(1);
        let ends = two(&network);
        let (a, b) = connect(&ends).await;
        network.isolate(ends.a.device());
        if watched {
            let start = Instant::now();
            assert_eq!(a.closed().await, CloseReason::TimedOut);
            assert_eq!(b.closed().await, CloseReason::TimedOut);
            assert_eq!(start.elapsed(), Duration::from_secs(15));
        } else {
            // Nobody looks until it has been healed.
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        network.heal_all();
        assert_eq!(b.closed().await, CloseReason::TimedOut);
        assert_eq!(a.closed().await, CloseReason::TimedOut);
        assert_eq!(network.faults().connections_timed_out, 1);
        drop((a, b));
        assert_eq!(network.faults().connections_timed_out, 1);
        connect(&ends).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_does_not_cross_a_partition() {
    let network = MemNetwork::new(1);
    let ends = two(&network);
    let (a, b) = connect(&ends).await;
    network.isolate(ends.a.device());
    a.close(CloseReason::Refused);
    let wait = timeout(Duration::from_secs(5), b.closed()).await;
    assert!(wait.is_err());
    network.heal_all();
    assert_eq!(b.closed().await, CloseReason::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_crash_says_no_goodbye_and_the_device_can_come_back() {
    let network = MemNetwork::new(1);
    let a = network.endpoint(&secret(1));
    let b = network.endpoint(&secret(2));
    let number = b.number();
    let ends = Endpoints {
        a: Arc::clone(&a) as _,
        b: Arc::clone(&b) as _,
    };
    let (near, far) = connect(&ends).await;
    assert!(network.endpoint_at(&secret(2), number).is_err());
    network.crash(secret(2).device());
    assert_eq!(far.closed().await, CloseReason::Lost);
    assert!(b.accept().await.is_none());
    let wait = timeout(Duration::from_secs(14), near.closed()).await;
    assert!(wait.is_err());
    let again = network.endpoint_at(&secret(2), number).unwrap();
    let ends = Endpoints { a, b: again };
    connect(&ends).await;
    // The old endpoint does not take anything from the new one.
    assert!(b.accept().await.is_none());
    assert!(matches!(
        b.connect(secret(1).device(), &ends.a.addresses()).await,
        Err(ConnectError::Closed)
    ));
    drop(b);
    connect(&ends).await;
    assert_eq!(near.closed().await, CloseReason::TimedOut);
    assert_eq!(network.faults().crashes, 1);
    assert_eq!(network.faults().connections_timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn connections_break_by_chance_and_on_demand() {
    let network = MemNetwork::new(1);
    let ends = two(&network);
    let (a, b) = connect(&ends).await;
    let dropped = network.drop_connections(ends.b.device(), ends.a.device());
    assert_eq!(dropped, 1);
    assert_eq!(a.closed().await, CloseReason::Lost);
    assert_eq!(b.closed().await, CloseReason::Lost);
    assert_eq!(network.connections(), 0);
    let link = LinkConfig {
        drop_per_million: 100_000,
        refuse_per_million: 500_000,
        ..LinkConfig::default()
    };
    network.set_link(ends.a.device(), ends.b.device(), link);
    let mut broken = 0;
    for _ in 0..20 {
        let connected = ends.a.connect(ends.b.device(), &ends.b.addresses()).await;
        let Ok(a) = connected else {
            assert!(matches!(connected, Err(ConnectError::Refused { .. })));
            continue;
        };
        let b = ends.b.accept().await.unwrap();
        let (mut near, mut far) = stream(&*a, &*b).await;
        for _ in 0..10 {
            if let Err(error) = near.sender.send(Bytes::new()).await {
                assert_eq!(error, StreamError::Closed(CloseReason::Lost));
                broken += 1;
                while far.receiver.receive().await.is_ok() {}
                assert_eq!(b.closed().await, CloseReason::Lost);
                break;
            }
        }
    }
    assert!(broken > 0);
    assert_eq!(network.faults().connections_dropped, broken + 1);
    assert!(network.faults().connects_refused > 0);
}

#[tokio::test(start_paused = true)]
async fn an_impostor_is_never_reached_under_anothers_name() {
    let network = MemNetwork::new(1);
    let alice = network.endpoint(&secret(1));
    let bob = network.endpoint(&secret(2));
    let mallory = network.endpoint(&secret(3));
    let wrong = alice.connect(bob.device(), &mallory.addresses()).await;
    assert_eq!(
        wrong.unwrap_err(),
        ConnectError::WrongKey {
            expected: bob.device(),
            address: PeerAddress::Memory(mallory.number()),
        }
    );
    // With both addresses, only the right one counts.
    let addresses = [mallory.addresses(), bob.addresses()].concat();
    let connected = alice.connect(bob.device(), &addresses).await.unwrap();
    assert_eq!(connected.peer(), bob.device());
    assert_eq!(bob.accept().await.unwrap().peer(), alice.device());
    assert!(
        timeout(Duration::from_secs(1), mallory.accept())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_endpoint_refuses() {
    let config = MemConfig {
        connections_max: 2,
        ..MemConfig::default()
    };
    let network = MemNetwork::with_config(1, config);
    let ends = two(&network);
    let one = connect(&ends).await;
    let _two = connect(&ends).await;
    let full = ends.a.connect(ends.b.device(), &ends.b.addresses()).await;
    assert!(matches!(full, Err(ConnectError::Refused { .. })));
    drop(one);
    connect(&ends).await;
}

type Log = Vec<(Duration, String)>;
type Trace = Vec<(Duration, DeviceKey, usize, [u8; 32])>;

/// A little traffic on a bad network; what happened, in order.
async fn run(seed: u64) -> (Trace, Log) {
    let config = MemConfig {
        link: LinkConfig {
            drop_per_million: 20_000,
            ..SLOW
        },
        ..MemConfig::default()
    };
    let network = MemNetwork::with_config(seed, config);
    let trace = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&trace);
    network.on_frame(move |event| {
        let entry = (event.at, event.from, event.length, event.digest);
        sink.lock().unwrap().push(entry);
    });
    let a = network.endpoint(&secret(1));
    let b = network.endpoint(&secret(2));
    let (log, start) = (Mutex::new(Vec::new()), Instant::now());
    let note = |text: String| {
        log.lock().unwrap().push((start.elapsed(), text));
    };
    let talk = |a: Arc<MemTransport>, b: Arc<MemTransport>| {
        let note = &note;
        async move {
            for _ in 0..10 {
                let Ok(connection) = a.connect(b.device(), &b.addresses()).await else {
                    continue;
                };
                let Ok(mut one) = connection.open(StreamKind::Gossip).await else {
                    continue;
                };
                let Ok(mut two) = connection.open(StreamKind::Replicate).await else {
                    continue;
                };
                for length in 0..20 {
                    let frame = Bytes::from(vec![7; length]);
                    let sent = one.sender.send(frame.clone()).await;
                    let other = two.sender.send(frame).await;
                    note(format!("sent {sent:?} {other:?}"));
                }
                note(format!("{:?}", two.receiver.receive().await));
            }
        }
    };
    let serve = async {
        while let Some(connection) = b.accept().await {
            while let Ok((kind, mut stream)) = connection.accept().await {
                for _ in 0..10 {
                    note(format!("{kind:?} {:?}", stream.receiver.receive().await));
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = talk(Arc::clone(&a), Arc::clone(&b)) => {}
        () = serve => {}
    }
    assert!(network.faults().connections_dropped > 0);
    assert!(network.faults().frames_delayed > 0);
    let trace = trace.lock().unwrap().clone();
    (trace, log.into_inner().unwrap())
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(seed))
    };
    let first = run(11);
    assert_eq!(first, run(11));
    assert_ne!(first, run(12));
}

fn announcement(byte: u8, addresses: &[u64]) -> Announcement {
    Announcement {
        device: secret(byte).device(),
        addresses: addresses.iter().copied().map(PeerAddress::Memory).collect(),
    }
}

fn found(byte: u8, addresses: &[u64]) -> DiscoveryEvent {
    let Announcement { device, addresses } = announcement(byte, addresses);
    DiscoveryEvent::PeerFound { device, addresses }
}

#[tokio::test]
async fn several_sources_of_peers_are_one() {
    let topic = Topic::from_bytes([1; 32]);
    let one = MemDiscovery::default();
    let two = MemDiscovery::default();
    let fixed = StaticPeers::new([
        announcement(1, &[99]),
        announcement(3, &[30]),
        announcement(3, &[30, 31]),
    ]);
    let all = Combined::new(vec![
        Arc::new(one.clone()),
        Arc::new(two.clone()),
        Arc::new(fixed),
    ]);
    let mut me = all.join(topic, announcement(1, &[1])).await.unwrap();
    assert_eq!(me.next().await, Some(found(3, &[30, 31])));
    let in_one = one.join(topic, announcement(2, &[20])).await.unwrap();
    assert_eq!(me.next().await, Some(found(2, &[20])));
    let in_two = two.join(topic, announcement(2, &[20, 21])).await.unwrap();
    assert_eq!(me.next().await, Some(found(2, &[20, 21])));
    let elsewhere = Topic::from_bytes([2; 32]);
    let _other = two.join(elsewhere, announcement(4, &[])).await.unwrap();
    drop(in_two);
    assert_eq!(me.next().await, Some(found(2, &[20])));
    drop(in_one);
    let device = secret(2).device();
    assert_eq!(me.next().await, Some(DiscoveryEvent::PeerLost { device }));
    let mut nobody = Combined::default()
        .join(topic, announcement(1, &[]))
        .await
        .unwrap();
    assert_eq!(nobody.next().await, None);
}
