//! Object states in memory, bounded; what is not here is read from the store.
//!
//! A state that is small is written whole whenever it changes. Of one that is large, such as a
//! long text, only the operations are written, beside it, until they are so many that it is time
//! to write it whole again: a keystroke in a large text costs a small row. It is also written
//! whole when nobody edits it any more, as one that stands whole is shown without being made ready
//! for edits.

mod stored;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_document::{
    Context, ObjectState, Op, Stamp, StateDecoder, StateEncoder, Timeframe, Transaction,
};
use dxos_keys::ObjectId;
use dxos_store::{Batch, Read, StoreError};
use serde::{Deserialize, Serialize};

use self::stored::Rows;
pub(crate) use self::stored::{read, show, visit_after};
use super::ahead::Ahead;
use super::layout::{OBJECTS, SpaceNumber, object_key};
use super::memory::{DEFAULT_BYTES, Memory, Share};

/// What an object takes beside its state, in bytes: its place in the tree.
const ENTRY_BYTES: usize = 96;
/// From so many bytes on a state is large.
const LARGE: usize = 4_096;
/// So many rows of operations, and no more, may stand beside a state.
const ROWS_MAX: u32 = 128;

/// Operations on one object that stand beside its state in the store.
#[derive(Debug, Serialize, Deserialize)]
struct Later {
    stamp: Stamp,
    time_ms: u64,
    past: Timeframe,
    /// The index of each operation in its transaction.
    indices: Vec<u32>,
    ops: Transaction,
}

/// What of a state is in the store.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    /// Bytes of the state as it was written whole.
    base: usize,
    /// Bytes of the operations beside it.
    later: usize,
    /// Rows of operations.
    rows: u32,
}

impl Stored {
    const fn is_large(self) -> bool {
        self.base >= LARGE
    }
}

#[derive(Debug, Default)]
struct Cached {
    state: ObjectState,
    stored: Stored,
    /// Memory that it takes, about, as of when it was read or written whole.
    bytes: usize,
    /// Whether it changed since it was written.
    is_dirty: bool,
}

/// States that were used lately, in two generations: a young one that has taken half the memory
/// of the space becomes the old one, and the old one is dropped.
#[derive(Debug)]
pub(crate) struct Cache {
    share: Share,
    /// Memory that the young generation takes.
    young_bytes: usize,
    // Boxed: a tree moves its entries whenever it grows, and states are large.
    young: BTreeMap<ObjectId, Box<Cached>>,
    old: BTreeMap<ObjectId, Box<Cached>>,
    /// Those that changed, each once.
    dirty: Vec<ObjectId>,
    /// How many of them were weighed since they changed.
    weighed: usize,
    /// Ids that were drawn just now: nobody needs to look for them in the store.
    fresh: BTreeSet<ObjectId>,
    /// Whether a large state was seen; mostly none is, and nothing is to be noted.
    has_large: bool,
    /// Operations on large states that were not written yet.
    later: BTreeMap<ObjectId, Vec<Later>>,
    /// Large states that operations stand beside in the store.
    beside: BTreeSet<ObjectId>,
    encoder: StateEncoder,
    decoder: StateDecoder,
}

impl Default for Cache {
    /// With memory of its own.
    fn default() -> Self {
        Self::within(Share::of(&Memory::new(DEFAULT_BYTES)))
    }
}

impl Cache {
    /// Divides memory with others from here on.
    pub(crate) fn share_memory(&mut self, memory: &Arc<Memory>) {
        self.share = Share::of(memory);
    }

    fn within(share: Share) -> Self {
        Self {
            share,
            young_bytes: 0,
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            dirty: Vec::new(),
            weighed: 0,
            fresh: BTreeSet::new(),
            has_large: false,
            later: BTreeMap::new(),
            beside: BTreeSet::new(),
            encoder: StateEncoder::default(),
            decoder: StateDecoder::default(),
        }
    }

    /// The state of an object, an empty one when there is none.
    pub(crate) fn load(
        &mut self,
        store: &dyn Read,
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<&mut ObjectState, StoreError> {
        Ok(&mut self.find((store, None), number, object)?.0.state)
    }

    /// The same in a local transaction.
    pub(super) fn load_ahead(
        &mut self,
        (store, ahead): (&dyn Read, &mut Ahead),
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<&mut ObjectState, StoreError> {
        Ok(&mut self.find((store, Some(ahead)), number, object)?.0.state)
    }

    /// The state of an object that is about to be changed.
    pub(super) fn load_to_change(
        &mut self,
        store: (&dyn Read, Option<&mut Ahead>),
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<&mut ObjectState, StoreError> {
        let (cached, dirty) = self.find(store, number, object)?;
        if !cached.is_dirty {
            cached.is_dirty = true;
            dirty.push(object);
        }
        Ok(&mut cached.state)
    }

    /// A state, and the list of those that changed.
    fn find(
        &mut self,
        (store, ahead): (&dyn Read, Option<&mut Ahead>),
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<(&mut Cached, &mut Vec<ObjectId>), StoreError> {
        let found = match self.young.entry(object) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                let cached = match self.old.remove(&object) {
                    Some(cached) => cached,
                    None if self.fresh.contains(&object) => Box::default(),
                    None => {
                        let state = match ahead {
                            Some(ahead) => ahead.get(store, number, object)?,
                            None => store.get(OBJECTS, &object_key(number, &object))?,
                        };
                        let read = Rows::beside(state, store, number, &object)?;
                        let read = read.map(|rows| rows.into_cached(&object, &mut self.decoder));
                        Box::new(read.transpose()?.unwrap_or_default())
                    }
                };
                self.has_large |= cached.stored.is_large();
                if cached.stored.rows > 0 {
                    self.beside.insert(object);
                }
                self.young_bytes += cached.bytes;
                place.insert(cached)
            }
        };
        Ok((found, &mut self.dirty))
    }

    /// Notes that an id was drawn, so that there is no object of that name until this
    /// transaction ends.
    pub(crate) fn expect_new(&mut self, object: ObjectId) {
        self.fresh.insert(object);
    }

    /// Notes an operation that was applied to a loaded state.
    pub(crate) fn note(&mut self, op: &Op, context: &Context<'_>, index: usize) {
        if !self.has_large {
            return;
        }
        let object = op.object();
        let is_large = self
            .young
            .get(&object)
            .is_some_and(|cached| cached.stored.is_large());
        let (true, Ok(index)) = (is_large, u32::try_from(index)) else {
            return;
        };
        let notes = self.later.entry(object).or_default();
        if notes.last().is_none_or(|last| last.stamp != context.stamp) {
            notes.push(Later {
                stamp: context.stamp,
                time_ms: context.time_ms,
                past: context.past.clone(),
                indices: Vec::new(),
                ops: Transaction::new(),
            });
        }
        if let Some(last) = notes.last_mut() {
            last.indices.push(index);
            last.ops.ops.push(op.clone());
        }
    }

    /// A state that is in memory.
    pub(crate) fn peek(&self, object: &ObjectId) -> Option<&ObjectState> {
        let found = self.young.get(object).or_else(|| self.old.get(object));
        found.map(|cached| &cached.state)
    }

    /// Writes what changed, and makes room.
    pub(crate) fn flush(&mut self, number: SpaceNumber, batch: &mut Batch) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.weighed = 0;
        dirty.sort_unstable();
        for object in dirty {
            let notes = self.later.remove(&object).unwrap_or_default();
            if let Some(cached) = self.young.get_mut(&object) {
                cached.is_dirty = false;
                let before = cached.bytes;
                cached.write((number, &object), &notes, &mut self.encoder, batch);
                self.young_bytes = (self.young_bytes + cached.bytes).saturating_sub(before);
                self.has_large |= cached.stored.is_large();
                if cached.stored.rows > 0 {
                    self.beside.insert(object);
                } else if self.has_large {
                    self.beside.remove(&object);
                }
            }
        }
        self.later.clear();
        self.fresh.clear();
        self.make_room();
    }

    /// Whether what changed and what was read along with it takes more memory than it should,
    /// and is to be written. States that are new weigh nothing until they are written, so those
    /// are weighed here.
    pub(crate) fn is_full(&mut self) -> bool {
        for object in self.dirty.get(self.weighed..).unwrap_or_default() {
            if let Some(cached) = self.young.get_mut(object) {
                let before = cached.bytes;
                cached.weigh();
                self.young_bytes = (self.young_bytes + cached.bytes).saturating_sub(before);
            }
        }
        self.weighed = self.dirty.len();
        self.young_bytes > self.share.bytes() / 2
    }

    /// Drops what was not used lately, if the space has come to take more than its share and all
    /// of it is written.
    pub(crate) fn make_room(&mut self) {
        if self.dirty.is_empty() && self.young_bytes > self.share.bytes() / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    /// Whether operations stand beside states in the store, and [`Cache::compact`] has something
    /// to do.
    pub(crate) fn is_compact(&self) -> bool {
        self.beside.is_empty()
    }

    /// Writes large states whole that operations stand beside, until the batch has so many bytes.
    /// To be called only when everything else is written.
    pub(crate) fn compact(&mut self, number: SpaceNumber, bytes_max: usize, batch: &mut Batch) {
        while batch.bytes() < bytes_max
            && let Some(object) = self.beside.pop_first()
        {
            let found = self.young.get_mut(&object);
            if let Some(cached) = found.or_else(|| self.old.get_mut(&object))
                && !cached.is_dirty
            {
                cached.write_whole((number, &object), &mut self.encoder, batch);
            }
        }
    }

    /// Forgets the states that were changed and not written.
    pub(crate) fn forget_changes(&mut self) {
        self.later.clear();
        self.fresh.clear();
        self.weighed = 0;
        for object in std::mem::take(&mut self.dirty) {
            let forgotten = self.young.remove(&object);
            let bytes = forgotten.map_or(0, |cached| cached.bytes);
            self.young_bytes = self.young_bytes.saturating_sub(bytes);
        }
    }

    /// Forgets everything, changes included.
    pub(crate) fn clear(&mut self) {
        let share = self.share.again();
        *self = Self::within(share);
    }
}

impl Cached {
    fn write(
        &mut self,
        (number, object): (SpaceNumber, &ObjectId),
        notes: &[Later],
        encoder: &mut StateEncoder,
        batch: &mut Batch,
    ) {
        if let Some(row) = self.later_row(notes) {
            self.stored.later += row.len();
            batch.put(OBJECTS, later_key(number, object, self.stored.rows), row);
            self.stored.rows += 1;
            return;
        }
        self.write_whole((number, object), encoder, batch);
    }

    fn write_whole(
        &mut self,
        (number, object): (SpaceNumber, &ObjectId),
        encoder: &mut StateEncoder,
        batch: &mut Batch,
    ) {
        let state = encoder.encode(&self.state);
        for row in 0..self.stored.rows {
            batch.delete(OBJECTS, later_key(number, object, row));
        }
        self.stored = Stored {
            base: state.len(),
            ..Stored::default()
        };
        let key: [&[u8]; 2] = [&number.to_bytes(), object.as_bytes()];
        batch.put_copy(OBJECTS, &key, state);
        self.weigh();
    }

    fn weigh(&mut self) {
        self.bytes = ENTRY_BYTES + self.state.memory_bytes();
    }

    /// What to write instead of the whole state, if that is less by far.
    fn later_row(&self, notes: &[Later]) -> Option<Vec<u8>> {
        let Stored { base, later, rows } = self.stored;
        if notes.is_empty() || rows >= ROWS_MAX {
            return None;
        }
        let row = dxos_wire::encode(1, &notes).ok()?;
        (later + row.len() <= base / 2).then_some(row)
    }
}

fn later_key(number: SpaceNumber, object: &ObjectId, row: u32) -> Vec<u8> {
    let mut key = object_key(number, object);
    key.extend_from_slice(&row.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use dxos_document::Transaction;
    use dxos_keys::FeedId;
    use dxos_store::{Durability, MemDisk, MemStore, Store as _};

    use super::*;

    #[test]
    fn what_is_new_is_weighed_before_it_is_written() {
        const NUMBER: SpaceNumber = SpaceNumber(1);
        let store = MemStore::open(&MemDisk::new()).unwrap();
        let mut cache = Cache::within(Share::of(&Memory::new(64 << 10)));
        let past = Timeframe::new();
        let mut parts = 0;
        for number in 0..1_000_u16 {
            let mut id = [0; ObjectId::LENGTH];
            id[..2].copy_from_slice(&number.to_be_bytes());
            let id = ObjectId::from_bytes(id);
            let stamp = Stamp {
                lamport: u64::from(number) + 1,
                feed: FeedId::from_bytes([7; 32]),
                seq: u64::from(number),
            };
            let context = Context {
                stamp,
                past: &past,
                time_ms: 0,
            };
            let made = Transaction::new().create(id, "task@1", [("title", "x".repeat(500))]);
            let state = cache.load_to_change((&store, None), NUMBER, id).unwrap();
            for (index, op) in made.ops.iter().enumerate() {
                state.apply(op, &context, index).unwrap();
            }
            if cache.is_full() {
                parts += 1;
                let mut batch = Batch::new();
                cache.flush(NUMBER, &mut batch);
                store.commit(batch, Durability::Buffered).unwrap();
                assert!(!cache.is_full());
            }
            let held = cache.young.values().chain(cache.old.values());
            let bytes: usize = held.map(|cached| cached.state.memory_bytes()).sum();
            assert!(bytes < 70 << 10, "{bytes} bytes after {number} objects");
        }
        assert!(parts > 10, "{parts}");
    }
}
