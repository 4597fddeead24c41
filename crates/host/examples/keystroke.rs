//! From a keystroke in one page to the other's: two hosts with two profiles over QUIC on
//! loopback, one text, and a page at each as a browser is one.
//!
//! ```text
//! cargo run --release -p dxos-host --example keystroke
//! ```
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dxos_client::{Client, ClientOptions, Config};
use dxos_host::{Host, HostOptions};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const KEYSTROKES: u32 = 200;
/// As fast as people type.
const PAUSE: Duration = Duration::from_millis(60);

struct Page {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    requests: u64,
}

impl Page {
    async fn open(host: &Host) -> Result<Self> {
        let (socket, _) = connect_async(format!("ws://{}/rpc", host.address())).await?;
        let mut page = Self {
            socket,
            requests: 0,
        };
        let token = host.one_time_token()?;
        page.call("hello", json!({ "protocol": 1, "token": token }))
            .await?;
        Ok(page)
    }

    async fn read(&mut self) -> Result<Value> {
        loop {
            let frame = self.socket.next().await.context("the host has gone")??;
            if let Message::Text(text) = frame {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.requests += 1;
        let id = self.requests;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.socket.send(Message::text(request.to_string())).await?;
        loop {
            let mut message = self.read().await?;
            if message.get("id") == Some(&json!(id)) {
                let result = message.get_mut("result").map(Value::take);
                return result.with_context(|| format!("{method}: {message}"));
            }
        }
    }

    /// The next notification of a subscription, and a credit for it.
    async fn event(&mut self) -> Result<Value> {
        loop {
            let message = self.read().await?;
            if let Some(event) = message
                .get("params")
                .filter(|_| message.get("id").is_none())
            {
                let event = event.clone();
                let credit = json!({ "id": event.get("id"), "n": 1 });
                let credit = json!({ "jsonrpc": "2.0", "method": "credit", "params": credit });
                self.socket.send(Message::text(credit.to_string())).await?;
                return Ok(event);
            }
        }
    }
}

async fn start(directory: &std::path::Path, name: &str) -> Result<(Client, Host)> {
    let mut config = Config::default();
    config.profile = directory.join(name);
    config.network.listen = "127.0.0.1:0".parse()?;
    let client = Client::new(ClientOptions::new().config(config));
    client.initialize().await?;
    client.halo().create_identity(name).await?;
    let host = Host::start(client.clone(), HostOptions::new())?;
    Ok((client, host))
}

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (ann, ann_host) = start(directory.path(), "Ann").await?;
    let (ben, ben_host) = start(directory.path(), "Ben").await?;
    let mut one = Page::open(&ann_host).await?;
    let mut two = Page::open(&ben_host).await?;

    let space = one.call("echo.createSpace", json!({})).await?;
    let space = space.get("key").cloned().context("no key")?;
    let options = json!({ "space": space, "options": { "authentication": "none" } });
    let invitation = one.call("echo.createInvitation", options).await?;
    let code = json!({ "invitation": invitation.get("invitationCode") });
    two.call("echo.acceptInvitation", code).await?;
    let page = "yyyyyyyyyyyyyyyyyyyyyyyyyy";
    let body = json!({ "body": { "@text": "" } });
    let op = json!({ "op": "create", "object": page, "type": "page", "properties": body });
    one.call("echo.apply", json!({ "space": space, "ops": [op] }))
        .await?;

    // Both open the text, the one who joins as soon as it is there.
    let text = json!({ "topic": "text", "space": space, "object": page, "path": "body" });
    let subscribe = json!({ "id": 1, "topic": text, "credits": 32 });
    one.call("subscribe", subscribe.clone()).await?;
    while two.call("subscribe", subscribe.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    two.event().await?;

    let mut times = Vec::new();
    let mut version = json!(1);
    for n in 0..KEYSTROKES {
        let change = json!({ "at": n, "insert": "x" });
        let begun = Instant::now();
        let edit = json!({ "id": 1, "edit": n + 1, "version": version, "changes": [change] });
        let answer = one.call("text.edit", edit).await?;
        version = answer.get("version").cloned().context("no version")?;
        two.event().await?;
        times.push(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    times.sort_unstable();
    let at = |share: usize| {
        let time = times.get(times.len() * share / 100);
        time.copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!(
        "a keystroke shows at the other page after {:.1} ms (p50), {:.1} ms (p99)",
        at(50),
        at(99)
    );
    ann_host.stop().await;
    ben_host.stop().await;
    ann.destroy().await?;
    ben.destroy().await?;
    Ok(())
}
