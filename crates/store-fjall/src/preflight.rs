//! What is checked before fjall opens a database.
//!
//! fjall panics on some damage while it holds locks that its own destructor takes, which
//! would end the process, and deletes keyspaces that lack their `current` file or their name.
//! So each of its trees is opened on its own first, where a panic is caught, and the list of
//! keyspaces is compared with what is there.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use dxos_store::StoreError;
use lsm_tree::{AbstractTree as _, AnyTree, Cache, Config, Guard as _, SequenceNumberCounter};
use xxhash_rust::xxh3::xxh3_128;

use crate::failure::{damaged, panicked, system, tree};

/// The tree in which fjall keeps the names and settings of the others.
const META: u64 = 0;
const CURRENT: &str = "current";

/// Checks the trees of a database, and that none is missing.
pub(crate) fn check(database: &Path) -> Result<(), StoreError> {
    for name in ["version", "lock"] {
        let path = database.join(name);
        fs::metadata(&path).map_err(|error| system(&path, &error))?;
    }
    let keyspaces = database.join("keyspaces");
    let entries = fs::read_dir(&keyspaces).map_err(|error| system(&keyspaces, &error))?;
    let mut present = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(|error| system(&keyspaces, &error))?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(number) = name.and_then(|name| name.parse().ok()) else {
            return Err(damaged(&path, "it is no keyspace of this store"));
        };
        present.insert(number);
    }
    let current = |number: u64| keyspaces.join(number.to_string()).join(CURRENT);
    if !current(META).is_file() {
        return Err(damaged(&current(META), "it is missing"));
    }
    check_version(&keyspaces.join(META.to_string()))?;
    let named = names(&keyspaces.join(META.to_string()))?;
    for number in &named {
        let path = current(*number);
        if !path.is_file() {
            return Err(damaged(&path, "it is missing"));
        }
        let path = keyspaces.join(number.to_string());
        check_version(&path)?;
        caught(&path, || open(&path).map(drop))?;
    }
    // A keyspace without a name is what a crash leaves that comes while one is made. There is
    // at most one of those, and it has no rows.
    for number in present.difference(&named).filter(|number| **number != META) {
        let tables = keyspaces.join(number.to_string()).join("tables");
        if fs::read_dir(&tables).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(damaged(
                &tables,
                "it has rows, but its keyspace has no name",
            ));
        }
    }
    Ok(())
}

/// Checks the file that lists a tree's tables. `current` names it and has its checksum, which
/// fjall writes and does not read: it would take an older list, and delete newer tables.
fn check_version(tree: &Path) -> Result<(), StoreError> {
    let path = tree.join(CURRENT);
    let current = fs::read(&path).map_err(|error| system(&path, &error))?;
    let named = current
        .split_first_chunk::<8>()
        .and_then(|(version, rest)| {
            let (check, rest) = rest.split_first_chunk::<16>()?;
            // The last byte is the kind of the checksum: xxh3.
            (rest == [0]).then(|| (u64::from_le_bytes(*version), u128::from_le_bytes(*check)))
        });
    let Some((version, check)) = named else {
        return Err(damaged(&path, "it does not name a list of tables"));
    };
    let list = tree.join(format!("v{version}"));
    let content = fs::read(&list).map_err(|error| system(&list, &error))?;
    if xxh3_128(&content) != check {
        return Err(damaged(&list, "it does not match its checksum"));
    }
    Ok(())
}

/// The numbers of the keyspaces that have a name.
fn names(meta: &Path) -> Result<BTreeSet<u64>, StoreError> {
    caught(meta, || {
        let mut named = BTreeSet::new();
        for row in open(meta)?.iter(lsm_tree::SeqNo::MAX, None) {
            let (key, _) = row.into_inner()?;
            if let Some(number) = key.strip_prefix(b"n").and_then(|rest| rest.try_into().ok()) {
                named.insert(u64::from_be_bytes(number));
            }
        }
        Ok(named)
    })
}

fn open(path: &Path) -> lsm_tree::Result<AnyTree> {
    Config::new(
        path,
        SequenceNumberCounter::default(),
        SequenceNumberCounter::default(),
    )
    .use_cache(Arc::new(Cache::with_capacity_bytes(1 << 20)))
    .open()
}

fn caught<T>(path: &Path, run: impl FnOnce() -> lsm_tree::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done.map_err(|error| tree(path, &error)),
        Err(panic) => Err(panicked(path, &*panic)),
    }
}
