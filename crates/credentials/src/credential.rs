//! Credentials: what is asserted, by whom, with a signature.

use std::collections::BTreeMap;

use dxos_keys::{
    BlockHash, ContentKeyId, DeviceKey, Domain, FeedId, IdentityKey, IdentitySecret, InvitationId,
    SealedKey, SealingKey, Signature, Signer, SpaceKey, SpaceSecret, StateHash,
};
use dxos_wire::limits::{CREDENTIAL_BYTES_MAX, PROFILE_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::profile::check_display_name;
use crate::{DeviceChain, Profile, Role};

const VERSION: u8 = 1;

/// Whose key signed a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Issuer {
    /// A space: the genesis only.
    Space(SpaceKey),
    /// An identity: its genesis only.
    Identity(IdentityKey),
    /// A device, on behalf of its identity.
    Device(DeviceKey),
}

/// The data feeds of somebody from whom something is taken away, with their lengths: what was
/// known of them then goes on counting. It is said here, and not by the causes of the block, so
/// that who is a member can be worked out without any data.
pub type Seen = BTreeMap<FeedId, u64>;

/// What a credential says. The order of the variants is their number in the encoding: new ones
/// go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Assertion {
    /// The space exists and this identity is its first admin. By the space.
    SpaceGenesis {
        /// The space.
        space: SpaceKey,
        /// The first admin.
        admin: IdentityKey,
    },
    /// The identity is a member with this role from here on. By an admin's device.
    SpaceMember {
        /// The space.
        space: SpaceKey,
        /// The member.
        identity: IdentityKey,
        /// What it may do.
        role: Role,
        /// What others are shown.
        profile: Profile,
        /// The device with which it came, so that every replica knows it at once.
        chain: Option<DeviceChain>,
        /// The invitation for one guest that was used up by it.
        invitation: Option<InvitationId>,
        /// Of somebody who was a member before, what it had written.
        seen: Seen,
    },
    /// The identity is no member any more. By an admin's device, or a device of its own.
    MemberRemoved {
        /// The space.
        space: SpaceKey,
        /// Who is removed.
        identity: IdentityKey,
        /// What it had written.
        seen: Seen,
    },
    /// What a member wants others to be shown. By a device of its own.
    MemberProfile {
        /// The space.
        space: SpaceKey,
        /// What others are shown.
        profile: Profile,
    },
    /// The identity exists and this is its first device. By the identity.
    IdentityGenesis {
        /// The identity.
        identity: IdentityKey,
        /// Its first device.
        device: DeviceKey,
        /// That device's encryption key.
        sealing: SealingKey,
    },
    /// The device belongs to the identity. By a device that does.
    AuthorizedDevice {
        /// The identity.
        identity: IdentityKey,
        /// The new device.
        device: DeviceKey,
        /// Its encryption key.
        sealing: SealingKey,
    },
    /// The device does not belong to the identity any more. By another device of it.
    DeviceRevoked {
        /// The identity.
        identity: IdentityKey,
        /// The device.
        device: DeviceKey,
        /// What the devices of the identity had written.
        seen: Seen,
        /// Of one that repeats here what another device of the identity said in a space of their
        /// own: that device. It weighs no more than if that one had said it here.
        repeats: Option<DeviceKey>,
    },
    /// What a device is called. By a device of the identity.
    DeviceProfile {
        /// The device.
        device: DeviceKey,
        /// Its name.
        name: String,
    },
    /// The device belongs to the identity, which had lost the others. By a recovery key.
    IdentityRecovery {
        /// The identity.
        identity: IdentityKey,
        /// The new device.
        device: DeviceKey,
        /// Its encryption key.
        sealing: SealingKey,
    },
    /// A content key, sealed for devices that may read. By an admin's device; one that an admin
    /// made is handed on by any device that may read.
    ContentKey {
        /// The space.
        space: SpaceKey,
        /// The key's name.
        key: ContentKeyId,
        /// The key, sealed for each device.
        recipients: Vec<(DeviceKey, SealedKey)>,
    },
    /// A snapshot of the space at a point of its history: it stands for all that was written
    /// before. By an admin's device.
    Epoch {
        /// The space.
        space: SpaceKey,
        /// One more than that of the epoch before, 1 for the first.
        number: u64,
        /// The block that holds the epoch before, which its issuer knew.
        previous: Option<BlockHash>,
        /// The hash of what the snapshot consists of, which says at which point it was taken.
        snapshot: StateHash,
        /// Whether what was written before is to be destroyed on every device.
        erases: bool,
    },
    /// An invitation that any admin's device may host. By an admin's device.
    DelegatedInvitation {
        /// The space.
        space: SpaceKey,
        /// The invitation.
        invitation: InvitationId,
        /// What its guests may do.
        role: Role,
        /// Whether one guest only may use it.
        single_use: bool,
        /// Whether they get to read what was written before.
        history: bool,
        /// When it ends, in milliseconds since 1970.
        expires_ms: u64,
        /// How a guest proves that it was meant.
        proof: GuestProof,
    },
    /// The invitation is off. By an admin's device.
    InvitationCancelled {
        /// The space.
        space: SpaceKey,
        /// The invitation.
        invitation: InvitationId,
    },
    /// A chain is shown: that of the writing device, or of another device or recovery key of the
    /// same identity.
    DevicePresented {
        /// The space.
        space: SpaceKey,
        /// How the device belongs to its identity.
        chain: DeviceChain,
        /// The space in which the identity keeps its devices, sealed for the one that is shown.
        halo: Option<SealedKey>,
    },
    /// The key that a phrase on paper stands for belongs to the identity: it may authorize a
    /// device when all others are lost. By a device of the identity.
    AuthorizedRecoveryKey {
        /// The identity.
        identity: IdentityKey,
        /// The key.
        key: DeviceKey,
        /// Its encryption key.
        sealing: SealingKey,
    },
    /// What revoked the device, as far as the issuer knew and goes before it, is taken back. By
    /// any device of the identity, also the one that was revoked.
    DeviceRestored {
        /// The identity.
        identity: IdentityKey,
        /// The device.
        device: DeviceKey,
    },
    /// The device has the snapshot of an epoch, and nothing that it writes from here on takes
    /// back what the snapshot stands for. By a device that may read.
    EpochAcknowledged {
        /// The space.
        space: SpaceKey,
        /// The block that holds the epoch.
        epoch: BlockHash,
    },
    /// What was deleted by now is to be destroyed: nothing more is to be sealed with the content
    /// keys that this block knows, and an epoch that erases is to follow. By an admin's device.
    ErasureRequested {
        /// The space.
        space: SpaceKey,
    },
    /// The device seals nothing more with the keys that an erasure retires. By a device that may
    /// read.
    ErasureAcknowledged {
        /// The space.
        space: SpaceKey,
        /// The block that holds the request.
        request: BlockHash,
        /// The data feeds that it knows, with their lengths: what may be sealed with those keys.
        known: Seen,
    },
    /// What is sealed for the device from here on is to be sealed for this key: the secret of the
    /// one before is about to be destroyed. By the device itself.
    SealingKeyReplaced {
        /// The space.
        space: SpaceKey,
        /// The device's new encryption key.
        sealing: SealingKey,
        /// Whether it has every content key that was sealed for it so far, by what it knows.
        has_all: bool,
    },
}

/// How the guest of a delegated invitation proves that it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GuestProof {
    /// By having the invitation.
    None,
    /// By a code that follows from this secret, sealed for each device that may host it.
    Code(Vec<(DeviceKey, SealedKey)>),
    /// By a signature with this key, whose other half is in the invitation.
    Key(DeviceKey),
    /// By being this identity.
    Identity(IdentityKey),
}

/// An assertion with the signature of its issuer. One that exists has been verified: it can only
/// be made by signing, or by [`Credential::decode`] and later [`Credential::decode_again`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    issuer: Issuer,
    assertion: Assertion,
    signature: Signature,
}

/// Why bytes are no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A display name is too long or holds control characters.
    #[error("display name cannot be used: {0}")]
    DisplayName(&'static str),
    /// The bytes are no credential.
    #[error(transparent)]
    Malformed(#[from] dxos_wire::DecodeError),
    /// The issuer did not sign this.
    #[error("the credential's signature does not match its issuer")]
    Signature,
    /// A profile is too large.
    #[error("profile of {found} bytes besides the name, more than the {PROFILE_BYTES_MAX} allowed")]
    Profile {
        /// Avatar and fields together.
        found: usize,
    },
    /// The same credential is written in another way than the one way there is. Refuse it.
    #[error("the credential is not in its canonical form")]
    NotCanonical,
    /// The credential is too large.
    #[error("credential of {found} bytes, more than the {CREDENTIAL_BYTES_MAX} allowed")]
    TooLarge {
        /// Its length.
        found: usize,
    },
}

impl Assertion {
    /// What it says was known of somebody's data.
    pub fn seen(&self) -> Option<&Seen> {
        match self {
            Self::SpaceMember { seen, .. }
            | Self::MemberRemoved { seen, .. }
            | Self::DeviceRevoked { seen, .. } => Some(seen),
            _ => None,
        }
    }
}

impl Credential {
    /// Signs an assertion with a device. Check names with [`check_display_name`] first: what
    /// [`Credential::decode`] would refuse counts nowhere.
    pub fn by_device(signer: &dyn Signer, assertion: Assertion) -> Self {
        let issuer = Issuer::Device(signer.device());
        let signature = signer.sign(Domain::Credential, &message(&issuer, &assertion));
        Self {
            issuer,
            assertion,
            signature,
        }
    }

    /// Signs the genesis of a space; its key is destroyed with this.
    pub fn space_genesis(secret: SpaceSecret, admin: IdentityKey) -> Self {
        let space = secret.space();
        let issuer = Issuer::Space(space);
        let assertion = Assertion::SpaceGenesis { space, admin };
        let signature = secret.sign(Domain::Credential, &message(&issuer, &assertion));
        drop(secret);
        Self {
            issuer,
            assertion,
            signature,
        }
    }

    /// Signs the genesis of an identity; its key is destroyed with this.
    pub fn identity_genesis(
        secret: IdentitySecret,
        device: DeviceKey,
        sealing: SealingKey,
    ) -> Self {
        let identity = secret.identity();
        let issuer = Issuer::Identity(identity);
        let assertion = Assertion::IdentityGenesis {
            identity,
            device,
            sealing,
        };
        let signature = secret.sign(Domain::Credential, &message(&issuer, &assertion));
        drop(secret);
        Self {
            issuer,
            assertion,
            signature,
        }
    }

    /// Who signed it.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What it says.
    pub const fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// The issuer's signature.
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The bytes that [`Credential::decode`] reads.
    #[expect(clippy::missing_panics_doc, reason = "it cannot")]
    pub fn encode(&self) -> Vec<u8> {
        let parts = (self.issuer, &self.assertion, self.signature);
        #[expect(clippy::expect_used, reason = "no part has a length that is unknown")]
        dxos_wire::encode(VERSION, &parts).expect("credentials can be encoded")
    }

    /// Reads a credential and verifies it: all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CredentialError> {
        if bytes.len() > CREDENTIAL_BYTES_MAX {
            return Err(CredentialError::TooLarge { found: bytes.len() });
        }
        let (issuer, assertion, signature) = dxos_wire::decode(VERSION, bytes)?;
        let credential = Self::from_parts(issuer, assertion, signature)?;
        // Numbers can be written longer than they need to be.
        if credential.encode() == bytes {
            Ok(credential)
        } else {
            Err(CredentialError::NotCanonical)
        }
    }

    /// Reads a credential that [`Credential::decode`] has read before, from where nobody else
    /// writes: its signature and its form are not checked again. Device chains in it are.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] when it is none.
    pub fn decode_again(bytes: &[u8]) -> Result<Self, CredentialError> {
        let (issuer, assertion, signature) = dxos_wire::decode(VERSION, bytes)?;
        Ok(Self {
            issuer,
            assertion,
            signature,
        })
    }

    /// Whether [`Credential::decode`] reads it, for one that was made here by signing.
    pub(crate) fn is_readable(&self) -> bool {
        // The others are small whatever they say.
        let fits = match &self.assertion {
            Assertion::ContentKey { .. }
            | Assertion::DelegatedInvitation { .. }
            | Assertion::SpaceMember { .. }
            | Assertion::MemberRemoved { .. }
            | Assertion::ErasureAcknowledged { .. }
            | Assertion::DeviceRevoked { .. } => self.encode().len() <= CREDENTIAL_BYTES_MAX,
            _ => true,
        };
        fits && check_names(&self.assertion).is_ok()
    }

    pub(crate) fn from_parts(
        issuer: Issuer,
        assertion: Assertion,
        signature: Signature,
    ) -> Result<Self, CredentialError> {
        check_names(&assertion)?;
        let message = message(&issuer, &assertion);
        let verified = match &issuer {
            Issuer::Space(key) => key.verify(Domain::Credential, &message, &signature),
            Issuer::Identity(key) => key.verify(Domain::Credential, &message, &signature),
            Issuer::Device(key) => key.verify(Domain::Credential, &message, &signature),
        };
        verified.map_err(|_| CredentialError::Signature)?;
        Ok(Self {
            issuer,
            assertion,
            signature,
        })
    }
}

fn check_names(assertion: &Assertion) -> Result<(), CredentialError> {
    match assertion {
        Assertion::SpaceMember { profile, .. } | Assertion::MemberProfile { profile, .. } => {
            profile.check()
        }
        Assertion::DeviceProfile { name, .. } => check_display_name(name),
        _ => Ok(()),
    }
}

fn message(issuer: &Issuer, assertion: &Assertion) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "no part has a length that is unknown")]
    dxos_wire::encode(VERSION, &(issuer, assertion)).expect("credentials can be encoded")
}

impl Serialize for Credential {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.issuer, &self.assertion, self.signature).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (issuer, assertion, signature) = Deserialize::deserialize(deserializer)?;
        Self::from_parts(issuer, assertion, signature).map_err(serde::de::Error::custom)
    }
}
