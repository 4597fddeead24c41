//! Erasures: which content keys are retired, who has said so, and for which keys devices are sealed
//! for now.
//!
//! A request retires the content keys that it knows. Once every device that may write has said
//! that it seals nothing more with them, and how much it knows to be sealed, an epoch that erases stands
//! for all that was ever sealed with them, and the keys can be destroyed.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::{BlockHash, ContentKeyId, DeviceKey, FeedId, SealingKey};

use super::view::covers;
use super::{ControlBlock, Epoch, Membership, Refused};
use crate::{Assertion, LinkKind, Right, Seen, VerifiedDevice};

/// An erasure that an admin asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The block that asks for it.
    pub request: BlockHash,
    /// The feed of that block.
    pub feed: FeedId,
    /// Its place there.
    pub seq: u64,
    /// The device that asked.
    pub by: DeviceKey,
}

/// Where devices replaced their encryption keys, each time saying whether they had all content
/// keys that were sealed for them by then.
#[derive(Clone, Debug)]
pub struct Renewals<'a>(BTreeMap<DeviceKey, Vec<(&'a ControlBlock, bool)>>);

impl Renewals<'_> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a device has what a block sealed for it: the block was written in knowledge of each
    /// replacement, or was known where the device said that it had all.
    pub fn has(&self, device: &DeviceKey, block: &ControlBlock) -> bool {
        let mut renewals = self.0.get(device).into_iter().flatten();
        renewals.all(|(renewal, has_all)| {
            covers(&block.past, &renewal.feed, renewal.seq)
                || *has_all && covers(&renewal.past, &block.feed, block.seq)
        })
    }
}

impl Membership {
    fn requests(&self) -> impl Iterator<Item = &ControlBlock> {
        self.blocks().filter(|block| {
            let assertion = block.credential.assertion();
            matches!(assertion, Assertion::ErasureRequested { .. }) && self.takes_effect(block)
        })
    }

    /// The erasure that was asked for last, whether or not it is done.
    pub fn erasure(&self) -> Option<Erasure> {
        self.requests().last().map(|block| Erasure {
            request: block.hash,
            feed: block.feed,
            seq: block.seq,
            by: block.descriptor.device,
        })
    }

    /// The epoch that does an erasure: the current one of those that erase and know of it.
    pub fn done_by(&self, erasure: &Erasure) -> Option<Epoch> {
        let mut epochs = self.epochs().into_iter();
        epochs.find(|epoch| {
            let knows = |past| covers(past, &erasure.feed, erasure.seq);
            epoch.erases && self.past_of(&epoch.hash).is_some_and(knows)
        })
    }

    /// The content keys that an erasure retires: those that were known where it was asked for.
    pub fn retired_by(&self, request: &BlockHash) -> BTreeSet<ContentKeyId> {
        self.past_of(request).map_or_else(BTreeSet::new, |past| {
            let keys = self.blocks().filter_map(|block| {
                let Assertion::ContentKey { key, .. } = block.credential.assertion() else {
                    return None;
                };
                covers(past, &block.feed, block.seq).then_some(*key)
            });
            keys.collect()
        })
    }

    /// The content keys that are retired where an epoch stands for what was before: those of all
    /// erasures that it, or an epoch that it goes back to, has done. It is a function of what
    /// these epochs know, whatever else is known.
    pub fn retired_at(&self, epoch: &BlockHash) -> BTreeSet<ContentKeyId> {
        let mut retired = BTreeSet::new();
        let mut next = Some(*epoch);
        // Each one knows the one before, so there is an end.
        while let Some(hash) = next {
            let Some(block) = self.blocks().find(|block| block.hash == hash) else {
                break;
            };
            let Assertion::Epoch {
                previous, erases, ..
            } = block.credential.assertion()
            else {
                break;
            };
            if *erases {
                let known = self.blocks().filter(|request| {
                    let assertion = request.credential.assertion();
                    matches!(assertion, Assertion::ErasureRequested { .. })
                        && covers(&block.past, &request.feed, request.seq)
                        && self.was_in_order(request)
                });
                for request in known {
                    retired.extend(self.retired_by(&request.hash));
                }
            }
            next = previous.filter(|previous| {
                let known = self.blocks().find(|known| known.hash == *previous);
                known.is_some_and(|known| covers(&block.past, &known.feed, known.seq))
            });
        }
        retired
    }

    /// Whether the writer of a request might ask by its own past. That it was removed since changes
    /// nothing of what others have destroyed.
    fn was_in_order(&self, request: &ControlBlock) -> bool {
        let judged = self.judge(
            &request.descriptor.device,
            (&request.feed, request.seq),
            &request.past,
            Right::Admit,
        );
        matches!(judged, Ok(_) | Err(Refused::Removed | Refused::Revoked))
    }

    /// The devices that have said that they seal nothing more with what an erasure retires, each
    /// with what it knew of the data.
    pub fn erasure_acknowledged(&self, request: &BlockHash) -> BTreeMap<DeviceKey, &Seen> {
        let said = self.blocks().filter_map(|block| {
            let Assertion::ErasureAcknowledged {
                request: of, known, ..
            } = block.credential.assertion()
            else {
                return None;
            };
            (of == request).then_some((block.descriptor.device, known))
        });
        said.collect()
    }

    /// Every device that may write.
    pub fn writers(&self) -> BTreeSet<DeviceKey> {
        let writers = self.derived.acts.keys().filter(|identity| {
            self.role_of(identity)
                .is_some_and(|role| role.allows(Right::Write))
        });
        writers
            .flat_map(|identity| self.derived.devices_of(identity))
            .filter(|device| device.kind == LinkKind::Device)
            .map(|device| device.device)
            .collect()
    }

    /// Where each device that replaced its encryption key did so last, and by which key.
    pub fn replaced_keys(&self) -> BTreeMap<DeviceKey, (&ControlBlock, SealingKey)> {
        // Later ones come later in the order of blocks.
        let replaced = self.blocks().filter_map(|block| {
            let Assertion::SealingKeyReplaced { sealing, .. } = block.credential.assertion() else {
                return None;
            };
            Some((block.descriptor.device, (block, *sealing)))
        });
        replaced.collect()
    }

    /// Where devices replaced their encryption keys.
    pub fn renewals(&self) -> Renewals<'_> {
        let mut renewals: BTreeMap<DeviceKey, Vec<(&ControlBlock, bool)>> = BTreeMap::new();
        for block in self.blocks() {
            if let Assertion::SealingKeyReplaced { has_all, .. } = block.credential.assertion() {
                let of_device = renewals.entry(block.descriptor.device).or_default();
                of_device.push((block, *has_all));
            }
        }
        Renewals(renewals)
    }

    /// The keys to seal for devices: those that they have now.
    pub(super) fn sealing_keys<'a>(
        &self,
        devices: impl Iterator<Item = &'a VerifiedDevice>,
    ) -> BTreeMap<DeviceKey, SealingKey> {
        let replaced = self.replaced_keys();
        let now = |device: &VerifiedDevice| {
            let replaced = replaced.get(&device.device);
            replaced.map_or(device.sealing, |(_, sealing)| *sealing)
        };
        devices.map(|device| (device.device, now(device))).collect()
    }
}
