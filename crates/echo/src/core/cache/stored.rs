//! States as they are in the store, with the operations that stand beside them.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use dxos_document::{Context, Object, ObjectState, StateDecoder};
use dxos_keys::ObjectId;
use dxos_store::{Direction, KeyRange, Read, StoreError};

use super::{Cached, LARGE, Later, Stored, later_key};
use crate::core::layout::{OBJECTS, SpaceNumber, in_space, object_key};

/// Reads a state from the store.
pub(crate) fn read(
    store: &dyn Read,
    number: SpaceNumber,
    object: &ObjectId,
) -> Result<Option<ObjectState>, StoreError> {
    let rows = Rows::read(store, number, object)?;
    let read = rows.map(|rows| rows.into_cached(object, &mut StateDecoder::default()));
    Ok(read.transpose()?.map(|cached| cached.state))
}

/// An object as it is in the store.
pub(crate) fn show(
    store: &dyn Read,
    number: SpaceNumber,
    object: &ObjectId,
) -> Result<Option<Object>, StoreError> {
    let Some(rows) = Rows::read(store, number, object)? else {
        return Ok(None);
    };
    if rows.later.is_empty() {
        let shown = ObjectState::show(&rows.state, *object);
        return shown.map_err(|error| damaged(object, &error));
    }
    let cached = rows.into_cached(object, &mut StateDecoder::default())?;
    Ok(cached.state.object(*object))
}

/// What the store has of one object.
pub(super) struct Rows {
    state: Bytes,
    /// Operations beside it.
    later: Vec<Bytes>,
}

impl Rows {
    fn read(
        store: &dyn Read,
        number: SpaceNumber,
        object: &ObjectId,
    ) -> Result<Option<Self>, StoreError> {
        let state = store.get(OBJECTS, &object_key(number, object))?;
        Self::beside(state, store, number, object)
    }

    /// The rows of an object whose state was read.
    pub(super) fn beside(
        state: Option<Bytes>,
        store: &dyn Read,
        number: SpaceNumber,
        object: &ObjectId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(state) = state else {
            return Ok(None);
        };
        let mut later = Vec::new();
        if state.len() >= LARGE {
            let from = later_key(number, object, 0);
            let to = later_key(number, object, u32::MAX);
            for row in store.scan(OBJECTS, KeyRange::between(&from, &to), Direction::Forward) {
                later.push(row?.1);
            }
        }
        Ok(Some(Self { state, later }))
    }

    pub(super) fn into_cached(
        self,
        object: &ObjectId,
        decoder: &mut StateDecoder,
    ) -> Result<Cached, StoreError> {
        let mut cached = decode(object, &self.state, decoder)?;
        for row in &self.later {
            cached.apply(object, row)?;
        }
        cached.weigh();
        Ok(cached)
    }
}

fn damaged(object: &ObjectId, error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged {
        path: String::from("objects").into(),
        reason: format!("object {object}: {error}"),
    }
}

fn decode(
    object: &ObjectId,
    value: &[u8],
    decoder: &mut StateDecoder,
) -> Result<Cached, StoreError> {
    let state = decoder.decode(value);
    let state = state.map_err(|error| damaged(object, &error))?;
    Ok(Cached {
        state,
        stored: Stored {
            base: value.len(),
            ..Stored::default()
        },
        bytes: 0,
        is_dirty: false,
    })
}

impl Cached {
    /// Applies a row of operations.
    fn apply(&mut self, object: &ObjectId, row: &[u8]) -> Result<(), StoreError> {
        let notes: Vec<Later> =
            dxos_wire::decode(1, row).map_err(|error| damaged(object, &error))?;
        for note in &notes {
            let context = Context {
                stamp: note.stamp,
                past: &note.past,
                time_ms: note.time_ms,
            };
            for (index, op) in note.indices.iter().zip(&note.ops.ops) {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                self.state
                    .apply(op, &context, index)
                    .map_err(|error| damaged(object, &error))?;
            }
        }
        self.stored.later += row.len();
        self.stored.rows += 1;
        Ok(())
    }
}

/// Visits the states of a space behind an object in the order of their ids, as they are in the
/// store.
pub(crate) fn visit_after(
    store: &dyn Read,
    number: SpaceNumber,
    after: Option<ObjectId>,
    visit: &mut dyn FnMut(ObjectId, ObjectState) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let prefix = in_space(number, b"");
    let mut range = KeyRange::prefix(&prefix);
    if let Some(after) = after {
        let start = Bound::Excluded(later_key(number, &after, u32::MAX).into());
        range = KeyRange::new(start, range.end().map(Bytes::copy_from_slice));
    }
    let mut decoder = StateDecoder::default();
    let mut open: Option<(ObjectId, Cached)> = None;
    for row in store.scan(OBJECTS, range, Direction::Forward) {
        let (key, value): (Bytes, Bytes) = row?;
        let Some((object, later)) = key
            .get(prefix.len()..)
            .and_then(|rest| rest.split_at_checked(ObjectId::LENGTH))
        else {
            continue;
        };
        let Some(object) = ObjectId::from_slice(object) else {
            continue;
        };
        if !later.is_empty() {
            if let Some((_, cached)) = open.as_mut().filter(|(id, _)| *id == object) {
                cached.apply(&object, &value)?;
            }
            continue;
        }
        let before = open.replace((object, decode(&object, &value, &mut decoder)?));
        if let Some((id, cached)) = before
            && visit(id, cached.state).is_break()
        {
            return Ok(());
        }
    }
    if let Some((id, cached)) = open {
        let _ = visit(id, cached.state);
    }
    Ok(())
}
