//! The suite of every store, on fjall.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{fs, path::Path, thread};

use dxos_store::{
    Batch, Direction, Durability, KeyRange, Keyspace, Read, Store, StoreError, conformance,
};
use dxos_store_fjall::{FjallOptions, FjallStore};
use proptest::prelude::*;

fn fresh() -> impl conformance::Opener {
    let home = tempfile::tempdir().unwrap();
    move || -> Result<Box<dyn Store>, StoreError> {
        let options = FjallOptions {
            journal_bytes: 1 << 20,
            ..FjallOptions::default()
        };
        Ok(Box::new(FjallStore::open(
            home.path().join("store"),
            options,
        )?))
    }
}

#[test]
fn conforms() {
    conformance::all(fresh);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn behaves_as_a_map(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        conformance::model(&fresh(), &conformance::ops(&bytes));
    }
}

/// Batches as long as they may be, from several threads, and a journal that is much shorter.
#[test]
fn long_batches_at_once() {
    const ROWS: Keyspace = Keyspace::new("rows");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let options = FjallOptions {
        journal_bytes: 1 << 20,
        ..FjallOptions::default()
    };
    let store = FjallStore::open(&path, options.clone()).unwrap();
    thread::scope(|scope| {
        for n in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                let mut batch = Batch::new();
                for part in 0..4_u8 {
                    batch.put(ROWS, vec![n, part], vec![n ^ part; 7 << 20]);
                }
                store.commit(batch, Durability::Synced).unwrap();
            });
        }
    });
    let journal = |path: &Path| fs::metadata(path.join("db/0.jnl")).unwrap().len();
    assert!(
        journal(&path) < 32 << 20,
        "the journal was emptied between long batches"
    );
    store.commit(Batch::new(), Durability::Synced).unwrap();
    store.close().unwrap();
    assert_eq!(journal(&path), 0, "the journal is empty after a close");
    let store = FjallStore::open(&path, options).unwrap();
    for n in 0..4_u8 {
        for part in 0..4_u8 {
            let value = store.get(ROWS, &[n, part]).unwrap().unwrap();
            assert!(value.len() == 7 << 20 && value.iter().all(|byte| *byte == n ^ part));
        }
    }
}

/// A scan that began before a close goes on, or ends with an error; it gives no wrong rows.
#[test]
fn a_scan_outlives_a_close() {
    const ROWS: Keyspace = Keyspace::new("rows");
    let home = tempfile::tempdir().unwrap();
    let store = FjallStore::open(home.path(), FjallOptions::default()).unwrap();
    let mut batch = Batch::new();
    for n in 0_u32..20_000 {
        batch.put(ROWS, n.to_be_bytes().to_vec(), n.to_be_bytes().repeat(20));
    }
    store.commit(batch, Durability::Buffered).unwrap();
    let mut scan = store.scan(ROWS, KeyRange::all(), Direction::Forward);
    assert_eq!(scan.next().unwrap().unwrap().0, vec![0; 4]);
    store.close().unwrap();
    let again = FjallStore::open(home.path(), FjallOptions::default()).unwrap();
    let mut batch = Batch::new();
    for n in 0_u32..20_000 {
        batch.delete(ROWS, n.to_be_bytes().to_vec());
    }
    again.commit(batch, Durability::Buffered).unwrap();
    for (n, row) in (1_u32..).zip(scan.map_while(Result::ok)) {
        assert_eq!(
            row,
            (
                n.to_be_bytes().to_vec().into(),
                n.to_be_bytes().repeat(20).into()
            )
        );
    }
    assert_eq!(
        again
            .scan(ROWS, KeyRange::all(), Direction::Reverse)
            .count(),
        0
    );
    again.wipe().unwrap();
}
