//! Signatures: ed25519 (RFC 8032), verified strictly, each with a domain.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{DeviceKey, IdentityKey, SpaceKey};

/// What a signature is for. A signature made for one domain never verifies in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Domain {
    /// A block of a feed.
    Block,
    /// A credential.
    Credential,
    /// An ephemeral message to the devices of a space.
    Gossip,
    /// A proof that one has the key of an invitation.
    Invitation,
    /// A presentation of credentials to a third party.
    Presentation,
    /// What of a space a device has stored durably.
    Receipt,
    /// What the key of a recovery phrase signs: which identity it belongs to, and that it asks
    /// for it.
    Recovery,
    /// A TLS 1.3 handshake: the bytes are signed as they are, and are refused unless they
    /// begin with the 64 spaces of RFC 8446 §4.4.3, which no other domain begins with.
    TlsHandshake,
}

const TLS_PREFIX: [u8; 64] = [b' '; 64];

impl Domain {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Block => b"dxos-rs v1 block\0",
            Self::Credential => b"dxos-rs v1 credential\0",
            Self::Gossip => b"dxos-rs v1 gossip\0",
            Self::Invitation => b"dxos-rs v1 invitation\0",
            Self::Presentation => b"dxos-rs v1 presentation\0",
            Self::Receipt => b"dxos-rs v1 receipt\0",
            Self::Recovery => b"dxos-rs v1 recovery\0",
            Self::TlsHandshake => b"",
        }
    }

    /// The bytes that are really signed. `None` for a TLS transcript that is not one.
    fn message(self, message: &[u8]) -> Option<Vec<u8>> {
        if self == Self::TlsHandshake && !message.starts_with(&TLS_PREFIX) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.prefix().len() + message.len());
        bytes.extend_from_slice(self.prefix());
        bytes.extend_from_slice(message);
        Some(bytes)
    }
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// How many bytes one has.
    pub const LENGTH: usize = 64;

    /// Takes the bytes as they are; [`DeviceKey::verify`] tells whether they sign anything.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(formatter, "Signature({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&crate::text::encode(&self.0))
        } else {
            let (front, back) = self.halves();
            (front, back).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            crate::text::decode("signature", &text)
                .map(Self)
                .map_err(serde::de::Error::custom)
        } else {
            let (front, back) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
            let mut bytes = [0; 64];
            for (to, from) in bytes.iter_mut().zip(front.into_iter().chain(back)) {
                *to = from;
            }
            Ok(Self(bytes))
        }
    }
}

impl Signature {
    fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let mut front = [0; 32];
        let mut back = [0; 32];
        for (to, from) in front.iter_mut().chain(back.iter_mut()).zip(self.0) {
            *to = from;
        }
        (front, back)
    }
}

/// The signature does not belong to this key, domain and message: the message was altered or
/// signed by somebody else. Refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match the key and the message")]
pub struct SignatureError;

fn verify(
    key: &[u8; 32],
    domain: Domain,
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let message = domain.message(message).ok_or(SignatureError)?;
    VerifyingKey::from_bytes(key)
        .and_then(|key| {
            key.verify_strict(
                &message,
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
        })
        .map_err(|_| SignatureError)
}

macro_rules! secret {
    ($(#[$meta:meta])* $secret:ident, $public:ident, $public_fn:ident) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $secret(SigningKey);

        impl $secret {
            /// Draws a new one from `rng`.
            pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                let secret = Self(SigningKey::from_bytes(&seed));
                seed.zeroize();
                secret
            }

            /// Restores one from its 32-byte seed (RFC 8032 §5.1.5).
            pub fn from_seed(seed: &[u8; 32]) -> Self {
                Self(SigningKey::from_bytes(seed))
            }

            /// The seed, for storing it encrypted. The caller zeroizes it.
            pub fn to_seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
                zeroize::Zeroizing::new(self.0.to_bytes())
            }

            /// The public key that belongs to this secret.
            pub fn $public_fn(&self) -> $public {
                $public::from_bytes(self.0.verifying_key().to_bytes())
            }

            /// Signs `message` for `domain`. Deterministic (RFC 8032). A message that the
            /// domain does not allow (see [`Domain::TlsHandshake`]) gets a signature of zeros,
            /// which verifies nowhere.
            pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
                domain
                    .message(message)
                    .map_or(Signature([0; 64]), |message| Signature(self.0.sign(&message).to_bytes()))
            }
        }

        impl fmt::Debug for $secret {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($secret), "(..)"))
            }
        }

        impl PartialEq for $secret {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }

        impl Eq for $secret {}

        impl ZeroizeOnDrop for $secret {}

        impl $public {
            /// Verifies a signature made by the secret half of this key.
            ///
            /// # Errors
            ///
            /// [`SignatureError`] when key, domain, message and signature do not belong
            /// together, or the key is no usable curve point.
            pub fn verify(
                &self,
                domain: Domain,
                message: &[u8],
                signature: &Signature,
            ) -> Result<(), SignatureError> {
                verify(self.as_bytes(), domain, message, signature)
            }
        }
    };
}

secret!(
    /// The secret of a device.
    DeviceSecret, DeviceKey, device
);
secret!(
    /// The secret of an identity. It signs the genesis and is then dropped.
    IdentitySecret, IdentityKey, identity
);
secret!(
    /// The secret of a space. It signs the genesis and is then dropped.
    SpaceSecret, SpaceKey, space
);

/// Something that signs as a device: the secret itself, or whatever guards it.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The device that signs.
    fn device(&self) -> DeviceKey;

    /// Signs `message` for `domain`.
    fn sign(&self, domain: Domain, message: &[u8]) -> Signature;
}

impl Signer for DeviceSecret {
    fn device(&self) -> DeviceKey {
        Self::device(self)
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Self::sign(self, domain, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> DeviceSecret {
        DeviceSecret::from_seed(&[byte; 32])
    }

    #[test]
    fn a_signature_holds_in_its_domain_only() {
        let secret = secret(1);
        let signature = secret.sign(Domain::Block, b"m");
        assert_eq!(
            secret.device().verify(Domain::Block, b"m", &signature),
            Ok(())
        );
        for domain in [
            Domain::Credential,
            Domain::Gossip,
            Domain::Presentation,
            Domain::TlsHandshake,
        ] {
            assert!(secret.device().verify(domain, b"m", &signature).is_err());
        }
    }

    #[test]
    fn every_bit_of_a_signature_matters() {
        let secret = secret(2);
        let signature = secret.sign(Domain::Block, b"message");
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let altered = Signature::from_bytes(bytes);
            assert!(
                secret
                    .device()
                    .verify(Domain::Block, b"message", &altered)
                    .is_err()
            );
        }
    }

    #[test]
    fn low_order_and_off_curve_keys_verify_nothing() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for key in [[0; 32], identity_point, [0xff; 32]] {
            let key = DeviceKey::from_bytes(key);
            assert!(
                key.verify(Domain::Block, b"m", &Signature::from_bytes([0; 64]))
                    .is_err()
            );
        }
    }

    #[test]
    fn the_tls_domain_signs_transcripts_only() {
        let secret = secret(3);
        assert_eq!(
            secret
                .sign(Domain::TlsHandshake, b"dxos-rs v1 block\0x")
                .as_bytes(),
            &[0; 64]
        );
        let mut transcript = vec![b' '; 64];
        transcript.extend_from_slice(b"TLS 1.3, client CertificateVerify\0");
        let signature = secret.sign(Domain::TlsHandshake, &transcript);
        assert_eq!(
            secret
                .device()
                .verify(Domain::TlsHandshake, &transcript, &signature),
            Ok(())
        );
    }

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", secret(4)), "DeviceSecret(..)");
    }
}
