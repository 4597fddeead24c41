//! The directory of a store: whose it is, who may read it, who has it open.
//!
//! ```text
//! <store>/lock      held while the store is open; the holder's process id
//! <store>/db/       the engine's files, with `schema`, `synced` and `given-up` of our own
//! <store>/db.new/   a store being made: renamed to db when it is whole
//! <store>/db.old/   a store being wiped
//! <store>/scratch/  stores that are gone when the store is opened next
//! ```

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use dxos_store::StoreError;

use crate::{
    failure::{damaged, system},
    schema::{self, sync_directory},
};

const LOCK: &str = "lock";
const DATABASE: &str = "db";
const DRAFT: &str = "db.new";
const WIPED: &str = "db.old";
const SCRATCH: &str = "scratch";
/// What there may be beside a store.
const BESIDE: [&str; 4] = [LOCK, DRAFT, WIPED, SCRATCH];

/// A directory that is ours and locked, until dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Keeps the lock.
    _lock: File,
}

impl Directory {
    /// Makes the directory or checks it, and locks it. Writes nothing into a directory that
    /// is not ours.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| system(path, &error))?;
        match fs::metadata(&path) {
            Ok(found) if !found.is_dir() => return Err(damaged(&path, "it is not a directory")),
            Ok(_) => check_ours(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path)?,
            Err(error) => return Err(system(&path, &error)),
        }
        make_private(&path)?;
        let lock = lock(&path)?;
        let directory = Self { path, _lock: lock };
        directory.remove(DRAFT)?;
        directory.remove(WIPED)?;
        directory.remove(SCRATCH)?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the engine's files are.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Makes the engine's files, all or none of them, unless they are there.
    pub(crate) fn create_with(
        &self,
        schema: u32,
        make: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let database = self.database();
        if exists(&database)? {
            return Ok(());
        }
        let draft = self.path.join(DRAFT);
        make(&draft)?;
        schema::write(&draft, schema)?;
        fs::rename(&draft, &database).map_err(|error| system(&database, &error))?;
        sync_directory(&self.path)
    }

    /// Deletes the engine's files. From the first step on, an open finds none of them.
    pub(crate) fn wipe(&self) -> Result<(), StoreError> {
        let wiped = self.path.join(WIPED);
        fs::rename(self.database(), &wiped).map_err(|error| system(&wiped, &error))?;
        sync_directory(&self.path)?;
        self.remove(SCRATCH)?;
        self.remove(WIPED)
    }

    /// Where a store may be that is needed for a while.
    pub(crate) fn scratch(&self, number: u64) -> PathBuf {
        self.path.join(SCRATCH).join(number.to_string())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system(&path, &error)),
            _ => Ok(()),
        }
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| system(path, &error))
}

/// Ours are: a store; what is left of making or wiping one; an empty directory.
fn check_ours(path: &Path) -> Result<(), StoreError> {
    let database = path.join(DATABASE);
    if exists(&database.join(schema::NAME))? {
        return Ok(());
    }
    let names = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(|error| system(path, &error));
    let names: Vec<OsString> = names?;
    let is_foreign = |name: &&OsString| !BESIDE.iter().any(|ours| *name == ours);
    match names.iter().find(is_foreign) {
        None => Ok(()),
        Some(name) if *name == DATABASE => {
            Err(damaged(&database.join(schema::NAME), "it is missing"))
        }
        Some(name) => Err(damaged(
            path,
            &format!(
                "the directory is not empty and is no store (it has {})",
                name.display()
            ),
        )),
    }
}

fn create(path: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| match error.kind() {
        // The reason is a part of the path that is no directory, not a file that is gone.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::Io {
            path: path.to_path_buf(),
            reason: error.to_string(),
        },
        _ => system(path, &error),
    };
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(failed)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => sync_directory(parent),
    }
}

/// Takes the rights of everybody else away.
fn make_private(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(path)
            .map_err(|error| system(path, &error))?
            .permissions();
        if found.mode() & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format!("{:o}", found.mode() & 0o777),
                "the store was open to other users; made private"
            );
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|error| system(path, &error))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(|error| system(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(32).read_to_string(&mut holder);
            let pid = holder.trim().parse().ok();
            return Err(StoreError::Locked {
                path: directory.to_path_buf(),
                pid,
            });
        }
        Err(TryLockError::Error(error)) => return Err(system(&path, &error)),
    }
    // Only to say who holds it: the lock itself is the system's, and ends with the process.
    let noted = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(|error| system(&path, &error))?;
    Ok(file)
}
