//! Options.

use dxos_store::Keyspace;

/// A keyspace in which is nothing that cannot be made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaceable {
    /// It.
    pub keyspace: Keyspace,
    /// What has to be there to make it anew: it is given up only if every row of these can be
    /// read.
    pub from: Vec<Keyspace>,
}

/// How to open a [`FjallStore`](crate::FjallStore). Start from the default:
///
/// ```
/// # use dxos_store_fjall::FjallOptions;
/// let options = FjallOptions { known_schema: 3, ..FjallOptions::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FjallOptions {
    /// Memory for blocks of tables that were read, in bytes. Default 32 MiB.
    pub cache_bytes: u64,
    /// Newest schema that the caller can read. A new store gets it; an older one is opened,
    /// see [`FjallStore::schema`](crate::FjallStore::schema); a newer one is refused. Default 1.
    pub known_schema: u32,
    /// Length of the journal, with 128 bytes more for each write, at which memory is written
    /// out to tables and the journal is emptied: the most that a store that was killed
    /// replays when it opens, and a third of the memory that recent writes take. The sync
    /// that finds the journal full does the work. Between two syncs the journal may grow to
    /// four times as much, at which a commit does it: tables that are written out in the middle
    /// of a burst cost more than they save. Default 4 MiB, which is replayed in 10 to 30 ms;
    /// held between 1 and 32 MiB.
    pub journal_bytes: u64,
    /// Commits are refused as [`Full`](dxos_store::StoreError::Full) while the disk has fewer
    /// bytes free than this, so that what was committed can still be written out. Default
    /// 64 MiB.
    pub reserve_bytes: u64,
    /// Keyspaces of which the store can do without. Where the files of one cannot be opened the
    /// store tells it apart from damage that only a backup mends: opening it is
    /// [`Replaceable`](dxos_store::StoreError::Replaceable). Default none.
    pub replaceable: Vec<Replaceable>,
    /// Gives up replaceable keyspaces whose files cannot be opened: their files are deleted, and
    /// they are empty. See [`FjallStore::given_up`](crate::FjallStore::given_up). Default `false`.
    pub give_up: bool,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            known_schema: 1,
            journal_bytes: 4 << 20,
            reserve_bytes: 64 << 20,
            replaceable: Vec::new(),
            give_up: false,
        }
    }
}

impl FjallOptions {
    pub(crate) fn journal_limit(&self) -> u64 {
        self.journal_bytes.clamp(1 << 20, 32 << 20)
    }

    /// The same between two syncs.
    pub(crate) fn burst_limit(&self) -> u64 {
        self.journal_limit() * 4
    }

    pub(crate) fn replaceable(&self, name: &str) -> Option<&Replaceable> {
        let mut all = self.replaceable.iter();
        all.find(|found| found.keyspace.name() == name)
    }
}
