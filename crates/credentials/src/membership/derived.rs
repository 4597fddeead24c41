//! What follows from control blocks, and how one block adds to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_keys::{ContentKeyId, DeviceKey, FeedId, IdentityKey, InvitationId, SpaceKey};

use super::view::{View, covers};
use super::{ControlBlock, Order};
use crate::{Assertion, DeviceChain, Issuer, Role, VerifiedDevice};

/// What follows from the blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    /// The first genesis and whom it names.
    pub(super) genesis: Option<(Order, IdentityKey)>,
    /// Acts about each identity that count, in causal order.
    pub(super) acts: BTreeMap<IdentityKey, Vec<Act>>,
    /// Admissions and removals that count but are not in `standing`, by the identity that issued
    /// them.
    pub(super) issued: BTreeMap<IdentityKey, BTreeMap<Order, Arc<ControlBlock>>>,
    /// Where the chain of each device was shown, in causal order.
    pub(super) shown: BTreeMap<DeviceKey, Vec<Shown>>,
    /// The devices of which a chain was shown, by identity.
    pub(super) devices: BTreeMap<IdentityKey, BTreeSet<DeviceKey>>,
    /// Where it was shown first, in each feed, that one device of an identity authorized another.
    pub(super) links: BTreeMap<(IdentityKey, DeviceKey, DeviceKey), BTreeMap<FeedId, u64>>,
    /// Effective removals and reductions.
    pub(super) limits: BTreeMap<IdentityKey, BTreeMap<Order, Limit>>,
    /// Effective revocations.
    pub(super) revocations: BTreeMap<(IdentityKey, DeviceKey), BTreeMap<Order, Arc<ControlBlock>>>,
    /// Every block in `limits` or `revocations`. For a reduction, which is an admission too, with
    /// the rank of its issuer when it took effect; for others 0.
    pub(super) standing: BTreeMap<Order, u32>,
    /// The current content key, after how many restrictions its issuer knew and where it stands.
    pub(super) content_key: Option<(usize, Order, ContentKeyId)>,
    pub(super) invitations: BTreeSet<InvitationId>,
    pub(super) names: BTreeMap<IdentityKey, (Order, Option<String>)>,
    pub(super) counting: BTreeSet<Order>,
}

/// Something that was decided about an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) block: Arc<ControlBlock>,
    /// `None` for a removal.
    pub(super) role: Option<Role>,
    pub(super) rank: u32,
}

/// A device chain that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) at: Order,
    pub(super) device: VerifiedDevice,
    /// The devices that lead to it, itself included.
    pub(super) chain: Arc<[DeviceKey]>,
    /// Whether the device showed it itself.
    pub(super) own: bool,
}

/// An effective removal or reduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) block: Arc<ControlBlock>,
    /// What is still allowed, `None` for nothing.
    pub(super) role: Option<Role>,
}

impl Act {
    /// Whether it was made in knowledge of the block at a place. A genesis knows nothing: a copy
    /// of it that somebody writes later gives nothing back.
    pub(super) fn knew(&self, feed: &FeedId, seq: u64) -> bool {
        let genesis = matches!(self.block.credential.issuer(), Issuer::Space(_));
        !genesis && View::of(&self.block).holds(feed, seq)
    }

    pub(super) fn is(&self, block: &ControlBlock) -> bool {
        (self.block.feed, self.block.seq) == (block.feed, block.seq)
    }
}

impl Derived {
    /// Takes in a block that decides about members and devices, after its causes.
    pub(super) fn apply(&mut self, space: SpaceKey, block: &Arc<ControlBlock>) -> bool {
        let counts = match block.credential.assertion() {
            Assertion::SpaceGenesis { admin, .. } => self.found(block, *admin),
            Assertion::DevicePresented { chain, .. } => {
                self.show(block, chain, true);
                true
            }
            _ => self.decide(space, block),
        };
        if counts {
            self.counting.insert(block.order());
        }
        counts
    }

    fn found(&mut self, block: &Arc<ControlBlock>, admin: IdentityKey) -> bool {
        let order = block.order();
        let (first, named) = *self.genesis.get_or_insert((order, admin));
        if named != admin {
            return false;
        }
        self.genesis = Some((first.min(order), admin));
        // Anyone can copy it into a feed; one a feed is enough.
        let acts = self.acts.get(&admin).map(Vec::as_slice).unwrap_or_default();
        let again = acts.iter().any(|act| {
            matches!(act.block.credential.issuer(), Issuer::Space(_))
                && act.block.feed == block.feed
        });
        if !again {
            self.act(block, admin, Some(Role::Admin), 0);
        }
        true
    }

    fn decide(&mut self, space: SpaceKey, block: &Arc<ControlBlock>) -> bool {
        let (issuer, rank) = match self.standing.get(&block.order()) {
            // What has taken effect stands, whatever a junior did meanwhile.
            Some(rank) => (None, *rank),
            None => match self.issuer(space, block) {
                Ok(authority) => (
                    Some(authority.identity),
                    self.rank_at(&authority.identity, View::of(block)),
                ),
                Err(_) => return false,
            },
        };
        match block.credential.assertion() {
            Assertion::SpaceMember {
                identity,
                role,
                display_name,
                chain,
                invitation,
                ..
            } => {
                if let Some(chain) = chain
                    && chain.device().identity == *identity
                {
                    self.show(block, chain, false);
                }
                self.act(block, *identity, Some(*role), rank.saturating_add(1));
                self.invitations.extend(invitation);
                if display_name.is_some() {
                    self.name(block, *identity, display_name.as_deref());
                }
            }
            Assertion::MemberRemoved { identity, .. } => self.act(block, *identity, None, 0),
            // A revocation counts from when it takes effect.
            _ => return issuer.is_none(),
        }
        if let Some(issuer) = issuer {
            let blocks = self.issued.entry(issuer).or_default();
            blocks.insert(block.order(), Arc::clone(block));
        }
        true
    }

    fn act(
        &mut self,
        block: &Arc<ControlBlock>,
        identity: IdentityKey,
        role: Option<Role>,
        rank: u32,
    ) {
        let acts = self.acts.entry(identity).or_default();
        let at = acts.partition_point(|act| act.block.order() < block.order());
        let block = Arc::clone(block);
        acts.insert(at, Act { block, role, rank });
    }

    fn name(&mut self, block: &ControlBlock, identity: IdentityKey, name: Option<&str>) {
        let known = self.names.get(&identity);
        if known.is_none_or(|(at, _)| *at < block.order()) {
            self.names
                .insert(identity, (block.order(), name.map(str::to_owned)));
        }
    }

    fn show(&mut self, block: &ControlBlock, chain: &DeviceChain, own: bool) {
        let device = chain.device();
        let chain: Arc<[DeviceKey]> = chain.devices().collect();
        for (from, to) in chain.iter().zip(chain.iter().skip(1)) {
            let places = self.links.entry((device.identity, *from, *to)).or_default();
            let first = places.entry(block.feed).or_insert(block.seq);
            *first = block.seq.min(*first);
        }
        let (at, places) = (block.order(), self.shown.entry(device.device).or_default());
        // Whoever knows the later place in a feed knows the earlier one.
        let again = places.iter().any(|shown| {
            (shown.at.1, shown.own, shown.device) == (block.feed, own, device)
                && shown.at.2 <= block.seq
                && shown.chain == chain
        });
        if again {
            return;
        }
        let devices = self.devices.entry(device.identity).or_default();
        devices.insert(device.device);
        let place = places.partition_point(|shown| shown.at < at);
        let shown = Shown {
            at,
            device,
            chain,
            own,
        };
        places.insert(place, shown);
    }

    /// Takes in a block that decides nothing about members and devices. Tells whether it counts.
    pub(super) fn apply_leaf(&mut self, space: SpaceKey, block: &ControlBlock) -> bool {
        let Ok(authority) = self.issuer(space, block) else {
            return false;
        };
        match block.credential.assertion() {
            Assertion::MemberProfile { display_name, .. } => {
                self.name(block, authority.identity, display_name.as_deref());
            }
            Assertion::ContentKey { key, .. } => {
                let found = Some((self.restrictions_known(block), block.order(), *key));
                self.content_key = self.content_key.max(found);
            }
            _ => {}
        }
        self.counting.insert(block.order());
        true
    }

    /// How many effective removals and revocations the writer of a block knew.
    fn restrictions_known(&self, block: &ControlBlock) -> usize {
        let known = |(_, feed, seq): &&Order| covers(&block.past, feed, *seq);
        self.standing.keys().filter(known).count()
    }
}
