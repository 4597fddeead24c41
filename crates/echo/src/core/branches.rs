//! Branches that forks had cut away from feeds: they count no more, and are kept for honest blocks
//! that name them and for their own devices, which may have lost them with their disks.

use std::collections::BTreeSet;

use dxos_credentials::{Assertion, Credential};
use dxos_feed::{
    Block, Cut, CutError, Designation, FeedState, ForkProof, IndexError, InsertError, Inserted, Run,
};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::{Message, Place, SessionError, SessionId};
use dxos_store::{Batch, Direction, KeyRange, Read};
use dxos_wire::limits::{FRAME_BYTES_MAX, RUN_BLOCKS_MAX};

use super::apply::Fresh;
use super::asked::Wanted;
use super::layout::{
    self, BRANCHES, BranchRecord, StoredBlocks, TIPS, TipRecord, branch_key, in_space, tips_key,
};
use super::receive::stopped;
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};
use super::sync::failed;

/// Identities that were admitted on cut branches of which that is remembered.
const ADMITTED_MAX: usize = 1_024;
/// Bytes of blocks in one answer, but for a single larger block.
const PART_BYTES: usize = FRAME_BYTES_MAX / 2;
/// Bytes of blocks that one signature vouches for: as a run they fit a frame.
const UNIT_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// What a message has beside a run.
const ROOM: usize = 128;

fn unread(error: &IndexError) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}

impl Space {
    /// Asks for cut branches that waiting blocks depend on. Which those are may show long after
    /// the blocks came: when the feed that they name is cut. Returns whom to wake.
    pub(super) fn want_branches(
        &mut self,
        store: &dyn Read,
    ) -> Result<BTreeSet<SessionId>, IndexError> {
        let mut woken = BTreeSet::new();
        if self.dag.waiting_blocks() == 0 {
            return Ok(woken);
        }
        let index = self.blocks(store);
        for dep in self.dag.missing_branches(&index)? {
            let until = Place {
                seq: dep.seq,
                hash: dep.hash,
            };
            woken.extend(self.sync.want_branch(dep.feed, until));
        }
        Ok(woken)
    }

    /// Asks again for branches that did not come, or of which a part could not be used: what was
    /// missing for it may be here now. Returns whom to wake.
    pub(super) fn look_for_branches(
        &mut self,
        store: &dyn Read,
    ) -> Result<BTreeSet<SessionId>, EchoError> {
        let blocks = self.blocks(store);
        let mut result = Ok(());
        let mut is_here = |feed: &FeedId, until| match blocks.branch_record(feed, until) {
            Ok(record) => record.is_some(),
            Err(error) => {
                result = Err(unread(&error));
                false
            }
        };
        let mut woken = self.sync.ask_branches(&mut is_here);
        result?;
        let wanted = self.want_branches(store);
        woken.extend(wanted.map_err(|error| unread(&error))?);
        Ok(woken)
    }

    /// The next part of a branch that a peer asked for.
    pub(super) fn next_branch(
        &mut self,
        session: SessionId,
        store: &dyn Read,
    ) -> Result<Option<Message>, SessionError> {
        while let Some((wanted, is_dismissed)) = self.sync.next_wanted(session) {
            let Wanted { feed, until, after } = wanted;
            let is_data = |state: &FeedState| state.descriptor.designation == Designation::Data;
            if is_dismissed && self.dag.feed(&feed).is_some_and(is_data) {
                continue;
            }
            if let Some((prev, run)) = self.branch(&feed, until, after, store)? {
                return Ok(Some(Message::Branch { prev, run }));
            }
        }
        Ok(None)
    }

    /// Cuts a forked feed: what follows the fork stops counting, on every replica.
    pub(super) fn cut(
        &mut self,
        proof: &ForkProof,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let failed = |reason: String| EchoError::Store { reason };
        let number = self.record.number;
        // Blocks that came in this very step may be cut, too.
        let pending = outcome.batch.clone();
        let store = &layout::Pending {
            store,
            batch: &pending,
        };
        let index = StoredBlocks { store, number };
        let is_own = proof.descriptor().device == self.device();
        let is_control = proof.descriptor().designation == Designation::Control;
        let branch = self.dag.feed(&proof.feed()).map(|state| state.head);
        let branch = branch.unwrap_or_else(|| proof.prev());
        let cut = match self.dag.cut(proof, &index) {
            Ok(Some(cut)) => cut,
            Ok(None) | Err(CutError::Invalid(_)) => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let Cut { feed, from, length } = cut;
        tracing::warn!(
            device = %proof.descriptor().device.short(), feed = %feed.short(), from, length,
            "feed was forked by its device; what follows the fork no longer counts"
        );
        // The cut may lie before the fork that the proof shows.
        let head = self.dag.feed(&feed).map(|state| state.head);
        let mut prev = head.unwrap_or_else(|| proof.prev());
        for seq in from..length {
            let key = layout::block_key(&feed, seq).to_vec();
            let value = store
                .get(layout::BLOCKS, &key)
                .map_err(|e| failed(e.to_string()))?;
            outcome.batch.delete(layout::BLOCKS, key);
            let Some((hash, block)) = value.as_ref().and_then(layout::split_block) else {
                continue;
            };
            self.keep_branch(feed, (seq, prev, hash), &block, outcome)?;
            if is_own && is_control {
                self.note_lost((feed, seq), hash, &mut outcome.batch)?;
            }
            prev = hash;
            self.tally.blocks = self.tally.blocks.saturating_sub(1);
        }
        self.put_feed(&feed, &mut outcome.batch)?;
        if let Some(last) = length.checked_sub(1).filter(|last| *last >= from) {
            let record = TipRecord {
                is_done: is_own && is_control,
                ..TipRecord::at(last)
            };
            self.put_tip((&feed, &prev), record, &mut outcome.batch)?;
        }
        if is_control {
            self.membership.cut(&feed, from);
        }
        self.receipts.cut();
        if is_own {
            self.grafts.look();
        }
        if is_own && proof.descriptor().incarnation == self.record.incarnation {
            // This device forked, as after its disk was restored: it goes on in new feeds. The
            // other copy may do so at the same time, and must not come to the same ones.
            let [low, high, ..] = *branch.as_bytes();
            let stride = u16::from_le_bytes([low, high]) ^ self.tail.stride();
            self.next_incarnation(stride, &mut outcome.batch)?;
        }
        // Of a feed that did not reach the fork nothing is taken back.
        self.stale |= from < length;
        outcome
            .effects
            .merge(self.sync.forked(feed, proof.descriptor().device));
        Ok(())
    }

    pub(super) fn keep_branch(
        &mut self,
        feed: FeedId,
        (seq, prev, hash): (u64, BlockHash, BlockHash),
        block: &Block,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        self.note_admission(&feed, block);
        let record = BranchRecord {
            prev,
            lamport: block.lamport,
            block: block.encode(),
        };
        let mut key = branch_key(self.record.number, &feed, seq);
        key.extend_from_slice(hash.as_bytes());
        outcome.batch.put(BRANCHES, key, encode_row(&record)?);
        Ok(())
    }

    /// Notes whom a block of a cut branch admitted: others may have built on what it wrote, so its
    /// feeds are taken in.
    fn note_admission(&mut self, feed: &FeedId, block: &Block) {
        let state = self.dag.feed(feed);
        if state.is_none_or(|state| state.descriptor.designation != Designation::Control)
            || self.admitted_on_branches.len() >= ADMITTED_MAX
        {
            return;
        }
        if let Ok(credential) = Credential::decode(&block.body)
            && let Assertion::SpaceMember { identity, .. } = credential.assertion()
            && self.admitted_on_branches.insert(*identity)
        {
            self.sync.unblock();
        }
    }

    /// The same for all cut branches, when the space is opened.
    pub(super) fn note_admissions(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let feeds = self.dag.feeds().filter(|(_, state)| {
            state.fork.is_some() && state.descriptor.designation == Designation::Control
        });
        let feeds: Vec<_> = feeds.map(|(feed, _)| *feed).collect();
        for feed in feeds {
            let prefix = in_space(self.record.number, feed.as_bytes());
            for row in store.scan(BRANCHES, KeyRange::prefix(&prefix), Direction::Forward) {
                let (_, value) = row.map_err(|error| store_failed(&error))?;
                let record: BranchRecord = decode_row("block of a branch", &value)?;
                if let Ok(block) = Block::decode(&record.block, self.dag.limits()) {
                    self.note_admission(&feed, &block);
                }
            }
        }
        Ok(())
    }

    pub(super) fn put_tip(
        &self,
        (feed, hash): (&FeedId, &BlockHash),
        record: TipRecord,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let mut key = tips_key(self.record.number, feed);
        key.extend_from_slice(hash.as_bytes());
        batch.put(TIPS, key, encode_row(&record)?);
        Ok(())
    }

    /// Notes where a branch ends of which blocks have come, from `first` on; the feed's device is
    /// told of it.
    fn note_tip(
        &mut self,
        (feed, first, prev): (FeedId, u64, BlockHash),
        hashes: &[BlockHash],
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let (Some((tip, inner)), Some(state)) = (hashes.split_last(), self.dag.feed(&feed)) else {
            return Ok(());
        };
        let device = state.descriptor.device;
        let blocks = self.blocks(store);
        if blocks.is_tip(&feed, tip)?
            || blocks.has_children(&feed, first + inner.len() as u64 + 1, tip)?
        {
            return Ok(());
        }
        for hash in std::iter::once(&prev).chain(inner) {
            let mut key = tips_key(self.record.number, &feed);
            key.extend_from_slice(hash.as_bytes());
            outcome.batch.delete(TIPS, key);
        }
        let record = TipRecord::at(first + inner.len() as u64);
        self.put_tip((&feed, tip), record, &mut outcome.batch)?;
        if device == self.device() {
            self.grafts.look();
        }
        let woken = self.sync.tell_of_branches(feed, device);
        outcome.effects.wake.extend(woken);
        Ok(())
    }

    /// Takes in blocks of a branch of a forked feed: honest blocks depend on them, or this device
    /// may have lost them with its disk.
    pub(super) fn receive_branch(
        &mut self,
        session: SessionId,
        (prev, run): (BlockHash, Run),
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), SessionError> {
        let (feed, first) = (run.feed, run.first);
        if self.dag.feed(&feed).is_none() {
            return Ok(());
        }
        let (hashes, result) = self
            .take_branch((prev, run), store, outcome)
            .map_err(|error| stopped(&error))?;
        // Some may still wait for what others wrote: that may have come with these.
        let came = hashes.iter().zip(first..);
        let came: Vec<_> = came.map(|(hash, seq)| Place { seq, hash: *hash }).collect();
        self.sync.branch_came(session, (feed, first), &came);
        match result {
            Err(error) if error.is_offence() => self.sync.offence(session, &error.to_string()),
            Err(InsertError::Index(error)) => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Takes in blocks of a branch that follow `prev`, of a feed that is known. Returns the hashes
    /// of those that are kept, and what kept others away.
    pub(super) fn take_branch(
        &mut self,
        (prev, run): (BlockHash, Run),
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(Vec<BlockHash>, Result<Inserted, InsertError>), EchoError> {
        let (feed, first) = (run.feed, run.first);
        let state = self.dag.feed(&feed);
        let is_at_cut = state.is_some_and(|state| state.length == first && state.head == prev);
        let index = StoredBlocks {
            store,
            number: self.record.number,
        };
        let (mut branch, mut accepted) = (Vec::new(), Vec::new());
        let keep = &mut |hash, block: &Block| branch.push((hash, block.clone()));
        let accept = &mut |block: dxos_feed::Accepted<'_>| accepted.push(Fresh::from(block));
        let result = if is_at_cut {
            self.dag.insert_branch(run, &index, keep, accept)
        } else {
            self.dag
                .insert_branch_after(prev, run, &index, keep, accept)
        };
        let mut before = prev;
        for ((hash, block), seq) in branch.iter().zip(first..) {
            // What is here may have a signature that this one has not.
            let known = index.branch_record(&feed, Place { seq, hash: *hash });
            if known.map_err(|error| unread(&error))?.is_none() {
                self.keep_branch(feed, (seq, before, *hash), block, outcome)?;
            }
            before = *hash;
        }
        let hashes: Vec<_> = branch.iter().map(|(hash, _)| *hash).collect();
        self.note_tip((feed, first, prev), &hashes, store, outcome)?;
        let grown = self.take_in(&accepted, store, outcome)?;
        self.tell_of(&grown, outcome);
        Ok((hashes, result))
    }

    /// A peer says where the branches of a feed of this device end.
    pub(super) fn receive_tips(
        &mut self,
        session: SessionId,
        feed: FeedId,
        tips: &[Place],
        store: &dyn Read,
    ) -> Result<(), SessionError> {
        if tips.len() > dxos_wire::limits::TIPS_PER_MESSAGE_MAX {
            return self.sync.offence(session, "named too many branches");
        }
        let device = self.device();
        let is_own = |state: &FeedState| state.descriptor.device == device && state.fork.is_some();
        if !self.dag.feed(&feed).is_some_and(is_own) {
            return Ok(());
        }
        let blocks = self.blocks(store);
        for tip in tips {
            let known = blocks.branch_record(&feed, *tip);
            if known.map_err(|error| failed(&error))?.is_none() {
                self.sync.want_branch_of(session, feed, *tip);
            }
        }
        Ok(())
    }

    /// Blocks of a cut branch on the way to one of it, up to one that is signed itself, if need
    /// be behind that one, and the hash of the block before.
    pub(super) fn branch(
        &self,
        feed: &FeedId,
        until: Place,
        after: Option<Place>,
        store: &dyn Read,
    ) -> Result<Option<(BlockHash, Run)>, SessionError> {
        let blocks = self.blocks(store);
        let known = blocks.branch_record(feed, until);
        let (Some(state), Some(_)) = (self.dag.feed(feed), known.map_err(|error| failed(&error))?)
        else {
            return Ok(None);
        };
        let is_whole = state.closed_from() == Some(state.length);
        let begin = match after {
            Some(after) => after.seq.checked_add(1).map(|first| (first, after.hash)),
            None => is_whole.then_some((state.length, state.head)),
        };
        let Some((first, prev)) = begin else {
            return Ok(None);
        };
        let (mut found, mut bytes, mut before) = (Vec::new(), 0, prev);
        // Blocks up to one that its own signature vouches for.
        let mut vouched = 0;
        for seq in first..=u64::MAX {
            if seq > until.seq && vouched == found.len() {
                break;
            }
            let next = blocks.child(feed, (seq, &before), until);
            let Some((hash, block)) = next.map_err(|error| failed(&error))? else {
                break;
            };
            bytes += block.encoded_bytes();
            // What is not signed itself goes with the next one that is: they came together.
            let bytes_max = if vouched == 0 {
                UNIT_BYTES_MAX
            } else {
                PART_BYTES
            };
            let is_full = bytes > bytes_max && !found.is_empty();
            if is_full || found.len() == RUN_BLOCKS_MAX {
                break;
            }
            let is_signed = block.is_signed_by(&state.descriptor.device, &hash);
            found.push(block);
            if is_signed {
                vouched = found.len();
            }
            before = hash;
        }
        found.truncate(vouched);
        let run = Run {
            feed: *feed,
            first,
            blocks: found,
        };
        let fits = bytes <= PART_BYTES
            || dxos_wire::encode(1, &run).is_ok_and(|run| run.len() <= FRAME_BYTES_MAX - ROOM);
        Ok((vouched > 0 && fits).then_some((prev, run)))
    }
}
