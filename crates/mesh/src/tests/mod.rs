//! Whole meshes over an in-memory network in virtual time, among them peers that lie.

mod auth;
mod network;
mod raw;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dxos_actors::Port;
use dxos_actors::testing::World;
use dxos_keys::{DeviceKey, DeviceSecret, Topic};
use dxos_protocol::auth::{
    Evidence, JudgeEvidence, Judgement, PresentEvidence, Presented, SwarmSecret,
};
use dxos_protocol::mesh::{Broadcast, ConnectionState, DeliverGossip, JoinSwarm, NetworkStatus};
use dxos_protocol::mesh::{NetworkReport, SetConnectionState};
use dxos_protocol::replicate::{
    CloseSession, Message, OpenSession, Produce, Produced, Receive, SessionId,
};
use dxos_transport::mem::{MemDiscovery, MemNetwork, MemTransport};
use dxos_transport::{Connection, Stream, Transport};

use crate::{InvitationHandler, Mesh, MeshConfig, MeshPorts, ReplicationPorts};

pub(crate) const TOPIC: Topic = Topic::from_bytes([1; 32]);
pub(crate) const OTHER: Topic = Topic::from_bytes([2; 32]);

pub(crate) fn secret_of(topic: Topic) -> SwarmSecret {
    SwarmSecret::from_bytes(topic.as_bytes().map(|byte| byte + 100))
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What was asked of the ports, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Presented {
        full: bool,
    },
    Judged {
        bytes: Bytes,
    },
    Gossip {
        from: DeviceKey,
        payload: Bytes,
    },
    Opened {
        session: SessionId,
        topic: Topic,
        device: DeviceKey,
    },
    Received {
        session: SessionId,
        message: Message,
    },
    Closed {
        session: SessionId,
    },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    pub(crate) fn push(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.all().iter().filter(|event| wanted(event)).count()
    }

    pub(crate) fn opened(&self) -> Vec<(SessionId, Topic, DeviceKey)> {
        let opened = self.all().into_iter().filter_map(|event| match event {
            Event::Opened {
                session,
                topic,
                device,
            } => Some((session, topic, device)),
            _ => None,
        });
        opened.collect()
    }

    pub(crate) fn closed(&self) -> Vec<SessionId> {
        let closed = self.all().into_iter().filter_map(|event| match event {
            Event::Closed { session } => Some(session),
            _ => None,
        });
        closed.collect()
    }
}

/// One device.
pub(crate) struct Node {
    pub(crate) mesh: Mesh,
    pub(crate) device: DeviceKey,
    pub(crate) transport: Arc<MemTransport>,
    pub(crate) log: Log,
    /// What is to be sent next, in every session.
    pub(crate) outbox: Arc<Mutex<Vec<Message>>>,
}

/// What a node is made of, to be altered by a test.
pub(crate) struct Setup {
    pub(crate) discovery: MemDiscovery,
    pub(crate) config: MeshConfig,
    pub(crate) ports: MeshPorts,
    pub(crate) invitations: Option<Arc<dyn InvitationHandler>>,
}

pub(crate) struct Net {
    pub(crate) world: World,
    pub(crate) network: MemNetwork,
    pub(crate) discovery: MemDiscovery,
}

impl Net {
    pub(crate) fn new(world: World) -> Self {
        Self {
            network: MemNetwork::new(world.seed),
            discovery: MemDiscovery::default(),
            world,
        }
    }

    /// Keys that sort as their numbers do.
    pub(crate) fn secret(&self, number: u8) -> DeviceSecret {
        let mut secrets: Vec<DeviceSecret> = (0..32_u64)
            .map(|n| DeviceSecret::from_seed(&self.world.seeds.child_n("device", n).bytes()))
            .collect();
        secrets.sort_by_key(DeviceSecret::device);
        secrets.swap_remove(usize::from(number))
    }

    /// A node without replication, of members all.
    pub(crate) fn chatter(&self, number: u8) -> Node {
        self.node(number, |setup| setup.ports.replication = None)
    }

    pub(crate) fn node(&self, number: u8, alter: impl FnOnce(&mut Setup)) -> Node {
        let secret = self.secret(number);
        let transport = self.network.endpoint(&secret);
        let log = Log::default();
        let outbox = Arc::new(Mutex::new(Vec::new()));
        let mut setup = Setup {
            discovery: self.discovery.clone(),
            config: MeshConfig::default(),
            ports: ports(&log, &outbox),
            invitations: None,
        };
        alter(&mut setup);
        let mesh = Mesh::start(
            &self.world.spawner,
            setup.config,
            Arc::<MemTransport>::clone(&transport),
            Arc::new(setup.discovery),
            setup.ports,
            setup.invitations,
            self.world.clock.clone(),
            &self.world.seeds.child_n("node", u64::from(number)),
        );
        Node {
            mesh,
            device: secret.device(),
            transport,
            log,
            outbox,
        }
    }

    /// Lets time pass for what is not expected to happen.
    pub(crate) async fn pass(&self, duration: Duration) {
        self.world.clock.sleep(duration).await;
    }

    /// Waits for something that is expected to happen.
    pub(crate) async fn eventually(&self, what: &str, mut wanted: impl FnMut() -> bool) {
        for _ in 0..120_000 {
            if wanted() {
                return;
            }
            self.world.clock.sleep(Duration::from_millis(1)).await;
        }
        panic!("never: {what}");
    }
}

fn ports(log: &Log, outbox: &Arc<Mutex<Vec<Message>>>) -> MeshPorts {
    let (present, judge, gossip) = (log.clone(), log.clone(), log.clone());
    let (open, receive, close) = (log.clone(), log.clone(), log.clone());
    let outbox = Arc::clone(outbox);
    MeshPorts {
        present: Port::stub(move |PresentEvidence { full, .. }| {
            present.push(Event::Presented { full });
            Ok(Presented::whole(evidence(full).bytes))
        }),
        judge: Port::stub(move |JudgeEvidence { evidence, .. }| {
            judge.push(Event::Judged {
                bytes: evidence.bytes,
            });
            Judgement::Admitted
        }),
        gossip: Port::stub(move |DeliverGossip { from, payload, .. }| {
            gossip.push(Event::Gossip { from, payload });
        }),
        replication: Some(ReplicationPorts {
            open_session: Port::stub(move |request| {
                let OpenSession {
                    session,
                    topic,
                    device,
                } = request;
                open.push(Event::Opened {
                    session,
                    topic,
                    device,
                });
                Ok(())
            }),
            receive: Port::stub(move |Receive { session, message }| {
                receive.push(Event::Received { session, message });
                Ok(())
            }),
            produce: Port::stub(move |_: Produce| {
                let mut outbox = outbox.lock().unwrap();
                let count = outbox.len().min(2);
                let messages: Vec<Message> = outbox.drain(..count).collect();
                let more = !outbox.is_empty();
                Ok(Produced { messages, more })
            }),
            close_session: Port::stub(move |CloseSession { session }| {
                close.push(Event::Closed { session });
            }),
        }),
    }
}

pub(crate) fn evidence(full: bool) -> Evidence {
    let bytes: &'static [u8] = if full { b"all of it" } else { b"a little" };
    Evidence {
        bytes: Bytes::from_static(bytes),
        more: false,
    }
}

impl Node {
    pub(crate) async fn join(&self, topic: Topic) {
        self.join_with(topic, secret_of(topic)).await;
    }

    pub(crate) async fn join_with(&self, topic: Topic, secret: SwarmSecret) {
        let joined = self.mesh.join().ask(JoinSwarm { topic, secret }).await;
        joined.unwrap().unwrap();
    }

    pub(crate) async fn set_state(&self, state: ConnectionState) {
        let set = self
            .mesh
            .set_state()
            .ask(SetConnectionState { state })
            .await;
        set.unwrap();
    }

    pub(crate) async fn say(&self, topic: Topic, payload: impl Into<Bytes>) {
        let payload = payload.into();
        let said = self
            .mesh
            .broadcast()
            .ask(Broadcast {
                topic,
                payload,
                except: None,
            })
            .await;
        said.unwrap().unwrap();
    }

    pub(crate) async fn report(&self) -> NetworkReport {
        self.mesh.status().ask(NetworkStatus).await.unwrap()
    }

    pub(crate) async fn sessions(&self, topic: Topic) -> Vec<DeviceKey> {
        let report = self.report().await;
        let swarm = report.swarms.into_iter().find(|swarm| swarm.topic == topic);
        swarm.map(|swarm| swarm.sessions).unwrap_or_default()
    }

    /// Waits until the swarm has sessions with exactly so many devices.
    pub(crate) async fn until_sessions(&self, topic: Topic, count: usize) {
        let wanted = |report: &NetworkReport| {
            let swarm = report.swarms.iter().find(|swarm| swarm.topic == topic);
            swarm.is_some_and(|swarm| swarm.sessions.len() == count)
        };
        let wait = self.mesh.until(wanted);
        let waited = tokio::time::timeout(secs(300), wait).await;
        assert!(
            waited.is_ok(),
            "{count} sessions wanted: {:?}",
            self.report().await
        );
    }

    pub(crate) fn heard(&self) -> Vec<(DeviceKey, Bytes)> {
        let heard = self.log.all().into_iter().filter_map(|event| match event {
            Event::Gossip { from, payload } => Some((from, payload)),
            _ => None,
        });
        heard.collect()
    }
}

/// Answers every stream with its first frame.
pub(crate) struct Echo;

#[async_trait]
impl InvitationHandler for Echo {
    async fn accepted(&self, _: Arc<dyn Connection>, mut stream: Stream) {
        while let Ok(Some(frame)) = stream.receiver.receive().await {
            if stream.sender.send(frame).await.is_err() {
                return;
            }
        }
    }
}

pub(crate) fn address_of(node: &Node) -> Vec<dxos_transport::PeerAddress> {
    node.transport.addresses()
}
