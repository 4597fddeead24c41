//! From control blocks to members.

use dxos_feed::Timeframe;
use dxos_keys::{DeviceKey, FeedId, IdentityKey, SpaceKey};

use super::{
    Act, Authority, ControlBlock, Derived, Membership, Refused, Restriction, Shown, Who, covers,
};
use crate::{Assertion, DeviceChain, Issuer, Right, Role};

impl Derived {
    /// What follows from all blocks. Removals take effect one by one, by seniority; each may
    /// cancel others, so that what follows is computed again after each.
    pub(super) fn of(membership: &Membership) -> Self {
        let Membership { space, blocks, .. } = membership;
        let mut restrictions: Vec<Restriction> = Vec::new();
        loop {
            let mut derived = Self {
                restrictions: restrictions.clone(),
                ..Self::default()
            };
            let mut candidates = Vec::new();
            for block in blocks.values() {
                let standing = restrictions.iter().any(|r| r.at == block.order());
                if !standing && let Some(found) = derived.candidate(*space, block) {
                    candidates.push(found);
                }
                derived.apply(*space, block);
            }
            let next = candidates
                .into_iter()
                .min_by_key(|(seniority, r)| (*seniority, r.at));
            match next {
                Some((_, restriction)) => restrictions.push(restriction),
                None => return derived,
            }
        }
    }

    /// Whether a block takes something away from somebody, were it to count.
    pub(super) fn is_restriction(&self, block: &ControlBlock) -> bool {
        match block.credential.assertion() {
            Assertion::MemberRemoved { .. } | Assertion::DeviceRevoked { .. } => true,
            Assertion::SpaceMember { identity, role, .. } => {
                let before = self.role_at(identity, Some(&before(block)));
                before.is_some_and(|(before, _)| *role < before)
            }
            _ => false,
        }
    }

    pub(super) fn is_genesis(&self, space: SpaceKey, block: &ControlBlock) -> bool {
        *block.credential.issuer() == Issuer::Space(space)
    }

    /// The restriction that a block makes if it counts, with the seniority of its issuer.
    fn candidate(
        &self,
        space: SpaceKey,
        block: &ControlBlock,
    ) -> Option<((u32, IdentityKey), Restriction)> {
        if !self.is_restriction(block) {
            return None;
        }
        let authority = self.issuer(space, block).ok()?;
        let (who, role) = match block.credential.assertion() {
            Assertion::MemberRemoved { identity, .. } => (Who::Identity(*identity), None),
            Assertion::SpaceMember { identity, role, .. } => {
                (Who::Identity(*identity), Some(*role))
            }
            Assertion::DeviceRevoked { device, .. } => (Who::Device(*device), None),
            _ => return None,
        };
        let (_, rank) = self.role_at(&authority.identity, Some(&before(block)))?;
        let seniority = (rank, authority.identity);
        let past = block.past.clone();
        Some((
            seniority,
            Restriction {
                at: block.order(),
                past,
                who,
                role,
            },
        ))
    }

    /// The issuer of a block, if it may issue what the block says.
    fn issuer(&self, space: SpaceKey, block: &ControlBlock) -> Result<Authority, Refused> {
        let device = match block.credential.issuer() {
            // Nobody writes for somebody else: the credential is the feed's device's own.
            Issuer::Device(device) if *device == block.descriptor.device => device,
            _ => return Err(Refused::UnknownDevice),
        };
        let place = (&block.feed, block.seq);
        let past = before(block);
        let judge = |right| self.judge(device, place, &past, right);
        let here = |claimed: &SpaceKey| {
            if *claimed == space {
                Ok(())
            } else {
                Err(Refused::NotMember)
            }
        };
        match block.credential.assertion() {
            Assertion::SpaceMember { space, .. }
            | Assertion::ContentKey { space, .. }
            | Assertion::Epoch { space, .. }
            | Assertion::DelegatedInvitation { space, .. }
            | Assertion::InvitationCancelled { space, .. } => {
                here(space)?;
                judge(Right::Admit)
            }
            Assertion::MemberRemoved { space, identity } => {
                here(space)?;
                // Anyone may leave.
                let authority = judge(Right::Replicate)?;
                if authority.identity == *identity {
                    Ok(authority)
                } else {
                    judge(Right::Admit)
                }
            }
            Assertion::MemberProfile { space, .. } => {
                here(space)?;
                judge(Right::Replicate)
            }
            Assertion::DeviceRevoked {
                identity,
                device: revoked,
            } => {
                let authority = judge(Right::Replicate)?;
                let own = authority.identity == *identity && revoked != device;
                if own {
                    Ok(authority)
                } else {
                    Err(Refused::Role)
                }
            }
            Assertion::AuthorizedDevice { identity, .. } => {
                let authority = judge(Right::Replicate)?;
                if authority.identity == *identity {
                    Ok(authority)
                } else {
                    Err(Refused::Role)
                }
            }
            Assertion::DeviceProfile { .. } => judge(Right::Replicate),
            _ => Err(Refused::Role),
        }
    }

    /// Takes in a block whose causes were taken in before. Tells whether it counts.
    pub(super) fn apply(&mut self, space: SpaceKey, block: &ControlBlock) -> bool {
        let counts = self.apply_unless_refused(space, block);
        if counts {
            self.counting.insert(block.order());
        }
        counts
    }

    fn apply_unless_refused(&mut self, space: SpaceKey, block: &ControlBlock) -> bool {
        let assertion = block.credential.assertion();
        match assertion {
            Assertion::SpaceGenesis {
                space: claimed,
                admin,
            } => {
                let first = *block.credential.issuer() == Issuer::Space(space)
                    && *claimed == space
                    && self.genesis.is_none();
                if first {
                    self.genesis = Some((block.feed, block.seq, *admin));
                    self.act(block, *admin, Some(Role::Admin), 0);
                }
                return first;
            }
            Assertion::DevicePresented { chain, .. } => {
                // A chain proves itself; only the device at its end may show it here.
                return self.show(block, chain, Some(block.descriptor.device));
            }
            _ => {}
        }
        let standing = self.restrictions.iter().any(|r| r.at == block.order());
        let authority = match self.issuer(space, block) {
            Ok(authority) => authority,
            // A removal that has taken effect stands, whatever a junior did meanwhile.
            Err(_) if standing => match self.shown_in(&block.descriptor.device, &block.past) {
                Some(identity) => Authority {
                    identity,
                    role: Role::Admin,
                },
                None => return false,
            },
            Err(_) => return false,
        };
        match assertion {
            Assertion::SpaceMember {
                identity,
                role,
                display_name,
                chain,
                invitation,
                ..
            } => {
                let rank = self.rank_at(&authority.identity, &before(block));
                if let Some(chain) = chain
                    && chain
                        .verify()
                        .is_ok_and(|device| device.identity == *identity)
                {
                    self.show(block, chain, None);
                }
                self.act(block, *identity, Some(*role), rank.saturating_add(1));
                self.invitations.extend(invitation);
                self.name(block, *identity, display_name.clone());
            }
            Assertion::MemberRemoved { identity, .. } => self.act(block, *identity, None, 0),
            Assertion::MemberProfile { display_name, .. } => {
                self.name(block, authority.identity, display_name.clone());
            }
            Assertion::ContentKey { key, .. } => {
                self.keys.push((block.lamport, block.feed, block.seq, *key));
            }
            _ => {}
        }
        true
    }

    fn act(&mut self, block: &ControlBlock, identity: IdentityKey, role: Option<Role>, rank: u32) {
        let (feed, seq, past) = (block.feed, block.seq, block.past.clone());
        self.acts.entry(identity).or_default().push(Act {
            feed,
            seq,
            past,
            role,
            rank,
        });
    }

    fn name(&mut self, block: &ControlBlock, identity: IdentityKey, name: Option<String>) {
        let newer = self
            .names
            .get(&identity)
            .is_none_or(|(at, _)| *at < block.order());
        if newer && name.is_some() {
            self.names.insert(identity, (block.order(), name));
        }
    }

    fn show(
        &mut self,
        block: &ControlBlock,
        chain: &DeviceChain,
        expected: Option<DeviceKey>,
    ) -> bool {
        let Ok(device) = chain.verify() else {
            return false;
        };
        if expected.is_some_and(|expected| expected != device.device) {
            return false;
        }
        let shown = Shown {
            feed: block.feed,
            seq: block.seq,
            device,
        };
        self.devices.entry(device.device).or_default().push(shown);
        true
    }

    /// The identity for which a device has shown a chain in `past`. A device that shows chains of
    /// several identities acts for the first.
    fn shown_in(&self, device: &DeviceKey, past: &Timeframe) -> Option<IdentityKey> {
        let shown = self.devices.get(device)?;
        let found = shown
            .iter()
            .find(|shown| covers(past, &shown.feed, shown.seq));
        found.map(|shown| shown.device.identity)
    }

    /// The role and rank of an identity as of `past`, or as of now.
    pub(super) fn role_at(
        &self,
        identity: &IdentityKey,
        past: Option<&Timeframe>,
    ) -> Option<(Role, u32)> {
        let acts = self.acts.get(identity)?;
        let known = |act: &&Act| past.is_none_or(|past| covers(past, &act.feed, act.seq));
        // What another known act came after no longer says anything.
        let current = acts.iter().filter(known).filter(|act| {
            !acts.iter().filter(known).any(|later| {
                (later.feed, later.seq) != (act.feed, act.seq)
                    && covers(&later.past, &act.feed, act.seq)
            })
        });
        let role = current.map(|act| act.role).min()??;
        let ranks = acts
            .iter()
            .filter(known)
            .filter(|act| act.role.is_some())
            .map(|act| act.rank);
        Some((role, ranks.min().unwrap_or(u32::MAX)))
    }

    fn rank_at(&self, identity: &IdentityKey, past: &Timeframe) -> u32 {
        self.role_at(identity, Some(past))
            .map_or(u32::MAX, |(_, rank)| rank)
    }

    pub(super) fn judge(
        &self,
        device: &DeviceKey,
        (feed, seq): (&FeedId, u64),
        past: &Timeframe,
        right: Right,
    ) -> Result<Authority, Refused> {
        let identity = self.shown_in(device, past).ok_or(Refused::UnknownDevice)?;
        let (role, _) = self
            .role_at(&identity, Some(past))
            .ok_or(Refused::NotMember)?;
        if !role.allows(right) {
            return Err(Refused::Role);
        }
        for restriction in &self.restrictions {
            if covers(&restriction.past, feed, seq) {
                continue;
            }
            match restriction.who {
                Who::Device(revoked) if revoked == *device => return Err(Refused::Revoked),
                Who::Identity(restricted) if restricted == identity => {
                    let allowed = restriction.role.is_some_and(|role| role.allows(right));
                    if !allowed && !self.readmitted(&identity, restriction, past) {
                        return Err(Refused::Removed);
                    }
                }
                Who::Device(_) | Who::Identity(_) => {}
            }
        }
        Ok(Authority { identity, role })
    }

    /// Whether `past` holds an act that came after the restriction and gave the role back.
    fn readmitted(
        &self,
        identity: &IdentityKey,
        restriction: &Restriction,
        past: &Timeframe,
    ) -> bool {
        let (_, feed, seq) = restriction.at;
        let acts = self
            .acts
            .get(identity)
            .map(Vec::as_slice)
            .unwrap_or_default();
        acts.iter().any(|act| {
            act.role.is_some()
                && (act.feed, act.seq) != (feed, seq)
                && covers(&act.past, &feed, seq)
                && covers(past, &act.feed, act.seq)
        })
    }
}

/// What the writer of a block had applied before it.
fn before(block: &ControlBlock) -> Timeframe {
    let mut past = block.past.clone();
    past.dots.insert(block.feed, block.seq);
    past
}
