//! Erasures: destroying what was deleted, with the content keys that it was sealed with.
//!
//! An admin asks for one, and makes another content key. Every device that may write says that it
//! seals nothing more with the keys before, and how much it knows to be sealed with them. When all have, and all of
//! that is here, a device of an admin signs an epoch that erases: its snapshot leaves out what was
//! deleted and is sealed with a newer key, so that nothing sealed with the older ones is needed
//! any more. Each device drops the blocks, and then these keys (`epoch::retire`).
//! `docs/decisions/0017` says why it is so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use dxos_credentials::{Assertion, Erasure, Right, Role, Seen};
use dxos_document::Op;
use dxos_feed::Designation;
use dxos_keys::{ContentKeyId, DeviceKey, ObjectId};
use dxos_protocol::echo::{EchoError, EpochReport, ErasureReport, ErasureState};
use dxos_store::{Read, Store};
use rand_core::CryptoRng;

use super::cache;
use super::space::{Outcome, Space, store_failed};

/// Objects below deleted ones that are deleted in one step.
const STEP_OBJECTS: usize = 1_024;

impl Space {
    /// Asks for an erasure, and makes the key that everything is sealed with from then on. One
    /// that is not done yet is what was asked for.
    pub(crate) fn request_erasure(
        &mut self,
        share_state: bool,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<((), Outcome), EchoError> {
        self.permit(Right::Admit, "erase what was deleted")?;
        if self.open_erasure().is_some() {
            return Ok(((), Outcome::default()));
        }
        self.check_epoch(share_state)?;
        let mut outcome = self.begin_control(now_ms, store)?;
        let space = self.key();
        let request = Assertion::ErasureRequested { space };
        self.issue(request, now_ms, store, &mut outcome)?;
        self.rotate_key(now_ms, (store, rng), &mut outcome)?;
        self.settle_members(now_ms, store, &mut outcome)?;
        self.acknowledge_erasure(now_ms, store, &mut outcome)?;
        self.duties.look_again();
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// The erasure that was asked for and is not done.
    pub(super) fn open_erasure(&self) -> Option<Erasure> {
        let erasure = self.membership.erasure()?;
        self.membership
            .done_by(&erasure)
            .is_none()
            .then_some(erasure)
    }

    /// Whether the key in use is one that an erasure retires: another has to be made.
    pub(super) fn is_key_retired(&self) -> bool {
        self.open_erasure().is_some_and(|erasure| {
            let retired = self.membership.retired_by(&erasure.request);
            let current = self.membership.content_key();
            current.is_some_and(|key| retired.contains(&key))
        })
    }

    /// The erasure for which this device is to say that it seals nothing more with older keys.
    pub(super) fn erasure_to_acknowledge(&self) -> Option<Erasure> {
        let erasure = self.open_erasure()?;
        let device = self.device();
        let current = self.membership.content_key();
        // What it grafts is sealed with the key that it was sealed with.
        let is_ready = current.is_some_and(|key| self.keys.contains_key(&key))
            && !self.is_key_retired()
            && self.grafts.is_idle();
        let said = self.membership.erasure_acknowledged(&erasure.request);
        let is_asked = self.membership.writers().contains(&device) && !said.contains_key(&device);
        (is_ready && is_asked).then_some(erasure)
    }

    /// Says so.
    pub(super) fn acknowledge_erasure(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let Some(erasure) = self.erasure_to_acknowledge() else {
            return Ok(());
        };
        // Of others too: a device that lost its power may not know any more what it wrote.
        let known = self.dag.feeds().filter(|(_, state)| {
            let descriptor = &state.descriptor;
            descriptor.designation == Designation::Data
                && state.length > 0
                && self.membership.author(&descriptor.device).is_some()
        });
        let known: Seen = known.map(|(feed, state)| (*feed, state.length)).collect();
        let assertion = Assertion::ErasureAcknowledged {
            space: self.key(),
            request: erasure.request,
            known,
        };
        // A loss of power must not take what others would then wait for.
        outcome.synced = true;
        self.issue(assertion, now_ms, store, outcome)
    }

    /// The devices that may write and have not acknowledged an erasure.
    fn unacknowledged(&self, erasure: &Erasure) -> BTreeSet<DeviceKey> {
        let said = self.membership.erasure_acknowledged(&erasure.request);
        let mut waits = self.membership.writers();
        waits.retain(|device| !said.contains_key(device));
        waits
    }

    /// How many blocks are not here that may be sealed with the keys that an erasure retires: what
    /// devices said that they knew, and what was known of those who were restricted.
    fn missing_before(&self, erasure: &Erasure) -> u64 {
        let mut lengths: BTreeMap<_, u64> = BTreeMap::new();
        let writers = self.membership.writers();
        let said = self.membership.erasure_acknowledged(&erasure.request);
        let said = said
            .into_iter()
            .filter(|(device, _)| writers.contains(device))
            .map(|(_, known)| known);
        let counting = self.membership.blocks();
        let counting = counting.filter(|block| self.membership.takes_effect(block));
        let known = counting.filter_map(|block| block.credential.assertion().seen());
        for (feed, length) in said.chain(known).flatten() {
            let longest = lengths.entry(*feed).or_default();
            *longest = (*longest).max(*length);
        }
        let missing = lengths.iter().map(|(feed, length)| {
            let state = self.dag.feed(feed);
            match state {
                // It takes no more blocks.
                Some(state) if state.fork.is_some() => 0,
                Some(state) => length.saturating_sub(state.length),
                None => *length,
            }
        });
        missing.fold(0, u64::saturating_add)
    }

    /// Whether this device, as the first of an admin that is online, is to do the erasure that was
    /// asked for.
    pub(crate) fn is_erasure_due(&self, share_state: bool) -> bool {
        let Some(erasure) = self.open_erasure() else {
            return false;
        };
        self.role() == Some(Role::Admin)
            && !self.stale
            && !self.is_writing_again()
            && !self.is_key_retired()
            && self.is_first_of_admins()
            && self.check_epoch(share_state).is_ok()
            && self.unacknowledged(&erasure).is_empty()
            && self.missing_before(&erasure) == 0
    }

    /// Does the next step of an erasure that is due: deletes what is below deleted objects, and
    /// then signs the epoch. `None` when it was the former.
    pub(crate) fn erase(
        &mut self,
        share_state: bool,
        now_ms: u64,
        (store, rng): (&dyn Store, &mut dyn CryptoRng),
    ) -> Result<(Option<EpochReport>, Outcome), EchoError> {
        let hidden = self.hidden_objects(store)?;
        if !hidden.is_empty() {
            let deletions = hidden.into_iter().map(|object| Op::Delete { object });
            let read: &dyn Read = store;
            let (committed, outcome) = self.commit(deletions.collect(), now_ms, (read, rng))?;
            committed?;
            return Ok((None, outcome));
        }
        let (report, outcome) = self.create_epoch((share_state, true), now_ms, (store, rng))?;
        Ok((Some(report), outcome))
    }

    /// Some objects that nobody sees, as they are below deleted ones, and that are not deleted
    /// themselves.
    fn hidden_objects(&self, store: &dyn Read) -> Result<Vec<ObjectId>, EchoError> {
        let tree = self.tree(store)?;
        let mut found = Vec::new();
        let visited = cache::visit_after(store, self.record.number, None, &mut |id, state| {
            if state.is_created() && !state.is_deleted() && tree.is_hidden(id) {
                found.push(id);
            }
            if found.len() < STEP_OBJECTS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        visited.map_err(|error| store_failed(&error))?;
        Ok(found)
    }

    /// What became of the erasure that was asked for last.
    pub(crate) fn report_erasure(&self) -> Option<ErasureReport> {
        let erasure = self.membership.erasure()?;
        let retired = self.membership.retired_by(&erasure.request);
        let epoch = self.membership.done_by(&erasure);
        let waits_for = match epoch {
            None => self.unacknowledged(&erasure),
            Some(epoch) => self.membership.may_contest(&epoch),
        };
        let is_destroyed = retired.is_subset(&self.epochs.destroyed)
            && !self.has_traces()
            && !self.opens_destroyed()
            && self.authority.former.is_none();
        let state = match epoch {
            None if !waits_for.is_empty() => ErasureState::Acknowledging,
            None => ErasureState::Requested,
            Some(_) if is_destroyed => ErasureState::Done,
            Some(_) => ErasureState::Erasing,
        };
        let missing = match epoch {
            None => self.missing_before(&erasure),
            Some(_) => 0,
        };
        Some(ErasureReport {
            by: erasure.by,
            state,
            epoch: epoch.map(|epoch| epoch.number),
            waits_for,
            missing_blocks: missing,
            keys: retired.len() as u64,
            recovery_keys: self.recovery_keys_given(&retired),
        })
    }

    /// The recovery keys for which one of these content keys was sealed: who has the phrase, and
    /// kept the blocks, can open them for ever.
    fn recovery_keys_given(&self, keys: &BTreeSet<ContentKeyId>) -> BTreeSet<DeviceKey> {
        let members = self.membership.members().into_values();
        let on_paper: BTreeSet<DeviceKey> = members
            .flat_map(|member| member.recovery_keys.into_keys())
            .collect();
        let given = self.membership.blocks().filter_map(|block| {
            let Assertion::ContentKey {
                key, recipients, ..
            } = block.credential.assertion()
            else {
                return None;
            };
            keys.contains(key).then_some(recipients)
        });
        let devices = given.flatten().map(|(device, _)| *device);
        devices.filter(|device| on_paper.contains(device)).collect()
    }
}
