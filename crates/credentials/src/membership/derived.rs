//! What follows from control blocks, and how one block adds to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_keys::{ContentKeyId, DeviceKey, FeedId, IdentityKey, InvitationId, SpaceKey};

use super::evaluate::Seniority;
use super::view::{Place, View, covers};
use super::{ControlBlock, Order};
use crate::{Assertion, DeviceChain, Issuer, Profile, Right, Role, VerifiedDevice};

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
    /// What took revocations back, by the device that is restored, with where it goes in the
    /// order in which they take effect.
    pub(super) restorations: BTreeMap<(IdentityKey, DeviceKey), Restorations>,
    /// Every block in `limits` or `revocations`. For a reduction, which is an admission too, with
    /// the rank of its issuer when it took effect; for others 0.
    pub(super) standing: BTreeMap<Order, u32>,
    /// Where admins made each content key, or handed one on, and how many restrictions they knew.
    pub(super) made: BTreeMap<ContentKeyId, BTreeMap<Order, usize>>,
    /// Admissions that count, by the invitation for one guest that each used up.
    pub(super) uses: BTreeMap<InvitationId, BTreeMap<Order, (Arc<ControlBlock>, IdentityKey)>>,
    /// Of invitations that were used for several guests at once, or by a reduction, the admission
    /// that counts and whom it admits.
    pub(super) winners: BTreeMap<InvitationId, (Order, IdentityKey)>,
    /// Admissions that were in `winners` and fell with the right of whoever issued them: another
    /// takes their place.
    pub(super) fallen: BTreeSet<Order>,
    pub(super) profiles: BTreeMap<IdentityKey, (Order, Profile)>,
    pub(super) counting: BTreeSet<Order>,
}

/// What took revocations of one device back.
type Restorations = BTreeMap<Order, (Seniority, Arc<ControlBlock>)>;

/// Something that was decided about an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) block: Arc<ControlBlock>,
    /// `None` for a removal.
    pub(super) role: Option<Role>,
    pub(super) rank: u32,
    /// The first act in each feed that was made in knowledge of this one: for a view that holds
    /// one of them, this one says nothing any more.
    overruled: BTreeMap<FeedId, u64>,
    /// The same, of removals only.
    ended: BTreeMap<FeedId, u64>,
}

/// A device chain that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) at: Order,
    pub(super) device: VerifiedDevice,
    /// The devices that lead to it, itself included.
    pub(super) chain: Arc<[DeviceKey]>,
    /// See [`DeviceChain`]'s.
    pub(super) seniority: usize,
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

    fn note_later(&mut self, later: &Self) {
        if !later.knew(&self.block.feed, self.block.seq) {
            return;
        }
        let (feed, seq) = (later.block.feed, later.block.seq);
        let note = |places: &mut BTreeMap<FeedId, u64>| {
            let first = places.entry(feed).or_insert(seq);
            *first = seq.min(*first);
        };
        note(&mut self.overruled);
        if later.role.is_none() {
            note(&mut self.ended);
        }
    }

    /// Whether `view` holds nothing that came after it.
    pub(super) fn is_last_in(&self, view: View<'_>) -> bool {
        !holds_any(view, &self.overruled)
    }

    /// Whether `view` holds a removal that came after it.
    pub(super) fn is_ended_in(&self, view: View<'_>) -> bool {
        holds_any(view, &self.ended)
    }
}

fn holds_any(view: View<'_>, places: &BTreeMap<FeedId, u64>) -> bool {
    places.iter().any(|(feed, seq)| view.holds(feed, *seq))
}

impl Derived {
    /// Takes in a block that decides about members and devices, after its causes.
    pub(super) fn apply(&mut self, space: SpaceKey, block: &Arc<ControlBlock>) -> bool {
        let counts = match block.credential.assertion() {
            Assertion::SpaceGenesis { admin, .. } => self.found(block, *admin),
            Assertion::DevicePresented { chain, .. } if shows_itself(block, chain) => {
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
            None if self.restores(block) => return true,
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
                profile,
                chain,
                invitation,
                ..
            } => {
                if let Some(invitation) = invitation
                    && !self.take_up(block, *invitation, *identity)
                {
                    return false;
                }
                if let Some(chain) = chain
                    && chain.device().identity == *identity
                {
                    self.show(block, chain, false);
                }
                self.act(block, *identity, Some(*role), rank.saturating_add(1));
                if !profile.is_empty() {
                    self.describe(block, *identity, profile);
                }
            }
            Assertion::DevicePresented { chain, .. } => self.show(block, chain, false),
            Assertion::MemberRemoved { identity, .. } => self.act(block, *identity, None, 0),
            // A revocation or restoration counts from when it takes effect.
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
        let mut act = Act {
            block: Arc::clone(block),
            role,
            rank,
            overruled: BTreeMap::new(),
            ended: BTreeMap::new(),
        };
        let (earlier, later) = acts.split_at_mut_checked(at).unwrap_or_default();
        for other in earlier {
            other.note_later(&act);
        }
        for other in later {
            act.note_later(other);
        }
        acts.insert(at, act);
    }

    /// Notes that an admission used up an invitation for one guest; `false` when it was not there
    /// to be used: its issuer knew of another guest's admission, or lost against it.
    fn take_up(
        &mut self,
        block: &Arc<ControlBlock>,
        invitation: InvitationId,
        identity: IdentityKey,
    ) -> bool {
        let winner = self.winners.get(&invitation);
        if winner.is_some_and(|(_, winner)| *winner != identity)
            || self.fallen.contains(&block.order())
        {
            return false;
        }
        let view = View::of(block);
        let uses = self.uses.entry(invitation).or_default();
        let spent = uses
            .iter()
            .any(|((_, feed, seq), (_, guest))| *guest != identity && view.holds(feed, *seq));
        if !spent {
            uses.insert(block.order(), (Arc::clone(block), identity));
        }
        !spent
    }

    /// The invitation that an admission used, when others used it for other guests.
    pub(super) fn contested(&self, block: &ControlBlock) -> Option<(InvitationId, IdentityKey)> {
        let Assertion::SpaceMember {
            identity,
            invitation: Some(invitation),
            ..
        } = block.credential.assertion()
        else {
            return None;
        };
        let uses = self.uses.get(invitation)?;
        let contested = uses.contains_key(&block.order())
            && !self.winners.contains_key(invitation)
            && uses.values().any(|(_, guest)| guest != identity);
        contested.then_some((*invitation, *identity))
    }

    /// An invitation whose admission lost the right of its issuer after it had won.
    pub(super) fn fallen_winner(&self) -> Option<(InvitationId, Order)> {
        let winners = self.winners.iter();
        let mut orders = winners.map(|(invitation, (order, _))| (*invitation, *order));
        orders.find(|(_, order)| !self.counting.contains(order))
    }

    fn describe(&mut self, block: &ControlBlock, identity: IdentityKey, profile: &Profile) {
        let known = self.profiles.get(&identity);
        if known.is_none_or(|(at, _)| *at < block.order()) {
            self.profiles
                .insert(identity, (block.order(), profile.clone()));
        }
    }

    fn show(&mut self, block: &ControlBlock, chain: &DeviceChain, own: bool) {
        let (device, seniority) = (chain.device(), chain.seniority());
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
            seniority,
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
            Assertion::MemberProfile { profile, .. } => {
                self.describe(block, authority.identity, profile);
            }
            Assertion::ContentKey { key, .. } => {
                let (device, place) = (&block.descriptor.device, Place::of(block));
                let made = self.judge(device, place, View::of(block), Right::Admit);
                if made.is_ok() {
                    let known = self.restrictions_known(block);
                    let places = self.made.entry(*key).or_default();
                    places.insert(block.order(), known);
                }
            }
            _ => {}
        }
        self.counting.insert(block.order());
        true
    }

    /// The current content key, and where it was made: see [`super::Membership::content_key`].
    pub(super) fn content_key(&self) -> Option<(ContentKeyId, Order)> {
        let first = self.made.iter().filter_map(|(key, places)| {
            let (order, known) = places.first_key_value()?;
            Some((*known, *order, *key))
        });
        first.max().map(|(_, order, key)| (key, order))
    }

    /// How many effective removals and revocations the writer of a block knew.
    fn restrictions_known(&self, block: &ControlBlock) -> usize {
        let known = |(_, feed, seq): &&Order| covers(&block.past, feed, *seq);
        self.standing.keys().filter(known).count()
    }
}

/// Whether a block shows the chain of the device that wrote it.
pub(super) fn shows_itself(block: &ControlBlock, chain: &DeviceChain) -> bool {
    chain.device().device == block.descriptor.device
}
