//! What can be set.

use std::sync::Arc;
use std::time::Duration;

use dxos_protocol::mesh::ConnectionState;

use crate::core::topology::{FullyConnected, Topology};
use crate::core::{Rules, Schedule};

/// Times and limits of a mesh. The defaults are for devices of people on the internet and on
/// local networks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MeshConfig {
    /// Whether to be online from the start. Default: online.
    pub state: ConnectionState,
    /// Which devices of a swarm to connect to. Default: [`FullyConnected`].
    pub topology: Arc<dyn Topology>,
    /// For each step of a handshake: a peer that takes longer is dropped. Default: 10 s.
    pub step_timeout: Duration,
    /// For a dial, from the first packet to an authenticated connection. Default: 10 s.
    pub dial_timeout: Duration,
    /// The first delay before a device is dialed again; it doubles from there. Default: 250 ms.
    pub redial_min: Duration,
    /// The longest delay before a device is dialed again. Default: 30 s.
    pub redial_max: Duration,
    /// A session that lived this long sets the delays back to the shortest. Default: 10 s.
    pub settled_after: Duration,
    /// A connection that neither a session nor an invitation uses is closed after this.
    /// Default: 30 s.
    pub idle_timeout: Duration,
    /// How long a peer that broke the rules is not spoken to. Default: 60 s.
    pub penalty: Duration,
    /// Connections at most, of both directions. Each costs the transport's buffers besides
    /// about 1 MiB of its own in the worst case. Default: 256.
    pub connections_max: usize,
    /// Ephemeral messages that wait for one peer; with more the oldest is dropped. Each is of
    /// up to [`dxos_wire::limits::GOSSIP_BYTES_MAX`]. Default: 32.
    pub gossip_queue: usize,
    /// Ephemeral messages taken from one peer in a second; more are dropped. Twice as many may
    /// come in a burst. Default: 64.
    pub gossip_per_second: u32,
    /// Streams of invitations served at once, over all connections. Default: 64.
    pub invitations_max: usize,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            state: ConnectionState::Online,
            topology: Arc::new(FullyConnected),
            step_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(10),
            redial_min: Duration::from_millis(250),
            redial_max: Duration::from_secs(30),
            settled_after: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            penalty: Duration::from_secs(60),
            connections_max: 256,
            gossip_queue: 32,
            gossip_per_second: 64,
            invitations_max: 64,
        }
    }
}

impl MeshConfig {
    /// Sets whether to be online from the start.
    #[must_use]
    pub fn with_state(mut self, state: ConnectionState) -> Self {
        self.state = state;
        self
    }

    /// Sets which devices of a swarm to connect to.
    #[must_use]
    pub fn with_topology(mut self, topology: impl Topology + 'static) -> Self {
        self.topology = Arc::new(topology);
        self
    }

    /// Sets the limit on connections.
    #[must_use]
    pub fn with_connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max;
        self
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            redial: Schedule {
                base: self.redial_min,
                max: self.redial_max,
            },
            reauth: Schedule {
                base: Duration::from_millis(500),
                max: Duration::from_secs(300),
            },
            reconsider: Duration::from_secs(2),
            settled: self.settled_after,
            dial_grace: Duration::from_millis(50),
            auth_grace: Duration::from_secs(1),
            simultaneous: Duration::from_secs(2),
            idle: self.idle_timeout,
            penalty: self.penalty,
            connections_max: self.connections_max,
            dials_max: 16,
            refusals_max: 16,
            refusal_decay: Duration::from_secs(10),
            known_max: 4096,
        }
    }
}
