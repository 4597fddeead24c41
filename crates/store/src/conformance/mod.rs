//! The suite that every [`Store`] must pass. Each implementation runs it in its own tests:
//!
//! ```
//! use dxos_store::{MemDisk, MemStore, Store, StoreError, conformance};
//!
//! conformance::all(|| {
//!     let disk = MemDisk::new();
//!     move || -> Result<Box<dyn Store>, StoreError> { Ok(Box::new(MemStore::open(&disk)?)) }
//! });
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test suite says what failed by panicking"
)]

mod life;
mod model;
mod reads;
mod writes;

use bytes::Bytes;

use crate::{Direction, KeyRange, Keyspace, Store, StoreError};

pub use life::{clear, closed, concurrent, reopen, wipe};
pub use model::{Op, model, ops};
pub use reads::{bounds, directions, prefixes, scan_while_writing};
pub use writes::{atomic_batch, bytes_of_any_kind, limits, many_keyspaces, order_in_a_batch};

/// Opens the same store again and again.
pub trait Opener: Fn() -> Result<Box<dyn Store>, StoreError> {}
impl<F: Fn() -> Result<Box<dyn Store>, StoreError>> Opener for F {}

/// Runs every check, each on a store of its own: `fresh` makes an empty place and gives the
/// function that opens the store in it.
pub fn all<O: Opener>(fresh: impl Fn() -> O) {
    directions(&fresh());
    bounds(&fresh());
    prefixes(&fresh());
    scan_while_writing(&fresh());
    atomic_batch(&fresh());
    order_in_a_batch(&fresh());
    bytes_of_any_kind(&fresh());
    limits(&fresh());
    many_keyspaces(&fresh());
    reopen(&fresh());
    closed(&fresh());
    wipe(&fresh());
    clear(&fresh());
    concurrent(&fresh());
}

const A: Keyspace = Keyspace::new("a");
const B: Keyspace = Keyspace::new("b");

fn rows(
    store: &dyn Store,
    keyspace: Keyspace,
    range: KeyRange,
    direction: Direction,
) -> Vec<(Bytes, Bytes)> {
    store
        .scan(keyspace, range, direction)
        .map(Result::unwrap)
        .collect()
}

fn keys(store: &dyn Store, range: KeyRange) -> Vec<Bytes> {
    let forward: Vec<Bytes> = rows(store, A, range.clone(), Direction::Forward)
        .into_iter()
        .map(|row| row.0)
        .collect();
    let mut reverse: Vec<Bytes> = rows(store, A, range, Direction::Reverse)
        .into_iter()
        .map(|row| row.0)
        .collect();
    reverse.reverse();
    assert_eq!(forward, reverse, "both directions find the same keys");
    forward
}
