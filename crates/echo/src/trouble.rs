//! Whether the store takes what is written, also of what nobody waits for: a write or sync that
//! failed in the background shows at once to all who watch.

use std::sync::Arc;

use bytes::Bytes;
use dxos_protocol::echo::StoreFailure;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Scan, Store, StoreError};
use tokio::sync::watch;

use crate::core::layout::SPACES;

/// A key that no space has, to find out whether a write succeeds.
const PROBE: &[u8] = b"probe";

/// A store of which is noted what fails.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    failure: watch::Sender<Option<StoreFailure>>,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            failure: watch::Sender::new(None),
        }
    }

    /// What fails now, as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<StoreFailure>> {
        self.failure.subscribe()
    }

    /// What fails now.
    pub(crate) fn failure(&self) -> Option<StoreFailure> {
        self.failure.borrow().clone()
    }

    /// Tries what failed once more. What the result is shows to those who watch.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        if self
            .failure
            .borrow()
            .as_ref()
            .is_some_and(|failure| failure.of_sync)
        {
            return self.sync();
        }
        let mut batch = Batch::new();
        batch.delete(SPACES, PROBE.to_vec());
        self.commit(batch, Durability::Synced)
    }

    /// Looks whether what the store does in the background has failed. If so, it shows to those
    /// who watch.
    pub(crate) fn look(&self) {
        let checked = self.store.check();
        if checked.is_err() {
            self.note(&checked, (true, false));
        }
    }

    /// Notes how it went to write, to sync, or both.
    fn note(&self, result: &Result<(), StoreError>, (wrote, synced): (bool, bool)) {
        let next = match result {
            Ok(()) => None,
            Err(error) if is_callers(error) => return,
            Err(error) => {
                let stopped = self.stopped_by(error);
                let error = stopped.as_ref().unwrap_or(error);
                Some(StoreFailure {
                    error: error.to_string(),
                    of_sync: !wrote,
                    lasts: stopped.is_some(),
                })
            }
        };
        self.failure.send_if_modified(|failure| {
            let before = failure.as_ref();
            // A write that goes well says nothing of a sync that did not, and the other way round.
            let made_up = |before: &StoreFailure| if before.of_sync { synced } else { wrote };
            let stays = next.is_none() && before.is_some_and(|before| !made_up(before));
            // What stopped the store is not made up for by what a later call says of it.
            let stays = stays || before.is_some_and(|before| before.lasts);
            if stays || *failure == next {
                return false;
            }
            *failure = next;
            true
        });
    }

    /// What a store says that takes no writes any more since an error.
    fn stopped_by(&self, error: &StoreError) -> Option<StoreError> {
        match error {
            StoreError::Poisoned { .. } => Some(error.clone()),
            _ => match self.store.sync() {
                Err(stopped @ StoreError::Poisoned { .. }) => Some(stopped),
                _ => None,
            },
        }
    }
}

/// Whether an error is one of what was asked for, and not of the store.
const fn is_callers(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::BatchTooLong { .. }
            | StoreError::Closed
            | StoreError::EmptyKey { .. }
            | StoreError::KeyTooLong { .. }
            | StoreError::ValueTooLong { .. }
    )
}

impl Read for Watched {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        self.store.scan(keyspace, range, direction)
    }

    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        self.store.contains(keyspace, key)
    }
}

impl Store for Watched {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let done = self.store.commit(batch, durability);
        self.note(&done, (true, durability == Durability::Synced));
        done
    }

    fn sync(&self) -> Result<(), StoreError> {
        let done = self.store.sync();
        self.note(&done, (false, true));
        done
    }

    fn check(&self) -> Result<(), StoreError> {
        self.store.check()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        let done = self.store.clear(keyspace);
        self.note(&done, (true, true));
        done
    }

    fn compact(&self) -> Result<(), StoreError> {
        let done = self.store.compact();
        if done.is_err() {
            self.note(&done, (true, false));
        }
        done
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        self.store.scratch()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.store.wipe()
    }
}
