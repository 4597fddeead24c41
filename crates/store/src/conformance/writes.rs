//! Batches.

use bytes::Bytes;

use super::{A, B, Opener, keys};
use crate::{
    BATCH_BYTES_MAX, Batch, Durability, KEY_BYTES_MAX, KeyRange, Keyspace, StoreError,
    VALUE_BYTES_MAX,
};

/// A batch shows in all its keyspaces, and a refused one in none.
pub fn atomic_batch(open: &impl Opener) {
    let store = open().unwrap();
    let mut batch = Batch::new();
    batch.put(A, "key", "a").put(B, "key", "b");
    store.commit(batch, Durability::Synced).unwrap();
    assert_eq!(store.get(A, b"key").unwrap().unwrap(), "a");
    assert_eq!(store.get(B, b"key").unwrap().unwrap(), "b");

    let mut refused = Batch::new();
    refused
        .put(A, "key", "changed")
        .delete(B, "key")
        .put(B, "", "an empty key");
    let error = store.commit(refused, Durability::Buffered).unwrap_err();
    assert_eq!(error, StoreError::EmptyKey { keyspace: B });
    assert_eq!(store.get(A, b"key").unwrap().unwrap(), "a");
    assert_eq!(store.get(B, b"key").unwrap().unwrap(), "b");

    store.commit(Batch::new(), Durability::Buffered).unwrap();
    store.commit(Batch::new(), Durability::Synced).unwrap();
    store.sync().unwrap();
}

/// Of several writes to one key in one batch the last one counts, before and after a reopen.
pub fn order_in_a_batch(open: &impl Opener) {
    let store = open().unwrap();
    let mut batch = Batch::new();
    batch
        .put(A, "put then delete", "1")
        .delete(A, "put then delete");
    batch
        .delete(A, "delete then put")
        .put(A, "delete then put", "2");
    batch
        .put(A, "thrice", "1")
        .put(A, "thrice", "2")
        .put(A, "thrice", "3");
    batch.delete(A, "not there");
    batch
        .put(A, "there and back", "1")
        .delete(A, "there and back");
    batch.put(A, "there and back", "3");
    assert_eq!(batch.len(), 11);
    store.commit(batch, Durability::Buffered).unwrap();
    let check = |store: &dyn crate::Store| {
        assert_eq!(
            keys(store, KeyRange::all()),
            ["delete then put", "there and back", "thrice"]
        );
        assert_eq!(store.get(A, b"put then delete").unwrap(), None);
        assert_eq!(store.get(A, b"delete then put").unwrap().unwrap(), "2");
        assert_eq!(store.get(A, b"thrice").unwrap().unwrap(), "3");
        assert_eq!(store.get(A, b"there and back").unwrap().unwrap(), "3");
    };
    check(&*store);
    store.close().unwrap();
    check(&*open().unwrap());
}

/// Keys that are no text, empty values, large values.
pub fn bytes_of_any_kind(open: &impl Opener) {
    let store = open().unwrap();
    let mut batch = Batch::new();
    for byte in 0..=u8::MAX {
        batch.put(A, vec![byte], vec![byte; usize::from(byte)]);
        batch.put(A, vec![byte, 0xff, 0x00, 0xc3, 0x28], "");
    }
    let large: Vec<u8> = (0..1_u32 << 18)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    batch.put(B, "large", large.clone());
    batch.put(B, vec![0xfe; KEY_BYTES_MAX], "longest key");
    store.commit(batch, Durability::Synced).unwrap();
    let check = |store: &dyn crate::Store| {
        assert_eq!(keys(store, KeyRange::all()).len(), 512);
        assert_eq!(store.get(A, &[]).unwrap(), None);
        assert_eq!(store.get(A, &[0]).unwrap().unwrap(), "");
        assert_eq!(store.get(A, &[7]).unwrap().unwrap(), vec![7; 7]);
        assert_eq!(
            store
                .get(A, &[0xc0, 0xff, 0x00, 0xc3, 0x28])
                .unwrap()
                .unwrap(),
            ""
        );
        assert!(store.get(B, b"large").unwrap().unwrap() == large);
        assert_eq!(
            store.get(B, &vec![0xfe; KEY_BYTES_MAX]).unwrap().unwrap(),
            "longest key"
        );
        assert!(store.disk_bytes() > 1 << 20, "{}", store.disk_bytes());
    };
    check(&*store);
    store.close().unwrap();
    check(&*open().unwrap());
}

/// What is too long is refused with the limit, and what is just short enough is not.
pub fn limits(open: &impl Opener) {
    let store = open().unwrap();
    let commit = |key: Vec<u8>, value: Bytes, count: usize| {
        let mut batch = Batch::new();
        for _ in 0..count {
            batch.put(A, key.clone(), value.clone());
        }
        store.commit(batch, Durability::Buffered)
    };
    let longest = Bytes::from(vec![1; VALUE_BYTES_MAX]);
    commit(vec![1; KEY_BYTES_MAX], longest.clone(), 1).unwrap();
    assert_eq!(
        commit(vec![1; KEY_BYTES_MAX + 1], Bytes::new(), 1),
        Err(StoreError::KeyTooLong {
            keyspace: A,
            bytes: KEY_BYTES_MAX + 1,
            max: KEY_BYTES_MAX
        })
    );
    assert_eq!(
        commit(vec![1], Bytes::from(vec![0; VALUE_BYTES_MAX + 1]), 1),
        Err(StoreError::ValueTooLong {
            keyspace: A,
            bytes: VALUE_BYTES_MAX + 1,
            max: VALUE_BYTES_MAX
        })
    );
    assert_eq!(
        commit(vec![1], longest, 2),
        Err(StoreError::BatchTooLong {
            bytes: 2 * (VALUE_BYTES_MAX + 1),
            max: BATCH_BYTES_MAX
        })
    );
    assert_eq!(
        commit(vec![], Bytes::new(), 1),
        Err(StoreError::EmptyKey { keyspace: A })
    );
}

/// More keyspaces than a process has of anything, each with its own rows.
pub fn many_keyspaces(open: &impl Opener) {
    const NAMES: [&str; 24] = [
        "k.00", "k.01", "k.02", "k.03", "k.04", "k.05", "k.06", "k.07", "k.08", "k.09", "k.10",
        "k.11", "k_12", "k_13", "k_14", "k_15", "k_16", "k_17", "k-18", "k-19", "k-20", "k-21",
        "k-22", "k-23",
    ];
    let store = open().unwrap();
    let mut batch = Batch::new();
    for name in NAMES {
        batch.put(Keyspace::new(name), "name", name);
    }
    store.commit(batch, Durability::Buffered).unwrap();
    let check = |store: &dyn crate::Store| {
        for name in NAMES {
            assert_eq!(
                store.get(Keyspace::new(name), b"name").unwrap().unwrap(),
                name
            );
        }
    };
    check(&*store);
    store.close().unwrap();
    check(&*open().unwrap());
}
