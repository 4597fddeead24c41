//! Making the wanted epoch the base.

use std::ops::ControlFlow;
use std::sync::Arc;

use dxos_credentials::{Epoch, Right};
use dxos_feed::{BlockIndex as _, SettleError, Settled};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Durability, Read, Store};

use super::Base;
use super::snapshot::Snapshot;
use super::stream::{self, Entry, ReadError};
use super::verify::Verdict;
use crate::core::layout::{self, BLOCKS, Root, TALLIES, root_key};
use crate::core::space::{Outcome, Space, encode_row, store_failed};
use crate::core::sync::Effects;

impl Space {
    /// Makes the wanted epoch the base, if it can be, and marks the state stale if it does not
    /// follow from the new base as it is.
    pub(in crate::core) fn settle_epoch(
        &mut self,
        store: &dyn Store,
    ) -> Result<Effects, EchoError> {
        let mut effects = Effects::default();
        // Each round makes an epoch the base, or does without one.
        while self.is_epoch_due() {
            if self.epochs.drops_base {
                self.drop_base(store)?;
                continue;
            }
            let Some(wanted) = &self.epochs.wanted else {
                break;
            };
            let epoch = wanted.epoch;
            let is_contestable = wanted.is_contestable;
            let (has_chunks, snapshot) = (wanted.missing.is_empty(), wanted.snapshot.clone());
            let Some(snapshot) = snapshot else { break };
            match self.examine(&epoch, &snapshot, has_chunks, store)? {
                Examined::Usable(how) => {
                    effects.merge(self.adopt(&epoch, &snapshot, how, store)?);
                }
                Examined::Bad(reason) => self.refuse(&epoch, reason, store)?,
                Examined::Fetch => {
                    // The chunks that came out of the blocks were stored, and may be all.
                    let mut again =
                        super::Wanted::open(epoch, self.key(), self.record.number, store)?;
                    again.is_unverifiable = true;
                    again.is_contestable = is_contestable;
                    self.want(Some(again));
                    self.look_at_wanted(store)?;
                }
            }
        }
        effects
            .wake
            .extend(self.sync.sessions().map(|(session, _)| session));
        Ok(effects)
    }

    /// Finds out whether a snapshot can be used, and whether the state follows from it as it is.
    fn examine(
        &self,
        epoch: &Epoch,
        snapshot: &Snapshot,
        has_chunks: bool,
        store: &dyn Store,
    ) -> Result<Examined, EchoError> {
        if let Err(reason) = snapshot.is_plausible(&self.dag) {
            return Ok(Examined::Bad(reason));
        }
        if !snapshot.covers(self.sync.starts()) {
            return Ok(Examined::Bad("it leaves out what is gone here already"));
        }
        if self.permit(Right::Read, "").is_err() {
            // What it holds is sealed for this device.
            return Ok(Examined::Usable(How::TAKEN));
        }
        let is_verifiable = self
            .epochs
            .wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.is_unverifiable);
        let has_blocks = self
            .has_all_of(snapshot, store)
            .map_err(|error| failed(&error))?;
        if is_verifiable && has_blocks {
            let verdict = self.verify(epoch, snapshot, store)?;
            let is_verified = self.is_base_verified();
            let made = |rebuild| How {
                rebuild,
                is_verified,
            };
            let all_stored = || self.has_chunks(snapshot, store);
            return Ok(match verdict {
                Verdict::False => Examined::Bad("it is not what follows from the blocks"),
                Verdict::Holds if all_stored()? => Examined::Usable(made(false)),
                Verdict::HeldThen if all_stored()? => Examined::Usable(made(true)),
                _ => Examined::Fetch,
            });
        }
        if !has_chunks {
            return Ok(Examined::Fetch);
        }
        let Some(key) = self.keys.get(&snapshot.key) else {
            return Ok(Examined::Bad("its key is not the space's"));
        };
        let read: &dyn Read = store;
        let place = (read, self.record.number);
        let walk = &mut |_| Ok(ControlFlow::Continue(()));
        match stream::visit(snapshot, &self.key(), key, place, walk) {
            Ok(()) => Ok(Examined::Usable(How::TAKEN)),
            Err(ReadError::Bad(reason)) => Ok(Examined::Bad(reason)),
            Err(ReadError::Failed(error)) => Err(error),
        }
    }

    fn has_chunks(&self, snapshot: &Snapshot, store: &dyn Store) -> Result<bool, EchoError> {
        for chunk in &snapshot.chunks {
            let key = stream::part_key(self.record.number, chunk);
            let here = store.contains(layout::SNAPSHOTS, &key);
            if !here.map_err(|error| store_failed(&error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn adopt(
        &mut self,
        epoch: &Epoch,
        snapshot: &Arc<Snapshot>,
        how: How,
        store: &dyn Store,
    ) -> Result<Effects, EchoError> {
        let mut outcome = Outcome::default();
        let jumped = self.take_floors(snapshot, store, &mut outcome)?;
        self.epochs.base = Some(Base {
            epoch: epoch.hash,
            number: epoch.number,
            snapshot: Arc::clone(snapshot),
            is_verified: how.is_verified,
        });
        self.want(None);
        self.epochs.untidy = true;
        self.look_at_retired();
        self.stale |= how.rebuild || jumped || epoch.erases;
        self.duties.look_again();
        self.sync.ask_anew();
        self.put_base(&mut outcome.batch)?;
        self.flush(&mut outcome.batch)?;
        self.commit_parts(outcome.batch, store)?;
        self.dag.stored();
        tracing::info!(
            space = %self.key().short(), number = epoch.number, blocks = snapshot.blocks(),
            objects = snapshot.objects, "an epoch stands for what was written before it"
        );
        // It may be the ground, on which another one stands.
        self.choose_epoch(store)?;
        Ok(outcome.effects)
    }

    /// Gives feeds the floors of a snapshot, in place of those that they have. `true` when blocks
    /// that were part of the state are not any more, or were never here.
    pub(super) fn take_floors(
        &mut self,
        snapshot: &Snapshot,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<bool, EchoError> {
        let mut starts = self.sync.starts().clone();
        if let Some(base) = self.epochs.base.take() {
            for feed in base.snapshot.floors.keys() {
                if !snapshot.floors.contains_key(feed) {
                    self.dag.unsettle(feed);
                }
            }
        }
        let mut any_jumped = false;
        for (feed, (descriptor, floor)) in &snapshot.floors {
            let index = layout::StoredBlocks {
                store,
                number: self.record.number,
            };
            let settled = self.dag.settle(*descriptor, floor.clone(), &index);
            let settled = settled.map_err(|error| match error {
                SettleError::Index(error) => failed(&error),
                error => EchoError::Stopped {
                    reason: error.to_string(),
                },
            })?;
            let Settled::Jumped { length, differs } = settled else {
                if let Some(start) = starts.get_mut(feed)
                    && let Some(before) = start.checked_sub(1)
                    && index
                        .entry(feed, before)
                        .map_err(|error| failed(&error))?
                        .is_none()
                {
                    // Nobody could be shown that what is here goes on from there.
                    *start = floor.length;
                }
                continue;
            };
            any_jumped = true;
            starts.insert(*feed, floor.length);
            if let Some(seq) = floor.length.checked_sub(1) {
                // Others are shown that what comes goes on from there.
                let (hash, lamport) = (floor.head, floor.lamport);
                let root = encode_row(&Root { seq, hash, lamport })?;
                let key = root_key(self.record.number, feed);
                outcome.batch.put(TALLIES, key, root);
            }
            let left = length.saturating_sub(floor.length);
            if differs {
                self.set_aside((*feed, floor.length, length), store, outcome)?;
            }
            self.tally.blocks = self.tally.blocks.saturating_sub(left);
            self.put_feed(feed, &mut outcome.batch)?;
            let is_own = descriptor.device == self.device()
                && descriptor.incarnation == self.record.incarnation;
            if is_own {
                // Others know more of what this device wrote than it does itself.
                self.next_incarnation(self.tail.stride(), &mut outcome.batch)?;
            }
        }
        self.sync.set_starts(starts);
        Ok(any_jumped)
    }

    /// Keeps blocks that stand behind another branch than the one that a snapshot stands for, as
    /// causes of others.
    fn set_aside(
        &mut self,
        (feed, from, length): (dxos_keys::FeedId, u64, u64),
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        tracing::warn!(feed = %feed.short(), from, length, "an epoch stands for another branch");
        let before = layout::block_key(&feed, from.saturating_sub(1));
        let before = store.get(BLOCKS, &before);
        let before = before.map_err(|error| store_failed(&error))?;
        let before = before.as_ref().and_then(layout::split_block);
        let mut prev = before.map_or(dxos_keys::BlockHash::from_bytes([0; 32]), |(hash, _)| hash);
        for seq in from..length {
            let key = layout::block_key(&feed, seq).to_vec();
            let value = store.get(BLOCKS, &key);
            let value = value.map_err(|error| store_failed(&error))?;
            outcome.batch.delete(BLOCKS, key);
            if let Some((hash, block)) = value.as_ref().and_then(layout::split_block) {
                self.keep_branch(feed, (seq, prev, hash), &block, outcome)?;
                prev = hash;
            }
        }
        Ok(())
    }

    /// There is no epoch any more, and all blocks are here.
    fn drop_base(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        self.epochs.drops_base = false;
        let Some(base) = self.epochs.base.take() else {
            return Ok(());
        };
        for feed in base.snapshot.floors.keys() {
            self.dag.unsettle(feed);
        }
        self.tell_snapshots();
        self.look_at_retired();
        self.epochs.untidy = true;
        self.stale = true;
        let mut batch = Batch::new();
        self.put_base(&mut batch)?;
        self.flush(&mut batch)?;
        self.commit_parts(batch, store)
    }

    fn commit_parts(&self, batch: Batch, store: &dyn Store) -> Result<(), EchoError> {
        for part in self.parts(batch)? {
            let written = store.commit(part, Durability::Buffered);
            written.map_err(|error| store_failed(&error))?;
        }
        Ok(())
    }

    /// Begins the state with what the snapshot of the base holds. `false` when there is a base and
    /// its key is not here.
    pub(in crate::core) fn load_base(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        let Some(base) = self.epochs.base.clone() else {
            return Ok(());
        };
        let (space, number) = (self.key(), self.record.number);
        let key = self.keys.get(&base.snapshot.key).cloned();
        let read: &dyn Read = store;
        base.visit_all(&space, key.as_ref(), (read, number), &mut |entry| {
            match entry {
                Entry::Object(id, state) => self.load_object(id, state, store)?,
                Entry::Row(queue, row) => self.load_shared(&queue, row, store)?,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }
}

/// How a snapshot becomes the base.
#[derive(Clone, Copy)]
struct How {
    /// Whether the state has to be made anew.
    rebuild: bool,
    /// Whether it was made from blocks here.
    is_verified: bool,
}

impl How {
    /// As others gave it.
    const TAKEN: Self = Self {
        rebuild: true,
        is_verified: false,
    };
}

/// What was found out about a snapshot.
enum Examined {
    /// It can be the base.
    Usable(How),
    /// It is no snapshot of what its issuer had.
    Bad(&'static str),
    /// Its chunks have to be fetched first.
    Fetch,
}

fn failed(error: &dxos_feed::IndexError) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}
