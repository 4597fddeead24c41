//! An open database: fjall and what is around it.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use dxos_store::{Batch, KeyRange, Keyspace, StoreError};
use fjall::{
    AbstractTree as _, CompressionType, KeyspaceCreateOptions, PersistMode, Readable as _, Slice,
    compaction::Leveled, config::PartitioningPolicy,
};

use crate::{
    directory::Directory,
    failure::{damaged, guarded, system},
    given_up,
    group::GroupSync,
    journal::{self, Journal},
    options::FjallOptions,
    watermark::{Mark, Watermark},
};

/// Runs of tables in a keyspace's first level at which a commit waits for the compaction.
/// fjall waits as well, from 20 on, but forever when its worker is gone.
const RUNS_MAX: usize = 16;
/// How often such a commit looks again.
const RUNS_WAIT: Duration = Duration::from_millis(2);
/// Bytes that are written between two looks at the free space.
const SPACE_CHECK_BYTES: u64 = 1 << 20;
/// Length of a table, about. While one is written its index holds on to a block of what is
/// merged for each block that it points to, which is about as much memory.
const TABLE_BYTES: u64 = 16 << 20;
/// What a write costs beside its key and value, in bytes of the journal: less space than
/// that, but replaying a row takes as long as copying about so much.
pub(crate) const WRITE_OVERHEAD_BYTES: u64 = 128;

pub(crate) struct Database {
    pub(crate) engine: fjall::Database,
    pub(crate) keyspaces: RwLock<BTreeMap<String, fjall::Keyspace>>,
    /// Held shared by a commit, alone by whoever needs the journal to end with a whole batch.
    pub(crate) gate: RwLock<()>,
    /// Length of the journal, about, with what is being written. Changed under the gate only.
    journal_bytes: AtomicU64,
    /// How often the journal was emptied.
    pub(crate) emptied: AtomicU64,
    /// The journal that fjall appends to. While it is the only one, it may be emptied: a file
    /// that was there when the engine opened is written to at its end, wherever that is.
    journal: Journal,
    current: Mutex<(Journal, File)>,
    watermark: Watermark,
    group: GroupSync,
    /// Bytes that may be written before the free space is looked at again.
    space_bytes: AtomicU64,
    poisoned: OnceLock<String>,
    options: FjallOptions,
    /// Keyspaces that were emptied since their files could not be opened.
    given_up: Vec<Keyspace>,
    directory: Directory,
}

impl Database {
    /// Opens the database in a directory, making it first where there is none.
    pub(crate) fn open(directory: Directory, options: FjallOptions) -> Result<Self, StoreError> {
        directory.create_with(options.known_schema, |draft| {
            drop(engine(draft, &options)?);
            // An empty one is opened for appending, see `journal`.
            journal::list(draft)?
                .iter()
                .try_for_each(|journal| journal::cut(&journal.path, 0))
        })?;
        let path = directory.database();
        journal::check(&path)?;
        let given_up = given_up::settle(&path, &options)?;
        let engine = engine(&path, &options)?;
        let mut keyspaces = BTreeMap::new();
        for name in engine.list_keyspace_names() {
            let keyspace = guarded(&path, || {
                engine.keyspace(&name, KeyspaceCreateOptions::default)
            })?;
            keyspaces.insert(name.to_string(), keyspace);
        }
        let journals = journal::list(&path)?;
        let Some(journal) = journals.last().cloned() else {
            return Err(damaged(&path, "its journal is missing"));
        };
        let current = open_journal(&journal)?;
        let bytes = current
            .metadata()
            .map_err(|error| system(&journal.path, &error))?
            .len();
        let database = Self {
            keyspaces: RwLock::new(keyspaces),
            gate: RwLock::new(()),
            // Of what is there only the length is known, not the number of writes.
            journal_bytes: AtomicU64::new(bytes.saturating_mul(2)),
            emptied: AtomicU64::new(0),
            current: Mutex::new((journal.clone(), current)),
            journal,
            watermark: Watermark::open(&path)?,
            group: GroupSync::default(),
            space_bytes: AtomicU64::new(0),
            poisoned: OnceLock::new(),
            engine,
            options,
            given_up,
            directory,
        };
        for keyspace in &database.given_up {
            // What the journal has of it still.
            database.clear(keyspace.name())?;
        }
        Ok(database)
    }

    pub(crate) fn given_up(&self) -> &[Keyspace] {
        &self.given_up
    }

    /// Has the next open not empty again what was given up.
    pub(crate) fn forget_given_up(&self) -> Result<(), StoreError> {
        self.sync()?;
        given_up::forget(&self.directory.database())
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) const fn options(&self) -> &FjallOptions {
        &self.options
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        // fjall takes no empty keys, so there is none.
        let Some(keyspace) = self.keyspace(keyspace).filter(|_| !key.is_empty()) else {
            return Ok(None);
        };
        guarded(self.path(), || self.engine.snapshot().get(&keyspace, key))
    }

    /// The rows of a range as they are now.
    pub(crate) fn range(
        &self,
        keyspace: &str,
        range: &KeyRange,
    ) -> Result<Option<fjall::Iter>, StoreError> {
        let Some(keyspace) = self.keyspace(keyspace).filter(|_| !range.is_empty()) else {
            return Ok(None);
        };
        let bounds = (range.start(), range.end());
        guarded(self.path(), || {
            Ok(Some(
                self.engine.snapshot().range::<&[u8], _>(&keyspace, bounds),
            ))
        })
    }

    pub(crate) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.check_poison()?;
        let bytes = batch.bytes() as u64 + WRITE_OVERHEAD_BYTES * (batch.len() as u64 + 1);
        self.check_space(bytes)?;
        let mut writes = self.engine.batch().durability(Some(PersistMode::Buffer));
        let mut open: Option<(&str, fjall::Keyspace)> = None;
        for write in batch {
            // Rows of one keyspace mostly come together.
            let name = write.keyspace.name();
            let keyspace = match open.take() {
                Some((opened, keyspace)) if opened == name => keyspace,
                _ => self.writable(name)?,
            };
            match write.value {
                Some(value) => {
                    writes.insert(&keyspace, Slice::from(write.key), Slice::from(value));
                }
                None => writes.remove(&keyspace, Slice::from(write.key)),
            }
            open = Some((name, keyspace));
        }
        let gate = self.reserve(bytes)?;
        self.check_poison()?;
        // What was written in part must not be taken for synced: whoever waits for the gate to
        // sync learns of it.
        let written = guarded(self.path(), || writes.commit()).map_err(|error| self.poison(error));
        drop(gate);
        written
    }

    /// A keyspace whose compaction is not too far behind.
    fn writable(&self, name: &str) -> Result<fjall::Keyspace, StoreError> {
        let keyspace = self.keyspace_or_new(name)?;
        while keyspace.l0_table_count() >= RUNS_MAX && keyspace.tree.l0_run_count() >= RUNS_MAX {
            self.check_engine()?;
            thread::sleep(RUNS_WAIT);
        }
        Ok(keyspace)
    }

    /// Takes the gate and that much of the journal, which is emptied first when it is full.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        loop {
            let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            let emptied = self.emptied.load(Ordering::Relaxed);
            let before = self.journal_bytes.fetch_add(bytes, Ordering::Relaxed);
            // A batch that is longer than the journal should be gets an empty one.
            if before == 0 || before + bytes <= self.options.burst_limit() {
                return Ok(gate);
            }
            self.journal_bytes.fetch_sub(bytes, Ordering::Relaxed);
            drop(gate);
            self.checkpoint(emptied)?;
        }
    }

    /// Makes what was written survive the loss of power, together with whoever else asks.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        self.group
            .join(|| self.sync_now().map_err(|error| self.poison(error)))?;
        let emptied = self.emptied.load(Ordering::Relaxed);
        if self.journal_bytes.load(Ordering::Relaxed) > self.options.journal_limit() {
            self.checkpoint(emptied)?;
        }
        Ok(())
    }

    /// Syncs the journal through a handle of our own: fjall holds up all writes during a sync.
    /// What is in a sealed journal was synced when it was sealed.
    fn sync_now(&self) -> Result<(), StoreError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.check_poison()?;
        while let Some(next) = next_journal(&current.0)? {
            *current = (next.clone(), open_journal(&next)?);
        }
        let (journal, file) = &*current;
        let emptied = self.watermark.emptied();
        let failed = |error| system(&journal.path, &error);
        let bytes = file.metadata().map_err(failed)?.len();
        drop(alone);
        file.sync_data().map_err(failed)?;
        // The length of any other journal says nothing: fjall makes it longer in advance.
        if journal.number == self.journal.number {
            self.watermark.advance(
                emptied,
                Mark {
                    journal: journal.number,
                    bytes,
                },
            )?;
        }
        Ok(())
    }

    /// Writes memory out to tables and empties the journal, unless that was done since
    /// `emptied` was read.
    pub(crate) fn checkpoint(&self, emptied: u64) -> Result<(), StoreError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        if self.emptied.load(Ordering::Relaxed) != emptied {
            return Ok(());
        }
        self.check_poison()?;
        let done = self
            .flush()
            .and_then(|()| self.empty_journal(&self.directory.database()));
        done.map_err(|error| self.poison(error))?;
        self.journal_bytes.store(0, Ordering::Relaxed);
        self.emptied.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Writes every keyspace's memory out to tables. The caller holds the gate.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        // A batch over several keyspaces must be in the journal before a part is in a table.
        guarded(self.path(), || self.engine.persist(PersistMode::SyncAll))?;
        let keyspaces = self
            .keyspaces
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for keyspace in keyspaces.values() {
            guarded(self.path(), || {
                if keyspace.tree.active_memtable().is_empty()
                    && keyspace.tree.sealed_memtable_count() == 0
                {
                    return Ok(());
                }
                // Leaves the table to a worker of fjall; whichever comes first writes it.
                keyspace.rotate_memtable()?;
                let lock = keyspace.tree.get_flush_lock();
                let oldest = self
                    .engine
                    .supervisor
                    .snapshot_tracker
                    .get_seqno_safe_to_gc();
                keyspace.tree.flush(&lock, oldest)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn is_flushed(&self) -> bool {
        let keyspaces = self
            .keyspaces
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        keyspaces.values().all(|keyspace| {
            keyspace.tree.sealed_memtable_count() == 0 && keyspace.tree.active_memtable().is_empty()
        })
    }

    /// Empties the journal, all of which is in tables. Does nothing when that is not so, or
    /// when fjall began another one, as after a batch that is longer than a journal should
    /// be: it then goes by fjall's own rules until the next open.
    fn empty_journal(&self, database: &Path) -> Result<(), StoreError> {
        if !self.is_flushed() || journal::list(database)? != [self.journal.clone()] {
            return Ok(());
        }
        self.watermark.reset(|| journal::cut(&self.journal.path, 0))
    }

    /// Closes; the directory stays locked until what is returned is dropped.
    pub(crate) fn close(self) -> (Result<(), StoreError>, Directory) {
        let path = self.path().to_path_buf();
        let mut closed = self.check_poison();
        if closed.is_ok() && !self.is_flushed() {
            closed = self.flush();
        }
        let flushed = closed.is_ok() && self.is_flushed();
        let Self {
            engine,
            keyspaces,
            watermark,
            directory,
            ..
        } = self;
        let dropped = guarded(&path, || {
            drop(keyspaces);
            drop(engine);
            Ok(())
        });
        closed = closed.and(dropped);
        if closed.is_ok() && flushed {
            closed = empty_all(&directory.database(), &watermark);
        }
        (closed, directory)
    }

    pub(crate) fn keyspace(&self, name: &str) -> Option<fjall::Keyspace> {
        self.keyspaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn keyspace_or_new(&self, name: &str) -> Result<fjall::Keyspace, StoreError> {
        if let Some(keyspace) = self.keyspace(name) {
            return Ok(keyspace);
        }
        let mut keyspaces = self
            .keyspaces
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(keyspace) = keyspaces.get(name) {
            return Ok(keyspace.clone());
        }
        let made = guarded(self.path(), || self.engine.keyspace(name, options_of_new))?;
        keyspaces.insert(name.to_owned(), made.clone());
        Ok(made)
    }

    pub(crate) fn check_poison(&self) -> Result<(), StoreError> {
        match self.poisoned.get() {
            Some(reason) => Err(StoreError::Poisoned {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Finds out whether a worker of fjall failed. Each commit has handed what it wrote to the
    /// system, so that there is nothing to write.
    pub(crate) fn check_engine(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        guarded(self.path(), || self.engine.persist(PersistMode::Buffer))
            .map_err(|error| self.poison(error))
    }

    pub(crate) fn poison(&self, error: StoreError) -> StoreError {
        self.poisoned.get_or_init(|| match &error {
            StoreError::Poisoned { reason } => reason.clone(),
            other => other.to_string(),
        });
        error
    }

    /// Refuses what would use up the space that is needed to write out what was committed.
    fn check_space(&self, bytes: u64) -> Result<(), StoreError> {
        let taken = self
            .space_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        if taken.is_ok() || self.options.reserve_bytes == 0 {
            return Ok(());
        }
        let free =
            fs4::available_space(self.path()).map_err(|error| system(self.path(), &error))?;
        let Some(spare) = free.checked_sub(self.options.reserve_bytes.saturating_add(bytes)) else {
            return Err(StoreError::Full {
                path: self.path().to_path_buf(),
            });
        };
        self.space_bytes
            .store(spare.min(SPACE_CHECK_BYTES), Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

fn engine(path: &Path, options: &FjallOptions) -> Result<fjall::Database, StoreError> {
    guarded(path, || {
        fjall::Database::builder(path)
            .cache_size(options.cache_bytes)
            // Memory is written out by the commit that fills the journal; what is left for
            // the worker is compaction.
            .worker_threads(1)
            // Most of what is stored is sealed, and does not compress.
            .journal_compression(CompressionType::None)
            .open()
    })
}

/// How a keyspace is made that is not there yet; others stay as they were made.
fn options_of_new() -> KeyspaceCreateOptions {
    let leveled = Leveled::default().with_table_target_size(TABLE_BYTES);
    // The index and the filter of a table are read a block at a time, also in the first level, as
    // tables move down as they are. A filter of short rows is as a whole longer than what a small
    // cache takes, or one that is divided among many processors: it would be read from the file
    // for every row that is looked for.
    let in_blocks = PartitioningPolicy::all(true);
    KeyspaceCreateOptions::default()
        .compaction_strategy(Arc::new(leveled))
        .index_block_partitioning_policy(in_blocks.clone())
        .filter_block_partitioning_policy(in_blocks)
}

fn open_journal(journal: &Journal) -> Result<File, StoreError> {
    let opened = OpenOptions::new().write(true).open(&journal.path);
    opened.map_err(|error| system(&journal.path, &error))
}

/// The journal that fjall began after this one, if it did.
fn next_journal(journal: &Journal) -> Result<Option<Journal>, StoreError> {
    let number = journal.number + 1;
    let path: PathBuf = journal.path.with_file_name(format!("{number}.jnl"));
    match path.try_exists() {
        Ok(true) => Ok(Some(Journal { number, path })),
        Ok(false) => Ok(None),
        Err(error) => Err(system(&path, &error)),
    }
}

/// Empties the newest journal of a closed database, all of whose rows are in tables, and
/// deletes the others.
fn empty_all(database: &Path, watermark: &Watermark) -> Result<(), StoreError> {
    let mut journals = journal::list(database)?;
    let Some(newest) = journals.pop() else {
        return Ok(());
    };
    watermark.reset(|| {
        // Oldest first: what is left after a crash in between is whole.
        for journal in journals {
            fs::remove_file(&journal.path).map_err(|error| system(&journal.path, &error))?;
        }
        journal::cut(&newest.path, 0)
    })
}
