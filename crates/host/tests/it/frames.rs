//! What breaks the protocols under the messages: handshakes and frames that no browser sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::{Served, raw, serve, serve_limited};

/// The first lines of a handshake; the rest is up to a test.
fn handshake(port: u16, more: &str) -> String {
    format!(
        "GET /rpc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A connection after its handshake.
fn connected(port: u16) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = handshake(port, "Sec-WebSocket-Version: 13\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    socket
}

/// A frame as a client sends one, masked with zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![first, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

async fn still_serves(served: &Served) {
    let mut page = served.page().await;
    page.call("ping", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_protocol_end_their_connection_and_no_other() {
    let served = serve().await;
    let mut user = served.page().await;
    let broken: [(&str, Vec<u8>); 9] = [
        ("not masked", vec![0x81, 2, b'{', b'}']),
        ("a reserved opcode", masked(0x83, b"{}")),
        ("a reserved bit", masked(0xc1, b"{}")),
        (
            "a long ping",
            [&[0x89, 0xfe, 1, 0, 0, 0, 0, 0][..], &[0; 256]].concat(),
        ),
        ("half a ping", masked(0x09, b"")),
        ("a continuation of nothing", masked(0x80, b"{}")),
        (
            "an endless length",
            vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("no UTF-8", masked(0x81, &[0xff, 0xfe])),
        ("binary", masked(0x82, &[0; 8])),
    ];
    for (what, bytes) in broken {
        let mut socket = connected(served.port());
        socket.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        let ended = socket.read_to_end(&mut rest);
        // A reset ends it, too; what does not is that nothing comes for half a minute.
        let waits = ended.err().map(|error| error.kind());
        assert!(
            !matches!(
                waits,
                Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
            ),
            "{what} does not end the connection"
        );
        user.call("ping", json!({})).await.unwrap();
    }
    still_serves(&served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_announces_much_and_sends_little_is_let_go() {
    let served = serve_limited(|limits| limits.hello = Duration::from_millis(300)).await;
    let mut socket = connected(served.port());
    // 3,000 bytes are within the bound; one of them comes.
    socket
        .write_all(&[0x81, 0xfe, 0x0b, 0xb8, 0, 0, 0, 0, b'{'])
        .unwrap();
    let mut rest = Vec::new();
    let ended = socket.read_to_end(&mut rest);
    let waits = ended.err().map(|error| error.kind());
    assert_ne!(waits, Some(std::io::ErrorKind::WouldBlock));
    still_serves(&served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_without_end_take_nothing_from_others() {
    let served = serve().await;
    let mut user = served.page().await;
    let mut socket = connected(served.port());
    socket
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let pings = masked(0x89, &[7; 100]).repeat(1000);
    for _ in 0..20 {
        // Its answers are never read: at some point the host reads no more, or ends it.
        if socket.write_all(&pings).is_err() {
            break;
        }
    }
    user.call("ping", json!({})).await.unwrap();
    still_serves(&served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_say_two_things_are_refused() {
    let served = serve().await;
    let port = served.port();
    let own = format!("http://127.0.0.1:{port}");
    let version = "Sec-WebSocket-Version: 13\r\n";
    let refused = [
        format!("{version}Origin: {own}\r\nOrigin: https://evil.example\r\n"),
        format!("{version}Origin: https://evil.example\r\nOrigin: {own}\r\n"),
        format!("{version}Origin: {own}, https://evil.example\r\n"),
        format!("{version}Origin: \r\n"),
        format!("{version}Origin: {own}/\r\n"),
        format!("{version}Host: evil.example\r\n"),
        "Sec-WebSocket-Version: 7\r\n".to_owned(),
        format!("{version}{}", "X: y\r\n".repeat(5000)),
        format!("{version}X: {}\r\n", "y".repeat(300_000)),
    ];
    for more in refused {
        let answer = raw(port, handshake(port, &more).as_bytes());
        let start = &more[..more.len().min(100)];
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{start}: {answer}"
        );
    }
    still_serves(&served).await;
}
