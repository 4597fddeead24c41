//! Opening, closing, threads.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{A, B, Opener, keys};
use crate::{Batch, Direction, Durability, KeyRange, Keyspace, StoreError};

fn one(key: &'static str, value: impl Into<bytes::Bytes>) -> Batch {
    let mut batch = Batch::new();
    batch.put(A, key, value);
    batch
}

/// What was committed is there after a close and after a drop; a second opener is refused
/// while the first is open.
pub fn reopen(open: &impl Opener) {
    let store = open().unwrap();
    store
        .commit(one("1", "closed"), Durability::Buffered)
        .unwrap();
    assert!(matches!(open().map(drop), Err(StoreError::Locked { .. })));
    store.close().unwrap();
    drop(store);

    let store = open().unwrap();
    store
        .commit(one("2", "dropped"), Durability::Buffered)
        .unwrap();
    drop(store);

    let store = open().unwrap();
    let mut batch = one("3", "deleted");
    batch.delete(A, "1");
    store.commit(batch, Durability::Synced).unwrap();
    // Closed, and not yet dropped, is free.
    store.close().unwrap();
    let again = open().unwrap();
    assert_eq!(keys(&*again, KeyRange::all()), ["2", "3"]);
    assert_eq!(store.get(A, b"2"), Err(StoreError::Closed));
    for round in 0..3 {
        again
            .commit(one("2", format!("{round}")), Durability::Buffered)
            .unwrap();
    }
    assert_eq!(again.get(A, b"2").unwrap().unwrap(), "2");
}

/// Everything on a closed store says so, and closing twice is no error.
pub fn closed(open: &impl Opener) {
    let store = open().unwrap();
    store.commit(one("1", "1"), Durability::Buffered).unwrap();
    store.close().unwrap();
    store.close().unwrap();
    assert_eq!(store.get(A, b"1"), Err(StoreError::Closed));
    assert_eq!(store.contains(A, b"1"), Err(StoreError::Closed));
    let scanned: Vec<_> = store.scan(A, KeyRange::all(), Direction::Forward).collect();
    assert_eq!(scanned, [Err(StoreError::Closed)]);
    assert_eq!(
        store.commit(one("2", "2"), Durability::Buffered),
        Err(StoreError::Closed)
    );
    assert_eq!(
        store.commit(Batch::new(), Durability::Synced),
        Err(StoreError::Closed)
    );
    assert_eq!(store.sync(), Err(StoreError::Closed));
    assert_eq!(store.wipe(), Err(StoreError::Closed));
    assert_eq!(store.disk_bytes(), 0);
    assert_eq!(keys(&*open().unwrap(), KeyRange::all()), ["1"]);
}

/// Wiping leaves nothing and closes; the place can be used again.
pub fn wipe(open: &impl Opener) {
    let store = open().unwrap();
    let mut batch = one("1", "1");
    batch.put(B, "2", "2");
    store.commit(batch, Durability::Synced).unwrap();
    store.wipe().unwrap();
    assert_eq!(store.get(A, b"1"), Err(StoreError::Closed));
    store.close().unwrap();
    let store = open().unwrap();
    assert_eq!(keys(&*store, KeyRange::all()), [""; 0]);
    assert_eq!(store.get(B, b"2").unwrap(), None);
    store.commit(one("3", "3"), Durability::Synced).unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(keys(&*open().unwrap(), KeyRange::all()), ["3"]);
}

/// A keyspace that is emptied has no rows any more, also after the next open, and takes new ones;
/// others keep theirs.
pub fn clear(open: &impl Opener) {
    let store = open().unwrap();
    let mut batch = one("1", "1");
    batch.put(B, "2", "2");
    store.commit(batch, Durability::Synced).unwrap();
    store.clear(A).unwrap();
    assert_eq!(keys(&*store, KeyRange::all()), [""; 0]);
    assert_eq!(store.get(A, b"1").unwrap(), None);
    drop(store);
    let store = open().unwrap();
    assert_eq!(keys(&*store, KeyRange::all()), [""; 0]);
    assert!(store.get(B, b"2").unwrap().is_some());
    store.commit(one("3", "3"), Durability::Buffered).unwrap();
    store.commit(one("4", "4"), Durability::Synced).unwrap();
    store.clear(Keyspace::new("nothing")).unwrap();
    store.clear(B).unwrap();
    drop(store);
    let store = open().unwrap();
    assert_eq!(keys(&*store, KeyRange::all()), ["3", "4"]);
    assert_eq!(store.get(B, b"2").unwrap(), None);
    store.close().unwrap();
    assert_eq!(store.clear(A), Err(StoreError::Closed));
}

/// Threads commit, sync and read at once: nothing is lost, and whoever sees one half of a
/// batch sees the other.
pub fn concurrent(open: &impl Opener) {
    const WRITERS: u8 = 16;
    const ROUNDS: u8 = 12;
    let store = open().unwrap();
    let running = AtomicUsize::new(usize::from(WRITERS));
    let (store_ref, running) = (&*store, &running);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut batch = Batch::new();
                    batch.put(A, vec![writer, round], vec![round]);
                    batch.put(B, vec![writer], vec![round]);
                    match round % 3 {
                        0 => store_ref.commit(batch, Durability::Synced).unwrap(),
                        1 => store_ref.commit(batch, Durability::Buffered).unwrap(),
                        _ => {
                            store_ref.commit(batch, Durability::Buffered).unwrap();
                            store_ref.sync().unwrap();
                        }
                    }
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        scope.spawn(move || {
            while running.load(Ordering::SeqCst) > 0 {
                for (key, value) in store_ref
                    .scan(A, KeyRange::all(), Direction::Reverse)
                    .map(Result::unwrap)
                {
                    let head = store_ref.get(B, key.get(..1).unwrap()).unwrap().unwrap();
                    assert!(head >= value, "half a batch: {head:?} before {value:?}");
                }
            }
        });
    });
    let expected = usize::from(WRITERS) * usize::from(ROUNDS);
    assert_eq!(keys(store_ref, KeyRange::all()).len(), expected);
    store.close().unwrap();
    assert_eq!(keys(&*open().unwrap(), KeyRange::all()).len(), expected);
}
