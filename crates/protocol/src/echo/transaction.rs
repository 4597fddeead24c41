//! Writing transactions: as operations, and as code.

use dxos_document::{Op, Tx};
use dxos_keys::{BlockHash, FeedId, SpaceKey};
use serde::{Deserialize, Serialize};

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When the operating system has it: it survives a kill of the process; after a loss of
    /// power the last moments (see the sync interval of the client) may be gone.
    #[default]
    Interval,
    /// When it is on the disk.
    Synced,
}

/// Writes a transaction: one block, atomic on every replica.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The space.
    pub space: SpaceKey,
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// When to acknowledge.
    pub durability: Durability,
}

/// The code of a transaction. It runs within the space, alone, and sees the objects as they are
/// then; what it does becomes one block, or nothing when it fails or panics.
///
/// The one message that is more than data: what a transaction reads must not change before it is
/// written. It should be quick, as the space does nothing else meanwhile.
pub struct Work(Box<Code>);

type Code = dyn FnOnce(&mut Tx<'_>) -> Result<(), Aborted> + Send;

/// The code of a transaction wants nothing of it to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl Work {
    /// This code.
    pub fn new(work: impl FnOnce(&mut Tx<'_>) -> Result<(), Aborted> + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// [`Aborted`] when nothing of it is to be written.
    pub fn run(self, tx: &mut Tx<'_>) -> Result<(), Aborted> {
        (self.0)(tx)
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Work").finish_non_exhaustive()
    }
}

/// Runs the code of a transaction: one block, atomic on every replica.
#[derive(Debug)]
pub struct Transact {
    /// The space.
    pub space: SpaceKey,
    /// The code.
    pub work: Work,
    /// When to acknowledge.
    pub durability: Durability,
}

/// Where a transaction was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The feed of this device.
    pub feed: FeedId,
    /// The block.
    pub seq: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// Its logical time.
    pub lamport: u64,
}
