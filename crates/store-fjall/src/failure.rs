//! Failures of the system and of fjall, as a [`StoreError`].

use std::{
    any::Any,
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use dxos_store::StoreError;

/// An error of the operating system at a path.
pub(crate) fn system(path: &Path, error: &io::Error) -> StoreError {
    let path = path.to_path_buf();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path },
        io::ErrorKind::PermissionDenied => StoreError::Permission { path },
        io::ErrorKind::NotFound => damaged(&path, "it is missing"),
        io::ErrorKind::UnexpectedEof => damaged(&path, "it ends too early"),
        io::ErrorKind::InvalidData => damaged(&path, &error.to_string()),
        _ => StoreError::Io {
            path,
            reason: error.to_string(),
        },
    }
}

pub(crate) fn damaged(path: &Path, reason: &str) -> StoreError {
    StoreError::Damaged {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    }
}

/// An error of the operating system that fjall met.
fn below_engine(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        // It looked for an offset or length that it had read from a file.
        io::ErrorKind::InvalidInput => damaged(path, &format!("it points nowhere ({error})")),
        io::ErrorKind::NotFound => damaged(path, "a file of it is missing"),
        _ => system(path, error),
    }
}

/// Runs a piece of fjall. It checks most of what it reads, and panics on some of the rest.
pub(crate) fn guarded<T>(
    path: &Path,
    run: impl FnOnce() -> Result<T, fjall::Error>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done.map_err(|error| engine(path, &error)),
        Err(panic) => Err(panicked(path, &*panic)),
    }
}

pub(crate) fn panicked(path: &Path, panic: &(dyn Any + Send)) -> StoreError {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("for an unknown reason");
    damaged(path, &format!("the engine gave up: {reason}"))
}

/// An error of fjall. The cause decides where there is one from the operating system.
pub(crate) fn engine(path: &Path, error: &fjall::Error) -> StoreError {
    if let Some(cause) = cause(error) {
        return below_engine(path, cause);
    }
    match error {
        fjall::Error::Locked => StoreError::Locked {
            path: path.to_path_buf(),
            pid: None,
        },
        fjall::Error::Poisoned => StoreError::Poisoned {
            reason: "the engine stopped, see the log".to_owned(),
        },
        fjall::Error::KeyspaceDeleted => StoreError::Closed,
        fjall::Error::InvalidVersion(None) => damaged(path, "its version is unreadable"),
        fjall::Error::InvalidVersion(Some(version)) => damaged(
            path,
            &format!("its engine version is {version}, and 3 was expected"),
        ),
        fjall::Error::JournalRecovery(error) => damaged(path, &format!("its journal: {error}")),
        fjall::Error::Storage(error) => tree(path, error),
        other => damaged(path, &other.to_string()),
    }
}

/// An error of a tree of fjall.
pub(crate) fn tree(path: &Path, error: &lsm_tree::Error) -> StoreError {
    match error {
        lsm_tree::Error::Io(error) => below_engine(path, error),
        lsm_tree::Error::ChecksumMismatch { .. } => damaged(path, "a checksum does not match"),
        lsm_tree::Error::Unrecoverable => damaged(path, "a table is missing or unreadable"),
        other => damaged(path, &other.to_string()),
    }
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_decides() {
        let path = Path::new("/profile");
        let owned = path.to_path_buf();
        let of = |kind: io::ErrorKind| {
            let nested = fjall::Error::Storage(lsm_tree::Error::Io(kind.into()));
            let flat = fjall::Error::Io(kind.into());
            assert_eq!(engine(path, &nested), engine(path, &flat));
            engine(path, &flat)
        };
        assert_eq!(
            of(io::ErrorKind::StorageFull),
            StoreError::Full {
                path: owned.clone()
            }
        );
        assert_eq!(
            of(io::ErrorKind::QuotaExceeded),
            StoreError::Full {
                path: owned.clone()
            }
        );
        assert_eq!(
            of(io::ErrorKind::ReadOnlyFilesystem),
            StoreError::ReadOnly {
                path: owned.clone()
            }
        );
        assert_eq!(
            of(io::ErrorKind::PermissionDenied),
            StoreError::Permission { path: owned }
        );
        assert!(matches!(
            of(io::ErrorKind::NotFound),
            StoreError::Damaged { .. }
        ));
        assert!(matches!(
            of(io::ErrorKind::BrokenPipe),
            StoreError::Io { .. }
        ));
        let full = io::Error::from_raw_os_error(28);
        assert!(matches!(system(path, &full), StoreError::Full { .. }));
    }

    #[test]
    fn a_panic_of_the_engine_is_damage() {
        let error = guarded::<()>(Path::new("/profile"), || panic!("level {} is odd", 3));
        let Err(StoreError::Damaged { reason, .. }) = error else {
            panic!("{error:?}")
        };
        assert!(reason.ends_with("level 3 is odd"), "{reason}");
    }
}
