//! The secrets of an invitation: the code, and the key that stands in its text.

use std::fmt;

use dxos_keys::{ContentKey, DeviceKey, DeviceSecret, Domain, HashDomain, Hasher, Signature};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The code that a host tells its guest over another channel: six digits.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(Zeroizing<String>);

impl InvitationCode {
    /// The code that follows from a secret. Only the secret is kept, sealed: a million digits
    /// would be tried in no time. Each code is as likely.
    pub(crate) fn of_secret(secret: &ContentKey) -> Self {
        let hash = Hasher::new(HashDomain::InvitationCode)
            .part(secret.expose())
            .finish();
        // 2^64 is so much larger than a million that the remainder favours none noticeably.
        let front = hash.first_chunk().copied().unwrap_or_default();
        let number = u64::from_le_bytes(front) % 1_000_000;
        Self(Zeroizing::new(format!("{number:06}")))
    }

    /// The digits, to show them to the user.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationCode(..)")
    }
}

/// The secret half of a key that was made for one invitation. Whoever has it is the guest that is
/// meant.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationKey(Box<DeviceSecret>);

impl InvitationKey {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Box::new(DeviceSecret::generate(rng)))
    }

    pub(crate) fn from_secret(secret: &ContentKey) -> Self {
        Self(Box::new(DeviceSecret::from_seed(secret.expose())))
    }

    /// The secret, in the form in which secrets are sealed.
    pub(crate) fn to_secret(&self) -> ContentKey {
        ContentKey::from_bytes(*self.0.to_seed())
    }

    /// The half that the host has.
    pub fn public(&self) -> DeviceKey {
        self.0.device()
    }

    pub(crate) fn prove(&self, message: &[u8]) -> Signature {
        self.0.sign(Domain::Invitation, message)
    }
}

impl fmt::Debug for InvitationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationKey(..)")
    }
}

impl Serialize for InvitationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (*self.0.to_seed()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InvitationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seed = Zeroizing::new(<[u8; 32]>::deserialize(deserializer)?);
        Ok(Self(Box::new(DeviceSecret::from_seed(&seed))))
    }
}
