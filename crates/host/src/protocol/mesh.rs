//! The network.

wire! {
    /// The state of the network.
    pub struct NetworkInfo {
        /// Whether the client takes part.
        pub state: ConnectionStateInfo,
        /// This device.
        pub device: String,
        /// Where others can reach it.
        pub addresses: Vec<String>,
        /// The swarms it is in.
        pub swarms: Vec<SwarmInfo>,
        /// The connections it has.
        pub connections: Vec<ConnectionInfo>,
        /// Handshakes that were refused since the start.
        pub refused: u64,
    }

    /// The state of one swarm.
    pub struct SwarmInfo {
        /// The topic.
        pub topic: String,
        /// The space, when it is that of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub space: Option<String>,
        /// Devices known to be there.
        pub known: u32,
        /// Devices with an authenticated session.
        pub sessions: Vec<String>,
    }

    /// The state of one connection.
    pub struct ConnectionInfo {
        /// The peer.
        pub device: String,
        /// Its address as seen from here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub address: Option<String>,
        /// Round-trip time in microseconds.
        pub rtt_us: u64,
        /// Bytes sent since it was made.
        pub bytes_sent: u64,
        /// Bytes received since it was made.
        pub bytes_received: u64,
    }
}

kinds! {
    /// Whether the client takes part in the network.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum ConnectionStateInfo {
        /// It is disabled in the configuration.
        Disabled,
        /// It does not.
        Offline,
        /// It does.
        Online,
    }
}

params! {
    /// Goes online or offline.
    pub struct SetConnection {
        /// The state to be in: `online` or `offline`.
        pub state: ConnectionStateInfo,
    }

    /// Tells where a device of a space can be reached.
    pub struct AddPeer {
        /// The space.
        pub space: String,
        /// The device.
        pub device: String,
        /// Its addresses, each `host:port`.
        pub addresses: Vec<String>,
    }
}
