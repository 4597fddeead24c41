//! How much of the journal was synced, so that damage there is not taken for the torn end
//! that a loss of power leaves.
//!
//! The file is written after each sync but not synced itself: after a loss of power it may be
//! behind, never ahead. Before the journal is emptied it is set to nothing, durably.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dxos_store::StoreError;
use xxhash_rust::xxh3::xxh3_64;

use crate::failure::system;

const NAME: &str = "synced";

/// A length of the journal of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) journal: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Watermark {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// How often the journal was emptied: a mark that was measured before does not count.
    emptied: u64,
}

/// The mark that was left, if it can be read: without one, nothing is known to be synced.
pub(crate) fn read(database: &Path) -> Option<Mark> {
    let mut bytes = Vec::new();
    File::open(database.join(NAME))
        .ok()?
        .take(64)
        .read_to_end(&mut bytes)
        .ok()?;
    let (mark, check) = bytes.split_first_chunk::<16>()?;
    if check != xxh3_64(mark).to_le_bytes() {
        return None;
    }
    let (journal, bytes) = mark.split_first_chunk::<8>()?;
    Some(Mark {
        journal: u64::from_le_bytes(*journal),
        bytes: u64::from_le_bytes(bytes.try_into().ok()?),
    })
}

impl Watermark {
    pub(crate) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = database.join(NAME);
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = opened.map_err(|error| system(&path, &error))?;
        Ok(Self {
            path,
            state: Mutex::new(State { file, emptied: 0 }),
        })
    }

    /// To be passed to [`advance`](Self::advance) with a mark that is measured afterwards.
    pub(crate) fn emptied(&self) -> u64 {
        self.lock().emptied
    }

    /// Notes that the journal is synced up to `mark`.
    pub(crate) fn advance(&self, emptied: u64, mark: Mark) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.emptied == emptied {
            self.put(&mut state, mark)
        } else {
            Ok(())
        }
    }

    /// Notes, durably, that nothing of the journal counts, then empties it with `empty`.
    pub(crate) fn reset(
        &self,
        empty: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.emptied += 1;
        self.put(
            &mut state,
            Mark {
                journal: 0,
                bytes: 0,
            },
        )?;
        state
            .file
            .sync_all()
            .map_err(|error| system(&self.path, &error))?;
        empty()
    }

    fn put(&self, state: &mut State, mark: Mark) -> Result<(), StoreError> {
        let mut bytes = [mark.journal.to_le_bytes(), mark.bytes.to_le_bytes()].concat();
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let file = &mut state.file;
        let put = file.rewind().and_then(|()| file.write_all(&bytes));
        put.map_err(|error| system(&self.path, &error))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_from_before_the_journal_was_emptied_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let watermark = Watermark::open(directory.path()).unwrap();
        assert_eq!(read(directory.path()), None);
        let before = watermark.emptied();
        let mark = Mark {
            journal: 0,
            bytes: 700,
        };
        watermark.advance(before, mark).unwrap();
        assert_eq!(read(directory.path()), Some(mark));
        watermark.reset(|| Ok(())).unwrap();
        watermark.advance(before, mark).unwrap();
        assert_eq!(
            read(directory.path()),
            Some(Mark {
                journal: 0,
                bytes: 0
            })
        );
        std::fs::write(directory.path().join(NAME), [7; 24]).unwrap();
        assert_eq!(read(directory.path()), None);
    }
}
