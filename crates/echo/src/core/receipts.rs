//! Receipts: what this device has stored durably, and what the others say to have.
//!
//! What they prove is worked out in [`super::sync_status`], and how they are taken back in
//! [`super::withdrawal`].
//!
//! A device signs what it has after a sync that began when it had that. Receipts are passed on
//! from device to device, the latest of each, at a bounded pace. A device whose disk was restored
//! from a backup would sign numbers again that it had signed before, for less: it hears of its own
//! later receipts from whoever has them, and signs a later one then. Until it does, two receipts
//! of it are held against each other, and only what both say counts.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::Right;
use dxos_feed::Receipt;
use dxos_keys::{BlockHash, DeviceKey, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::{Message, SessionError, SessionId};
use dxos_store::{Batch, Direction, KeyRange, Read};
use dxos_wire::limits::RECEIPT_FEEDS_MAX;
use serde::{Deserialize, Serialize};

use super::early_receipts::EarlyReceipts;
use super::layout::{SpaceNumber, TALLIES, in_space};
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};

/// Entries of all receipts together that are kept.
const ENTRIES_MAX: usize = 262_144;
/// Receipts are signed and passed on no oftener than that.
const PACE_MS: u64 = 1_000;
/// More feeds make receipts larger: so much longer is waited for each.
const PACE_PER_FEED_MS: u64 = 10;

/// Longer is not waited.
const PACE_MAX_MS: u64 = PACE_MS + PACE_PER_FEED_MS * RECEIPT_FEEDS_MAX as u64;

pub(super) type Heads = BTreeMap<FeedId, (u64, BlockHash)>;

/// The receipts of one space.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    known: BTreeMap<DeviceKey, Known>,
    /// How many entries they have together.
    entries: usize,
    /// A later number that this device signed before, and has forgotten.
    forgotten: u64,
    next_ms: u64,
    is_signing: bool,
    /// The version of the feeds when there was last nothing to sign.
    said: Option<u64>,
    /// How often feeds were cut, or receipts taken back.
    cuts: u64,
    /// What came of devices before anything made these known here.
    early: EarlyReceipts,
    /// The peers that are known to have stored the withdrawal of this device.
    heard: BTreeSet<SessionId>,
    /// How often any of this changed.
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) receipt: Receipt,
    /// Another one that does not go together with it.
    pub(super) other: Option<Receipt>,
    /// Whether it is to be stored and passed on.
    #[serde(skip)]
    is_fresh: bool,
    /// Whom it came from, if not from here.
    #[serde(skip)]
    from: Option<SessionId>,
}

/// What is to be signed once it is on the disk.
#[derive(Debug)]
pub(crate) struct Candidate {
    heads: Heads,
    cuts: u64,
}

impl Known {
    fn entries(&self) -> usize {
        self.receipt.heads.len() + self.other.as_ref().map_or(0, |other| other.heads.len())
    }

    fn all(&self) -> impl Iterator<Item = &Receipt> {
        std::iter::once(&self.receipt).chain(&self.other)
    }

    /// When the older of them was signed.
    pub(super) fn signed_at_ms(&self) -> Option<u64> {
        self.all().map(|receipt| receipt.signed_at_ms).min()
    }

    /// Whether the device took back what it had said.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.all().all(Receipt::is_withdrawal)
    }

    /// Blocks of a feed that it says are stored: the numbers that all receipts agree on.
    pub(super) fn heads(&self, feed: &FeedId) -> Vec<Option<(u64, BlockHash)>> {
        let heads = self.all().map(|receipt| receipt.heads.get(feed));
        heads.map(Option::<&_>::copied).collect()
    }
}

fn key(number: SpaceNumber, device: &[u8]) -> Vec<u8> {
    // Rows of "receipt", of an earlier form, are not read: receipts come again.
    let mut key = in_space(number, b"signed");
    key.extend_from_slice(device);
    key
}

impl Receipts {
    /// A session ended.
    pub(super) fn closed(&mut self, session: SessionId) {
        self.early.closed(session);
    }

    pub(super) fn open(number: SpaceNumber, store: &dyn Read) -> Result<Self, EchoError> {
        let mut opened = Self::default();
        let prefix = KeyRange::prefix(&key(number, b""));
        for row in store.scan(TALLIES, prefix, Direction::Forward) {
            let (_, value) = row.map_err(|error| store_failed(&error))?;
            let known: Known = decode_row("receipt", &value)?;
            opened.entries += known.entries();
            opened.known.insert(known.receipt.device, known);
        }
        Ok(opened)
    }

    /// A feed was cut, or everything is about to be deleted: what is being signed may not be so any
    /// more.
    pub(super) fn cut(&mut self) {
        self.cuts += 1;
    }

    pub(super) fn of(&self, device: &DeviceKey) -> Option<&Known> {
        self.known.get(device)
    }

    /// Whether this device signed something before that it does not know any more.
    pub(super) const fn has_forgotten(&self) -> bool {
        self.forgotten > 0
    }

    pub(super) fn note_heard(&mut self, session: SessionId) {
        self.heard.insert(session);
    }

    /// Whether a peer has stored the withdrawal of this device.
    pub(super) fn is_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    pub(super) fn is_heard_by(&self, session: SessionId) -> bool {
        self.heard.contains(&session)
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceKey> {
        self.known.keys().copied()
    }

    fn put(&mut self, known: Known) {
        let before = self
            .known
            .get(&known.receipt.device)
            .map_or(0, Known::entries);
        self.entries = self.entries.saturating_sub(before) + known.entries();
        self.version += 1;
        self.known.insert(known.receipt.device, known);
    }
}

impl Space {
    fn heads(&self) -> Heads {
        let feeds = self.dag.feeds().filter(|(_, state)| state.length > 0);
        let heads = feeds.map(|(feed, state)| (*feed, (state.length, state.head)));
        heads.take(RECEIPT_FEEDS_MAX).collect()
    }

    /// What is to be signed, if something is: once a sync that begins now has succeeded, it is
    /// handed back to [`Space::sign_receipt`], and if it fails to [`Space::drop_receipt`].
    pub(crate) fn receipt_candidate(&mut self, now_ms: u64) -> Option<Candidate> {
        let receipts = &mut self.receipts;
        // A clock that was set back is not waited for.
        let waits = receipts.next_ms.saturating_sub(now_ms);
        if waits > PACE_MAX_MS {
            receipts.next_ms = 0;
        }
        let version = self.dag.version();
        if receipts.is_signing
            || receipts.said == Some(version)
            || now_ms < receipts.next_ms
            || self.stale
        {
            return None;
        }
        if self.permit(Right::Read, "read").is_err() && self.role().is_none() {
            return None;
        }
        let heads = self.heads();
        let known = self.receipts.known.get(&self.device());
        let is_said = known.is_some_and(|known| {
            known.receipt.heads == heads && known.receipt.number > self.receipts.forgotten
        });
        if heads.is_empty() || is_said {
            self.receipts.said = Some(version);
            return None;
        }
        self.receipts.is_signing = true;
        Some(Candidate {
            heads,
            cuts: self.receipts.cuts,
        })
    }

    pub(crate) fn drop_receipt(&mut self) {
        self.receipts.is_signing = false;
    }

    /// Signs what is on the disk.
    pub(crate) fn sign_receipt(
        &mut self,
        candidate: Candidate,
        now_ms: u64,
    ) -> Result<Outcome, EchoError> {
        self.receipts.is_signing = false;
        let mut outcome = Outcome::default();
        if candidate.cuts != self.receipts.cuts {
            return Ok(outcome);
        }
        let feeds = candidate.heads.len() as u64;
        self.receipts.next_ms = now_ms.saturating_add(PACE_MS + PACE_PER_FEED_MS * feeds);
        self.say(candidate.heads, now_ms);
        self.spread_receipts(&mut outcome)?;
        Ok(outcome)
    }

    /// Signs the next receipt of this device.
    pub(super) fn say(&mut self, heads: Heads, now_ms: u64) {
        let known = self.receipts.known.get(&self.device());
        let number = known.map_or(0, |known| known.receipt.number);
        let number = number.max(self.receipts.forgotten).saturating_add(1);
        let signer = &*self.authority.signer;
        let receipt = Receipt::sign(self.key(), number, now_ms, heads, signer);
        self.receipts.heard.clear();
        self.receipts.put(Known {
            receipt,
            other: None,
            is_fresh: true,
            from: None,
        });
    }

    /// Stores what came and is not stored yet: the space ends.
    pub(crate) fn keep_receipts(&self, batch: &mut Batch) -> Result<(), EchoError> {
        let known = self.receipts.known.values();
        let mut fresh = known.filter(|known| known.is_fresh);
        fresh.try_for_each(|known| put_known(self.record.number, known, batch))
    }

    /// Stores what came, and passes it on.
    pub(crate) fn spread_receipts(&mut self, outcome: &mut Outcome) -> Result<(), EchoError> {
        let number = self.record.number;
        let mut fresh = Vec::new();
        for (device, known) in &mut self.receipts.known {
            if std::mem::take(&mut known.is_fresh) {
                put_known(number, known, &mut outcome.batch)?;
                // Who takes something back is to know that it was heard.
                let from = known.from.filter(|_| !known.receipt.is_withdrawal());
                fresh.push((*device, from));
            }
        }
        for (device, from) in fresh {
            let woken = self.sync.spread_receipt(device, from);
            outcome.effects.wake.extend(woken);
        }
        Ok(())
    }

    /// Whether something came that is not stored and passed on yet.
    pub(crate) fn has_fresh_receipts(&self) -> bool {
        self.receipts.known.values().any(|known| known.is_fresh)
    }

    pub(super) fn receive_receipt(
        &mut self,
        session: SessionId,
        receipt: Receipt,
    ) -> Result<(), SessionError> {
        if let Some(known) = self.receipts.known.get(&receipt.device)
            && (known.receipt == receipt || known.other.as_ref() == Some(&receipt))
        {
            if receipt.is_withdrawal() {
                self.hear_withdrawal_again(session, known.receipt.device, known.is_fresh);
            }
            return Ok(());
        }
        if receipt.heads.len() > RECEIPT_FEEDS_MAX
            || receipt.space != self.key()
            || receipt.verify().is_err()
        {
            return self.sync.offence(session, "a receipt that is none");
        }
        if self.membership.authority_of(&receipt.device).is_none() {
            self.receipts.early.keep(session, receipt);
            return Ok(());
        }
        let device = receipt.device;
        let known = self.receipts.known.get(&device);
        if device == self.device() {
            // It was signed here, and is not known here: the disk is an older one.
            let own = known.map_or(0, |known| known.receipt.number);
            if receipt.number >= own {
                self.receipts.forgotten = self.receipts.forgotten.max(receipt.number);
                self.receipts.said = None;
                self.receipts.next_ms = 0;
            }
            return Ok(());
        }
        let is_direct = self.sync.device_of(session) == Some(device);
        let (receipt, other) = match known {
            None => (receipt, None),
            Some(known) if receipt.number > known.receipt.number => (receipt, None),
            // The device has said something else before, and has forgotten it: it is told.
            Some(known) if is_direct || receipt.number == known.receipt.number => {
                let before = known.receipt.clone();
                self.sync.answer_receipt(session, device);
                (before, Some(receipt))
            }
            Some(_) => {
                self.sync.answer_receipt(session, device);
                return Ok(());
            }
        };
        let next = Known {
            receipt,
            other,
            is_fresh: true,
            from: Some(session),
        };
        if self.receipts.entries + next.entries() <= ENTRIES_MAX {
            self.receipts.put(next);
        }
        Ok(())
    }

    /// Looks again at what devices said before they were known.
    pub(super) fn receive_early_receipts(&mut self) {
        let membership = &self.membership;
        let is_known = |device: &DeviceKey| membership.authority_of(device).is_some();
        for (session, receipt) in self.receipts.early.take(is_known) {
            // It was verified before: there is nothing to accuse anybody of.
            let _ = self.receive_receipt(session, receipt);
        }
    }

    /// The receipts that are to be sent to a peer, about `bytes_max` bytes of them; and whether
    /// there are more.
    pub(super) fn produce_receipts(
        &mut self,
        session: SessionId,
        bytes_max: usize,
        messages: &mut Vec<Message>,
    ) -> bool {
        let mut bytes = 0;
        while bytes < bytes_max {
            let Some(device) = self.sync.next_receipt(session) else {
                return false;
            };
            if let Some(known) = self.receipts.known.get(&device) {
                bytes += 200 + 72 * known.receipt.heads.len();
                messages.push(Message::Receipt(Box::new(known.receipt.clone())));
            }
        }
        self.sync.has_receipts(session)
    }
}

fn put_known(number: SpaceNumber, known: &Known, batch: &mut Batch) -> Result<(), EchoError> {
    let key = key(number, known.receipt.device.as_bytes());
    batch.put(TALLIES, key, encode_row(known)?);
    Ok(())
}
