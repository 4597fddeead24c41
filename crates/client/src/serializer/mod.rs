//! Archives: a space as one file, and back.

mod clone;
mod container;
mod record;
mod restore;
mod write;

use std::io::{Read, Seek, SeekFrom};

use dxos_actors::SpawnError;
use dxos_keys::{ContentKey, ObjectId, SpaceKey};
use dxos_protocol::echo::EndRestore;
use zeroize::Zeroizing;

use self::container::Reader;
use self::record::{Header, Order, Record};
use crate::{Client, ClientError, Node, NodeError, Space};

const ECHO: &str = "ECHO";

/// Who may read an archive. It holds the content keys of its space, and so everything in it.
#[derive(Clone)]
#[non_exhaustive]
pub enum ArchiveProtection {
    /// Whoever has this passphrase: it is encrypted.
    Passphrase(Zeroizing<String>),
    /// Whoever has the file. To be chosen explicitly.
    Plain,
}

impl std::fmt::Debug for ArchiveProtection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Plain => "Plain",
        })
    }
}

/// What an archive brings back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreAs {
    /// The same space, for a device of an identity that is a member of it. What the device has of
    /// it already stays; doing it again changes nothing.
    #[default]
    Same,
    /// A new space, of which this identity is the only member, with the objects as they showed:
    /// the same ids, references, tags, keys and schemas. Texts and lists are there with what they
    /// hold; who wrote what, and history, are not.
    Clone,
}

/// How an archive is read back.
#[derive(Clone, Default)]
pub struct RestoreOptions {
    /// What becomes of it.
    pub restore_as: RestoreAs,
    /// The passphrase, for an archive that was written under one.
    pub passphrase: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for RestoreOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RestoreOptions")
            .field("restore_as", &self.restore_as)
            .finish_non_exhaustive()
    }
}

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ArchiveContents {
    /// The space that it is of.
    pub space: SpaceKey,
    /// The version of the program that wrote it.
    pub program: String,
    /// When, by the clock of the device that wrote it, in milliseconds since 1970.
    pub time_ms: u64,
    /// How many blocks.
    pub blocks: u64,
    /// How many objects: those that the writer could read and that were not deleted.
    pub objects: u64,
    /// The bytes of the largest of them. One of more than 700 KiB keeps the space from being
    /// cloned.
    pub largest_object: usize,
}

/// Why an archive was not written, or not read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is not as it was written. Nothing of it is used.
    #[error("the archive was altered or damaged; nothing was restored: use another copy")]
    Altered,
    /// The client refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is nothing in the file.
    #[error("the archive is empty; use another copy")]
    Empty,
    /// It is whole, but what it holds makes no sense.
    #[error("the archive cannot be used: {reason}; nothing was restored")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("the archive cannot be read or written: {reason}")]
    Io {
        /// What the operating system said.
        reason: String,
    },
    /// It was written under a passphrase.
    #[error("the archive is encrypted; give the passphrase that it was written under")]
    NeedsPassphrase,
    /// A newer program wrote it. Use that.
    #[error("the archive has format {found}, this program reads {known}; use a newer program")]
    Newer {
        /// Its format.
        found: u8,
        /// The newest one that is known here.
        known: u8,
    },
    /// The file is something else.
    #[error("this is no archive of a space")]
    NotAnArchive,
    /// An object is larger than an archive, or a transaction, can hold.
    #[error("an object of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A property is larger than what a transaction of a clone can hold. The same space can be
    /// restored.
    #[error(
        "property {property:?} of object {object} has {bytes} bytes, more than a transaction of a \
         clone takes; restore it as the same space"
    )]
    PropertyTooLarge {
        /// The object.
        object: ObjectId,
        /// Its property.
        property: String,
        /// The size of that.
        bytes: usize,
    },
    /// Its end is missing. Nothing of it is used.
    #[error("the archive is cut short; nothing was restored: use another copy")]
    Truncated,
    /// The passphrase is another.
    #[error("wrong passphrase for the archive; nothing was restored")]
    WrongPassphrase,
}

impl ArchiveError {
    fn invalid(error: &dyn std::error::Error) -> Self {
        Self::Invalid {
            reason: error.to_string(),
        }
    }
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> Self {
        Self::Io {
            reason: error.to_string(),
        }
    }
}

impl From<SpawnError> for ArchiveError {
    fn from(error: SpawnError) -> Self {
        Self::Client(NodeError::from(error).into())
    }
}

/// Writes spaces into archives and brings them back. See [`Client::create_serializer`].
///
/// An archive has everything that its writer has of a space, also branches that forks had cut away
/// and on which others built. It is one file, of a format of its own, with a checksum over all of
/// it. It is read to its end before anything of it is used: one that was cut or altered, is of
/// another kind, or is encrypted under another passphrase changes nothing.
#[derive(Clone, Debug)]
pub struct Serializer {
    client: Client,
}

impl Client {
    /// What writes spaces into archives, and brings them back.
    pub fn create_serializer(&self) -> Serializer {
        Serializer {
            client: self.clone(),
        }
    }
}

impl Serializer {
    /// Reads an archive to its end and tells what it holds. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`] says what is wrong with it.
    pub async fn inspect<R: Read + Seek + Send + 'static>(
        &self,
        archive: R,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<ArchiveContents, ArchiveError> {
        let node = self.client.node()?;
        let checked = node
            .spawner
            .blocking(move || Checked::read(archive, passphrase));
        Ok(checked.await??.contents)
    }

    /// Brings a space back. The archive is read three times: whether it is whole, whether it
    /// makes sense, and then to be used.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`] says what is wrong with it; [`ArchiveError::Client`] when this identity
    /// is no member of the space, or the store fails.
    pub async fn deserialize_space<R: Read + Seek + Send + 'static>(
        &self,
        archive: R,
        options: RestoreOptions,
    ) -> Result<Space, ArchiveError> {
        let node = self.client.node()?;
        let RestoreOptions {
            restore_as,
            passphrase,
        } = options;
        let checked = node
            .spawner
            .blocking(move || Checked::read(archive, passphrase));
        let checked = checked.await??;
        match restore_as {
            RestoreAs::Same => self.restore(checked).await,
            RestoreAs::Clone => self.clone_space(checked).await,
        }
    }
}

/// All of an archive is taken in, and on the disk.
async fn end_restore(node: &Node, space: SpaceKey) -> Result<(), ArchiveError> {
    let ended = node.echo.end_restore().ask(EndRestore { space }).await;
    let ended = ended.map_err(ClientError::unanswered(ECHO))?;
    Ok(ended.map_err(ClientError::from)?)
}

/// An archive that was read to its end.
struct Checked<R> {
    archive: R,
    /// Where it begins.
    start: u64,
    key: Option<ContentKey>,
    header: Header,
    contents: ArchiveContents,
}

impl<R: Read + Seek> Checked<R> {
    fn read(mut archive: R, passphrase: Option<Zeroizing<String>>) -> Result<Self, ArchiveError> {
        let start = archive.stream_position()?;
        let preamble = container::check(&mut std::io::BufReader::new(&mut archive))?;
        let key = preamble.unlock(passphrase.as_ref().map(|text| text.as_str()))?;
        archive.seek(SeekFrom::Start(start))?;
        let mut order = Order::default();
        let mut reader = Reader::begin(std::io::BufReader::new(&mut archive), key.clone())?;
        while let Some(record) = reader.record()? {
            order.next(&Record::decode(&Zeroizing::new(record))?)?;
        }
        let (header, contents) = order.finish()?;
        Ok(Self {
            archive,
            start,
            key,
            header,
            contents,
        })
    }

    /// Its records, from the first one on.
    fn records(mut self) -> Result<Records<R>, ArchiveError> {
        self.archive.seek(SeekFrom::Start(self.start))?;
        let archive = std::io::BufReader::new(self.archive);
        Ok(Records {
            reader: Reader::begin(archive, self.key)?,
            ahead: None,
        })
    }
}

/// The records of an archive that was read to its end before.
struct Records<R> {
    reader: Reader<std::io::BufReader<R>>,
    /// One that was read too early.
    ahead: Option<Record>,
}

impl<R: Read> Records<R> {
    fn next(&mut self) -> Result<Option<Record>, ArchiveError> {
        if let Some(record) = self.ahead.take() {
            return Ok(Some(record));
        }
        let record = self.reader.record()?.map(Zeroizing::new);
        record.map(|record| Record::decode(&record)).transpose()
    }
}
