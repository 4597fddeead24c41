//! Parents and children: the tree of a space, read from its rows when somebody first asks, and
//! kept up to date from then on.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use dxos_document::{Move, ObjectState, Tree};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, KeyRange, Read};

use super::layout::{MOVES, in_space, object_key};
use super::space::{Space, decode_row, encode_row, store_failed};

/// The tree, and what it does not know yet.
#[derive(Debug, Default)]
pub(super) struct Forest {
    tree: OnceCell<Tree>,
    /// Objects that changed since it was looked at.
    behind: BTreeSet<ObjectId>,
    /// Objects of the transaction that is running, which it knows already.
    ahead: BTreeSet<ObjectId>,
    /// Objects that are elsewhere, hidden or back since [`Space::written`].
    moved: BTreeSet<ObjectId>,
}

impl Forest {
    /// Notes that an object is being changed.
    pub(super) fn touch(&mut self, object: ObjectId) {
        self.behind.insert(object);
    }
}

impl Space {
    /// The tree as it was when everything was written. It is read once: one row for each object
    /// that was ever moved, and the state of each parent.
    pub(super) fn tree(&self, store: &dyn Read) -> Result<&Tree, EchoError> {
        if let Some(tree) = self.forest.tree.get() {
            return Ok(tree);
        }
        let prefix = in_space(self.record.number, b"");
        let mut rows = Vec::new();
        for row in store.scan(MOVES, KeyRange::prefix(&prefix), Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            if let Some(object) = key.get(prefix.len()..).and_then(ObjectId::from_slice) {
                rows.push((object, decode_row::<Vec<Move>>("moves", &value)?));
            }
        }
        let mut tree = Tree::default();
        tree.update(rows, &mut |object| self.is_deleted(object, store))?;
        Ok(self.forest.tree.get_or_init(|| tree))
    }

    fn is_deleted(&self, object: ObjectId, store: &dyn Read) -> Result<bool, EchoError> {
        let deleted = self.with_state(&object, store, ObjectState::is_deleted)?;
        Ok(deleted.unwrap_or_default())
    }

    /// Lets the tree know of what changed. Returns what it looked at.
    fn catch_up(&mut self, store: &dyn Read) -> Result<BTreeSet<ObjectId>, EchoError> {
        let behind = std::mem::take(&mut self.forest.behind);
        let Some(mut tree) = self.forest.tree.take() else {
            return Ok(behind);
        };
        // After an error it is read again.
        let mut changed = Vec::new();
        for object in &behind {
            let moves = self.with_state(object, store, ObjectState::moves)?;
            let moves = moves.unwrap_or_default();
            // Most objects are nobody's parent and were never moved.
            if !moves.is_empty() || tree.knows(*object) {
                changed.push((*object, moves));
            }
        }
        let moved = tree.update(changed, &mut |object| self.is_deleted(object, store))?;
        self.forest.moved.extend(moved);
        self.forest.tree.get_or_init(|| tree);
        Ok(behind)
    }

    /// The tree as the transaction that is running sees it.
    pub(super) fn tree_ahead(&mut self, store: &dyn Read) -> Result<&Tree, EchoError> {
        self.tree(store)?;
        let known = self.catch_up(store)?;
        self.forest.ahead.extend(known);
        self.tree(store)
    }

    /// The transaction came to nothing: what it moved is back where it was.
    pub(super) fn take_back_moves(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        self.forest.behind = std::mem::take(&mut self.forest.ahead);
        self.catch_up(store)?;
        self.forest.moved.clear();
        Ok(())
    }

    /// Everything is written. Returns the objects that are elsewhere, hidden or back now; `None`
    /// when the tree was not read before, so that nobody can tell.
    pub(super) fn settle_forest(
        &mut self,
        store: &dyn Read,
    ) -> Result<Option<BTreeSet<ObjectId>>, EchoError> {
        self.catch_up(store)?;
        self.forest.ahead.clear();
        let moved = std::mem::take(&mut self.forest.moved);
        Ok(self.forest.tree.get().map(|_| moved))
    }

    /// Writes the row of an object whose moves are not what they were.
    pub(super) fn put_moves(
        &self,
        object: ObjectId,
        state: Option<&ObjectState>,
        before: &[Move],
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let moves = state.map(ObjectState::moves).unwrap_or_default();
        if moves == before {
            return Ok(());
        }
        let key = object_key(self.record.number, &object);
        if moves.is_empty() {
            batch.delete(MOVES, key);
        } else {
            batch.put(MOVES, key, encode_row(&moves)?);
        }
        Ok(())
    }
}
