//! How a network behaves, and what it did.

use std::time::Duration;

use dxos_keys::DeviceKey;

/// What holds for a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemConfig {
    /// How long a connect waits for an answer that does not come: 5 s.
    pub connect_timeout: Duration,
    /// After how long a connection that hears nothing ends: 15 s.
    pub idle_timeout: Duration,
    /// Bytes under way or unread in one direction of a stream before its sender waits:
    /// 256 KiB. One frame is always let through. A connection thus holds at most
    /// `2 × STREAMS_MAX × 2 × max(buffer_bytes, FRAME_BYTES_MAX)`.
    pub buffer_bytes: usize,
    /// Connections that one endpoint has at most, both ways:
    /// [`CONNECTIONS_MAX`](dxos_wire::limits::CONNECTIONS_MAX).
    pub connections_max: usize,
    /// How every link behaves that has no settings of its own.
    pub link: LinkConfig,
}

impl Default for MemConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            buffer_bytes: 256 * 1024,
            connections_max: dxos_wire::limits::CONNECTIONS_MAX,
            link: LinkConfig::default(),
        }
    }
}

/// How the link between two devices behaves, each way. The default is perfect: no latency, no
/// faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// How long everything is under way at least.
    pub latency: Duration,
    /// How much longer at most; drawn for each frame. Frames of one stream stay in order,
    /// those of different streams overtake each other.
    pub jitter: Duration,
    /// Bytes per second of one direction of a connection; `None` for no limit, and 0 counts
    /// as 1.
    pub bandwidth: Option<u64>,
    /// How many of a million frames break their connection.
    pub drop_per_million: u32,
    /// How many of a million connects are refused.
    pub refuse_per_million: u32,
}

/// How often each fault really happened. A run in which none did proves nothing about faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// Connections that were made.
    pub connections_made: u64,
    /// Connects refused, by chance or because a peer was full.
    pub connects_refused: u64,
    /// Connects that found nobody, or somebody else.
    pub connects_misled: u64,
    /// Connects that a partition swallowed.
    pub connects_cut: u64,
    /// Connections that broke, by chance or on demand.
    pub connections_dropped: u64,
    /// Connections that ended because a partition lasted too long or a peer crashed.
    pub connections_timed_out: u64,
    /// Devices that crashed.
    pub crashes: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Bytes in them.
    pub bytes_sent: u64,
    /// Frames that were not there at once.
    pub frames_delayed: u64,
    /// Frames that waited for others because of the bandwidth.
    pub frames_throttled: u64,
    /// Frames that were sent into a partition.
    pub frames_cut: u64,
    /// Frames that would have overtaken an earlier one of another stream of their connection.
    pub frames_reordered: u64,
    /// How often a sender had to wait for its receiver.
    pub sends_blocked: u64,
    /// Streams whose kind was not known.
    pub streams_refused: u64,
}

/// One frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When, since the network was made.
    pub at: Duration,
    /// Who sent it.
    pub from: DeviceKey,
    /// To whom.
    pub to: DeviceKey,
    /// The two bytes of its stream's kind.
    pub kind: [u8; 2],
    /// How long it is, in bytes.
    pub length: usize,
    /// The hash of its content ([`HashDomain::Trace`](dxos_keys::HashDomain::Trace)).
    pub digest: [u8; 32],
}
