//! The store.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Scan, Store, StoreError};

use crate::{
    database::Database, directory::Directory, failure::guarded, options::FjallOptions, schema,
};

/// The part of the cache that a store has that is needed for a while: one in so many.
const SCRATCH_CACHE: u64 = 4;

/// A [`Store`] in a directory. Dropping it closes it; call [`close`](Store::close) to learn
/// of failures.
#[derive(Debug)]
pub struct FjallStore {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    /// Whether its files go with it.
    is_scratch: bool,
    /// Stores that were made within its directory.
    scratches: AtomicU64,
}

impl FjallStore {
    /// Opens the store in a directory, which is made when it is not there.
    ///
    /// The directory is made private to the user (mode 0700), also when it was not, and
    /// stays locked until the store is closed. Of a store that was closed nothing is
    /// replayed; of one that was killed, no more than [`FjallOptions::journal_bytes`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::NewerSchema`], [`StoreError::Damaged`] (also for
    /// a directory that is not empty and no store), [`StoreError::Replaceable`],
    /// [`StoreError::Permission`], [`StoreError::ReadOnly`], [`StoreError::Full`],
    /// [`StoreError::Io`]. Nothing is
    /// written to a foreign directory or to a store of a newer schema but the lock.
    pub fn open(path: impl AsRef<Path>, options: FjallOptions) -> Result<Self, StoreError> {
        let directory = Directory::open(path.as_ref())?;
        let path = directory.path().to_path_buf();
        let database = directory.database();
        if database.is_dir() {
            let (found, known) = (schema::read(&database)?, options.known_schema);
            if found > known {
                return Err(StoreError::NewerSchema { path, found, known });
            }
        }
        let database = Database::open(directory, options)?;
        Ok(Self {
            path,
            database: RwLock::new(Some(database)),
            is_scratch: false,
            scratches: AtomicU64::new(0),
        })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The schema that the rows have: that of the options for a new store, else what was
    /// set last.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`], [`StoreError::Io`].
    pub fn schema(&self) -> Result<u32, StoreError> {
        self.opened()?
            .run(|database| schema::read(&database.directory().database()))
    }

    /// Sets the schema, durably, once the rows have been brought to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn set_schema(&self, schema: u32) -> Result<(), StoreError> {
        self.opened()?.run(|database| {
            database.sync()?;
            schema::write(&database.directory().database(), schema)
        })
    }

    /// Keyspaces that this open emptied, since their files could not be opened, see
    /// [`FjallOptions::give_up`]. An open that was cut off after it began to give them up, or
    /// whose caller did not get to [`forget_given_up`](Self::forget_given_up), is gone on with by
    /// the next one, whatever its options say.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`].
    pub fn given_up(&self) -> Result<Vec<Keyspace>, StoreError> {
        self.opened()?
            .run(|database| Ok(database.given_up().to_vec()))
    }

    /// Ends that, durably: to be called once it is on the disk what is to be made anew. Until
    /// then every open empties those keyspaces again.
    ///
    /// # Errors
    ///
    /// As for [`sync`](Store::sync).
    pub fn forget_given_up(&self) -> Result<(), StoreError> {
        self.opened()?.run(Database::forget_given_up)
    }

    fn opened(&self) -> Result<Opened<'_>, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_some() {
            Ok(Opened(guard))
        } else {
            Err(StoreError::Closed)
        }
    }

    fn shut(&self) -> Option<(Result<(), StoreError>, Directory)> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        guard.take().map(Database::close)
    }
}

/// A database that is not closed while this is held.
struct Opened<'a>(RwLockReadGuard<'a, Option<Database>>);

impl Opened<'_> {
    fn run<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.as_ref().map_or(Err(StoreError::Closed), run)
    }
}

impl Read for FjallStore {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self
            .opened()?
            .run(|database| database.get(keyspace.name(), key))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        let found = self
            .opened()
            .and_then(|opened| opened.run(|database| database.range(keyspace.name(), &range)));
        let mut rows = match found {
            Err(error) => return Scan::failed(error),
            Ok(None) => return Scan::empty(),
            Ok(Some(rows)) => rows,
        };
        Scan::new(std::iter::from_fn(move || {
            let row = guarded(&self.path, || {
                let next = match direction {
                    Direction::Forward => rows.next(),
                    Direction::Reverse => rows.next_back(),
                };
                next.map(fjall::Guard::into_inner).transpose()
            });
            row.map(|row| row.map(|(key, value)| (key.into(), value.into())))
                .transpose()
        }))
    }
}

impl Store for FjallStore {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.opened()?.run(|database| {
            batch.check()?;
            if !batch.is_empty() {
                database.write(batch)?;
            }
            match durability {
                Durability::Buffered => Ok(()),
                Durability::Synced => database.sync(),
            }
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.opened()?.run(Database::sync)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.opened()?.run(Database::check_engine)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shut().map_or(Ok(()), |(closed, _)| closed)
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.opened()?
            .run(|database| database.clear(keyspace.name()))
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.opened()?.run(Database::compact)
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let (path, mut options) = self.opened()?.run(|database| {
            let path = database.directory().scratch(number);
            Ok((path, database.options().clone()))
        })?;
        options.cache_bytes /= SCRATCH_CACHE;
        // Nothing of it is ever replayed.
        options.journal_bytes = 0;
        let mut scratch = Self::open(path, options)?;
        scratch.is_scratch = true;
        Ok(Box::new(scratch))
    }

    fn disk_bytes(&self) -> u64 {
        self.opened().map_or(0, |_| size(&self.path))
    }

    fn wipe(&self) -> Result<(), StoreError> {
        let Some((_, directory)) = self.shut() else {
            return Err(StoreError::Closed);
        };
        // Whether what is deleted could be closed well does not matter.
        directory.wipe()
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(path = %self.path.display(), %error, "the store did not close well");
        }
        if self.is_scratch
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(
                path = %self.path.display(), %error,
                "what was needed for a while goes when the store is opened next"
            );
        }
    }
}

/// Length of the files below a directory; what cannot be read, or goes meanwhile, is left out.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
