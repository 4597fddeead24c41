//! Files that are there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// How often somebody else may be quicker to make or remove the draft.
const ATTEMPTS: u32 = 16;

/// A file that is being written, for its user alone: beside its place, with `.partial` behind its
/// name, until [`Draft::finish`] moves it there. Dropped before, it is removed; one that a kill
/// left behind is removed by the next of the same name.
///
/// ```
/// use std::io::Write as _;
///
/// let home = tempfile::tempdir()?;
/// let path = home.path().join("notes.txt");
/// let mut draft = dxos_client::Draft::create(&path, dxos_client::Existing::Refuse)?;
/// draft.write_all(b"roses")?;
/// assert!(!path.exists());
/// draft.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"roses");
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    /// Where it is until then; `None` when there is nothing to move.
    partial: Option<PathBuf>,
    existing: Existing,
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and there is no other.
    Refuse,
    /// It stays until the new one is whole. What is no file, such as a pipe, is written to.
    Replace,
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] when there is one that is to stay,
    /// [`ErrorKind::ResourceBusy`] while another draft of the same name is written, or what the
    /// system says.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        let found = std::fs::metadata(path);
        let file = match (&found, existing) {
            (Ok(_), Existing::Refuse) => {
                let text = format!("{} exists already", path.display());
                return Err(Error::new(ErrorKind::AlreadyExists, text));
            }
            (Ok(about), Existing::Replace) if !about.is_file() => {
                Some(OpenOptions::new().write(true).open(path)?)
            }
            _ => None,
        };
        let (file, partial) = if let Some(file) = file {
            (file, None)
        } else {
            let mut partial = OsString::from(path);
            partial.push(".partial");
            let partial = PathBuf::from(partial);
            (begin(&partial)?, Some(partial))
        };
        Ok(Self {
            file,
            path: path.to_path_buf(),
            partial,
            existing,
        })
    }

    /// Puts it onto the disk and where it belongs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] when there is one by now that is to stay, or what the system
    /// says. Then it is removed.
    pub fn finish(mut self) -> Result<()> {
        let Some(partial) = &self.partial else {
            return Ok(());
        };
        self.file.sync_all()?;
        let rename = || std::fs::rename(partial, &self.path);
        match self.existing {
            Existing::Replace => rename()?,
            // Unlike a renaming it takes nobody's file away. Not every file system has it.
            Existing::Refuse => match std::fs::hard_link(partial, &self.path) {
                Ok(()) => std::fs::remove_file(partial)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                Err(_) => rename()?,
            },
        }
        self.partial = None;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            drop(std::fs::remove_file(partial));
        }
    }
}

/// Makes the file of a draft, and holds a lock on it that ends with the process.
fn begin(partial: &Path) -> Result<File> {
    let busy = || {
        let text = format!("{} is being written already", partial.display());
        Error::new(ErrorKind::ResourceBusy, text)
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for _ in 0..ATTEMPTS {
        match options.open(partial) {
            Ok(file) => {
                return if is_taken(&file) {
                    Err(busy())
                } else {
                    Ok(file)
                };
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match File::open(partial) {
            Ok(file) if is_taken(&file) => return Err(busy()),
            _ => {}
        }
        // Nobody writes it any more. It is not written over: others may be able to read it.
        match std::fs::remove_file(partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Err(busy())
}

/// Whether another has the file locked. Where there are no locks nobody has.
fn is_taken(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Küche 水.csv");
        let partial = home.path().join("Küche 水.csv.partial");
        // One that a kill left behind.
        std::fs::write(&partial, "much more than is written next").unwrap();
        let mut draft = Draft::create(&path, Existing::Replace).unwrap();
        draft.write_all(b"first").unwrap();
        assert!(!path.exists() && partial.exists());
        let second = Draft::create(&path, Existing::Refuse).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::ResourceBusy);
        draft.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let mut draft = Draft::create(&path, Existing::Replace).unwrap();
        draft.write_all(b"second").unwrap();
        drop(draft);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let refused = Draft::create(&path, Existing::Refuse).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(!partial.exists());
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        let draft = Draft::create(&path, Existing::Refuse).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        let refused = draft.finish().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_written_to() {
        let mut draft = Draft::create(Path::new("/dev/null"), Existing::Replace).unwrap();
        draft.write_all(b"gone").unwrap();
        draft.finish().unwrap();
        assert!(Draft::create(&std::env::temp_dir(), Existing::Replace).is_err());
    }
}
