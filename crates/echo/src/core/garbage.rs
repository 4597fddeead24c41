//! What is stored of a space, and rows that are of no space.

use std::collections::BTreeSet;

use dxos_keys::FeedId;
use dxos_protocol::echo::{EchoError, Garbage, SpaceStats};
use dxos_store::{Direction, KeyRange, Keyspace, Read, Store, StoreError};

use super::layout::{
    BLOCKS, BRANCHES, DERIVED, FEEDS, INDEX, OBJECTS, QUEUES, SpaceNumber, SpaceRecord, TALLIES,
    Tally, in_space,
};
use super::purge::{OF_SPACE, remove_blocks, remove_rows};
use super::space::{decode_row, store_failed};

/// Counts what is stored of a space.
pub(crate) fn stats(record: &SpaceRecord, store: &dyn Read) -> Result<SpaceStats, EchoError> {
    let mut stats = SpaceStats {
        incarnation: record.incarnation,
        ..SpaceStats::default()
    };
    let prefix = in_space(record.number, b"");
    let range = KeyRange::prefix(&prefix);
    for row in store.scan(FEEDS, range.clone(), Direction::Forward) {
        let (key, value) = row.map_err(|error| store_failed(&error))?;
        stats.feeds += 1;
        stats.bytes.rest += (key.len() + value.len()) as u64;
        if let Some(feed) = key.get(prefix.len()..) {
            let (rows, bytes) = sum(BLOCKS, &KeyRange::prefix(feed), store)?;
            stats.blocks += rows;
            stats.bytes.blocks += bytes;
        }
    }
    for keyspace in OF_SPACE {
        let (rows, bytes) = sum(keyspace, &range, store)?;
        match keyspace {
            BRANCHES => (stats.branches, stats.bytes.branches) = (rows, bytes),
            INDEX => (stats.index_rows, stats.bytes.indexes) = (rows, bytes),
            QUEUES => (stats.queue_rows, stats.bytes.queues) = (rows, bytes),
            OBJECTS => stats.bytes.objects = bytes,
            _ => stats.bytes.rest += bytes,
        }
    }
    let tally = store.get(TALLIES, &prefix);
    let tally = tally.map_err(|error| store_failed(&error))?;
    if let Some(tally) = tally {
        stats.objects = decode_row::<Tally>("tally", &tally)?.objects;
    }
    Ok(stats)
}

/// How many rows there are, and their bytes.
fn sum(keyspace: Keyspace, range: &KeyRange, store: &dyn Read) -> Result<(u64, u64), EchoError> {
    let mut sum = (0, 0);
    let summed = add_up(keyspace, range, &mut sum, store);
    summed.map_err(|error| store_failed(&error))?;
    Ok(sum)
}

fn add_up(
    keyspace: Keyspace,
    range: &KeyRange,
    (rows, bytes): &mut (u64, u64),
    store: &dyn Read,
) -> Result<(), StoreError> {
    for row in store.scan(keyspace, range.clone(), Direction::Forward) {
        let (key, value) = row?;
        *rows += 1;
        *bytes += (key.len() + value.len()) as u64;
    }
    Ok(())
}

/// Goes past what is derived and cannot be read: nothing is lost with it.
fn unless_derived(keyspace: Keyspace, error: StoreError) -> Result<(), EchoError> {
    if DERIVED.contains(&keyspace) && error.is_damage() {
        return Ok(());
    }
    Err(store_failed(&error))
}

/// Counts the rows that are of none of these spaces, and removes them unless that is not wanted.
/// Numbers from `below` on may be given to spaces meanwhile.
pub(crate) fn collect(
    known: &BTreeSet<SpaceNumber>,
    below: u32,
    dry_run: bool,
    store: &dyn Store,
) -> Result<Garbage, EchoError> {
    let mut garbage = Garbage::default();
    let mut add = |keyspace, range: &KeyRange| {
        let mut counted = (0, 0);
        let summed = add_up(keyspace, range, &mut counted, store);
        // What cannot be read is not counted, and is removed as far as it can be.
        summed.or_else(|error| unless_derived(keyspace, error))?;
        let (rows, bytes) = counted;
        garbage.rows += rows;
        garbage.bytes += bytes;
        Ok::<_, EchoError>(())
    };
    // Feeds that have blocks are looked up first: a block and its feed are written in one batch,
    // so that a feed which is not there afterwards is nobody's.
    let with_blocks = beginnings(BLOCKS, 32, store)?;
    for number in numbers(store)? {
        if known.contains(&number) || number.0 >= below {
            continue;
        }
        let prefix = in_space(number, b"");
        let range = KeyRange::prefix(&prefix);
        for row in store.scan(FEEDS, range.clone(), Direction::Forward) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            if let Some(feed) = key.get(prefix.len()..) {
                add(BLOCKS, &KeyRange::prefix(feed))?;
            }
        }
        for keyspace in OF_SPACE.into_iter().chain([FEEDS]) {
            add(keyspace, &range)?;
        }
        if !dry_run {
            remove_rows(number, store)?;
        }
    }
    let mut feeds = BTreeSet::new();
    for row in store.scan(FEEDS, KeyRange::all(), Direction::Forward) {
        let (key, _) = row.map_err(|error| store_failed(&error))?;
        feeds.extend(key.get(4..).and_then(FeedId::from_slice));
    }
    for feed in with_blocks {
        let Some(feed) = FeedId::from_slice(&feed).filter(|feed| !feeds.contains(feed)) else {
            continue;
        };
        add(BLOCKS, &KeyRange::prefix(feed.as_bytes()))?;
        if !dry_run {
            remove_blocks(&feed, store)?;
        }
    }
    Ok(garbage)
}

/// The numbers under which something is kept.
fn numbers(store: &dyn Read) -> Result<BTreeSet<SpaceNumber>, EchoError> {
    let mut found = BTreeSet::new();
    for keyspace in OF_SPACE.into_iter().chain([FEEDS]) {
        for number in beginnings(keyspace, 4, store)? {
            let number = number.first_chunk().copied().map(u32::from_be_bytes);
            found.extend(number.map(SpaceNumber));
        }
    }
    Ok(found)
}

/// The different first bytes of keys, found by one look each.
fn beginnings(
    keyspace: Keyspace,
    length: usize,
    store: &dyn Read,
) -> Result<Vec<Vec<u8>>, EchoError> {
    let mut found = Vec::new();
    let mut from = std::ops::Bound::Unbounded;
    loop {
        let range = KeyRange::new(from, std::ops::Bound::Unbounded);
        let Some(row) = store.scan(keyspace, range, Direction::Forward).next() else {
            return Ok(found);
        };
        let (key, _) = match row {
            Ok(row) => row,
            Err(error) => return unless_derived(keyspace, error).map(|()| found),
        };
        let first = key.get(..length).unwrap_or(&key).to_vec();
        let after = KeyRange::prefix(&first);
        let std::ops::Bound::Excluded(end) = after.end() else {
            found.push(first);
            return Ok(found);
        };
        from = std::ops::Bound::Included(bytes::Bytes::copy_from_slice(end));
        found.push(first);
    }
}
