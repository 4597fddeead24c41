//! Any sequence of calls, compared with a `BTreeMap`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Opener, rows};
use crate::{Batch, Direction, Durability, KeyRange, Keyspace, Store};

const KEYSPACES: [Keyspace; 3] = [Keyspace::new("x"), Keyspace::new("y"), Keyspace::new("z")];

/// One call of [`model`].
#[derive(Clone, Debug)]
pub enum Op {
    /// Adds a write to the batch that the next commit takes.
    Write(crate::Write),
    /// Commits.
    Commit(Durability),
    /// Syncs.
    Sync,
    /// Reads one key.
    Get(Keyspace, Bytes),
    /// Reads a range.
    Scan(Keyspace, KeyRange, Direction),
    /// Closes and opens again.
    Close,
    /// Drops without closing and opens again.
    Drop,
}

/// Makes a sequence of calls from bytes that a property test draws: any bytes do, fewer bytes
/// make fewer calls, and few enough distinct keys that they meet.
pub fn ops(bytes: &[u8]) -> Vec<Op> {
    let mut ops = Vec::new();
    for chunk in bytes.chunks(4) {
        let [what, which, first, second] =
            std::array::from_fn(|at| chunk.get(at).copied().unwrap_or_default());
        let keyspace = *KEYSPACES
            .iter()
            .cycle()
            .nth(usize::from(which % 3))
            .unwrap();
        let (low, high) = (key(first), key(second));
        let direction = if which & 0x80 == 0 {
            Direction::Forward
        } else {
            Direction::Reverse
        };
        ops.push(match what % 32 {
            0..=11 => Op::Write(crate::Write {
                keyspace,
                key: low,
                value: Some(Bytes::from(vec![second; usize::from(second)])),
            }),
            12..=15 => Op::Write(crate::Write {
                keyspace,
                key: low,
                value: None,
            }),
            16..=19 => Op::Commit(Durability::Buffered),
            20 => Op::Commit(Durability::Synced),
            21 => Op::Sync,
            22..=25 => Op::Get(keyspace, low),
            26 => Op::Scan(keyspace, KeyRange::all(), direction),
            27 => Op::Scan(keyspace, KeyRange::prefix(low.get(..1).unwrap()), direction),
            28..=29 => Op::Scan(keyspace, KeyRange::between(&low, &high), direction),
            30 => Op::Close,
            _ => Op::Drop,
        });
    }
    ops
}

fn key(byte: u8) -> Bytes {
    match byte % 32 {
        short @ 0..8 => Bytes::from(vec![0xfc + short % 4]),
        long => Bytes::from(vec![0xfc + (long / 8) % 4, long]),
    }
}

/// Makes the calls on the store and on a `BTreeMap`, and compares what they read.
pub fn model(open: &impl Opener, ops: &[Op]) {
    let mut expected: BTreeMap<Keyspace, BTreeMap<Bytes, Bytes>> = BTreeMap::new();
    let mut batch = Batch::new();
    let mut store = open().unwrap();
    for op in ops {
        match op {
            Op::Write(write) => {
                batch.push(write.clone());
            }
            Op::Commit(durability) => {
                for write in &batch {
                    let rows = expected.entry(write.keyspace).or_default();
                    match &write.value {
                        Some(value) => rows.insert(write.key.clone(), value.clone()),
                        None => rows.remove(&write.key),
                    };
                }
                store
                    .commit(std::mem::take(&mut batch), *durability)
                    .unwrap();
            }
            Op::Sync => store.sync().unwrap(),
            Op::Get(keyspace, key) => {
                let there = expected.get(keyspace).and_then(|rows| rows.get(key));
                assert_eq!(store.get(*keyspace, key).unwrap().as_ref(), there);
            }
            Op::Scan(keyspace, range, direction) => {
                compare(&*store, *keyspace, range, *direction, &expected);
            }
            Op::Close => {
                store.close().unwrap();
                store = open().unwrap();
            }
            Op::Drop => {
                drop(store);
                store = open().unwrap();
            }
        }
    }
    for keyspace in KEYSPACES {
        for direction in [Direction::Forward, Direction::Reverse] {
            compare(&*store, keyspace, &KeyRange::all(), direction, &expected);
        }
    }
}

fn compare(
    store: &dyn Store,
    keyspace: Keyspace,
    range: &KeyRange,
    direction: Direction,
    expected: &BTreeMap<Keyspace, BTreeMap<Bytes, Bytes>>,
) {
    let mut within: Vec<(Bytes, Bytes)> = expected
        .get(&keyspace)
        .into_iter()
        .flatten()
        .filter(|(key, _)| range.contains(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if direction == Direction::Reverse {
        within.reverse();
    }
    assert_eq!(
        rows(store, keyspace, range.clone(), direction),
        within,
        "{range:?}"
    );
}
