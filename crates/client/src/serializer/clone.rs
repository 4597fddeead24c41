//! A new space with the objects and queues of an archive.

use std::io::{Read, Seek};

use dxos_document::{META, Map, Op, Path, QueueOp, Transaction};
use dxos_protocol::echo::{CreateClone, Durability};
use dxos_schema::TypeSchema;

use super::record::{Record, decode_op, decode_queues};
use super::{ArchiveError, Checked, ECHO, Records, Serializer, end_restore};
use crate::{ClientError, Node, Space};

/// Objects in one transaction, if they are small.
const BATCH_OBJECTS_MAX: usize = 1000;
/// About how many bytes a transaction has at most; a block holds 768 KiB.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// A larger property does not fit a block as it is.
const PROPERTY_BYTES_MAX: usize = 700 * 1024;

/// What is next of the objects.
struct Batch {
    transaction: Transaction,
    queues: Vec<QueueOp>,
    end: bool,
}

impl Serializer {
    /// Schemas come last: what was written before they were stays as it is.
    pub(super) async fn clone_space<R: Read + Seek + Send + 'static>(
        &self,
        checked: Checked<R>,
    ) -> Result<Space, ArchiveError> {
        let node = self.client.node()?;
        let properties = checked.header.properties()?;
        let records = node.spawner.blocking(move || checked.records());
        let records = records.await??;
        let properties = properties.into_iter();
        let properties = properties.map(|(key, value)| (key.to_string(), value));
        let create = CreateClone {
            properties: properties.collect(),
        };
        let created = node.echo.create_clone().ask(create).await;
        let created = created.map_err(ClientError::unanswered(ECHO))?;
        let created = created.map_err(ClientError::from)?;
        let space = Space::new(self.client.clone(), created.space);
        match self.fill(&node, &space, records).await {
            Ok(()) => {
                node.keeper.nudge();
                Ok(space)
            }
            Err(error) => {
                // The next start removes it if this does not.
                if let Err(error) = space.delete().await {
                    tracing::warn!(%error, "a part of a clone is not removed yet");
                }
                Err(error)
            }
        }
    }

    async fn fill<R: Read + Seek + Send + 'static>(
        &self,
        node: &Node,
        space: &Space,
        mut records: Records<R>,
    ) -> Result<(), ArchiveError> {
        let mut schemas = Transaction::new();
        loop {
            let read = node.spawner.blocking(move || {
                let mut schemas = Vec::new();
                let batch = next_batch(&mut records, &mut schemas)?;
                Ok::<_, ArchiveError>((records, batch, schemas))
            });
            let (rest, batch, found) = read.await??;
            records = rest;
            schemas.ops.extend(found);
            for transaction in parts(batch.transaction)? {
                space.db().commit(transaction).await?;
            }
            for op in batch.queues {
                write_queue(space, op).await?;
            }
            if batch.end {
                break;
            }
        }
        for schema in schemas.ops {
            space.db().commit(Transaction::new().with(schema)).await?;
        }
        end_restore(node, space.key()).await
    }
}

/// The same in transactions that each fit a block: an object that has grown larger than one is
/// created with its tags and parent, and then assigned its properties.
fn parts(transaction: Transaction) -> Result<Vec<Transaction>, ArchiveError> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Transaction::new(), 0);
    let mut push = |op: Op, size: usize| {
        if bytes + size > BATCH_BYTES_MAX && !part.ops.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.ops.push(op);
    };
    for op in transaction.ops {
        let (object, type_name, mut properties) = match op {
            Op::Create {
                object,
                type_name,
                properties,
            } => (object, type_name, properties),
            other => {
                push(other, 0);
                continue;
            }
        };
        let size = dxos_records::size(&properties);
        let mut rest = Map::new();
        if size > BATCH_BYTES_MAX {
            let meta = properties.remove(META).map(|meta| (META.into(), meta));
            rest = std::mem::replace(&mut properties, meta.into_iter().collect());
        }
        let size = dxos_records::size(&properties);
        let create = Op::Create {
            object,
            type_name,
            properties,
        };
        push(create, size);
        for (key, value) in rest {
            let bytes = dxos_records::property_size(&key, &value);
            if bytes > PROPERTY_BYTES_MAX {
                return Err(ArchiveError::PropertyTooLarge {
                    object,
                    property: key.to_string(),
                    bytes,
                });
            }
            let path = Path::of([key]);
            let set = Op::Set {
                object,
                path,
                value,
            };
            push(set, bytes);
        }
    }
    if !part.ops.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}

/// Appends items in this device's name, as many at once as fit a block.
async fn write_queue(space: &Space, op: QueueOp) -> Result<(), ArchiveError> {
    match op {
        QueueOp::Append { queue, items, .. } => {
            let queue = space.queue(queue);
            let (mut some, mut bytes) = (Vec::new(), 0);
            for item in items {
                let size = item.encode().len();
                if bytes + size > BATCH_BYTES_MAX && !some.is_empty() {
                    let full = std::mem::take(&mut some);
                    queue.append_values(full, Durability::Interval).await?;
                    bytes = 0;
                }
                bytes += size;
                some.push(item);
            }
            if !some.is_empty() {
                queue.append_values(some, Durability::Interval).await?;
            }
        }
        QueueOp::Retain { queue, retention } => {
            space.queue(queue).set_retention(retention).await?;
        }
        QueueOp::Trim { .. } => {}
    }
    Ok(())
}

fn next_batch<R: Read>(
    records: &mut Records<R>,
    schemas: &mut Vec<Op>,
) -> Result<Batch, ArchiveError> {
    let mut transaction = Transaction::new();
    let mut queues = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES_MAX && transaction.ops.len() < BATCH_OBJECTS_MAX {
        match records.next()? {
            Some(Record::Object(object)) => {
                if bytes > 0 && bytes + object.len() > BATCH_BYTES_MAX {
                    records.ahead = Some(Record::Object(object));
                    break;
                }
                let op = decode_op(&object)?;
                bytes += object.len();
                match &op {
                    Op::Create { type_name, .. } if type_name.as_str() == TypeSchema::TYPE => {
                        schemas.push(op);
                    }
                    _ => transaction.ops.push(op),
                }
            }
            Some(Record::Queues(ops)) => {
                bytes += ops.len();
                queues.extend(decode_queues(&ops)?);
            }
            Some(Record::End(_)) | None => {
                return Ok(Batch {
                    transaction,
                    queues,
                    end: true,
                });
            }
            Some(_) => {}
        }
    }
    Ok(Batch {
        transaction,
        queues,
        end: false,
    })
}
