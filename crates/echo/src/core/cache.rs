//! Object states in memory, bounded; what is not here is read from the store.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use dxos_document::ObjectState;
use dxos_keys::ObjectId;
use dxos_store::{Batch, Read, StoreError};

use super::layout::{OBJECTS, SpaceNumber, object_key};

/// Objects in one generation. The larger part of the memory that an open space takes.
const GENERATION_MAX: usize = 16_384;

/// States that were used lately, in two generations: a full young one becomes the old one, and
/// the old one is dropped.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    // Boxed: a tree moves its entries whenever it grows, and states are large.
    young: BTreeMap<ObjectId, Box<ObjectState>>,
    old: BTreeMap<ObjectId, Box<ObjectState>>,
    dirty: BTreeSet<ObjectId>,
}

impl Cache {
    /// The state of an object, an empty one when there is none.
    pub(crate) fn load(
        &mut self,
        store: &dyn Read,
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<&mut ObjectState, StoreError> {
        match self.young.entry(object) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => {
                let state = match self.old.remove(&object) {
                    Some(state) => state,
                    None => Box::new(read(store, number, &object)?.unwrap_or_default()),
                };
                Ok(place.insert(state))
            }
        }
    }

    /// Marks a loaded state as changed.
    pub(crate) fn touch(&mut self, object: ObjectId) {
        self.dirty.insert(object);
    }

    /// A state that is in memory.
    pub(crate) fn peek(&self, object: &ObjectId) -> Option<&ObjectState> {
        let found = self.young.get(object).or_else(|| self.old.get(object));
        found.map(|state| &**state)
    }

    /// Writes what changed, and makes room.
    pub(crate) fn flush(&mut self, number: SpaceNumber, batch: &mut Batch) {
        for object in std::mem::take(&mut self.dirty) {
            if let Some(state) = self.young.get(&object) {
                batch.put(OBJECTS, object_key(number, &object), state.encode());
            }
        }
        if self.young.len() > GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets the states that were changed and not written.
    pub(crate) fn forget_changes(&mut self) {
        for object in std::mem::take(&mut self.dirty) {
            self.young.remove(&object);
        }
    }

    /// Forgets everything, changes included.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Reads a state from the store.
pub(crate) fn read(
    store: &dyn Read,
    number: SpaceNumber,
    object: &ObjectId,
) -> Result<Option<ObjectState>, StoreError> {
    let value = store.get(OBJECTS, &object_key(number, object))?;
    value.map(|value| decode(object, &value)).transpose()
}

/// Decodes a stored state.
pub(crate) fn decode(object: &ObjectId, value: &[u8]) -> Result<ObjectState, StoreError> {
    ObjectState::decode(value).map_err(|error| StoreError::Damaged {
        path: String::from("objects").into(),
        reason: format!("object {object}: {error}"),
    })
}
