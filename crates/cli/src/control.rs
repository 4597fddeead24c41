//! How a command reaches the process that has its profile open: `dx serve` and `dx host` answer
//! for it, so that `dx device list` works while they run, and tells who is online.
//!
//! The one that serves listens on loopback, and writes its port and a key that it draws each time
//! into the file `control` of the profile, for this user alone. Everything after a nonce of each
//! side is sealed with that key, bound to both nonces, the direction and the place in the
//! conversation: whoever cannot read the profile can neither ask nor answer nor listen, also not
//! one that took over the port of a process that was killed.

mod asker;
mod server;
mod within;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dxos_actors::SeedTree;
use dxos_keys::ContentKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub(crate) use asker::forward;
pub(crate) use server::Server;
pub(crate) use within::{Undo, Within};

use crate::arguments::{Command, IdentityCommand};

/// Bytes of a sealed frame at most.
const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Bytes of what a command prints that go into one frame.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// How long the other side may take to show that it has the key, and to take a frame.
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
        /// Columns of the terminal.
        width: Option<u16>,
    },
    /// What the user said to a question; `None` when there is nobody to ask.
    Answer(Option<String>),
}

/// What goes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Told {
    /// The key is known here: what is asked may follow.
    Ready,
    /// For standard output, as it is.
    Out(String),
    /// For standard error, a line.
    Note(String),
    /// A question to the user.
    Ask(Question),
    /// The command has ended well.
    Done,
    /// It has not.
    Failed(String),
}

/// What only the user can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The code of an invitation.
    Code,
    /// Whether this is meant.
    Confirm(String),
    /// The passphrase of the profile.
    Passphrase,
    /// A new one.
    NewPassphrase,
    /// What is in a file, or comes on standard input.
    Input(PathBuf),
}

/// Whether another process may run a command for this one: those that look at the profile or
/// change it, invite or join, and neither stay nor touch files. A recovery phrase is shown where
/// it is known whether it was.
pub(crate) const fn forwards(command: &Command) -> bool {
    match command {
        Command::Identity(command) => !matches!(
            command,
            IdentityCommand::Phrase
                | IdentityCommand::Verify { .. }
                | IdentityCommand::VerifyChain { .. }
        ),
        Command::Device(_)
        | Command::Invitation(_)
        | Command::Keyring(_)
        | Command::Lock
        | Command::Member(_)
        | Command::Object(_)
        | Command::Query(_)
        | Command::Queue(_)
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

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Asker,
    Server,
}

/// One conversation.
struct Channel {
    stream: TcpStream,
    key: ContentKey,
    side: Side,
    /// The nonces of both, the asker's first.
    nonces: [u8; 2 * KEY_BYTES],
    sent: u64,
    received: u64,
}

impl Channel {
    /// Exchanges nonces. What proves the key is the first frame.
    async fn open(mut stream: TcpStream, key: ContentKey, side: Side) -> Result<Self> {
        let mut nonces = [0; 2 * KEY_BYTES];
        let drawn = ContentKey::generate(&mut SeedTree::from_os()?.rng_of("control"));
        let exchange = async {
            let (asker, server) = nonces.split_at_mut(KEY_BYTES);
            let (own, other) = match side {
                Side::Asker => (asker, server),
                Side::Server => (server, asker),
            };
            own.copy_from_slice(drawn.expose());
            stream.set_nodelay(true)?;
            stream.write_all(own).await?;
            stream.read_exact(other).await
        };
        tokio::time::timeout(PATIENCE, exchange).await??;
        Ok(Self {
            stream,
            key,
            side,
            nonces,
            sent: 0,
            received: 0,
        })
    }

    fn associated(&self, from: Side, number: u64) -> Vec<u8> {
        let mut bytes = self.nonces.to_vec();
        bytes.push(u8::from(from == Side::Server));
        bytes.extend(number.to_le_bytes());
        bytes
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<()> {
        let plain = Zeroizing::new(serde_json::to_vec(message)?);
        let sealed = self
            .key
            .seal(&self.associated(self.side, self.sent), &plain);
        ensure!(
            sealed.len() <= FRAME_BYTES_MAX,
            "the command line is too long"
        );
        self.sent += 1;
        let length = u32::try_from(sealed.len())?.to_le_bytes();
        let write = async {
            self.stream.write_all(&length).await?;
            self.stream.write_all(&sealed).await
        };
        tokio::time::timeout(PATIENCE, write).await??;
        Ok(())
    }

    /// Waits until the other side has gone, or said something unasked.
    async fn gone(&self) {
        drop(self.stream.peek(&mut [0]).await);
    }

    /// The next frame. Whoever waits for something that takes time gives no `patience`.
    async fn receive<T: DeserializeOwned>(&mut self, patience: Option<Duration>) -> Result<T> {
        let read = async {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).await?;
            let length = usize::try_from(u32::from_le_bytes(length))?;
            if length > FRAME_BYTES_MAX {
                bail!("a frame of {length} bytes is too long");
            }
            let mut sealed = vec![0; length];
            self.stream.read_exact(&mut sealed).await?;
            Ok(sealed)
        };
        let sealed = match patience {
            Some(patience) => tokio::time::timeout(patience, read).await??,
            None => read.await?,
        };
        let from = match self.side {
            Side::Asker => Side::Server,
            Side::Server => Side::Asker,
        };
        let associated = self.associated(from, self.received);
        self.received += 1;
        let plain = Zeroizing::new(self.key.open(&associated, &sealed)?);
        serde_json::from_slice(&plain).context("a frame cannot be read")
    }
}

#[cfg(test)]
mod tests;
