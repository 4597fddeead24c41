//! Making the state anew from the blocks: after a removal, a fork or a late key has changed
//! which of them count.

use std::collections::BTreeMap;

use dxos_feed::{Designation, FeedDescriptor, Timeframe};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Read, Store};

use super::apply::Fresh;
use super::layout::{OBJECTS, in_space};
use super::serve::Blocks;
use super::space::{Space, advance_clock, store_failed};

/// Blocks of one feed that are read at once.
const CHUNK: usize = 64;
/// Rows that are written at once.
const ROWS_MAX: usize = 8192;

/// A place in one data feed.
struct Cursor {
    descriptor: FeedDescriptor,
    next: u64,
    length: u64,
    clock: Timeframe,
    prev: BlockHash,
    /// The next blocks, the first one last.
    ahead: Vec<(BlockHash, dxos_feed::Block)>,
}

impl Space {
    /// Whether [`Space::rebuild`] is due.
    pub(crate) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Makes the state of all objects anew. It is written in parts; a mark in the store makes
    /// the next open begin again when this does not end.
    pub(crate) fn rebuild(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        tracing::info!(space = %self.key().short(), "rebuilding the state from the blocks");
        self.cache.clear();
        self.touched.clear();
        self.open_keys();
        self.tally.objects = 0;
        self.tally.rebuilding = true;
        self.write_part(store)?;
        self.clear_objects(store)?;
        let mut cursors = self.cursors();
        while let Some(fresh) = self.next_block(&mut cursors, store)? {
            self.apply(&fresh, store)?;
            if self.touched.len() >= ROWS_MAX {
                self.write_part(store)?;
            }
        }
        self.tally.rebuilding = false;
        self.write_part(store)?;
        self.stale = false;
        self.refresh_live(store)
    }

    /// Answers the live queries again: everything may have changed.
    pub(crate) fn refresh_live(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        if !self.live.is_empty() {
            let objects = self.all_objects(store)?;
            self.live.refresh(|| objects.clone());
        }
        Ok(())
    }

    fn write_part(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        let mut batch = Batch::new();
        self.flush(&mut batch)?;
        for part in self.parts(batch)? {
            store
                .commit(part, Durability::Buffered)
                .map_err(|error| store_failed(&error))?;
        }
        self.touched.clear();
        Ok(())
    }

    fn clear_objects(&self, store: &dyn Store) -> Result<(), EchoError> {
        let prefix = KeyRange::prefix(&in_space(self.record.number, b""));
        loop {
            let mut batch = Batch::new();
            for row in store
                .scan(OBJECTS, prefix.clone(), Direction::Forward)
                .take(ROWS_MAX)
            {
                let (key, _) = row.map_err(|error| store_failed(&error))?;
                batch.delete(OBJECTS, key);
            }
            if batch.is_empty() {
                return Ok(());
            }
            store
                .commit(batch, Durability::Buffered)
                .map_err(|error| store_failed(&error))?;
        }
    }

    fn cursors(&self) -> BTreeMap<FeedId, Cursor> {
        let data = self.dag.feeds().filter(|(_, state)| {
            state.descriptor.designation == Designation::Data && state.length > 0
        });
        data.map(|(feed, state)| {
            let cursor = Cursor {
                descriptor: state.descriptor,
                next: 0,
                length: state.length,
                clock: Timeframe::new(),
                prev: BlockHash::from_bytes([0; 32]),
                ahead: Vec::new(),
            };
            (*feed, cursor)
        })
        .collect()
    }

    /// The next block of all feeds in order of logical time, which is a causal order.
    fn next_block(
        &self,
        cursors: &mut BTreeMap<FeedId, Cursor>,
        store: &dyn Store,
    ) -> Result<Option<Fresh>, EchoError> {
        let failed = |error: dxos_feed::IndexError| EchoError::Store {
            reason: error.to_string(),
        };
        let blocks = super::layout::StoredBlocks {
            store,
            number: self.record.number,
        };
        for (feed, cursor) in cursors
            .iter_mut()
            .filter(|(_, cursor)| cursor.ahead.is_empty())
        {
            let wanted =
                usize::try_from(cursor.length - cursor.next).map_or(CHUNK, |n| n.min(CHUNK));
            if wanted == 0 {
                continue;
            }
            let ahead = &mut cursor.ahead;
            blocks
                .visit(feed, cursor.next, &mut |hash, block| {
                    ahead.push((hash, block));
                    ahead.len() < wanted
                })
                .map_err(failed)?;
            ahead.reverse();
            cursor.next += ahead.len() as u64;
        }
        cursors.retain(|_, cursor| !cursor.ahead.is_empty());
        let first = cursors
            .iter()
            .filter_map(|(feed, cursor)| Some((cursor.ahead.last()?.1.lamport, *feed)))
            .min();
        let Some((_, feed)) = first else {
            return Ok(None);
        };
        let Some(cursor) = cursors.get_mut(&feed) else {
            return Ok(None);
        };
        let seq = cursor.next - cursor.ahead.len() as u64;
        let Some((hash, block)) = cursor.ahead.pop() else {
            return Ok(None);
        };
        advance_clock(&mut cursor.clock, feed, seq, &block.deps);
        let prev = std::mem::replace(&mut cursor.prev, hash);
        let descriptor = cursor.descriptor;
        Ok(Some(Fresh {
            descriptor,
            feed,
            seq,
            prev,
            hash,
            block,
            past: cursor.clock.clone(),
        }))
    }
}
