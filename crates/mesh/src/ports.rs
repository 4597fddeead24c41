//! What a mesh asks of others.

use dxos_actors::Port;
use dxos_protocol::auth::{JudgeEvidence, Judgement, PresentEvidence, Presented};
use dxos_protocol::mesh::DeliverGossip;
use dxos_protocol::replicate::{CloseSession, OpenSession, Produce, Receive};

/// The ways from a mesh to those that know what it does not: who is a member, what to replicate.
#[derive(Clone, Debug)]
pub struct MeshPorts {
    /// What to show in a swarm.
    pub present: Port<PresentEvidence>,
    /// What to make of what a peer shows. Asked only of peers that proved to know the swarm's
    /// secret.
    pub judge: Port<JudgeEvidence>,
    /// Where ephemeral messages go. Told, not asked: when it is overloaded they are dropped.
    pub gossip: Port<DeliverGossip>,
    /// Who replicates; `None` for swarms without a database. It is the same at all devices of a
    /// swarm: one that replicates has no session with one that does not.
    pub replication: Option<ReplicationPorts>,
}

impl MeshPorts {
    /// The ports of a swarm without a database or members: who knows the secret belongs to it.
    pub fn open(gossip: Port<DeliverGossip>) -> Self {
        Self {
            present: Port::stub(|_| Ok(Presented::whole(bytes::Bytes::new()))),
            judge: Port::stub(|_| Judgement::Admitted),
            gossip,
            replication: None,
        }
    }
}

/// The ways from a mesh to what replicates.
#[derive(Clone, Debug)]
pub struct ReplicationPorts {
    /// A peer was authenticated.
    pub open_session: Port<OpenSession>,
    /// A message of the peer. Up to four of one session are under way at a time, asked in
    /// order; nothing more is read from the peer until one is answered.
    pub receive: Port<Receive>,
    /// What to send next. Asked once when the session begins, then after every wake.
    pub produce: Port<Produce>,
    /// A session is over. Asked once for every session that was to be opened, also when that
    /// failed.
    pub close_session: Port<CloseSession>,
}
