//! Every bound on what a page, a program or a stranger on this machine can make the host hold.

use std::time::Duration;

/// Bytes of one message before `hello` was answered.
pub(crate) const HELLO_BYTES_MAX: usize = 4096;
/// Bytes of one answer. What is larger is refused with advice.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one part of the answer to a query, or a single larger object.
pub(crate) const PART_BYTES_MAX: usize = 256 * 1024;
/// Objects of one part of the answer to a query, and of one change.
pub(crate) const PART_OBJECTS_MAX: usize = 256;
/// Objects of one page.
pub(crate) const PAGE_OBJECTS_MAX: usize = 1000;
/// Messages that wait to be written to one connection.
pub(crate) const OUTLET_MESSAGES: usize = 16;
/// Requests that a connection may send a second, in the long run and at once; further ones wait.
pub(crate) const REQUESTS_PER_SECOND: f64 = 2000.0;
pub(crate) const REQUESTS_AT_ONCE: f64 = 4000.0;
/// Answers to `echo.apply` that are kept for being asked again.
pub(crate) const APPLIED_MAX: usize = 256;
/// Bytes of a name that a client chooses.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Bytes of one page, or a single larger object.
pub(crate) const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Flows of invitations that are kept.
pub(crate) const FLOWS_MAX: usize = 64;
/// One-time tokens that are open at once.
pub(crate) const ONE_TIME_MAX: usize = 16;
/// Archives that a host keeps on their way, all sessions together.
pub(crate) const ARCHIVES_MAX: usize = 8;
/// Bytes of an archive that are read at once.
pub(crate) const ARCHIVE_READ_BYTES: u64 = 256 * 1024;
/// Bytes of an archive that are handed in at once.
pub(crate) const ARCHIVE_WRITE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a passphrase.
pub(crate) const PASSPHRASE_BYTES_MAX: usize = 1024;
/// Session tokens that hold at once; the oldest goes first.
pub(crate) const TOKENS_MAX: usize = 64;
/// Splices of a text that a slow client may be behind before it gets the text anew.
pub(crate) const SPLICES_MAX: usize = 1024;
/// Bytes of them.
pub(crate) const SPLICE_BYTES_MAX: usize = 256 * 1024;

/// How long a one-time token holds.
pub(crate) const ONE_TIME_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a session token holds.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a flow that has ended is kept.
pub(crate) const FLOW_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long an archive is kept that nobody asks for.
pub(crate) const ARCHIVE_LIFE: Duration = Duration::from_secs(10 * 60);
/// How often a connection on which nothing happens is asked whether it is there.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// After how long without any sign it is taken for gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(90);
/// How long a client may take to read one message.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(60);
/// How often a value that changes all the time is sent at most.
pub(crate) const VALUE_INTERVAL: Duration = Duration::from_millis(25);

/// The bounds that whoever starts a host may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections that have shown a token. Default: 256.
    pub connections: usize,
    /// Connections that have not shown a token yet; a further one ends the oldest. Default: 64.
    pub strangers: usize,
    /// Bytes of one message to the host. Default: 1 MiB.
    pub frame_bytes: usize,
    /// How long a connection may take to show a token. Default: 5 seconds.
    pub hello: Duration,
    /// How long a session is kept without a connection. Default: 2 minutes.
    pub linger: Duration,
    /// Requests of a connection that are worked on at once. Default: 64.
    pub requests: usize,
    /// Sessions, with a connection or without; a further one ends the one that was left longest
    /// ago. Default: 512.
    pub sessions: usize,
    /// Subscriptions of a session. Default: 1,024.
    pub subscriptions: usize,
    /// Credits of a subscription. Default: 64.
    pub credits: u32,
    /// Bytes of an archive on its way to a page or from one; it lies in the profile's directory
    /// meanwhile, and there are at most eight. Default: 4 GiB.
    pub archive_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            strangers: 64,
            frame_bytes: 1024 * 1024,
            hello: Duration::from_secs(5),
            linger: Duration::from_secs(120),
            requests: 64,
            sessions: 512,
            subscriptions: 1024,
            credits: 64,
            archive_bytes: 4 * 1024 * 1024 * 1024,
        }
    }
}
