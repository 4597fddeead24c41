//! What all connections of a host share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use dxos_client::Client;
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::sync::{Notify, watch};

use crate::archives::Archives;
use crate::calls::Flows;
use crate::memory::{Kept, Memory};
use crate::metrics::Counters;
use crate::outlet::Outlet;
use crate::protocol::{ErrorInfo, Metrics};
use crate::session::Session;
use crate::tokens::{Admitted, Refused, Token, TokenId, Tokens};
use crate::{HostError, Limits};

/// What all connections of a host share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    pub(crate) counters: Arc<Counters>,
    pub(crate) flows: Flows,
    pub(crate) archives: Archives,
    /// The port, and the origins beside the own ones.
    pub(crate) port: u16,
    pub(crate) origins: Vec<String>,
    pub(crate) console: bool,
    started: Instant,
    memory: Memory,
    tokens: Mutex<Tokens>,
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
    strangers: Mutex<BTreeMap<u64, Arc<Notify>>>,
    connections: AtomicU64,
    admitted: AtomicU64,
    /// Counts up when session tokens were revoked.
    pub(crate) revoked: watch::Sender<u64>,
    /// Set when the host ends.
    pub(crate) stopping: watch::Sender<bool>,
    /// Told when the profile was wiped.
    pub(crate) reset: Notify,
}

/// What a host is made of.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    pub(crate) port: u16,
    pub(crate) origins: Vec<String>,
    pub(crate) console: bool,
    pub(crate) memory: Memory,
    pub(crate) kept: Kept,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes of the operating system.
pub(crate) fn draw() -> Result<[u8; 32], HostError> {
    let mut bytes = [0; 32];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| HostError::Randomness {
            reason: error.to_string(),
        })?;
    Ok(bytes)
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(made: Made) -> Result<Self, HostError> {
        let tokens = Tokens::new(made.kept.tokens, now_ms());
        let shared = Self {
            client: made.client,
            limits: made.limits,
            counters: Arc::default(),
            flows: Flows::default(),
            archives: Archives::new(
                made.memory.directory().to_owned(),
                made.limits.archive_bytes,
            ),
            port: made.port,
            origins: made.origins,
            console: made.console,
            started: Instant::now(),
            memory: made.memory,
            tokens: Mutex::new(tokens),
            sessions: Mutex::default(),
            strangers: Mutex::default(),
            connections: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            revoked: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            reset: Notify::new(),
        };
        // The port is found again after a restart, and pages that are open with it.
        shared.keep(&guard(&shared.tokens))?;
        Ok(shared)
    }

    fn keep(&self, tokens: &Tokens) -> Result<(), HostError> {
        self.memory.write(&Kept {
            port: Some(self.port),
            tokens: tokens.standing().cloned().collect(),
        })
    }

    fn keep_or_say(&self, tokens: &Tokens) {
        if let Err(error) = self.keep(tokens) {
            tracing::warn!(%error, "pages have to be opened anew after a restart");
        }
    }

    /// Forgets who may talk to the host.
    pub(crate) fn forget(&self) {
        self.memory.remove();
    }

    pub(crate) fn make_one_time(&self) -> Result<Token, HostError> {
        Ok(guard(&self.tokens).make_one_time(now_ms(), draw()?))
    }

    pub(crate) fn address_of(&self, token: &Token) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, token.text)
    }

    pub(crate) fn admit(&self, text: &str) -> Result<Result<Admitted, Refused>, HostError> {
        let draw = draw()?;
        let mut tokens = guard(&self.tokens);
        let admitted = tokens.admit(text, now_ms(), draw);
        match &admitted {
            Ok(admitted) if admitted.fresh.is_some() => self.keep_or_say(&tokens),
            Err(Refused::Used(_)) => {
                self.keep_or_say(&tokens);
                drop(tokens);
                self.revoked.send_modify(|count| *count += 1);
            }
            _ => {}
        }
        Ok(admitted)
    }

    /// Makes the session tokens of all others void; gives how many sessions that ends.
    pub(crate) fn revoke_others(&self, own: TokenId) -> u32 {
        let mut tokens = guard(&self.tokens);
        tokens.revoke_others(own);
        self.keep_or_say(&tokens);
        drop(tokens);
        let mut sessions = guard(&self.sessions);
        let before = sessions.len();
        sessions.retain(|_, session| session.owner == own);
        let ended = before - sessions.len();
        drop(sessions);
        self.revoked.send_modify(|count| *count += 1);
        u32::try_from(ended).unwrap_or(u32::MAX)
    }

    pub(crate) fn holds(&self, token: TokenId) -> bool {
        guard(&self.tokens).holds(token)
    }

    /// The session that a client comes back to, or a new one; and whether it was there.
    pub(crate) fn open_session(
        &self,
        owner: TokenId,
        asked: Option<&str>,
    ) -> Result<(Arc<Session>, bool), HostError> {
        let draw = draw()?;
        let mut sessions = guard(&self.sessions);
        self.end_left(&mut sessions);
        let known = asked.and_then(|id| sessions.get(id));
        if let Some(session) = known.filter(|session| session.owner == owner) {
            return Ok((Arc::clone(session), true));
        }
        while sessions.len() >= self.limits.sessions {
            let oldest = sessions
                .values()
                .filter_map(|session| Some((session.left()?, session.id.clone())))
                .min();
            match oldest {
                Some((_, id)) => drop(sessions.remove(&id)),
                None => break,
            }
        }
        let (name, _) = draw.split_at(16);
        let id = BASE64URL_NOPAD.encode(name);
        let session = Arc::new(Session::new(id.clone(), owner));
        sessions.insert(id, Arc::clone(&session));
        Ok((session, false))
    }

    fn end_left(&self, sessions: &mut BTreeMap<String, Arc<Session>>) {
        let linger = self.limits.linger;
        sessions.retain(|_, session| session.left().is_none_or(|left| left.elapsed() < linger));
    }

    /// Ends the sessions that were left too long ago.
    pub(crate) fn tidy(&self) {
        self.end_left(&mut guard(&self.sessions));
        self.archives.tidy();
    }

    /// Takes in a connection that has shown no token. The oldest such one ends when there are
    /// too many.
    pub(crate) fn stranger(self: &Arc<Self>) -> Stranger {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let evicted = Arc::new(Notify::new());
        let mut strangers = guard(&self.strangers);
        if strangers.len() >= self.limits.strangers
            && let Some((_, oldest)) = strangers.pop_first()
        {
            self.counters.refused();
            oldest.notify_one();
        }
        strangers.insert(number, Arc::clone(&evicted));
        drop(strangers);
        self.counters.connected();
        Stranger {
            shared: Arc::clone(self),
            number,
            evicted,
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let sessions = guard(&self.sessions);
        let subscriptions: usize = sessions
            .values()
            .map(|session| session.subscriptions())
            .sum();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.counters
            .read(uptime, count(sessions.len()), count(subscriptions))
    }

    /// Ends all subscriptions: their client was reset.
    pub(crate) fn end_sessions(&self) {
        guard(&self.sessions).clear();
    }

    /// How long nothing may happen on a connection.
    pub(crate) const fn hello_patience(&self) -> Duration {
        self.limits.hello
    }
}

/// A connection that has shown no token.
#[derive(Debug)]
pub(crate) struct Stranger {
    shared: Arc<Shared>,
    pub(crate) number: u64,
    pub(crate) evicted: Arc<Notify>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        guard(&self.shared.strangers).remove(&self.number);
        self.shared.counters.disconnected();
    }
}

impl Stranger {
    /// It has shown one: it does not count among the strangers any more.
    pub(crate) fn admit(&self, limits: &Limits) -> Result<Guest, ErrorInfo> {
        guard(&self.shared.strangers).remove(&self.number);
        let open = self.shared.admitted.fetch_add(1, Ordering::Relaxed);
        let guest = Guest(Arc::clone(&self.shared));
        if open >= limits.connections as u64 {
            drop(guest);
            let max = limits.connections;
            let message = format!("{max} connections are open, which is the limit; close one");
            return Err(ErrorInfo::limit("full", message));
        }
        Ok(guest)
    }
}

/// A connection that has shown a token.
#[derive(Debug)]
pub(crate) struct Guest(Arc<Shared>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.admitted.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is known.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Arc<Session>,
    pub(crate) outlet: Outlet,
}
