//! Writes that happen together or not at all.

use std::{slice, vec};

use bytes::{Bytes, BytesMut};

use crate::{Keyspace, StoreError};

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 65_535;
/// Longest value, in bytes (16 MiB).
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Most bytes of keys and values in one batch (32 MiB).
pub const BATCH_BYTES_MAX: usize = 32 << 20;

/// Memory that is made at once for the rows of a batch: the first time, and after some times.
const ROOM_BYTES_MIN: usize = 512;
const ROOM_BYTES_MAX: usize = 64 << 10;

/// One write of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub keyspace: Keyspace,
    /// Which key.
    pub key: Bytes,
    /// The new value, or `None` to delete the key.
    pub value: Option<Bytes>,
}

/// Writes to any number of keyspaces that a [`Store`](crate::Store) makes atomic: after a crash at any
/// instant either all of them are there or none. Where one batch writes a key more than once,
/// the later write wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
    bytes: usize,
    room: Room,
}

/// Memory that rows of one batch share: stores hold the rows of a batch about equally long, and
/// many small pieces of memory of different ages cost more than all else that is done with them.
#[derive(Debug, Default)]
struct Room {
    free: Option<BytesMut>,
    /// How much was made at once last.
    taken: usize,
}

impl Room {
    fn copy(&mut self, parts: &[&[u8]]) -> Bytes {
        let bytes = parts.iter().map(|part| part.len()).sum();
        if bytes == 0 {
            return Bytes::new();
        }
        let mut free = self.free.take().unwrap_or_default();
        if free.capacity() < bytes {
            self.taken = (self.taken * 2).clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX);
            free = BytesMut::with_capacity(self.taken.max(bytes));
        }
        for part in parts {
            free.extend_from_slice(part);
        }
        let copied = free.split().freeze();
        self.free = Some(free);
        copied
    }
}

impl Clone for Room {
    /// The rows are shared, the room for more is not.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Room {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Room {}

impl Batch {
    /// A batch without writes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            writes: Vec::new(),
            bytes: 0,
            room: Room {
                free: None,
                taken: 0,
            },
        }
    }

    /// Sets `key` to `value`. Limits are checked by the commit.
    pub fn put(
        &mut self,
        keyspace: Keyspace,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> &mut Self {
        self.push(Write {
            keyspace,
            key: key.into(),
            value: Some(value.into()),
        })
    }

    /// Sets the key that consists of these parts to a copy of `value`. Cheaper than
    /// [`put`](Self::put) where there are many small rows.
    pub fn put_copy(&mut self, keyspace: Keyspace, key: &[&[u8]], value: &[u8]) -> &mut Self {
        let key = self.room.copy(key);
        let value = Some(self.room.copy(&[value]));
        self.push(Write {
            keyspace,
            key,
            value,
        })
    }

    /// Deletes `key`; no error when it is not there.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Bytes>) -> &mut Self {
        self.push(Write {
            keyspace,
            key: key.into(),
            value: None,
        })
    }

    /// Deletes the key that consists of these parts; see [`put_copy`](Self::put_copy).
    pub fn delete_copy(&mut self, keyspace: Keyspace, key: &[&[u8]]) -> &mut Self {
        let key = self.room.copy(key);
        self.delete(keyspace, key)
    }

    /// Adds one write.
    pub fn push(&mut self, write: Write) -> &mut Self {
        self.bytes += write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
        self.writes.push(write);
        self
    }

    /// Adds the writes of `later` after those of this batch.
    pub fn append(&mut self, later: Self) -> &mut Self {
        self.bytes += later.bytes;
        self.writes.extend(later.writes);
        self
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there are no writes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Length of all keys and values, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The writes, in the order in which they were added.
    pub fn iter(&self) -> slice::Iter<'_, Write> {
        self.writes.iter()
    }

    /// Checks the limits that every store holds; a commit does it first.
    ///
    /// # Errors
    ///
    /// [`StoreError::EmptyKey`], [`StoreError::KeyTooLong`], [`StoreError::ValueTooLong`],
    /// [`StoreError::BatchTooLong`].
    pub fn check(&self) -> Result<(), StoreError> {
        for write in &self.writes {
            let keyspace = write.keyspace;
            let bytes = write.key.len();
            if bytes == 0 {
                return Err(StoreError::EmptyKey { keyspace });
            }
            if bytes > KEY_BYTES_MAX {
                return Err(StoreError::KeyTooLong {
                    keyspace,
                    bytes,
                    max: KEY_BYTES_MAX,
                });
            }
            let bytes = write.value.as_ref().map_or(0, Bytes::len);
            if bytes > VALUE_BYTES_MAX {
                return Err(StoreError::ValueTooLong {
                    keyspace,
                    bytes,
                    max: VALUE_BYTES_MAX,
                });
            }
        }
        if self.bytes > BATCH_BYTES_MAX {
            return Err(StoreError::BatchTooLong {
                bytes: self.bytes,
                max: BATCH_BYTES_MAX,
            });
        }
        Ok(())
    }
}

impl Extend<Write> for Batch {
    fn extend<T: IntoIterator<Item = Write>>(&mut self, writes: T) {
        for write in writes {
            self.push(write);
        }
    }
}

impl IntoIterator for Batch {
    type Item = Write;
    type IntoIter = vec::IntoIter<Write>;

    fn into_iter(self) -> Self::IntoIter {
        self.writes.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Write;
    type IntoIter = slice::Iter<'a, Write>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
