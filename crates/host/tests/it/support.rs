//! A host over a profile in a directory of its own, and a client as a browser is one.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use dxos_client::{Client, ClientOptions};
use dxos_host::{Host, HostOptions, Limits};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A client with its host.
pub(crate) struct Served {
    pub(crate) client: Client,
    pub(crate) host: Option<Host>,
    pub(crate) directory: TempDir,
}

pub(crate) async fn serve() -> Served {
    serve_with(HostOptions::new()).await
}

pub(crate) async fn serve_limited(change: impl FnOnce(&mut Limits)) -> Served {
    let mut limits = Limits::default();
    change(&mut limits);
    serve_with(HostOptions::new().limits(limits)).await
}

pub(crate) async fn serve_with(options: HostOptions) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let client = client_of(directory.path()).offline().build();
    client.initialize().await.unwrap();
    let host = Host::start(client.clone(), options).unwrap();
    Served {
        client,
        host: Some(host),
        directory,
    }
}

/// One that takes part in a network on loopback.
pub(crate) async fn serve_online() -> Served {
    let directory = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let client = client_of(directory.path()).listen(listen).build();
    client.initialize().await.unwrap();
    let host = Host::start(client.clone(), HostOptions::new()).unwrap();
    Served {
        client,
        host: Some(host),
        directory,
    }
}

pub(crate) fn client_of(directory: &Path) -> ClientOptions {
    let mut config = dxos_client::Config::default();
    config.profile = directory.join("profile");
    ClientOptions::new().config(config)
}

impl Served {
    pub(crate) fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.host().address().port()
    }

    pub(crate) fn token(&self) -> String {
        self.host().one_time_token().unwrap()
    }

    /// A page that has opened the printed address.
    pub(crate) async fn page(&self) -> Page {
        let mut page = Page::connect(self.port()).await.unwrap();
        page.hello(&self.token()).await.unwrap();
        page
    }

    /// The same, of a profile with an identity and a space; gives the key of that.
    pub(crate) async fn page_with_space(&self) -> (Page, String) {
        let mut page = self.page().await;
        let ann = json!({ "displayName": "Ann" });
        page.call("halo.createIdentity", ann).await.unwrap();
        let properties = json!({ "properties": { "name": "Home" } });
        let space = page.call("echo.createSpace", properties).await.unwrap();
        (page, space["key"].as_str().unwrap().to_owned())
    }

    /// Ends the host and starts another over the same client.
    pub(crate) async fn restart(&mut self) {
        self.host.take().unwrap().stop().await;
        let host = Host::start(self.client.clone(), HostOptions::new());
        self.host = Some(host.unwrap());
    }
}

/// A client on the other side of a WebSocket.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// What came before it was asked for.
    events: BTreeMap<u64, VecDeque<Value>>,
    pub(crate) goodbye: Option<Value>,
    pub(crate) welcome: Value,
}

impl Page {
    pub(crate) async fn connect(port: u16) -> Result<Self, Error> {
        let own = format!("http://127.0.0.1:{port}");
        Self::connect_as(port, &format!("127.0.0.1:{port}"), Some(&own)).await
    }

    pub(crate) async fn connect_as(
        port: u16,
        host: &str,
        origin: Option<&str>,
    ) -> Result<Self, Error> {
        let mut request = format!("ws://127.0.0.1:{port}/rpc").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let (socket, _) = connect_async(request).await?;
        Ok(Self {
            socket,
            next: 0,
            events: BTreeMap::new(),
            goodbye: None,
            welcome: Value::Null,
        })
    }

    pub(crate) async fn hello(&mut self, token: &str) -> Result<Value, Value> {
        self.hello_again(token, None).await
    }

    pub(crate) async fn hello_again(
        &mut self,
        token: &str,
        session: Option<&str>,
    ) -> Result<Value, Value> {
        let hello = json!({ "protocol": 1, "token": token, "session": session });
        let welcome = self.call("hello", hello).await?;
        self.welcome.clone_from(&welcome);
        Ok(welcome)
    }

    pub(crate) async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let request =
            json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
        self.send_text(request.to_string()).await.unwrap();
        self.next
    }

    pub(crate) async fn send_text(&mut self, text: String) -> Result<(), Error> {
        self.socket.send(Message::text(text)).await
    }

    pub(crate) async fn send_frame(&mut self, frame: Message) -> Result<(), Error> {
        self.socket.send(frame).await
    }

    /// The answer to a request; an error when the connection ends before it comes.
    pub(crate) async fn answer(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let Some(message) = self.read().await else {
                return Err(json!({ "data": { "kind": "disconnected" } }));
            };
            if message["id"] == json!(id) {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            // An answer without an id is to what was no request.
            if message["id"].is_null() && message.get("error").is_some() && id == 0 {
                return Err(message["error"].clone());
            }
            self.keep(message);
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, params).await;
        self.answer(id).await
    }

    fn keep(&mut self, message: Value) {
        match message["method"].as_str() {
            Some("subscription") => {
                let id = message["params"]["id"].as_u64().unwrap();
                let events = self.events.entry(id).or_default();
                events.push_back(message["params"].clone());
            }
            Some("goodbye") => self.goodbye = Some(message["params"]["error"].clone()),
            _ => {}
        }
    }

    /// The next message; nothing when the connection has ended.
    pub(crate) async fn read(&mut self) -> Option<Value> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await;
            match frame.expect("nothing came in time") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits until the host has ended the connection, and gives what it said.
    pub(crate) async fn ended(&mut self) -> Option<Value> {
        while let Some(message) = self.read().await {
            self.keep(message);
        }
        self.goodbye.take()
    }

    /// Waits until the connection has ended, and says whether the host closed it in form.
    pub(crate) async fn closed_well(&mut self) -> bool {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await;
            match frame.expect("nothing came in time") {
                Some(Ok(Message::Close(_))) => return true,
                Some(Err(_)) | None => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, id: u64, topic: Value, credits: u64) {
        let subscribe = json!({ "id": id, "topic": topic, "credits": credits });
        self.call("subscribe", subscribe).await.unwrap();
    }

    /// The next event of a subscription.
    pub(crate) async fn event(&mut self, id: u64) -> Value {
        loop {
            if let Some(event) = self.events.get_mut(&id).and_then(VecDeque::pop_front) {
                return event;
            }
            let message = self.read().await.expect("the connection ended");
            self.keep(message);
        }
    }

    /// The next event for which a condition holds; each one that comes is worth a credit.
    pub(crate) async fn event_where(&mut self, id: u64, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.event(id).await;
            self.credit(id, 1).await;
            if holds(&event) {
                return event;
            }
        }
    }

    pub(crate) async fn credit(&mut self, id: u64, n: u64) {
        let credit =
            json!({ "jsonrpc": "2.0", "method": "credit", "params": { "id": id, "n": n } });
        self.send_text(credit.to_string()).await.unwrap();
    }

    /// Whether nothing comes for a while in which something could.
    pub(crate) async fn is_quiet(&mut self, id: u64) -> bool {
        // What was sent before the answer to this comes before it.
        self.call("ping", json!({})).await.unwrap();
        self.events.get(&id).is_none_or(VecDeque::is_empty)
    }

    /// Cuts the connection off, as a network does.
    pub(crate) fn cut(self) {
        drop(self.socket);
    }
}

/// Asks for a file with nothing but a socket.
pub(crate) fn get(port: u16, path: &str, host: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    raw(port, request.as_bytes())
}

/// Sends bytes and takes all that is answered.
pub(crate) fn raw(port: u16, request: &[u8]) -> String {
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A server that refuses may cut the connection while there is more to read.
    drop(socket.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}
