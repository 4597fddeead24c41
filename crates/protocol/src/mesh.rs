//! Requests to MESH and what it reports.

use bytes::Bytes;
use dxos_keys::{DeviceKey, Topic};
use serde::{Deserialize, Serialize};

use crate::auth::SwarmSecret;
use crate::replicate::SessionId;
use crate::request;

/// Joins the swarm of a topic: announce, connect to those that are there, accept those that
/// come. Joining again changes nothing.
#[derive(Clone, Debug)]
pub struct JoinSwarm {
    /// The topic.
    pub topic: Topic,
    /// What its members know.
    pub secret: SwarmSecret,
}

/// Leaves a swarm and ends its sessions.
#[derive(Clone, Debug)]
pub struct LeaveSwarm {
    /// The topic.
    pub topic: Topic,
}

/// Goes online or offline. Offline ends all sessions and accepts none.
#[derive(Clone, Copy, Debug)]
pub struct SetConnectionState {
    /// The state to be in.
    pub state: ConnectionState,
}

/// Whether the client takes part in the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// It does not.
    Offline,
    /// It does.
    #[default]
    Online,
}

/// ECHO tells MESH that the members of a space have changed: devices that refused this one, or
/// that it refused, may decide otherwise now, and are not made to wait until they would have been
/// asked again. A device that broke the rules stays out for its time.
#[derive(Clone, Copy, Debug)]
pub struct MembersChanged {
    /// The swarm of the space.
    pub topic: Topic,
}

/// Tells where a device may be reached, such as one met through an invitation. It is looked for
/// there once its swarm is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPeer {
    /// The device.
    pub device: DeviceKey,
    /// Its addresses in text form.
    pub addresses: Vec<String>,
    /// The swarm in which it is to be expected.
    pub topic: Topic,
}

/// ECHO tells MESH that a session has something to send. Any number of these before MESH asks
/// count as one.
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    /// The session.
    pub session: SessionId,
}

/// ECHO tells MESH to end a session.
#[derive(Clone, Debug)]
pub struct EndSession {
    /// The session.
    pub session: SessionId,
    /// Why, for the log and the peer's penalty.
    pub reason: crate::replicate::SessionError,
}

/// Sends an ephemeral message to all devices of a swarm that are connected. Never stored, may be
/// lost, at most [`dxos_wire::limits::GOSSIP_BYTES_MAX`].
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// The swarm.
    pub topic: Topic,
    /// The payload.
    pub payload: Bytes,
    /// A device that is not to get it, such as the one it came from.
    pub except: Option<DeviceKey>,
}

/// MESH delivers an ephemeral message.
#[derive(Clone, Debug)]
pub struct DeliverGossip {
    /// The swarm.
    pub topic: Topic,
    /// Who sent it, proven by TLS.
    pub from: DeviceKey,
    /// The payload.
    pub payload: Bytes,
}

/// Asks for the state of the network.
#[derive(Clone, Copy, Debug)]
pub struct NetworkStatus;

/// The state of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkReport {
    /// Whether the client takes part.
    pub state: ConnectionState,
    /// Where others can reach this device.
    pub addresses: Vec<String>,
    /// The swarms it is in.
    pub swarms: Vec<SwarmReport>,
    /// The connections it has.
    pub connections: Vec<ConnectionReport>,
    /// Handshakes that were refused since the start.
    pub refused: u64,
}

/// The state of one swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmReport {
    /// The topic.
    pub topic: Topic,
    /// Devices known to be there.
    pub known: usize,
    /// Devices with an authenticated session.
    pub sessions: Vec<DeviceKey>,
}

/// The state of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// The peer.
    pub device: DeviceKey,
    /// Its address as seen from here.
    pub address: Option<String>,
    /// Round-trip time in microseconds.
    pub rtt_us: u64,
    /// Bytes sent since it was made.
    pub bytes_sent: u64,
    /// Bytes received since it was made.
    pub bytes_received: u64,
}

/// Why MESH did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// The payload is too large.
    #[error("payload of {found} bytes, more than the {max} allowed")]
    TooLarge {
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The swarm was not joined.
    #[error("swarm {topic} was not joined")]
    UnknownSwarm {
        /// The topic.
        topic: Topic,
    },
    /// An address cannot be read.
    #[error("{address:?} is not an address; expected host:port")]
    BadAddress {
        /// The text.
        address: String,
    },
}

request! {
    JoinSwarm => Result<(), MeshError>,
    LeaveSwarm => Result<(), MeshError>,
    SetConnectionState => (),
    AddPeer => Result<(), MeshError>,
    MembersChanged => (),
    Wake => (),
    EndSession => (),
    Broadcast => Result<(), MeshError>,
    DeliverGossip => (),
    NetworkStatus => NetworkReport,
}
