//! The actor around the core: it turns requests and what the network does into inputs, and
//! carries out the outputs. What waits runs in tasks of its own, which end with the actor.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use dxos_actors::{
    Answer, Behaviour, ChaCha20Rng, Clock, Context, Receive, SeedTree, Shutdown, ShutdownError,
    Task, Timer,
};
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::auth::{Hello, SwarmSecret};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::mesh::{
    AddPeer, Broadcast, ConnectionReport, EndSession, JoinSwarm, LeaveSwarm, MembersChanged,
    MeshError, NetworkReport, NetworkStatus, SetConnectionState, SwarmReport, Wake,
};
use dxos_protocol::replicate::SessionId;
use dxos_transport::{Connection, Discovery, PeerAddress, Stream, Transport};
use dxos_wire::limits::{ADDRESSES_MAX, GOSSIP_BYTES_MAX};
use tokio::sync::{Notify, oneshot, watch};

use crate::config::MeshConfig;
use crate::core::{AuthId, ConnectionId, Core, Input, Output};
use crate::gossip::GossipQueue;
use crate::hold::{Held, InvitationHandler};
use crate::ports::MeshPorts;
use crate::requests::{Connect, ConnectError};
use crate::session::end_of;

/// What a mesh is built from.
pub(crate) struct Parts {
    pub(crate) config: MeshConfig,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) discovery: Arc<dyn Discovery>,
    pub(crate) ports: MeshPorts,
    pub(crate) invitations: Option<Arc<dyn InvitationHandler>>,
    pub(crate) clock: Clock,
    pub(crate) seed: SeedTree,
    pub(crate) report: watch::Sender<NetworkReport>,
}

/// A connection and the tasks that serve it.
pub(crate) struct ConnectionEntry {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) device: DeviceKey,
    pub(crate) tasks: Vec<Task>,
    /// Streams of the peer that have not said yet what they are for.
    pub(crate) opening: Rc<Cell<usize>>,
}

/// A handshake under way.
pub(crate) struct AuthEntry {
    pub(crate) connection: ConnectionId,
    pub(crate) topic: Topic,
    pub(crate) task: Task,
}

/// A session under way.
pub(crate) struct SessionEntry {
    pub(crate) topic: Topic,
    pub(crate) device: DeviceKey,
    pub(crate) connection: ConnectionId,
    pub(crate) task: Task,
    pub(crate) wake: Rc<Notify>,
    pub(crate) gossip: GossipQueue,
    /// Where streams of the peer go, each at most once.
    pub(crate) replicate_slot: Option<oneshot::Sender<Stream>>,
    pub(crate) gossip_slot: Option<oneshot::Sender<Stream>>,
}

/// The actor.
pub(crate) struct MeshActor {
    pub(crate) config: MeshConfig,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) discovery: Arc<dyn Discovery>,
    pub(crate) ports: MeshPorts,
    pub(crate) invitations: Option<Arc<dyn InvitationHandler>>,
    pub(crate) invitations_served: usize,
    pub(crate) clock: Clock,
    pub(crate) core: Core<ChaCha20Rng>,
    pub(crate) secrets: BTreeMap<Topic, SwarmSecret>,
    /// Stands in where there is no secret, so that the same work is done.
    pub(crate) decoy: SwarmSecret,
    pub(crate) presences: BTreeMap<Topic, Task>,
    pub(crate) connections: BTreeMap<ConnectionId, ConnectionEntry>,
    pub(crate) auths: BTreeMap<AuthId, AuthEntry>,
    pub(crate) sessions: BTreeMap<SessionId, SessionEntry>,
    /// Handshakes of peers that the core is deciding on.
    pub(crate) hellos: BTreeMap<u64, (ConnectionId, Hello, Stream)>,
    /// Streams of sessions whose handshake is about to end.
    pub(crate) parked: BTreeMap<(ConnectionId, Topic, u8), Stream>,
    /// Ends of sessions that ECHO has not confirmed.
    pub(crate) closing: Rc<watch::Sender<usize>>,
    next_connection: u64,
    next_stream: u64,
    timer: Option<Timer>,
    stopped: bool,
    report: watch::Sender<NetworkReport>,
}

impl MeshActor {
    pub(crate) fn new(parts: Parts) -> Self {
        let core = Core::new(
            parts.transport.device(),
            parts.config.rules(),
            Arc::clone(&parts.config.topology),
            parts.config.state,
            parts.seed.rng_of("backoff"),
        );
        Self {
            config: parts.config,
            transport: parts.transport,
            discovery: parts.discovery,
            ports: parts.ports,
            invitations: parts.invitations,
            invitations_served: 0,
            clock: parts.clock,
            core,
            secrets: BTreeMap::new(),
            decoy: SwarmSecret::from_bytes(parts.seed.child("decoy").bytes()),
            presences: BTreeMap::new(),
            connections: BTreeMap::new(),
            auths: BTreeMap::new(),
            sessions: BTreeMap::new(),
            hellos: BTreeMap::new(),
            parked: BTreeMap::new(),
            closing: Rc::new(watch::Sender::new(0)),
            next_connection: 0,
            next_stream: 0,
            timer: None,
            stopped: false,
            report: parts.report,
        }
    }

    /// Gives the core an input and carries out what comes of it.
    pub(crate) fn apply(&mut self, input: Input, ctx: &Context<Self>) {
        let mut outputs: Vec<Output> = Vec::new();
        self.core.step(self.clock.now(), input, &mut outputs);
        for output in outputs {
            tracing::trace!(?output, "mesh");
            self.carry_out(output, ctx);
        }
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        if let Some(at) = self.core.wake_at() {
            let after = at.saturating_sub(self.clock.now());
            self.timer = Some(ctx.run_later(after, |actor, ctx| actor.apply(Input::Tick, ctx)));
        }
        self.publish();
    }

    /// Takes in a new connection, made by either side.
    pub(crate) fn connected(
        &mut self,
        connection: Arc<dyn Connection>,
        outgoing: bool,
        ctx: &Context<Self>,
    ) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let device = connection.peer();
        self.connections.insert(
            id,
            ConnectionEntry {
                connection,
                device,
                tasks: Vec::new(),
                opening: Rc::default(),
            },
        );
        let input = Input::Connected {
            connection: id,
            device,
            outgoing,
        };
        self.apply(input, ctx);
    }

    pub(crate) fn next_stream(&mut self) -> u64 {
        self.next_stream += 1;
        self.next_stream
    }

    /// Lends a connection out; it is not closed as unused until it is given back.
    pub(crate) fn lend(
        &mut self,
        id: ConnectionId,
        ctx: &Context<Self>,
    ) -> Option<Arc<dyn Connection>> {
        let entry = self.connections.get(&id)?;
        let (held, released) = Held::new(Arc::clone(&entry.connection));
        let connection = id;
        ctx.spawn_then(released, move |actor, _, ctx| {
            let held = false;
            actor.apply(Input::Held { connection, held }, ctx);
        });
        let input = Input::Held {
            connection,
            held: true,
        };
        self.apply(input, ctx);
        Some(held)
    }

    fn state(&self) -> NetworkReport {
        let swarms = self
            .core
            .swarms()
            .map(|(topic, known)| {
                let mut sessions: Vec<DeviceKey> = self
                    .sessions
                    .values()
                    .filter(|session| session.topic == topic)
                    .map(|session| session.device)
                    .collect();
                sessions.sort_unstable();
                SwarmReport {
                    topic,
                    known,
                    sessions,
                }
            })
            .collect();
        let connections = self
            .connections
            .values()
            .map(|entry| {
                let stats = entry.connection.stats();
                ConnectionReport {
                    device: entry.device,
                    address: entry
                        .connection
                        .address()
                        .map(|address| address.to_string()),
                    rtt_us: u64::try_from(stats.rtt.as_micros()).unwrap_or(u64::MAX),
                    bytes_sent: stats.bytes_sent,
                    bytes_received: stats.bytes_received,
                }
            })
            .collect();
        let addresses = self.transport.addresses();
        NetworkReport {
            state: self.core.state(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            swarms,
            connections,
            refused: self.core.refused(),
        }
    }

    /// Publishes the state when it is another; mere traffic is no change.
    fn publish(&self) {
        let now = self.state();
        self.report.send_if_modified(|report| {
            let same = report.state == now.state
                && report.addresses == now.addresses
                && report.swarms == now.swarms
                && report.refused == now.refused
                && report.connections.len() == now.connections.len()
                && report
                    .connections
                    .iter()
                    .zip(&now.connections)
                    .all(|(old, new)| old.device == new.device && old.address == new.address);
            *report = now;
            !same
        });
    }
}

impl Behaviour for MeshActor {
    const NAME: &'static str = "mesh";
    const CREDITS: usize = 512;

    fn started(&mut self, ctx: &Context<Self>) {
        let transport = Arc::clone(&self.transport);
        let context = ctx.clone();
        ctx.spawn(async move {
            while let Some(connection) = transport.accept().await {
                // Take the next one when this one was taken in.
                let (done, taken) = oneshot::channel();
                context.run(move |actor, ctx| {
                    actor.connected(connection, false, ctx);
                    let _ = done.send(());
                });
                if taken.await.is_err() {
                    return;
                }
            }
        });
        self.publish();
    }
}

impl Receive<JoinSwarm> for MeshActor {
    fn receive(
        &mut self,
        JoinSwarm { topic, secret }: JoinSwarm,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), MeshError>> {
        self.secrets.entry(topic).or_insert(secret);
        self.apply(Input::Join { topic }, ctx);
        Answer::Now(Ok(()))
    }
}

impl Receive<LeaveSwarm> for MeshActor {
    fn receive(
        &mut self,
        LeaveSwarm { topic }: LeaveSwarm,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), MeshError>> {
        if self.secrets.remove(&topic).is_none() {
            return Answer::Now(Err(MeshError::UnknownSwarm { topic }));
        }
        self.apply(Input::Leave { topic }, ctx);
        Answer::Now(Ok(()))
    }
}

impl Receive<SetConnectionState> for MeshActor {
    fn receive(
        &mut self,
        SetConnectionState { state }: SetConnectionState,
        ctx: &Context<Self>,
    ) -> Answer<()> {
        if !self.stopped {
            self.apply(Input::SetState(state), ctx);
        }
        Answer::Now(())
    }
}

impl Receive<AddPeer> for MeshActor {
    fn receive(&mut self, peer: AddPeer, ctx: &Context<Self>) -> Answer<Result<(), MeshError>> {
        let AddPeer {
            device,
            addresses,
            topic,
        } = peer;
        let mut parsed: Vec<PeerAddress> = Vec::new();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match address.parse() {
                Ok(address) => parsed.push(address),
                Err(_) => return Answer::Now(Err(MeshError::BadAddress { address })),
            }
        }
        let input = Input::Known {
            topic,
            device,
            addresses: parsed,
        };
        self.apply(input, ctx);
        Answer::Now(Ok(()))
    }
}

impl Receive<MembersChanged> for MeshActor {
    fn receive(
        &mut self,
        MembersChanged { topic }: MembersChanged,
        ctx: &Context<Self>,
    ) -> Answer<()> {
        self.apply(Input::MembersChanged { topic }, ctx);
        Answer::Now(())
    }
}

impl Receive<Wake> for MeshActor {
    fn receive(&mut self, Wake { session }: Wake, _: &Context<Self>) -> Answer<()> {
        if let Some(entry) = self.sessions.get(&session) {
            entry.wake.notify_one();
        }
        Answer::Now(())
    }
}

impl Receive<EndSession> for MeshActor {
    fn receive(
        &mut self,
        EndSession { session, reason }: EndSession,
        ctx: &Context<Self>,
    ) -> Answer<()> {
        tracing::info!(session = session.0, "session ended: {reason}");
        let end = end_of(&reason);
        self.apply(Input::SessionEnded { session, end }, ctx);
        Answer::Now(())
    }
}

impl Receive<Broadcast> for MeshActor {
    fn receive(
        &mut self,
        Broadcast {
            topic,
            payload,
            except,
        }: Broadcast,
        _: &Context<Self>,
    ) -> Answer<Result<(), MeshError>> {
        let found = payload.len();
        if found > GOSSIP_BYTES_MAX {
            let max = GOSSIP_BYTES_MAX;
            return Answer::Now(Err(MeshError::TooLarge { found, max }));
        }
        if !self.secrets.contains_key(&topic) {
            return Answer::Now(Err(MeshError::UnknownSwarm { topic }));
        }
        let meant = self.sessions.values().filter(|entry| {
            // One that the payload came from has it.
            entry.topic == topic && Some(entry.device) != except
        });
        for session in meant {
            let dropped = session.gossip.push(payload.clone());
            if dropped > 0 {
                tracing::debug!(peer = %session.device.short(), dropped, "gossip dropped");
            }
        }
        Answer::Now(Ok(()))
    }
}

impl Receive<NetworkStatus> for MeshActor {
    fn receive(&mut self, _: NetworkStatus, _: &Context<Self>) -> Answer<NetworkReport> {
        Answer::Now(self.state())
    }
}

impl Receive<Connect> for MeshActor {
    fn receive(
        &mut self,
        Connect { device, addresses }: Connect,
        ctx: &Context<Self>,
    ) -> Answer<Result<Arc<dyn Connection>, ConnectError>> {
        if self.core.state() == ConnectionState::Offline {
            return Answer::Now(Err(ConnectError::Offline { device }));
        }
        if let Some(id) = self.core.connection_with(&device)
            && let Some(held) = self.lend(id, ctx)
        {
            return Answer::Now(Ok(held));
        }
        let (reply, replied) = oneshot::channel();
        let dial = self.dial(device, addresses);
        ctx.spawn_then(dial, move |actor, dialed, ctx| {
            let result = match dialed {
                Ok(connection) => {
                    actor.connected(connection, true, ctx);
                    // Perhaps another connection with the device came first and is kept.
                    let kept = actor.core.connection_with(&device);
                    kept.and_then(|id| actor.lend(id, ctx))
                        .ok_or(ConnectError::Full { device })
                }
                Err(error) => Err(error.into()),
            };
            // Nobody may be waiting any more.
            drop(reply.send(result));
        });
        Answer::later(async move {
            replied
                .await
                .unwrap_or(Err(ConnectError::Mesh(dxos_actors::PortError::Closed)))
        })
    }
}

impl Receive<Shutdown> for MeshActor {
    fn receive(
        &mut self,
        Shutdown { deadline }: Shutdown,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), ShutdownError>> {
        self.stopped = true;
        self.apply(Input::SetState(ConnectionState::Offline), ctx);
        let mut closing = self.closing.subscribe();
        let transport = Arc::clone(&self.transport);
        let clock = self.clock.clone();
        Answer::later(async move {
            let end = async {
                // An error means that nothing is closing any more.
                drop(closing.wait_for(|count| *count == 0).await);
                transport.close().await;
            };
            clock
                .timeout(deadline, end)
                .await
                .map_err(|_| ShutdownError::Deadline)
        })
    }
}
