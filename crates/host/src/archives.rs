//! Archives on their way to a page or from one. They lie in files without a name, in the profile's
//! directory: nobody else can open them, and nothing is left of them when the host ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Mutex as AsyncMutex;

use crate::limits::{ARCHIVE_LIFE, ARCHIVE_READ_BYTES, ARCHIVES_MAX};
use crate::protocol::ErrorInfo;

/// The archives of all sessions of a host.
#[derive(Debug)]
pub(crate) struct Archives {
    directory: PathBuf,
    bytes_max: u64,
    table: Mutex<BTreeMap<Name, Entry>>,
}

/// A session, and what it calls the archive.
type Name = (String, u32);

#[derive(Debug)]
struct Entry {
    archive: Arc<AsyncMutex<Archive>>,
    touched: Instant,
}

/// An archive. Whoever uses it has it for itself meanwhile.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    bytes_max: u64,
    pub(crate) bytes: u64,
    pub(crate) stage: Stage,
}

/// What an archive is there for, and what was answered of it. An answer that was lost is given
/// again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was done with it yet.
    New,
    /// A page hands it in.
    Written,
    /// It was made of a space, and is read.
    Made(String),
    /// A space was brought back from it.
    Restored(String),
}

impl Archives {
    /// None yet. They will lie in `directory`, and have at most `bytes_max` bytes each.
    pub(crate) fn new(directory: PathBuf, bytes_max: u64) -> Self {
        Self {
            directory,
            bytes_max,
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Name, Entry>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // One that somebody uses now is not left.
        table.retain(|_, entry| {
            Arc::strong_count(&entry.archive) > 1 || entry.touched.elapsed() < ARCHIVE_LIFE
        });
        table
    }

    /// Forgets those that nobody came back for.
    pub(crate) fn tidy(&self) {
        drop(self.table());
    }

    /// The archive of this name, or a new one.
    pub(crate) fn open(
        &self,
        session: &str,
        archive: u32,
    ) -> Result<Arc<AsyncMutex<Archive>>, ErrorInfo> {
        let mut table = self.table();
        let name = (session.to_owned(), archive);
        if let Some(entry) = table.get_mut(&name) {
            entry.touched = Instant::now();
            return Ok(Arc::clone(&entry.archive));
        }
        if table.len() >= ARCHIVES_MAX {
            let message = format!("{ARCHIVES_MAX} archives are open, which is the limit; drop one");
            return Err(ErrorInfo::limit("archives", message));
        }
        let file = tempfile::tempfile_in(&self.directory).map_err(|error| failed(&error))?;
        let made = Arc::new(AsyncMutex::new(Archive {
            file,
            bytes_max: self.bytes_max,
            bytes: 0,
            stage: Stage::New,
        }));
        let entry = Entry {
            archive: Arc::clone(&made),
            touched: Instant::now(),
        };
        table.insert(name, entry);
        Ok(made)
    }

    /// The archive of this name.
    pub(crate) fn find(
        &self,
        session: &str,
        archive: u32,
    ) -> Result<Arc<AsyncMutex<Archive>>, ErrorInfo> {
        let mut table = self.table();
        let entry = table.get_mut(&(session.to_owned(), archive));
        let entry = entry.ok_or_else(|| {
            let message = format!("there is no archive {archive}, or nobody came back for it");
            ErrorInfo::not_found("unknownArchive", message)
        })?;
        entry.touched = Instant::now();
        Ok(Arc::clone(&entry.archive))
    }

    /// Forgets an archive, if there is one of this name.
    pub(crate) fn forget(&self, session: &str, archive: u32) {
        self.table().remove(&(session.to_owned(), archive));
    }
}

fn failed(error: &io::Error) -> ErrorInfo {
    ErrorInfo::disk(format!(
        "an archive cannot be kept in the profile's directory: {error}"
    ))
}

fn too_large(bytes_max: u64) -> ErrorInfo {
    let message = format!(
        "the archive has more than the {bytes_max} bytes that a host takes; use `dx archive` and \
         `dx restore`"
    );
    ErrorInfo::limit("tooLarge", message)
}

impl Archive {
    /// Its file, to be read from the beginning.
    pub(crate) fn reader(&self) -> Result<File, ErrorInfo> {
        let mut file = self.file.try_clone().map_err(|error| failed(&error))?;
        file.rewind().map_err(|error| failed(&error))?;
        Ok(file)
    }

    /// Its file, to be written from the beginning, with a bound.
    pub(crate) fn writer(&self) -> Result<Bounded, ErrorInfo> {
        let file = self.reader()?;
        file.set_len(0).map_err(|error| failed(&error))?;
        Ok(Bounded {
            file,
            left: self.bytes_max,
            is_full: Arc::default(),
        })
    }

    /// What was written to [`Archive::writer`] counts from now on.
    pub(crate) fn measure(&mut self) -> Result<(), ErrorInfo> {
        let about = self.file.metadata().map_err(|error| failed(&error))?;
        self.bytes = about.len();
        Ok(())
    }

    /// Why writing to a bounded file has failed, if it was for its bound.
    pub(crate) fn bound(&self, is_full: &AtomicBool) -> Option<ErrorInfo> {
        is_full
            .load(Ordering::Relaxed)
            .then(|| too_large(self.bytes_max))
    }

    /// Takes in the part at a place. What is there already is not written again.
    pub(crate) fn append(&mut self, at: u64, part: &[u8]) -> Result<(), ErrorInfo> {
        let end = at.saturating_add(part.len() as u64);
        if at > self.bytes || (at < self.bytes && end > self.bytes) {
            let message = format!("at: the next part begins at {}", self.bytes);
            return Err(ErrorInfo::params(message));
        }
        if end > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        if at == self.bytes {
            let written = self
                .file
                .seek(SeekFrom::Start(at))
                .and_then(|_| self.file.write_all(part));
            written.map_err(|error| failed(&error))?;
            self.bytes = end;
        }
        Ok(())
    }

    /// The part at a place, and where the next one begins.
    pub(crate) fn part(&self, at: u64) -> Result<(Vec<u8>, Option<u64>), ErrorInfo> {
        let left = self.bytes.checked_sub(at).ok_or_else(|| {
            let message = format!("at: the archive has {} bytes", self.bytes);
            ErrorInfo::params(message)
        })?;
        let mut file = self.reader()?;
        let mut part = Vec::new();
        let read = file.seek(SeekFrom::Start(at));
        let read = read.and_then(|_| file.take(ARCHIVE_READ_BYTES).read_to_end(&mut part));
        read.map_err(|error| failed(&error))?;
        let next = (left > part.len() as u64).then_some(at.saturating_add(part.len() as u64));
        Ok((part, next))
    }
}

/// A file that takes no more than so many bytes.
#[derive(Debug)]
pub(crate) struct Bounded {
    file: File,
    left: u64,
    /// Set when there was more.
    pub(crate) is_full: Arc<AtomicBool>,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        let Some(left) = left else {
            self.is_full.store(true, Ordering::Relaxed);
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.file.write_all(bytes)?;
        self.left = left;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(bytes_max: u64) -> (tempfile::TempDir, Archives) {
        let directory = tempfile::tempdir().unwrap();
        let archives = Archives::new(directory.path().to_owned(), bytes_max);
        (directory, archives)
    }

    #[tokio::test]
    async fn parts_are_taken_in_once_in_order_and_within_the_bound() {
        let (_directory, archives) = archives(10);
        let archive = archives.open("s", 1).unwrap();
        let mut archive = archive.lock().await;
        archive.append(0, b"abcd").unwrap();
        archive.append(4, b"ef").unwrap();
        // An answer was lost.
        archive.append(4, b"ef").unwrap();
        archive.append(0, b"abcd").unwrap();
        assert_eq!(archive.bytes, 6);
        for (at, part) in [(7, &b"x"[..]), (5, b"xy"), (6, b"12345"), (u64::MAX, b"x")] {
            archive.append(at, part).unwrap_err();
        }
        assert_eq!(archive.part(0).unwrap(), (b"abcdef".to_vec(), None));
        assert_eq!(archive.part(6).unwrap(), (Vec::new(), None));
        archive.part(7).unwrap_err();
        archive.part(u64::MAX).unwrap_err();
    }

    #[test]
    fn no_more_archives_are_open_than_may_be_and_what_is_dropped_makes_room() {
        let (directory, archives) = archives(10);
        for number in 0..ARCHIVES_MAX {
            archives
                .open("s", u32::try_from(number).unwrap())
                .map(drop)
                .unwrap();
        }
        assert_eq!(archives.open("t", 0).unwrap_err().data.kind, "archives");
        archives.open("s", 0).map(drop).unwrap();
        archives.forget("s", 0);
        archives.find("s", 0).unwrap_err();
        archives.open("t", 0).map(drop).unwrap();
        // Of another session it is another one.
        archives.find("s", 0).unwrap_err();
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "the files have no names");
    }

    #[tokio::test]
    async fn what_is_written_ends_at_the_bound() {
        let (_directory, archives) = archives(4);
        let archive = archives.open("s", 1).unwrap();
        let mut archive = archive.lock().await;
        let mut writer = archive.writer().unwrap();
        writer.write_all(b"abcd").unwrap();
        assert!(archive.bound(&writer.is_full).is_none());
        writer.write_all(b"e").unwrap_err();
        assert_eq!(
            archive.bound(&writer.is_full).unwrap().data.kind,
            "tooLarge"
        );
        archive.measure().unwrap();
        assert_eq!(archive.bytes, 4);
    }
}
