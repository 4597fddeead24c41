//! What fjall does in the background fails while nobody writes: it can be asked for.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{fs, path::Path, thread, time::Duration};

use dxos_store::{Batch, Durability, Keyspace, Read, Store, StoreError};
use dxos_store_fjall::{FjallOptions, FjallStore};
use fjall::{AbstractTree as _, KeyspaceCreateOptions};

const K: Keyspace = Keyspace::new("k");

/// Tables of one keyspace that its worker, once there is one, has to merge.
fn leave_work(path: &Path) {
    let database = fjall::Database::builder(path.join("db"))
        .worker_threads_unchecked(0)
        .open()
        .unwrap();
    let keyspace = database
        .keyspace(K.name(), KeyspaceCreateOptions::default)
        .unwrap();
    for round in 0_u32..8 {
        for n in 0_u32..200 {
            let key = (n * 8 + round).to_be_bytes();
            keyspace.insert(key, [7_u8; 900]).unwrap();
        }
        keyspace.rotate_memtable().unwrap();
        let lock = keyspace.tree.get_flush_lock();
        keyspace.tree.flush(&lock, 0).unwrap();
    }
}

fn damage(path: &Path) {
    let mut damaged = 0;
    for entry in fs::read_dir(path.join("db/keyspaces")).unwrap() {
        let tables = entry.unwrap().path().join("tables");
        for table in fs::read_dir(tables).unwrap() {
            let path = table.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if bytes.len() > 10_000 {
                // A block of rows, far from where the store looks when it opens.
                bytes
                    .iter_mut()
                    .skip(500)
                    .take(100)
                    .for_each(|byte| *byte = 0xff);
                fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged >= 8, "{damaged}");
}

#[test]
fn a_worker_that_fails_while_nobody_writes_is_found_out_without_a_write() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let open = || FjallStore::open(&path, FjallOptions::default()).unwrap();
    let store = open();
    let mut batch = Batch::new();
    batch.put(Keyspace::new("other"), "key", "value");
    store.commit(batch, Durability::Synced).unwrap();
    assert_eq!(store.check(), Ok(()));
    store.close().unwrap();
    assert_eq!(store.check(), Err(StoreError::Closed));
    leave_work(&path);
    damage(&path);

    let store = open();
    // The worker begins when the store opens; it is waited for by asking.
    let failed = loop {
        match store.check() {
            Ok(()) => thread::sleep(Duration::from_millis(5)),
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, StoreError::Poisoned { .. }), "{failed:?}");
    let mut batch = Batch::new();
    batch.put(K, "key", "value");
    let refused = store.commit(batch, Durability::Buffered).unwrap_err();
    assert!(
        matches!(refused, StoreError::Poisoned { .. }),
        "{refused:?}"
    );
    // What is whole can be read.
    let read = store.get(Keyspace::new("other"), b"key").unwrap();
    assert_eq!(read.as_deref(), Some(&b"value"[..]));
}
