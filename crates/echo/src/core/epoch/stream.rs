//! Objects to chunks and back.

use std::ops::ControlFlow;

use dxos_document::ObjectState;
use dxos_keys::{ContentKey, HashDomain, Hasher, ObjectId, SpaceKey, StateHash};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::super::body;
use super::super::layout::{SNAPSHOTS, SpaceNumber, in_space};
use super::super::queue::rows::{QueueKey, SharedOrder, SharedRow};
use super::super::space::{decode_row, encode_row, store_failed};
use super::snapshot::{Bad, CHUNK_BYTES, Snapshot, Written, context, hash_part};

/// Bytes of an object's id and of the length of its state.
const HEAD_BYTES: usize = ObjectId::LENGTH + 8;
/// Bytes of one object: far beyond any that a store takes.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// The key of the row that holds a part of a snapshot.
pub(in crate::core) fn part_key(number: SpaceNumber, part: &StateHash) -> Vec<u8> {
    in_space(number, part.as_bytes())
}

/// What takes in a chunk as it is stored.
pub(super) type Sink<'a> = dyn FnMut(StateHash, Vec<u8>) -> Result<(), EchoError> + 'a;

/// What a snapshot is made like.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    /// What it is sealed with.
    pub(super) key: &'a ContentKey,
    /// Whether what was deleted is left out.
    pub(super) erases: bool,
}

/// Cuts what objects consist of into chunks.
pub(super) struct Chunker<'a> {
    space: SpaceKey,
    form: Form<'a>,
    plain: Vec<u8>,
    content: Hasher,
    objects: u64,
    rows: u64,
    bytes: u64,
    chunks: Vec<StateHash>,
}

impl<'a> Chunker<'a> {
    pub(super) fn new(space: SpaceKey, form: Form<'a>) -> Self {
        Self {
            space,
            form,
            plain: Vec::new(),
            content: Hasher::new(HashDomain::Snapshot),
            objects: 0,
            rows: 0,
            bytes: 0,
            chunks: Vec::new(),
        }
    }

    /// Adds an object: each after those with smaller ids.
    pub(super) fn push(
        &mut self,
        id: &ObjectId,
        mut state: ObjectState,
        sink: &mut Sink<'_>,
    ) -> Result<(), EchoError> {
        if self.form.erases {
            state.erase_deleted();
        }
        self.objects += 1;
        self.put(id.as_bytes(), &state.encode(), sink)
    }

    /// Adds a row of a queue, behind all objects: each in the order of [`SharedOrder`].
    pub(super) fn push_row(
        &mut self,
        queue: &QueueKey,
        row: &SharedRow,
        sink: &mut Sink<'_>,
    ) -> Result<(), EchoError> {
        self.rows += 1;
        self.put(queue, &encode_row(row)?, sink)
    }

    fn put(&mut self, id: &[u8; 16], bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), EchoError> {
        self.plain.extend_from_slice(id);
        self.plain
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.plain.extend_from_slice(bytes);
        while self.plain.len() >= CHUNK_BYTES {
            let rest = self.plain.split_off(CHUNK_BYTES);
            let chunk = std::mem::replace(&mut self.plain, rest);
            self.seal(&chunk, sink)?;
        }
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], sink: &mut Sink<'_>) -> Result<(), EchoError> {
        self.content.update(plain);
        self.bytes += plain.len() as u64;
        let number = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let associated = context(&self.space, number);
        let sealed = self.form.key.seal(&associated, &body::pack(plain));
        let hash = hash_part(&sealed);
        self.chunks.push(hash);
        sink(hash, sealed)
    }

    pub(super) fn finish(mut self, sink: &mut Sink<'_>) -> Result<Written, EchoError> {
        let rest = std::mem::take(&mut self.plain);
        if !rest.is_empty() {
            self.seal(&rest, sink)?;
        }
        Ok(Written {
            content: self.content.finish(),
            objects: self.objects,
            rows: self.rows,
            bytes: self.bytes,
            chunks: self.chunks,
        })
    }
}

/// Why the objects of a snapshot cannot be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is not what a snapshot is.
    Bad(Bad),
    /// The store failed, or lacks a chunk.
    Failed(EchoError),
}

/// What a snapshot consists of.
pub(in crate::core) enum Entry {
    Object(ObjectId, ObjectState),
    Row(QueueKey, SharedRow),
}

/// Passes what is in a snapshot whose chunks are in the store to `visit`: the objects, in the
/// order of their ids, and then the rows of queues.
pub(super) fn visit(
    snapshot: &Snapshot,
    space: &SpaceKey,
    key: &ContentKey,
    (store, number): (&dyn Read, SpaceNumber),
    visit: &mut dyn FnMut(Entry) -> Result<ControlFlow<()>, EchoError>,
) -> Result<(), ReadError> {
    let mut plain: Vec<u8> = Vec::new();
    let mut content = Hasher::new(HashDomain::Snapshot);
    let (mut last, mut objects): (Option<ObjectId>, u64) = (None, 0);
    let mut order = SharedOrder::default();
    for (chunk, hash) in (0_u32..).zip(&snapshot.chunks) {
        let row = store.get(SNAPSHOTS, &part_key(number, hash));
        let row = row.map_err(|error| ReadError::Failed(store_failed(&error)))?;
        let row = row.ok_or_else(|| {
            ReadError::Failed(EchoError::Store {
                reason: format!("chunk {chunk} of the snapshot of the space is not stored"),
            })
        })?;
        let packed = key.open(&context(space, chunk), &row);
        let packed = packed.map_err(|_| ReadError::Bad("a chunk cannot be opened"))?;
        let opened = body::unpack(&packed).ok_or(ReadError::Bad("a chunk cannot be unpacked"))?;
        content.update(&opened);
        plain.extend_from_slice(&opened);
        let mut rest = plain.as_slice();
        while let Some((id, state, after)) = split(rest).map_err(ReadError::Bad)? {
            rest = after;
            if objects == snapshot.objects {
                let row = decode_row("row of a queue", state);
                let row = row.map_err(|_| ReadError::Bad("a row of a queue cannot be read"))?;
                let queue = *id.as_bytes();
                order
                    .check(&queue, &row, snapshot)
                    .map_err(ReadError::Bad)?;
                let flow = visit(Entry::Row(queue, row)).map_err(ReadError::Failed)?;
                if flow.is_break() {
                    return Ok(());
                }
                continue;
            }
            if last.is_some_and(|last| last >= id) {
                return Err(ReadError::Bad("its objects are not in order"));
            }
            last = Some(id);
            objects += 1;
            let state = ObjectState::decode(state)
                .map_err(|_| ReadError::Bad("an object cannot be read"))?;
            let flow = visit(Entry::Object(id, state)).map_err(ReadError::Failed)?;
            if flow.is_break() {
                return Ok(());
            }
        }
        let read = plain.len() - rest.len();
        plain.drain(..read);
    }
    let is_whole = plain.is_empty()
        && objects == snapshot.objects
        && order.rows == snapshot.rows
        && snapshot.content(space, key) == Some(content.finish());
    if is_whole {
        Ok(())
    } else {
        Err(ReadError::Bad("its content is not what its list says"))
    }
}

/// An object, its state, and what follows it.
type Row<'a> = (ObjectId, &'a [u8], &'a [u8]);

/// The first object of what was read, if all of it is there.
fn split(plain: &[u8]) -> Result<Option<Row<'_>>, Bad> {
    let Some((head, rest)) = plain.split_at_checked(HEAD_BYTES) else {
        return Ok(None);
    };
    let (id, length) = head.split_at(ObjectId::LENGTH);
    let length = length.try_into().map_or(u64::MAX, u64::from_be_bytes);
    let id = ObjectId::from_slice(id).ok_or("an id cannot be read")?;
    if length > OBJECT_BYTES_MAX {
        return Err("an object is too large");
    }
    let length = usize::try_from(length).map_err(|_| "an object is too large")?;
    Ok(rest
        .split_at_checked(length)
        .map(|(state, rest)| (id, state, rest)))
}
