//! Making the snapshot of an epoch from the blocks that it stands for: that proves it, or proves
//! that its issuer signed a false one.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dxos_credentials::{Epoch, Membership};
use dxos_document::ObjectState;
use dxos_keys::StateHash;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Durability, Read, Store};

use super::snapshot::{Snapshot, Written};
use super::stream::{Chunker, Form, part_key};
use crate::core::at::Window;
use crate::core::cache;
use crate::core::layout::{SNAPSHOTS, SpaceNumber};
use crate::core::queue::{Folded, rows};
use crate::core::space::{Space, store_failed};

/// Objects that are made at once: more take several passes over the blocks.
const WINDOW_MAX: usize = 32_768;

/// What the blocks say of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds what is shown here now.
    Holds,
    /// It holds what its issuer was shown, and something else is shown here.
    HeldThen,
    /// It is false.
    False,
    /// It cannot be said.
    Unknown,
}

/// Writes chunks to the store as they come.
pub(super) struct ToStore<'a> {
    store: &'a dyn Store,
    number: SpaceNumber,
}

impl<'a> ToStore<'a> {
    pub(super) fn new(store: &'a dyn Store, number: SpaceNumber) -> Self {
        Self { store, number }
    }

    pub(super) fn put(&self, hash: StateHash, bytes: Vec<u8>) -> Result<(), EchoError> {
        let mut batch = Batch::new();
        batch.put(SNAPSHOTS, part_key(self.number, &hash), bytes);
        let put = self.store.commit(batch, Durability::Buffered);
        put.map_err(|error| store_failed(&error))
    }
}

impl Space {
    /// Checks a snapshot against the blocks that it stands for, all of which are here. Chunks
    /// that come out of it are stored.
    pub(super) fn verify(
        &self,
        epoch: &Epoch,
        snapshot: &Snapshot,
        store: &dyn Store,
    ) -> Result<Verdict, EchoError> {
        let Some(key) = self.keys.get(&snapshot.key) else {
            return Ok(Verdict::Unknown);
        };
        let Some(expected) = snapshot.content(&self.key(), key) else {
            return Ok(Verdict::False);
        };
        let read: &dyn Read = store;
        let to_store = ToStore::new(store, self.record.number);
        let sink = &mut |hash, bytes| to_store.put(hash, bytes);
        let form = Form {
            key,
            erases: epoch.erases,
        };
        let holds = |written: &Written| written.content == expected;
        if self.is_as_of(snapshot) && !self.stale {
            let written = self.write_rows(form, read, sink)?;
            if holds(&written) {
                return Ok(Verdict::Holds);
            }
        }
        if !self.reads_up_to(snapshot) {
            return Ok(Verdict::Unknown);
        }
        let now = self.write_folded(snapshot, &self.membership, form, read, sink)?;
        if now.is_some_and(|written| holds(&written)) {
            // What is shown here now began with the base, if there is one.
            let base = self.epochs.base.as_ref();
            let goes_on = base.is_none_or(|base| snapshot.covers(&base.timeframe().dots));
            return Ok(if goes_on {
                Verdict::Holds
            } else {
                Verdict::HeldThen
            });
        }
        let begins_alike = match (&self.epochs.base, epoch.previous) {
            (Some(base), Some(previous)) => base.is_verified && base.epoch == previous,
            (None, None) => true,
            _ => false,
        };
        if !begins_alike {
            return Ok(Verdict::Unknown);
        }
        let Some(then) = self.membership.as_of(&epoch.hash) else {
            return Ok(Verdict::Unknown);
        };
        let control_is_here = self.membership.past_of(&epoch.hash).is_some_and(|past| {
            past.dots.iter().all(|(feed, count)| {
                let state = self.dag.feed(feed);
                state.is_some_and(|state| state.length >= *count)
            })
        });
        // Whoever has all keys reads all that its issuer could.
        if !control_is_here || !self.missing_keys().is_empty() {
            return Ok(Verdict::Unknown);
        }
        Ok(
            match self.write_folded(snapshot, &then, form, read, sink)? {
                Some(written) if holds(&written) => Verdict::HeldThen,
                _ => Verdict::False,
            },
        )
    }

    /// Whether what a snapshot stands for can be read here: from the first block on, or from the
    /// base on.
    fn reads_up_to(&self, snapshot: &Snapshot) -> bool {
        let base = self.epochs.base.as_ref();
        self.sync.starts().is_empty()
            || base.is_some_and(|base| snapshot.covers(&base.timeframe().dots))
    }

    /// Whether a snapshot was taken exactly where this replica is.
    fn is_as_of(&self, snapshot: &Snapshot) -> bool {
        let timeframe = self.dag.timeframe();
        let data = timeframe.dots.iter().filter(|(feed, _)| {
            let state = self.dag.feed(feed);
            state.is_some_and(|state| state.descriptor.designation == dxos_feed::Designation::Data)
        });
        let mut count = 0;
        let same = data.inspect(|_| count += 1).all(|(feed, length)| {
            let floor = snapshot.floors.get(feed);
            let state = self.dag.feed(feed);
            floor.zip(state).is_some_and(|((_, floor), state)| {
                floor.length == *length
                    && floor.head == state.head
                    && floor.lamport == state.lamport
                    && floor.clock == state.clock
            })
        });
        same && count == snapshot.floors.len()
    }

    /// Writes the objects as they are stored.
    pub(super) fn write_rows(
        &self,
        form: Form<'_>,
        store: &dyn Read,
        sink: &mut super::stream::Sink<'_>,
    ) -> Result<Written, EchoError> {
        let mut chunker = Chunker::new(self.key(), form);
        let mut failed = None;
        let visited =
            cache::visit_after(
                store,
                self.record.number,
                None,
                &mut |id, state| match chunker.push(&id, state, sink) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                },
            );
        visited.map_err(|error| store_failed(&error))?;
        if let Some(error) = failed {
            return Err(error);
        }
        rows::visit_shared(self.record.number, store, &mut |queue, row| {
            chunker.push_row(&queue, &row, sink)
        })?;
        chunker.finish(sink)
    }

    /// Makes the objects from the base and the blocks that the snapshot stands for beyond it, and
    /// writes them. `None` when the snapshot says something else of the feeds than the blocks.
    fn write_folded(
        &self,
        snapshot: &Snapshot,
        membership: &Membership,
        form: Form<'_>,
        store: &dyn Read,
        sink: &mut super::stream::Sink<'_>,
    ) -> Result<Option<Written>, EchoError> {
        let lengths = snapshot.floors.iter();
        let lengths = lengths.map(|(feed, (_, floor))| (*feed, floor.length));
        let cancelled = Arc::new(AtomicBool::new(false));
        let past = self.past_until(membership.clone(), &lengths.collect(), cancelled);
        let mut chunker = Chunker::new(self.key(), form);
        let mut after = None;
        let mut queues = Some(Folded::default());
        if let Some(queues) = &mut queues {
            past.seed_queues(store, &mut |queue, row| queues.note_shared(queue, row))?;
        }
        let mut folded = Folded::default();
        loop {
            let mut window = Window::<ObjectState>::new(after, WINDOW_MAX);
            past.seed(store, &mut |id, state| {
                if let Some(place) = window.at(id) {
                    *place = state;
                }
            })?;
            let mut walk = past.walk();
            while let Some(fresh) = past.next(&mut walk, store)? {
                let floor = snapshot.floors.get(&fresh.feed).map(|(_, floor)| floor);
                if let Some(floor) = floor.filter(|floor| floor.length == fresh.seq + 1)
                    && (floor.head != fresh.hash
                        || floor.lamport != fresh.block.lamport
                        || floor.clock != fresh.past)
                {
                    return Ok(None);
                }
                let transaction = past.open(&fresh).unwrap_or_default();
                if let Some(queues) = &mut queues {
                    queues.note_block(&fresh, &transaction.queues)?;
                }
                for (index, op) in transaction.ops.iter().enumerate() {
                    if let Some(state) = window.at(op.object()) {
                        fresh.apply_op(state, op, index);
                    }
                }
            }
            after = window.next();
            for (id, state) in window.into_items() {
                chunker.push(&id, state, sink)?;
            }
            // The first pass has noted all of them.
            folded = queues.take().unwrap_or(folded);
            if after.is_none() {
                folded.write(&past, store, &mut |queue, row| {
                    chunker.push_row(queue, row, sink)
                })?;
                return chunker.finish(sink).map(Some);
            }
        }
    }
}
