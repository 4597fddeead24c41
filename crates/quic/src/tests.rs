use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_keys::{DeviceKey, DeviceSecret, Domain, Signature, Signer};
use dxos_transport::conformance::{self, Endpoints, connect};
use dxos_transport::{CloseReason, ConnectError, PeerAddress, StreamError, Transport};
use dxos_wire::StreamKind;
use dxos_wire::limits::FRAME_BYTES_MAX;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use tokio::join;
use tokio::time::timeout;

use crate::tls::{Identity, PROTOCOL, SERVER_NAME, Verifier};
use crate::{BindError, QuicConfig, QuicTransport};

fn secret(byte: u8) -> Arc<DeviceSecret> {
    Arc::new(DeviceSecret::from_seed(&[byte; 32]))
}

fn local() -> QuicConfig {
    QuicConfig {
        handshake_timeout: Duration::from_millis(1500),
        ..QuicConfig::at(([127, 0, 0, 1], 0))
    }
}

fn endpoint(byte: u8) -> Arc<QuicTransport> {
    Arc::new(QuicTransport::bind(local(), secret(byte)).unwrap())
}

fn two() -> Endpoints {
    Endpoints {
        a: endpoint(1),
        b: endpoint(2),
    }
}

#[tokio::test]
async fn conforms() {
    conformance::all(|| async { two() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_several_threads() {
    conformance::all(|| async { two() }).await;
}

/// Says that it is one device and signs as another.
#[derive(Debug)]
struct Impostor {
    claims: DeviceKey,
    really: DeviceSecret,
}

impl Signer for Impostor {
    fn device(&self) -> DeviceKey {
        self.claims
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.really.sign(domain, message)
    }
}

fn impostor(claims: u8, really: u8) -> Arc<Impostor> {
    Arc::new(Impostor {
        claims: secret(claims).device(),
        really: DeviceSecret::from_seed(&[really; 32]),
    })
}

/// Waits a little for something that must not happen.
async fn never<T>(what: impl Future<Output = T>) {
    let wait = timeout(Duration::from_millis(300), what).await;
    assert!(wait.is_err());
}

#[tokio::test]
async fn a_server_without_the_secret_is_refused() {
    let alice = endpoint(1);
    let fake = QuicTransport::bind(local(), impostor(2, 3)).unwrap();
    let (bob, addresses) = (fake.device(), fake.addresses());
    let connected = tokio::select! {
        biased;
        connected = alice.connect(bob, &addresses) => connected,
        _ = fake.accept() => panic!("accepted"),
    };
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_without_the_secret_is_refused() {
    let bob = endpoint(2);
    let fake = QuicTransport::bind(local(), impostor(1, 3)).unwrap();
    let attempt = async {
        // The client's part of a handshake is over before the server has judged it.
        if let Ok(connection) = fake.connect(bob.device(), &bob.addresses()).await {
            connection.closed().await;
        }
    };
    let ((), ()) = join!(never(bob.accept()), attempt);
    // Honest devices are as welcome as before.
    let ends = Endpoints {
        a: endpoint(1),
        b: bob,
    };
    connect(&ends).await;
}

/// A client as `alice` would be, but for what `change` changes.
fn odd_client(change: impl FnOnce(&mut rustls::ClientConfig), with_key: bool) -> Endpoint {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .dangerous()
    .with_custom_certificate_verifier(Arc::new(Verifier::any()));
    let mut config = builder.with_no_client_auth();
    if with_key {
        // Only its resolver is taken over.
        config.client_auth_cert_resolver = client_resolver();
    }
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    change(&mut config);
    let crypto = QuicClientConfig::try_from(config).unwrap();
    let mut endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
    endpoint
}

fn client_resolver() -> Arc<dyn rustls::client::ResolvesClientCert> {
    Identity::new(secret(1)).client_resolver()
}

#[tokio::test]
async fn no_key_or_another_protocol_gets_nothing() {
    let bob = endpoint(2);
    let address = bob.local_address().unwrap();
    let no_key = odd_client(|_| {}, false);
    let later = odd_client(
        |config| config.alpn_protocols = vec![b"dxos/2".to_vec()],
        true,
    );
    let none = odd_client(|config| config.alpn_protocols = vec![], true);
    for client in [no_key, later, none] {
        let attempt = async {
            let connecting = client.connect(address, SERVER_NAME).unwrap();
            if let Ok(connection) = connecting.await {
                connection.closed().await;
            }
        };
        let ((), ()) = join!(never(bob.accept()), attempt);
    }
}

#[tokio::test]
async fn early_data_and_resumption_are_off() {
    let bob = endpoint(2);
    let address = bob.local_address().unwrap();
    // A client that would like both.
    let eager = odd_client(
        |config| {
            config.enable_early_data = true;
            config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        },
        true,
    );
    for _ in 0..3 {
        let connecting = eager.connect(address, SERVER_NAME).unwrap();
        let Err(connecting) = connecting.into_0rtt() else {
            panic!("early data is possible");
        };
        let (connected, accepted) = join!(connecting, bob.accept());
        let (connected, accepted) = (connected.unwrap(), accepted.unwrap());
        assert_eq!(accepted.peer(), secret(1).device());
        // Time for a ticket to arrive, if there were one.
        let (mut send, mut receive) = connected.open_bi().await.unwrap();
        send.write_all(&StreamKind::Gossip.to_bytes())
            .await
            .unwrap();
        let (_, mut stream) = accepted.accept().await.unwrap();
        stream.sender.send(Bytes::from_static(b"x")).await.unwrap();
        receive.read_exact(&mut [0; 5]).await.unwrap();
        connected.close(0_u32.into(), b"");
    }
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
    let ends = two();
    let (near, far) = connect(&ends).await;
    let [PeerAddress::Ip(address)] = ends.b.addresses()[..] else {
        panic!("one address");
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 1_u32;
    for length in 0..1500 {
        let noise: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        socket.send_to(&noise, address).unwrap();
    }
    let (mut out, incoming) = (near.open(StreamKind::Gossip).await.unwrap(), far.accept());
    out.sender.send(Bytes::from_static(b"well")).await.unwrap();
    let (_, mut incoming) = incoming.await.unwrap();
    assert_eq!(incoming.receiver.receive().await.unwrap().unwrap(), "well");
    connect(&ends).await;
}

/// Passes on only the first datagrams of a client, so that its handshake never ends.
async fn stalling_relay(to: SocketAddr) -> SocketAddr {
    let relay = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let mut buffer = vec![0; 2000];
    let pass = async move {
        let (length, _) = relay.recv_from(&mut buffer).await.unwrap();
        relay.send_to(&buffer[..length], to).await.unwrap();
        std::future::pending::<()>().await;
    };
    // The runtime of the test ends it.
    #[expect(clippy::disallowed_methods, reason = "a stand-in for the network")]
    tokio::spawn(pass);
    address
}

#[tokio::test]
async fn slow_handshakes_hold_up_nobody_and_end() {
    let bob = endpoint(2);
    let stalled: Vec<_> = (10..30).map(endpoint).collect();
    let relay_to = bob.local_address().unwrap();
    let mut attempts = Vec::new();
    for client in &stalled {
        let address = PeerAddress::Ip(stalling_relay(relay_to).await);
        let peer = bob.device();
        attempts.push(Box::pin(async move {
            client.connect(peer, &[address]).await.unwrap_err()
        }));
    }
    let stall = futures_util::future::join_all(attempts);
    let ends = Endpoints {
        a: endpoint(1),
        b: Arc::clone(&bob) as _,
    };
    let honest = timeout(Duration::from_secs(1), connect(&ends));
    let (errors, honest) = join!(stall, honest);
    let honest = honest.unwrap();
    for error in errors {
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    }
    // Their remains at the server are gone after its own timeout.
    let gone = async {
        while bob.open_connections() > 1 {
            let _ = timeout(Duration::from_millis(20), bob.accept()).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(honest.1.peer(), ends.a.device());
}

#[tokio::test]
async fn a_port_in_use_is_said_to_be() {
    let first = endpoint(1);
    let address = first.local_address().unwrap();
    let second = QuicTransport::bind(QuicConfig::at(address), secret(2));
    assert_eq!(second.unwrap_err(), BindError::PortInUse { address });
    let nowhere = QuicConfig::at(([192, 0, 2, 1], 0));
    assert!(matches!(
        QuicTransport::bind(nowhere, secret(2)),
        Err(BindError::NoSuchAddress { .. })
    ));
    // Closed and dropped, it gives the port back.
    first.close().await;
    drop(first);
    let again = async {
        loop {
            match QuicTransport::bind(QuicConfig::at(address), secret(2)) {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(Duration::from_secs(5), again).await.unwrap();
}

#[test]
fn without_a_runtime_it_says_so() {
    let bound = QuicTransport::bind(local(), secret(1));
    assert_eq!(bound.unwrap_err(), BindError::NoRuntime);
}

#[tokio::test]
async fn an_endpoint_on_every_interface_has_addresses_that_work() {
    let everywhere = QuicConfig {
        listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        ..local()
    };
    let bob = Arc::new(QuicTransport::bind(everywhere.clone(), secret(2)).unwrap());
    let addresses = bob.addresses();
    let port = bob.local_address().unwrap().port();
    let loopback = PeerAddress::from(SocketAddr::from(([127, 0, 0, 1], port)));
    assert!(addresses.contains(&loopback));
    for address in &addresses {
        assert!(!address.to_string().starts_with("0.0.0.0"));
    }
    let ends = Endpoints {
        a: Arc::new(QuicTransport::bind(everywhere, secret(1)).unwrap()),
        b: bob,
    };
    connect(&ends).await;
    let advertise: Vec<PeerAddress> = vec!["peer.example.org:1".parse().unwrap()];
    let told = QuicConfig {
        advertise: advertise.clone(),
        ..local()
    };
    let told = QuicTransport::bind(told, secret(3)).unwrap();
    assert_eq!(told.addresses(), advertise);
}

#[tokio::test]
async fn names_are_looked_up_and_bad_addresses_do_not_delay_good_ones() {
    let ends = two();
    let [PeerAddress::Ip(address)] = ends.b.addresses()[..] else {
        panic!("one address");
    };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = [
        PeerAddress::Memory(1),
        "does-not-exist.invalid:1".parse().unwrap(),
        silent.local_addr().unwrap().into(),
        format!("localhost:{}", address.port()).parse().unwrap(),
    ];
    let attempt = ends.a.connect(ends.b.device(), &addresses);
    let (connected, accepted) = join!(attempt, ends.b.accept());
    assert_eq!(connected.unwrap().peer(), ends.b.device());
    assert!(accepted.is_some());
    let only_name = ends.a.connect(ends.b.device(), &addresses[1..2]).await;
    assert!(matches!(only_name, Err(ConnectError::Unreachable { .. })));
    let only_silent = ends.a.connect(ends.b.device(), &addresses[2..3]).await;
    assert!(matches!(only_silent, Err(ConnectError::TimedOut { .. })));
}

#[tokio::test]
async fn a_full_endpoint_refuses() {
    let config = QuicConfig {
        connections_max: 1,
        ..local()
    };
    let bob = Arc::new(QuicTransport::bind(config, secret(2)).unwrap());
    let ends = Endpoints {
        a: endpoint(1),
        b: Arc::clone(&bob) as _,
    };
    let _held = connect(&ends).await;
    let other = endpoint(3);
    let addresses = bob.addresses();
    let refused = tokio::select! {
        biased;
        refused = other.connect(bob.device(), &addresses) => refused,
        _ = bob.accept() => panic!("accepted"),
    };
    assert!(matches!(refused, Err(ConnectError::Refused { .. })));
}

#[tokio::test]
async fn a_frame_that_is_too_long_or_cut_ends_its_stream_only() {
    let bob = endpoint(2);
    let client = odd_client(|_| {}, true);
    let connecting = client.connect(bob.local_address().unwrap(), SERVER_NAME);
    let (connected, accepted) = join!(connecting.unwrap(), bob.accept());
    let (connected, accepted) = (connected.unwrap(), accepted.unwrap());
    for (bytes, error) in [
        (
            0x10_0001_u32.to_be_bytes().to_vec(),
            StreamError::FrameTooLong {
                found: FRAME_BYTES_MAX + 1,
            },
        ),
        (
            vec![0xff; 100],
            StreamError::FrameTooLong {
                found: u32::MAX as usize,
            },
        ),
        (vec![0, 0, 0, 9, 1, 2], StreamError::Truncated),
        (vec![0], StreamError::Truncated),
    ] {
        let (mut send, _receive) = connected.open_bi().await.unwrap();
        send.write_all(&StreamKind::Auth.to_bytes()).await.unwrap();
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
        let (_, mut stream) = accepted.accept().await.unwrap();
        assert_eq!(stream.receiver.receive().await, Err(error));
    }
    // A stream that never says what it is for holds up none that does.
    let (mut silent, _receive) = connected.open_bi().await.unwrap();
    silent.write_all(&[1]).await.unwrap();
    let (mut send, _receive) = connected.open_bi().await.unwrap();
    send.write_all(&[1, 1, 0, 0, 0, 0]).await.unwrap();
    let (_, mut stream) = accepted.accept().await.unwrap();
    assert_eq!(stream.receiver.receive().await, Ok(Some(Bytes::new())));
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let config = QuicConfig {
        idle_timeout: Duration::from_millis(600),
        keep_alive: Duration::from_millis(200),
        ..local()
    };
    assert!(matches!(
        QuicTransport::bind(
            QuicConfig {
                keep_alive: Duration::from_secs(1),
                ..config.clone()
            },
            secret(1)
        ),
        Err(BindError::Config {
            key: "keep_alive",
            ..
        })
    ));
    let bob = Arc::new(QuicTransport::bind(config, secret(2)).unwrap());
    // The other end lives in a runtime that is stopped: it says no goodbye.
    let (sender, device, addresses) = (secret(1), bob.device(), bob.addresses());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let attempt = runtime.spawn(async move {
        let alice = QuicTransport::bind(local(), sender).unwrap();
        let connection = alice.connect(device, &addresses).await.unwrap();
        (alice, connection)
    });
    let accepted = bob.accept().await.unwrap();
    let (alice, connection) = attempt.await.unwrap();
    // Keep-alives hold it for longer than the timeout.
    never(accepted.closed()).await;
    never(accepted.closed()).await;
    never(accepted.closed()).await;
    runtime.shutdown_background();
    assert_eq!(accepted.closed().await, CloseReason::TimedOut);
    drop((alice, connection));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_frames_and_much_data_pass() {
    const BATCHES: usize = 200;
    let ends = two();
    let (near, far) = connect(&ends).await;
    let mut out = near.open(StreamKind::Replicate).await.unwrap();
    let send = async {
        for batch in 0..BATCHES {
            let frames = (0..1000_u32).map(|number| {
                let mut bytes = vec![0; 200];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                Bytes::from(bytes)
            });
            out.sender.send_many(frames.collect()).await.unwrap();
            out.sender.send(vec![7; batch * 5000].into()).await.unwrap();
        }
        out.sender.delivered().await.unwrap();
    };
    let receive = async {
        let (_, mut stream) = far.accept().await.unwrap();
        let mut frames = Vec::new();
        for batch in 0..BATCHES {
            while frames.len() < 1001 {
                let more = stream.receiver.receive_many(1001 - frames.len()).await;
                frames.extend(more.unwrap());
            }
            assert_eq!(frames[1000].len(), batch * 5000);
            for (number, frame) in frames.drain(..).take(1000).enumerate() {
                assert_eq!(frame.len(), 200);
                assert_eq!(frame[..4], u32::try_from(number).unwrap().to_be_bytes());
            }
        }
        assert_eq!(stream.receiver.receive().await, Ok(None));
    };
    join!(send, receive);
    assert!(near.stats().bytes_sent > 100_000_000);
}
