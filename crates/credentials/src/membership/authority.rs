//! Who may do what, as of some point of the history.

use dxos_keys::{DeviceKey, FeedId, IdentityKey, SpaceKey};
use dxos_wire::limits::DEVICES_PER_IDENTITY_MAX;

use super::derived::{Derived, Limit, Shown};
use super::view::{Place, View, covers};
use super::{Authority, ControlBlock, Refused};
use crate::{Assertion, DeviceChain, Issuer, LinkKind, Right, Role, VerifiedDevice};

/// The right that a credential needs, were nothing else to be asked. `None` for those that no
/// right allows.
pub(super) fn right_needed(assertion: &Assertion) -> Option<Right> {
    match assertion {
        Assertion::SpaceMember { .. }
        | Assertion::Epoch { .. }
        | Assertion::ErasureRequested { .. }
        | Assertion::DelegatedInvitation { .. }
        | Assertion::InvitationCancelled { .. } => Some(Right::Admit),
        // Whether it is a new key, which admins make, or one that is handed on, is seen later.
        Assertion::ContentKey { .. }
        | Assertion::EpochAcknowledged { .. }
        | Assertion::ErasureAcknowledged { .. } => Some(Right::Read),
        // Anyone may leave.
        Assertion::MemberRemoved { .. }
        | Assertion::MemberProfile { .. }
        | Assertion::DeviceRevoked { .. }
        | Assertion::DeviceRestored { .. }
        | Assertion::AuthorizedDevice { .. }
        | Assertion::AuthorizedRecoveryKey { .. }
        // Of another device: what a device shows of itself needs none.
        | Assertion::DevicePresented { .. }
        | Assertion::SealingKeyReplaced { .. }
        | Assertion::DeviceProfile { .. } => Some(Right::Replicate),
        Assertion::SpaceGenesis { .. }
        | Assertion::IdentityGenesis { .. }
        | Assertion::IdentityRecovery { .. } => None,
    }
}

/// Whether a block says what it says of this space, and by the one who may say it at all: nobody
/// writes for somebody else.
pub(super) fn in_its_place(space: SpaceKey, block: &ControlBlock) -> bool {
    let claimed = match block.credential.assertion() {
        Assertion::SpaceGenesis { space, .. }
        | Assertion::SpaceMember { space, .. }
        | Assertion::MemberRemoved { space, .. }
        | Assertion::MemberProfile { space, .. }
        | Assertion::ContentKey { space, .. }
        | Assertion::Epoch { space, .. }
        | Assertion::EpochAcknowledged { space, .. }
        | Assertion::ErasureRequested { space }
        | Assertion::ErasureAcknowledged { space, .. }
        | Assertion::SealingKeyReplaced { space, .. }
        | Assertion::DelegatedInvitation { space, .. }
        | Assertion::InvitationCancelled { space, .. }
        | Assertion::DevicePresented { space, .. } => *space,
        Assertion::IdentityGenesis { .. }
        | Assertion::AuthorizedDevice { .. }
        | Assertion::AuthorizedRecoveryKey { .. }
        | Assertion::DeviceRevoked { .. }
        | Assertion::DeviceRestored { .. }
        | Assertion::DeviceProfile { .. }
        | Assertion::IdentityRecovery { .. } => space,
    };
    let device = block.descriptor.device;
    let by_right_one = match block.credential.assertion() {
        Assertion::SpaceGenesis { .. } => *block.credential.issuer() == Issuer::Space(space),
        Assertion::DevicePresented { chain, .. } => {
            let shown = chain.device();
            // A recovery key is on paper and writes nothing.
            *block.credential.issuer() == Issuer::Device(device)
                && (shown.device != device || shown.kind == LinkKind::Device)
        }
        _ => *block.credential.issuer() == Issuer::Device(device),
    };
    claimed == space && by_right_one
}

impl Derived {
    /// The issuer of a block, if it may issue what the block says.
    pub(super) fn issuer(
        &self,
        space: SpaceKey,
        block: &ControlBlock,
    ) -> Result<Authority, Refused> {
        if !in_its_place(space, block) {
            return Err(Refused::Role);
        }
        let device = &block.descriptor.device;
        let view = View::of(block);
        let judge = |right| self.judge(device, Place::of(block), view, right);
        let assertion = block.credential.assertion();
        let authority = judge(right_needed(assertion).ok_or(Refused::Role)?)?;
        let own = authority.identity;
        let allowed = match assertion {
            Assertion::MemberRemoved { identity, .. } if *identity != own => {
                return judge(Right::Admit);
            }
            Assertion::DeviceRevoked {
                identity,
                device: revoked,
                ..
            } => own == *identity && revoked != device,
            Assertion::DeviceRestored { identity, .. }
            | Assertion::AuthorizedDevice { identity, .. }
            | Assertion::AuthorizedRecoveryKey { identity, .. } => own == *identity,
            Assertion::DevicePresented { chain, .. } => own == chain.device().identity,
            Assertion::ContentKey { key, .. } if !authority.role.allows(Right::Admit) => {
                let made = self.made.get(key).into_iter().flatten();
                made.into_iter()
                    .any(|((_, feed, seq), _)| view.holds(feed, *seq))
            }
            Assertion::ContentKey { .. } => return judge(Right::Admit),
            Assertion::DeviceProfile { device: named, .. } => {
                named == device || self.acting(named, view) == Some(own)
            }
            _ => true,
        };
        if allowed {
            Ok(authority)
        } else {
            Err(Refused::Role)
        }
    }

    /// The identity for which a device acts, as of `view`. A device can be authorized for several
    /// identities, also without its consent: what it showed itself goes before what others showed
    /// of it, and what came first before what came later. A recovery key does not act.
    pub(super) fn acting(&self, device: &DeviceKey, view: View<'_>) -> Option<IdentityKey> {
        let shown = self.first_shown(device, view)?;
        (shown.device.kind == LinkKind::Device).then_some(shown.device.identity)
    }

    fn first_shown(&self, device: &DeviceKey, view: View<'_>) -> Option<&Shown> {
        let shown = self.shown.get(device)?;
        let known = |shown: &&Shown| view.holds(&shown.at.1, shown.at.2);
        let own = shown.iter().filter(|shown| shown.own).find(known);
        own.or_else(|| shown.iter().find(known))
    }

    /// The chains of a device for an identity that were shown as of `view`, its own first.
    fn chains(
        &self,
        identity: &IdentityKey,
        device: &DeviceKey,
        view: View<'_>,
    ) -> impl Iterator<Item = &Shown> {
        let shown = self.shown.get(device).map(Vec::as_slice);
        let shown = shown.unwrap_or_default();
        let own = shown.iter().filter(|shown| shown.own);
        own.chain(shown.iter().filter(|shown| !shown.own))
            .filter(move |shown| {
                shown.device.identity == *identity && view.holds(&shown.at.1, shown.at.2)
            })
    }

    /// Where a device stands among those of its identity, as of `view`; the least goes first.
    pub(super) fn depth(
        &self,
        identity: &IdentityKey,
        device: &DeviceKey,
        view: View<'_>,
    ) -> usize {
        let chains = self.chains(identity, device, view);
        let depths = chains.map(|shown| shown.seniority);
        depths.min().unwrap_or(usize::MAX)
    }

    /// The devices and recovery keys that belong to an identity now and have room: of more than
    /// there is room for, those that go first, the nearer to the identity's genesis, ties by key.
    /// That is the order in which they may revoke each other, so whoever makes devices without end
    /// crowds out those only that it could turn out as well.
    pub(super) fn devices_of(
        &self,
        identity: &IdentityKey,
    ) -> impl Iterator<Item = &VerifiedDevice> {
        let mut active: Vec<_> = self.active(identity).collect();
        if active.len() > DEVICES_PER_IDENTITY_MAX {
            active.sort_unstable_by_key(|(seniority, device)| (*seniority, device.device));
            active.truncate(DEVICES_PER_IDENTITY_MAX);
        }
        active.into_iter().map(|(_, device)| device)
    }

    /// The devices and recovery keys that belong to an identity now, whether or not there is room
    /// for them, each with its seniority.
    pub(super) fn active(
        &self,
        identity: &IdentityKey,
    ) -> impl Iterator<Item = (usize, &VerifiedDevice)> {
        let devices = self.devices.get(identity).into_iter().flatten();
        devices.filter_map(|device| self.active_device(identity, device))
    }

    pub(super) fn active_device(
        &self,
        identity: &IdentityKey,
        device: &DeviceKey,
    ) -> Option<(usize, &VerifiedDevice)> {
        if self.first_shown(device, View::all())?.device.identity != *identity {
            return None;
        }
        let chains = self.chains(identity, device, View::all());
        let mut chains = chains.filter(|shown| self.holds_up(shown, None));
        let first = chains.next()?;
        let seniority = chains.map(|shown| shown.seniority).min();
        let seniority = seniority.map_or(first.seniority, |other| other.min(first.seniority));
        Some((seniority, &first.device))
    }

    /// Whether a block at `place`, or anything new, of a device comes too late: the device, or
    /// one that its authority comes from, was revoked.
    pub(super) fn is_revoked(
        &self,
        identity: &IdentityKey,
        device: &DeviceKey,
        view: View<'_>,
        place: Option<Place<'_>>,
    ) -> bool {
        // Mostly nobody ever was.
        let mut chains = self.chains(identity, device, view);
        !self.revocations.is_empty() && !chains.any(|shown| self.holds_up(shown, place))
    }

    /// Whether a chain survives the revocation of devices in it. What a device authorized stays
    /// authorized when it is revoked, if whoever revoked it knew: otherwise a stolen device could
    /// go on making new ones.
    fn holds_up(&self, shown: &Shown, place: Option<Place<'_>>) -> bool {
        self.stands(&shown.device.identity, &shown.chain, place)
    }

    /// The same for a chain that nobody has shown here yet.
    pub(super) fn would_hold_up(&self, chain: &DeviceChain) -> bool {
        let devices: Vec<_> = chain.devices().collect();
        self.stands(&chain.device().identity, &devices, None)
    }

    fn stands(
        &self,
        identity: &IdentityKey,
        chain: &[DeviceKey],
        place: Option<Place<'_>>,
    ) -> bool {
        let next = chain.iter().skip(1).map(Some).chain([None]);
        chain.iter().zip(next).all(|(device, next)| {
            let Some(revocations) = self.revocations.get(&(*identity, *device)) else {
                return true;
            };
            let links = next.and_then(|next| self.links.get(&(*identity, *device, *next)));
            revocations.values().all(|revocation| {
                let reaches = |feed: &FeedId, seq| covers(&revocation.past, feed, seq);
                place.is_some_and(|place| place.was_known_to(revocation))
                    || links
                        .is_some_and(|links| links.iter().any(|(feed, seq)| reaches(feed, *seq)))
            })
        })
    }

    /// The role and rank of an identity as of `view`.
    pub(super) fn role_at(&self, identity: &IdentityKey, view: View<'_>) -> Option<(Role, u32)> {
        let acts = self.acts.get(identity)?;
        if let [act] = acts.as_slice() {
            let known = view.holds(&act.block.feed, act.block.seq);
            return known.then_some((act.role?, act.rank));
        }
        let known = acts
            .iter()
            .filter(|act| view.holds(&act.block.feed, act.block.seq));
        let (mut role, mut rank) = (None, u32::MAX);
        for act in known {
            if act.is_last_in(view) {
                role = Some(role.map_or(act.role, |least: Option<Role>| least.min(act.role)));
            }
            // A member keeps its place in the tree of admissions until it is removed.
            if act.role.is_some() && act.rank < rank && !act.is_ended_in(view) {
                rank = act.rank;
            }
        }
        Some((role??, rank))
    }

    /// The role and rank of an identity now: what a block of it that knows everything may do.
    pub(super) fn role_now(&self, identity: &IdentityKey) -> Option<(Role, u32)> {
        let (mut role, rank) = self.role_at(identity, View::all())?;
        for limit in self.limits.get(identity).into_iter().flatten() {
            // Whoever gave a greater role may have hidden what it knew of the lesser one, though
            // it knew of something that came after.
            if !self.readmitted(identity, limit.1, View::all()) {
                role = role.min(limit.1.role?);
            }
        }
        Some((role, rank))
    }

    pub(super) fn rank_at(&self, identity: &IdentityKey, view: View<'_>) -> u32 {
        self.role_at(identity, view)
            .map_or(u32::MAX, |(_, rank)| rank)
    }

    pub(super) fn judge(
        &self,
        device: &DeviceKey,
        place: Place<'_>,
        view: View<'_>,
        right: Right,
    ) -> Result<Authority, Refused> {
        let identity = self.acting(device, view).ok_or(Refused::UnknownDevice)?;
        let (role, _) = self.role_at(&identity, view).ok_or(Refused::NotMember)?;
        if !role.allows(right) {
            return Err(Refused::Role);
        }
        if self.is_revoked(&identity, device, view, Some(place)) {
            return Err(Refused::Revoked);
        }
        let limits = self.limits.get(&identity).into_iter().flatten();
        for (_, limit) in limits {
            if !place.was_known_to(&limit.block)
                && !limit.role.is_some_and(|role| role.allows(right))
                && !self.readmitted(&identity, limit, view)
            {
                return Err(Refused::Removed);
            }
        }
        Ok(Authority { identity, role })
    }

    /// Whether `view` holds an act that came after the limit and gave a role.
    fn readmitted(&self, identity: &IdentityKey, limit: &Limit, view: View<'_>) -> bool {
        let acts = self.acts.get(identity).map(Vec::as_slice);
        acts.unwrap_or_default().iter().rev().any(|act| {
            act.role.is_some()
                && !act.is(&limit.block)
                && act.knew(&limit.block.feed, limit.block.seq)
                && view.holds(&act.block.feed, act.block.seq)
        })
    }
}
