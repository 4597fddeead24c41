//! The store in memory, for tests and simulation.

mod disk;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;

use crate::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Scan, Store, StoreError};

pub use disk::{Access, CrashPlan, CrashReport, MemDisk, MemSnapshot};

/// What [`StoreError`] gives as the path of a store that has none.
fn path() -> PathBuf {
    PathBuf::from("(memory)")
}

/// A [`Store`] on a [`MemDisk`]. A clone is another handle of the same open store, which is
/// closed cleanly once the last one is dropped.
#[derive(Clone)]
pub struct MemStore(Arc<Handle>);

struct Handle {
    disk: MemDisk,
    id: u64,
}

impl MemStore {
    /// A store on a disk of its own.
    #[must_use]
    pub fn new() -> Self {
        let disk = MemDisk::new();
        let id = disk.lock().hold();
        Self(Arc::new(Handle { disk, id }))
    }

    /// Opens the store of a disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when it is open already.
    pub fn open(disk: &MemDisk) -> Result<Self, StoreError> {
        let mut state = disk.lock();
        if state.is_held() {
            return Err(StoreError::Locked {
                path: path(),
                pid: None,
            });
        }
        let id = state.hold();
        drop(state);
        Ok(Self(Arc::new(Handle {
            disk: disk.clone(),
            id,
        })))
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &MemDisk {
        &self.0.disk
    }

    fn live(&self) -> Result<disk::State<'_>, StoreError> {
        let state = self.0.disk.lock();
        if state.is_held_by(self.0.id) {
            Ok(state)
        } else {
            Err(StoreError::Closed)
        }
    }
}

impl Default for MemStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemStore")
            .field("open", &self.live().is_ok())
            .finish_non_exhaustive()
    }
}

impl Read for MemStore {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let mut state = self.live()?;
        state.read(keyspace)?;
        Ok(state.rows(keyspace).and_then(|rows| rows.get(key).cloned()))
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        match self.live() {
            Err(error) => Scan::failed(error),
            Ok(mut state) => match (state.read(keyspace), state.rows(keyspace)) {
                (Err(error), _) => Scan::failed(error),
                (Ok(()), None) => Scan::empty(),
                (Ok(()), Some(rows)) => Scan::new(MemScan {
                    disk: &self.0.disk,
                    keyspace,
                    rows: Arc::clone(rows),
                    range: Some(range),
                    direction,
                }),
            },
        }
    }
}

impl Store for MemStore {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut state = self.live()?;
        batch.check()?;
        state.commit(batch)?;
        match durability {
            Durability::Buffered => Ok(()),
            Durability::Synced => state.sync(),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.live()?.sync()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.live()?.check_poison()
    }

    fn close(&self) -> Result<(), StoreError> {
        let Ok(mut state) = self.live() else {
            return Ok(());
        };
        let synced = state.sync();
        state.release();
        synced
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.live()?.clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.live().map(drop)
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Self::open(&MemDisk::new())?))
    }

    fn disk_bytes(&self) -> u64 {
        self.live().map_or(0, |state| state.bytes())
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.live()?.wipe();
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.is_held_by(self.id) {
            // As a clean close does; a failed sync leaves the batches to the next crash.
            let _ = state.sync();
            state.release();
        }
    }
}

/// A scan: shares the rows as they were when it began, and looks up one row at a time.
struct MemScan<'a> {
    disk: &'a MemDisk,
    keyspace: Keyspace,
    rows: Arc<BTreeMap<Bytes, Bytes>>,
    range: Option<KeyRange>,
    direction: Direction,
}

impl Iterator for MemScan<'_> {
    type Item = Result<(Bytes, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.range.take().filter(|range| !range.is_empty())?;
        let mut within = self.rows.range::<[u8], _>((range.start(), range.end()));
        let found = match self.direction {
            Direction::Forward => within.next(),
            Direction::Reverse => within.next_back(),
        };
        let (key, value) = found.map(|(key, value)| (key.clone(), value.clone()))?;
        if let Err(error) = self.disk.lock().read(self.keyspace) {
            return Some(Err(error));
        }
        self.range = Some(match self.direction {
            Direction::Forward => range.after(key.clone()),
            Direction::Reverse => range.before(key.clone()),
        });
        Some(Ok((key, value)))
    }
}
