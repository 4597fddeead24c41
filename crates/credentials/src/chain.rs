//! Device chains: how a device belongs to an identity.

use std::collections::BTreeSet;

use dxos_keys::{
    DeviceKey, Domain, HashDomain, Hasher, IdentityKey, IdentitySecret, SealingKey, Signature,
    Signer, SpaceKey,
};
use dxos_wire::limits::CHAIN_LENGTH_MAX;
use serde::{Deserialize, Serialize};

use crate::{Assertion, Credential, CredentialError, Issuer};

/// Of a chain that stands by itself.
pub(crate) const VERSION: u8 = 1;

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
    /// The first is the genesis.
    links: Vec<Link>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    device: DeviceKey,
    sealing: SealingKey,
    kind: LinkKind,
    /// Of a recovery key.
    consent: Option<Consent>,
    signature: Signature,
}

/// What a recovery key itself has signed. Anyone can say that a key belongs to an identity, and
/// any device of an identity can authorize the key of another once more: whoever has the phrase
/// alone must be able to tell which identity is the right one, over which devices, and where it
/// kept them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Consent {
    /// The hash of the space in which the identity kept its devices then: for whoever is told of
    /// that space to check, and for nobody to learn it.
    halo: Option<[u8; 32]>,
    signature: Signature,
}

/// What stands at the end of a link of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkKind {
    /// A device.
    Device,
    /// A recovery key: a phrase on paper that may authorize a device and does nothing else.
    RecoveryKey,
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
    /// Whether it is a device or a recovery key.
    pub kind: LinkKind,
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
    /// A recovery key did not sign that it belongs to the identity, or not that these devices lead
    /// to it.
    #[error("the recovery key did not agree to belong to this identity by this chain")]
    NoConsent,
    /// A recovery key was to authorize another.
    #[error("a recovery key can authorize a device only")]
    RecoveryOfRecovery,
    /// It is longer than 32 links.
    #[error("the device chain is longer than {CHAIN_LENGTH_MAX} links")]
    TooLong,
}

impl DeviceChain {
    /// A new identity with its first device. The identity's key is destroyed with this.
    pub fn genesis(secret: IdentitySecret, device: DeviceKey, sealing: SealingKey) -> Self {
        let identity = secret.identity();
        let credential = Credential::identity_genesis(secret, device, sealing);
        let link = Link {
            device,
            sealing,
            kind: LinkKind::Device,
            consent: None,
            signature: *credential.signature(),
        };
        let end = VerifiedDevice {
            identity,
            device,
            sealing,
            kind: LinkKind::Device,
        };
        Self {
            parts: Parts {
                identity,
                links: vec![link],
            },
            end,
        }
    }

    /// The chain of another device of the same identity, authorized by the device or recovery key
    /// at the end of this one.
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
        self.extend(signer, device, sealing, None)
    }

    /// The chain of a recovery key of the same identity, authorized by the device at the end of
    /// this one, with the key's consent: to the identity, to every link up to this device, and to
    /// `halo`, the space in which the identity keeps its devices. So there is one chain that leads
    /// to the key, and no other device can put itself in front of it. What the key signs later,
    /// [`DeviceChain::authorize`] on it, brings the identity to a new device.
    ///
    /// # Errors
    ///
    /// [`ChainError`] as for [`DeviceChain::authorize`], and when this one ends in a recovery key.
    pub fn authorize_recovery_key(
        &self,
        signer: &dyn Signer,
        key: &dyn Signer,
        sealing: SealingKey,
        halo: Option<&SpaceKey>,
    ) -> Result<Self, ChainError> {
        let halo = halo.map(halo_hash);
        let message = consent(&self.parts.identity, &self.parts.links, &sealing, halo);
        let signature = key.sign(Domain::Recovery, &message);
        self.extend(
            signer,
            key.device(),
            sealing,
            Some(Consent { halo, signature }),
        )
    }

    fn extend(
        &self,
        signer: &dyn Signer,
        device: DeviceKey,
        sealing: SealingKey,
        consent: Option<Consent>,
    ) -> Result<Self, ChainError> {
        if signer.device() != self.end.device {
            return Err(ChainError::OtherSigner);
        }
        let mut parts = self.parts.clone();
        parts.links.push(Link {
            device,
            sealing,
            kind: match &consent {
                None => LinkKind::Device,
                Some(_) => LinkKind::RecoveryKey,
            },
            consent,
            signature: Signature::from_bytes([0; 64]),
        });
        let at = parts.links.len() - 1;
        if let Some(link) = parts.links.last() {
            let assertion = parts.assertion(at, link);
            let signature = *Credential::by_device(signer, assertion).signature();
            if let Some(link) = parts.links.last_mut() {
                link.signature = signature;
            }
        }
        Self::verify(parts)
    }

    /// The device at its end.
    pub const fn device(&self) -> VerifiedDevice {
        self.end
    }

    /// Whether the device at its end was authorized with a recovery key.
    pub fn is_recovered(&self) -> bool {
        let mut links = self.parts.links.iter().rev().skip(1);
        links
            .next()
            .is_some_and(|link| link.kind == LinkKind::RecoveryKey)
    }

    /// Whether the device at its end was authorized with this recovery key.
    pub fn is_recovered_by(&self, key: &DeviceKey) -> bool {
        let mut links = self.parts.links.iter().rev().skip(1);
        links
            .next()
            .is_some_and(|link| link.kind == LinkKind::RecoveryKey && link.device == *key)
    }

    /// Whether the last recovery key in it agreed to this space as the one in which the identity
    /// kept its devices then. Nobody but whoever had the phrase can have said so.
    pub fn names_halo(&self, space: &SpaceKey) -> bool {
        let mut consents = self.parts.links.iter().rev();
        let last = consents.find_map(|link| link.consent.as_ref());
        last.is_some_and(|consent| consent.halo == Some(halo_hash(space)))
    }

    /// Who goes first among the devices of an identity, the least first: the nearer to its
    /// genesis. A recovery key goes before the device that authorized it and after those that
    /// come before that one; the device that it brings the identity back to takes its place. So
    /// whoever has the phrase can turn out a stolen device, also one that resists.
    pub(crate) fn seniority(&self) -> usize {
        let links = self.parts.links.iter();
        let kinds = links.map(|link| link.kind);
        let first = (1, LinkKind::Device);
        kinds
            .skip(1)
            .fold(first, |(rank, before), kind| {
                let rank = match (before, kind) {
                    (_, LinkKind::RecoveryKey) => rank & !1,
                    (LinkKind::RecoveryKey, LinkKind::Device) => rank,
                    (LinkKind::Device, LinkKind::Device) => (rank | 1) + 2,
                };
                (rank, kind)
            })
            .0
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
        // A recovery key can be made by a device only: there is one before it.
        let mut before = LinkKind::RecoveryKey;
        for (at, link) in parts.links.iter().enumerate() {
            if !seen.insert(link.device) {
                return Err(ChainError::Repeated);
            }
            if (before, link.kind) == (LinkKind::RecoveryKey, LinkKind::RecoveryKey) {
                return Err(ChainError::RecoveryOfRecovery);
            }
            before = link.kind;
            let consented = match (link.kind, &link.consent) {
                (LinkKind::Device, None) => true,
                (LinkKind::RecoveryKey, Some(Consent { halo, signature })) => {
                    let (before, _) = parts.links.split_at_checked(at).unwrap_or_default();
                    let message = consent(&parts.identity, before, &link.sealing, *halo);
                    let key = &link.device;
                    key.verify(Domain::Recovery, &message, signature).is_ok()
                }
                _ => false,
            };
            if !consented {
                return Err(ChainError::NoConsent);
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
            kind: last.kind,
        };
        Ok(Self { parts, end })
    }
}

/// What a recovery key signs to belong to an identity by the links before it.
fn consent(
    identity: &IdentityKey,
    before: &[Link],
    sealing: &SealingKey,
    halo: Option<[u8; 32]>,
) -> Vec<u8> {
    let mut hasher = Hasher::new(HashDomain::RecoveryConsent);
    hasher.part(identity.as_bytes()).part(sealing.as_bytes());
    hasher.part(halo.as_ref().map_or(&[][..], |halo| &halo[..]));
    for link in before {
        hasher
            .part(link.device.as_bytes())
            .part(link.sealing.as_bytes())
            .part(match link.kind {
                LinkKind::Device => b"device",
                LinkKind::RecoveryKey => b"recovery key",
            });
    }
    [&b"belongs to"[..], &hasher.finish()].concat()
}

fn halo_hash(space: &SpaceKey) -> [u8; 32] {
    let mut hasher = Hasher::new(HashDomain::HaloSpace);
    hasher.part(space.as_bytes()).finish()
}

impl Parts {
    fn assertion(&self, at: usize, link: &Link) -> Assertion {
        let (identity, device, sealing) = (self.identity, link.device, link.sealing);
        let before = at.checked_sub(1).and_then(|at| self.links.get(at));
        match (before.map(|link| link.kind), link.kind) {
            (None, _) => Assertion::IdentityGenesis {
                identity,
                device,
                sealing,
            },
            (Some(_), LinkKind::RecoveryKey) => Assertion::AuthorizedRecoveryKey {
                identity,
                key: device,
                sealing,
            },
            (Some(LinkKind::RecoveryKey), LinkKind::Device) => Assertion::IdentityRecovery {
                identity,
                device,
                sealing,
            },
            (Some(LinkKind::Device), LinkKind::Device) => Assertion::AuthorizedDevice {
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
