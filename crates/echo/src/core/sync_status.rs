//! Which devices have signed that they stored what, as far as their receipts prove it.

use std::collections::BTreeMap;

use dxos_feed::Designation;
use dxos_keys::{FeedId, ObjectId};
use dxos_protocol::echo::{DeviceSync, EchoError, MISSING_RANGES_MAX, MissingRange, SyncStatus};
use dxos_store::Read;

use super::receipts::Known;
use super::space::Space;
use super::sync::failed;

impl Space {
    /// Which devices have signed that they stored what.
    pub(crate) fn sync_status(
        &self,
        object: Option<ObjectId>,
        store: &dyn Read,
    ) -> Result<SyncStatus, EchoError> {
        let wanted = self.wanted(object, store)?;
        let mut status = SyncStatus {
            blocks: wanted.values().sum(),
            devices: Vec::new(),
        };
        for (identity, member) in self.membership.members() {
            for device in member.devices.into_keys() {
                let known = self.receipts.of(&device);
                let known = known.filter(|known| self.counts(known));
                let mut of_device = DeviceSync {
                    device,
                    identity,
                    is_own: device == self.device(),
                    receipt: known.map(|known| known.receipt.number),
                    signed_at_ms: known.and_then(Known::signed_at_ms),
                    withdrawn: known.is_some_and(Known::is_withdrawn),
                    stored: 0,
                    missing: 0,
                    missing_ranges: Vec::new(),
                };
                for (feed, until) in &wanted {
                    let proven = known.map_or(Ok(0), |known| self.proven(known, feed, store))?;
                    let stored = proven.min(*until);
                    of_device.stored += stored;
                    of_device.missing += until - stored;
                    if stored < *until && of_device.missing_ranges.len() < MISSING_RANGES_MAX {
                        of_device.missing_ranges.push(MissingRange {
                            feed: *feed,
                            from: stored,
                            until: *until,
                        });
                    }
                }
                status.devices.push(of_device);
            }
        }
        Ok(status)
    }

    /// Whether what a device signed still says something. One that was thrown out and came back may
    /// have lost what it had before: it knows what it was thrown out by when it signs again.
    fn counts(&self, known: &Known) -> bool {
        let restrictions = self.membership.restrictions_of(&known.receipt.device);
        known.is_withdrawn()
            || restrictions.into_iter().all(|(feed, seq)| {
                let mut heads = known.heads(&feed).into_iter();
                heads.all(|head| head.is_some_and(|(length, _)| length > seq))
            })
    }

    /// The blocks in question, by their number in each feed.
    fn wanted(
        &self,
        object: Option<ObjectId>,
        store: &dyn Read,
    ) -> Result<BTreeMap<FeedId, u64>, EchoError> {
        let feeds = self.dag.feeds().filter(|(_, state)| state.length > 0);
        let Some(object) = object else {
            return Ok(feeds.map(|(feed, state)| (*feed, state.length)).collect());
        };
        let Some(found) = self.object(&object, store)? else {
            return Ok(BTreeMap::new());
        };
        // Nothing that was written later than its last change is in it.
        let last = found.updated().stamp.lamport;
        let index = self.blocks(store);
        let mut wanted = BTreeMap::new();
        for (feed, state) in feeds {
            if state.descriptor.designation != Designation::Data {
                continue;
            }
            let (mut from, mut until) = (0, state.length);
            if state.lamport <= last {
                from = until;
            }
            while from < until {
                let middle = from + (until - from) / 2;
                let entry = dxos_feed::BlockIndex::entry(&index, feed, middle);
                let entry = entry.map_err(|error| EchoError::Store {
                    reason: error.to_string(),
                })?;
                // Of what an epoch stands for, nothing is known but that it is older than what is here.
                if entry.is_none_or(|entry| entry.lamport <= last) {
                    from = middle + 1;
                } else {
                    until = middle;
                }
            }
            if from > 0 {
                wanted.insert(*feed, from);
            }
        }
        Ok(wanted)
    }

    /// How many blocks of a feed receipts prove: those up to one that is here, too.
    fn proven(&self, known: &Known, feed: &FeedId, store: &dyn Read) -> Result<u64, EchoError> {
        let index = self.blocks(store);
        let mut proven = u64::MAX;
        for head in known.heads(feed) {
            let Some((length, hash)) = head else {
                return Ok(0);
            };
            let Some(last) = length.checked_sub(1) else {
                return Ok(0);
            };
            let here = self.dag.hash_at(feed, last, &index);
            let here = here.map_err(|error| EchoError::Store {
                reason: failed(&error).to_string(),
            })?;
            if here != Some(hash) {
                return Ok(0);
            }
            proven = proven.min(length);
        }
        Ok(proven)
    }
}
