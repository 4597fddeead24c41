//! The same space again: its blocks and keys, taken in as from a peer.

use std::io::{Read, Seek};
use std::time::Duration;

use dxos_keys::ContentKey;
use dxos_protocol::echo::{
    ArchivedRun, EchoError, GetSpace, RestoreBlocks, RestoreNewSpace, RestoreSpace,
};

use super::record::Record;
use super::{ArchiveError, Checked, ECHO, Records, Serializer, end_restore};
use crate::{ClientError, Node, Space, SpaceKey};

/// What a key opens may have to be read again.
const DEADLINE: Duration = Duration::from_secs(600);
/// About how many bytes of blocks are taken in at once.
const STEP_BYTES: usize = 512 * 1024;

/// What is next of an archive: records of one kind, as many as make a step.
enum Part {
    Control(Vec<ArchivedRun>),
    /// Keys, parts of a snapshot, or data blocks.
    Blocks(RestoreBlocks),
    End,
}

impl Serializer {
    pub(super) async fn restore<R: Read + Seek + Send + 'static>(
        &self,
        checked: Checked<R>,
    ) -> Result<Space, ArchiveError> {
        let node = self.client.node()?;
        let space = checked.header.space;
        let here = node.echo.get_space().ask(GetSpace { space }).await;
        let here = match here.map_err(ClientError::unanswered(ECHO))? {
            Ok(_) => true,
            Err(EchoError::UnknownSpace { .. }) => false,
            Err(error) => return Err(ClientError::from(error).into()),
        };
        let records = node.spawner.blocking(move || checked.records());
        let mut records = records.await??;
        // Until the space is here: all control blocks together show whether this identity is a
        // member, and nothing is written when it is not.
        let mut admission: Option<Vec<ArchivedRun>> = (!here).then(Vec::new);
        loop {
            let read = node.spawner.blocking(move || {
                let part = next_part(&mut records)?;
                Ok::<_, ArchiveError>((records, part))
            });
            let (rest, part) = read.await??;
            records = rest;
            match (part, &mut admission) {
                (Part::Control(runs), Some(admission)) => admission.extend(runs),
                (Part::Control(runs), None) => {
                    let blocks = RestoreBlocks {
                        runs,
                        ..RestoreBlocks::default()
                    };
                    take_in(&node, space, blocks).await?;
                }
                (part, admission) => {
                    if let Some(control) = admission.take() {
                        join(&node, space, control).await?;
                    }
                    match part {
                        Part::Blocks(blocks) => take_in(&node, space, blocks).await?,
                        _ => break,
                    }
                }
            }
        }
        end_restore(&node, space).await?;
        let space = Space::new(self.client.clone(), space);
        space.db().flush().await?;
        node.keeper.nudge();
        Ok(space)
    }
}

async fn take_in(node: &Node, space: SpaceKey, blocks: RestoreBlocks) -> Result<(), ArchiveError> {
    let restore = RestoreSpace { space, blocks };
    let restored = node
        .echo
        .restore_space()
        .with_deadline(DEADLINE)
        .ask(restore)
        .await;
    let restored = restored.map_err(ClientError::unanswered(ECHO))?;
    Ok(restored.map_err(ClientError::from)?)
}

async fn join(node: &Node, space: SpaceKey, control: Vec<ArchivedRun>) -> Result<(), ArchiveError> {
    if control.is_empty() {
        return Err(ArchiveError::Invalid {
            reason: "it does not say who the members of the space are".to_owned(),
        });
    }
    let joined = node
        .echo
        .restore_new_space()
        .with_deadline(DEADLINE)
        .ask(RestoreNewSpace { space, control })
        .await;
    let joined = joined.map_err(ClientError::unanswered(ECHO))?;
    joined.map_err(ClientError::from)?;
    Ok(())
}

/// A proof may be as large as that.
fn size(archived: &ArchivedRun) -> usize {
    let proof = archived.fork.as_ref().map_or(0, |_| STEP_BYTES / 4);
    archived.bytes() + proof
}

fn next_part<R: Read>(records: &mut Records<R>) -> Result<Part, ArchiveError> {
    let mut control = Vec::new();
    let mut blocks = RestoreBlocks::default();
    let mut bytes = 0;
    while bytes < STEP_BYTES {
        match records.next()? {
            Some(Record::Header(_)) => {}
            Some(Record::Control(archived)) => {
                bytes += size(&archived);
                control.push(archived);
            }
            // What follows has to find the members, or the keys, before it.
            Some(record) if !control.is_empty() => {
                records.ahead = Some(record);
                break;
            }
            Some(record @ (Record::Part(_) | Record::Data(..))) if !blocks.keys.is_empty() => {
                records.ahead = Some(record);
                break;
            }
            Some(record @ Record::Data(..)) if !blocks.parts.is_empty() => {
                records.ahead = Some(record);
                break;
            }
            Some(Record::Key(key)) => {
                bytes += STEP_BYTES / 1024;
                blocks.keys.push(ContentKey::from_bytes(key));
            }
            Some(Record::Part(part)) => {
                bytes += part.len();
                blocks.parts.push(part);
            }
            Some(Record::Data(archived)) => {
                bytes += size(&archived);
                blocks.runs.push(archived);
            }
            Some(record @ (Record::Object(_) | Record::Queues(_) | Record::End(_))) => {
                records.ahead = Some(record);
                break;
            }
            None => break,
        }
    }
    Ok(if !control.is_empty() {
        Part::Control(control)
    } else if bytes > 0 {
        Part::Blocks(blocks)
    } else {
        Part::End
    })
}
