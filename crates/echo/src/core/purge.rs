//! Spaces that were closed, and removing everything of one that was deleted.
//!
//! A deletion begins with one synced batch that takes the space away and notes what is to be
//! removed. Everything after that is removed in batches of a bounded size, the feeds with their
//! blocks first, as blocks are found by their feeds alone. What is left after a kill is removed
//! the same way: each step does nothing where it was done before. What was noted stays, so that
//! the device does not take the space up again by itself, and writes to new feeds if its user
//! does: others may have what it wrote to the old ones.

use dxos_keys::{FeedId, SpaceKey};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::layout::{
    BLOCKS, BRANCHES, DELETED, DERIVED, FEEDS, INDEX, LOST, MARKS, MOVES, OBJECTS, OWED, QUEUES,
    SNAPSHOTS, SPACES, SpaceNumber, SpaceRecord, TALLIES, closed_key, in_space,
};
use super::space::{decode_row, encode_row, store_failed};

/// Rows that are removed at once.
const ROWS_MAX: usize = if cfg!(test) { 3 } else { 4096 };
/// What is kept under the number of a space, but for its feeds.
pub(super) const OF_SPACE: [Keyspace; 10] = [
    BRANCHES, INDEX, LOST, MARKS, MOVES, OBJECTS, OWED, QUEUES, SNAPSHOTS, TALLIES,
];

/// What is left of a space that was deleted on this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeletedRecord {
    /// What it was.
    pub(crate) was: SpaceRecord,
    /// Whether everything of it is removed.
    pub(crate) purged: bool,
}

impl DeletedRecord {
    /// What the store says of a space, if it was deleted.
    pub(crate) fn of(space: &SpaceKey, store: &dyn Read) -> Result<Option<Self>, EchoError> {
        let row = store.get(DELETED, space.as_bytes());
        let row = row.map_err(|error| store_failed(&error))?;
        row.map(|row| decode_row("deletion", &row)).transpose()
    }

    /// All of them.
    pub(crate) fn all(store: &dyn Read) -> Result<Vec<Self>, EchoError> {
        let rows = store.scan(DELETED, KeyRange::all(), Direction::Forward);
        rows.map(|row| {
            let (_, value) = row.map_err(|error| store_failed(&error))?;
            decode_row("deletion", &value)
        })
        .collect()
    }

    fn put(&self, batch: &mut Batch) -> Result<(), EchoError> {
        let key = self.was.space.as_bytes().to_vec();
        batch.put(DELETED, key, encode_row(self)?);
        Ok(())
    }

    /// The batch with which a deletion begins.
    pub(crate) fn begin(was: SpaceRecord) -> Result<(Self, Batch), EchoError> {
        let mut batch = Batch::new();
        batch.delete(SPACES, was.space.as_bytes().to_vec());
        let deleted = Self { was, purged: false };
        deleted.put(&mut batch)?;
        Ok((deleted, batch))
    }
}

/// Whether the user closed a space.
pub(crate) fn is_closed(number: SpaceNumber, store: &dyn Read) -> Result<bool, EchoError> {
    let found = store.contains(TALLIES, &closed_key(number));
    found.map_err(|error| store_failed(&error))
}

/// What notes that the user closed a space, or opened it again.
pub(crate) fn note_closed(number: SpaceNumber, closed: bool) -> Batch {
    let mut batch = Batch::new();
    if closed {
        batch.put(TALLIES, closed_key(number), vec![1]);
    } else {
        batch.delete(TALLIES, closed_key(number));
    }
    batch
}

/// Removes everything of a deleted space, and notes that it is done.
pub(crate) fn purge(deleted: DeletedRecord, store: &dyn Store) -> Result<(), EchoError> {
    remove_rows(deleted.was.number, store)?;
    let done = DeletedRecord {
        purged: true,
        ..deleted
    };
    let mut batch = Batch::new();
    done.put(&mut batch)?;
    let committed = store.commit(batch, Durability::Synced);
    committed.map_err(|error| store_failed(&error))
}

/// Removes everything that is kept under a number, and the blocks of its feeds.
pub(crate) fn remove_rows(number: SpaceNumber, store: &dyn Store) -> Result<u64, EchoError> {
    let mut removed = 0;
    let prefix = in_space(number, b"");
    loop {
        let feeds = store.scan(FEEDS, KeyRange::prefix(&prefix), Direction::Forward);
        let mut batch = Batch::new();
        for row in feeds.take(ROWS_MAX) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            if let Some(feed) = key.get(prefix.len()..).and_then(FeedId::from_slice) {
                removed += remove_blocks(&feed, store)?;
            }
            batch.delete(FEEDS, key);
        }
        if batch.is_empty() {
            break;
        }
        removed += commit(batch, store)?;
    }
    for keyspace in OF_SPACE {
        removed += remove(keyspace, &KeyRange::prefix(&prefix), store)?;
    }
    Ok(removed)
}

/// Removes the blocks of a feed.
pub(crate) fn remove_blocks(feed: &FeedId, store: &dyn Store) -> Result<u64, EchoError> {
    let range = KeyRange::prefix(feed.as_bytes());
    remove(BLOCKS, &range, store)
}

fn remove(keyspace: Keyspace, range: &KeyRange, store: &dyn Store) -> Result<u64, EchoError> {
    match remove_from(Direction::Forward, keyspace, range, store) {
        // What is derived holds nothing that others lack: what cannot be read of it is left. It is
        // of no space then, and goes when its keyspace is emptied for those that are here.
        (before, Err(error)) if DERIVED.contains(&keyspace) && error.is_damage() => {
            match remove_from(Direction::Reverse, keyspace, range, store) {
                (_, Err(error)) if !error.is_damage() => Err(store_failed(&error)),
                (after, _) => Ok(before + after),
            }
        }
        (_, Err(error)) => Err(store_failed(&error)),
        (removed, Ok(())) => Ok(removed),
    }
}

/// Removes rows from one end on, until there are none or one cannot be read.
fn remove_from(
    direction: Direction,
    keyspace: Keyspace,
    range: &KeyRange,
    store: &dyn Store,
) -> (u64, Result<(), StoreError>) {
    let mut removed = 0;
    loop {
        let mut batch = Batch::new();
        let mut failed = Ok(());
        for row in store
            .scan(keyspace, range.clone(), direction)
            .take(ROWS_MAX)
        {
            match row {
                Ok((key, _)) => {
                    batch.delete(keyspace, key);
                }
                Err(error) => failed = Err(error),
            }
        }
        let rows = batch.len() as u64;
        if rows > 0
            && let Err(error) = store.commit(batch, Durability::Buffered)
        {
            return (removed, Err(error));
        }
        removed += rows;
        if failed.is_err() || rows == 0 {
            return (removed, failed);
        }
    }
}

fn commit(batch: Batch, store: &dyn Store) -> Result<u64, EchoError> {
    let rows = batch.len() as u64;
    let committed = store.commit(batch, Durability::Buffered);
    committed.map_err(|error| store_failed(&error))?;
    Ok(rows)
}
