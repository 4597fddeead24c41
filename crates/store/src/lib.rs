//! Ordered, atomic, durable key-value storage: what every part of DXOS that keeps something
//! on disk is written against.
//!
//! [`Store`] is small on purpose: keys in order within a [`Keyspace`], a [`Batch`] that is
//! atomic over several keyspaces, range reads in both directions, and a [`Durability`] for
//! each commit, named for what it survives. [`MemStore`] is the implementation for tests and
//! simulation: its [`MemDisk`] outlives it, can lose what was not synced, fail on demand and
//! be put back to an old backup, and does so the same way every time. The real one is
//! `dxos-store-fjall`. Both pass the same suite (feature `conformance`).
//!
//! It is not a database: no schema, no index, no query, no transaction that reads. Calls
//! block; callers decide on which thread.
//!
//! ```
//! use dxos_store::{
//!     Batch, CrashPlan, Direction, Durability, KeyRange, Keyspace, MemDisk, MemStore, Read, Store,
//! };
//!
//! const BLOCKS: Keyspace = Keyspace::new("blocks");
//! const HEADS: Keyspace = Keyspace::new("heads");
//!
//! # fn main() -> Result<(), dxos_store::StoreError> {
//! let disk = MemDisk::new();
//! let store = MemStore::open(&disk)?;
//!
//! let mut batch = Batch::new();
//! batch.put(BLOCKS, "feed/1", "first");
//! batch.put(HEADS, "feed", "1");
//! store.commit(batch, Durability::Synced)?;
//!
//! let mut batch = Batch::new();
//! batch.put(BLOCKS, "feed/2", "second");
//! batch.put(HEADS, "feed", "2");
//! store.commit(batch, Durability::Buffered)?;
//!
//! // The power goes: the second batch is lost as a whole, the first one is not.
//! disk.crash(CrashPlan::power_loss(0));
//! let store = MemStore::open(&disk)?;
//! assert_eq!(store.get(HEADS, b"feed")?.as_deref(), Some(b"1".as_slice()));
//! let blocks = store.scan(BLOCKS, KeyRange::prefix(b"feed/"), Direction::Forward);
//! assert_eq!(blocks.count(), 1);
//! # Ok(())
//! # }
//! ```

mod batch;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
mod keyspace;
mod mem;
mod range;
mod store;

pub use batch::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, VALUE_BYTES_MAX, Write};
pub use error::StoreError;
pub use keyspace::Keyspace;
pub use mem::{Access, CrashPlan, CrashReport, MemDisk, MemSnapshot, MemStore};
pub use range::KeyRange;
pub use store::{Direction, Durability, Read, Scan, Store};

#[cfg(test)]
mod tests;
