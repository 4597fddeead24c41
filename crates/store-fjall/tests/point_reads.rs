//! Looking for a row reads a few blocks of a table, whatever its length and however small the
//! cache.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "everything here is a test: what goes wrong fails it"
)]

use std::fs;

use dxos_store::{Batch, Durability, Keyspace, Read, Store};
use dxos_store_fjall::{FjallOptions, FjallStore};

const ROWS: Keyspace = Keyspace::new("rows");
const COUNT: u64 = 400_000;
const LOOKS: u64 = 500;

/// A short row of an index: most of what is stored are such.
fn key(n: u64) -> Vec<u8> {
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [spread.to_be_bytes(), n.to_be_bytes()].concat()
}

/// Bytes that this process has read from files so far.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

#[test]
fn a_row_is_found_without_reading_all_that_is_known_of_its_table() {
    let home = tempfile::tempdir().unwrap();
    let options = FjallOptions {
        cache_bytes: 1 << 20,
        ..FjallOptions::default()
    };
    let open = || FjallStore::open(home.path(), options.clone()).unwrap();
    let store = open();
    for chunk in 0..COUNT / 1_000 {
        let mut batch = Batch::new();
        for n in chunk * 1_000..(chunk + 1) * 1_000 {
            batch.put(ROWS, key(n), Vec::new());
        }
        store.commit(batch, Durability::Buffered).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = open();
    let before = bytes_read();
    for n in (0..COUNT).step_by(usize::try_from(COUNT / LOOKS).unwrap()) {
        assert!(store.contains(ROWS, &key(n)).unwrap());
        assert!(!store.contains(ROWS, &key(n + COUNT)).unwrap());
    }
    let each = (bytes_read() - before) / (2 * LOOKS);
    assert!(each < 32 << 10, "{each} bytes were read for one row");
}
