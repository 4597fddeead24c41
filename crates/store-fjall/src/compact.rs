//! Giving back the room of what was deleted.

use std::sync::{PoisonError, atomic::Ordering};

use dxos_store::StoreError;

use crate::{
    database::{Database, WRITE_OVERHEAD_BYTES},
    failure::guarded,
};

/// A key that nobody has.
const NOWHERE: &[u8] = b"\0nowhere";

impl Database {
    /// Writes all tables anew without what was deleted or written over.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        self.settle()?;
        let keyspaces: Vec<_> = self
            .keyspaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for keyspace in keyspaces {
            guarded(self.path(), || keyspace.major_compact())
                .map_err(|error| self.poison(error))?;
        }
        // The tables from before go with the versions that have them.
        self.settle()?;
        self.settle()
    }

    /// Has fjall see which versions nobody reads any more: it looks for that only when it writes
    /// memory out, so there has to be some.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let first = self
            .keyspaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .next()
            .cloned();
        if let Some(keyspace) = first {
            // Not while somebody empties the journal.
            let _gate = self.reserve(WRITE_OVERHEAD_BYTES)?;
            guarded(self.path(), || keyspace.remove(NOWHERE))
                .map_err(|error| self.poison(error))?;
        }
        self.checkpoint(self.emptied.load(Ordering::Relaxed))
    }
}
