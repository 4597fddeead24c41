//! What goes into the core and what comes out.

use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::replicate::SessionId;
use dxos_transport::{CloseReason, PeerAddress};

use super::backoff::Schedule;

/// A connection, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A handshake on a connection for a swarm, numbered by the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuthId(pub(crate) u64);

/// Times and limits of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Delays between dials of one device.
    pub(crate) redial: Schedule,
    /// Delays between handshakes that a device refused or broke off.
    pub(crate) reauth: Schedule,
    /// How far apart changes of members lead to handshakes that were put off.
    pub(crate) reconsider: Duration,
    /// A session that lived this long shows that all is well.
    pub(crate) settled: Duration,
    /// How long the device with the greater key waits for the other's dial.
    pub(crate) dial_grace: Duration,
    /// How long the accepting side of a connection waits for the other's handshake.
    pub(crate) auth_grace: Duration,
    /// Two connections within this time are one simultaneous dial.
    pub(crate) simultaneous: Duration,
    /// A connection that nobody uses is closed after this.
    pub(crate) idle: Duration,
    /// How long a peer that broke the rules is not spoken to.
    pub(crate) penalty: Duration,
    /// Connections at most.
    pub(crate) connections_max: usize,
    /// Dials at one time.
    pub(crate) dials_max: usize,
    /// Handshakes of a peer that fail on one connection before it is closed.
    pub(crate) refusals_max: u32,
    /// In which time one failed handshake is forgotten.
    pub(crate) refusal_decay: Duration,
    /// Devices remembered for one swarm.
    pub(crate) known_max: usize,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthOutcome {
    /// Both sides admitted each other.
    Admitted,
    /// This side refused the peer: no such swarm, a bad proof, or evidence that does not hold.
    RefusedByUs,
    /// The peer refused this side.
    RefusedByPeer,
    /// It took too long, broke off, or was not understood.
    Broken,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Its stream or connection ended.
    Closed,
    /// The peer broke the rules.
    Offence,
    /// The peer is not welcome, for now.
    Unwelcome,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Join {
        topic: Topic,
    },
    Leave {
        topic: Topic,
    },
    SetState(ConnectionState),
    /// A device may be reached at these addresses and belongs, it is said, to the swarm, which
    /// may be one that is not joined yet.
    Known {
        topic: Topic,
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    },
    /// A device is said to have left the swarm.
    Gone {
        topic: Topic,
        device: DeviceKey,
    },
    /// The members of the swarm's space have changed: what was refused may be admitted now.
    MembersChanged {
        topic: Topic,
    },
    Connected {
        connection: ConnectionId,
        device: DeviceKey,
        outgoing: bool,
    },
    /// A dial that the core asked for failed, or led to another device.
    DialFailed {
        device: DeviceKey,
    },
    /// A connection ended, not by [`Output::Close`].
    Disconnected {
        connection: ConnectionId,
        reason: CloseReason,
    },
    /// The peer opened a handshake. Answered by [`Output::Serve`], [`Output::Decline`] or
    /// [`Output::Ignore`].
    Hello {
        connection: ConnectionId,
        topic: Topic,
        /// The shell's name for the stream.
        stream: u64,
    },
    /// The peer's stream broke before it said which swarm it wants.
    HelloBroken {
        connection: ConnectionId,
    },
    AuthEnded {
        auth: AuthId,
        outcome: AuthOutcome,
    },
    SessionEnded {
        session: SessionId,
        end: SessionEnd,
    },
    /// Something outside of swarms uses the connection, or no longer.
    Held {
        connection: ConnectionId,
        held: bool,
    },
    /// Time went on.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Discover {
        topic: Topic,
    },
    Forget {
        topic: Topic,
    },
    Dial {
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    },
    /// The connection is in use from now on: accept its streams.
    Accept {
        connection: ConnectionId,
    },
    Close {
        connection: ConnectionId,
        reason: CloseReason,
    },
    /// Open a handshake.
    Authenticate {
        auth: AuthId,
        connection: ConnectionId,
        topic: Topic,
    },
    /// Answer the peer's handshake.
    Serve {
        auth: AuthId,
        connection: ConnectionId,
        topic: Topic,
        stream: u64,
    },
    /// Refuse the peer's handshake.
    Decline {
        stream: u64,
    },
    /// Drop the peer's handshake without an answer: another one goes on.
    Ignore {
        stream: u64,
    },
    /// Stop a handshake.
    Abandon {
        auth: AuthId,
    },
    OpenSession {
        session: SessionId,
        connection: ConnectionId,
        topic: Topic,
        device: DeviceKey,
        /// Whether this side opens the session's streams.
        opener: bool,
    },
    EndSession {
        session: SessionId,
    },
}
