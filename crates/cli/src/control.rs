//! How a command reaches the process that has its profile open: `dx serve` and `dx host` answer
//! for it, so that `dx device list` works while they run, and tells who is online.
//!
//! The one that serves listens on loopback, and writes its port and a key that it draws each time
//! into the file `control` of the profile, for this user alone. Everything after a nonce of each
//! side is sealed with that key, bound to both nonces, the direction and the place in the
//! conversation: whoever cannot read the profile can neither ask nor answer nor listen, also not
//! one that took over the port of a process that was killed.
//!
//! The files of a command, and standard input, stay with the process in which the user is, which
//! reads and writes them piece by piece. Each piece is asked for, or waits until it is taken:
//! neither side holds more than one.

mod asker;
mod channel;
mod files;
mod remote;
mod server;
mod within;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dxos_keys::ContentKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::channel::{Channel, Side};
pub(crate) use asker::{forward, is_served};
pub(crate) use files::Files;
pub(crate) use remote::{RemoteFile, RemoteReader};
pub(crate) use server::Server;
pub(crate) use within::{Undo, Within};

use crate::arguments::{Command, IdentityCommand};

/// Bytes of what a command prints that go into one frame. As JSON they may be six times as many.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a file that go into one frame.
const PIECE_BYTES_MAX: usize = 128 * 1024;
/// How long the other side may take to show that it has the key.
const PATIENCE: Duration = Duration::from_secs(5);
/// The file: a port and a key.
const FILE_BYTES: usize = 2 + KEY_BYTES;
const KEY_BYTES: usize = 32;

/// What goes from the one who asks.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
enum Asked {
    /// The command line, without the program's name.
    Run {
        version: String,
        arguments: Vec<String>,
        /// The directory in which the user is.
        directory: Option<String>,
        /// Columns of the terminal.
        width: Option<u16>,
        /// Whether somebody looks at how far it is.
        progress: bool,
    },
    /// What the user said to a question; `None` when there is nobody to ask.
    Answer(Option<String>),
    /// What was asked for of a file is done.
    Done,
    /// The file that is to be read is open, and has so many bytes as far as that is known.
    Opened(u64),
    /// What was read of it, behind the message. Nothing, when it has ended.
    Read,
}

/// What goes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Told {
    /// The key is known here: what is asked may follow.
    Ready,
    /// For standard output, as it is.
    Out(String),
    /// The same, behind the message: bytes of a file.
    OutBytes,
    /// For standard error, a line.
    Note(String),
    /// How far it is.
    Progress(Progress),
    /// The file that the command reads is to be opened.
    Open,
    /// Some of it is to be read, from there on or where it is.
    Read { from: Option<u64> },
    /// The file that the command writes is to be begun.
    Create,
    /// What stands behind the message is to be written to it.
    Write,
    /// It is whole.
    Finish,
    /// A question to the user.
    Ask(Question),
    /// The command has ended well.
    Done,
    /// It has not.
    Failed(String),
}

/// How far a command is, as far as that has changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) length: Option<u64>,
    pub(crate) position: Option<u64>,
    pub(crate) message: Option<String>,
}

/// What only the user can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The code of an invitation.
    Code,
    /// Whether this is meant.
    Confirm(String),
    /// The passphrase of an archive.
    ArchivePassphrase,
    /// The passphrase of the profile.
    Passphrase,
    /// A new one.
    NewPassphrase,
}

/// Whether another process may run a command for this one: those that look at the profile or
/// change it, invite or join, and do not stay. A recovery phrase is shown where it is known
/// whether it was.
pub(crate) const fn forwards(command: &Command) -> bool {
    match command {
        Command::Identity(command) => !matches!(
            command,
            IdentityCommand::Phrase
                | IdentityCommand::Verify { .. }
                | IdentityCommand::VerifyChain { .. }
        ),
        Command::Archive(_)
        | Command::Device(_)
        | Command::Doctor { .. }
        | Command::Export(_)
        | Command::Gc
        | Command::Import(_)
        | Command::Invitation(_)
        | Command::Keyring(_)
        | Command::Lock
        | Command::Member(_)
        | Command::Object(_)
        | Command::Query(_)
        | Command::Queue(_)
        | Command::Restore(_)
        | Command::Schema(_)
        | Command::Space(_)
        | Command::Status
        | Command::Unlock => true,
        _ => false,
    }
}

fn file_of(profile: &Path) -> PathBuf {
    profile.join("control")
}

/// Where a process listens, and the key to it.
struct Place {
    port: u16,
    key: ContentKey,
}

impl Place {
    /// Reads the file of a profile, if there is one that means anything.
    fn read(profile: &Path) -> Option<Self> {
        let bytes = Zeroizing::new(fs::read(file_of(profile)).ok()?);
        let (port, key) = bytes.split_first_chunk()?;
        let key: [u8; KEY_BYTES] = key.try_into().ok()?;
        Some(Self {
            port: u16::from_le_bytes(*port),
            key: ContentKey::from_bytes(key),
        })
    }

    /// Writes it, for this user alone and whole or not at all.
    fn write(&self, profile: &Path) -> std::io::Result<()> {
        let (path, unfinished) = (file_of(profile), profile.join("control.new"));
        drop(fs::remove_file(&unfinished));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
        bytes.extend_from_slice(&self.port.to_le_bytes());
        bytes.extend_from_slice(self.key.expose());
        options.open(&unfinished)?.write_all(&bytes)?;
        fs::rename(unfinished, path)
    }
}

#[cfg(test)]
mod tests;
