//! Writing credentials again that a fork took away.
//!
//! A device whose disk was copied, or restored from a backup, forks its own feeds, and every
//! replica cuts them there. What its control feed had behind the cut is noted in the batch of the
//! cut itself, or when peers show it, and then written again, credential by credential, in feeds
//! of a new incarnation: the block and the note that it was written are one batch. Nobody hears of
//! such a block before it is on the disk. What counts already is not written again. Data is
//! [grafted](super::grafts) instead.

use dxos_credentials::{Assertion, Credential, Right};
use dxos_document::{Stamp, Timeframe};
use dxos_feed::{Block, BlockIndex as _, Designation, FeedLimits};
use dxos_keys::{BlockHash, DeviceKey, FeedId, IdentityKey};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::Place;
use dxos_store::{Batch, Direction, KeyRange, Read, StoreError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::apply::Fresh;
use super::layout::{LOST, SpaceNumber, in_space};
use super::moved::At;
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};

/// A block of this device that a cut took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LostRecord {
    hash: BlockHash,
    /// Where it was written again.
    again: Option<(FeedId, u64)>,
}

/// Blocks of this device that cuts took away.
#[derive(Debug)]
pub(super) enum Lost {
    /// There are none.
    None,
    /// They are noted in the store.
    Stored,
    /// They are being written again.
    Open(Box<Plan>),
}

/// How to write blocks again.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Those left to be written, the last one first.
    left: Vec<(Stamp, BlockHash)>,
}

/// Whether blocks are left to be written again.
pub(super) fn is_left(number: SpaceNumber, store: &dyn Read) -> Result<bool, StoreError> {
    let prefix = KeyRange::prefix(&in_space(number, b""));
    let row = store.scan(LOST, prefix, Direction::Forward).next();
    row.transpose().map(|row| row.is_some())
}

fn lost_key(number: SpaceNumber, (feed, seq): At, hash: &BlockHash) -> Vec<u8> {
    let mut key = in_space(number, feed.as_bytes());
    key.extend_from_slice(&seq.to_be_bytes());
    key.extend_from_slice(hash.as_bytes());
    key
}

impl Space {
    /// Notes that a block of this device was cut away.
    pub(super) fn note_lost(
        &mut self,
        at: At,
        hash: BlockHash,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let record = LostRecord { hash, again: None };
        let key = lost_key(self.record.number, at, &hash);
        batch.put(LOST, key, encode_row(&record)?);
        self.lost = Lost::Stored;
        Ok(())
    }

    /// Whether what a cut took away is being written again: nothing else is written before that
    /// is done, as what keeps it back keeps back all writing.
    pub(super) const fn is_writing_again(&self) -> bool {
        !matches!(self.lost, Lost::None)
    }

    /// Writes something again that a fork had taken away; `None` when nothing is left, or the
    /// role or a key that is missing does not allow it now. The space is not stale. What is
    /// written must be on the disk before anybody hears of it.
    pub(crate) fn write_again(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<Option<Outcome>, EchoError> {
        let has_key = |space: &Self| {
            let id = space.membership.content_key();
            id.is_some_and(|id| space.keys.contains_key(&id))
        };
        if matches!(self.lost, Lost::None)
            || self.permit(Right::Write, "write").is_err()
            || !has_key(self)
        {
            return self.graft(store);
        }
        let mut plan = match std::mem::replace(&mut self.lost, Lost::Stored) {
            Lost::Open(plan) => plan,
            _ => Box::new(self.plan(store)?),
        };
        if !self.is_presented() {
            // Before the first transaction, which would do it else: so it is known where that
            // one will stand.
            let mut outcome = Outcome::default();
            self.begin_write(now_ms, &mut outcome)?;
            self.present(now_ms, store, &mut outcome)?;
            self.flush(&mut outcome.batch)?;
            self.lost = Lost::Open(plan);
            return Ok(Some(outcome));
        }
        let Some((stamp, hash)) = plan.left.pop() else {
            return self.forget_lost(store).map(Some);
        };
        let at = (stamp.feed, stamp.seq);
        let Some(fresh) = self.lost_block(at, hash, store)? else {
            self.lost = Lost::Open(plan);
            return Ok(Some(Outcome::default()));
        };
        let (again, mut outcome) = self.control_again(&fresh, now_ms, (store, rng))?;
        let record = LostRecord {
            hash: fresh.hash,
            // What cannot be written is not tried again either.
            again: Some(again.unwrap_or(at)),
        };
        let key = lost_key(self.record.number, at, &fresh.hash);
        outcome.batch.put(LOST, key, encode_row(&record)?);
        self.lost = Lost::Open(plan);
        Ok(Some(outcome))
    }

    fn forget_lost(&mut self, store: &dyn Read) -> Result<Outcome, EchoError> {
        let mut outcome = Outcome::default();
        let prefix = KeyRange::prefix(&in_space(self.record.number, b""));
        for row in store.scan(LOST, prefix, Direction::Forward) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            outcome.batch.delete(LOST, key);
        }
        self.lost = Lost::None;
        Ok(outcome)
    }

    fn plan(&self, store: &dyn Read) -> Result<Plan, EchoError> {
        let mut plan = Plan::default();
        let prefix = in_space(self.record.number, b"");
        for row in store.scan(LOST, KeyRange::prefix(&prefix), Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let record: LostRecord = decode_row("note of a lost block", &value)?;
            let Some(at) = at_of(key.get(prefix.len()..).unwrap_or_default()) else {
                continue;
            };
            let Some(fresh) = self.lost_block(at, record.hash, store)? else {
                continue;
            };
            if record.again.is_none() {
                plan.left.push((fresh.stamp(), fresh.hash));
            }
        }
        plan.left
            .sort_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
        Ok(plan)
    }

    fn lost_block(
        &self,
        (feed, seq): At,
        hash: BlockHash,
        store: &dyn Read,
    ) -> Result<Option<Fresh>, EchoError> {
        let record = self.blocks(store).branch_record(&feed, Place { seq, hash });
        let record = record.map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        let found = record
            .zip(self.dag.feed(&feed))
            .and_then(|(record, state)| {
                let block = Block::decode(&record.block, &FeedLimits::default()).ok()?;
                Some(Fresh {
                    descriptor: state.descriptor,
                    feed,
                    seq,
                    prev: record.prev,
                    hash,
                    block,
                    past: Timeframe::new(),
                })
            });
        Ok(found)
    }

    fn control_again(
        &mut self,
        fresh: &Fresh,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Option<At>, Outcome), EchoError> {
        let mut outcome = Outcome::default();
        let Ok(credential) = Credential::decode(&fresh.block.body) else {
            return Ok((None, outcome));
        };
        let counts = self
            .membership
            .blocks()
            .any(|block| block.credential == credential);
        let stands = !counts && match credential.assertion() {
            // Shown again in the new feeds anyway.
            Assertion::DevicePresented { .. } => false,
            // Whoever was removed since must not be let in again by this.
            Assertion::SpaceMember { identity, .. } => !self.membership.blocks().any(|block| {
                let assertion = block.credential.assertion();
                matches!(assertion, Assertion::MemberRemoved { identity: gone, .. } if gone == identity)
            }),
            _ => true,
        };
        if !stands || self.was_replaced(&credential, fresh, store)? {
            return Ok((None, outcome));
        }
        let current = self.membership.content_key();
        let current = current.and_then(|id| self.keys.get(&id).cloned());
        self.begin_write(now_ms, &mut outcome)?;
        self.present(now_ms, store, &mut outcome)?;
        // It is as old as it was: what was said since goes before other branches too.
        self.append_control(&credential, fresh.block.time_ms, store, &mut outcome)?;
        if matches!(credential.assertion(), Assertion::ContentKey { .. })
            && let Some(current) = current
        {
            // It opens what others sealed with it; what comes now is sealed as it was before.
            let readers = self.membership.readers();
            self.seal_key(&current, readers, now_ms, (store, rng), &mut outcome)?;
        }
        self.settle_members(now_ms, store, &mut outcome)?;
        self.flush(&mut outcome.batch)?;
        let feed = self.own_feed(Designation::Control).id();
        let length = self.dag.feed(&feed).map_or(0, |state| state.length);
        Ok((Some((feed, length.saturating_sub(1))), outcome))
    }
}

impl Space {
    /// Whether a role or profile was given since that a lost credential would undo.
    fn was_replaced(
        &self,
        lost: &Credential,
        fresh: &Fresh,
        store: &dyn Read,
    ) -> Result<bool, EchoError> {
        let device = &fresh.descriptor.device;
        let Some(subject) = self.subject(lost, device) else {
            return Ok(false);
        };
        let later = self.membership.blocks().filter(|block| {
            // Whether others knew of it when they gave another one is told by logical time; this
            // device has forgotten, and only its clock tells.
            (block.descriptor.device == *device || block.lamport >= fresh.block.lamport)
                && self.subject(&block.credential, &block.descriptor.device) == Some(subject)
                && self.membership.takes_effect(block)
        });
        for block in later {
            let stored = self.blocks(store).block(&block.feed, block.seq);
            let stored = stored.map_err(|error| EchoError::Store {
                reason: error.to_string(),
            })?;
            if stored.is_some_and(|stored| stored.time_ms > fresh.block.time_ms) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a credential gives of which only one can hold.
    fn subject(&self, credential: &Credential, by: &DeviceKey) -> Option<Subject> {
        match credential.assertion() {
            Assertion::SpaceMember { identity, .. } => Some(Subject::Role(*identity)),
            Assertion::MemberProfile { .. } => {
                let (identity, _) = self.membership.author(by)?;
                Some(Subject::Profile(identity))
            }
            Assertion::DeviceProfile { device, .. } => Some(Subject::Device(*device)),
            _ => None,
        }
    }
}

/// Of what there is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Role(IdentityKey),
    Profile(IdentityKey),
    Device(DeviceKey),
}

fn at_of(key: &[u8]) -> Option<At> {
    let (feed, rest) = key.split_at_checked(FeedId::LENGTH)?;
    let seq = u64::from_be_bytes(*rest.first_chunk()?);
    Some((FeedId::from_slice(feed)?, seq))
}
