//! The server: connections around a registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dxos_actors::{Clock, SpawnError, SpawnerHandle};
use dxos_transport::{CloseReason, Connection, Stream, Transport};
use dxos_wire::StreamKind;
use tokio::sync::Notify;

use crate::message::{ClientMessage, ServerMessage, VERSION};
use crate::registry::{ClientId, Registry};

/// How long a client may take for its first word, or to read an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Messages that are sent at once.
const SENT_AT_ONCE: usize = 64;
/// Messages that a client may send in a burst, and how long one more takes to be earned.
const BURST: u32 = 2048;
const EARNED_EVERY: Duration = Duration::from_millis(10);

/// What a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalConfig {
    /// Devices that are connected at once: 10,000; more are refused.
    pub devices_max: usize,
    /// Topics joined at once, over all devices: 100,000. Each costs about 1 KiB for each
    /// device that is told of it.
    pub joined_max: usize,
}

impl Default for SignalConfig {
    fn default() -> Self {
        Self {
            devices_max: 10_000,
            joined_max: 100_000,
        }
    }
}

impl SignalConfig {
    /// Sets how many devices are served at once.
    #[must_use]
    pub fn devices_max(mut self, devices_max: usize) -> Self {
        self.devices_max = devices_max;
        self
    }

    /// Sets how many topics may be joined at once, over all devices.
    #[must_use]
    pub fn joined_max(mut self, joined_max: usize) -> Self {
        self.joined_max = joined_max;
        self
    }
}

/// A rendezvous server over a transport.
#[derive(Debug)]
pub struct SignalServer {
    transport: Arc<dyn Transport>,
    config: SignalConfig,
}

struct Shared {
    state: Mutex<State>,
    clock: Clock,
}

struct State {
    registry: Registry,
    wakers: BTreeMap<ClientId, Arc<Notify>>,
}

impl SignalServer {
    /// Makes a server; it serves nobody before [`SignalServer::start`].
    pub fn new(transport: Arc<dyn Transport>, config: SignalConfig) -> Self {
        Self { transport, config }
    }

    /// Serves on a spawner until the transport is closed or the spawner stops.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Stopped`].
    pub fn start(self, spawner: &SpawnerHandle, clock: Clock) -> Result<(), SpawnError> {
        let registry = Registry::new(self.config.joined_max);
        let state = State {
            registry,
            wakers: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            clock,
        });
        let inner = spawner.clone();
        spawner.spawn("signal server", move || async move {
            let mut next = 0;
            while let Some(connection) = self.transport.accept().await {
                if shared.devices() >= self.config.devices_max {
                    connection.close(CloseReason::Overloaded);
                    continue;
                }
                next += 1;
                let (id, shared) = (ClientId(next), Arc::clone(&shared));
                shared.connect(id, &*connection);
                let serve = serve(shared, id, connection);
                if inner.spawn_local("signal client", serve).is_err() {
                    return;
                }
            }
        })
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn devices(&self) -> usize {
        self.with(|state| state.wakers.len())
    }

    fn connect(&self, id: ClientId, connection: &dyn Connection) {
        self.with(|state| {
            state.wakers.insert(id, Arc::new(Notify::new()));
            state
                .registry
                .connect(id, connection.peer(), connection.address());
        });
    }
}

/// Serves one client to its end.
async fn serve(shared: Arc<Shared>, id: ClientId, connection: Arc<dyn Connection>) {
    if let Some(stream) = first_stream(&shared.clock, &*connection).await {
        let reason = talk(&shared, id, stream).await;
        connection.close(reason);
    } else {
        connection.close(CloseReason::TimedOut);
    }
    shared.with(|state| {
        state.wakers.remove(&id);
        let wake = state.registry.disconnect(id);
        state.wake(wake);
    });
}

async fn first_stream(clock: &Clock, connection: &dyn Connection) -> Option<Stream> {
    let first = async {
        loop {
            match connection.accept().await {
                Ok((StreamKind::Signal, stream)) => return Some(stream),
                // Nothing else is served here: dropping a stream refuses it.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    };
    clock.timeout(PATIENCE, first).await.ok().flatten()
}

async fn talk(shared: &Shared, id: ClientId, stream: Stream) -> CloseReason {
    let Stream {
        mut sender,
        mut receiver,
        ..
    } = stream;
    let clock = &shared.clock;
    let Some(waker) = shared.with(|state| state.wakers.get(&id).cloned()) else {
        return CloseReason::Done;
    };
    let (mut left, mut earned) = (BURST, clock.now());
    loop {
        let messages = shared.with(|state| state.registry.produce(id, SENT_AT_ONCE));
        if !messages.is_empty() {
            let frames = messages.iter().filter_map(encode).collect();
            match clock.timeout(PATIENCE, sender.send_many(frames)).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => return CloseReason::Lost,
                Err(_) => return CloseReason::TimedOut,
            }
        }
        tokio::select! {
            biased;
            frame = receiver.receive() => {
                let Ok(Some(frame)) = frame else { return CloseReason::Done };
                let Ok(message) = dxos_wire::decode::<ClientMessage>(VERSION, &frame) else {
                    return CloseReason::Offence;
                };
                shared.with(|state| {
                    let wake = state.registry.receive(id, message);
                    state.wake(wake);
                });
                let new = (clock.now() - earned).as_millis() / EARNED_EVERY.as_millis();
                if new > 0 {
                    earned = clock.now();
                    let new = u32::try_from(new).unwrap_or(u32::MAX);
                    left = left.saturating_add(new).min(BURST);
                }
                match left.checked_sub(1) {
                    Some(rest) => left = rest,
                    // Not reading is what slows it down.
                    None => clock.sleep(EARNED_EVERY).await,
                }
            }
            () = waker.notified() => {}
        }
    }
}

impl State {
    fn wake(&self, clients: impl IntoIterator<Item = ClientId>) {
        for client in clients {
            if let Some(waker) = self.wakers.get(&client) {
                waker.notify_one();
            }
        }
    }
}

fn encode(message: &ServerMessage) -> Option<bytes::Bytes> {
    dxos_wire::encode(VERSION, message).ok().map(Into::into)
}
