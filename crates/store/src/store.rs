//! The traits.

use std::{fmt, iter, sync::Arc};

use bytes::Bytes;

use crate::{Batch, KeyRange, Keyspace, StoreError};

/// What a commit survives when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Handed to the operating system: survives the end of this process, `kill -9` included,
    /// but not the loss of power. Later syncs cover it.
    Buffered,
    /// On the disk: survives the loss of power, as does every commit that returned before it.
    Synced,
}

/// Which end of a range a scan starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Greatest key first.
    Reverse,
}

/// Keys and values of a range, read as they are asked for. Nothing follows an error.
pub struct Scan<'a>(Box<dyn Iterator<Item = Result<(Bytes, Bytes), StoreError>> + Send + 'a>);

impl<'a> Scan<'a> {
    /// Wraps what an implementation found.
    pub fn new(rows: impl Iterator<Item = Result<(Bytes, Bytes), StoreError>> + Send + 'a) -> Self {
        let mut failed = false;
        Self(Box::new(rows.take_while(move |row| {
            !std::mem::replace(&mut failed, row.is_err())
        })))
    }

    /// A scan that finds nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(Box::new(iter::empty()))
    }

    /// A scan that could not begin.
    #[must_use]
    pub fn failed(error: StoreError) -> Self {
        Self(Box::new(iter::once(Err(error))))
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Bytes, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scan(..)")
    }
}

/// Reading. Values are shared, not copied: keep a small part of one for long only after
/// copying it out (`Bytes::copy_from_slice`), or the block that it lies in stays in memory.
pub trait Read {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`], [`StoreError::Damaged`], [`StoreError::Io`].
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The keys and values of a range as they are now: commits that come after the call do
    /// not show, however slowly the scan is read. Do not keep a scan for long, since what it
    /// can see cannot be reclaimed. A scan that is being read while the store is closed may
    /// end with an error.
    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_>;

    /// Whether a key has a value.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(keyspace, key)?.is_some())
    }
}

/// Ordered keys, atomic batches, durability by the batch. All calls block and may come from
/// any number of threads at once.
pub trait Store: Read + Send + Sync + fmt::Debug {
    /// Writes a batch. When this returns, every read sees all of it and it survives what
    /// `durability` says; a reader never sees the later part of a batch without the earlier.
    /// Batches that return in an order survive in that order: a crash leaves a prefix.
    ///
    /// # Errors
    ///
    /// Any of [`StoreError`] but those of opening.
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Makes every commit that has returned survive the loss of power. Calls from several
    /// threads share the work.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit).
    fn sync(&self) -> Result<(), StoreError>;

    /// Finds out whether the store still takes writes, without writing or syncing anything:
    /// what it does in the background may have failed since. Cheap, but it may wait for a sync
    /// that is under way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Poisoned`] when it takes none, [`StoreError::Closed`].
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Syncs and closes, so that the next open has nothing to replay. Later calls give
    /// [`StoreError::Closed`], but for this one, which does nothing when closed already.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit). The store is closed all the same, and nothing that
    /// was synced is lost.
    fn close(&self) -> Result<(), StoreError>;

    /// Deletes all rows of a keyspace without reading them: also where they cannot be read any
    /// more. On the disk when it returns, as is every commit before it; scans that have begun may
    /// see the rows still. Writes to the keyspace meanwhile are there whole or not at all.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit).
    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError>;

    /// Gives back the disk space of what was deleted or written over. It reads and writes
    /// everything that is stored, beside other calls.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit); nothing is lost.
    fn compact(&self) -> Result<(), StoreError>;

    /// An empty store for what is needed for a while, which is gone when it is dropped: on the
    /// same disk where this one is on a disk, so that it takes little memory whatever is in it.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit).
    fn scratch(&self) -> Result<Box<dyn Store>, StoreError>;

    /// Disk space in use, in bytes; 0 when closed.
    fn disk_bytes(&self) -> u64;

    /// Deletes everything, for good, and closes. The next open finds an empty store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`] when closed already, else as for [`commit`](Self::commit);
    /// calling it again on the store that the next open gives is safe.
    fn wipe(&self) -> Result<(), StoreError>;
}

impl<S: Read + ?Sized> Read for Arc<S> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        (**self).get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        (**self).scan(keyspace, range, direction)
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        (**self).commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        (**self).sync()
    }

    fn check(&self) -> Result<(), StoreError> {
        (**self).check()
    }

    fn close(&self) -> Result<(), StoreError> {
        (**self).close()
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        (**self).clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        (**self).compact()
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        (**self).scratch()
    }

    fn disk_bytes(&self) -> u64 {
        (**self).disk_bytes()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        (**self).wipe()
    }
}
