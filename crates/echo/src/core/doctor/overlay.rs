//! A store as it is, but for what is derived, which is empty at first and written beside it.

use bytes::Bytes;
use dxos_store::{
    Batch, Direction, Durability, KeyRange, Keyspace, MemDisk, MemStore, Read, Scan, Store,
    StoreError,
};

use super::super::index;
use super::super::layout::{
    INDEX, MOVES, OBJECTS, QUEUES, SpaceNumber, TALLIES, derived_key, in_space,
};

/// Nothing that is written to it reaches the store below.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    below: &'a dyn Store,
    beside: Box<dyn Store>,
    /// Rows among the tallies that are derived.
    tallies: [Vec<u8>; 3],
}

impl<'a> Overlay<'a> {
    /// In memory.
    pub(super) fn new(number: SpaceNumber, below: &'a dyn Store) -> Result<Self, StoreError> {
        let beside = MemStore::open(&MemDisk::new())?;
        Ok(Self::of(number, below, Box::new(beside)))
    }

    /// Where the store below has room for what is needed for a while.
    pub(super) fn scratch(number: SpaceNumber, below: &'a dyn Store) -> Result<Self, StoreError> {
        Ok(Self::of(number, below, below.scratch()?))
    }

    fn of(number: SpaceNumber, below: &'a dyn Store, beside: Box<dyn Store>) -> Self {
        Self {
            below,
            beside,
            tallies: [
                in_space(number, b""),
                derived_key(number),
                index::catalog_key(number),
            ],
        }
    }

    fn is_derived(&self, keyspace: Keyspace, key: &[u8]) -> bool {
        match keyspace {
            INDEX | MOVES | OBJECTS | QUEUES => true,
            TALLIES => self.tallies.iter().any(|own| own == key),
            _ => false,
        }
    }
}

impl Read for Overlay<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if self.is_derived(keyspace, key) {
            self.beside.get(keyspace, key)
        } else {
            self.below.get(keyspace, key)
        }
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        if matches!(keyspace, INDEX | MOVES | OBJECTS | QUEUES) {
            self.beside.scan(keyspace, range, direction)
        } else {
            self.below.scan(keyspace, range, direction)
        }
    }
}

impl Store for Overlay<'_> {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut derived = Batch::new();
        for write in batch {
            // Rows of indexes are most of what is derived. Those in the store are compared with the
            // objects: these here nobody reads.
            if write.keyspace != INDEX && self.is_derived(write.keyspace, &write.key) {
                derived.push(write);
            }
        }
        if derived.is_empty() {
            return Ok(());
        }
        self.beside.commit(derived, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.beside.clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        self.below.scratch()
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn wipe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
