//! The journal of fjall 3, as far as this crate reads it.
//!
//! `<n>.jnl` files in the database directory; the highest is written to, the others are
//! sealed and wait for their rows to be in tables. A file is a sequence of batches:
//!
//! ```text
//! 1, count: u32, seqno: u64
//! count times  2, kind: u8, compression: u8, keyspace: u64, key: u16, value: u32,
//!                 stored: u32, key bytes, stored bytes
//!          or  4, keyspace: u64                                      (integers little-endian)
//! 3, xxh3 of what is between: u64, "FJL", 3
//! ```
//!
//! fjall itself drops what follows a tag that it does not know, silently, even in the middle
//! of what was synced, and refuses to open when a page in the middle of the last batch did
//! not reach the disk. [`check`] goes first and leaves only whole batches.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use dxos_store::StoreError;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    failure::{damaged, system},
    watermark::{self, Mark},
};

const TRAILER: &[u8; 4] = b"FJL\x03";

/// A journal file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Journal {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
}

/// The journals of a database, oldest first.
pub(crate) fn list(database: &Path) -> Result<Vec<Journal>, StoreError> {
    let entries = fs::read_dir(database).map_err(|error| system(database, &error))?;
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| system(database, &error))?.path();
        if !path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("jnl"))
        {
            continue;
        }
        let number = path
            .file_stem()
            .and_then(OsStr::to_str)
            .and_then(|stem| stem.parse().ok());
        match number {
            Some(number) if path.is_file() => journals.push(Journal { number, path }),
            _ => return Err(damaged(&path, "it is no journal of this store")),
        }
    }
    journals.sort();
    Ok(journals)
}

/// Checks every journal, and cuts off the torn end of the one that is written to.
pub(crate) fn check(database: &Path) -> Result<(), StoreError> {
    let journals = list(database)?;
    let Some((active, sealed)) = journals.split_last() else {
        return Err(damaged(database, "its journal is missing"));
    };
    for Journal { path, .. } in sealed {
        let scanned = scan(path)?;
        if scanned.rest_is_used {
            return Err(damaged(
                path,
                &format!(
                    "the batch at byte {} is not what was written",
                    scanned.whole_bytes
                ),
            ));
        }
    }
    let path = &active.path;
    let scanned = scan(path)?;
    let synced = match watermark::read(database) {
        Some(Mark { journal, bytes }) if journal == active.number => bytes,
        _ => 0,
    };
    if scanned.whole_bytes < synced {
        return Err(damaged(
            path,
            &format!(
                "of {synced} bytes that were synced, those from {} on are not what was written",
                scanned.whole_bytes
            ),
        ));
    }
    if scanned.bytes > scanned.whole_bytes {
        if scanned.rest_is_used {
            tracing::warn!(
                path = %path.display(),
                bytes = scanned.bytes - scanned.whole_bytes,
                "dropped writes that had not reached the disk when the machine stopped"
            );
        }
        cut(path, scanned.whole_bytes)?;
    }
    Ok(())
}

/// Cuts a journal to that length, durably.
pub(crate) fn cut(path: &Path, bytes: u64) -> Result<(), StoreError> {
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(bytes)?;
        file.sync_all()
    });
    cut.map_err(|error| system(path, &error))
}

struct Scanned {
    bytes: u64,
    /// Length of the whole batches that it begins with.
    whole_bytes: u64,
    /// Whether anything but zeros follows them: fjall makes files longer in advance.
    rest_is_used: bool,
}

fn scan(path: &Path) -> Result<Scanned, StoreError> {
    let failed = |error: io::Error| system(path, &error);
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut input = Input {
        from: BufReader::with_capacity(1 << 16, file),
        read: 0,
    };
    let mut whole_bytes = 0;
    loop {
        match batch(&mut input) {
            Ok(true) => whole_bytes = input.read,
            Ok(false) => break,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(failed(error)),
        }
    }
    let rest_is_used = bytes > whole_bytes && has_content(path, whole_bytes).map_err(failed)?;
    Ok(Scanned {
        bytes,
        whole_bytes,
        rest_is_used,
    })
}

fn has_content(path: &Path, from: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(false);
        }
        if chunk.iter().take(read).any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
}

struct Input {
    from: BufReader<File>,
    read: u64,
}

impl Input {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        self.read += N as u64;
        Ok(bytes)
    }

    fn hash(&mut self, mut bytes: u64, hash: &mut Xxh3) -> io::Result<()> {
        let mut chunk = [0; 512];
        while bytes > 0 {
            let length = usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            let Some(part) = chunk.get_mut(..length) else {
                break;
            };
            self.from.read_exact(part)?;
            hash.update(part);
            self.read += length as u64;
            bytes -= length as u64;
        }
        Ok(())
    }
}

/// Reads one batch; false when it is not one.
fn batch(input: &mut Input) -> io::Result<bool> {
    if input.take::<1>()? != [1] {
        return Ok(false);
    }
    let count = u32::from_le_bytes(input.take()?);
    input.take::<8>()?;
    let mut hash = Xxh3::new();
    for _ in 0..count {
        match input.take::<1>()? {
            [2] => {
                let head = input.take::<20>()?;
                hash.update(&[2]);
                hash.update(&head);
                let [
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    k0,
                    k1,
                    v0,
                    v1,
                    v2,
                    v3,
                    s0,
                    s1,
                    s2,
                    s3,
                ] = head;
                let key = u16::from_le_bytes([k0, k1]);
                let value = u32::from_le_bytes([v0, v1, v2, v3]);
                let stored = u32::from_le_bytes([s0, s1, s2, s3]);
                let [kind, compression, ..] = head;
                if kind > 4 || compression > 1 || (compression == 0 && value != stored) {
                    return Ok(false);
                }
                input.hash(u64::from(key) + u64::from(stored), &mut hash)?;
            }
            [4] => {
                hash.update(&[4]);
                hash.update(&input.take::<8>()?);
            }
            _ => return Ok(false),
        }
    }
    if input.take::<1>()? != [3] {
        return Ok(false);
    }
    let check = u64::from_le_bytes(input.take()?);
    Ok(input.take()? == *TRAILER && check == hash.digest())
}
