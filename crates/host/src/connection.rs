//! One WebSocket: shows a token, sends requests, is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_ws::{CloseCode, CloseReason, Item, Message, MessageStream, ProtocolError};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{interval, sleep, sleep_until, timeout};

use crate::calls;
use crate::limits::{
    HELLO_BYTES_MAX, PING_INTERVAL, READ_PATIENCE, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND,
    SILENCE_MAX,
};
use crate::message::{self, answer, refusal, reply};
use crate::outlet::{Out, Outlet};
use crate::protocol::{
    ErrorAction, ErrorInfo, Hello, PROTOCOL, Request, SessionLimits, Welcome, code,
};
use crate::shared::{Caller, Guest, Shared, Stranger};
use crate::tokens::Refused;

/// How long a client that closes may take to be answered.
const FAREWELL: Duration = Duration::from_secs(1);

/// What comes in on a connection.
enum In {
    Text(Bytes),
    /// Something that needs no answer but shows that the client is there.
    Sign,
    /// The client has closed it.
    Closed,
}

/// Reads messages, which may come in pieces, and bounds them.
struct Inlet {
    frames: MessageStream,
    pieces: BytesMut,
    whole: bool,
    max: usize,
    shared: Arc<Shared>,
}

impl Inlet {
    async fn next(&mut self, socket: &mut actix_ws::Session) -> Result<In, ErrorInfo> {
        let malformed = |message: &str| {
            ErrorInfo::new(
                code::INVALID_REQUEST,
                "malformed",
                ErrorAction::Correct,
                message,
            )
        };
        let text = match self.frames.recv().await {
            Some(Ok(Message::Text(text))) if self.whole => text.into_bytes(),
            Some(Ok(Message::Ping(bytes))) => {
                drop(socket.pong(&bytes).await);
                return Ok(In::Sign);
            }
            Some(Ok(Message::Pong(_) | Message::Nop)) => return Ok(In::Sign),
            None | Some(Ok(Message::Close(_))) => return Ok(In::Closed),
            Some(Ok(Message::Continuation(item))) => match item {
                Item::FirstText(bytes) if self.whole => {
                    self.whole = false;
                    self.pieces.extend_from_slice(&bytes);
                    self.fits(self.pieces.len())?;
                    return Ok(In::Sign);
                }
                Item::Continue(bytes) if !self.whole => {
                    self.fits(self.pieces.len().saturating_add(bytes.len()))?;
                    self.pieces.extend_from_slice(&bytes);
                    return Ok(In::Sign);
                }
                Item::Last(bytes) if !self.whole => {
                    self.fits(self.pieces.len().saturating_add(bytes.len()))?;
                    self.pieces.extend_from_slice(&bytes);
                    self.whole = true;
                    std::mem::take(&mut self.pieces).freeze()
                }
                _ => return Err(malformed("the pieces of a message are out of order")),
            },
            Some(Ok(_)) => return Err(malformed("only text frames are taken")),
            Some(Err(ProtocolError::Overflow)) => return self.fits(usize::MAX).map(|()| In::Sign),
            Some(Err(error)) => return Err(malformed(&error.to_string())),
        };
        self.fits(text.len())?;
        self.shared.counters.received(text.len());
        Ok(In::Text(text))
    }

    fn fits(&self, bytes: usize) -> Result<(), ErrorInfo> {
        if bytes <= self.max {
            return Ok(());
        }
        let message = format!(
            "a message has at most {} bytes; send less at once",
            self.max
        );
        Err(ErrorInfo::limit("tooLarge", message))
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    stranger: Stranger,
    mut socket: actix_ws::Session,
    frames: MessageStream,
) {
    let mut inlet = Inlet {
        frames: frames.max_frame_size(HELLO_BYTES_MAX),
        pieces: BytesMut::new(),
        whole: true,
        max: HELLO_BYTES_MAX,
        shared: Arc::clone(&shared),
    };
    let (outlet, messages) = Outlet::new(stranger.number);
    let writer = actix_web::rt::spawn(write(Arc::clone(&shared), socket.clone(), messages));
    let mut stopping = shared.stopping.subscribe();
    let greeted = tokio::select! {
        biased;
        () = stranger.evicted.notified() => Err(full()),
        _ = stopping.wait_for(|stopping| *stopping) => Err(ended()),
        greeted = timeout(shared.hello_patience(), greet(&shared, &stranger, &mut inlet, &mut socket, &outlet)) => {
            greeted.unwrap_or_else(|_| {
                let message = "no hello came in time; send it first";
                Err(unauthenticated(message))
            })
        }
    };
    match greeted {
        Ok(Some((caller, _guest))) => {
            inlet.max = shared.limits.frame_bytes;
            inlet.frames = inlet.frames.max_frame_size(shared.limits.frame_bytes);
            let error = converse(&caller, &mut inlet, &mut socket).await;
            caller.session.detach(stranger.number);
            match error {
                Some(error) => outlet.goodbye(error).await,
                None => farewell(&writer, socket).await,
            }
        }
        Ok(None) => farewell(&writer, socket).await,
        Err(error) => {
            shared.counters.refused();
            outlet.goodbye(error).await;
        }
    }
    drop(outlet);
    // What is left to be written is written, unless nobody reads.
    drop(timeout(READ_PATIENCE, writer).await);
    drop(stranger);
}

/// Answers a client that has closed the connection, if it is still there to hear it.
async fn farewell(writer: &tokio::task::JoinHandle<()>, socket: actix_ws::Session) {
    writer.abort();
    let reason = CloseReason {
        code: CloseCode::Normal,
        description: None,
    };
    drop(timeout(FAREWELL, socket.close(Some(reason))).await);
}

fn unauthenticated(message: &str) -> ErrorInfo {
    ErrorInfo::new(
        code::UNAUTHENTICATED,
        "unauthenticated",
        ErrorAction::Authenticate,
        message,
    )
}

fn full() -> ErrorInfo {
    ErrorInfo::limit(
        "full",
        "too many connections wait without a token; send hello at once",
    )
}

fn ended() -> ErrorInfo {
    ErrorInfo::new(
        code::FAILED,
        "stopping",
        ErrorAction::Retry,
        "the host is ending",
    )
}

/// Writes what goes out, one message after the other, and ends the connection.
async fn write(
    shared: Arc<Shared>,
    mut socket: actix_ws::Session,
    mut messages: mpsc::Receiver<Out>,
) {
    while let Some(out) = messages.recv().await {
        match out {
            Out::Text(text) => {
                shared.counters.sent(text.len());
                let written = timeout(READ_PATIENCE, socket.text(text)).await;
                if !matches!(written, Ok(Ok(()))) {
                    break;
                }
            }
            Out::Goodbye(error) => {
                let text =
                    json!({ "jsonrpc": "2.0", "method": "goodbye", "params": { "error": error } });
                drop(timeout(READ_PATIENCE, socket.text(text.to_string())).await);
                break;
            }
        }
    }
    // Nobody waits for room any more.
    drop(messages);
    let reason = CloseReason {
        code: CloseCode::Normal,
        description: None,
    };
    drop(timeout(READ_PATIENCE, socket.close(Some(reason))).await);
}

/// Waits for `hello` and says whether it holds; nothing when the client went away.
async fn greet(
    shared: &Arc<Shared>,
    stranger: &Stranger,
    inlet: &mut Inlet,
    socket: &mut actix_ws::Session,
    outlet: &Outlet,
) -> Result<Option<(Caller, Guest)>, ErrorInfo> {
    let text = loop {
        match inlet.next(socket).await? {
            In::Text(text) => break text,
            In::Sign => {}
            In::Closed => return Ok(None),
        }
    };
    let request = message::read(&text)?;
    let Some(id) = request.id.clone().filter(|_| request.method == "hello") else {
        return Err(unauthenticated("the first message has to be hello"));
    };
    let admitted = message::given(request.params.as_deref())
        .and_then(|given| hello(shared, stranger, given, outlet));
    let (caller, guest, welcome) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            let _ = outlet.send(refusal(Some(&id), &error)).await;
            return Err(error);
        }
    };
    let Ok(welcome) = serde_json::to_string(&welcome) else {
        return Err(ErrorInfo::internal("the answer cannot be written"));
    };
    let _ = outlet.send(answer(&id, &welcome)).await;
    Ok(Some((caller, guest)))
}

fn hello(
    shared: &Arc<Shared>,
    stranger: &Stranger,
    params: Value,
    outlet: &Outlet,
) -> Result<(Caller, Guest, Welcome), ErrorInfo> {
    // First the version: another one may have other parameters.
    if params.get("protocol").and_then(Value::as_u64) != Some(u64::from(PROTOCOL)) {
        let message = format!("this host speaks version {PROTOCOL} of the protocol; update");
        return Err(ErrorInfo::new(
            code::VERSION,
            "version",
            ErrorAction::Correct,
            message,
        ));
    }
    let hello: Hello = calls::params(params)?;
    let internal = |error: crate::HostError| ErrorInfo::internal(error.to_string());
    let admitted = match shared.admit(&hello.token).map_err(internal)? {
        Ok(admitted) => admitted,
        Err(Refused::Unknown) => {
            let message =
                "the token does not hold any more; open the address that `dx host` prints";
            return Err(unauthenticated(message));
        }
        Err(Refused::Used(_)) => {
            tracing::warn!(
                "an address of this host was opened a second time; what it had opened before was \
                 ended, in case that was somebody else"
            );
            let message = "this address was opened before, and what it had opened was ended in \
                           case that was somebody else; ask `dx host` for another";
            return Err(unauthenticated(message));
        }
    };
    let guest = stranger.admit(&shared.limits)?;
    let opened = shared.open_session(admitted.id, hello.session.as_deref());
    let (session, resumed) = opened.map_err(internal)?;
    if let Some(before) = session.attach(outlet.clone()) {
        let message = "the session goes on over another connection";
        let replaced = ErrorInfo::new(
            code::UNAUTHENTICATED,
            "replaced",
            ErrorAction::Retry,
            message,
        );
        actix_web::rt::spawn(async move { before.goodbye(replaced).await });
    }
    let limits = &shared.limits;
    let welcome = Welcome {
        protocol: PROTOCOL,
        version: dxos_client::VERSION.to_owned(),
        session: session.id.clone(),
        // A client that came with a session token goes on with it.
        token: admitted.fresh.map_or(hello.token, |token| token.text),
        expires_ms: admitted.expires_ms,
        resumed,
        limits: SessionLimits {
            frame_bytes: crate::convert::small(limits.frame_bytes),
            requests: crate::convert::small(limits.requests),
            subscriptions: crate::convert::small(limits.subscriptions),
            credits: limits.credits,
            linger_ms: u64::try_from(limits.linger.as_millis()).unwrap_or(u64::MAX),
        },
    };
    let caller = Caller {
        shared: Arc::clone(shared),
        session,
        outlet: outlet.clone(),
    };
    Ok((caller, guest, welcome))
}

/// Bounds how many requests come in: those beyond wait.
struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    /// How long the next one has to wait.
    fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * REQUESTS_PER_SECOND).min(REQUESTS_AT_ONCE) - 1.0;
        Duration::from_secs_f64((-self.left / REQUESTS_PER_SECOND).max(0.0))
    }
}

/// Answers requests until the connection ends; gives why, if the host ends it.
async fn converse(
    caller: &Caller,
    inlet: &mut Inlet,
    socket: &mut actix_ws::Session,
) -> Option<ErrorInfo> {
    let shared = &caller.shared;
    let mut stopping = shared.stopping.subscribe();
    let mut revoked = shared.revoked.subscribe();
    let working = Arc::new(Semaphore::new(shared.limits.requests));
    let mut ping = interval(PING_INTERVAL);
    let mut heard = tokio::time::Instant::now();
    let mut pace = Pace {
        left: REQUESTS_AT_ONCE,
        at: Instant::now(),
    };
    loop {
        let message = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Some(ended()),
            _ = revoked.changed() => {
                if shared.holds(caller.session.owner) {
                    continue;
                }
                return Some(unauthenticated("the token of this session was made void"));
            }
            () = sleep_until(heard + SILENCE_MAX) => {
                let message = "nothing came for too long";
                return Some(ErrorInfo::limit("tooSlow", message));
            }
            _ = ping.tick() => {
                // Whoever does not read is found out by the silence.
                let pinged = timeout(Duration::from_millis(1), socket.ping(b""));
                if matches!(pinged.await, Ok(Err(_))) {
                    return None;
                }
                continue;
            }
            message = inlet.next(socket) => match message {
                Ok(message) => message,
                Err(error) => {
                    shared.counters.refused();
                    return Some(error);
                }
            },
        };
        heard = tokio::time::Instant::now();
        let text = match message {
            In::Text(text) => text,
            In::Sign => continue,
            In::Closed => return None,
        };
        let wait = pace.take(Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let taken = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Some(ended()),
            taken = take(caller, &text, &working) => taken,
        };
        if let Err(error) = taken {
            return error;
        }
    }
}

/// Takes in one message. An error ends the connection.
async fn take(
    caller: &Caller,
    text: &Bytes,
    working: &Arc<Semaphore>,
) -> Result<(), Option<ErrorInfo>> {
    let request = match message::read(text) {
        Ok(request) => request,
        Err(error) => {
            // It is told, and what comes next is read: the frame itself was whole.
            caller.shared.counters.answered(false);
            let sent = caller.outlet.send(refusal(None, &error)).await;
            return sent.map_err(|_| None);
        }
    };
    let Request {
        id, method, params, ..
    } = request;
    let given = message::given(params.as_deref());
    if calls::is_in_order(&method) {
        let result = given.and_then(|given| calls::at_once(caller, &method, given));
        caller.shared.counters.answered(result.is_ok());
        if let Some(id) = id {
            let sent = caller.outlet.send(reply(&id, result)).await;
            return sent.map_err(|_| None);
        }
        return Ok(());
    }
    let Ok(permit) = Arc::clone(working).acquire_owned().await else {
        return Err(None);
    };
    let caller = caller.clone();
    actix_web::rt::spawn(async move {
        let result = match given {
            Ok(given) => calls::call(&caller, &method, given).await,
            Err(error) => Err(error),
        };
        caller.shared.counters.answered(result.is_ok());
        if let Some(id) = id {
            // The connection may have ended meanwhile.
            let _ = caller.outlet.send(reply(&id, result)).await;
        }
        drop(permit);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_pace_wait_as_long_as_it_takes() {
        let start = Instant::now();
        let mut pace = Pace {
            left: REQUESTS_AT_ONCE,
            at: start,
        };
        for _ in 0..4000 {
            assert_eq!(pace.take(start), Duration::ZERO);
        }
        assert!(pace.take(start) > Duration::ZERO);
        // After a second there is room for as many as the pace allows.
        let later = start + Duration::from_secs(1);
        let free = (0..3000).take_while(|_| pace.take(later).is_zero()).count();
        assert!((1990..=2000).contains(&free), "{free}");
    }
}
