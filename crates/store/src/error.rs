//! What can go wrong with a store.

use std::path::PathBuf;

use crate::Keyspace;

/// Why a store did not do what it was asked.
///
/// After any error of a commit but [`Closed`](Self::Closed), [`Full`](Self::Full),
/// [`Poisoned`](Self::Poisoned) and those of a limit, whether the batch will be there after
/// the next open is unknown; it will be there whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A batch holds more than a store takes at once. Split it.
    #[error("a batch of {bytes} bytes is longer than {max} bytes; write it in several batches")]
    BatchTooLong {
        /// Length of its keys and values.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The store was closed, wiped, or (in simulation) crashed. Open it again.
    #[error("the store is closed; open it again")]
    Closed,
    /// Files are not what this store wrote. Restore a backup, or reset the profile and get
    /// the data from other devices.
    #[error(
        "the store at {} cannot be read: {reason}; restore it from a backup, or use another \
         directory",
        path.display()
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A key has no bytes.
    #[error("an empty key was written to keyspace {keyspace}; a key has at least one byte")]
    EmptyKey {
        /// Where it was to be written.
        keyspace: Keyspace,
    },
    /// No space is left. Nothing was written; the same commit can be tried again once there
    /// is space.
    #[error("no space is left for the store at {}; free some and try again", path.display())]
    Full {
        /// The store's directory.
        path: PathBuf,
    },
    /// The operating system refused for a reason that has no variant of its own.
    #[error("input or output failed at {}: {reason}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A key is too long.
    #[error("a key of {bytes} bytes for keyspace {keyspace} is longer than {max} bytes")]
    KeyTooLong {
        /// Where it was to be written.
        keyspace: Keyspace,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another process has the store open, or another part of this one.
    #[error(
        "the store at {} is in use{}; stop that process or use another directory",
        path.display(),
        pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
    )]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// The process that holds it, when it could be told.
        pid: Option<u32>,
    },
    /// A later version of this software wrote the store. It was not touched. Update.
    #[error(
        "the store at {} has schema {found}, and this version knows up to {known}; update this \
         software",
        path.display()
    )]
    NewerSchema {
        /// The store's directory.
        path: PathBuf,
        /// The schema on disk.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// The user may not read or write there.
    #[error("no permission for {}; check the owner and mode of the directory", path.display())]
    Permission {
        /// The file or directory.
        path: PathBuf,
    },
    /// A write failed earlier, so it is not known what the disk holds: nothing may be written
    /// until the store is opened again, which finds out.
    #[error("the store takes no writes since one failed ({reason}); close it and open it again")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// The file system is mounted read-only.
    #[error("the file system of {} is read-only; remount it or use another directory", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
    },
    /// Files of some keyspaces cannot be opened, and all that is in them can be made anew. Nothing
    /// was changed: the store is to be opened with leave to give them up.
    #[error(
        "{} of the store at {} cannot be opened: {reason}; everything in there can be made anew",
        listed(keyspaces),
        path.display()
    )]
    Replaceable {
        /// Those keyspaces.
        keyspaces: Vec<Keyspace>,
        /// The file or directory of the first one.
        path: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// A value is too long. Keep large content in pieces.
    #[error("a value of {bytes} bytes for keyspace {keyspace} is longer than {max} bytes")]
    ValueTooLong {
        /// Where it was to be written.
        keyspace: Keyspace,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl StoreError {
    /// Whether files cannot be read, or are not what this store wrote. Trying again does not help,
    /// as a rule.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::Io { .. } | Self::Replaceable { .. }
        )
    }
}

fn listed(keyspaces: &[Keyspace]) -> String {
    let names: Vec<_> = keyspaces.iter().map(|keyspace| keyspace.name()).collect();
    let what = if names.len() == 1 {
        "keyspace"
    } else {
        "keyspaces"
    };
    format!("{what} {}", names.join(", "))
}
