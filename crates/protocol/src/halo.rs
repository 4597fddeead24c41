//! Requests to HALO.

use std::sync::Arc;

use dxos_credentials::{DeviceChain, Presentation};
use dxos_keys::{DeviceKey, IdentityKey, SealingSecret, Signer};
use serde::{Deserialize, Serialize};

use crate::request;

/// Creates the identity of this profile: the one device it has so far signs for it.
#[derive(Clone, Debug)]
pub struct CreateIdentity {
    /// Shown to others; at most [`dxos_wire::limits::DISPLAY_NAME_BYTES_MAX`].
    pub display_name: Option<String>,
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
    pub display_name: Option<String>,
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
    pub display_name: Option<String>,
    /// Opens what was sealed for this device.
    pub sealing: SealingSecret,
    /// Signs for this device.
    pub signer: Arc<dyn Signer>,
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
}

/// Why HALO did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HaloError {
    /// The display name is too long or holds control characters.
    #[error("display name cannot be used: {reason}")]
    BadDisplayName {
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
    #[error("this profile has no identity yet; create one first")]
    NoIdentity,
    /// The store failed.
    #[error("the identity cannot be stored: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
}

request! {
    CreateIdentity => Result<Identity, HaloError>,
    GetIdentity => Option<Identity>,
    GetAuthority => Result<Authority, HaloError>,
    SignPresentation => Result<Presentation, HaloError>,
}
