//! Device chains: how a device belongs to an identity.

use std::collections::BTreeSet;

use dxos_keys::{
    DeviceKey, IdentityKey, IdentitySecret, RecoveryKey, SealingKey, Signature, Signer,
};
use dxos_wire::limits::CHAIN_LENGTH_MAX;
use serde::{Deserialize, Serialize};

use crate::{Assertion, Credential, CredentialError, Issuer};

/// The genesis of an identity and the authorisations that lead from its first device to the
/// last one named. One that exists has been verified: it can only be made by signing or by
/// reading one that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChain {
    parts: Parts,
    end: VerifiedDevice,
}

/// What is stored and sent: flat, so that input cannot nest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    identity: IdentityKey,
    recovery: Option<RecoveryKey>,
    /// The first is the genesis.
    links: Vec<Link>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    device: DeviceKey,
    sealing: SealingKey,
    signature: Signature,
}

/// A device whose chain was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifiedDevice {
    /// The identity that it acts for.
    pub identity: IdentityKey,
    /// The device.
    pub device: DeviceKey,
    /// Its encryption key.
    pub sealing: SealingKey,
}

/// Why a chain proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// It is empty.
    #[error("the device chain does not begin with the genesis of an identity")]
    Genesis,
    /// A link was not signed by the device before it.
    #[error("a link of the device chain does not follow from the one before: {0}")]
    Link(CredentialError),
    /// The signer is not the device at the end of the chain.
    #[error("only the device at the end of the chain can authorize another with it")]
    OtherSigner,
    /// It names a device twice.
    #[error("the device chain names a device twice")]
    Repeated,
    /// It is longer than 32 links.
    #[error("the device chain is longer than {CHAIN_LENGTH_MAX} links")]
    TooLong,
}

impl DeviceChain {
    /// A new identity with its first device. The identity's key is destroyed with this.
    pub fn genesis(secret: IdentitySecret, device: DeviceKey, sealing: SealingKey) -> Self {
        let identity = secret.identity();
        let credential = Credential::identity_genesis(secret, device, sealing, None);
        let link = Link {
            device,
            sealing,
            signature: *credential.signature(),
        };
        let end = VerifiedDevice {
            identity,
            device,
            sealing,
        };
        Self {
            parts: Parts {
                identity,
                recovery: None,
                links: vec![link],
            },
            end,
        }
    }

    /// The chain of another device of the same identity, authorized by the device at the end of
    /// this one.
    ///
    /// # Errors
    ///
    /// [`ChainError`] when the signer is another device, or the chain gets too long or repeats.
    pub fn authorize(
        &self,
        signer: &dyn Signer,
        device: DeviceKey,
        sealing: SealingKey,
    ) -> Result<Self, ChainError> {
        if signer.device() != self.end.device {
            return Err(ChainError::OtherSigner);
        }
        let identity = self.end.identity;
        let assertion = Assertion::AuthorizedDevice {
            identity,
            device,
            sealing,
        };
        let signature = *Credential::by_device(signer, assertion).signature();
        let mut parts = self.parts.clone();
        parts.links.push(Link {
            device,
            sealing,
            signature,
        });
        Self::verify(parts)
    }

    /// The device at its end.
    pub const fn device(&self) -> VerifiedDevice {
        self.end
    }

    /// The devices that lead to it, the first device of the identity first.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceKey> {
        self.parts.links.iter().map(|link| link.device)
    }

    /// The credentials that make it up, the genesis first.
    pub fn credentials(&self) -> Vec<Credential> {
        let mut issuer = Issuer::Identity(self.end.identity);
        let mut credentials = Vec::with_capacity(self.parts.links.len());
        for (at, link) in self.parts.links.iter().enumerate() {
            let assertion = self.parts.assertion(at, link);
            credentials.extend(Credential::from_parts(issuer, assertion, link.signature).ok());
            issuer = Issuer::Device(link.device);
        }
        credentials
    }

    fn verify(parts: Parts) -> Result<Self, ChainError> {
        if parts.links.len() > CHAIN_LENGTH_MAX {
            return Err(ChainError::TooLong);
        }
        let mut issuer = Issuer::Identity(parts.identity);
        let mut seen = BTreeSet::new();
        for (at, link) in parts.links.iter().enumerate() {
            if !seen.insert(link.device) {
                return Err(ChainError::Repeated);
            }
            Credential::from_parts(issuer, parts.assertion(at, link), link.signature)
                .map_err(ChainError::Link)?;
            issuer = Issuer::Device(link.device);
        }
        let last = parts.links.last().ok_or(ChainError::Genesis)?;
        let end = VerifiedDevice {
            identity: parts.identity,
            device: last.device,
            sealing: last.sealing,
        };
        Ok(Self { parts, end })
    }
}

impl Parts {
    fn assertion(&self, at: usize, link: &Link) -> Assertion {
        let (identity, device, sealing) = (self.identity, link.device, link.sealing);
        match at {
            0 => {
                let recovery = self.recovery;
                Assertion::IdentityGenesis {
                    identity,
                    device,
                    sealing,
                    recovery,
                }
            }
            _ => Assertion::AuthorizedDevice {
                identity,
                device,
                sealing,
            },
        }
    }
}

impl Serialize for DeviceChain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DeviceChain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::verify(Parts::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
