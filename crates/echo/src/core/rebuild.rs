//! Making the state anew from the blocks: after a removal, a fork or a late key has changed
//! which of them count.

use dxos_document::ObjectState;
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Read, Store};

use super::layout::{INDEX, MOVES, OBJECTS, in_space};
use super::past::Walk;
use super::space::{Space, Touched, store_failed};
use super::sync::Effects;
use super::tree::Forest;

/// Rows that are written at once.
const ROWS_MAX: usize = 8192;
/// Bytes of blocks whose changes are written at once.
const BLOCK_BYTES_MAX: usize = 4 << 20;

impl Space {
    /// Whether [`Space::rebuild`] is due.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale || self.is_epoch_due()
    }

    /// Makes the state of all objects anew. It is written in parts; a mark in the store makes
    /// the next open begin again when this does not end.
    ///
    /// Before that, an epoch is made the base of the state if one is to be: then it begins with
    /// what the snapshot holds.
    pub(crate) fn rebuild(&mut self, store: &dyn Store) -> Result<Effects, EchoError> {
        let effects = self.settle_epoch(store)?;
        if !self.stale {
            return Ok(effects);
        }
        self.rebuild_state(store)?;
        Ok(effects)
    }

    fn rebuild_state(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        self.open_keys();
        if self.lacks_base_key() {
            // Without the key nothing could be begun with: what is there is worth more.
            tracing::error!(
                space = %self.key().short(),
                "the key of the snapshot is missing: what a change of members or a fork takes back \
                 goes on showing"
            );
            self.stale = false;
            return Ok(());
        }
        tracing::info!(space = %self.key().short(), "rebuilding the state from the blocks");
        self.cache.clear();
        self.touched.clear();
        self.texts.renew();
        self.forest = Forest::default();
        self.tally.objects = 0;
        self.tally.rebuilding = true;
        self.indexes.begin_anew();
        self.write_part(store)?;
        self.clear_objects(store)?;
        self.clear_queues(store)?;
        self.load_base(store)?;
        let mut walk = Walk::new(self.record.number, &self.dag);
        let mut bytes = 0;
        while let (Some(fresh), _) = walk.next(store)? {
            self.apply(&fresh, store)?;
            bytes += fresh.block.body.len();
            if bytes >= BLOCK_BYTES_MAX || self.is_part_full() {
                self.write_part(store)?;
                bytes = 0;
            }
        }
        self.write_part(store)?;
        self.settle_queues(store)?;
        self.tally.rebuilding = false;
        self.stale = false;
        if let Err(error) = self.write_part(store) {
            self.stale = true;
            return Err(error);
        }
        self.forest = Forest::default();
        self.queues.tell_all();
        self.refresh_live(store)
    }

    /// Takes an object as a snapshot holds it.
    pub(super) fn load_object(
        &mut self,
        object: ObjectId,
        state: ObjectState,
        store: &dyn Store,
    ) -> Result<(), EchoError> {
        let read: &dyn Read = store;
        let place = self
            .cache
            .load_to_change((read, None), self.record.number, object);
        let place = place.map_err(|error| store_failed(&error))?;
        let touched = self.touched.entry(object);
        let touched =
            touched.or_insert_with(|| Touched::before(object, place, false, &mut self.indexes));
        touched.is_typed = false;
        *place = state;
        self.forest.touch(object);
        if self.is_part_full() {
            self.write_part(store)?;
        }
        Ok(())
    }

    /// Whether what was made is to be written before more is.
    fn is_part_full(&mut self) -> bool {
        self.touched.len().max(self.queues.pending()) >= ROWS_MAX || self.cache.is_full()
    }

    pub(super) fn write_part(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        let mut batch = Batch::new();
        self.flush(&mut batch)?;
        let durability = if self.queues.is_run_new() {
            Durability::Synced
        } else {
            Durability::Buffered
        };
        for part in self.parts(batch)? {
            store
                .commit(part, durability)
                .map_err(|error| store_failed(&error))?;
        }
        self.touched.clear();
        self.queues.written();
        Ok(())
    }

    fn clear_objects(&self, store: &dyn Store) -> Result<(), EchoError> {
        let prefix = KeyRange::prefix(&in_space(self.record.number, b""));
        for keyspace in [OBJECTS, MOVES, INDEX] {
            loop {
                let mut batch = Batch::new();
                for row in store
                    .scan(keyspace, prefix.clone(), Direction::Forward)
                    .take(ROWS_MAX)
                {
                    let (key, _) = row.map_err(|error| store_failed(&error))?;
                    batch.delete(keyspace, key);
                }
                if batch.is_empty() {
                    break;
                }
                store
                    .commit(batch, Durability::Buffered)
                    .map_err(|error| store_failed(&error))?;
            }
        }
        Ok(())
    }
}
