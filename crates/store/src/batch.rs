//! Writes that happen together or not at all.

use std::{slice, vec};

use bytes::Bytes;

use crate::{Keyspace, StoreError};

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 65_535;
/// Longest value, in bytes (16 MiB).
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Most bytes of keys and values in one batch (32 MiB).
pub const BATCH_BYTES_MAX: usize = 32 << 20;

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
}

impl Batch {
    /// A batch without writes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            writes: Vec::new(),
            bytes: 0,
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

    /// Deletes `key`; no error when it is not there.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Bytes>) -> &mut Self {
        self.push(Write {
            keyspace,
            key: key.into(),
            value: None,
        })
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
