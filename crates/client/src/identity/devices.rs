//! The devices of an identity: listed, named, added, revoked.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use dxos_credentials::LinkKind;
use dxos_keys::{DeviceKey, IdentityKey, RecoveryPhrase, SpaceKey, Topic};
use dxos_protocol::echo::{
    Flush, GetTicket, ListDevices, OwnDevices, RestoreDevice, RevokeDevice, UseDevices,
};
use dxos_protocol::halo::HaloError;
use dxos_protocol::mesh::NetworkStatus;
use dxos_wire::limits::{
    DEVICES_PER_IDENTITY_MAX, PREFERENCE_KEY_BYTES_MAX, PREFERENCE_VALUE_BYTES_MAX,
};
use serde::Serialize;

use super::records::{self, Change};
use super::{ECHO, Keeper};
use crate::ClientError;
use crate::invitation::{DeviceAdmission, DeviceAuthority, NewDevice};

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeviceKind {
    /// A device.
    Device,
    /// A recovery phrase on paper.
    RecoveryPhrase,
}

/// A device of the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says something of its own"
)]
pub struct DeviceReport {
    /// The device.
    pub device: DeviceKey,
    /// Whether it is a device or a recovery phrase.
    pub kind: DeviceKind,
    /// Whether it is this one.
    pub current: bool,
    /// What it is called.
    pub name: Option<String>,
    /// What it runs on, such as `linux x86_64`.
    pub platform: Option<String>,
    /// When it became a device of the identity, in milliseconds since 1970.
    pub created_ms: Option<u64>,
    /// When it was last known to be online, in milliseconds since 1970.
    pub last_seen_ms: Option<u64>,
    /// Whether it is online: it is this device, is connected to it, or said so within the last
    /// 20 seconds.
    pub online: bool,
    /// Whether the identity came to it by a recovery phrase.
    pub recovered: bool,
    /// Whether it was revoked: nothing new of it counts.
    pub revoked: bool,
    /// What an application keeps for it.
    pub preferences: BTreeMap<String, String>,
}

/// What this program runs on.
pub(crate) fn platform() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

fn check_preference(key: &str, value: Option<&str>) -> Result<(), HaloError> {
    let bad = |reason| Err(HaloError::BadPreference { reason });
    if key.is_empty() {
        return bad("its name is empty; give one such as `theme`".to_owned());
    }
    if key.len() > PREFERENCE_KEY_BYTES_MAX {
        let found = key.len();
        return bad(format!(
            "its name has {found} bytes, and at most {PREFERENCE_KEY_BYTES_MAX} are allowed"
        ));
    }
    let found = value.map_or(0, str::len);
    if found > PREFERENCE_VALUE_BYTES_MAX {
        return bad(format!(
            "it has {found} bytes, and at most {PREFERENCE_VALUE_BYTES_MAX} are allowed; keep what \
             is larger in a space"
        ));
    }
    Ok(())
}

/// What the spaces know of the devices of the identity, taken together.
///
/// Chains come from every space, revocations from the spaces in which the identity is alone. Every
/// revocation begins there; in another space, of which somebody else is the admin, a device that
/// was stolen and revoked may still count, and revoke the others: they must not be made to repeat
/// that everywhere with their own signatures.
pub(super) fn gather(
    all: Vec<(SpaceKey, OwnDevices)>,
    halo: SpaceKey,
    former: Option<SpaceKey>,
    halos: BTreeSet<SpaceKey>,
) -> OwnDevices {
    let mut chains = BTreeMap::new();
    let (mut revoked, mut fallen) = (BTreeMap::new(), BTreeSet::new());
    let (mut settled, mut opens_destroyed) = (true, false);
    let mut resealed = all.first().and_then(|(_, listed)| listed.resealed);
    for (space, listed) in all {
        if space == halo || Some(space) == former {
            revoked.extend(listed.revoked);
            fallen.extend(listed.fallen);
        }
        settled &= listed.settled;
        opens_destroyed |= listed.opens_destroyed;
        resealed = resealed.filter(|key| listed.resealed == Some(*key));
        for chain in listed.chains {
            chains.entry(chain.device().device).or_insert(chain);
        }
    }
    chains.retain(|device, _| !revoked.contains_key(device));
    fallen.retain(|(_, device)| !revoked.contains_key(device));
    OwnDevices {
        chains: chains.into_values().collect(),
        revoked,
        fallen,
        halo: Some(halo),
        former,
        halos,
        settled,
        opens_destroyed,
        resealed,
    }
}

/// Whether an identity with so many devices and recovery phrases may have another.
fn has_room(count: usize) -> Result<(), ClientError> {
    if count < DEVICES_PER_IDENTITY_MAX {
        return Ok(());
    }
    let reason = format!(
        "the identity has {DEVICES_PER_IDENTITY_MAX} devices and recovery phrases already; revoke \
         those that are not in use any more, and try again"
    );
    Err(HaloError::NotAuthorized { reason }.into())
}

impl Keeper {
    /// All devices and recovery phrases of the identity, those that were revoked included.
    pub(crate) async fn devices(&self) -> Result<Vec<DeviceReport>, ClientError> {
        let own = self.own_devices().await?;
        let mut records = self.records().await?;
        let online = self.online().await;
        let current = self.halo.signer().device();
        let mut reports = Vec::new();
        let standing = own.chains.iter().map(|chain| {
            let device = chain.device();
            (device.device, device.kind, chain.is_recovered(), false)
        });
        let known: BTreeSet<_> = own
            .chains
            .iter()
            .map(|chain| chain.device().device)
            .collect();
        // What a revoked one was is not needed any more.
        let revoked = own.revoked.keys().filter(|device| !known.contains(device));
        let revoked = revoked.map(|device| (*device, LinkKind::Device, false, true));
        for (device, kind, recovered, revoked) in standing.chain(revoked) {
            let record = records.devices.remove(&device).unwrap_or_default();
            let online = device == current || online.contains(&device);
            reports.push(DeviceReport {
                device,
                kind: match kind {
                    LinkKind::Device => DeviceKind::Device,
                    LinkKind::RecoveryKey => DeviceKind::RecoveryPhrase,
                },
                current: device == current,
                name: record.name,
                platform: record.platform,
                created_ms: record.created_ms,
                last_seen_ms: if online {
                    Some(self.clock.wall_ms())
                } else {
                    record.last_seen_ms
                },
                online,
                recovered,
                revoked,
                preferences: record.preferences,
            });
        }
        Ok(reports)
    }

    async fn online(&self) -> BTreeSet<DeviceKey> {
        let (Some(network), Some(space)) = (self.network.get(), self.halo_space()) else {
            return BTreeSet::new();
        };
        let status = network.mesh.status().ask(NetworkStatus).await;
        let swarms = status.map(|status| status.swarms).unwrap_or_default();
        let topic = Topic::of_space(&space);
        let own = swarms.into_iter().filter(|swarm| swarm.topic == topic);
        let sessions = own.flat_map(|swarm| swarm.sessions);
        sessions.chain(network.gossip.online(&space)).collect()
    }

    /// Names a device.
    pub(crate) async fn rename_device(
        &self,
        device: DeviceKey,
        name: String,
    ) -> Result<(), ClientError> {
        dxos_credentials::check_display_name(&name).map_err(|error| HaloError::BadDeviceName {
            reason: error.to_string(),
        })?;
        self.require_device(device).await?;
        let change = Change::Name(device, name);
        records::write(&self.echo, self.require_space()?, vec![change]).await
    }

    /// Keeps something for a device.
    pub(crate) async fn set_preference(
        &self,
        device: DeviceKey,
        key: String,
        value: Option<String>,
    ) -> Result<(), ClientError> {
        check_preference(&key, value.as_deref())?;
        self.require_device(device).await?;
        let change = Change::Preference(device, key, value);
        records::write(&self.echo, self.require_space()?, vec![change]).await
    }

    async fn require_device(&self, device: DeviceKey) -> Result<(), ClientError> {
        let own = self.own_devices().await?;
        let known = own
            .chains
            .iter()
            .any(|chain| chain.device().device == device);
        if known {
            Ok(())
        } else {
            Err(dxos_protocol::echo::EchoError::UnknownDevice { device }.into())
        }
    }

    /// Revokes another device, or a recovery phrase, in every space.
    pub(crate) async fn revoke_device(&self, device: DeviceKey) -> Result<(), ClientError> {
        let space = self.require_space()?;
        let known = self.own_devices().await?;
        if !known.revoked.contains_key(&device) {
            self.require_device(device).await?;
        }
        let revoke = RevokeDevice { space, device };
        let revoked = self.echo.revoke_device().ask(revoke).await;
        revoked.map_err(ClientError::unanswered(ECHO))??;
        let devices = self.own_devices().await?;
        self.tell_spaces(devices).await
    }

    /// Takes back the revocation of a device, or of a recovery phrase, in every space.
    pub(crate) async fn restore_device(&self, device: DeviceKey) -> Result<(), ClientError> {
        let own = self.require_space()?;
        let mut restored = Err(dxos_protocol::echo::EchoError::NotRestorable { device });
        for space in [Some(own), self.former_space()?].into_iter().flatten() {
            let restore = RestoreDevice { space, device };
            let here = self.echo.restore_device().ask(restore).await;
            let here = here.map_err(ClientError::unanswered(ECHO))?;
            restored = restored.or(here);
        }
        restored?;
        let devices = self.own_devices().await?;
        self.tell_spaces(devices).await
    }

    /// Has every space know the devices at once.
    async fn tell_spaces(&self, devices: OwnDevices) -> Result<(), ClientError> {
        let message = UseDevices {
            devices,
            at_once: true,
        };
        let told = self.echo.use_devices().ask(message).await;
        told.map_err(ClientError::unanswered(ECHO))??;
        let flushed = self.echo.flush().ask(Flush).await;
        Ok(flushed.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Sees that there is room for another device or recovery phrase.
    async fn require_room(&self) -> Result<(), ClientError> {
        let space = self.require_space()?;
        let listed = self.echo.list_devices().ask(ListDevices { space }).await;
        let listed = listed.map_err(ClientError::unanswered(ECHO))??;
        has_room(listed.chains.len())
    }

    /// Sees that the HALO space has taken in what it was told of a device. It has not on a device
    /// that was revoked, or that knows nothing of the space yet.
    async fn require_shown(&self, device: DeviceKey) -> Result<(), ClientError> {
        let space = self.require_space()?;
        let listed = self.echo.list_devices().ask(ListDevices { space }).await;
        let listed = listed.map_err(ClientError::unanswered(ECHO))??;
        let mut chains = listed.chains.iter();
        if chains.any(|chain| chain.device().device == device) {
            return Ok(());
        }
        let reason = "this device cannot add to the devices of its identity: it was revoked, or \
                      has not met another device since it was added; try again when it has"
            .to_owned();
        Err(HaloError::NotAuthorized { reason }.into())
    }

    /// Makes a recovery phrase and has every space know its key.
    pub(crate) async fn create_recovery_phrase(
        &self,
        rng: &mut (impl rand_core::CryptoRng + Send),
    ) -> Result<RecoveryPhrase, ClientError> {
        self.require_room().await?;
        let phrase = RecoveryPhrase::generate(rng);
        let keys = phrase.keys();
        let authority = self.authority().await?;
        let (key, sealing) = (keys.device.device(), keys.sealing.sealing_key());
        let halo = self.require_space()?;
        let chain = authority.chain.authorize_recovery_key(
            &*authority.signer,
            &keys.device,
            sealing,
            Some(&halo),
        );
        let chain = chain.map_err(|error| HaloError::NotAuthorized {
            reason: error.to_string(),
        })?;
        let mut devices = self.own_devices().await?;
        devices.chains.push(chain);
        self.tell_spaces(devices).await?;
        self.require_shown(key).await?;
        let created = Change::Created(key, self.clock.wall_ms());
        records::write(&self.echo, halo, vec![created]).await?;
        Ok(phrase)
    }
}

/// Adding a device: what an invitation asks of the identity, on both sides.
#[derive(Debug)]
pub(crate) struct Devices(pub(crate) std::sync::Arc<Keeper>);

#[async_trait]
impl DeviceAuthority for Devices {
    async fn space(&self) -> Result<SpaceKey, ClientError> {
        self.0.require_space()
    }

    async fn authorize(&self, new: NewDevice) -> Result<DeviceAdmission, ClientError> {
        let keeper = &self.0;
        let space = keeper.require_space()?;
        let authority = keeper.authority().await?;
        let mut devices = keeper.own_devices().await?;
        if devices.revoked.contains_key(&new.device) {
            let device = new.device;
            return Err(dxos_protocol::echo::EchoError::UnknownDevice { device }.into());
        }
        let known = devices
            .chains
            .iter()
            .find(|chain| chain.device().device == new.device);
        let chain = match known {
            Some(chain) => chain.clone(),
            None => authority
                .chain
                .authorize(&*authority.signer, new.device, new.sealing)
                .map_err(|error| HaloError::NotAuthorized {
                    reason: error.to_string(),
                })?,
        };
        if known.is_none() {
            keeper.require_room().await?;
            devices.chains.push(chain.clone());
        }
        keeper.tell_spaces(devices).await?;
        keeper.require_shown(new.device).await?;
        let mut changes = vec![Change::Created(new.device, keeper.clock.wall_ms())];
        if let Some(name) = new.profile.display_name {
            changes.push(Change::Name(new.device, name));
        }
        if let Some(platform) = new.profile.fields.get("platform") {
            changes.push(Change::Platform(new.device, platform.clone()));
        }
        records::write(&keeper.echo, space, changes).await?;
        keeper.nudge();
        let ticket = keeper.echo.get_ticket().ask(GetTicket { space }).await;
        let ticket = ticket.map_err(ClientError::unanswered(ECHO))??;
        Ok(DeviceAdmission {
            chain,
            ticket,
            profile: authority.profile,
        })
    }

    async fn adopt(
        &self,
        admission: DeviceAdmission,
        host: (DeviceKey, Vec<String>),
    ) -> Result<IdentityKey, ClientError> {
        let identity = self.0.join_identity(admission, host).await?;
        Ok(identity.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_credentials::DeviceChain;
    use dxos_keys::{DeviceSecret, IdentitySecret, SealingSecret};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn whoever_has_no_room_for_another_device_is_told_what_to_do() {
        assert!(has_room(DEVICES_PER_IDENTITY_MAX - 1).is_ok());
        let told = has_room(DEVICES_PER_IDENTITY_MAX).unwrap_err().to_string();
        assert!(
            told.contains("128 devices") && told.contains("revoke"),
            "{told}"
        );
    }

    #[test]
    fn a_space_of_others_does_not_make_devices_revoke_one_another() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let laptop = DeviceSecret::generate(&mut rng).device();
        let sealing = SealingSecret::generate(&mut rng).sealing_key();
        let identity = IdentitySecret::generate(&mut rng);
        let chain = DeviceChain::genesis(identity, laptop, sealing);
        let [halo, former, other] = [1, 2, 3].map(|n| SpaceKey::from_bytes([n; 32]));
        let [stolen, lost] = [8, 9].map(|n| DeviceKey::from_bytes([n; 32]));
        let knows = |chains: &[DeviceChain], revoked: &[DeviceKey]| OwnDevices {
            chains: chains.to_vec(),
            revoked: revoked.iter().map(|device| (*device, laptop)).collect(),
            fallen: BTreeSet::new(),
            halo: None,
            former: None,
            halos: BTreeSet::new(),
            settled: true,
            ..OwnDevices::default()
        };
        let all = vec![
            (halo, knows(std::slice::from_ref(&chain), &[stolen])),
            (former, knows(&[], &[lost])),
            // There nobody has heard that the stolen device was revoked.
            (other, knows(&[], &[laptop])),
        ];
        let own = gather(all, halo, Some(former), BTreeSet::from([halo]));
        assert!(own.revoked.into_keys().eq([stolen, lost]));
        assert_eq!(own.chains, [chain]);
        assert!(own.settled);
    }
}
