//! This device's own feeds: what it writes, and how it shows who it is first.

use bytes::Bytes;
use dxos_credentials::{Assertion, ControlBlock, Credential, Seen};
use dxos_feed::{Append, Dag, Designation, Run};
use dxos_keys::{FeedId, IdentityKey};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::layout::{self, StoredBlocks};
use super::space::{Outcome, Space};

/// A write that stopped half way: the space has to be opened again.
fn write_failed(error: &dyn std::error::Error) -> EchoError {
    EchoError::Stopped {
        reason: error.to_string(),
    }
}

impl Space {
    /// Appends to this device's data feed and stores the block. [`Space::begin_write`] comes
    /// before.
    ///
    /// After an error the space has to be opened again: earlier steps of the same write are in
    /// memory and not in the store.
    pub(super) fn append_data(
        &mut self,
        now_ms: u64,
        outcome: &mut Outcome,
        body: impl FnOnce(dxos_feed::SealingContext) -> Bytes,
    ) -> Result<(FeedId, u64, dxos_feed::Block), EchoError> {
        let descriptor = self.own_feed(Designation::Data);
        let feed = descriptor.id();
        self.dag
            .register(descriptor)
            .map_err(|error| write_failed(&error))?;
        let place = (feed, self.device());
        let appended = self.dag.append_unsigned(place, now_ms, body);
        let (hash, mut block) = appended.map_err(|error| write_failed(&error))?;
        self.vouch_for_appended(feed, hash, &mut block, &mut outcome.batch);
        let seq = self.store_own(&feed, &block, outcome)?;
        Ok((feed, seq, block))
    }

    /// Stores the block that was appended to a feed of this device just now.
    fn store_own(
        &mut self,
        feed: &FeedId,
        block: &dxos_feed::Block,
        outcome: &mut Outcome,
    ) -> Result<u64, EchoError> {
        let Some(state) = self.dag.feed(feed) else {
            return Err(EchoError::Stopped {
                reason: "own feed is lost".to_owned(),
            });
        };
        let seq = state.length - 1;
        let key = layout::block_key(feed, seq).to_vec();
        outcome
            .batch
            .put(layout::BLOCKS, key, layout::block_value(&state.head, block));
        self.tally.blocks += 1;
        self.put_feed(feed, &mut outcome.batch)?;
        let effects = self.sync.appended(*feed, seq, true, &self.dag);
        outcome.effects.merge(effects);
        Ok(seq)
    }

    /// Appends a credential to this device's control feed and lets it take effect here.
    ///
    /// A control block names other control feeds only, so that they can be taken in without any
    /// data, and a device that was just admitted can write at once. What it knew of the data of
    /// somebody from whom it takes something away, its credential says: see [`Space::seen_of`].
    pub(super) fn append_control(
        &mut self,
        credential: &Credential,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let body: Bytes = credential.encode().into();
        let descriptor = self.own_feed(Designation::Control);
        let feed = descriptor.id();
        self.dag
            .register(descriptor)
            .map_err(|error| write_failed(&error))?;
        let named = self
            .dag
            .feeds()
            .map(|(_, state)| state)
            .filter(|state| state.descriptor.designation == Designation::Control);
        let mut alone = Dag::open(self.key(), *self.dag.limits(), named.cloned());
        let signer = &*self.authority.signer;
        let block = alone
            .append(
                Append {
                    feed,
                    time_ms: now_ms,
                    signer,
                },
                |_| body.clone(),
            )
            .map_err(|error| write_failed(&error))?;
        let first = self.dag.feed(&feed).map_or(0, |state| state.length);
        let run = Run {
            feed,
            first,
            blocks: vec![block.clone()],
        };
        let index = StoredBlocks {
            store,
            number: self.record.number,
        };
        self.dag
            .insert(run, &index, &mut |_| {})
            .map_err(|error| write_failed(&error))?;
        let seq = self.store_own(&feed, &block, outcome)?;
        let Some(state) = self.dag.feed(&feed).cloned() else {
            return Ok(());
        };
        let place = (feed, seq, state.head, block.lamport);
        let read = ControlBlock::read(state.descriptor, place, state.clock.clone(), &body);
        self.apply_controls(vec![read.ok()]);
        Ok(())
    }

    /// What is known here of the data of an identity, for taking something away from it.
    pub(super) fn seen_of(&self, identity: &IdentityKey) -> Seen {
        let data = self.dag.feeds().filter(|(_, state)| {
            let descriptor = &state.descriptor;
            descriptor.designation == Designation::Data
                && state.length > 0
                && self
                    .membership
                    .author(&descriptor.device)
                    .is_some_and(|(author, _)| author == *identity)
        });
        data.map(|(feed, state)| (*feed, state.length)).collect()
    }

    /// Whether this device goes on in feeds in which it has shown its chain.
    pub(super) fn is_presented(&mut self) -> bool {
        let own = self.own_feed(Designation::Control).id();
        if self.presented != Some(own) {
            let shown = self.membership.blocks().any(|block| {
                let assertion = block.credential.assertion();
                block.feed == own && matches!(assertion, Assertion::DevicePresented { .. })
            });
            self.presented = shown.then_some(own);
        }
        self.presented.is_some() && !self.tail.is_suspect()
    }

    /// Shows this device's chain in the space, once.
    pub(super) fn present(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if self.is_presented() {
            return Ok(());
        }
        let chain = self.authority.chain.clone();
        let assertion = Assertion::DevicePresented {
            space: self.key(),
            chain,
            halo: None,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Says what others are shown of the one who created the space; for everyone else the
    /// admission says it.
    pub(super) fn show_name(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let profile = self.authority.profile.clone();
        if profile.is_empty() {
            return Ok(());
        }
        let assertion = Assertion::MemberProfile {
            space: self.key(),
            profile,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }
}
