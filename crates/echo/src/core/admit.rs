//! Admissions: what makes an identity a member, and what it needs to take part.

use dxos_credentials::{Assertion, Credential, DeviceChain, LinkKind, Profile, Right, Role, Seen};
use dxos_feed::{Designation, FeedLimits, Run, Timeframe};
use dxos_keys::InvitationId;
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_store::Read;
use dxos_wire::limits::{RUN_BLOCKS_MAX, RUN_BYTES_MAX, TICKET_BYTES_MAX};
use rand_core::CryptoRng;

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
        let ticket = self.control_blocks(store, pending, None)?;
        let runs = ticket.control.iter().flat_map(|(_, runs)| runs);
        if runs.map(Run::bytes).sum::<usize>() <= TICKET_BYTES_MAX {
            return Ok(ticket);
        }
        // With the space's key alone peers are asked for the rest.
        Ok(AdmissionTicket {
            space: ticket.space,
            control: Vec::new(),
        })
    }

    /// The same, of any size, and of what is in a past only.
    pub(super) fn control_blocks(
        &self,
        store: &dyn Read,
        pending: &Outcome,
        within: Option<&Timeframe>,
    ) -> Result<AdmissionTicket, EchoError> {
        let failed = |error: dxos_feed::IndexError| EchoError::Store {
            reason: error.to_string(),
        };
        let blocks = self.blocks(store);
        let mut all = Vec::new();
        for (feed, state) in self.dag.feeds() {
            let known = within.map_or(u64::MAX, |past| past.get(feed));
            let length = state.length.min(known);
            if state.descriptor.designation != Designation::Control || length == 0 {
                continue;
            }
            let mut found = Vec::new();
            blocks
                .visit(feed, 0, &mut |_, block| {
                    if found.len() as u64 == length {
                        return false;
                    }
                    found.push(block);
                    true
                })
                .map_err(failed)?;
            found.extend(pending_blocks(pending, feed, found.len() as u64));
            found.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            all.push((state.descriptor, into_runs(*feed, found)));
        }
        Ok(AdmissionTicket {
            space: self.key(),
            control: all,
        })
    }
}

/// Blocks of `feed` from `from` on that a batch is about to store.
fn pending_blocks(pending: &Outcome, feed: &dxos_keys::FeedId, from: u64) -> Vec<dxos_feed::Block> {
    let mut found = Vec::new();
    for write in &pending.batch {
        let next = super::layout::block_key(feed, from + found.len() as u64);
        if write.keyspace == super::layout::BLOCKS
            && write.key == next[..]
            && let Some(value) = &write.value
        {
            let block = value.slice(32.min(value.len())..);
            found.extend(dxos_feed::Block::decode(&block, &FeedLimits::default()).ok());
        }
    }
    found
}

fn into_runs(feed: dxos_keys::FeedId, blocks: Vec<dxos_feed::Block>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut bytes = 0;
    for (seq, block) in (0..).zip(blocks) {
        let size = block.encoded_bytes();
        match runs.last_mut() {
            Some(run) if bytes + size <= RUN_BYTES_MAX && run.blocks.len() < RUN_BLOCKS_MAX => {
                bytes += size;
                run.blocks.push(block);
            }
            _ => {
                bytes = size;
                runs.push(Run {
                    feed,
                    first: seq,
                    blocks: vec![block],
                });
            }
        }
    }
    runs
}
