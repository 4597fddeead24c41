//! The devices of this device's own identity: what the space knows of them, and what they lack.

use std::collections::{BTreeMap, BTreeSet};

use dxos_credentials::{Assertion, LinkKind, Revocation, Right};
use dxos_keys::{ContentKey, ContentKeyId, DeviceKey, SealedKey, SealingKey, SpaceKey};
use dxos_protocol::echo::{EchoError, OwnDevices, Recovery};
use dxos_store::Read;
use rand_core::CryptoRng;

use super::space::{Outcome, Space};

/// How often it is passed on of one recovery key where its identity keeps its devices.
const HINTS_MAX: usize = 4;
/// Recovery keys of one member for which others are found.
const RECOVERY_KEYS_MAX: usize = 8;

/// What became of each content key.
pub(super) type GivenKeys = BTreeMap<ContentKeyId, Given>;

/// What became of a content key.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Where among all control blocks it was first given to somebody.
    first: usize,
    pub(super) to: BTreeSet<DeviceKey>,
}

impl Space {
    /// The devices of the identity, as this space knows them.
    pub(crate) fn list_devices(&self) -> OwnDevices {
        let identity = self.identity();
        let revoked = self.membership.revoked_by(&identity);
        let fallen = self.membership.revocations(&identity).into_iter();
        let fallen = fallen.filter(|revocation| !revoked.contains_key(&revocation.device));
        OwnDevices {
            chains: self.membership.chains_of(&identity).into_values().collect(),
            fallen: fallen
                .map(|revocation| (revocation.by, revocation.device))
                .collect(),
            revoked,
            halo: None,
            former: None,
            halos: BTreeSet::new(),
            settled: self.has_nothing_to_open() || self.is_settled(),
            opens_destroyed: self.opens_destroyed(),
            resealed: self.resealed(),
        }
    }

    /// Whether nothing in it was ever sealed for this identity, or nothing is any more.
    fn has_nothing_to_open(&self) -> bool {
        match self.role() {
            Some(role) => !role.allows(Right::Read),
            None => self.membership.departure(&self.identity()).is_some(),
        }
    }

    /// Notes which devices the identity has. What follows is done by [`Space::do_duties`].
    pub(crate) fn use_devices(&mut self, devices: OwnDevices, at_once: bool) {
        self.own = devices;
        self.duties.look_again();
        if at_once {
            self.duties.take_the_first_turn();
        }
    }

    /// Revokes another device or a recovery key of the identity, also one that the space does not
    /// know yet. By revoking the one that revoked it, a device objects to that, if it goes before
    /// that one.
    pub(crate) fn revoke_device(
        &mut self,
        device: DeviceKey,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<((), Outcome), EchoError> {
        if device == self.device() {
            return Err(EchoError::UnknownDevice { device });
        }
        let revoked = self.membership.revoked_devices(&self.identity());
        if revoked.contains(&device) {
            return Ok(((), Outcome::default()));
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        let own = self.device();
        let revocations = self.membership.revocations(&self.identity()).into_iter();
        let by_it = revocations.filter(|revocation| revocation.stands && revocation.by == device);
        let resists = by_it.map(|by_it| by_it.device).any(|device| device == own);
        if resists && self.membership.can_restore(&own, &own) {
            self.restore(own, now_ms, store, &mut outcome)?;
        }
        self.revoke((device, None), now_ms, store, &mut outcome)?;
        if self.permit(Right::Admit, "").is_ok() {
            self.rotate_key(now_ms, (store, rng), &mut outcome)?;
        }
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// Takes back the revocation of a device by devices that come after this one, or by this one.
    pub(crate) fn restore_device(
        &mut self,
        device: DeviceKey,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<((), Outcome), EchoError> {
        if !self.membership.can_restore(&self.device(), &device) {
            return Err(EchoError::NotRestorable { device });
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        self.restore(device, now_ms, store, &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    pub(super) fn restore(
        &mut self,
        device: DeviceKey,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let identity = self.identity();
        let restored = Assertion::DeviceRestored { identity, device };
        self.issue(restored, now_ms, store, outcome)
    }

    fn is_own(&self, device: &DeviceKey) -> bool {
        // Also one for which there is no room: to show it again would make none.
        self.membership.belongs(&self.identity(), device)
    }

    pub(super) fn revoke(
        &mut self,
        (device, repeats): (DeviceKey, Option<DeviceKey>),
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let identity = self.identity();
        let revoked = Assertion::DeviceRevoked {
            identity,
            device,
            seen: self.seen_of(&identity),
            repeats,
        };
        self.issue(revoked, now_ms, store, outcome)
    }

    /// Whether this is a space in which the identity keeps its devices, where they are revoked
    /// first.
    fn keeps_devices(&self) -> bool {
        let key = Some(self.key());
        [self.own.halo, self.own.former].contains(&key)
    }

    /// Devices of the identity that this space does not know yet.
    pub(super) fn devices_to_show(&self) -> Vec<usize> {
        let chains = self.own.chains.iter().enumerate();
        let identity = self.identity();
        let unknown = chains.filter(|(_, chain)| {
            let device = chain.device();
            device.identity == identity
                && device.device != self.device()
                && !self.is_own(&device.device)
                && !self.own.revoked.contains_key(&device.device)
                && self.membership.holds_up(chain)
        });
        unknown.map(|(place, _)| place).collect()
    }

    /// Devices of the identity that were revoked and that this space still takes for its, each
    /// with the device whose word that is, if it is another's.
    pub(super) fn devices_to_revoke(&self) -> Vec<(DeviceKey, Option<DeviceKey>)> {
        let own = self.device();
        let revoked = self.own.revoked.iter();
        let mut standing: BTreeMap<_, _> = revoked
            .filter(|(device, _)| **device != own && self.is_own(device))
            .collect();
        // Where the word was said it is known at once when it does not stand any more.
        if !standing.is_empty() && self.keeps_devices() {
            for said in self.membership.revocations(&self.identity()) {
                let by = [Some(said.by), said.repeats];
                standing
                    .retain(|device, word| **device != said.device || !by.contains(&Some(**word)));
            }
        }
        standing
            .into_iter()
            .map(|(device, by)| (*device, (*by != own).then_some(*by)))
            .collect()
    }

    /// Devices of the identity that are out of this space and not revoked in its own: what revoked
    /// them here is the word of a device that was itself revoked since, or a word that does not
    /// stand there.
    pub(super) fn devices_to_restore(&self) -> BTreeSet<DeviceKey> {
        let nothing = self.own.fallen.is_empty() && self.own.revoked.is_empty();
        // Where words are said they are newer than what is told of them: none is taken back here
        // but by who said it.
        if nothing || self.keeps_devices() {
            return BTreeSet::new();
        }
        let identity = self.identity();
        let mut out: BTreeMap<DeviceKey, bool> = BTreeMap::new();
        for revocation in self.membership.revocations(&identity) {
            let Revocation {
                device,
                by,
                repeats,
                stands,
            } = revocation;
            if stands && !self.own.revoked.contains_key(&device) {
                let said = repeats.unwrap_or(by);
                let void = self.own.fallen.contains(&(said, device))
                    || self.own.revoked.contains_key(&said)
                    || self.own.revoked.contains_key(&by);
                *out.entry(device).or_insert(true) &= void;
            }
        }
        let own = self.device();
        out.retain(|device, void| *void && self.membership.can_restore(&own, device));
        out.into_keys().collect()
    }

    /// Shows the chain of another device of the identity.
    pub(super) fn show_device(
        &mut self,
        place: usize,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let Some(chain) = self.own.chains.get(place).cloned() else {
            return Ok(());
        };
        let device = chain.device();
        // Whoever recovers believes nothing but what the recovery key has agreed to.
        let mut halos = self.own.halos.iter();
        let halo =
            halos.find(|halo| device.kind == LinkKind::RecoveryKey && chain.names_halo(halo));
        let halo = halo.and_then(|halo| {
            // A space's key is no secret key, but what it opens the door to is nobody's business.
            let key = ContentKey::from_bytes(*halo.as_bytes());
            device.sealing.seal(self.key().as_bytes(), &key, rng).ok()
        });
        let shown = Assertion::DevicePresented {
            space: self.key(),
            chain,
            halo,
        };
        self.issue(shown, now_ms, store, outcome)
    }

    /// Content keys that this device has and other devices of the identity were not given, the
    /// one made last first.
    pub(super) fn keys_to_hand_on(
        &self,
        given: &GivenKeys,
    ) -> Vec<(ContentKeyId, BTreeMap<DeviceKey, SealingKey>)> {
        let may_read = self.role().is_some_and(|role| role.allows(Right::Read));
        let Some(member) = self.membership.member(&self.identity()) else {
            return Vec::new();
        };
        let mut others = member.devices;
        others.extend(member.recovery_keys);
        // This device itself is among them when it opened a key with a recovery phrase.
        others.retain(|device, _| !self.duties.is_hopeless(device));
        if others.is_empty() || !may_read {
            return Vec::new();
        }
        let mut lacking = Vec::new();
        for key in self.keys.keys() {
            let given = given.get(key);
            let first = given.map_or(0, |given| given.first);
            let mut without = others.clone();
            without.retain(|device, _| !given.is_some_and(|given| given.to.contains(device)));
            if !without.is_empty() {
                lacking.push((first, *key, without));
            }
        }
        lacking.sort_unstable_by_key(|(first, ..)| std::cmp::Reverse(*first));
        lacking
            .into_iter()
            .map(|(_, key, readers)| (key, readers))
            .collect()
    }

    /// Members' devices that were not given the key that seals what is written now.
    pub(super) fn readers_without_key(&self, given: &GivenKeys) -> BTreeMap<DeviceKey, SealingKey> {
        let Some(current) = self.membership.content_key() else {
            return BTreeMap::new();
        };
        let given = given.get(&current);
        let has = |device: &DeviceKey| given.is_some_and(|given| given.to.contains(device));
        let mut readers = self.membership.readers();
        readers.retain(|device, _| !has(device) && !self.duties.is_hopeless(device));
        readers
    }

    /// To whom each content key was given, by admins or by devices of this identity.
    pub(super) fn given_keys(&self) -> GivenKeys {
        let mut given = GivenKeys::new();
        let renewals = self.membership.renewals();
        let own = self.identity();
        for (place, block) in self.membership.blocks().enumerate() {
            let Assertion::ContentKey {
                key, recipients, ..
            } = block.credential.assertion()
            else {
                continue;
            };
            let device = &block.descriptor.device;
            // Whoever was turned out may have sealed rubbish, to keep others from reading.
            let Some(authority) = self.membership.authority_of(device) else {
                continue;
            };
            if authority.identity == own || self.makes_keys(block) {
                let devices = recipients.iter().map(|(device, _)| *device);
                let devices = devices.filter(|device| renewals.has(device, block));
                let given = given.entry(*key).or_insert_with(|| Given {
                    first: place,
                    to: BTreeSet::new(),
                });
                given.to.extend(devices);
            }
        }
        given
    }

    /// What this space knows of a recovery key of a member.
    pub(crate) fn recovery(&self, key: &DeviceKey) -> Option<Recovery> {
        let members = self.membership.members();
        let found = members
            .iter()
            .find(|(_, member)| member.recovery_keys.contains_key(key));
        let (identity, member) = found?;
        let chain = self.membership.chains_of(identity).remove(key)?;
        Some(Recovery {
            chain,
            profile: member.profile.clone(),
            hints: self.halo_hints(key),
            spaces: vec![self.key()],
        })
    }

    fn halo_hints(&self, key: &DeviceKey) -> Vec<(SpaceKey, SealedKey)> {
        let hints = self
            .membership
            .blocks()
            .filter(|block| self.membership.takes_effect(block));
        let hints = hints.filter_map(|block| match block.credential.assertion() {
            Assertion::DevicePresented {
                chain,
                halo: Some(halo),
                ..
            } if chain.device().device == *key => Some((self.key(), halo.clone())),
            _ => None,
        });
        hints.take(HINTS_MAX).collect()
    }

    /// The recovery keys of all members, and of nobody so many that there is no room for others.
    pub(crate) fn recovery_keys(&self) -> BTreeSet<DeviceKey> {
        let members = self.membership.members();
        let keys = members
            .into_values()
            .flat_map(|member| member.recovery_keys.into_keys().take(RECOVERY_KEYS_MAX));
        keys.collect()
    }
}
