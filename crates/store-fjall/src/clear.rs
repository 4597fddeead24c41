//! Emptying a keyspace without reading it.

use std::sync::PoisonError;

use dxos_store::StoreError;
use fjall::{AbstractTree as _, PersistMode};

use crate::{database::Database, failure::guarded};

impl Database {
    /// Deletes all rows of a keyspace. None of its tables is read, so that it does not matter
    /// whether they can be.
    pub(crate) fn clear(&self, keyspace: &str) -> Result<(), StoreError> {
        let Some(keyspace) = self.keyspace(keyspace) else {
            return Ok(());
        };
        let alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.check_poison()?;
        // What is in memory is in tables first: a table that is being written would come after.
        let cleared = self.flush().and_then(|()| {
            guarded(self.path(), || {
                // A compaction that is under way would bring rows back; this waits for it, and
                // has the files of the tables deleted.
                keyspace.tree.drop_range::<&[u8], _>(..)?;
                // The journal may have rows of it: they end with this.
                keyspace.clear()?;
                self.engine.persist(PersistMode::SyncAll)
            })
        });
        cleared.map_err(|error| self.poison(error))?;
        drop(alone);
        self.settle()
    }
}
