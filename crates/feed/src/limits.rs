//! Bounds on what a writer or a peer can make a replica hold.

/// Limits of a [`crate::Dag`]. All replicas of a space must use the same `body_bytes_max` and
/// `deps_max`: they decide which blocks are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLimits {
    /// Bytes of one body. Default 768 KiB.
    pub body_bytes_max: usize,
    /// Other feeds that one block may name. Default 1,024.
    pub deps_max: usize,
    /// Feeds of one space. Default 65,536.
    pub feeds_max: usize,
    /// Blocks held back because their causes are missing. Default 4,096.
    pub waiting_blocks_max: usize,
    /// Bytes of blocks held back. Default 16 MiB.
    pub waiting_bytes_max: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 768 * 1024,
            deps_max: 1024,
            feeds_max: 65_536,
            waiting_blocks_max: 4096,
            waiting_bytes_max: 16 * 1024 * 1024,
        }
    }
}
