//! The logic of HALO, without an actor: what is stored, and what may be done with it.

use std::sync::Arc;

use dxos_credentials::{DeviceChain, Presentation, check_display_name};
use dxos_keys::{IdentitySecret, Keyring, KeyringError, Protection};
use dxos_protocol::halo::{Authority, HaloError, Identity};
use dxos_store::{Batch, Keyspace, Read, StoreError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

pub(crate) const KEYRING: Keyspace = Keyspace::new("keyring");
pub(crate) const IDENTITY: Keyspace = Keyspace::new("identity");
const KEY: &[u8] = b"own";
const VERSION: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct IdentityRecord {
    chain: DeviceChain,
    display_name: Option<String>,
}

/// Why a profile's keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenHaloError {
    /// The stored identity does not fit the keyring, or is no identity.
    #[error("the stored identity is damaged: {reason}; restore the profile from a backup")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The keyring cannot be opened.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of a profile and what it is.
#[derive(Debug)]
pub(crate) struct HaloCore {
    keyring: Arc<Keyring>,
    identity: Option<IdentityRecord>,
}

impl HaloCore {
    /// Reads the keys of a profile, or draws them when it has none; then the batch is to be
    /// committed before they are used.
    pub(crate) fn open(
        store: &dyn Read,
        protection: &Protection,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Option<Batch>), OpenHaloError> {
        let (keyring, batch) = match store.get(KEYRING, KEY)? {
            Some(bytes) => (Keyring::unlock(&bytes, protection)?, None),
            None => {
                let keyring = Keyring::generate(rng);
                let mut batch = Batch::new();
                batch.put(KEYRING, KEY, keyring.lock(protection, rng)?);
                (keyring, Some(batch))
            }
        };
        let identity: Option<IdentityRecord> = store
            .get(IDENTITY, KEY)?
            .map(|bytes| dxos_wire::decode(VERSION, &bytes))
            .transpose()
            .map_err(|error| OpenHaloError::Damaged {
                reason: error.to_string(),
            })?;
        let fits =
            |record: &IdentityRecord| record.chain.device().device == keyring.device.device();
        if identity.as_ref().is_some_and(|record| !fits(record)) {
            let reason = "it names another device than the keyring".to_owned();
            return Err(OpenHaloError::Damaged { reason });
        }
        Ok((
            Self {
                keyring: Arc::new(keyring),
                identity,
            },
            batch,
        ))
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Makes the identity. Its key signs the first device and is gone then. The batch is to be
    /// committed before [`HaloCore::created`].
    pub(crate) fn create_identity(
        &self,
        display_name: Option<String>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(NewIdentity, Batch), HaloError> {
        if let Some(Identity { identity, .. }) = self.identity() {
            return Err(HaloError::IdentityExists { identity });
        }
        if let Some(name) = &display_name {
            check_display_name(name).map_err(|error| HaloError::BadDisplayName {
                reason: error.to_string(),
            })?;
        }
        let secret = IdentitySecret::generate(rng);
        let Keyring { device, sealing } = &*self.keyring;
        let chain = DeviceChain::genesis(secret, device.device(), sealing.sealing_key());
        let record = IdentityRecord {
            chain,
            display_name,
        };
        let bytes = dxos_wire::encode(VERSION, &record).map_err(|error| HaloError::Store {
            reason: error.to_string(),
        })?;
        let mut batch = Batch::new();
        batch.put(IDENTITY, KEY, bytes);
        Ok((NewIdentity(record), batch))
    }

    /// The new identity is stored.
    pub(crate) fn created(&mut self, new: NewIdentity) {
        self.identity = Some(new.0);
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        let IdentityRecord {
            chain,
            display_name,
        } = self.identity.as_ref()?;
        let device = chain.device();
        let display_name = display_name.clone();
        Some(Identity {
            identity: device.identity,
            device: device.device,
            display_name,
        })
    }

    pub(crate) fn authority(&self) -> Result<Authority, HaloError> {
        let IdentityRecord {
            chain,
            display_name,
        } = self.identity.as_ref().ok_or(HaloError::NoIdentity)?;
        Ok(Authority {
            chain: chain.clone(),
            display_name: display_name.clone(),
            sealing: self.keyring.sealing.clone(),
            signer: Arc::new(self.keyring.device.clone()),
        })
    }

    pub(crate) fn present(
        &self,
        challenge: &[u8],
        audience: &str,
    ) -> Result<Presentation, HaloError> {
        let record = self.identity.as_ref().ok_or(HaloError::NoIdentity)?;
        let signer = &self.keyring.device;
        Ok(Presentation::sign(
            signer,
            record.chain.clone(),
            challenge,
            audience,
        ))
    }
}

/// An identity that is not stored yet.
#[derive(Debug)]
pub(crate) struct NewIdentity(IdentityRecord);

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_keys::ContentKey;
    use dxos_store::{Durability, MemDisk, MemStore, Store};
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(1)
    }

    fn created(protection: &Protection) -> (MemStore, Identity) {
        let store = MemStore::open(&MemDisk::new()).unwrap();
        let (mut core, batch) = HaloCore::open(&store, protection, &mut rng()).unwrap();
        store.commit(batch.unwrap(), Durability::Synced).unwrap();
        let (new, batch) = core
            .create_identity(Some("Ann".into()), &mut rng())
            .unwrap();
        store.commit(batch, Durability::Synced).unwrap();
        core.created(new);
        let identity = core.identity().unwrap();
        (store, identity)
    }

    #[test]
    fn an_identity_survives_and_is_made_once() {
        let (store, identity) = created(&Protection::None);
        let (core, batch) = HaloCore::open(&store, &Protection::None, &mut rng()).unwrap();
        assert!(batch.is_none());
        assert_eq!(core.identity().as_ref(), Some(&identity));
        let again = core.create_identity(None, &mut rng()).unwrap_err();
        assert_eq!(
            again,
            HaloError::IdentityExists {
                identity: identity.identity
            }
        );
        let shown = core.present(b"challenge", "example.com").unwrap();
        let verified = shown.verify(b"challenge", "example.com").unwrap();
        assert_eq!(verified.identity, identity.identity);
    }

    #[test]
    fn a_wrong_key_opens_nothing() {
        let key = |byte| Protection::Key(ContentKey::from_bytes([byte; 32]));
        let (store, _) = created(&key(1));
        let refused = HaloCore::open(&store, &key(2), &mut rng()).unwrap_err();
        assert_eq!(refused, OpenHaloError::Keyring(KeyringError::WrongKey));
    }

    #[test]
    fn an_identity_of_another_device_is_damage() {
        let (one, _) = created(&Protection::None);
        let other = MemStore::open(&MemDisk::new()).unwrap();
        let mut batch = Batch::new();
        batch.put(IDENTITY, KEY, one.get(IDENTITY, KEY).unwrap().unwrap());
        other.commit(batch, Durability::Synced).unwrap();
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
        let refused = HaloCore::open(&other, &Protection::None, &mut rng).unwrap_err();
        assert!(matches!(refused, OpenHaloError::Damaged { .. }));
        let mut batch = Batch::new();
        batch.put(IDENTITY, KEY, &b"\x01rubbish"[..]);
        other.commit(batch, Durability::Synced).unwrap();
        assert!(HaloCore::open(&other, &Protection::None, &mut rng).is_err());
    }

    #[test]
    fn names_that_could_deceive_are_refused() {
        let store = MemStore::open(&MemDisk::new()).unwrap();
        let (core, _) = HaloCore::open(&store, &Protection::None, &mut rng()).unwrap();
        for name in ["", "  ", "a\u{202e}b", "line\nbreak", &"x".repeat(257)] {
            let refused = core
                .create_identity(Some(name.into()), &mut rng())
                .unwrap_err();
            assert!(
                matches!(refused, HaloError::BadDisplayName { .. }),
                "{name:?}"
            );
        }
        assert!(
            core.create_identity(Some("Жанна 🌱".into()), &mut rng())
                .is_ok()
        );
        assert_eq!(core.authority().unwrap_err(), HaloError::NoIdentity);
    }
}
