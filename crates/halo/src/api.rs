//! The handle on HALO.

use std::sync::Arc;

use dxos_actors::{Address, Port, SeedTree, Shutdown, SpawnerHandle};
use dxos_keys::{Protection, ProtectionKind, SealingKey, Signer};
use dxos_protocol::halo::{
    AdoptIdentity, ChangeProtection, CreateIdentity, DropFormerKey, DropRecoverySecret,
    GetAuthority, GetIdentity, KeepRecoverySecret, RenewSealingKey, SetProfile, SignPresentation,
};
use dxos_store::{Durability, Read, Store};

use crate::actor::HaloActor;
use crate::core::HaloCore;
pub use crate::core::OpenHaloError;

/// How HALO is to be opened.
#[derive(Clone, Debug)]
pub struct HaloConfig {
    /// What protects the keyring at rest.
    pub protection: Protection,
}

/// A running HALO. Cheap to clone; it stops when the last clone and port is gone.
#[derive(Clone, Debug)]
pub struct Halo {
    address: Address<HaloActor>,
    signer: Arc<dyn Signer>,
    sealing: SealingKey,
}

impl Halo {
    /// Opens the keys of a profile, or makes them when it has none, and starts the actor. Blocks
    /// for as long as the passphrase takes to stretch.
    ///
    /// # Errors
    ///
    /// [`OpenHaloError`] when the keyring cannot be opened or stored.
    pub fn start(
        spawner: &SpawnerHandle,
        store: Arc<dyn Store>,
        config: &HaloConfig,
        seeds: &SeedTree,
    ) -> Result<Self, OpenHaloError> {
        let mut rng = seeds.rng_of("halo");
        let (core, batch) = HaloCore::open(&store, &config.protection, &mut rng)?;
        if let Some(batch) = batch {
            store.commit(batch, Durability::Synced)?;
        }
        let (signer, sealing) = (core.signer(), core.sealing_key());
        let address = spawner.start(move || HaloActor { core, store, rng });
        Ok(Self {
            address,
            signer,
            sealing,
        })
    }

    /// The public half of this device's encryption key, which it has before there is an identity.
    pub const fn sealing_key(&self) -> SealingKey {
        self.sealing
    }

    /// What protects the keyring that is stored here, so that it can be asked for; `None` before
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`OpenHaloError`] when the keyring cannot be read at all.
    pub fn protection_of(store: &dyn Read) -> Result<Option<ProtectionKind>, OpenHaloError> {
        crate::core::protection_of(store)
    }

    /// Whether a protection opens the keyring that is stored here. Blocks for as long as a
    /// passphrase takes to stretch.
    ///
    /// # Errors
    ///
    /// [`OpenHaloError`] when it does not, or there is no keyring.
    pub fn try_protection(store: &dyn Read, protection: &Protection) -> Result<(), OpenHaloError> {
        crate::core::try_protection(store, protection)
    }

    /// Signs as this profile's device; for the transport, which needs it before there is an
    /// identity.
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer)
    }

    /// Where to ask for a new identity.
    pub fn create_identity(&self) -> Port<CreateIdentity> {
        self.address.port()
    }

    /// Where to hand in an identity that exists and that this device belongs to.
    pub fn adopt_identity(&self) -> Port<AdoptIdentity> {
        self.address.port()
    }

    /// Where to change what others are shown of the identity.
    pub fn set_profile(&self) -> Port<SetProfile> {
        self.address.port()
    }

    /// Where to hand in the secret of the recovery phrase once more.
    pub fn keep_recovery_secret(&self) -> Port<KeepRecoverySecret> {
        self.address.port()
    }

    /// Where to have the secret of a recovery phrase erased.
    pub fn drop_recovery_secret(&self) -> Port<DropRecoverySecret> {
        self.address.port()
    }

    /// Where to have another encryption key made.
    pub fn renew_sealing_key(&self) -> Port<RenewSealingKey> {
        self.address.port()
    }

    /// Where to have the one before destroyed.
    pub fn drop_former_key(&self) -> Port<DropFormerKey> {
        self.address.port()
    }

    /// Where to have the keyring encrypted in another way.
    pub fn change_protection(&self) -> Port<ChangeProtection> {
        self.address.port()
    }

    /// Where to ask who this profile is.
    pub fn identity(&self) -> Port<GetIdentity> {
        self.address.port()
    }

    /// Where to ask for what this device signs and opens with.
    pub fn authority(&self) -> Port<GetAuthority> {
        self.address.port()
    }

    /// Where to ask for a presentation.
    pub fn presentation(&self) -> Port<SignPresentation> {
        self.address.port()
    }

    /// Where to ask it to shut down.
    pub fn shutdown(&self) -> Port<Shutdown> {
        self.address.port()
    }
}
