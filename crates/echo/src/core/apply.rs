//! Letting accepted blocks take effect.

use std::collections::BTreeMap;

use dxos_credentials::{Assertion, Authority, ControlBlock, Refused, Right};
use dxos_document::{Context, Limits, Stamp, Transaction};
use dxos_feed::{Accepted, Block, Designation, FeedDescriptor, Timeframe};
use dxos_keys::{BlockHash, ContentKey, ContentKeyId, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::space::{Space, Touched, store_failed};

/// A block that was accepted into the DAG.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) descriptor: FeedDescriptor,
    pub(super) feed: FeedId,
    pub(super) seq: u64,
    pub(super) prev: BlockHash,
    pub(super) hash: BlockHash,
    pub(super) block: Block,
    pub(super) past: Timeframe,
}

impl From<Accepted<'_>> for Fresh {
    fn from(accepted: Accepted<'_>) -> Self {
        Self {
            descriptor: *accepted.descriptor,
            feed: accepted.feed,
            seq: accepted.seq,
            prev: accepted.prev,
            hash: accepted.hash,
            block: accepted.block.clone(),
            past: accepted.past.clone(),
        }
    }
}

impl Fresh {
    pub(super) fn is_control(&self) -> bool {
        self.descriptor.designation == Designation::Control
    }

    /// The credential in it, if there is one.
    pub(super) fn control(&self) -> Option<ControlBlock> {
        let place = (self.feed, self.seq, self.hash, self.block.lamport);
        ControlBlock::read(self.descriptor, place, self.past.clone(), &self.block.body).ok()
    }
}

impl Space {
    /// Lets a block take effect, if it counts.
    pub(super) fn apply(&mut self, fresh: &Fresh, store: &dyn Read) -> Result<(), EchoError> {
        if fresh.is_control() {
            self.apply_controls(vec![fresh.control()]);
            return Ok(());
        }
        self.apply_data(fresh, store)
    }

    /// Lets credentials take effect that came together, each after its causes. Blocks that hold
    /// none are left out: they count for nothing, and stay as links of their feeds.
    pub(super) fn apply_controls(&mut self, blocks: Vec<Option<ControlBlock>>) {
        let blocks: Vec<_> = blocks.into_iter().flatten().collect();
        let keys = blocks.iter().filter(|block| {
            let assertion = block.credential.assertion();
            matches!(assertion, Assertion::ContentKey { .. })
        });
        let keys: Vec<_> = keys.cloned().collect();
        let change = self.membership.insert_all(blocks);
        self.members_changed |= change.counts || change.retroactive;
        self.stale |= change.retroactive;
        for block in keys {
            // A key that arrives after blocks that it opens: they are read again from the start.
            if self.open_key(&block) {
                self.grafts.look();
                self.stale |= self.has_sealed_blocks();
            }
        }
    }

    /// Whether there are data blocks of others, which a key that was missing may open.
    pub(super) fn has_sealed_blocks(&self) -> bool {
        let device = self.device();
        self.dag.feeds().any(|(_, state)| {
            state.descriptor.designation == Designation::Data
                && state.descriptor.device != device
                && state.length > 0
        })
    }

    /// Whether a data block counts.
    pub(super) fn judge(&self, fresh: &Fresh) -> Result<Authority, Refused> {
        let place = (&fresh.feed, fresh.seq);
        self.membership
            .judge(&fresh.descriptor.device, place, &fresh.past, Right::Write)
    }

    fn apply_data(&mut self, fresh: &Fresh, store: &dyn Read) -> Result<(), EchoError> {
        if let Err(refused) = self.judge(fresh) {
            tracing::debug!(feed = %fresh.feed.short(), seq = fresh.seq, %refused, "block ignored");
            return Ok(());
        }
        // Whoever may write may write rubbish: it counts for nothing.
        let Some(transaction) = open_body(&self.keys, fresh) else {
            tracing::debug!(feed = %fresh.feed.short(), seq = fresh.seq, "block cannot be read");
            return Ok(());
        };
        let stamp = Stamp {
            lamport: fresh.block.lamport,
            feed: fresh.feed,
            seq: fresh.seq,
        };
        let context = Context {
            stamp,
            past: &fresh.past,
            time_ms: fresh.block.time_ms,
        };
        let device = fresh.descriptor.device;
        self.apply_queues(&transaction.queues, &context, &device, store)?;
        self.apply_transaction(&transaction, &context, store)
    }

    /// Applies the operations of one transaction on objects: all of them.
    pub(super) fn apply_transaction(
        &mut self,
        transaction: &Transaction,
        context: &Context<'_>,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let number = self.record.number;
        let watched = !self.live.is_empty();
        for (index, op) in transaction.ops.iter().enumerate() {
            let object = op.object();
            let state = self
                .cache
                .load_to_change((store, None), number, object)
                .map_err(|error| store_failed(&error))?;
            self.touched
                .entry(object)
                .or_insert_with(|| Touched::before(object, state, watched, &mut self.indexes));
            // Decoding has checked the limits, and feeds are far shorter than the other bound.
            match state.apply(op, context, index) {
                Ok(()) => {
                    self.cache.note(op, context, index);
                    self.texts.note(op, context, index);
                }
                Err(error) => tracing::warn!(%error, "operation ignored"),
            }
            self.note_typing(op);
            self.forest.touch(object);
        }
        Ok(())
    }
}

/// The transaction in a block, if its key is known and it can be read.
pub(super) fn open_body(
    keys: &BTreeMap<ContentKeyId, ContentKey>,
    fresh: &Fresh,
) -> Option<Transaction> {
    let body = &fresh.block.body;
    let (id, sealed) = body.split_at_checked(ContentKeyId::LENGTH)?;
    let key = keys.get(&ContentKeyId::from_slice(id)?)?;
    let header = fresh.block.header(fresh.feed, fresh.seq, fresh.prev);
    let plain = key.open(header.sealing_context().as_bytes(), sealed).ok()?;
    Transaction::decode(&super::body::unpack(&plain)?, &Limits::default()).ok()
}
