//! The client as a whole.

wire! {
    /// Whether the client is usable.
    pub struct ClientInfo {
        /// Whether it is.
        pub status: ClientStatus,
        /// The version of the client.
        pub version: String,
    }

    /// How many bytes of the store what takes, over all spaces.
    pub struct UsageInfo {
        /// Blocks of feeds.
        pub blocks: u64,
        /// Objects, which are made from blocks.
        pub objects: u64,
        /// Everything else.
        pub rest: u64,
    }

    /// What the host does, since it started unless said.
    pub struct Metrics {
        /// Milliseconds that it has run.
        pub uptime_ms: u64,
        /// Connections that are open now.
        pub connections: u32,
        /// Sessions that are kept now, with a connection or without.
        pub sessions: u32,
        /// Subscriptions of all sessions now.
        pub subscriptions: u32,
        /// Requests that were answered.
        pub requests: u64,
        /// Of them, those that were answered with an error.
        pub errors: u64,
        /// Notifications that were sent.
        pub notifications: u64,
        /// Connections that were refused or ended for what they sent.
        pub refused: u64,
        /// Bytes of messages received.
        pub bytes_received: u64,
        /// Bytes of messages sent.
        pub bytes_sent: u64,
    }
}

kinds! {
    /// Whether the client is usable.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum ClientStatus {
        /// It is initialized.
        Active,
        /// It is not initialized, or not any more.
        Inactive,
        /// Its profile asks for a passphrase: see `client.unlock`.
        Locked,
    }
}

params! {
    /// Opens the profile with its passphrase.
    pub struct Unlock {
        /// The passphrase. It is not kept.
        pub passphrase: String,
    }

    /// Wipes the profile: identity, keys and what no other device has are gone for good. The
    /// host ends.
    pub struct Reset {
        /// Has to be `wipe-profile`.
        pub confirm: String,
    }
}
