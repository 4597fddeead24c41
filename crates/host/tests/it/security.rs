//! What a stranger's page, another user of the machine and a broken program get: nothing.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use dxos_host::HostOptions;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::support::{Page, get, raw, serve, serve_limited, serve_with};

fn status(refused: Result<Page, Error>) -> u16 {
    match refused {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("not refused over HTTP: {other}"),
        Ok(_) => panic!("let in"),
    }
}

fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_answered() {
    let served = serve().await;
    let mut page = Page::connect(served.port()).await.unwrap();
    let refused = page.call("halo.identity", json!({})).await.unwrap_err();
    assert_eq!(kind(&refused), "disconnected", "{refused}");
    let goodbye = page.goodbye.unwrap();
    assert_eq!(
        (goodbye["code"].as_i64(), kind(&goodbye)),
        (Some(-32001), "unauthenticated")
    );

    let mut page = Page::connect(served.port()).await.unwrap();
    let refused = page
        .call("hello", json!({ "protocol": 1 }))
        .await
        .unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
    assert!(page.ended().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_and_the_connection_ends() {
    let served = serve().await;
    let good = served.token();
    let cut = &good[1..];
    for wrong in ["", "x", cut, &"A".repeat(43), &"A".repeat(3000)] {
        let mut page = Page::connect(served.port()).await.unwrap();
        let refused = page.hello(wrong).await.unwrap_err();
        assert_eq!(
            (refused["code"].as_i64(), kind(&refused)),
            (Some(-32001), "unauthenticated")
        );
        assert_eq!(kind(&page.ended().await.unwrap()), "unauthenticated");
    }
    // The good one still opens.
    let mut page = Page::connect(served.port()).await.unwrap();
    page.hello(&good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_token_opens_once_and_its_second_use_ends_what_it_opened() {
    let served = serve().await;
    let token = served.token();
    let mut thief = Page::connect(served.port()).await.unwrap();
    let welcome = thief.hello(&token).await.unwrap();
    assert_ne!(welcome["token"], json!(token));

    let mut user = Page::connect(served.port()).await.unwrap();
    let refused = user.hello(&token).await.unwrap_err();
    assert_eq!(kind(&refused), "unauthenticated", "{refused}");
    // Whoever came first is out, and stays so.
    assert_eq!(kind(&thief.ended().await.unwrap()), "unauthenticated");
    let mut thief = Page::connect(served.port()).await.unwrap();
    let stolen = welcome["token"].as_str().unwrap();
    assert!(thief.hello(stolen).await.is_err());
    // A new one opens.
    served.page().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_is_refused_before_it_can_say_anything() {
    let served = serve().await;
    let port = served.port();
    let host = format!("127.0.0.1:{port}");
    let foreign = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        "http://127.0.0.1".to_owned(),
        // Another program on this machine that serves pages.
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://evil.example#http://127.0.0.1:{port}"),
    ];
    for origin in foreign {
        let refused = Page::connect_as(port, &host, Some(&origin)).await;
        assert_eq!(status(refused), 403, "{origin}");
    }
    // The page's own origin by either name, and a program, which has none.
    for origin in [Some(format!("http://localhost:{port}")), None] {
        Page::connect_as(port, &host, origin.as_deref())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_websocket_is_refused_even_with_a_good_token_in_hand() {
    // A page of a stranger needs no preflight to open a WebSocket: Origin alone tells.
    let served = serve().await;
    let host = format!("127.0.0.1:{}", served.port());
    let token = served.token();
    let refused = Page::connect_as(served.port(), &host, Some("https://evil.example")).await;
    assert_eq!(status(refused), 403);
    // The token was not used up by that.
    let mut page = Page::connect(served.port()).await.unwrap();
    page.hello(&token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_was_allowed_needs_a_token_all_the_same() {
    let served = serve_with(HostOptions::new().allow_origin("http://localhost:5173")).await;
    let host = format!("127.0.0.1:{}", served.port());
    let origin = Some("http://localhost:5173");
    let mut page = Page::connect_as(served.port(), &host, origin)
        .await
        .unwrap();
    assert!(page.hello("guess").await.is_err());
    let mut page = Page::connect_as(served.port(), &host, origin)
        .await
        .unwrap();
    page.hello(&served.token()).await.unwrap();
    let other = Page::connect_as(served.port(), &host, Some("http://localhost:5174")).await;
    assert_eq!(status(other), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_dns_was_rebound_to_this_machine_is_not_served() {
    let served = serve().await;
    let port = served.port();
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port.wrapping_add(1)),
        format!("127.0.0.1:{port}.evil.example"),
        format!("localhost.evil.example:{port}"),
        format!("evil.example@127.0.0.1:{port}"),
    ] {
        // After rebinding the origin of the stranger's page is of its own name, too.
        let origin = format!("http://{host}");
        for origin in [None, Some(origin.as_str())] {
            let refused = Page::connect_as(port, &host, origin).await;
            assert_eq!(status(refused), 421, "{host}");
        }
        assert!(get(port, "/", &host).starts_with("HTTP/1.1 421"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_served_with_strict_headers_and_no_secret() {
    let served = serve().await;
    let port = served.port();
    let own = format!("localhost:{port}");
    let answer = get(port, "/", &own);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let lower = answer.to_ascii_lowercase();
    for header in [
        "content-security-policy: default-src 'none'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(lower.contains(header), "{header}: {answer}");
    }
    assert!(!lower.contains("access-control-allow-origin"), "{answer}");
    assert!(!lower.contains("set-cookie"), "{answer}");
    assert!(get(port, "/spaces", &own).starts_with("HTTP/1.1 200"));
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2f..%2fetc/passwd",
        "/x.js",
    ] {
        assert!(get(port, path, &own).starts_with("HTTP/1.1 404"), "{path}");
    }
    let post = format!("POST / HTTP/1.1\r\nHost: {own}\r\nContent-Length: 0\r\n\r\n");
    assert!(raw(port, post.as_bytes()).starts_with("HTTP/1.1 405"));
    let twice = format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n\r\n");
    let answer = raw(port, twice.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(get(port, "/rpc", &own).starts_with("HTTP/1.1 426"));
    assert!(raw(port, b"\x16\x03\x01\x02\x00\x01\x00").starts_with("HTTP/1.1 400"));

    let bare = serve_with(HostOptions::new().no_console()).await;
    let own = format!("localhost:{}", bare.port());
    assert!(get(bare.port(), "/", &own).starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_this_machine_is_listened_to() {
    let served = serve().await;
    assert!(served.host().address().ip().is_loopback());
    // Every other address of the machine refuses.
    let other = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    if let Ok(address) = other
        && !address.ip().is_loopback()
    {
        let tried = std::net::TcpStream::connect_timeout(
            &(address.ip(), served.port()).into(),
            Duration::from_secs(5),
        );
        assert!(tried.is_err(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_its_bound_ends_the_connection_and_nothing_else() {
    let served = serve().await;
    // Before hello hardly anything is read.
    let mut stranger = Page::connect(served.port()).await.unwrap();
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "hello", "params": { "x": "y".repeat(5000) } });
    stranger.send_text(long.to_string()).await.unwrap();
    assert_eq!(kind(&stranger.ended().await.unwrap()), "tooLarge");

    let mut other = served.page().await;
    let mut page = served.page().await;
    let fits = json!({ "x": "y".repeat(900_000) });
    let refused = page.call("client.status", fits).await.unwrap_err();
    assert_eq!(refused["code"], -32602);
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": "y".repeat(1_100_000) } });
    // The host may cut the connection before all of it is written.
    drop(page.send_text(long.to_string()).await);
    if let Some(goodbye) = page.ended().await {
        assert_eq!(kind(&goodbye), "tooLarge");
    }
    other.call("ping", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_endless_pieces_is_bounded_as_a_whole() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let served = serve().await;
    let mut page = served.page().await;
    let piece = |code, last| {
        let frame = Frame::message(Bytes::from(vec![b' '; 60_000]), OpCode::Data(code), last);
        Message::Frame(frame)
    };
    let mut sent = page.send_frame(piece(Data::Text, false)).await;
    for _ in 0..100 {
        if sent.is_err() {
            break;
        }
        sent = page.send_frame(piece(Data::Continue, false)).await;
    }
    if let Some(goodbye) = page.ended().await {
        assert_eq!(kind(&goodbye), "tooLarge");
    }
    // Pieces of a good message are put together.
    let mut page = served.page().await;
    let text = json!({ "jsonrpc": "2.0", "id": 77, "method": "ping" }).to_string();
    let (first, rest) = text.split_at(10);
    let part = |text: &str, code, last| {
        Message::Frame(Frame::message(text.to_owned(), OpCode::Data(code), last))
    };
    page.send_frame(part(first, Data::Text, false))
        .await
        .unwrap();
    page.send_frame(part(rest, Data::Continue, true))
        .await
        .unwrap();
    assert_eq!(page.answer(77).await.unwrap(), json!({}));
}

/// Lists in lists: more than is read.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_told_and_hurt_nobody() {
    let served = serve().await;
    let mut page = served.page().await;
    for (text, code) in [
        ("{".to_owned(), -32700),
        ("nonsense".to_owned(), -32700),
        ("[".repeat(100_000), -32600),
        ("[]".to_owned(), -32600),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.to_owned(),
            -32600,
        ),
        ("null".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), -32600),
        (
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#.to_owned(),
            -32600,
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(),
            -32600,
        ),
    ] {
        page.send_text(text.clone()).await.unwrap();
        let error = page.answer(0).await.unwrap_err();
        assert_eq!(error["code"], code, "{}", &text[..text.len().min(60)]);
    }
    for (method, params, code) in [
        ("no.such", json!({}), -32601),
        ("hello", json!({}), -32601),
        ("echo.space", json!({}), -32602),
        ("echo.space", json!({ "space": 7 }), -32602),
        ("echo.space", json!({ "space": "x" }), -32602),
        ("echo.space", json!([]), -32602),
        ("client.status", json!({ "extra": 1 }), -32602),
        (
            "subscribe",
            json!({ "id": 1, "topic": { "topic": "x" }, "credits": 1 }),
            -32602,
        ),
        (
            "subscribe",
            json!({ "id": 1, "topic": { "topic": "status", "x": 1 }, "credits": 1 }),
            -32602,
        ),
        (
            "subscribe",
            json!({ "id": -1, "topic": { "topic": "status" }, "credits": 1 }),
            -32602,
        ),
        ("echo.space", json!({ "space": nested(200) }), -32602),
        ("ping", nested(200), -32602),
        ("unsubscribe", json!({ "id": 9 }), -32008),
        ("credit", json!({ "id": 9, "n": 1 }), -32008),
        (
            "text.edit",
            json!({ "id": 9, "edit": 1, "version": 1, "changes": [] }),
            -32008,
        ),
    ] {
        let error = page.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["data"]["action"].is_string(), "{error}");
    }
    page.call("ping", json!({})).await.unwrap();
    // A binary frame is no message.
    let mut other = served.page().await;
    other
        .send_frame(Message::binary(vec![0; 10]))
        .await
        .unwrap();
    assert_eq!(kind(&other.ended().await.unwrap()), "malformed");
    page.call("ping", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_version_is_told_so() {
    let served = serve().await;
    let mut page = Page::connect(served.port()).await.unwrap();
    let hello = json!({ "protocol": 2, "token": served.token(), "new": true });
    let refused = page.call("hello", hello).await.unwrap_err();
    assert_eq!(
        (refused["code"].as_i64(), kind(&refused)),
        (Some(-32002), "version")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_let_go() {
    let served = serve_limited(|limits| limits.hello = Duration::from_millis(300)).await;
    let mut silent = Page::connect(served.port()).await.unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(kind(&silent.ended().await.unwrap()), "unauthenticated");
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Half a request is none.
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", served.port())).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHos").unwrap();
    let mut answer = String::new();
    drop(slow.read_to_string(&mut answer));
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_sessions_can_be_ended_and_a_token_made_for_another_browser() {
    let served = serve().await;
    let mut lost = served.page().await;
    let mut page = served.page().await;
    let made = page.call("host.createToken", json!({})).await.unwrap();
    assert!(
        made["url"]
            .as_str()
            .unwrap()
            .ends_with(made["token"].as_str().unwrap())
    );
    let ended = page.call("host.endSessions", json!({})).await.unwrap();
    assert_eq!(ended["ended"], 1);
    assert_eq!(kind(&lost.ended().await.unwrap()), "unauthenticated");
    page.call("ping", json!({})).await.unwrap();
    // Links that were printed before do not open any more either.
    let mut late = Page::connect(served.port()).await.unwrap();
    assert!(late.hello(made["token"].as_str().unwrap()).await.is_err());
    let made = page.call("host.createToken", json!({})).await.unwrap();
    let mut other = Page::connect(served.port()).await.unwrap();
    other.hello(made["token"].as_str().unwrap()).await.unwrap();
}
