//! What the records of an archive are, in which order they come, and whether they fit together.

use dxos_document::{Limits, META, Map, Object, Op, QueueOp, Transaction};
use dxos_keys::{ContentKey, SpaceKey};
use dxos_protocol::echo::{ArchivedRun, PROPERTIES_TYPE};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ArchiveContents, ArchiveError};

/// That of records without cut branches, which no release wrote, was 1.
const VERSION: u8 = 2;
/// The place of the last record among all kinds.
const END: u8 = 8;

/// One record. They come in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Record {
    /// The first one.
    Header(Header),
    /// Control blocks, those of cut branches among them, each behind its causes; and proofs that
    /// feeds were forked.
    Control(ArchivedRun),
    /// A content key.
    Key([u8; 32]),
    /// The same of data.
    Data(ArchivedRun),
    /// An object as it showed: a transaction that creates it.
    Object(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The last one: how many there were.
    End(Counts),
    /// A part of the snapshot of an epoch, its list first: it stands for older blocks. Between
    /// keys and data blocks.
    Part(bytes::Bytes),
    /// Items of queues, and how much these are to hold: a transaction. Behind the objects.
    Queues(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// What an archive is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) space: SpaceKey,
    /// The version of the program that wrote it.
    pub(super) program: String,
    /// When, by the clock of the device, in milliseconds since 1970.
    pub(super) time_ms: u64,
    /// The properties of the space, such as its name: a transaction that creates an object of
    /// them.
    #[serde(with = "serde_bytes")]
    pub(super) properties: Vec<u8>,
}

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    control_blocks: u64,
    proofs: u64,
    keys: u64,
    data_blocks: u64,
    objects: u64,
}

/// Looks at records as they are written or read: their order, and whether they belong together.
#[derive(Debug, Default)]
pub(super) struct Order {
    header: Option<Header>,
    place: u8,
    counts: Counts,
    largest_object: usize,
}

impl Record {
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let bytes = dxos_wire::encode(VERSION, self);
        bytes
            .map(Zeroizing::new)
            .map_err(|error| ArchiveError::invalid(&error))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ArchiveError> {
        dxos_wire::decode(VERSION, bytes).map_err(|error| ArchiveError::invalid(&error))
    }

    pub(super) fn key(key: &ContentKey) -> Self {
        Self::Key(*key.expose())
    }

    pub(super) fn object(object: &Object) -> Result<Self, ArchiveError> {
        let mut properties = object.properties().clone();
        if let Some(meta) = object.meta() {
            properties.insert(META.into(), meta.to_value());
        }
        let create = Op::Create {
            object: object.id(),
            type_name: object.type_name().clone(),
            properties,
        };
        Ok(Self::Object(encode_op(create)?))
    }

    /// What is done to queues.
    pub(super) fn queues(queues: Vec<QueueOp>) -> Result<Self, ArchiveError> {
        let transaction = Transaction {
            queues,
            ..Transaction::new()
        };
        let bytes = transaction.encode(&Limits::default());
        let bytes = bytes.map_err(|error| ArchiveError::invalid(&error))?;
        Ok(Self::Queues(bytes))
    }
}

/// What is done to queues.
pub(super) fn decode_queues(bytes: &[u8]) -> Result<Vec<QueueOp>, ArchiveError> {
    let transaction = Transaction::decode(bytes, &Limits::default());
    Ok(transaction
        .map_err(|error| ArchiveError::invalid(&error))?
        .queues)
}

fn encode_op(op: Op) -> Result<Vec<u8>, ArchiveError> {
    let bytes = Transaction::new().with(op).encode(&Limits::default());
    bytes.map_err(|error| ArchiveError::invalid(&error))
}

/// The operation that creates an object.
pub(super) fn decode_op(bytes: &[u8]) -> Result<Op, ArchiveError> {
    let transaction = Transaction::decode(bytes, &Limits::default());
    let mut transaction = transaction.map_err(|error| ArchiveError::invalid(&error))?;
    match (transaction.ops.pop(), transaction.ops.pop()) {
        (Some(op @ Op::Create { .. }), None) => Ok(op),
        _ => Err(ArchiveError::Invalid {
            reason: "an object is not one that is created".to_owned(),
        }),
    }
}

impl Header {
    pub(super) fn new(
        space: SpaceKey,
        time_ms: u64,
        properties: Map,
    ) -> Result<Self, ArchiveError> {
        let create = Op::Create {
            object: dxos_protocol::echo::properties_object(&space),
            type_name: PROPERTIES_TYPE.into(),
            properties,
        };
        Ok(Self {
            space,
            program: crate::VERSION.to_owned(),
            time_ms,
            properties: encode_op(create)?,
        })
    }

    pub(super) fn properties(&self) -> Result<Map, ArchiveError> {
        match decode_op(&self.properties)? {
            Op::Create { properties, .. } => Ok(properties),
            _ => Ok(Map::new()),
        }
    }
}

impl Order {
    /// Takes note of the next record.
    pub(super) fn next(&mut self, record: &Record) -> Result<(), ArchiveError> {
        let refuse = |reason: &str| {
            let reason = reason.to_owned();
            Err(ArchiveError::Invalid { reason })
        };
        let place = match record {
            Record::Header(_) => 1,
            Record::Control(..) => 2,
            Record::Key(_) => 3,
            Record::Part(_) => 4,
            Record::Data(..) => 5,
            Record::Object(_) => 6,
            Record::Queues(_) => 7,
            Record::End(_) => END,
        };
        let first = self.place == 0;
        if first != (place == 1) || place < self.place || self.place == END {
            return refuse("its records are not in order");
        }
        self.place = place;
        let space = self.header.as_ref().map(|header| header.space);
        match record {
            Record::Header(header) => {
                header.properties()?;
                self.header = Some(header.clone());
            }
            Record::Control(archived) | Record::Data(archived) => {
                let ArchivedRun {
                    descriptor,
                    run,
                    fork,
                    ..
                } = archived;
                let feed = descriptor.id();
                let is_other = run.as_ref().is_some_and(|run| run.feed != feed);
                if Some(descriptor.space) != space || is_other {
                    return refuse("it holds blocks of another space or feed");
                }
                if let Some(fork) = fork {
                    if fork.feed() != feed || fork.verify().is_err() {
                        return refuse("it holds a proof of a fork that proves nothing");
                    }
                    self.counts.proofs += 1;
                }
                let blocks = run.as_ref().map_or(0, |run| run.blocks.len() as u64);
                if matches!(record, Record::Control(..)) {
                    self.counts.control_blocks += blocks;
                } else {
                    self.counts.data_blocks += blocks;
                }
            }
            Record::Key(_) => self.counts.keys += 1,
            // The list says which there are.
            Record::Part(_) => {}
            Record::Object(object) => {
                decode_op(object)?;
                self.largest_object = self.largest_object.max(object.len());
                self.counts.objects += 1;
            }
            Record::Queues(queues) => drop(decode_queues(queues)?),
            Record::End(counts) => {
                if *counts != self.counts {
                    return refuse("something is missing in it");
                }
            }
        }
        Ok(())
    }

    /// The record to end with.
    pub(super) const fn end(&self) -> Record {
        Record::End(self.counts)
    }

    /// What was there, when all of it was.
    pub(super) fn finish(self) -> Result<(Header, ArchiveContents), ArchiveError> {
        match (self.header, self.place) {
            (Some(header), END) => {
                let contents = ArchiveContents {
                    space: header.space,
                    program: header.program.clone(),
                    time_ms: header.time_ms,
                    blocks: self.counts.control_blocks + self.counts.data_blocks,
                    objects: self.counts.objects,
                    largest_object: self.largest_object,
                };
                Ok((header, contents))
            }
            _ => Err(ArchiveError::Invalid {
                reason: "its end is missing".to_owned(),
            }),
        }
    }
}
