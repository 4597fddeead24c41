//! The client's task: one connection to the server, made again when it breaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Clock, SeedTree};
use dxos_keys::DeviceKey;
use dxos_transport::{
    CloseReason, FrameReceiver, FrameSender, PeerAddress, StreamError, Transport,
};
use dxos_wire::StreamKind;
use dxos_wire::limits::{ADDRESSES_MAX, PEERS_PER_ANSWER_MAX};

use crate::client::{Shared, SignalError};
use crate::message::{Notice, Request};

const CONNECT_WAIT: Duration = Duration::from_secs(15);
const GOODBYE_WAIT: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) server: DeviceKey,
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) clock: Clock,
    pub(crate) seeds: SeedTree,
}

impl Drop for Link {
    /// Also when the task is aborted.
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Link {
    pub(crate) async fn run(self) {
        let mut failures = 0_u32;
        let mut attempts = 0_u64;
        loop {
            let (unused, idle) = {
                let state = self.shared.state();
                (state.unused, state.is_idle())
            };
            if unused {
                return;
            }
            if idle {
                self.shared.wanted.notified().await;
                continue;
            }
            let ended = self.session(&mut failures).await;
            self.shared.state().connected = false;
            let Err(error) = ended else { continue };
            tracing::debug!(server = %self.server.short(), %error, "rendezvous server not used");
            let closed = matches!(
                error,
                SignalError::Connect(dxos_transport::ConnectError::Closed)
            );
            self.shared.state().error = Some(error);
            if closed {
                return;
            }
            let pause = self.pause(failures, attempts);
            failures = failures.saturating_add(1);
            attempts += 1;
            self.sleep(pause).await;
        }
    }

    /// Waits, unless nobody uses the client any more.
    async fn sleep(&self, pause: Duration) {
        let unused = async {
            while !self.shared.state().unused {
                self.shared.wanted.notified().await;
            }
        };
        tokio::select! {
            biased;
            () = unused => {}
            () = self.clock.sleep(pause) => {}
        }
    }

    /// Doubling, drawn from the upper half, so that clients do not all come back at once.
    fn pause(&self, failures: u32, attempt: u64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
        let half = PAUSE_MIN.saturating_mul(doubled).min(PAUSE_MAX) / 2;
        let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        let random = self.seeds.child_n("pause", attempt).seed();
        half + Duration::from_micros(random.checked_rem(span).unwrap_or(0))
    }

    /// One connection, until it breaks or no topic is left.
    async fn session(&self, failures: &mut u32) -> Result<(), SignalError> {
        let connect = async {
            let connection = self.transport.connect(self.server, &self.addresses).await?;
            let stream = connection.open(StreamKind::Signal).await?;
            Ok::<_, SignalError>((connection, stream))
        };
        let (connection, stream) = self
            .clock
            .timeout(CONNECT_WAIT, connect)
            .await
            .map_err(|_| SignalError::TimedOut)??;
        self.shared.state().connected = true;
        let ended = tokio::select! {
            biased;
            reason = connection.closed() => Err(StreamError::Closed(reason).into()),
            ended = self.read(stream.receiver, failures) => ended,
            ended = self.write(stream.sender) => ended,
        };
        connection.close(CloseReason::Done);
        ended
    }

    async fn read(
        &self,
        mut receiver: FrameReceiver,
        failures: &mut u32,
    ) -> Result<(), SignalError> {
        loop {
            let frame = receiver.receive().await?.ok_or(StreamError::Finished)?;
            match Notice::decode(&frame).map_err(|_| SignalError::Malformed)? {
                Notice::Peers { topic, peers } => {
                    let long = |at: &Vec<_>| at.len() > ADDRESSES_MAX;
                    if peers.len() > PEERS_PER_ANSWER_MAX
                        || peers.iter().any(|peer| long(&peer.addresses))
                    {
                        return Err(SignalError::Malformed);
                    }
                    *failures = 0;
                    self.shared.change(|state| {
                        state.learn(topic, peers);
                        state.error = None;
                    });
                }
                Notice::Full { .. } => {
                    self.shared.state().error = Some(SignalError::Full);
                }
            }
        }
    }

    /// Announces what is wanted and was not said yet, until nothing is wanted.
    async fn write(&self, mut sender: FrameSender) -> Result<(), SignalError> {
        let mut said = BTreeMap::new();
        loop {
            let wanted = self.shared.state().wanted();
            let mut frames = Vec::new();
            for topic in said.keys().filter(|topic| !wanted.contains_key(topic)) {
                frames.push(Request::Leave { topic: *topic });
            }
            for (topic, addresses) in &wanted {
                if said.get(topic) != Some(addresses) {
                    frames.push(Request::Announce {
                        topic: *topic,
                        addresses: addresses.clone(),
                    });
                }
            }
            let frames: Result<Vec<_>, _> = frames.iter().map(Request::encode).collect();
            sender
                .send_many(frames.map_err(|_| SignalError::Malformed)?)
                .await?;
            if wanted.is_empty() {
                // That the goodbye arrives is only a courtesy: closing says the same.
                drop(self.clock.timeout(GOODBYE_WAIT, sender.delivered()).await);
                return Ok(());
            }
            said = wanted;
            self.shared.wanted.notified().await;
        }
    }
}
