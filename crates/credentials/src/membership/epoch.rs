//! Epochs: which of them is the current one, and who knows of it.

use std::collections::BTreeSet;

use dxos_feed::Timeframe;
use dxos_keys::{BlockHash, DeviceKey, FeedId, StateHash};

use super::view::covers;
use super::{ControlBlock, Membership};
use crate::Assertion;

/// An epoch that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// One more than that of the epoch before, 1 for the first.
    pub number: u64,
    /// The hash of the block that holds it.
    pub hash: BlockHash,
    /// The feed of that block.
    pub feed: FeedId,
    /// Its place there.
    pub seq: u64,
    /// The device that issued it.
    pub by: DeviceKey,
    /// The block that holds the epoch before.
    pub previous: Option<BlockHash>,
    /// The hash of what the snapshot consists of.
    pub snapshot: StateHash,
    /// Whether what was written before is to be destroyed on every device.
    pub erases: bool,
}

impl Epoch {
    fn read(block: &ControlBlock) -> Option<Self> {
        let Assertion::Epoch {
            number,
            previous,
            snapshot,
            erases,
            ..
        } = block.credential.assertion()
        else {
            return None;
        };
        Some(Self {
            number: *number,
            hash: block.hash,
            feed: block.feed,
            seq: block.seq,
            by: block.descriptor.device,
            previous: *previous,
            snapshot: *snapshot,
            erases: *erases,
        })
    }
}

impl Membership {
    /// The epochs that count, the current one first. Of several it is the one with the greatest
    /// number, of equals the one with the greatest hash: an order that nothing changes later, so
    /// that a device that acknowledged one knows what it can lose to.
    ///
    /// An epoch counts if its issuer was an admin in its own past and no removal takes that back,
    /// and if its number is one more than that of an epoch which it knew, or 1.
    pub fn epochs(&self) -> Vec<Epoch> {
        let all: Vec<_> = self
            .blocks()
            .filter_map(|block| Some((block, Epoch::read(block)?)))
            .collect();
        let follows = |block: &ControlBlock, number: u64, previous: Option<BlockHash>| {
            let Some(previous) = previous else {
                return number == 1;
            };
            all.iter().any(|(_, before)| {
                before.hash == previous
                    && before.number.checked_add(1) == Some(number)
                    && covers(&block.past, &before.feed, before.seq)
            })
        };
        let counting = all.iter().filter(|(block, epoch)| {
            self.takes_effect(block) && follows(block, epoch.number, epoch.previous)
        });
        let mut counting: Vec<_> = counting.map(|(_, epoch)| *epoch).collect();
        counting.sort_by_key(|epoch| std::cmp::Reverse((epoch.number, epoch.hash)));
        counting
    }

    /// The devices that have written a control block in knowledge of an epoch: nothing that they
    /// write from then on takes back what it stands for.
    pub fn know_epoch(&self, epoch: &Epoch) -> BTreeSet<DeviceKey> {
        let knowing = self.blocks().filter(|block| {
            block.hash == epoch.hash || covers(&block.past, &epoch.feed, epoch.seq)
        });
        knowing.map(|block| block.descriptor.device).collect()
    }

    /// The devices of admins that have not: each of them may still remove the issuer of an epoch
    /// as of before it.
    pub fn may_contest(&self, epoch: &Epoch) -> BTreeSet<DeviceKey> {
        let knowing = self.know_epoch(epoch);
        let admins = self.admin_devices().into_keys();
        admins.filter(|device| !knowing.contains(device)).collect()
    }

    /// What the writer of a control block had applied.
    pub fn past_of(&self, block: &BlockHash) -> Option<&Timeframe> {
        self.blocks()
            .find(|known| known.hash == *block)
            .map(|known| &known.past)
    }

    /// The membership as the writer of a control block knew it, that block included.
    pub fn as_of(&self, block: &BlockHash) -> Option<Self> {
        let past = self.past_of(block)?;
        let known = self
            .blocks()
            .filter(|known| covers(past, &known.feed, known.seq));
        Some(Self::evaluate(*self.space(), known.cloned()))
    }
}
