//! What is checked before fjall opens a database.
//!
//! fjall panics on some damage while it holds locks that its own destructor takes, which
//! would end the process, and deletes keyspaces that lack their `current` file or their name.
//! So each of its trees is opened on its own first, where a panic is caught, and the list of
//! keyspaces is compared with what is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use dxos_store::StoreError;
use lsm_tree::{AbstractTree as _, AnyTree, Cache, Config, Guard as _, SequenceNumberCounter};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    failure::{damaged, panicked, system, tree},
    schema::sync_directory,
};

/// The tree in which fjall keeps the names and settings of the others.
const META: u64 = 0;
const CURRENT: &str = "current";

/// The keyspaces that have a name.
#[derive(Debug)]
pub(crate) struct Keyspaces {
    directory: PathBuf,
    names: BTreeMap<u64, String>,
    /// Those that can be replaced and cannot be opened, and why.
    pub(crate) broken: Vec<(String, StoreError)>,
}

impl Keyspaces {
    fn tree(&self, name: &str) -> Option<PathBuf> {
        let mut all = self.names.iter();
        let (number, _) = all.find(|(_, found)| *found == name)?;
        Some(self.directory.join(number.to_string()))
    }

    /// Reads all rows of a keyspace that are in tables.
    pub(crate) fn read(&self, name: &str) -> Result<(), StoreError> {
        let Some(path) = self.tree(name) else {
            return Ok(());
        };
        caught(&path, || {
            let mut rows = open(&path)?.iter(lsm_tree::SeqNo::MAX, None);
            rows.try_for_each(|row| row.into_inner().map(drop))
        })
    }

    /// Puts an empty tree in the place of a keyspace, whatever is there.
    pub(crate) fn replace(&self, name: &str) -> Result<(), StoreError> {
        let Some(path) = self.tree(name) else {
            return Ok(());
        };
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| system(&path, &error))?;
        caught(&path, || open(&path).map(drop))?;
        sync_directory(&self.directory)
    }
}

/// Checks the trees of a database, and that none is missing. Damage of those that can be replaced
/// is told and no error.
pub(crate) fn check(
    database: &Path,
    is_replaceable: impl Fn(&str) -> bool,
) -> Result<Keyspaces, StoreError> {
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
    let names = names(&keyspaces.join(META.to_string()))?;
    let mut broken = Vec::new();
    for (number, name) in &names {
        match check_tree(&keyspaces.join(number.to_string())) {
            Err(error) if error.is_damage() && is_replaceable(name) => {
                broken.push((name.clone(), error));
            }
            checked => checked?,
        }
    }
    // A keyspace without a name is what a crash leaves that comes while one is made. There is
    // at most one of those, and it has no rows.
    let is_nameless = |number: &&u64| **number != META && !names.contains_key(*number);
    for number in present.iter().filter(is_nameless) {
        let tables = keyspaces.join(number.to_string()).join("tables");
        if fs::read_dir(&tables).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(damaged(
                &tables,
                "it has rows, but its keyspace has no name",
            ));
        }
    }
    Ok(Keyspaces {
        directory: keyspaces,
        names,
        broken,
    })
}

fn check_tree(tree: &Path) -> Result<(), StoreError> {
    let current = tree.join(CURRENT);
    if !current.is_file() {
        return Err(damaged(&current, "it is missing"));
    }
    check_version(tree)?;
    caught(tree, || open(tree).map(drop))
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

/// The names of the keyspaces that have one.
fn names(meta: &Path) -> Result<BTreeMap<u64, String>, StoreError> {
    caught(meta, || {
        let mut names = BTreeMap::new();
        for row in open(meta)?.iter(lsm_tree::SeqNo::MAX, None) {
            let (key, name) = row.into_inner()?;
            if let Some(number) = key.strip_prefix(b"n").and_then(|rest| rest.try_into().ok()) {
                let name = String::from_utf8_lossy(&name).into_owned();
                names.insert(u64::from_be_bytes(number), name);
            }
        }
        Ok(names)
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
