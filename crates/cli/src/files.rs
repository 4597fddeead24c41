//! Files that commands read and write, wherever the user has them.

use std::fs::File;
use std::io::{BufWriter, IntoInnerError, Read, Result, Seek, SeekFrom, Stdin, Stdout, Write};
use std::path::Path;

use anyhow::Context;
use dxos_client::{Draft, Existing};

use crate::control::{RemoteFile, RemoteReader, Within};
use crate::invite::stop_signal;

/// A file that is read. One of another process blocks: it is not read where others wait.
#[derive(Debug)]
pub(crate) enum Input {
    File(File),
    Standard(Stdin),
    Theirs(RemoteReader),
}

impl Input {
    /// Opens a file; standard input for `-`, if `dash`.
    pub(crate) async fn open(path: &Path, dash: bool) -> anyhow::Result<Self> {
        match Within::find() {
            Some(within) => Ok(Self::Theirs(RemoteReader::open(within).await?)),
            None => Self::open_here(path, dash),
        }
    }

    /// The same, of this process.
    pub(crate) fn open_here(path: &Path, dash: bool) -> anyhow::Result<Self> {
        if dash && path == Path::new("-") {
            return Ok(Self::Standard(std::io::stdin()));
        }
        let file = File::open(path)?;
        anyhow::ensure!(!file.metadata()?.is_dir(), "it is a directory; name a file");
        Ok(Self::File(file))
    }

    /// Its bytes; 0 where that is not known.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::File(file) => file.metadata().map_or(0, |about| about.len()),
            Self::Standard(_) => 0,
            Self::Theirs(file) => file.length(),
        }
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        match self {
            Self::File(file) => file.read(to),
            Self::Standard(stdin) => stdin.read(to),
            Self::Theirs(file) => file.read(to),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Standard(_) => Err(std::io::ErrorKind::NotSeekable.into()),
            Self::Theirs(file) => file.seek(to),
        }
    }
}

/// What is written: a file, which is there as a whole or not at all, or standard output.
#[derive(Debug)]
pub(crate) enum Target {
    File(BufWriter<Draft>),
    Standard(BufWriter<Stdout>),
    Theirs(RemoteFile),
}

impl Target {
    /// Begins a file.
    pub(crate) async fn create(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        match Within::find() {
            Some(within) => Ok(Self::Theirs(RemoteFile::create(within).await?)),
            None => Ok(Self::create_here(path, existing)?),
        }
    }

    /// The same, of this process.
    pub(crate) fn create_here(path: &Path, existing: Existing) -> Result<Self> {
        Ok(Self::File(BufWriter::new(Draft::create(path, existing)?)))
    }

    /// Standard output, as it is.
    pub(crate) fn standard() -> Self {
        Within::find().map_or_else(
            || Self::Standard(BufWriter::new(std::io::stdout())),
            |within| Self::Theirs(RemoteFile::standard(within)),
        )
    }

    /// Writes the rest, and has a file where it belongs.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        let finished = tokio::task::spawn_blocking(move || match self {
            Self::File(file) => {
                let draft = file.into_inner().map_err(IntoInnerError::into_error)?;
                draft.finish()
            }
            Self::Standard(mut stdout) => stdout.flush(),
            Self::Theirs(file) => file.finish(),
        });
        Ok(finished.await.context("it was not written")??)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Standard(stdout) => stdout.write(bytes),
            Self::Theirs(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Standard(stdout) => stdout.flush(),
            Self::Theirs(file) => file.flush(),
        }
    }
}

/// Writes a file, or ends when the process is asked to: then what is there of the file goes.
pub(crate) async fn or_stopped<T>(
    path: Option<&Path>,
    written: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    // The signals of another process are not the user's, and a reader of standard output may be
    // long in coming.
    let Some(path) = path.filter(|_| Within::find().is_none()) else {
        return written.await;
    };
    tokio::select! {
        biased;
        () = stop_signal() => anyhow::bail!("stopped; nothing was written to {}", path.display()),
        written = written => written,
    }
}
