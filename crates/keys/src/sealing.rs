//! Sealing a secret for one device: HPKE (RFC 9180), base mode,
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ContentKey, OpenError};

/// The public half of a device's encryption key (X25519): others seal content keys for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SealingKey([u8; 32]);

/// The secret half of a device's encryption key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingSecret([u8; 32]);

/// A content key sealed for one device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    encapsulated: [u8; 32],
    ciphertext: Vec<u8>,
}

impl SealingKey {
    /// Takes the bytes as they are; sealing for a key of low order is refused.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a content key so that only the device with the secret half can open it. `info`
    /// binds it to its place, such as the space and the recipient.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when this is no usable X25519 key: whoever published it lied.
    pub fn seal(
        &self,
        info: &[u8],
        key: &ContentKey,
        rng: &mut (impl rand_core::CryptoRng + ?Sized),
    ) -> Result<SealedKey, OpenError> {
        let recipient =
            <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.0).map_err(|_| OpenError)?;
        let mut rng = ByRef(rng);
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &recipient,
                info,
                key.expose(),
                b"",
                &mut rng,
            )
            .map_err(|_| OpenError)?;
        Ok(SealedKey {
            encapsulated: encapsulated.to_bytes().into(),
            ciphertext,
        })
    }
}

impl SealingSecret {
    /// Draws a new one from `rng`.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Derives one from 32 bytes of entropy (`DeriveKeyPair` of RFC 9180 §7.1.3).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (secret, _) = X25519HkdfSha256::derive_keypair(seed);
        Self(secret.to_bytes().into())
    }

    /// Takes 32 secret bytes as a key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for storing them encrypted.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey(X25519HkdfSha256::sk_to_pk(&self.secret()).to_bytes().into())
    }

    /// Opens a content key that was sealed for this device with the same `info`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when it was sealed for another device or place, or altered.
    pub fn open(&self, info: &[u8], sealed: &SealedKey) -> Result<ContentKey, OpenError> {
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated)
            .map_err(|_| OpenError)?;
        let bytes = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret(),
            &encapsulated,
            info,
            &sealed.ciphertext,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenError)?;
        bytes
            .as_slice()
            .try_into()
            .map(ContentKey::from_bytes)
            .map_err(|_| OpenError)
    }

    fn secret(&self) -> <X25519HkdfSha256 as Kem>::PrivateKey {
        #[expect(clippy::expect_used, reason = "any 32 bytes are an X25519 secret key")]
        <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.0).expect("32 bytes")
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::text::encode(&self.0);
        write!(
            formatter,
            "SealingKey({})",
            text.get(..8).unwrap_or_default()
        )
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingSecret(..)")
    }
}

impl PartialEq for SealingSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SealingSecret {}

impl fmt::Debug for SealedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealedKey(..)")
    }
}

/// Makes an unsized generator usable where a sized one is asked for.
struct ByRef<'a, R: ?Sized>(&'a mut R);

impl<R: rand_core::CryptoRng + ?Sized> rand_core::TryRng for ByRef<'_, R> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: rand_core::CryptoRng + ?Sized> rand_core::TryCryptoRng for ByRef<'_, R> {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn only_the_recipient_opens_and_only_in_its_place() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let (ann, ben) = (
            SealingSecret::generate(&mut rng),
            SealingSecret::generate(&mut rng),
        );
        let key = ContentKey::generate(&mut rng);
        let sealed = ann.sealing_key().seal(b"space", &key, &mut rng).unwrap();
        assert_eq!(ann.open(b"space", &sealed), Ok(key));
        assert_eq!(ann.open(b"other", &sealed), Err(OpenError));
        assert_eq!(ben.open(b"space", &sealed), Err(OpenError));
    }

    #[test]
    fn a_key_of_low_order_is_refused() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let key = ContentKey::generate(&mut rng);
        assert!(
            SealingKey::from_bytes([0; 32])
                .seal(b"", &key, &mut rng)
                .is_err()
        );
    }
}
