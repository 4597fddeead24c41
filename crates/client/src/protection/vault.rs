//! Where a key that protects a keyring is kept: a file, or the keychain of the operating system.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dxos_keys::ContentKey;
use zeroize::Zeroizing;

use crate::{NodeError, PathDisplay};

const KEY_BYTES: usize = 32;

/// Which key of a profile: while it is exchanged there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// The one in use.
    Current,
    /// The one that is in use once the keyring is encrypted with it.
    Next,
}

/// A place for keys that outlives the process. Each call is whole or did nothing.
pub(crate) trait Vault: fmt::Debug + Send + Sync {
    /// Reads a key; `None` when there is none.
    fn read(&self, slot: Slot) -> Result<Option<ContentKey>, NodeError>;

    /// Keeps a key, in place of one that may be there.
    fn write(&self, slot: Slot, key: &ContentKey) -> Result<(), NodeError>;

    /// Makes the next key the current one, and forgets the one before.
    fn promote(&self) -> Result<(), NodeError>;

    /// Forgets a key; none may be there.
    fn remove(&self, slot: Slot) -> Result<(), NodeError>;

    /// What to say when the key of a profile is gone.
    fn missing(&self) -> NodeError;
}

/// Files that this user alone may read.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn path(&self, slot: Slot) -> PathBuf {
        match slot {
            Slot::Current => self.path.clone(),
            Slot::Next => self.path.with_extension("next"),
        }
    }

    fn failed(path: &Path, reason: impl Into<String>) -> NodeError {
        NodeError::KeyFile {
            path: PathDisplay(path.to_path_buf()),
            reason: reason.into(),
        }
    }
}

impl Vault for KeyFile {
    fn read(&self, slot: Slot) -> Result<Option<ContentKey>, NodeError> {
        let path = self.path(slot);
        match fs::read(&path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let damaged = |found| {
                    let wrong = format!("it has {found} bytes and not {KEY_BYTES}");
                    Self::failed(&path, wrong + "; restore it from a backup")
                };
                key_of(&bytes).ok_or_else(|| damaged(bytes.len())).map(Some)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Self::failed(
                &path,
                format!("{error}; check its owner and mode"),
            )),
        }
    }

    fn write(&self, slot: Slot, key: &ContentKey) -> Result<(), NodeError> {
        let path = self.path(slot);
        write_private(&path, key.expose()).map_err(|error| Self::failed(&path, error.to_string()))
    }

    fn promote(&self) -> Result<(), NodeError> {
        let (next, current) = (self.path(Slot::Next), self.path(Slot::Current));
        fs::rename(&next, &current)
            .and_then(|()| sync_directory(&current))
            .map_err(|error| Self::failed(&next, format!("it could not be renamed: {error}")))
    }

    fn remove(&self, slot: Slot) -> Result<(), NodeError> {
        let path = self.path(slot);
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(&path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| Self::failed(&path, format!("it could not be removed: {error}")))
    }

    fn missing(&self) -> NodeError {
        Self::failed(
            &self.path,
            "it is missing, and the profile was encrypted with it; restore it from a backup",
        )
    }
}

fn key_of(bytes: &[u8]) -> Option<ContentKey> {
    bytes.try_into().ok().map(ContentKey::from_bytes)
}

fn sync_directory(of: &Path) -> std::io::Result<()> {
    match of.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file that this user alone may read, durably and whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    // A new file, so that nobody has it open and its mode is this one.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory(path)
}

/// Entries of the operating system's keychain: Keychain Services, the Credential Manager, or the
/// Secret Service.
#[derive(Debug)]
pub(crate) struct Keychain {
    /// One profile of this user from another.
    profile: String,
}

/// Under which name a user finds the entries in the keychain.
const SERVICE: &str = "dxos";

impl Keychain {
    /// The entries of the profile in this directory.
    pub(crate) fn new(profile: &Path) -> Self {
        let profile = fs::canonicalize(profile).unwrap_or_else(|_| profile.to_path_buf());
        Self {
            profile: profile.display().to_string(),
        }
    }
}

#[cfg(feature = "keychain")]
impl Keychain {
    fn entry(&self, slot: Slot) -> Result<keyring::Entry, NodeError> {
        if let Err(error) = keyring::Entry::store_status() {
            return Err(unusable(error));
        }
        let name = match slot {
            Slot::Current => self.profile.clone(),
            Slot::Next => format!("{} (next)", self.profile),
        };
        keyring::Entry::new(SERVICE, &name).map_err(|error| unusable(&error))
    }
}

#[cfg(feature = "keychain")]
fn unusable(error: &keyring::Error) -> NodeError {
    NodeError::Keychain {
        reason: error.to_string(),
    }
}

#[cfg(feature = "keychain")]
impl Vault for Keychain {
    fn read(&self, slot: Slot) -> Result<Option<ContentKey>, NodeError> {
        match self.entry(slot)?.get_secret() {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let damaged = || NodeError::Keychain {
                    reason: format!("its entry {SERVICE:?} of {:?} is no key", self.profile),
                };
                key_of(&bytes).ok_or_else(damaged).map(Some)
            }
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(unusable(&error)),
        }
    }

    fn write(&self, slot: Slot, key: &ContentKey) -> Result<(), NodeError> {
        let written = self.entry(slot)?.set_secret(key.expose());
        written.map_err(|error| unusable(&error))
    }

    fn promote(&self) -> Result<(), NodeError> {
        if let Some(key) = self.read(Slot::Next)? {
            self.write(Slot::Current, &key)?;
        }
        self.remove(Slot::Next)
    }

    fn remove(&self, slot: Slot) -> Result<(), NodeError> {
        match self.entry(slot)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(unusable(&error)),
        }
    }

    fn missing(&self) -> NodeError {
        missing_entry(&self.profile)
    }
}

fn missing_entry(profile: &str) -> NodeError {
    NodeError::KeychainEntry {
        service: SERVICE,
        entry: profile.to_owned(),
    }
}

#[cfg(not(feature = "keychain"))]
fn not_built<T>() -> Result<T, NodeError> {
    Err(NodeError::Keychain {
        reason: "this program was built without it (feature \"keychain\")".to_owned(),
    })
}

#[cfg(not(feature = "keychain"))]
impl Vault for Keychain {
    fn read(&self, _: Slot) -> Result<Option<ContentKey>, NodeError> {
        not_built()
    }

    fn write(&self, _: Slot, _: &ContentKey) -> Result<(), NodeError> {
        not_built()
    }

    fn promote(&self) -> Result<(), NodeError> {
        not_built()
    }

    fn remove(&self, _: Slot) -> Result<(), NodeError> {
        not_built()
    }

    fn missing(&self) -> NodeError {
        missing_entry(&self.profile)
    }
}
