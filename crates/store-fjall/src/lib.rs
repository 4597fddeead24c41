//! The store on disk: [`Store`](dxos_store::Store) on fjall, a log-structured merge tree with
//! a journal. One directory holds one store, private to its user and locked against a second
//! process.
//!
//! What this crate adds to fjall:
//! - commits that ask for [`Synced`](dxos_store::Durability::Synced) at the same time share
//!   one `fdatasync`, and those that do not never wait for one;
//! - the journal is kept short ([`FjallOptions::journal_bytes`]), so that a store that was
//!   killed opens in tens of milliseconds, and a clean close leaves an empty one;
//! - files are checked before fjall sees them, so that damage is an error with a path and not
//!   a panic, and damage within what was synced is told apart from the torn end that a loss
//!   of power may leave;
//! - keyspaces that the caller can make anew are given up, if asked to, where their files cannot
//!   be opened ([`FjallStore::given_up`]), so that the rest is not lost with them;
//! - a schema version, refused when it is newer than what the caller knows; errors by cause;
//!   a reserve of disk space, so that a full disk refuses writes and breaks nothing.
//!
//! It is not for more than one process at a time, and not for network file systems. It
//! encrypts nothing. The directory is the store's own: keep other files elsewhere.
//!
//! ```
//! use dxos_store::{Batch, Durability, Keyspace, Read, Store};
//! use dxos_store_fjall::{FjallOptions, FjallStore};
//!
//! const NOTES: Keyspace = Keyspace::new("notes");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let path = home.path().join("store");
//! let store = FjallStore::open(&path, FjallOptions::default())?;
//! let mut batch = Batch::new();
//! batch.put(NOTES, "1", "water the plants");
//! store.commit(batch, Durability::Synced)?;
//! store.close()?;
//!
//! let store = FjallStore::open(&path, FjallOptions::default())?;
//! assert_eq!(store.get(NOTES, b"1")?.as_deref(), Some(b"water the plants".as_slice()));
//! # Ok(())
//! # }
//! ```

mod clear;
mod compact;
mod database;
mod directory;
mod failure;
mod given_up;
mod group;
mod journal;
mod options;
mod preflight;
mod schema;
mod store;
mod watermark;

pub use options::{FjallOptions, Replaceable};
pub use store::FjallStore;
