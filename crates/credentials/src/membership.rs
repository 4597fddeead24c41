//! The membership of a space: a pure function of the set of its control blocks.
//!
//! The same set gives the same members whatever the order of arrival. The rules, with their
//! reasons:
//!
//! 1. **Authority is in the past.** A credential counts only if its issuer held the needed role
//!    in that block's own causal past: its device's chain was shown there, its identity admitted
//!    there. What comes later cannot make it count. Nobody writes for somebody else: the issuer
//!    is the device of the feed.
//! 2. **A removal reaches what it did not know.** A block of a removed member counts only if it
//!    is in the causal past of every effective removal of that member. A new block cannot get
//!    into the past of a removal that exists, so nothing can be backdated; and an admin cannot
//!    erase what it had itself accepted. A lesser role and the revocation of a device work the
//!    same way. A revocation also reaches the devices that the revoked one authorized, unless
//!    whoever revoked it knew of them: a stolen device cannot go on making new ones.
//! 3. **A re-admission starts anew.** A block that has a re-admission, made after the removal,
//!    in its past is not touched by that removal.
//! 4. **The senior admin wins.** Seniority is nearness to genesis in the tree of admissions,
//!    ties by identity key; among the devices of one identity, nearness to its genesis, ties by
//!    device key. Removals take effect in order of the seniority of their issuers; one
//!    that has taken effect stands, also when a junior concurrently removes its issuer, and
//!    cancels the concurrent acts, removals included, of the one it removes. (The idea of strong
//!    removal: Weidner et al., "Key agreement for decentralized secure group messaging with
//!    strong security guarantees", 2021.) Of the acts of one identity, leaving goes first, then
//!    revocations: who has left removes nobody in the past. Against a senior, who may object at
//!    any time, a junior's removal stands only while it does not.
//!    What revoked a device can be taken back by whoever issued it and by a device that goes
//!    before it, in knowledge of it, also by the one that was revoked: whoever may object in the
//!    past may do so openly. A revocation that repeats another device's word weighs no more than
//!    that one's, so that it can be taken back along with it.
//! 5. **Among concurrent acts about one member** a removal wins over an admission, and the lesser
//!    role over the greater: what was taken away on purpose is not given back by accident. It is
//!    taken away from those too who do not know of it: knowing less never allows more.
//! 6. **A device acts for one identity**, the first whose chain it showed itself or else that was
//!    shown of it, because anyone can authorize anyone's device for an identity of its own.
//! 7. **An invitation for one guest admits one.** An admission does not count when its issuer knew
//!    that another guest was admitted with the same invitation. Of admissions that did not know of
//!    each other the one of the senior issuer counts, by the order of rule 4; what the other guest
//!    wrote stops counting with its membership, as if it had never been admitted. When the one that
//!    counted falls with its issuer's right, the next takes its place. An admission that does not
//!    count takes nothing away either.
//! 8. **A recovery key authorizes devices and does nothing else.** It is shown by a device of its
//!    identity and gets the content keys. See [`DeviceChain`] for where it stands in the order.
//! 9. **Keys are made by admins** and handed on by whoever may read.
//! 10. **A genesis knows nothing.** Anyone can copy it into a feed; a copy gives nobody anything
//!     back. (Whoever kept the key of the space can do more: it must be destroyed.)
//! 11. **An identity has room for [`DEVICES_PER_IDENTITY_MAX`] devices**, recovery keys included.
//!     Of more, those that go first by rule 4 are its devices here: they are listed and get keys.
//!     For the others there is room once some are revoked. Blocks of a device count whether or
//!     not it has room, or else devices that come and go would change again and again what counts.
//!
//! [`DEVICES_PER_IDENTITY_MAX`]: dxos_wire::limits::DEVICES_PER_IDENTITY_MAX
//!
//! `docs/access-control.md` says the same at length, with sources and with the tests that hold it.
//!
//! Adding a block costs little unless it takes something away from somebody who issued blocks
//! that it did not know, or uses an invitation again; then everything is computed again, in time
//! linear in the number of blocks, for each restriction that cancels acts and each invitation that
//! was used for several guests. A block that could not count even if nobody had ever been
//! restricted costs next to nothing.

mod authority;
mod block;
mod derived;
mod epoch;
mod erasure;
mod evaluate;
mod hope;
mod insert;
mod report;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_feed::{Designation, Timeframe};
use dxos_keys::{ContentKeyId, DeviceKey, FeedId, IdentityKey, InvitationId, SealingKey, SpaceKey};
use serde::{Deserialize, Serialize};

pub use self::block::ControlBlock;
use self::block::Order;
use self::derived::Derived;
pub use self::epoch::Epoch;
pub use self::erasure::{Erasure, Renewals};
use self::hope::Hope;
use self::view::{Place, View};
use crate::{DeviceChain, GuestProof, LinkKind, Profile, Right, Role};

/// A member, as the control blocks known here make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it may do.
    pub role: Role,
    /// What others are shown.
    pub profile: Profile,
    /// Its distance from genesis in the tree of admissions.
    pub rank: u32,
    /// Its devices that have room, and their encryption keys.
    pub devices: BTreeMap<DeviceKey, SealingKey>,
    /// Its recovery keys that have room.
    pub recovery_keys: BTreeMap<DeviceKey, SealingKey>,
}

/// How an identity stopped being a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Departure {
    /// It left.
    Left,
    /// It was removed.
    Removed {
        /// The identity that did it.
        by: IdentityKey,
    },
    /// Another guest was admitted with the same invitation, and that admission is the one that
    /// counts.
    InvitationLost {
        /// The invitation.
        invitation: InvitationId,
    },
}

/// An invitation that any admin's device may host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// Its name.
    pub invitation: InvitationId,
    /// What its guests may do.
    pub role: Role,
    /// Whether one guest only may use it.
    pub single_use: bool,
    /// Whether they get to read what was written before.
    pub history: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// How a guest proves that it was meant.
    pub proof: GuestProof,
    /// Who made it.
    pub by: IdentityKey,
}

/// The revocation of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The device or recovery key.
    pub device: DeviceKey,
    /// The device that issued it.
    pub by: DeviceKey,
    /// The device whose word it repeats, if `by` says so.
    pub repeats: Option<DeviceKey>,
    /// Whether it takes effect.
    pub stands: bool,
}

/// What a device may do at some point of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The identity that it acts for.
    pub identity: IdentityKey,
    /// That identity's role.
    pub role: Role,
}

/// Why a block does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its device's chain is not in its past.
    #[error("the device has shown no chain")]
    UnknownDevice,
    /// Its identity is no member in its past.
    #[error("the identity is not a member")]
    NotMember,
    /// The role in its past does not allow it.
    #[error("the role does not allow it")]
    Role,
    /// The member was removed, or got a lesser role, and the block is not in the past of that.
    #[error("the member was removed or restricted")]
    Removed,
    /// The device was revoked and the block is not in the past of that.
    #[error("the device was revoked")]
    Revoked,
}

/// What an inserted block changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether the block takes effect.
    pub counts: bool,
    /// Whether blocks that were judged before may be judged differently now.
    pub retroactive: bool,
}

/// The members of a space and the power to judge its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    space: SpaceKey,
    /// All control blocks, in a causal order that is the same everywhere.
    blocks: BTreeMap<Order, Arc<ControlBlock>>,
    /// Their feeds.
    control: BTreeSet<FeedId>,
    /// What could count if nobody had ever been restricted.
    hope: Hope,
    derived: Derived,
}

impl Membership {
    /// A space of which nothing is known.
    pub fn new(space: SpaceKey) -> Self {
        Self {
            space,
            blocks: BTreeMap::new(),
            control: BTreeSet::new(),
            hope: Hope::default(),
            derived: Derived::default(),
        }
    }

    /// The membership that a set of control blocks makes: the definition. Blocks of other spaces,
    /// in data feeds, or with a credential that
    /// [`Credential::decode`](crate::Credential::decode) would refuse are ignored. No two blocks
    /// may stand at one place of a feed: forks are cut before.
    pub fn evaluate(space: SpaceKey, blocks: impl IntoIterator<Item = ControlBlock>) -> Self {
        let mut membership = Self::new(space);
        for block in blocks {
            membership.keep(block);
        }
        membership.evaluate_again();
        membership
    }

    /// Adds a block whose causes were added before. Gives what [`Membership::evaluate`] of all
    /// would give.
    pub fn insert(&mut self, block: ControlBlock) -> Change {
        self.insert_all([block])
    }

    /// Adds blocks, each after its causes, and tells what they changed together. What would have
    /// to be computed again after several of them is computed once: use it for blocks that came
    /// together, so that nobody makes each of them costly.
    pub fn insert_all(&mut self, blocks: impl IntoIterator<Item = ControlBlock>) -> Change {
        self.take_in_all(blocks.into_iter())
    }

    fn keep(&mut self, block: ControlBlock) -> Option<Arc<ControlBlock>> {
        let ours = block.descriptor.space == self.space
            && block.descriptor.designation == Designation::Control
            && block.credential.is_readable();
        if !ours {
            return None;
        }
        let block = Arc::new(block);
        self.blocks.insert(block.order(), Arc::clone(&block));
        self.control.insert(block.feed);
        Some(block)
    }

    /// Forgets the blocks of `feed` from `seq` on: the feed was forked there. Blocks that were
    /// judged before may be judged differently now.
    pub fn cut(&mut self, feed: &FeedId, seq: u64) {
        self.blocks
            .retain(|_, block| block.feed != *feed || block.seq < seq);
        self.control = self.blocks.values().map(|block| block.feed).collect();
        self.evaluate_again();
    }

    /// The space.
    pub const fn space(&self) -> &SpaceKey {
        &self.space
    }

    /// Whether the genesis of the space is known.
    pub const fn has_genesis(&self) -> bool {
        self.derived.genesis.is_some()
    }

    /// The control blocks, in causal order.
    pub fn blocks(&self) -> impl Iterator<Item = &ControlBlock> {
        self.blocks.values().map(Arc::as_ref)
    }

    /// Whether a control block takes effect.
    pub fn takes_effect(&self, block: &ControlBlock) -> bool {
        self.derived.counting.contains(&block.order())
    }

    /// All members.
    pub fn members(&self) -> BTreeMap<IdentityKey, Member> {
        let identities = self.derived.acts.keys();
        identities
            .filter_map(|identity| Some((*identity, self.member(identity)?)))
            .collect()
    }

    /// One member.
    pub fn member(&self, identity: &IdentityKey) -> Option<Member> {
        let (role, rank) = self.derived.role_now(identity)?;
        let of_kind = |kind| {
            let devices = self.derived.devices_of(identity);
            let devices = devices.filter(move |device| device.kind == kind);
            self.sealing_keys(devices)
        };
        Some(Member {
            role,
            profile: self.profile(identity).cloned().unwrap_or_default(),
            rank,
            devices: of_kind(LinkKind::Device),
            recovery_keys: of_kind(LinkKind::RecoveryKey),
        })
    }

    /// What others are shown of an identity, also when it is no member any more.
    pub fn profile(&self, identity: &IdentityKey) -> Option<&Profile> {
        self.derived
            .profiles
            .get(identity)
            .map(|(_, profile)| profile)
    }

    /// The role of an identity, as of now.
    pub fn role_of(&self, identity: &IdentityKey) -> Option<Role> {
        let found = self.derived.role_now(identity);
        found.map(|(role, _)| role)
    }

    /// The identity for which a device acts or acted, and what it is called, also when it is no
    /// member any more: to tell who wrote something.
    pub fn author(&self, device: &DeviceKey) -> Option<(IdentityKey, Option<&str>)> {
        let identity = self.derived.acting(device, View::all())?;
        let profile = self.profile(&identity);
        Some((
            identity,
            profile.and_then(|profile| profile.display_name.as_deref()),
        ))
    }

    /// What a device may do, as of now: what [`Membership::judge`] would say of a block that knows
    /// everything.
    pub fn authority_of(&self, device: &DeviceKey) -> Option<Authority> {
        let identity = self.derived.acting(device, View::all())?;
        let revoked = self
            .derived
            .is_revoked(&identity, device, View::all(), None);
        let role = self.role_of(&identity)?;
        (!revoked).then_some(Authority { identity, role })
    }

    /// Where the effective removals of a device's identity, and revocations of the device itself,
    /// stand: by feed and sequence number. Whoever was thrown out and is a member again knows them.
    pub fn restrictions_of(&self, device: &DeviceKey) -> impl Iterator<Item = (FeedId, u64)> {
        let identity = self.derived.acting(device, View::all());
        let limits = identity.and_then(|identity| self.derived.limits.get(&identity));
        let removals = limits.into_iter().flat_map(BTreeMap::iter);
        let removals = removals.filter(|(_, limit)| limit.role.is_none());
        let revoked = identity.map(|identity| (identity, *device));
        let revocations = revoked.and_then(|place| self.derived.revocations.get(&place));
        let revocations = revocations.into_iter().flat_map(BTreeMap::keys);
        let orders = removals.map(|(order, _)| order).chain(revocations);
        orders.map(|(_, feed, seq)| (*feed, *seq))
    }

    /// Whether a device, or one that its authority comes from, was revoked, so that nothing new of
    /// it counts.
    pub fn is_revoked(&self, device: &DeviceKey) -> bool {
        let identity = self.derived.acting(device, View::all());
        identity.is_some_and(|identity| {
            self.derived
                .is_revoked(&identity, device, View::all(), None)
        })
    }

    /// Whether a device that shows this chain for the first time acts for a member: its identity
    /// is one, and no device in the chain was revoked before it was known here to have authorized
    /// the next.
    pub fn accepts(&self, chain: &DeviceChain) -> bool {
        chain.device().kind == LinkKind::Device && self.holds_up(chain)
    }

    /// The same for a chain that another device of the identity shows, which may be that of a
    /// recovery key.
    pub fn holds_up(&self, chain: &DeviceChain) -> bool {
        self.role_of(&chain.device().identity).is_some() && self.derived.would_hold_up(chain)
    }

    /// Whether a block counts: whether its device had the `right` in the block's own `past`, and
    /// no removal that is known takes it back. It does not matter whether `past` holds the block
    /// itself.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why it does not.
    pub fn judge(
        &self,
        device: &DeviceKey,
        (feed, seq): (&FeedId, u64),
        past: &Timeframe,
        right: Right,
    ) -> Result<Authority, Refused> {
        let view = View::before((*feed, seq), past);
        let data = !self.control.contains(feed);
        let place = Place { feed, seq, data };
        self.derived.judge(device, place, view, right)
    }

    /// Every device that may read, and every recovery key of somebody who may, with the key to
    /// seal for: at most 128 of one identity.
    pub fn readers(&self) -> BTreeMap<DeviceKey, SealingKey> {
        let readers = self.derived.acts.keys().filter(|identity| {
            self.role_of(identity)
                .is_some_and(|role| role.allows(Right::Read))
        });
        self.sealing_keys(readers.flat_map(|identity| self.derived.devices_of(identity)))
    }

    /// Every device of an admin, with the key to seal for.
    pub fn admin_devices(&self) -> BTreeMap<DeviceKey, SealingKey> {
        let identities = self.derived.acts.keys();
        let admins = identities.filter(|identity| self.role_of(identity) == Some(Role::Admin));
        let devices = admins.flat_map(|identity| self.derived.devices_of(identity));
        self.sealing_keys(devices.filter(|device| device.kind == LinkKind::Device))
    }

    /// The content key that seals what is written now: of those whose makers knew of the most
    /// removals and revocations, the one made last. A key that was made concurrently with a
    /// removal may have been sealed for the removed, so it does not replace one made after; and
    /// one that is handed on, as to a new device, does not get any newer.
    pub fn content_key(&self) -> Option<ContentKeyId> {
        self.derived.content_key().map(|(key, _)| key)
    }

    /// Whether an invitation was used by an admission that counts.
    pub fn invitation_used(&self, invitation: &InvitationId) -> bool {
        let uses = self.derived.uses.get(invitation);
        uses.is_some_and(|uses| !uses.is_empty())
    }
}
