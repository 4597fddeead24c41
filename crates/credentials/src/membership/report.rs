//! What people and programs are told of members beyond their roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_keys::{DeviceKey, IdentityKey};
use dxos_wire::limits::DEVICES_PER_IDENTITY_MAX;

use super::view::{View, covers};
use super::{ControlBlock, Delegated, Departure, Membership, Revocation};
use crate::{Assertion, DeviceChain, Right};

impl Membership {
    /// How an identity stopped being a member; `None` for one that is, or never was.
    pub fn departure(&self, identity: &IdentityKey) -> Option<Departure> {
        if self.role_of(identity).is_some() {
            return None;
        }
        let mut limits = self.derived.limits.get(identity).into_iter().flatten();
        let last = limits.rfind(|(_, limit)| limit.role.is_none());
        if let Some((_, limit)) = last {
            let device = &limit.block.descriptor.device;
            let by = self.derived.acting(device, View::of(&limit.block))?;
            return Some(if by == *identity {
                Departure::Left
            } else {
                Departure::Removed { by }
            });
        }
        let lost = self.blocks().find_map(|block| {
            let Assertion::SpaceMember {
                identity: guest,
                invitation: Some(invitation),
                ..
            } = block.credential.assertion()
            else {
                return None;
            };
            // Whoever wrote it might: nothing else than the invitation can be in its way.
            let lost = guest == identity
                && !self.takes_effect(block)
                && self.derived.issuer(self.space, block).is_ok();
            lost.then_some(*invitation)
        });
        lost.map(|invitation| Departure::InvitationLost { invitation })
    }

    /// What took the membership of an identity, or a device of it, away.
    pub fn dismissal(&self, identity: &IdentityKey, device: &DeviceKey) -> Option<&ControlBlock> {
        let mut limits = self.derived.limits.get(identity).into_iter().flatten();
        let gone = self.role_of(identity).is_none();
        let removal = limits.rfind(|(_, limit)| gone && limit.role.is_none());
        if let Some((_, limit)) = removal {
            return Some(&limit.block);
        }
        let revocations = self.derived.revocations.get(&(*identity, *device))?;
        revocations.values().next_back().map(Arc::as_ref)
    }

    /// Whether a device or recovery key of an identity was shown and not revoked, also when there
    /// is no room for it.
    pub fn belongs(&self, identity: &IdentityKey, device: &DeviceKey) -> bool {
        self.derived.active_device(identity, device).is_some()
    }

    /// Whether an identity has room for another device or recovery key: see rule 11.
    pub fn has_room(&self, identity: &IdentityKey) -> bool {
        self.derived.active(identity).count() < DEVICES_PER_IDENTITY_MAX
    }

    /// The chains of the devices and recovery keys that belong to an identity now and have room.
    pub fn chains_of(&self, identity: &IdentityKey) -> BTreeMap<DeviceKey, DeviceChain> {
        let current: BTreeMap<_, _> = self
            .derived
            .devices_of(identity)
            .map(|device| (device.device, device))
            .collect();
        let mut chains = BTreeMap::new();
        for block in self.blocks().filter(|block| self.takes_effect(block)) {
            let (Assertion::DevicePresented { chain, .. }
            | Assertion::SpaceMember {
                chain: Some(chain), ..
            }) = block.credential.assertion()
            else {
                continue;
            };
            let device = chain.device();
            if current.get(&device.device) == Some(&&device) && self.derived.would_hold_up(chain) {
                chains.insert(device.device, chain.clone());
            }
        }
        chains
    }

    /// The devices and recovery keys of an identity that were revoked.
    pub fn revoked_devices(&self, identity: &IdentityKey) -> BTreeSet<DeviceKey> {
        let revocations = self.derived.revocations.keys();
        let own = revocations.filter(|(owner, _)| owner == identity);
        own.map(|(_, device)| *device).collect()
    }

    /// The devices and recovery keys of an identity that were revoked, each with the device that did
    /// it: of several the one that goes first.
    pub fn revoked_by(&self, identity: &IdentityKey) -> BTreeMap<DeviceKey, DeviceKey> {
        let revocations = self.derived.revocations.iter();
        let own = revocations.filter(|((owner, _), _)| owner == identity);
        own.filter_map(|((_, device), blocks)| {
            let first = blocks
                .values()
                .min_by_key(|block| self.derived.weight(identity, block))?;
            Some((*device, first.descriptor.device))
        })
        .collect()
    }

    /// Every revocation of devices of an identity by others of its devices, those that do not
    /// stand included, in causal order.
    pub fn revocations(&self, identity: &IdentityKey) -> Vec<Revocation> {
        let mut found = Vec::new();
        for block in self.blocks() {
            let Assertion::DeviceRevoked {
                identity: owner,
                device,
                repeats,
                ..
            } = block.credential.assertion()
            else {
                continue;
            };
            let by = block.descriptor.device;
            if owner == identity && self.derived.acting(&by, View::all()) == Some(*owner) {
                found.push(Revocation {
                    device: *device,
                    by,
                    repeats: *repeats,
                    stands: self.takes_effect(block),
                });
            }
        }
        found
    }

    /// Whether something of what revoked a device falls when `by` takes it back, which it has not
    /// tried yet.
    pub fn can_restore(&self, by: &DeviceKey, device: &DeviceKey) -> bool {
        let Some(identity) = self.derived.acting(by, View::all()) else {
            return false;
        };
        let Some(revocations) = self.derived.revocations.get(&(identity, *device)) else {
            return false;
        };
        let depth = self.derived.depth(&identity, by, View::all());
        let tried = |revocation: &ControlBlock| {
            self.blocks().any(|block| {
                let same = matches!(
                    block.credential.assertion(),
                    Assertion::DeviceRestored { device: restored, .. } if restored == device
                );
                same && block.descriptor.device == *by
                    && covers(&block.past, &revocation.feed, revocation.seq)
            })
        };
        revocations.values().any(|revocation| {
            (depth, *by) <= self.derived.weight(&identity, revocation) && !tried(revocation)
        })
    }

    /// The delegated invitations that are neither cancelled nor used up. Whether their time is
    /// over is for the caller to see.
    pub fn delegated(&self) -> Vec<Delegated> {
        let mut open = BTreeMap::new();
        for block in self.blocks().filter(|block| self.takes_effect(block)) {
            match block.credential.assertion() {
                Assertion::DelegatedInvitation {
                    invitation,
                    role,
                    single_use,
                    history,
                    expires_ms,
                    proof,
                    ..
                } => {
                    let device = &block.descriptor.device;
                    let Some(by) = self.derived.acting(device, View::of(block)) else {
                        continue;
                    };
                    let used = *single_use && self.invitation_used(invitation);
                    if used {
                        continue;
                    }
                    open.entry(*invitation).or_insert_with(|| {
                        Some(Delegated {
                            invitation: *invitation,
                            role: *role,
                            single_use: *single_use,
                            history: *history,
                            expires_ms: *expires_ms,
                            proof: proof.clone(),
                            by,
                        })
                    });
                }
                // Also one that is seen before the invitation, whose name it knew somehow.
                Assertion::InvitationCancelled { invitation, .. } => {
                    open.insert(*invitation, None);
                }
                _ => {}
            }
        }
        open.into_values().flatten().collect()
    }

    /// Whether somebody was removed, reduced to carrying ciphertext, or lost a device, and the
    /// key that seals what is written now was made without knowing of it.
    pub fn rotation_due(&self) -> bool {
        let Some((_, order)) = self.derived.content_key() else {
            return self.has_genesis();
        };
        let Some(current) = self.blocks.get(&order) else {
            return false;
        };
        let unknown = |block: &ControlBlock| !covers(&current.past, &block.feed, block.seq);
        let limits = self.derived.limits.values().flatten();
        let removed = limits
            .filter(|(_, limit)| !limit.role.is_some_and(|role| role.allows(Right::Read)))
            .any(|(_, limit)| unknown(&limit.block));
        let mut revocations = self.derived.revocations.values().flatten();
        removed || revocations.any(|(_, block)| unknown(block))
    }

    /// The device that created the space, if it is one of this identity, and nobody else was ever
    /// a member. Anyone can make a space that names somebody else as its admin; only a device of
    /// that identity can have made it so that this is said of it.
    pub fn sole_creator(&self, identity: &IdentityKey) -> Option<DeviceKey> {
        if self.derived.acts.keys().any(|member| member != identity) {
            return None;
        }
        // Anyone can copy a genesis into a feed: one in a feed of the identity is enough.
        let mut creators = self.blocks().filter_map(|block| {
            let Assertion::SpaceGenesis { admin, .. } = block.credential.assertion() else {
                return None;
            };
            let device = block.descriptor.device;
            let own = admin == identity
                && self.takes_effect(block)
                && self.derived.acting(&device, View::all()) == Some(*identity);
            own.then_some(device)
        });
        creators.next()
    }

    /// Whether an identity is or was a member.
    pub fn was_member(&self, identity: &IdentityKey) -> bool {
        self.derived.acts.contains_key(identity)
    }

    /// Whether an identity would have been a member, had nobody ever been removed or restricted
    /// and had no invitation been used twice: whoever admitted it took it for one, and may have
    /// built on what it wrote.
    pub fn was_taken_for_member(&self, identity: &IdentityKey) -> bool {
        self.hope.admits(identity)
    }
}
