use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dxos_store::{
    Batch, Direction, Durability, KeyRange, Keyspace, MemStore, Read, Scan, Store, StoreError,
};

use super::super::layout::{
    BLOCKS, BRANCHES, DELETED, FEEDS, INDEX, LOST, MARKS, MOVES, OBJECTS, OWED, SNAPSHOTS, SPACES,
    SpaceNumber, TALLIES, in_space,
};
use super::super::purge::{DeletedRecord, purge};
use super::{Net, task};

/// A store that takes so many batches and then no more.
#[derive(Debug)]
struct Limited<'a> {
    store: &'a MemStore,
    left: AtomicUsize,
}

impl Read for Limited<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        self.store.scan(keyspace, range, direction)
    }
}

impl Store for Limited<'_> {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        if self.left.load(Ordering::Relaxed) == 0 {
            return Err(StoreError::Closed);
        }
        self.left.fetch_sub(1, Ordering::Relaxed);
        self.store.commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.store.clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        self.store.scratch()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

const ALL: [Keyspace; 12] = [
    BLOCKS, BRANCHES, FEEDS, INDEX, LOST, MARKS, MOVES, OBJECTS, OWED, SNAPSHOTS, SPACES, TALLIES,
];

fn rows(store: &dyn Read) -> usize {
    let all = ALL.iter();
    all.map(|keyspace| {
        let rows = store.scan(*keyspace, KeyRange::all(), Direction::Forward);
        rows.inspect(|row| assert!(row.is_ok())).count()
    })
    .sum()
}

#[test]
fn a_deletion_that_is_cut_off_anywhere_goes_on_and_leaves_other_spaces_alone() {
    let mut net = Net::new(1);
    for number in 0..9 {
        net.edit(0, task(number, 1));
    }
    let replica = &net.replicas[0];
    let store = &replica.store;
    // What is not of this space.
    let mut batch = Batch::new();
    let other = SpaceNumber(replica.space.record.number.0 + 1);
    for keyspace in ALL {
        batch.put(keyspace, in_space(other, &[7; 40]), vec![1]);
    }
    store.commit(batch, Durability::Buffered).unwrap();

    let (deleted, begin) = DeletedRecord::begin(replica.space.record.clone()).unwrap();
    store.commit(begin, Durability::Synced).unwrap();
    let mut before = rows(store);
    assert!(before > ALL.len() + 20, "{before}");
    let mut rounds = 0;
    loop {
        let noted = DeletedRecord::of(&replica.space.key(), store)
            .unwrap()
            .unwrap();
        assert!(!noted.purged);
        let limited = Limited {
            store,
            left: AtomicUsize::new(1),
        };
        if purge(deleted.clone(), &limited).is_ok() {
            break;
        }
        let left = rows(store);
        assert!(left < before, "it goes on");
        before = left;
        rounds += 1;
    }
    assert!(rounds > 5, "{rounds}");
    assert_eq!(rows(store), ALL.len());
    let noted = DeletedRecord::of(&replica.space.key(), store).unwrap();
    assert!(noted.unwrap().purged);
    assert_eq!(
        store
            .scan(DELETED, KeyRange::all(), Direction::Forward)
            .count(),
        1
    );
}
