//! Local writes: transactions and admissions.

use bytes::{BufMut, Bytes, BytesMut};
use dxos_credentials::{Assertion, Credential, DeviceChain, Right, Role, check_display_name};
use dxos_document::{Context, Limits, Object, Op, Stamp, Transaction};
use dxos_feed::{Designation, FeedLimits, Run, SealingContext};
use dxos_keys::{ContentKey, ContentKeyId, InvitationId, ObjectId, SEAL_OVERHEAD_BYTES};
use dxos_protocol::echo::{AdmissionTicket, Committed, EchoError};
use dxos_store::Read;
use dxos_wire::limits::{RUN_BLOCKS_MAX, RUN_BYTES_MAX};
use rand_core::CryptoRng;

use super::serve::Blocks;
use super::space::{Outcome, Space};

impl Space {
    /// Writes a transaction into this device's data feed.
    pub(crate) fn commit(
        &mut self,
        ops: Vec<Op>,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<(Committed, Outcome), EchoError> {
        let invalid = |reason: String| EchoError::InvalidTransaction { reason };
        self.permit(Right::Write, "write")?;
        let id = self.membership.content_key();
        let key = id.and_then(|id| self.keys.get(&id)).cloned();
        let Some(key) = key else {
            return Err(EchoError::NoContentKey { space: self.key() });
        };
        if ops.is_empty() {
            return Err(invalid("it has no operations".to_owned()));
        }
        let transaction = Transaction { ops };
        let plain = transaction
            .encode(&Limits::default())
            .map_err(|error| invalid(error.to_string()))?;
        let max = FeedLimits::default().body_bytes_max - SEAL_OVERHEAD_BYTES - ContentKeyId::LENGTH;
        if plain.len() > max {
            return Err(invalid(format!(
                "it has {} bytes, more than the {max} of one block; write less at once",
                plain.len()
            )));
        }
        let mut outcome = Outcome::default();
        // A device that has not shown its chain in this space yet does so first: then its
        // blocks count wherever they arrive.
        self.begin_write(now_ms, &mut outcome)?;
        self.present(now_ms, store, &mut outcome)?;
        let (feed, seq, block) = self.append_data(now_ms, &mut outcome, |context| {
            sealed_body(&key, context, &plain)
        })?;
        let state = self.dag.feed(&feed);
        let (hash, past) = match state {
            Some(state) => (state.head, state.clock.clone()),
            None => {
                return Err(EchoError::Stopped {
                    reason: "own feed is lost".to_owned(),
                });
            }
        };
        let stamp = Stamp {
            lamport: block.lamport,
            feed,
            seq,
        };
        let context = Context {
            stamp,
            past: &past,
            time_ms: now_ms,
        };
        self.apply_transaction(&transaction, &context, store)?;
        self.flush(&mut outcome.batch)?;
        Ok((
            Committed {
                feed,
                seq,
                hash,
                lamport: block.lamport,
            },
            outcome,
        ))
    }

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

    /// One object, deleted or not.
    pub(crate) fn object(
        &self,
        object: &ObjectId,
        store: &dyn Read,
    ) -> Result<Option<Object>, EchoError> {
        if let Some(state) = self.cache.peek(object) {
            return Ok(state.object(*object));
        }
        let state = super::cache::read(store, self.record.number, object)
            .map_err(|error| super::space::store_failed(&error))?;
        Ok(state.and_then(|state| state.object(*object)))
    }
}

/// A transaction, sealed, behind the name of its key.
pub(super) fn sealed_body(key: &ContentKey, context: SealingContext, plain: &[u8]) -> Bytes {
    let sealed = key.seal(context.as_bytes(), plain);
    let mut body = BytesMut::with_capacity(ContentKeyId::LENGTH + sealed.len());
    body.put_slice(key.id().as_bytes());
    body.put_slice(&sealed);
    body.freeze()
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
