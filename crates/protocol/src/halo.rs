//! Requests to HALO.

use std::sync::Arc;

use dxos_credentials::{Credential, DeviceChain, Presentation, PresentationError, Profile};
use dxos_keys::{
    DeviceKey, DeviceSecret, IdentityKey, IdentitySecret, Protection, SealingSecret, Signer,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::request;

/// Creates the identity of this profile: the one device it has so far signs for it.
#[derive(Clone, Debug)]
pub struct CreateIdentity {
    /// What others are to be shown.
    pub profile: Profile,
}

/// Takes over an identity that exists, by a chain that ends in this device: another device of
/// the identity authorized it, or a recovery phrase did.
#[derive(Clone, Debug)]
pub struct AdoptIdentity {
    /// How this device belongs to the identity.
    pub chain: DeviceChain,
    /// What others are to be shown.
    pub profile: Profile,
    /// What opens the content keys that were sealed for the recovery phrase, by the phrase's key;
    /// it is kept until [`DropRecoverySecret`].
    pub recovery: Option<(DeviceKey, SealingSecret)>,
}

/// Keeps once more what opens the content keys that were sealed for the recovery phrase by which
/// this device came to its identity, until [`DropRecoverySecret`].
#[derive(Clone, Debug)]
pub struct KeepRecoverySecret {
    /// The phrase's key.
    pub key: DeviceKey,
    /// What opens.
    pub secret: SealingSecret,
}

/// Changes what others are to be shown of the identity.
#[derive(Clone, Debug)]
pub struct SetProfile {
    /// What they are shown from now on.
    pub profile: Profile,
}

/// Erases the sealing secret of a recovery phrase once nothing is left to open with it. Does
/// nothing when there is none.
#[derive(Clone, Copy, Debug)]
pub struct DropRecoverySecret;

/// Makes another encryption key for this device, and keeps the secret of the one before until
/// [`DropFormerKey`]. Does nothing while one is kept.
#[derive(Clone, Copy, Debug)]
pub struct RenewSealingKey;

/// Destroys the secret of the encryption key before, once nothing is left to open with it. Does
/// nothing when there is none.
#[derive(Clone, Copy, Debug)]
pub struct DropFormerKey;

/// Encrypts the keyring in another way from now on. Until that is stored the old way holds.
#[derive(Clone, Debug)]
pub struct ChangeProtection {
    /// What protects it from now on.
    pub protection: Protection,
}

/// Asks who this profile is.
#[derive(Clone, Copy, Debug)]
pub struct GetIdentity;

/// Who a profile is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The identity.
    pub identity: IdentityKey,
    /// This device.
    pub device: DeviceKey,
    /// What others are shown.
    #[serde(flatten)]
    pub profile: Profile,
}

/// Asks for what this device signs and opens with. Only ECHO and the transport get it.
#[derive(Clone, Copy, Debug)]
pub struct GetAuthority;

/// What a device acts with on behalf of its identity.
#[derive(Clone)]
pub struct Authority {
    /// The identity and how this device belongs to it.
    pub chain: DeviceChain,
    /// What others are shown.
    pub profile: Profile,
    /// Opens what was sealed for this device.
    pub sealing: SealingSecret,
    /// Opens what was sealed for it before it made that one, while there may be something left.
    pub former: Option<SealingSecret>,
    /// Opens what was sealed for the recovery phrase that brought the identity to this device,
    /// while there is something left: the phrase's key and secret.
    pub recovery: Option<(DeviceKey, SealingSecret)>,
    /// Signs for this device.
    pub signer: Arc<dyn Signer>,
}

impl Authority {
    /// The first device of a new identity, made without HALO: for those who use ECHO alone, and
    /// for tests. Nothing of it is kept anywhere.
    pub fn generate(profile: Profile, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let device = DeviceSecret::generate(rng);
        let sealing = SealingSecret::generate(rng);
        let identity = IdentitySecret::generate(rng);
        Self {
            chain: DeviceChain::genesis(identity, device.device(), sealing.sealing_key()),
            profile,
            sealing,
            former: None,
            recovery: None,
            signer: Arc::new(device),
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// Signs a challenge of a third party with the identity.
#[derive(Clone, Debug)]
pub struct SignPresentation {
    /// What the third party drew.
    pub challenge: Vec<u8>,
    /// Whom it is for, such as a host name, so that it cannot be passed on.
    pub audience: String,
    /// Further credentials to show with it.
    pub credentials: Vec<Credential>,
}

/// Why HALO did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HaloError {
    /// A device cannot be called that.
    #[error("a device cannot have this name: {reason}")]
    BadDeviceName {
        /// What is wrong.
        reason: String,
    },
    /// This cannot be kept for a device.
    #[error("this preference cannot be kept: {reason}")]
    BadPreference {
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The profile is too large, or its name cannot be shown.
    #[error("the profile cannot be used: {reason}")]
    BadProfile {
        /// What is wrong.
        reason: String,
    },
    /// The chain does not end in this device, or does not lead over the recovery phrase.
    #[error("the device chain is not one of this device: {reason}; have this device authorized")]
    ForeignChain {
        /// What is wrong.
        reason: &'static str,
    },
    /// Another device cannot be authorized.
    #[error("the device cannot be added: {reason}")]
    NotAuthorized {
        /// What is wrong.
        reason: String,
    },
    /// The profile has an identity already.
    #[error("this profile already has the identity {identity}; use another profile for another")]
    IdentityExists {
        /// The identity.
        identity: IdentityKey,
    },
    /// The stored identity cannot be read.
    #[error("the stored identity is damaged: {reason}; restore the profile from a backup")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The profile has no identity yet.
    #[error(
        "this profile has no identity yet; create one with `dx identity create NAME`, or in code \
         with create_identity"
    )]
    NoIdentity,
    /// What was to be presented is too much.
    #[error(transparent)]
    Presentation(#[from] PresentationError),
    /// The store failed.
    #[error("the identity cannot be stored: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
}

request! {
    AdoptIdentity => Result<Identity, HaloError>,
    ChangeProtection => Result<(), HaloError>,
    CreateIdentity => Result<Identity, HaloError>,
    DropRecoverySecret => Result<(), HaloError>,
    DropFormerKey => Result<(), HaloError>,
    RenewSealingKey => Result<(), HaloError>,
    KeepRecoverySecret => Result<(), HaloError>,
    GetIdentity => Option<Identity>,
    GetAuthority => Result<Authority, HaloError>,
    SetProfile => Result<Identity, HaloError>,
    SignPresentation => Result<Presentation, HaloError>,
}
