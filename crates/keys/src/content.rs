//! Content keys: the symmetric keys that seal the bodies of data blocks.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hash::derive_secret;
use crate::{ContentKeyId, HashDomain, Hasher};

/// How many bytes [`ContentKey::seal`] adds: a nonce of 24 and a tag of 16.
pub const SEAL_OVERHEAD_BYTES: usize = NONCE_BYTES + 16;
const NONCE_BYTES: usize = 24;

/// A symmetric key of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha).
///
/// The nonce is derived from key, associated data and plaintext (as in SIV, RFC 5297), so it
/// needs no random source and repeats only for an identical message in an identical place:
/// a device restored from a backup that writes something else at the same place is safe.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

/// The sealed bytes were altered, cut, or sealed with another key or in another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes cannot be opened: altered, or sealed with another key")]
pub struct OpenError;

impl ContentKey {
    /// Draws a new one from `rng`.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// Takes 32 secret bytes as a key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, to wrap them for somebody.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of this key; it gives nothing of the key away.
    pub fn id(&self) -> ContentKeyId {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            *derive_secret(HashDomain::ContentKeyId, &self.0);
        ContentKeyId::from_bytes(id)
    }

    /// Seals `plaintext`, bound to `associated` data that travels in the clear. The result is
    /// [`SEAL_OVERHEAD_BYTES`] longer.
    ///
    /// # Panics
    ///
    /// Beyond 256 GiB of plaintext, far over any limit of this workspace.
    pub fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(HashDomain::Nonce);
        hasher.update(&self.0).part(associated).update(plaintext);
        let mut nonce = [0; NONCE_BYTES];
        for (to, from) in nonce.iter_mut().zip(*hasher.finish_secret()) {
            *to = from;
        }
        let payload = Payload {
            msg: plaintext,
            aad: associated,
        };
        #[expect(clippy::expect_used, reason = "fails only beyond 256 GiB of plaintext")]
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("below 256 GiB");
        let mut bytes = Vec::with_capacity(NONCE_BYTES + sealed.len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        bytes
    }

    /// Opens what [`ContentKey::seal`] made with the same key and associated data.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when anything differs by a bit.
    pub fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let payload = Payload {
            msg: sealed,
            aad: associated,
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| OpenError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContentKey({}, ..)", self.id())
    }
}

impl PartialEq for ContentKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ContentKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let key = ContentKey::from_bytes([5; 32]);
        for plaintext in [&b""[..], b"x", &[0; 1000]] {
            let sealed = key.seal(b"place", plaintext);
            assert_eq!(sealed.len(), plaintext.len() + SEAL_OVERHEAD_BYTES);
            assert_eq!(key.open(b"place", &sealed).as_deref(), Ok(plaintext));
            assert!(key.open(b"other", &sealed).is_err());
            assert!(
                ContentKey::from_bytes([6; 32])
                    .open(b"place", &sealed)
                    .is_err()
            );
            for byte in 0..sealed.len().min(64) {
                let mut altered = sealed.clone();
                altered[byte] ^= 1;
                assert!(key.open(b"place", &altered).is_err());
            }
            assert!(
                key.open(b"place", &sealed[..SEAL_OVERHEAD_BYTES - 1])
                    .is_err()
            );
        }
    }

    #[test]
    fn different_content_in_one_place_has_different_nonces() {
        let key = ContentKey::from_bytes([5; 32]);
        assert_ne!(key.seal(b"p", b"one")[..24], key.seal(b"p", b"two")[..24]);
    }
}
