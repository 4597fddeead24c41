//! The disk under a [`MemStore`](crate::MemStore): what survives it, and how it fails.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{Batch, Keyspace, StoreError};

/// Batches that wait for a sync before the oldest are written back without one, as an
/// operating system does. Bounds the memory of a simulation that never syncs.
const UNSYNCED_BATCHES_MAX: usize = 16_384;

type Rows = BTreeMap<Bytes, Bytes>;

#[derive(Clone, Default)]
struct Image(BTreeMap<Keyspace, Arc<Rows>>);

impl Image {
    fn apply(&mut self, batch: &Batch) {
        for write in batch {
            let rows = Arc::make_mut(self.0.entry(write.keyspace).or_default());
            match &write.value {
                Some(value) => rows.insert(write.key.clone(), value.clone()),
                None => rows.remove(&write.key),
            };
        }
    }

    fn bytes(&self) -> u64 {
        let rows = self.0.values().flat_map(|rows| rows.iter());
        rows.map(|(key, value)| key.len() as u64 + value.len() as u64)
            .sum()
    }
}

/// How a [`MemDisk`] crashes. The caller draws the numbers, so that a simulation replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPlan {
    survivors: usize,
    torn: bool,
}

impl CrashPlan {
    /// The process ends, the machine goes on: everything that was committed survives.
    #[must_use]
    pub const fn kill() -> Self {
        Self {
            survivors: usize::MAX,
            torn: false,
        }
    }

    /// The power goes: of the batches that were not synced, the oldest `survivors` had
    /// reached the disk all the same (all of them when there are fewer).
    #[must_use]
    pub const fn power_loss(survivors: usize) -> Self {
        Self {
            survivors,
            torn: false,
        }
    }

    /// The last of the survivors was written in part. A store finds that out by its checksum
    /// and drops it whole.
    #[must_use]
    pub const fn torn(self) -> Self {
        Self { torn: true, ..self }
    }
}

/// What a crash did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashReport {
    /// Batches that were not synced and survived.
    pub kept: usize,
    /// Batches that were not synced and are gone.
    pub lost: usize,
}

/// A copy of all that a [`MemDisk`] holds, to go back to: an old backup. Cheap to take and to
/// keep.
#[derive(Clone)]
pub struct MemSnapshot(Image);

impl fmt::Debug for MemSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemSnapshot")
            .field("bytes", &self.0.bytes())
            .finish()
    }
}

/// A disk that outlives the [`MemStore`](crate::MemStore)s opened on it. A clone is the same disk.
#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<Disk>>);

/// What of a store can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// A batch that is written.
    Commit,
    /// A key that is looked up, the begin of a scan, or one row of it.
    Read,
    /// A sync, those of synced commits included.
    Sync,
}

/// A failure to inject.
struct Fault {
    /// Calls that still succeed.
    left: u64,
    /// Whether it ends with the first call that fails.
    is_single: bool,
    error: StoreError,
}

impl Fault {
    fn hit(fault: &mut Option<Self>) -> Option<StoreError> {
        let found = fault.as_mut()?;
        if found.left > 0 {
            found.left -= 1;
            return None;
        }
        if found.is_single {
            fault.take().map(|fault| fault.error)
        } else {
            Some(found.error.clone())
        }
    }
}

#[derive(Default)]
pub(super) struct Disk {
    /// What a reader sees: everything that was committed.
    live: Image,
    /// What a loss of power leaves at least.
    durable: Image,
    /// The difference, oldest first.
    unsynced: VecDeque<Batch>,
    holder: Option<u64>,
    opened: u64,
    poisoned: Option<String>,
    commit_fault: Option<Fault>,
    read_fault: Option<Fault>,
    sync_fault: Option<Fault>,
    /// Keyspaces of which nothing can be read.
    damaged: BTreeSet<Keyspace>,
    commits: u64,
    reads: u64,
    syncs: u64,
}

pub(super) type State<'a> = MutexGuard<'a, Disk>;

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Crashes the disk: decides what of the batches that were not synced survives, and
    /// fences the store that is open, whose calls from now on give [`StoreError::Closed`]
    /// (its destructor writes nothing either). Open the disk again to see what survived.
    pub fn crash(&self, plan: CrashPlan) -> CrashReport {
        let mut disk = self.lock();
        let unsynced = std::mem::take(&mut disk.unsynced);
        let reached = plan.survivors.min(unsynced.len());
        let kept = reached.saturating_sub(usize::from(plan.torn));
        for batch in unsynced.iter().take(kept) {
            disk.durable.apply(batch);
        }
        disk.live = disk.durable.clone();
        disk.release();
        CrashReport {
            kept,
            lost: unsynced.len() - kept,
        }
    }

    /// Number of batches that a loss of power could take now, to draw a [`CrashPlan`] from.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Batches committed and syncs done so far: whether a simulated fault could happen at all.
    pub fn counts(&self) -> (u64, u64) {
        let disk = self.lock();
        (disk.commits, disk.syncs)
    }

    /// Keys looked up, scans begun and rows of scans read so far.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Lets `commits` more commits succeed, then fails every one with `error`, until
    /// [`heal`](Self::heal). The failed batch is not written. [`StoreError::Full`] leaves the
    /// store usable, as a real store does that checks for space first; after any other error
    /// writes give [`StoreError::Poisoned`] until the store is opened again.
    pub fn fail_after(&self, commits: u64, error: StoreError) {
        self.inject(Access::Commit, commits, false, error);
    }

    /// The same for syncs, those of commits with
    /// [`Durability::Synced`](crate::Durability::Synced) included; what was to be synced stays unsynced.
    pub fn fail_syncs_after(&self, syncs: u64, error: StoreError) {
        self.inject(Access::Sync, syncs, false, error);
    }

    /// The same for reads. A read that fails leaves the store as it is, and a scan ends with it.
    pub fn fail_reads_after(&self, reads: u64, error: StoreError) {
        self.inject(Access::Read, reads, false, error);
    }

    /// Lets `after` more calls of a kind succeed, and fails the one behind them with `error`;
    /// those after it succeed, unless the store is poisoned by it.
    pub fn fail_once(&self, access: Access, after: u64, error: StoreError) {
        self.inject(access, after, true, error);
    }

    fn inject(&self, access: Access, left: u64, is_single: bool, error: StoreError) {
        let mut disk = self.lock();
        let fault = match access {
            Access::Commit => &mut disk.commit_fault,
            Access::Read => &mut disk.read_fault,
            Access::Sync => &mut disk.sync_fault,
        };
        *fault = Some(Fault {
            left,
            is_single,
            error,
        });
    }

    /// Has the store take no writes any more, as one does when what it does in the background
    /// fails with `error`.
    pub fn fail_in_background(&self, error: StoreError) {
        drop(self.lock().poison(error));
    }

    /// Damages a keyspace: reads of it fail until [`Store::clear`](crate::Store::clear) empties it.
    pub fn damage(&self, keyspace: Keyspace) {
        self.lock().damaged.insert(keyspace);
    }

    /// Ends injected failures. A store that is poisoned stays so until it is opened again.
    pub fn heal(&self) {
        let mut disk = self.lock();
        disk.commit_fault = None;
        disk.read_fault = None;
        disk.sync_fault = None;
    }

    /// A backup of all that was committed so far.
    pub fn snapshot(&self) -> MemSnapshot {
        MemSnapshot(self.lock().live.clone())
    }

    /// What a loss of power leaves in any case.
    pub fn durable(&self) -> MemSnapshot {
        MemSnapshot(self.lock().durable.clone())
    }

    /// Puts a backup back, whatever was there, and fences the store that is open.
    pub fn restore(&self, snapshot: &MemSnapshot) {
        let mut disk = self.lock();
        disk.live = snapshot.0.clone();
        disk.durable = snapshot.0.clone();
        disk.unsynced.clear();
        disk.release();
    }

    pub(super) fn lock(&self) -> State<'_> {
        // No panic can leave the state half changed, since nothing here panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.lock();
        f.debug_struct("MemDisk")
            .field("open", &disk.is_held())
            .field("commits", &disk.commits)
            .field("unsynced", &disk.unsynced.len())
            .finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn hold(&mut self) -> u64 {
        self.opened += 1;
        self.poisoned = None;
        self.holder = Some(self.opened);
        self.opened
    }

    pub(super) fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    pub(super) fn is_held_by(&self, id: u64) -> bool {
        self.holder == Some(id)
    }

    pub(super) fn release(&mut self) {
        self.holder = None;
    }

    pub(super) fn rows(&self, keyspace: Keyspace) -> Option<&Arc<Rows>> {
        self.live.0.get(&keyspace)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.live.bytes()
    }

    /// Notes a read, and fails it if it is to fail.
    pub(super) fn read(&mut self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.reads += 1;
        if self.damaged.contains(&keyspace) {
            return Err(StoreError::Damaged {
                path: super::path(),
                reason: "a checksum does not match".to_owned(),
            });
        }
        Fault::hit(&mut self.read_fault).map_or(Ok(()), Err)
    }

    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.check_poison()?;
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(error) = Fault::hit(&mut self.commit_fault) {
            return Err(self.poison(error));
        }
        self.live.apply(&batch);
        self.unsynced.push_back(batch);
        self.commits += 1;
        if self.unsynced.len() > UNSYNCED_BATCHES_MAX
            && let Some(oldest) = self.unsynced.pop_front()
        {
            self.durable.apply(&oldest);
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.check_poison()?;
        if let Some(error) = Fault::hit(&mut self.sync_fault) {
            return Err(self.poison(error));
        }
        for batch in std::mem::take(&mut self.unsynced) {
            self.durable.apply(&batch);
        }
        self.syncs += 1;
        Ok(())
    }

    pub(super) fn clear(&mut self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.sync()?;
        self.live.0.remove(&keyspace);
        self.durable.0.remove(&keyspace);
        self.damaged.remove(&keyspace);
        Ok(())
    }

    pub(super) fn wipe(&mut self) {
        self.live = Image::default();
        self.durable = Image::default();
        self.unsynced.clear();
        self.release();
    }

    pub(super) fn check_poison(&self) -> Result<(), StoreError> {
        match &self.poisoned {
            Some(reason) => Err(StoreError::Poisoned {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    fn poison(&mut self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::Full { .. }) {
            self.poisoned.get_or_insert_with(|| error.to_string());
        }
        error
    }
}
