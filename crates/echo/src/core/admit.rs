//! Admissions: what makes an identity a member, and what it needs to take part.

use dxos_credentials::{Assertion, Credential, DeviceChain, Right, Role, check_display_name};
use dxos_feed::{Designation, FeedLimits, Run};
use dxos_keys::InvitationId;
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_store::Read;
use dxos_wire::limits::{RUN_BLOCKS_MAX, RUN_BYTES_MAX};
use rand_core::CryptoRng;

use super::serve::Blocks;
use super::space::{Outcome, Space};

impl Space {
    /// Admits an identity and returns what it needs to take part. Asking again for the same
    /// identity and invitation gives the ticket again: it may have been lost on the way.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one message and its context"
    )]
    pub(crate) fn admit(
        &mut self,
        chain: DeviceChain,
        role: Role,
        display_name: Option<String>,
        invitation: Option<InvitationId>,
        now_ms: u64,
        store: &dyn Read,
        rng: &mut dyn CryptoRng,
    ) -> Result<(AdmissionTicket, Outcome), EchoError> {
        self.permit(Right::Admit, "admit members")?;
        if let Some(name) = &display_name {
            check_display_name(name).map_err(|error| EchoError::InvalidTransaction {
                reason: error.to_string(),
            })?;
        }
        let device = chain.device();
        let identity = device.identity;
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
        let space = self.key();
        let assertion = Assertion::SpaceMember {
            space,
            identity,
            role,
            display_name,
            chain: Some(chain),
            invitation,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, &mut outcome)?;
        if role.allows(Right::Read) {
            // Every key that was ever current: the new member reads the history too.
            let keys: Vec<_> = self.keys.values().cloned().collect();
            let current = self.membership.content_key();
            let readers = [(device.device, device.sealing)];
            let (current, older): (Vec<_>, Vec<_>) =
                keys.into_iter().partition(|key| Some(key.id()) == current);
            for key in older.iter().chain(&current) {
                let readers = readers.into_iter().collect();
                self.seal_key(key, readers, now_ms, (store, &mut *rng), &mut outcome)?;
            }
        }
        self.settle_members(store, &mut outcome)?;
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
    pub(super) fn ticket(
        &self,
        store: &dyn Read,
        pending: &Outcome,
    ) -> Result<AdmissionTicket, EchoError> {
        let failed = |error: dxos_feed::IndexError| EchoError::Store {
            reason: error.to_string(),
        };
        let blocks = self.blocks(store);
        let mut all = Vec::new();
        for (feed, state) in self.dag.feeds() {
            if state.descriptor.designation != Designation::Control || state.length == 0 {
                continue;
            }
            let mut found = Vec::new();
            blocks
                .visit(feed, 0, &mut |_, block| {
                    if found.len() as u64 == state.length {
                        return false;
                    }
                    found.push(block);
                    true
                })
                .map_err(failed)?;
            found.extend(pending_blocks(pending, feed, found.len() as u64));
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
