//! Work that takes long leaves off when ECHO is about to end.
//!
//! The actors have one thread, and some of what they do takes as long as a space is large: making
//! its state anew, a snapshot of it. No message reaches them meanwhile. So whoever ends ECHO says
//! so beside the messages, and that work finds that its store takes nothing any more. It is
//! written to be cut off anywhere, as by a kill, and is begun again with the next start.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Scan, Store, StoreError};

/// Whether ECHO is about to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// It is.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_set() {
            return Err(StoreError::Closed);
        }
        Ok(())
    }
}

/// What somebody is told who asked for what was cut off.
pub(crate) fn shutting_down() -> EchoError {
    EchoError::Stopped {
        reason: "it is shutting down".to_owned(),
    }
}

/// A store for work that takes long: closed as soon as ECHO is about to end, also in the middle
/// of a scan. What is written while it ends goes to the store itself.
#[derive(Clone, Debug)]
pub(crate) struct UntilEnding {
    store: Arc<dyn Store>,
    ending: Ending,
}

impl UntilEnding {
    pub(crate) const fn new(store: Arc<dyn Store>, ending: Ending) -> Self {
        Self { store, ending }
    }
}

impl Read for UntilEnding {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.ending.check()?;
        self.store.get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        let rows = self.store.scan(keyspace, range, direction);
        Scan::new(rows.map(|row| {
            self.ending.check()?;
            row
        }))
    }

    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        self.ending.check()?;
        self.store.contains(keyspace, key)
    }
}

impl Store for UntilEnding {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.ending.check()?;
        self.store.commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.ending.check()?;
        self.store.sync()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.store.check()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.ending.check()?;
        self.store.clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.ending.check()?;
        self.store.compact()
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        self.ending.check()?;
        self.store.scratch()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.store.wipe()
    }
}
