//! The logic of HALO, without an actor: what is stored, and what may be done with it.

use std::fmt;
use std::sync::Arc;

use dxos_credentials::{Assertion, Credential, DeviceChain, LinkKind, Presentation, Profile};
use dxos_keys::{
    DeviceKey, IdentitySecret, Keyring, KeyringError, KeyringLock, Protection, ProtectionKind,
    SealingKey, SealingSecret, Signer,
};
use dxos_protocol::halo::{AdoptIdentity, Authority, HaloError, Identity, SignPresentation};
use dxos_store::{Batch, Keyspace, Read, StoreError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

pub(crate) const KEYRING: Keyspace = Keyspace::new("keyring");
pub(crate) const IDENTITY: Keyspace = Keyspace::new("identity");
const KEY: &[u8] = b"own";
const VERSION: u8 = 2;
/// Its device chains were signed in a form that is not known any more.
const VERSION_UNREADABLE: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct IdentityRecord {
    chain: DeviceChain,
    profile: Profile,
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
    /// The identity was made by an early version of this program, and nothing vouches for it any
    /// more.
    #[error(
        "the identity of this profile was made by an early version and cannot be verified any more; make a new profile, or use that version"
    )]
    Outdated,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of a profile and what it is.
pub(crate) struct HaloCore {
    keyring: Keyring,
    lock: KeyringLock,
    /// The one copy of the device's secret that others get to sign with.
    signer: Arc<dyn Signer>,
    identity: Option<IdentityRecord>,
}

impl fmt::Debug for HaloCore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HaloCore")
            .field("device", &self.signer.device())
            .field("lock", &self.lock)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What will be so once it is stored; nothing where it is so already.
#[derive(Debug, Default)]
pub(crate) struct Change {
    keyring: Option<Box<(Keyring, KeyringLock)>>,
    identity: Option<IdentityRecord>,
}

impl Change {
    fn identity(record: IdentityRecord) -> Self {
        Self {
            keyring: None,
            identity: Some(record),
        }
    }
}

/// What protects the keyring of a profile; `None` when it has none yet.
pub(crate) fn protection_of(store: &dyn Read) -> Result<Option<ProtectionKind>, OpenHaloError> {
    let bytes = store.get(KEYRING, KEY)?;
    Ok(bytes
        .map(|bytes| Keyring::protection_of(&bytes))
        .transpose()?)
}

/// Whether a protection opens the keyring of a profile.
pub(crate) fn try_protection(
    store: &dyn Read,
    protection: &Protection,
) -> Result<(), OpenHaloError> {
    let bytes = store.get(KEYRING, KEY)?;
    let bytes = bytes.ok_or_else(|| OpenHaloError::Damaged {
        reason: "there is no keyring".to_owned(),
    })?;
    Keyring::unlock(&bytes, protection)?;
    Ok(())
}

impl HaloCore {
    /// Reads the keys of a profile, or draws them when it has none; then the batch is to be
    /// committed before they are used.
    pub(crate) fn open(
        store: &dyn Read,
        protection: &Protection,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Option<Batch>), OpenHaloError> {
        let (keyring, lock, batch) = match store.get(KEYRING, KEY)? {
            Some(bytes) => {
                let lock = KeyringLock::of(&bytes, protection)?;
                (lock.unlock(&bytes)?, lock, None)
            }
            None => {
                let keyring = Keyring::generate(rng);
                let lock = KeyringLock::new(protection, rng)?;
                let mut batch = Batch::new();
                batch.put(KEYRING, KEY, lock.lock(&keyring)?);
                (keyring, lock, Some(batch))
            }
        };
        let identity = store.get(IDENTITY, KEY)?;
        let identity = identity.map(|bytes| read_identity(&bytes)).transpose()?;
        let fits =
            |record: &IdentityRecord| record.chain.device().device == keyring.device.device();
        if identity.as_ref().is_some_and(|record| !fits(record)) {
            let reason = "it names another device than the keyring".to_owned();
            return Err(OpenHaloError::Damaged { reason });
        }
        let core = Self {
            signer: Arc::new(keyring.device.clone()),
            keyring,
            lock,
            identity,
        };
        Ok((core, batch))
    }

    /// Signs as this device.
    pub(crate) fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer)
    }

    /// The public half of this device's encryption key.
    pub(crate) fn sealing_key(&self) -> SealingKey {
        self.keyring.sealing.sealing_key()
    }

    /// Makes the identity. Its key signs the first device and is gone then. As with everything
    /// here that returns a batch: that is committed, then [`HaloCore::apply`] called.
    pub(crate) fn create_identity(
        &self,
        profile: Profile,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Change, Batch), HaloError> {
        self.check_no_identity()?;
        check(&profile)?;
        let (device, sealing) = (self.signer.device(), self.sealing_key());
        let chain = DeviceChain::genesis(IdentitySecret::generate(rng), device, sealing);
        let record = IdentityRecord { chain, profile };
        let batch = write_identity(&record)?;
        Ok((Change::identity(record), batch))
    }

    /// Takes over an identity that exists. A secret of its recovery phrase is stored in the same
    /// batch.
    pub(crate) fn adopt_identity(
        &self,
        adopted: AdoptIdentity,
    ) -> Result<(Change, Batch), HaloError> {
        self.check_no_identity()?;
        let AdoptIdentity {
            chain,
            profile,
            recovery,
        } = adopted;
        check(&profile)?;
        let end = chain.device();
        let foreign = |reason| Err(HaloError::ForeignChain { reason });
        if end.device != self.signer.device() {
            return foreign("it ends in another device");
        }
        if end.sealing != self.sealing_key() || end.kind != LinkKind::Device {
            return foreign("it names other keys of this device");
        }
        if let Some((key, secret)) = &recovery
            && !leads_over(&chain, *key, secret.sealing_key())
        {
            return foreign("it does not lead over the recovery phrase");
        }
        let record = IdentityRecord { chain, profile };
        let mut batch = write_identity(&record)?;
        let mut change = Change::identity(record);
        if recovery.is_some() {
            let keyring = self.with_recovery(recovery);
            batch.put(KEYRING, KEY, sealed(&self.lock, &keyring)?);
            change.keyring = Some(Box::new((keyring, self.lock.clone())));
        }
        Ok((change, batch))
    }

    pub(crate) fn set_profile(&self, profile: Profile) -> Result<(Change, Batch), HaloError> {
        check(&profile)?;
        let IdentityRecord { chain, .. } = self.record()?.clone();
        let record = IdentityRecord { chain, profile };
        let batch = write_identity(&record)?;
        Ok((Change::identity(record), batch))
    }

    /// Encrypts the keyring in another way. One row is written, so that the old way holds until
    /// the new one does.
    pub(crate) fn change_protection(
        &self,
        protection: &Protection,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Change, Batch), HaloError> {
        let lock = KeyringLock::new(protection, rng).map_err(store_error)?;
        rewrite(self.keyring.clone(), lock)
    }

    /// Keeps the secret of the phrase that this device was recovered with.
    pub(crate) fn keep_recovery_secret(
        &self,
        key: DeviceKey,
        secret: SealingSecret,
    ) -> Result<(Change, Batch), HaloError> {
        if !leads_over(&self.record()?.chain, key, secret.sealing_key()) {
            let reason = "it does not lead over the recovery phrase";
            return Err(HaloError::ForeignChain { reason });
        }
        rewrite(self.with_recovery(Some((key, secret))), self.lock.clone())
    }

    pub(crate) fn drop_recovery_secret(&self) -> Result<(Change, Batch), HaloError> {
        if self.keyring.recovery.is_none() {
            return Ok((Change::default(), Batch::new()));
        }
        rewrite(self.with_recovery(None), self.lock.clone())
    }

    /// Makes another encryption key.
    pub(crate) fn renew_sealing_key(
        &self,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Change, Batch), HaloError> {
        self.record()?;
        if self.keyring.former.is_some() {
            return Ok((Change::default(), Batch::new()));
        }
        let keyring = Keyring {
            sealing: SealingSecret::generate(rng),
            former: Some(self.keyring.sealing.clone()),
            ..self.keyring.clone()
        };
        rewrite(keyring, self.lock.clone())
    }

    pub(crate) fn drop_former_key(&self) -> Result<(Change, Batch), HaloError> {
        if self.keyring.former.is_none() {
            return Ok((Change::default(), Batch::new()));
        }
        let keyring = Keyring {
            former: None,
            ..self.keyring.clone()
        };
        rewrite(keyring, self.lock.clone())
    }

    /// The batch of a change is stored.
    pub(crate) fn apply(&mut self, change: Change) {
        let Change { keyring, identity } = change;
        if let Some(keyring) = keyring {
            (self.keyring, self.lock) = *keyring;
        }
        if identity.is_some() {
            self.identity = identity;
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        let IdentityRecord { chain, profile } = self.identity.as_ref()?;
        let device = chain.device();
        Some(Identity {
            identity: device.identity,
            device: device.device,
            profile: profile.clone(),
        })
    }

    pub(crate) fn authority(&self) -> Result<Authority, HaloError> {
        let IdentityRecord { chain, profile } = self.record()?;
        Ok(Authority {
            chain: chain.clone(),
            profile: profile.clone(),
            sealing: self.keyring.sealing.clone(),
            former: self.keyring.former.clone(),
            recovery: self.keyring.recovery.clone(),
            signer: self.signer(),
        })
    }

    pub(crate) fn present(&self, asked: SignPresentation) -> Result<Presentation, HaloError> {
        let chain = self.record()?.chain.clone();
        let SignPresentation {
            challenge,
            audience,
            credentials,
        } = asked;
        Ok(Presentation::sign(
            &*self.signer,
            chain,
            credentials,
            &challenge,
            &audience,
        )?)
    }

    fn record(&self) -> Result<&IdentityRecord, HaloError> {
        self.identity.as_ref().ok_or(HaloError::NoIdentity)
    }

    fn check_no_identity(&self) -> Result<(), HaloError> {
        match self.identity() {
            Some(Identity { identity, .. }) => Err(HaloError::IdentityExists { identity }),
            None => Ok(()),
        }
    }

    fn with_recovery(&self, recovery: Option<(DeviceKey, SealingSecret)>) -> Keyring {
        Keyring {
            recovery,
            ..self.keyring.clone()
        }
    }
}

/// Writes the keyring alone.
fn rewrite(keyring: Keyring, lock: KeyringLock) -> Result<(Change, Batch), HaloError> {
    let mut batch = Batch::new();
    batch.put(KEYRING, KEY, sealed(&lock, &keyring)?);
    let change = Change {
        keyring: Some(Box::new((keyring, lock))),
        identity: None,
    };
    Ok((change, batch))
}

/// Whether a chain goes from a device to the recovery key and from there on.
fn leads_over(chain: &DeviceChain, recovery: DeviceKey, its_sealing: SealingKey) -> bool {
    let credentials = chain.credentials();
    let mut assertions = credentials.iter().map(Credential::assertion);
    assertions.any(|assertion| {
        matches!(assertion, Assertion::AuthorizedRecoveryKey { key, sealing, .. }
            if *key == recovery && *sealing == its_sealing)
    })
}

fn check(profile: &Profile) -> Result<(), HaloError> {
    profile.check().map_err(|error| HaloError::BadProfile {
        reason: error.to_string(),
    })
}

fn sealed(lock: &KeyringLock, keyring: &Keyring) -> Result<Vec<u8>, HaloError> {
    lock.lock(keyring).map_err(store_error)
}

fn store_error(error: impl fmt::Display) -> HaloError {
    HaloError::Store {
        reason: error.to_string(),
    }
}

fn write_identity(record: &IdentityRecord) -> Result<Batch, HaloError> {
    let mut batch = Batch::new();
    let bytes = dxos_wire::encode(VERSION, record).map_err(store_error)?;
    batch.put(IDENTITY, KEY, bytes);
    Ok(batch)
}

fn read_identity(bytes: &[u8]) -> Result<IdentityRecord, OpenHaloError> {
    if dxos_wire::version_of(bytes) == Ok(VERSION_UNREADABLE) {
        return Err(OpenHaloError::Outdated);
    }
    dxos_wire::decode(VERSION, bytes).map_err(|error| OpenHaloError::Damaged {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
