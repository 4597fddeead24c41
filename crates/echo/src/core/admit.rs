//! Admissions: what makes an identity a member, and what it needs to take part.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Assertion, Credential, DeviceChain, LinkKind, Profile, Right, Role, Seen};
use dxos_feed::{Block, Designation, FeedDescriptor, Run, Timeframe};
use dxos_keys::{BlockHash, FeedId, InvitationId};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_store::Read;
use dxos_wire::limits::{RUN_BLOCKS_MAX, RUN_BYTES_MAX, TICKET_BYTES_MAX};
use rand_core::CryptoRng;

use super::layout;
use super::serve::Blocks;
use super::space::{Outcome, Space};

/// Whom to admit, and as what.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The identity, by one of its devices.
    pub(crate) chain: DeviceChain,
    pub(crate) role: Role,
    pub(crate) profile: Profile,
    /// The invitation for one guest that is used up.
    pub(crate) invitation: Option<InvitationId>,
    /// Whether it gets to read what was written before.
    pub(crate) history: bool,
}

impl Space {
    /// Admits an identity and returns what it needs to take part. Asking again for the same
    /// identity and invitation gives the ticket again: it may have been lost on the way.
    pub(crate) fn admit(
        &mut self,
        guest: Guest,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(AdmissionTicket, Outcome), EchoError> {
        self.permit(Right::Admit, "admit members")?;
        let invalid = |reason: String| EchoError::InvalidTransaction { reason };
        guest.profile.check().map_err(|e| invalid(e.to_string()))?;
        let Guest {
            chain,
            role,
            profile,
            invitation,
            history,
        } = guest;
        let device = chain.device();
        let identity = device.identity;
        if device.kind != LinkKind::Device {
            let reason = "a recovery key cannot be admitted; use it to recover the identity";
            return Err(invalid(reason.to_owned()));
        }
        let used = invitation.is_some_and(|id| self.membership.invitation_used(&id));
        if self.membership.role_of(&identity).is_some() {
            let by_this = invitation.is_some_and(|id| self.admitted_by(&identity, &id));
            return if by_this {
                Ok((self.ticket(store, &Outcome::default())?, Outcome::default()))
            } else {
                Err(EchoError::AlreadyMember { identity })
            };
        }
        if let (true, Some(invitation)) = (used, invitation) {
            return Err(EchoError::InvitationUsed { invitation });
        }
        let mut outcome = Outcome::default();
        self.begin_write(now_ms, &mut outcome)?;
        self.present(now_ms, store, &mut outcome)?;
        let assertion = Assertion::SpaceMember {
            space: self.key(),
            identity,
            role,
            profile,
            chain: Some(chain),
            invitation,
            seen: Seen::new(),
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, &mut outcome)?;
        if role.allows(Right::Read) && !history {
            // What was written so far was sealed with other keys.
            self.rotate_key(now_ms, (store, &mut *rng), &mut outcome)?;
        } else if role.allows(Right::Read) {
            // Every key that was ever current: the new member reads the history too.
            let readers = [(device.device, device.sealing)].into();
            self.open_history(readers, now_ms, (store, &mut *rng), &mut outcome)?;
        }
        self.settle_members(now_ms, store, &mut outcome)?;
        self.flush(&mut outcome.batch)?;
        let ticket = self.ticket(store, &outcome)?;
        Ok((ticket, outcome))
    }

    fn admitted_by(&self, identity: &dxos_keys::IdentityKey, invitation: &InvitationId) -> bool {
        self.membership.blocks().any(|block| {
            matches!(
                block.credential.assertion(),
                Assertion::SpaceMember { identity: member, invitation: Some(used), .. }
                    if member == identity && used == invitation
            )
        })
    }

    /// All control blocks, those of `pending` included, in an order in which they can be taken
    /// in.
    pub(crate) fn ticket(
        &self,
        store: &dyn Read,
        pending: &Outcome,
    ) -> Result<AdmissionTicket, EchoError> {
        let blocks = self.control_blocks(store, pending, None)?;
        let runs = blocks.signed.iter().flat_map(|(_, runs)| runs);
        let fits = runs.map(Run::bytes).sum::<usize>() <= TICKET_BYTES_MAX;
        // With the space's key alone peers are asked for the rest, and for what belongs to forks:
        // their proofs, and cut branches on which others built.
        let is_whole = fits && blocks.proven.is_empty() && blocks.has_causes;
        Ok(AdmissionTicket {
            space: self.key(),
            control: if is_whole { blocks.signed } else { Vec::new() },
        })
    }

    /// The same, of any size, and of what is in a past only.
    pub(super) fn control_blocks(
        &self,
        store: &dyn Read,
        pending: &Outcome,
        within: Option<&Timeframe>,
    ) -> Result<ControlBlocks, EchoError> {
        let failed = |error: dxos_feed::IndexError| EchoError::Store {
            reason: error.to_string(),
        };
        let blocks = self.blocks(store);
        let mut all = ControlBlocks::default();
        let (mut hashes, mut deps) = (BTreeMap::new(), BTreeSet::new());
        for (feed, state) in self.dag.feeds() {
            let known = within.map_or(u64::MAX, |past| past.get(feed));
            let length = state.length.min(known);
            if state.descriptor.designation != Designation::Control || length == 0 {
                continue;
            }
            let mut found = Vec::new();
            blocks
                .visit(feed, 0, &mut |hash, block| {
                    if found.len() as u64 == length {
                        return false;
                    }
                    found.push((hash, block));
                    true
                })
                .map_err(failed)?;
            found.extend(pending_blocks(pending, feed, found.len() as u64));
            found.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            for (seq, (hash, block)) in (0..).zip(&found) {
                hashes.insert((*feed, seq), *hash);
                deps.extend(block.deps.iter().map(|dep| (dep.feed, dep.seq, dep.hash)));
            }
            let (signed, rest) = into_runs(&state.descriptor, found);
            all.signed.push((state.descriptor, signed));
            all.proven.extend(rest);
        }
        let is_here = |(feed, seq, hash)| hashes.get(&(feed, seq)) == Some(&hash);
        all.has_causes = deps.into_iter().all(is_here);
        Ok(all)
    }
}

/// Control blocks that are given away.
#[derive(Debug, Default)]
pub(super) struct ControlBlocks {
    /// In runs that end with a valid signature.
    pub(super) signed: Vec<(FeedDescriptor, Vec<Run>)>,
    /// Behind these: what only the proof of a fork vouches for.
    pub(super) proven: Vec<Run>,
    /// Whether all blocks are among them that they depend on.
    has_causes: bool,
}

/// Blocks of `feed` from `from` on that a batch is about to store, with their hashes.
fn pending_blocks(pending: &Outcome, feed: &FeedId, from: u64) -> Vec<(BlockHash, Block)> {
    let mut found = Vec::new();
    for write in &pending.batch {
        let next = layout::block_key(feed, from + found.len() as u64);
        if write.keyspace == layout::BLOCKS
            && write.key == next[..]
            && let Some(value) = &write.value
        {
            found.extend(layout::split_block(value));
        }
    }
    found
}

/// All blocks of a feed as runs that end with a valid signature: who left signatures out, or put
/// rubbish there, does not make us give away what others must refuse. What has none behind it
/// comes last.
fn into_runs(
    descriptor: &FeedDescriptor,
    blocks: Vec<(BlockHash, Block)>,
) -> (Vec<Run>, Option<Run>) {
    let feed = descriptor.id();
    let mut ends = Vec::new();
    while let Some(end) = signed_end(descriptor, ends.last().copied().unwrap_or(0), &blocks) {
        ends.push(end);
    }
    let mut blocks = blocks.into_iter().map(|(_, block)| block);
    let mut first = 0;
    let mut runs = Vec::with_capacity(ends.len());
    for end in ends {
        runs.push(Run {
            feed,
            first: first as u64,
            blocks: blocks.by_ref().take(end - first).collect(),
        });
        first = end;
    }
    let rest = Run {
        feed,
        first: first as u64,
        blocks: blocks.collect(),
    };
    (runs, (!rest.blocks.is_empty()).then_some(rest))
}

/// Where a run of all `blocks` of a feed ends that begins at `first`: behind the last one with a
/// valid signature of those that fit, or else behind the next one.
fn signed_end(
    descriptor: &FeedDescriptor,
    first: usize,
    blocks: &[(BlockHash, Block)],
) -> Option<usize> {
    let is_signed = |at: &usize| {
        let found = blocks.get(*at);
        found.is_some_and(|(hash, block)| block.is_signed_by(&descriptor.device, hash))
    };
    let mut bytes = 0;
    let rest = blocks.iter().skip(first).take(RUN_BLOCKS_MAX);
    let fit = rest.take_while(|(_, block)| {
        let is_first = bytes == 0;
        bytes += block.encoded_bytes();
        is_first || bytes <= RUN_BYTES_MAX
    });
    let full = first + fit.count();
    let fitting = (first..full).rev().find(is_signed);
    let last = fitting.or_else(|| (full..blocks.len()).find(is_signed))?;
    Some(last + 1)
}
