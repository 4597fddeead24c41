//! Room that is given back.
#![allow(
    clippy::unwrap_used,
    reason = "everything here is a test: what goes wrong fails it"
)]

use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store};
use dxos_store_fjall::{FjallOptions, FjallStore};

const ONE: Keyspace = Keyspace::new("one");
const TWO: Keyspace = Keyspace::new("two");

/// A value that does not compress to nothing.
fn value(n: u64) -> Vec<u8> {
    let mut state = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bytes = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    bytes.take(32).flatten().collect()
}

#[test]
fn what_was_deleted_takes_no_room_after_a_compaction_and_the_rest_is_there() {
    let home = tempfile::tempdir().unwrap();
    let open = || FjallStore::open(home.path(), FjallOptions::default()).unwrap();
    let store = open();
    for n in 0..20_000_u64 {
        let mut batch = Batch::new();
        let keyspace = if n % 10 == 0 { TWO } else { ONE };
        batch.put(keyspace, n.to_be_bytes().to_vec(), value(n));
        store.commit(batch, Durability::Buffered).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = open();
    let full = store.disk_bytes();
    assert!(full > 4_000_000, "{full}");
    let mut batch = Batch::new();
    for n in (0..20_000_u64).filter(|n| n % 10 != 0) {
        batch.delete(ONE, n.to_be_bytes().to_vec());
    }
    store.commit(batch, Durability::Synced).unwrap();
    store.close().unwrap();
    drop(store);
    // Also where nothing was written since it was opened.
    let store = open();
    store.compact().unwrap();
    let left = store.disk_bytes();
    assert!(left < full / 3, "{left} of {full}");
    let rows = |store: &FjallStore| {
        let all = store.scan(TWO, KeyRange::all(), Direction::Forward);
        all.inspect(|row| assert!(row.is_ok())).count()
    };
    assert_eq!(rows(&store), 2_000);
    assert_eq!(
        store.scan(ONE, KeyRange::all(), Direction::Forward).count(),
        0
    );
    store.close().unwrap();
    drop(store);
    let store = open();
    assert_eq!(rows(&store), 2_000);
    let found = store.get(TWO, &10_u64.to_be_bytes()).unwrap();
    assert_eq!(found.as_deref(), Some(value(10).as_slice()));
    store.compact().unwrap();
    assert_eq!(rows(&store), 2_000);
}
