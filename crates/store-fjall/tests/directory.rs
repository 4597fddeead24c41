//! Directories: ours, foreign, locked, newer, full, private.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{fs, path::Path};

use dxos_store::{Batch, Durability, Keyspace, Read, Store, StoreError};
use dxos_store_fjall::{FjallOptions, FjallStore};

const K: Keyspace = Keyspace::new("k");

fn options() -> FjallOptions {
    FjallOptions::default()
}

fn one(key: &'static str) -> Batch {
    let mut batch = Batch::new();
    batch.put(K, key, key);
    batch
}

/// Every file and its content.
fn content(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_foreign_directory_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("letter.txt"), "dear").unwrap();
    fs::create_dir(home.path().join("photos")).unwrap();
    let before = content(home.path());
    let error = FjallStore::open(home.path(), options()).unwrap_err();
    let StoreError::Damaged { path, reason } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(path, home.path());
    assert!(reason.contains("not empty and is no store"), "{reason}");
    assert_eq!(content(home.path()), before);

    let file = home.path().join("letter.txt");
    let error = FjallStore::open(&file, options()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { path, .. } if *path == file),
        "{error}"
    );
    let below = file.join("store");
    let error = FjallStore::open(&below, options()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { path, .. } if *path == below),
        "{error:?}"
    );
}

#[test]
fn an_empty_directory_and_missing_parents_are_fine() {
    let home = tempfile::tempdir().unwrap();
    FjallStore::open(home.path(), options()).unwrap();
    let deep = home.path().join("db").join("..").join("a").join("b");
    FjallStore::open(&deep, options())
        .unwrap()
        .commit(one("1"), Durability::Synced)
        .unwrap();
}

#[cfg(unix)]
#[test]
fn the_directory_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    drop(FjallStore::open(&path, options()).unwrap());
    assert_eq!(mode(&path), 0o700);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    drop(FjallStore::open(&path, options()).unwrap());
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn the_holder_of_the_lock_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = FjallStore::open(&path, options()).unwrap();
    let locked = StoreError::Locked {
        path: path.clone(),
        pid: Some(std::process::id()),
    };
    assert_eq!(FjallStore::open(&path, options()).unwrap_err(), locked);
    assert!(
        locked
            .to_string()
            .contains(&format!("process {}", std::process::id()))
    );
    store.close().unwrap();
    FjallStore::open(&path, options()).unwrap();
}

#[test]
fn a_newer_schema_is_refused_before_anything_is_touched() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let newer = FjallOptions {
        known_schema: 5,
        ..options()
    };
    let store = FjallStore::open(&path, newer.clone()).unwrap();
    assert_eq!(store.schema(), Ok(5));
    store.commit(one("1"), Durability::Synced).unwrap();
    store.close().unwrap();
    let before = content(&path);
    let older = FjallOptions {
        known_schema: 4,
        ..options()
    };
    let error = FjallStore::open(&path, older).unwrap_err();
    assert_eq!(
        error,
        StoreError::NewerSchema {
            path: path.clone(),
            found: 5,
            known: 4
        }
    );
    assert_eq!(content(&path), before);
    // A newer version finds the older schema, migrates, and says so.
    let store = FjallStore::open(
        &path,
        FjallOptions {
            known_schema: 6,
            ..options()
        },
    )
    .unwrap();
    assert_eq!(store.schema(), Ok(5));
    store.set_schema(6).unwrap();
    assert_eq!(store.schema(), Ok(6));
    drop(store);
    assert!(matches!(
        FjallStore::open(&path, newer),
        Err(StoreError::NewerSchema { .. })
    ));
}

#[test]
fn an_unfinished_creation_or_wipe_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = FjallStore::open(&path, options()).unwrap();
    store.commit(one("1"), Durability::Synced).unwrap();
    drop(store);
    // As a crash in the middle of `wipe` leaves it.
    fs::rename(path.join("db"), path.join("db.old")).unwrap();
    let store = FjallStore::open(&path, options()).unwrap();
    assert_eq!(store.get(K, b"1").unwrap(), None);
    drop(store);
    // As a crash in the middle of creation leaves it.
    fs::rename(path.join("db"), path.join("db.new")).unwrap();
    fs::remove_file(path.join("db.new").join("schema")).unwrap();
    let store = FjallStore::open(&path, options()).unwrap();
    store.commit(one("2"), Durability::Synced).unwrap();
    store.wipe().unwrap();
    let names: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["lock"]);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = FjallStore::open(&path, options()).unwrap();
    store.commit(one("1"), Durability::Synced).unwrap();
    drop(store);
    let full = FjallOptions {
        reserve_bytes: u64::MAX,
        ..options()
    };
    let store = FjallStore::open(&path, full).unwrap();
    let error = StoreError::Full { path: path.clone() };
    assert_eq!(
        store.commit(one("2"), Durability::Synced),
        Err(error.clone())
    );
    assert_eq!(store.commit(one("2"), Durability::Buffered), Err(error));
    assert_eq!(store.get(K, b"1").unwrap().unwrap(), "1");
    assert_eq!(store.get(K, b"2").unwrap(), None);
    // It is not poisoned: it syncs and closes.
    store.sync().unwrap();
    store.close().unwrap();
    FjallStore::open(&path, options())
        .unwrap()
        .commit(one("2"), Durability::Synced)
        .unwrap();
}

#[test]
fn a_store_is_shared_and_sent() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<FjallStore>();
}

#[test]
fn a_store_for_a_while_is_empty_and_gone_with_its_files() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let put = |store: &dyn Store, value: &'static str| {
        let mut batch = Batch::new();
        batch.put(K, "1", value);
        store.commit(batch, Durability::Buffered).unwrap();
    };
    let read = |store: &dyn Store| store.get(K, b"1").unwrap();
    let store = FjallStore::open(&path, FjallOptions::default()).unwrap();
    put(&store, "kept");
    let (one, two) = (store.scratch().unwrap(), store.scratch().unwrap());
    put(&*one, "one");
    assert_eq!(read(&*one).unwrap(), "one");
    assert_eq!(read(&*two), None);
    assert_eq!(read(&store).unwrap(), "kept");
    drop((one, two));
    let left = || fs::read_dir(path.join("scratch")).map_or(0, Iterator::count);
    assert_eq!(left(), 0);

    // One that a kill left behind goes when the store is opened.
    std::mem::forget(store.scratch().unwrap());
    assert_eq!(left(), 1);
    drop(store);
    let store = FjallStore::open(&path, FjallOptions::default()).unwrap();
    assert_eq!(left(), 0);
    assert_eq!(read(&store).unwrap(), "kept");
}
