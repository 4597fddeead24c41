//! Carries out what the core decides.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Context, PortError};
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::auth::SwarmSecret;
use dxos_protocol::replicate::{CloseSession, SessionId};
use dxos_transport::{Announcement, ConnectError, Connection, DiscoveryEvent, PeerAddress};
use tokio::sync::{Notify, oneshot};

use crate::actor::{AuthEntry, MeshActor, SessionEntry};
use crate::core::{AuthId, AuthOutcome, ConnectionId, Input, Output, SessionEnd};
use crate::gossip::GossipQueue;
use crate::handshake::Handshake;
use crate::incoming;
use crate::session::{Session, Streams};

/// How often ECHO is told that a session is over before it is left to find out.
const CLOSE_ATTEMPTS: u32 = 6;

impl MeshActor {
    pub(crate) fn carry_out(&mut self, output: Output, ctx: &Context<Self>) {
        match output {
            Output::Discover { topic } => self.discover(topic, ctx),
            Output::Forget { topic } => {
                if let Some(task) = self.presences.remove(&topic) {
                    task.abort();
                }
            }
            Output::Dial { device, addresses } => {
                let dial = self.dial(device, addresses);
                ctx.spawn_then(dial, move |actor, dialed, ctx| match dialed {
                    Ok(connection) => actor.connected(connection, true, ctx),
                    Err(error) => {
                        tracing::debug!("dial failed: {error}");
                        actor.apply(Input::DialFailed { device }, ctx);
                    }
                });
            }
            Output::Accept { connection } => self.accept(connection, ctx),
            Output::Close { connection, reason } => {
                if let Some(dropped) = self.drop_connection(connection) {
                    dropped.close(reason);
                }
            }
            Output::Authenticate {
                auth,
                connection,
                topic,
            } => self.authenticate(auth, connection, topic, ctx),
            Output::Serve {
                auth,
                connection,
                topic,
                stream,
            } => self.serve(auth, connection, topic, stream, ctx),
            Output::Decline { stream } => self.decline(stream, ctx),
            Output::Ignore { stream } => drop(self.hellos.remove(&stream)),
            Output::Abandon { auth } => {
                if let Some(entry) = self.auths.remove(&auth) {
                    entry.task.abort();
                    self.unpark(entry.connection, entry.topic);
                }
            }
            Output::OpenSession {
                session,
                connection,
                topic,
                device,
                opener,
            } => self.open_session(session, connection, topic, device, opener, ctx),
            Output::EndSession { session } => self.end_session(session, ctx),
        }
    }

    fn discover(&mut self, topic: Topic, ctx: &Context<Self>) {
        let discovery = Arc::clone(&self.discovery);
        let me = Announcement {
            device: self.transport.device(),
            addresses: self.transport.addresses(),
        };
        let context = ctx.clone();
        let task = ctx.spawn(async move {
            let mut presence = match discovery.join(topic, me).await {
                Ok(presence) => presence,
                Err(error) => {
                    tracing::warn!(topic = %topic.short(), "no discovery: {error}");
                    return;
                }
            };
            while let Some(event) = presence.next().await {
                let input = match event {
                    DiscoveryEvent::PeerFound { device, addresses } => Input::Known {
                        topic,
                        device,
                        addresses,
                    },
                    DiscoveryEvent::PeerLost { device } => Input::Gone { topic, device },
                    _ => continue,
                };
                let (done, taken) = oneshot::channel();
                context.run(move |actor, ctx| {
                    actor.apply(input, ctx);
                    let _ = done.send(());
                });
                if taken.await.is_err() {
                    return;
                }
            }
            // The source is gone for good: what it said stays known, and we stay announced
            // wherever else we are.
        });
        if let Some(earlier) = self.presences.insert(topic, task) {
            earlier.abort();
        }
    }

    /// Makes a connection, within the time for it.
    pub(crate) fn dial(
        &self,
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    ) -> impl Future<Output = Result<Arc<dyn Connection>, ConnectError>> + 'static {
        let transport = Arc::clone(&self.transport);
        let clock = self.clock.clone();
        let waited = self.config.dial_timeout;
        async move {
            let connect = transport.connect(device, &addresses);
            match clock.timeout(waited, connect).await {
                Ok(result) => result,
                Err(_) => Err(ConnectError::TimedOut {
                    peer: device,
                    tried: addresses.clone(),
                    waited,
                }),
            }
        }
    }

    fn accept(&mut self, id: ConnectionId, ctx: &Context<Self>) {
        let Some(entry) = self.connections.get_mut(&id) else {
            return;
        };
        let connection = Arc::clone(&entry.connection);
        let ended = ctx.spawn_then(
            async move { connection.closed().await },
            move |actor, reason, ctx| {
                let connection = id;
                actor.apply(Input::Disconnected { connection, reason }, ctx);
                actor.drop_connection(id);
                actor.apply(Input::Tick, ctx);
            },
        );
        let streams = incoming::accept(id, Arc::clone(&entry.connection), ctx);
        entry.tasks.extend([ended, streams]);
    }

    fn drop_connection(&mut self, id: ConnectionId) -> Option<Arc<dyn Connection>> {
        self.parked.retain(|(of, _, _), _| *of != id);
        let entry = self.connections.remove(&id)?;
        for task in &entry.tasks {
            task.abort();
        }
        Some(entry.connection)
    }

    fn handshake(&self, id: ConnectionId, topic: Topic, secret: SwarmSecret) -> Option<Handshake> {
        Some(Handshake {
            topic,
            secret,
            own: self.transport.device(),
            connection: Arc::clone(&self.connections.get(&id)?.connection),
            present: self.ports.present.clone(),
            judge: self.ports.judge.clone(),
            clock: self.clock.clone(),
            step_timeout: self.config.step_timeout,
        })
    }

    fn authenticate(
        &mut self,
        auth: AuthId,
        connection: ConnectionId,
        topic: Topic,
        ctx: &Context<Self>,
    ) {
        let secret = self.secrets.get(&topic).cloned();
        let handshake = secret.and_then(|secret| self.handshake(connection, topic, secret));
        self.run_handshake(auth, connection, topic, ctx, async move {
            match handshake {
                Some(handshake) => handshake.initiate().await,
                None => AuthOutcome::Broken,
            }
        });
    }

    fn serve(
        &mut self,
        auth: AuthId,
        connection: ConnectionId,
        topic: Topic,
        stream: u64,
        ctx: &Context<Self>,
    ) {
        let hello = self.hellos.remove(&stream);
        let secret = self.secrets.get(&topic).cloned();
        let handshake = secret.and_then(|secret| self.handshake(connection, topic, secret));
        self.run_handshake(auth, connection, topic, ctx, async move {
            match (handshake, hello) {
                (Some(handshake), Some((_, hello, stream))) => {
                    handshake.respond(hello, stream).await
                }
                _ => AuthOutcome::Broken,
            }
        });
    }

    fn run_handshake(
        &mut self,
        auth: AuthId,
        connection: ConnectionId,
        topic: Topic,
        ctx: &Context<Self>,
        handshake: impl Future<Output = AuthOutcome> + 'static,
    ) {
        let task = ctx.spawn_then(handshake, move |actor, outcome, ctx| {
            tracing::debug!(topic = %topic.short(), ?outcome, "handshake ended");
            actor.auths.remove(&auth);
            actor.apply(Input::AuthEnded { auth, outcome }, ctx);
            if outcome != AuthOutcome::Admitted {
                actor.unpark(connection, topic);
            }
        });
        let entry = AuthEntry {
            connection,
            topic,
            task,
        };
        self.auths.insert(auth, entry);
    }

    fn decline(&mut self, stream: u64, ctx: &Context<Self>) {
        let Some((connection, hello, stream)) = self.hellos.remove(&stream) else {
            return;
        };
        let decoy = self.decoy.clone();
        if let Some(handshake) = self.handshake(connection, hello.topic, decoy) {
            ctx.spawn(handshake.decline(hello, stream));
        }
    }

    fn open_session(
        &mut self,
        id: SessionId,
        connection: ConnectionId,
        topic: Topic,
        device: DeviceKey,
        opener: bool,
        ctx: &Context<Self>,
    ) {
        let Some(entry) = self.connections.get(&connection) else {
            let end = SessionEnd::Closed;
            ctx.run(move |actor, ctx| {
                actor.apply(Input::SessionEnded { session: id, end }, ctx);
            });
            return;
        };
        let wake = Rc::new(Notify::new());
        // What ECHO has to say at the beginning needs no wake.
        wake.notify_one();
        let gossip = GossipQueue::new(self.config.gossip_queue);
        let session = Session {
            id,
            topic,
            device,
            connection: Arc::clone(&entry.connection),
            ports: self.ports.clone(),
            clock: self.clock.clone(),
            step_timeout: self.config.step_timeout,
            gossip_per_second: self.config.gossip_per_second,
            wake: Rc::clone(&wake),
            gossip: gossip.clone(),
        };
        let (replicate_slot, gossip_slot, streams) = if opener {
            (None, None, Streams::Opened)
        } else {
            let (replicate_slot, replicate) = oneshot::channel();
            let (gossip_slot, gossip) = oneshot::channel();
            let replicates = self.ports.replication.is_some();
            let streams = Streams::Awaited { replicate, gossip };
            (
                replicates.then_some(replicate_slot),
                Some(gossip_slot),
                streams,
            )
        };
        tracing::info!(session = id.0, peer = %device.short(), topic = %topic.short(), "session");
        let task = ctx.spawn_then(session.run(streams), move |actor, end, ctx| {
            tracing::info!(session = id.0, ?end, "session ended");
            actor.apply(Input::SessionEnded { session: id, end }, ctx);
        });
        self.sessions.insert(
            id,
            SessionEntry {
                topic,
                device,
                connection,
                task,
                wake,
                gossip,
                replicate_slot,
                gossip_slot,
            },
        );
        self.attach_parked(connection, topic);
    }

    fn end_session(&mut self, id: SessionId, ctx: &Context<Self>) {
        let Some(entry) = self.sessions.remove(&id) else {
            return;
        };
        entry.task.abort();
        let Some(replication) = &self.ports.replication else {
            return;
        };
        let close = replication.close_session.clone();
        let clock = self.clock.clone();
        let closing = Closing::new(&self.closing);
        ctx.spawn(async move {
            for attempt in 1..=CLOSE_ATTEMPTS {
                match close.ask(CloseSession { session: id }).await {
                    Ok(()) | Err(PortError::Closed) => break,
                    Err(error) => tracing::warn!(session = id.0, attempt, "not closed: {error}"),
                }
                clock.sleep(Duration::from_secs(u64::from(attempt))).await;
            }
            drop(closing);
        });
    }
}

/// Counts what is closing, also when its task is aborted.
struct Closing(Rc<tokio::sync::watch::Sender<usize>>);

impl Closing {
    fn new(count: &Rc<tokio::sync::watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
