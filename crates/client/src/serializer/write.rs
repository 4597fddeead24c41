//! Writing an archive.

use std::io::{BufWriter, IntoInnerError, Write};
use std::path::Path;
use std::time::Duration;

use dxos_document::{Direction, Map, QueueOp};
use dxos_protocol::echo::{
    ArchiveRest, ArchivedRun, EchoError, GetManifest, Manifest, ReadBlocks, ReadObjects, ReadPart,
};

use super::container::{Preamble, Writer};
use super::record::{Header, Order, Record};
use super::{ArchiveContents, ArchiveError, ArchiveProtection, ECHO, Serializer};
use crate::{ClientError, Draft, Existing, Node, Space, SpaceKey, StateHash};

/// A space of many control blocks takes its time.
const DEADLINE: Duration = Duration::from_secs(600);
/// About how many bytes of blocks are in memory at once.
const BLOCKS_BYTES: usize = 1024 * 1024;
/// How many objects are in memory at once.
const OBJECTS: usize = 64;

/// An archive that is being written.
struct Unfinished<W> {
    writer: Writer<W>,
    order: Order,
}

impl<W: Write> Unfinished<W> {
    fn push(&mut self, record: &Record) -> Result<(), ArchiveError> {
        self.order.next(record)?;
        self.writer.record(&record.encode()?)
    }

    fn finish(mut self) -> Result<(W, ArchiveContents), ArchiveError> {
        self.push(&self.order.end())?;
        let (_, contents) = self.order.finish()?;
        Ok((self.writer.finish()?, contents))
    }
}

impl Serializer {
    /// Writes a space into an archive, and gives back what it was written to. It is read in
    /// parts: memory is bounded. What is written to the space meanwhile may be among the objects,
    /// and is not among the blocks.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Io`] when it cannot be written, [`ArchiveError::Client`] when the space
    /// cannot be read.
    pub async fn serialize_space<W: Write + Send + 'static>(
        &self,
        space: &Space,
        protection: ArchiveProtection,
        to: W,
    ) -> Result<(W, ArchiveContents), ArchiveError> {
        let node = self.client.node()?;
        let key = space.key();
        let report = space.report().await?;
        let properties = report.properties.into_iter();
        let properties: Map = properties
            .map(|(name, value)| (name.into(), value))
            .collect();
        let header = Header::new(key, node.clock.wall_ms(), properties)?;
        let manifest = manifest(&node, key).await?;
        let Manifest {
            control,
            keys,
            parts,
            data,
        } = manifest;
        let salt = matches!(protection, ArchiveProtection::Passphrase(_)).then(|| {
            let mut salt = [0; 16];
            node.with_rng(|rng| rand_core::Rng::fill_bytes(rng, &mut salt));
            salt
        });
        let begun = node.spawner.blocking(move || {
            let preamble = Preamble::new(salt);
            let key = match &protection {
                ArchiveProtection::Passphrase(passphrase) => preamble.unlock(Some(passphrase))?,
                ArchiveProtection::Plain => None,
            };
            let mut draft = Unfinished {
                writer: Writer::begin(to, &preamble, key)?,
                order: Order::default(),
            };
            draft.push(&Record::Header(header))?;
            Ok::<_, ArchiveError>(draft)
        });
        let draft = begun.await??;
        let draft = write_blocks((&node, key), (control, Record::Control), draft).await?;
        let written = node.spawner.blocking(move || {
            let mut draft = draft;
            for key in &keys {
                draft.push(&Record::key(key))?;
            }
            Ok::<_, ArchiveError>(draft)
        });
        let draft = written.await??;
        let draft = write_parts(&node, key, parts, draft).await?;
        let draft = write_blocks((&node, key), (data, Record::Data), draft).await?;
        let draft = write_objects(&node, key, draft).await?;
        let draft = write_queues(space, draft).await?;
        node.spawner.blocking(move || draft.finish()).await?
    }

    /// Writes a space into a new file, that is for its user alone. When it fails there is no
    /// file.
    ///
    /// # Errors
    ///
    /// As for [`Serializer::serialize_space`]; [`ArchiveError::Io`] when there is a file already.
    pub async fn serialize_space_to(
        &self,
        space: &Space,
        protection: ArchiveProtection,
        path: &Path,
    ) -> Result<ArchiveContents, ArchiveError> {
        let to = BufWriter::new(Draft::create(path, Existing::Refuse)?);
        let (to, contents) = self.serialize_space(space, protection, to).await?;
        let node = self.client.node()?;
        let finished = node.spawner.blocking(move || {
            let draft = to.into_inner().map_err(IntoInnerError::into_error)?;
            draft.finish()
        });
        finished.await??;
        Ok(contents)
    }
}

async fn manifest(node: &Node, space: SpaceKey) -> Result<Manifest, ClientError> {
    let manifest = node
        .echo
        .manifest()
        .with_deadline(DEADLINE)
        .ask(GetManifest { space })
        .await;
    Ok(manifest.map_err(ClientError::unanswered(ECHO))??)
}

async fn write_parts<W: Write + Send + 'static>(
    node: &Node,
    space: SpaceKey,
    parts: Vec<StateHash>,
    mut draft: Unfinished<W>,
) -> Result<Unfinished<W>, ArchiveError> {
    for part in parts {
        let read = node.echo.read_part().ask(ReadPart { space, part }).await;
        let read = read.map_err(ClientError::unanswered(ECHO))?;
        // Another epoch may have taken its place meanwhile.
        let gone = || ClientError::from(EchoError::PastChanged);
        let part = read.map_err(ClientError::from)?.ok_or_else(gone)?;
        let written = node.spawner.blocking(move || {
            draft.push(&Record::Part(part))?;
            Ok::<_, ArchiveError>(draft)
        });
        draft = written.await??;
    }
    Ok(draft)
}

async fn write_blocks<W: Write + Send + 'static>(
    (node, space): (&Node, SpaceKey),
    (mut rest, record): (ArchiveRest, fn(ArchivedRun) -> Record),
    mut draft: Unfinished<W>,
) -> Result<Unfinished<W>, ArchiveError> {
    loop {
        let read = ReadBlocks {
            space,
            rest,
            bytes_max: BLOCKS_BYTES,
        };
        let read = node
            .echo
            .read_blocks()
            .with_deadline(DEADLINE)
            .ask(read)
            .await;
        let read: Result<_, EchoError> = read.map_err(ClientError::unanswered(ECHO))?;
        let (runs, left) = read.map_err(ClientError::from)?;
        if runs.is_empty() {
            return Ok(draft);
        }
        rest = left;
        let written = node.spawner.blocking(move || {
            for run in runs {
                draft.push(&record(run))?;
            }
            Ok::<_, ArchiveError>(draft)
        });
        draft = written.await??;
    }
}

async fn write_objects<W: Write + Send + 'static>(
    node: &Node,
    space: SpaceKey,
    mut draft: Unfinished<W>,
) -> Result<Unfinished<W>, ArchiveError> {
    let mut after = None;
    loop {
        let read = ReadObjects {
            space,
            after,
            limit: OBJECTS,
        };
        let objects = node.echo.read_objects().ask(read).await;
        let objects = objects.map_err(ClientError::unanswered(ECHO))?;
        let objects = objects.map_err(ClientError::from)?;
        let Some(last) = objects.last() else {
            return Ok(draft);
        };
        after = Some(last.id());
        let written = node.spawner.blocking(move || {
            for object in objects {
                draft.push(&Record::object(&object)?)?;
            }
            Ok::<_, ArchiveError>(draft)
        });
        draft = written.await??;
    }
}

async fn write_queues<W: Write + Send + 'static>(
    space: &Space,
    mut draft: Unfinished<W>,
) -> Result<Unfinished<W>, ArchiveError> {
    let node = space.client().node()?;
    for report in space.queues().await? {
        let queue = space.queue(report.name.as_str());
        let mut position = None;
        loop {
            let items = queue.items(Direction::Ascending, position, OBJECTS).await?;
            let is_last = items.is_empty();
            let ops = match items.last() {
                Some(last) => {
                    position = Some(last.position);
                    QueueOp::Append {
                        queue: report.name.clone(),
                        nonce: [0; 16],
                        items: items.into_iter().map(|item| item.value).collect(),
                    }
                }
                // Behind the items, or they would be dropped one by one.
                None => QueueOp::Retain {
                    queue: report.name.clone(),
                    retention: report.retention,
                },
            };
            let written = node.spawner.blocking(move || {
                draft.push(&Record::queues(vec![ops])?)?;
                Ok::<_, ArchiveError>(draft)
            });
            draft = written.await??;
            if is_last {
                break;
            }
        }
    }
    Ok(draft)
}
