use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    Access, Batch, CrashPlan, CrashReport, Direction, Durability, KeyRange, Keyspace, MemDisk,
    MemStore, Read, Store, StoreError, conformance,
};

const K: Keyspace = Keyspace::new("k");

fn fresh() -> impl conformance::Opener {
    let disk = MemDisk::new();
    move || Ok(Box::new(MemStore::open(&disk)?) as Box<dyn Store>)
}

fn one(key: &'static str) -> Batch {
    let mut batch = Batch::new();
    batch.put(K, key, key);
    batch
}

fn keys(store: &MemStore) -> Vec<Bytes> {
    store
        .scan(K, KeyRange::all(), Direction::Forward)
        .map(|row| row.unwrap().0)
        .collect()
}

#[test]
fn conforms() {
    conformance::all(fresh);
}

proptest! {
    #[test]
    fn behaves_as_a_map(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
        conformance::model(&fresh(), &conformance::ops(&bytes));
    }

    #[test]
    fn a_prefix_range_holds_what_begins_with_it(
        prefix in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..4),
        key in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..6),
    ) {
        prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
        let longer = [prefix.as_slice(), key.as_slice()].concat();
        prop_assert!(KeyRange::prefix(&prefix).contains(&longer));
    }

    /// Whatever the plan, a crash leaves a prefix of the batches, with all that was synced.
    #[test]
    fn a_crash_leaves_a_prefix(
        commits in prop::collection::vec(any::<bool>(), 0..40),
        survivors in 0_usize..50,
        torn in any::<bool>(),
    ) {
        let disk = MemDisk::new();
        let store = MemStore::open(&disk).unwrap();
        let mut synced = 0;
        for (at, sync) in commits.iter().enumerate() {
            let mut batch = Batch::new();
            batch.put(K, vec![u8::try_from(at).unwrap()], "");
            batch.put(Keyspace::new("last"), "last", vec![u8::try_from(at).unwrap()]);
            store.commit(batch, if *sync { Durability::Synced } else { Durability::Buffered })
                .unwrap();
            if *sync {
                synced = at + 1;
            }
        }
        prop_assert_eq!(disk.unsynced(), commits.len() - synced);
        let mut plan = CrashPlan::power_loss(survivors);
        if torn {
            plan = plan.torn();
        }
        let report = disk.crash(plan);
        prop_assert_eq!(report.kept + report.lost, commits.len() - synced);
        prop_assert!(report.kept <= survivors);
        let store = MemStore::open(&disk).unwrap();
        prop_assert_eq!(keys(&store).len(), synced + report.kept);
        let last = store.get(Keyspace::new("last"), b"last").unwrap();
        prop_assert_eq!(last.map_or(0, |last| usize::from(last[0]) + 1), synced + report.kept);
    }
}

#[test]
fn copied_rows_are_the_rows_that_were_meant() {
    let mut rng = 7_usize;
    let (mut copied, mut whole) = (Batch::new(), Batch::new());
    for number in 0..500_usize {
        rng = rng.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let parts = [number.to_be_bytes().to_vec(), vec![b'k'; rng % 40]];
        let value = vec![b'v'; if number == 250 { 100_000 } else { rng % 300 }];
        copied.put_copy(K, &[&parts[0], &parts[1]], &value);
        whole.put(K, parts.concat(), value);
    }
    assert_eq!(copied.clone(), whole);
    assert_eq!(copied, whole);
    assert_eq!(copied.bytes(), whole.bytes());
}

#[test]
fn a_kill_loses_nothing_and_fences() {
    let disk = MemDisk::new();
    let store = MemStore::open(&disk).unwrap();
    let clone = store.clone();
    store.commit(one("1"), Durability::Buffered).unwrap();
    assert_eq!(
        disk.crash(CrashPlan::kill()),
        CrashReport { kept: 1, lost: 0 }
    );
    assert_eq!(store.get(K, b"1"), Err(StoreError::Closed));
    assert_eq!(
        clone.commit(one("2"), Durability::Synced),
        Err(StoreError::Closed)
    );
    let again = MemStore::open(&disk).unwrap();
    // What is left of the crashed process neither writes nor unlocks.
    store.close().unwrap();
    drop((store, clone));
    assert!(matches!(
        MemStore::open(&disk),
        Err(StoreError::Locked { .. })
    ));
    assert_eq!(keys(&again), ["1"]);
}

#[test]
fn a_full_disk_is_refused_until_there_is_space() {
    let full = StoreError::Full {
        path: PathBuf::from("(memory)"),
    };
    let store = MemStore::new();
    let disk = store.disk().clone();
    disk.fail_after(1, full.clone());
    store.commit(one("1"), Durability::Synced).unwrap();
    assert_eq!(
        store.commit(one("2"), Durability::Synced),
        Err(full.clone())
    );
    assert_eq!(store.commit(one("2"), Durability::Buffered), Err(full));
    assert_eq!(keys(&store), ["1"]);
    disk.heal();
    store.commit(one("2"), Durability::Buffered).unwrap();
    assert_eq!(keys(&store), ["1", "2"]);
}

#[test]
fn a_read_fails_as_told_and_a_scan_ends_with_it() {
    let failed = StoreError::Io {
        path: PathBuf::from("(memory)"),
        reason: "gone".into(),
    };
    let store = MemStore::new();
    let disk = store.disk().clone();
    for key in ["1", "2", "3"] {
        store.commit(one(key), Durability::Buffered).unwrap();
    }
    let rows = || -> Vec<_> {
        let scan = store.scan(K, KeyRange::all(), Direction::Forward);
        scan.map(|row| row.map(|(key, _)| key)).collect()
    };
    let before = disk.reads();
    assert_eq!(rows().len(), 3);
    assert_eq!(disk.reads() - before, 4, "the begin and three rows");
    disk.fail_reads_after(2, failed.clone());
    assert_eq!(rows(), [Ok("1".into()), Err(failed.clone())]);
    assert_eq!(rows(), [Err(failed.clone())]);
    assert_eq!(store.get(K, b"1"), Err(failed.clone()));
    store.commit(one("4"), Durability::Synced).unwrap();
    disk.heal();
    assert_eq!(rows().len(), 4);

    disk.fail_once(Access::Read, 1, failed.clone());
    store.get(K, b"1").unwrap();
    assert_eq!(store.get(K, b"1"), Err(failed));
    store.get(K, b"1").unwrap();
}

#[test]
fn a_failed_write_or_sync_poisons_until_the_next_open() {
    let failed = StoreError::Io {
        path: PathBuf::from("(memory)"),
        reason: "gone".into(),
    };
    for synced in [false, true] {
        let disk = MemDisk::new();
        let store = MemStore::open(&disk).unwrap();
        if synced {
            disk.fail_syncs_after(0, failed.clone());
        } else {
            disk.fail_after(0, failed.clone());
        }
        assert_eq!(
            store.commit(one("1"), Durability::Synced),
            Err(failed.clone())
        );
        disk.heal();
        let poisoned = StoreError::Poisoned {
            reason: failed.to_string(),
        };
        assert_eq!(
            store.commit(one("2"), Durability::Buffered),
            Err(poisoned.clone())
        );
        assert_eq!(store.sync(), Err(poisoned.clone()));
        // Reading goes on. A batch whose sync failed may or may not be there later.
        assert_eq!(keys(&store).len(), usize::from(synced));
        assert_eq!(disk.unsynced(), usize::from(synced));
        assert_eq!(store.close(), Err(poisoned));
        let store = MemStore::open(&disk).unwrap();
        store.commit(one("3"), Durability::Synced).unwrap();
        assert!(keys(&store).contains(&Bytes::from("3")));
    }
}

#[test]
fn an_old_backup_comes_back() {
    let disk = MemDisk::new();
    let store = MemStore::open(&disk).unwrap();
    store.commit(one("1"), Durability::Buffered).unwrap();
    let backup = disk.snapshot();
    store.commit(one("2"), Durability::Synced).unwrap();
    disk.restore(&backup);
    assert_eq!(store.get(K, b"1"), Err(StoreError::Closed));
    let store = MemStore::open(&disk).unwrap();
    assert_eq!(keys(&store), ["1"]);
    store.commit(one("3"), Durability::Synced).unwrap();
    disk.restore(&backup);
    assert_eq!(keys(&MemStore::open(&disk).unwrap()), ["1"]);
}

#[test]
fn errors_say_what_to_do() {
    let path = PathBuf::from("/profile");
    for (error, parts) in [
        (
            StoreError::Locked {
                path: path.clone(),
                pid: Some(7),
            },
            ["/profile", "by process 7", "stop"],
        ),
        (
            StoreError::NewerSchema {
                path: path.clone(),
                found: 9,
                known: 2,
            },
            ["schema 9", "up to 2", "update"],
        ),
        (StoreError::Full { path }, ["no space", "/profile", "free"]),
        (StoreError::Closed, ["closed", "open", "again"]),
    ] {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
        assert!(!text.ends_with('.') && !text.contains("  "), "{text:?}");
    }
}
