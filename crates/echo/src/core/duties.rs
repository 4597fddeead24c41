//! What a device does for a space without being asked: it shows the devices of its identity, repeats
//! what its own space says of them, hands keys on to them, and, as an admin's, makes a new content
//! key when somebody who had the old one is gone.
//!
//! Several devices may see the same duty. The first of those that are online, by key, does it at
//! once; each further one waits a little longer, and finds it done.
//!
//! What others do brings duties, so nobody has them done without end: [`Pace`] bounds how often,
//! and a step does a part of what is much. A removal is followed by another key at once, or in
//! bad times after [`LATEST_MS`], together with all others by then.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Right, Role};
use dxos_keys::{ContentKeyId, DeviceKey, SealingKey};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;
use rand_core::CryptoRng;

use super::pace::{Limits, Pace};
use super::space::{Outcome, Space};

/// How long a device leaves a duty to another one before it.
const TURN_MS: u64 = 2_000;
/// For how many of them it waits: some may be there only to keep it waiting.
const TURNS_MAX: usize = 4;
/// How often another content key is made when others ask for it, one after the other, by removals.
pub(super) const ROTATIONS: Limits = Limits {
    free: 1,
    first_ms: 1_000,
    longest_ms: 60_000,
    recovery_ms: 60_000,
};
/// How often everything else is done.
pub(super) const STEPS: Limits = Limits {
    free: 8,
    first_ms: 50,
    longest_ms: 60_000,
    recovery_ms: 10_000,
};
/// How long after a duty was seen it is done at the latest, also when others come first and much
/// was done just before: another key after a removal, too.
pub(super) const LATEST_MS: u64 = ROTATIONS.longest_ms + TURNS_MAX as u64 * TURN_MS;
/// Keys that are sealed for those who lack them, and devices that are shown, revoked or restored,
/// in one step: the others follow in the next ones.
pub(super) const STEP_MAX: usize = 64;

/// How often it is looked whether a duty that waits for others or for a pause has come: those may
/// have gone offline.
const LOOK_MS: u64 = 1_000;

/// What is known of this device's duties.
#[derive(Debug)]
pub(super) struct Duties {
    /// Nothing has changed since it was found that there is nothing to do.
    at_rest: bool,
    /// As long as nothing changes it is not looked for duties before.
    not_before_ms: u64,
    /// Making another content key.
    rotation: Turn,
    /// Everything else.
    rest: Turn,
    /// Devices that published no usable encryption key.
    hopeless: BTreeSet<DeviceKey>,
}

impl Default for Duties {
    fn default() -> Self {
        Self {
            at_rest: false,
            not_before_ms: 0,
            rotation: Turn::new(ROTATIONS),
            rest: Turn::new(STEPS),
            hopeless: BTreeSet::new(),
        }
    }
}

impl Duties {
    /// Something has changed that may bring a duty.
    pub(super) fn look_again(&mut self) {
        self.at_rest = false;
        self.not_before_ms = 0;
    }

    /// Does what is due without leaving it to others or waiting.
    pub(super) fn take_the_first_turn(&mut self) {
        self.look_again();
        self.rotation.at_once = true;
        self.rest.at_once = true;
    }

    /// Whether there is nothing to do, or nothing yet.
    fn wait(&self, now_ms: u64) -> bool {
        let wait_ms = self.not_before_ms.saturating_sub(now_ms);
        // Unless the clock was set back.
        self.at_rest || (wait_ms > 0 && wait_ms <= LOOK_MS)
    }

    /// Whether a device cannot be given a key.
    pub(super) fn is_hopeless(&self, device: &DeviceKey) -> bool {
        self.hopeless.contains(device)
    }

    /// Notes that a device cannot be given a key.
    pub(super) fn give_up_on(&mut self, device: DeviceKey) {
        self.hopeless.insert(device);
    }
}

/// When a duty is to be done.
#[derive(Debug)]
struct Turn {
    /// When it was first seen to be due.
    since_ms: Option<u64>,
    /// It is neither left to others nor put off.
    at_once: bool,
    pace: Pace,
}

impl Turn {
    const fn new(limits: Limits) -> Self {
        Self {
            since_ms: None,
            at_once: false,
            pace: Pace::new(limits),
        }
    }

    /// When it is time for a duty that is due, for a device that has others before it.
    fn comes_ms(&mut self, now_ms: u64, others: usize) -> u64 {
        let since_ms = self.since_ms.get_or_insert(now_ms);
        // The clock may have been set.
        *since_ms = now_ms.min(*since_ms);
        if self.at_once {
            return now_ms;
        }
        let turn_ms = others.min(TURNS_MAX) as u64 * TURN_MS;
        let latest_ms = since_ms.saturating_add(LATEST_MS);
        let opens_ms = self.pace.opens_ms(now_ms).min(latest_ms);
        opens_ms.max(since_ms.saturating_add(turn_ms))
    }

    /// Notes that it is not due, or no more, and tells whether somebody else did it.
    fn is_not_due(&mut self) -> bool {
        self.at_once = false;
        self.since_ms.take().is_some()
    }

    /// Notes that it was done, or a part of it.
    fn done(&mut self, part: bool, now_ms: u64) {
        self.since_ms = None;
        self.at_once = false;
        if part {
            self.pace.note_part(now_ms);
        } else {
            self.pace.note(now_ms);
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Due {
    /// Another content key, by an admin's device.
    rotation: bool,
    /// Something else.
    rest: Option<Whose>,
}

/// Who could do a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// This device alone.
    Own,
    /// Any device of the identity.
    Identity,
    /// Any device of an admin.
    Admins,
}

impl Space {
    /// Does what is due, if it is this device's turn.
    pub(crate) fn do_duties(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<Option<Outcome>, EchoError> {
        if self.duties.wait(now_ms) || self.stale || self.is_writing_again() {
            return Ok(None);
        }
        let due = self.due();
        let mut next_ms = now_ms.saturating_add(LOOK_MS);
        let mut has_come = |comes_ms: u64| {
            next_ms = next_ms.min(comes_ms);
            comes_ms <= now_ms
        };
        let rotation = if due.rotation {
            let others = self.before_me(Whose::Admins);
            has_come(self.duties.rotation.comes_ms(now_ms, others))
        } else {
            if self.duties.rotation.is_not_due() {
                // As if this device had: or else all of them together would do it too often.
                self.duties.rotation.pace.note(now_ms);
            }
            false
        };
        let rest = if let Some(whose) = due.rest {
            let others = self.before_me(whose);
            has_come(self.duties.rest.comes_ms(now_ms, others))
        } else {
            self.duties.rest.is_not_due();
            false
        };
        self.duties.at_rest = due == Due::default();
        self.duties.not_before_ms = next_ms;
        if !rotation && !rest {
            return Ok(None);
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        if rest {
            self.settle_devices(now_ms, (store, &mut *rng), &mut outcome)?;
        }
        // What was revoked just now is left to nobody else.
        if rotation || rest && self.is_rotation_open(now_ms) {
            self.rotate_in_turn(now_ms, (store, &mut *rng), &mut outcome)?;
        }
        if rest {
            self.acknowledge_epoch(now_ms, store, &mut outcome)?;
            self.acknowledge_erasure(now_ms, store, &mut outcome)?;
            let part = self.hand_keys_on(now_ms, (store, rng), &mut outcome)?;
            self.duties.rest.done(part, now_ms);
        }
        Ok(Some(self.end_control(now_ms, store, outcome)?))
    }

    /// Shows, revokes and restores devices of the identity.
    fn settle_devices(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        for device in self.devices_to_restore().into_iter().take(STEP_MAX) {
            self.restore(device, now_ms, store, outcome)?;
        }
        for place in self.devices_to_show().into_iter().take(STEP_MAX) {
            self.show_device(place, now_ms, (store, &mut *rng), outcome)?;
        }
        for device in self.devices_to_revoke().into_iter().take(STEP_MAX) {
            self.revoke(device, now_ms, store, outcome)?;
        }
        Ok(())
    }

    /// Gives keys to those who may have them and were not given them: as an admin's device the one
    /// in use to all, then what it owes and what nobody else does, then to other devices of the identity. `true` when some
    /// may be left for another step.
    fn hand_keys_on(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<bool, EchoError> {
        let mut room = STEP_MAX;
        let mut lacking = Vec::new();
        if let (Some(Role::Admin), Some(current)) = (self.role(), self.membership.content_key()) {
            lacking.push((current, self.readers_without_key(&self.given_keys())));
        }
        self.seal_some(lacking, &mut room, now_ms, (store, &mut *rng), outcome)?;
        self.pay(&mut room, now_ms, (store, &mut *rng), outcome)?;
        let lacking = self.keys_made_beside(&self.given_keys());
        self.seal_some(lacking, &mut room, now_ms, (store, &mut *rng), outcome)?;
        let lacking = self.keys_given_in_vain();
        self.seal_some(lacking, &mut room, now_ms, (store, &mut *rng), outcome)?;
        let lacking = self.keys_to_hand_on(&self.given_keys());
        self.seal_some(lacking, &mut room, now_ms, (store, rng), outcome)?;
        Ok(room == 0)
    }

    /// Seals keys as long as there is room.
    pub(super) fn seal_some(
        &mut self,
        lacking: impl IntoIterator<Item = (ContentKeyId, BTreeMap<DeviceKey, SealingKey>)>,
        room: &mut usize,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        for (id, readers) in lacking {
            let readers: BTreeMap<_, _> = readers.into_iter().take(*room).collect();
            *room -= readers.len();
            if let Some(key) = self.keys.get(&id).cloned() {
                self.seal_key(&key, readers, now_ms, (store, &mut *rng), outcome)?;
            }
        }
        Ok(())
    }

    /// Whether an admin's device that is about to do something anyway may make the key that is
    /// due, without leaving it to others.
    fn is_rotation_open(&self, now_ms: u64) -> bool {
        self.is_rotation_due() && self.duties.rotation.pace.is_open(now_ms)
    }

    fn is_rotation_due(&self) -> bool {
        self.role() == Some(Role::Admin)
            && (self.membership.rotation_due() || self.is_key_retired())
            && !self.membership.is_revoked(&self.device())
    }

    fn rotate_in_turn(
        &mut self,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        self.duties.rotation.done(false, now_ms);
        self.rotate_key(now_ms, parts, outcome)
    }

    /// Before this device writes: makes the key that is due, if it may, so that nobody who is
    /// known to be gone can read what is written.
    pub(super) fn rotate_before_writing(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if self.duties.at_rest || self.stale || !self.is_rotation_open(now_ms) {
            return Ok(());
        }
        self.begin_write(now_ms, outcome)?;
        self.present(now_ms, store, outcome)?;
        self.rotate_in_turn(now_ms, (store, rng), outcome)?;
        self.settle_members(now_ms, store, outcome)
    }

    /// Whether this device has every key that it may have, sealed for itself, and nothing is due.
    pub(super) fn is_settled(&self) -> bool {
        let current = self.membership.content_key();
        let has_key = current.is_some_and(|key| self.keys.contains_key(&key));
        has_key && self.due() == Due::default()
    }

    /// Whether something is due, whosever turn it is.
    #[cfg(test)]
    pub(crate) fn has_duty(&self) -> bool {
        self.due() != Due::default()
    }

    /// What is due, for whoever wonders why it is never done.
    #[cfg(test)]
    pub(crate) fn duties_text(&self) -> String {
        format!(
            "{:?}, erasure {:?}, epoch {:?}, in vain {}, owed {}, stale {}, writing again {}",
            self.due(),
            self.erasure_to_acknowledge(),
            self.epoch_to_acknowledge(),
            self.keys_given_in_vain().len(),
            self.owed.len(),
            self.stale,
            self.is_writing_again(),
        )
    }

    fn due(&self) -> Due {
        let Some(role) = self.role() else {
            return Due::default();
        };
        let restores = !self.devices_to_restore().is_empty();
        let device = self.device();
        if self.membership.is_revoked(&device) {
            return Due {
                rotation: false,
                rest: restores.then_some(Whose::Identity),
            };
        }
        // Every sealed key is gone through for it, so once.
        let given = LazyCell::new(|| self.given_keys());
        let of_identity = || {
            !self.devices_to_show().is_empty()
                || !self.devices_to_revoke().is_empty()
                || !self.keys_to_hand_on(&given).is_empty()
        };
        let current = self.membership.content_key();
        let has_key = current.is_some_and(|key| self.keys.contains_key(&key));
        let of_admins =
            || role.allows(Right::Admit) && has_key && self.is_somebody_without_key(&given);
        let rest = if restores {
            Some(Whose::Identity)
        } else if self.membership.author(&device).is_none()
            || !self.owed.is_empty()
            || self.epoch_to_acknowledge().is_some()
            || self.erasure_to_acknowledge().is_some()
        {
            Some(Whose::Own)
        } else if of_identity() {
            Some(Whose::Identity)
        } else {
            of_admins().then_some(Whose::Admins)
        };
        Due {
            rotation: self.is_rotation_due(),
            rest,
        }
    }

    /// Whether no device of an admin that is online comes before this one.
    pub(super) fn is_first_of_admins(&self) -> bool {
        self.before_me(Whose::Admins) == 0
    }

    /// How many devices that are online come before this one.
    fn before_me(&self, whose: Whose) -> usize {
        let own = self.device();
        let others = match whose {
            Whose::Own => BTreeSet::new(),
            Whose::Identity => {
                let member = self.membership.member(&self.identity());
                member.map_or_else(BTreeSet::new, |member| member.devices.into_keys().collect())
            }
            Whose::Admins => self.membership.admin_devices().into_keys().collect(),
        };
        let online = self.sync.devices();
        let mut before = others.intersection(&online);
        before.by_ref().filter(|device| **device < own).count()
    }
}
