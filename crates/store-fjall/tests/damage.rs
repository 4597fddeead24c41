//! Every file of a store, damaged at many places: an error or the right rows, never a panic,
//! never rows that are wrong or silently gone.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use bytes::Bytes;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store, StoreError};
use dxos_store_fjall::{FjallOptions, FjallStore};

use self::support::{copy, files};

const KEYSPACES: [Keyspace; 2] = [Keyspace::new("one"), Keyspace::new("two")];

/// Where the process that is killed has its store.
const HOME: &str = "DXOS_STORE_DAMAGE_HOME";

type Rows = BTreeMap<Bytes, Bytes>;

fn open(path: &Path) -> Result<FjallStore, StoreError> {
    FjallStore::open(
        path,
        FjallOptions {
            journal_bytes: 1 << 20,
            ..FjallOptions::default()
        },
    )
}

/// Commits rows to both keyspaces, some over others.
fn fill(store: &FjallStore, rows: &mut Rows) {
    for round in 0_u32..40 {
        let mut batch = Batch::new();
        for n in 0_u32..8 {
            let key = Bytes::from(((round * 5 + n) % 150).to_be_bytes().to_vec());
            let value = Bytes::from(vec![round.to_le_bytes()[0]; 900]);
            for keyspace in KEYSPACES {
                batch.put(keyspace, key.clone(), value.clone());
            }
            rows.insert(key, value);
        }
        store.commit(batch, Durability::Buffered).unwrap();
    }
    store.sync().unwrap();
}

/// What a store that was closed leaves, and one that was killed after a sync.
fn stores(home: &Path) -> [(PathBuf, Rows); 2] {
    let mut rows = Rows::new();
    let (closed, killed) = (home.join("closed"), home.join("killed"));
    let store = open(&closed).unwrap();
    fill(&store, &mut rows);
    store.close().unwrap();
    copy(&closed, &killed);
    let child = Command::new(env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env(HOME, &killed)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(fs::metadata(killed.join("db/0.jnl")).unwrap().len() > 100_000);
    // The process wrote the same once more.
    [(closed, rows.clone()), (killed, rows)]
}

/// Not a test: a process that writes and ends without closing its store.
#[test]
fn child() {
    let Some(home) = env::var_os(HOME) else {
        return;
    };
    let store = open(Path::new(&home)).unwrap();
    fill(&store, &mut Rows::new());
    process::exit(0);
}

fn is_clear(error: &StoreError) {
    match error {
        StoreError::Damaged { path, reason } => {
            assert!(path.is_absolute() && !reason.is_empty(), "{error}");
        }
        StoreError::NewerSchema { .. } | StoreError::Poisoned { .. } => {}
        other => panic!("not the error for damage: {other:?}"),
    }
}

/// Reads everything: whatever comes without an error is right, and is everything.
/// Gives the number of errors.
fn check(store: &FjallStore, rows: &Rows) -> usize {
    let mut errors = 0;
    for keyspace in KEYSPACES {
        for direction in [Direction::Forward, Direction::Reverse] {
            let mut expected: Vec<_> = rows.iter().collect();
            if direction == Direction::Reverse {
                expected.reverse();
            }
            let mut expected = expected.into_iter();
            let mut failed = false;
            for row in store.scan(keyspace, KeyRange::all(), direction) {
                match row {
                    Ok((key, value)) => assert_eq!(Some((&key, &value)), expected.next()),
                    Err(error) => {
                        is_clear(&error);
                        failed = true;
                    }
                }
            }
            assert!(failed || expected.next().is_none(), "rows are gone");
            errors += usize::from(failed);
        }
        for (key, value) in rows {
            match store.get(keyspace, key) {
                Ok(found) => assert_eq!(found.as_ref(), Some(value)),
                Err(error) => {
                    is_clear(&error);
                    errors += 1;
                }
            }
        }
    }
    errors
}

#[test]
fn damage_is_an_error_and_never_a_wrong_row() {
    let home = tempfile::tempdir().unwrap();
    let (mut refused, mut unreadable, mut harmless) = (0, 0, 0);
    for (store, rows) in stores(home.path()) {
        for file in files(&store) {
            let name = file.strip_prefix(&store).unwrap();
            let good = fs::read(&file).unwrap();
            let mut variants: Vec<(String, Option<Vec<u8>>)> = vec![("gone".to_owned(), None)];
            for length in [
                0,
                1,
                good.len() / 3,
                good.len() / 2,
                good.len().saturating_sub(1),
            ] {
                if length < good.len() {
                    variants.push((format!("cut to {length}"), Some(good[..length].to_vec())));
                }
            }
            let step = (good.len() / 11).max(1);
            let tail = good.len().saturating_sub(40);
            let places = (0..good.len())
                .step_by(step)
                .chain((tail..good.len()).step_by(7));
            for (round, at) in places.enumerate() {
                let mut bad = good.clone();
                bad[at] ^= [0xff, 0x01, 0x80, 0x10][round % 4];
                variants.push((format!("byte {at} of {}", good.len()), Some(bad)));
            }
            let mut zeros = good.clone();
            let middle = good.len() / 2;
            zeros[middle..]
                .iter_mut()
                .take(4_096)
                .for_each(|byte| *byte = 0);
            if zeros != good {
                variants.push(("a page of zeros".to_owned(), Some(zeros)));
            }
            for (what, bad) in variants {
                let copied = home.path().join("copy");
                copy(&store, &copied);
                let target = copied.join(name);
                match bad {
                    None => fs::remove_file(&target).unwrap(),
                    Some(bad) => fs::write(&target, bad).unwrap(),
                }
                println!("{}: {what}", name.display());
                match open(&copied) {
                    Err(error) => {
                        println!("    {error}");
                        is_clear(&error);
                        refused += 1;
                    }
                    Ok(opened) => match check(&opened, &rows) {
                        0 => harmless += 1,
                        _ => unreadable += 1,
                    },
                }
                fs::remove_dir_all(&copied).unwrap();
            }
        }
    }
    println!("{refused} refused, {unreadable} with unreadable rows, {harmless} harmless");
    assert!(refused > 100 && unreadable > 10 && harmless > 10);
}

#[test]
fn a_torn_end_is_cut_off_and_a_torn_middle_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = open(&path).unwrap();
    let commit = |n: u8, durability| {
        let mut batch = Batch::new();
        for keyspace in KEYSPACES {
            batch.put(keyspace, vec![n], vec![n; 10_000]);
        }
        store.commit(batch, durability).unwrap();
    };
    commit(1, Durability::Synced);
    commit(2, Durability::Synced);
    let synced = fs::metadata(path.join("db/0.jnl")).unwrap().len();
    commit(3, Durability::Buffered);
    let third = fs::metadata(path.join("db/0.jnl")).unwrap().len();
    commit(4, Durability::Buffered);
    let copied = home.path().join("copy");
    copy(&path, &copied);
    let journal = fs::read(copied.join("db/0.jnl")).unwrap();
    // A loss of power: a page of the third batch did not reach the disk, the fourth did.
    let mut torn = journal.clone();
    let at = usize::try_from(synced).unwrap() + 5_000;
    torn[at..at + 4_096].fill(0);
    fs::write(copied.join("db/0.jnl"), &torn).unwrap();
    let opened = open(&copied).unwrap();
    for keyspace in KEYSPACES {
        assert_eq!(
            opened.get(keyspace, &[2]).unwrap().unwrap(),
            vec![2; 10_000]
        );
        assert_eq!(opened.get(keyspace, &[3]).unwrap(), None);
        assert_eq!(opened.get(keyspace, &[4]).unwrap(), None);
    }
    drop(opened);
    fs::remove_dir_all(&copied).unwrap();
    // Every length of what was not synced leaves whole batches.
    for length in (synced..journal.len() as u64).step_by(1_999) {
        copy(&path, &copied);
        fs::write(
            copied.join("db/0.jnl"),
            &journal[..usize::try_from(length).unwrap()],
        )
        .unwrap();
        let opened = open(&copied).unwrap();
        let whole = length >= third;
        for keyspace in KEYSPACES {
            assert_eq!(
                opened.get(keyspace, &[3]).unwrap().is_some(),
                whole,
                "{length}"
            );
        }
        drop(opened);
        fs::remove_dir_all(&copied).unwrap();
    }
    // What was synced is there, or the store is damaged.
    copy(&path, &copied);
    let mut rotten = journal.clone();
    rotten[5_000] ^= 1;
    fs::write(copied.join("db/0.jnl"), &rotten).unwrap();
    let error = open(&copied).unwrap_err();
    is_clear(&error);
    assert!(error.to_string().contains("synced"), "{error}");
}

#[test]
fn a_keyspace_with_a_damaged_table_is_emptied_without_reading_it() {
    let home = tempfile::tempdir().unwrap();
    let mut rows = Rows::new();
    let store = open(home.path()).unwrap();
    fill(&store, &mut rows);
    store.close().unwrap();
    let tables = files(home.path()).into_iter().filter(|file| {
        let parent = file.parent().and_then(Path::file_name);
        parent.is_some_and(|name| name == "tables")
    });
    // Those of both keyspaces; the names of keyspaces have one of their own.
    let mut tables: Vec<_> = tables.collect();
    tables.sort_by_key(|table| fs::metadata(table).unwrap().len());
    let damaged = tables.pop().unwrap();
    let mut bytes = fs::read(&damaged).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    fs::write(&damaged, bytes).unwrap();

    let store = open(home.path()).unwrap();
    let unreadable = |keyspace: &Keyspace| {
        let mut all = store.scan(*keyspace, KeyRange::all(), Direction::Forward);
        all.any(|row| row.is_err())
    };
    let bad = KEYSPACES.into_iter().find(unreadable).unwrap();
    let good = KEYSPACES.into_iter().find(|other| *other != bad).unwrap();
    store.clear(bad).unwrap();
    let count = |store: &FjallStore, keyspace| {
        let all = store.scan(keyspace, KeyRange::all(), Direction::Forward);
        all.map(Result::unwrap).count()
    };
    assert_eq!(count(&store, bad), 0);
    assert!(!damaged.exists(), "its room is given back");
    let mut batch = Batch::new();
    batch.put(bad, "new", "row");
    store.commit(batch, Durability::Synced).unwrap();
    store.compact().unwrap();
    drop(store);
    let store = open(home.path()).unwrap();
    assert_eq!(count(&store, bad), 1);
    assert_eq!(count(&store, good), rows.len());
}
