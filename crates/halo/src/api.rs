//! The handle on HALO.

use std::sync::Arc;

use dxos_actors::{Address, Port, SeedTree, Shutdown, SpawnerHandle};
use dxos_keys::{Protection, Signer};
use dxos_protocol::halo::{CreateIdentity, GetAuthority, GetIdentity, SignPresentation};
use dxos_store::{Durability, Store};

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
        let signer: Arc<dyn Signer> = Arc::new(core.keyring().device.clone());
        let address = spawner.start(move || HaloActor { core, store, rng });
        Ok(Self { address, signer })
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
