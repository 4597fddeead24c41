//! The keyring: a profile's secrets, encrypted at rest.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ContentKey, DeviceSecret, SealingSecret};

/// The secrets of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// Signs blocks, credentials and TLS handshakes.
    pub device: DeviceSecret,
    /// Opens what others sealed for this device.
    pub sealing: SealingSecret,
}

/// What protects a keyring at rest.
#[derive(Clone)]
#[non_exhaustive]
pub enum Protection {
    /// A random key that the caller keeps elsewhere, such as in a file of its own or in the
    /// operating system's keychain.
    Key(ContentKey),
    /// Nothing: whoever reads the bytes has the secrets. To be chosen explicitly.
    None,
    /// A passphrase, stretched with Argon2id (RFC 9106).
    Passphrase(Zeroizing<String>, Argon2Params),
}

impl fmt::Debug for Protection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Key(_) => "Protection::Key(..)",
            Self::None => "Protection::None",
            Self::Passphrase(..) => "Protection::Passphrase(..)",
        })
    }
}

/// The cost of guessing a passphrase. Stored beside the keyring, so it can be raised later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argon2Params {
    /// Memory in KiB, at most 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, at most 64.
    pub passes: u32,
    /// Lanes, at most 16.
    pub lanes: u32,
}

impl Default for Argon2Params {
    /// RFC 9106's second recommended option: 64 MiB, three passes, four lanes.
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 4,
        }
    }
}

impl Argon2Params {
    /// A stored keyring is input from outside: it must not make us take all memory.
    const fn within_limits(self) -> bool {
        self.memory_kib <= 1024 * 1024 && self.passes <= 64 && self.lanes <= 16
    }
}

/// Why a stored keyring cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The bytes are not a keyring, or were cut or altered. Restore the profile from a backup.
    #[error("the keyring is damaged; restore the profile from a backup")]
    Damaged,
    /// It was written by a newer version of this program. Use that version.
    #[error("the keyring has format {found}, this program reads {known}; use a newer program")]
    Newer {
        /// The format that was found.
        found: u8,
        /// The newest format that is known here.
        known: u8,
    },
    /// The keyring is protected in another way than what was offered.
    #[error("the keyring is protected by {expected}; provide that to open it")]
    OtherProtection {
        /// What protects it.
        expected: &'static str,
    },
    /// The passphrase or key is wrong (or the bytes were altered: the two look alike).
    #[error("wrong passphrase or key for the keyring")]
    WrongKey,
}

const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
enum Stored {
    Key(Vec<u8>),
    None(Vec<u8>),
    Passphrase {
        params: Argon2Params,
        salt: [u8; 16],
        sealed: Vec<u8>,
    },
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secrets {
    device: [u8; 32],
    sealing: [u8; 32],
}

impl Keyring {
    /// Draws a new device and encryption key from `rng`.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        Self {
            device: DeviceSecret::generate(rng),
            sealing: SealingSecret::generate(rng),
        }
    }

    /// Encrypts the keyring for storage.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] when the Argon2 parameters are out of their limits.
    pub fn lock(
        &self,
        protection: &Protection,
        rng: &mut (impl rand_core::CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, KeyringError> {
        let secrets = Secrets {
            device: *self.device.to_seed(),
            sealing: *self.sealing.expose(),
        };
        let plain =
            Zeroizing::new(postcard::to_allocvec(&secrets).map_err(|_| KeyringError::Damaged)?);
        let stored = match protection {
            Protection::Key(key) => Stored::Key(key.seal(&[FORMAT], &plain)),
            Protection::None => Stored::None(plain.to_vec()),
            Protection::Passphrase(passphrase, params) => {
                let mut salt = [0; 16];
                rng.fill_bytes(&mut salt);
                let key = stretch(passphrase, &salt, *params)?;
                Stored::Passphrase {
                    params: *params,
                    salt,
                    sealed: key.seal(&[FORMAT], &plain),
                }
            }
        };
        let mut bytes = vec![FORMAT];
        bytes.extend(postcard::to_allocvec(&stored).map_err(|_| KeyringError::Damaged)?);
        Ok(bytes)
    }

    /// Decrypts a stored keyring.
    ///
    /// # Errors
    ///
    /// See [`KeyringError`]; a wrong passphrase and altered ciphertext are one error.
    pub fn unlock(bytes: &[u8], protection: &Protection) -> Result<Self, KeyringError> {
        let plain = match (decode_stored(bytes)?, protection) {
            (Stored::Key(sealed), Protection::Key(key)) => key.open(&[FORMAT], &sealed),
            (Stored::None(plain), Protection::None) => Ok(plain),
            (
                Stored::Passphrase {
                    params,
                    salt,
                    sealed,
                },
                Protection::Passphrase(given, _),
            ) => stretch(given, &salt, params)?.open(&[FORMAT], &sealed),
            (stored, _) => {
                return Err(KeyringError::OtherProtection {
                    expected: stored.protection(),
                });
            }
        };
        let plain = Zeroizing::new(plain.map_err(|_| KeyringError::WrongKey)?);
        let secrets: Secrets = postcard::from_bytes(&plain).map_err(|_| KeyringError::Damaged)?;
        Ok(Self {
            device: DeviceSecret::from_seed(&secrets.device),
            sealing: SealingSecret::from_bytes(secrets.sealing),
        })
    }

    /// What protects a stored keyring: `passphrase`, `key` or `nothing`.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] or [`KeyringError::Newer`] when it cannot be read at all.
    pub fn protection_of(bytes: &[u8]) -> Result<&'static str, KeyringError> {
        decode_stored(bytes).map(|stored| stored.protection())
    }
}

impl Stored {
    const fn protection(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::None(_) => "nothing",
            Self::Passphrase { .. } => "passphrase",
        }
    }
}

fn decode_stored(bytes: &[u8]) -> Result<Stored, KeyringError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            let (stored, rest) =
                postcard::take_from_bytes(rest).map_err(|_| KeyringError::Damaged)?;
            if rest.is_empty() {
                Ok(stored)
            } else {
                Err(KeyringError::Damaged)
            }
        }
        Some((&found, _)) if found > FORMAT => Err(KeyringError::Newer {
            found,
            known: FORMAT,
        }),
        _ => Err(KeyringError::Damaged),
    }
}

fn stretch(
    passphrase: &str,
    salt: &[u8; 16],
    params: Argon2Params,
) -> Result<ContentKey, KeyringError> {
    if !params.within_limits() {
        return Err(KeyringError::Damaged);
    }
    let argon2 = argon2::Params::new(params.memory_kib, params.passes, params.lanes, Some(32))
        .map(|params| {
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        })
        .map_err(|_| KeyringError::Damaged)?;
    let mut key = [0; 32];
    argon2
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .map_err(|_| KeyringError::Damaged)?;
    Ok(ContentKey::from_bytes(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    const CHEAP: Argon2Params = Argon2Params {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn passphrase(text: &str) -> Protection {
        Protection::Passphrase(Zeroizing::new(text.into()), CHEAP)
    }

    #[test]
    fn opens_with_what_locked_it_only() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng);
        let key = |byte| Protection::Key(ContentKey::from_bytes([byte; 32]));
        for (right, wrong) in [
            (passphrase("čeština 🔑"), passphrase("cestina")),
            (passphrase(""), passphrase(" ")),
            (key(1), key(2)),
        ] {
            let bytes = keyring.lock(&right, &mut rng).unwrap();
            assert_eq!(Keyring::unlock(&bytes, &right).as_ref(), Ok(&keyring));
            assert_eq!(Keyring::unlock(&bytes, &wrong), Err(KeyringError::WrongKey));
            assert!(matches!(
                Keyring::unlock(&bytes, &Protection::None),
                Err(KeyringError::OtherProtection { .. })
            ));
            let seed = *keyring.device.to_seed();
            assert!(!bytes.windows(32).any(|window| window == seed));
        }
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
        let protection = passphrase("p");
        let bytes = Keyring::generate(&mut rng)
            .lock(&protection, &mut rng)
            .unwrap();
        for length in 0..bytes.len() {
            assert!(Keyring::unlock(&bytes[..length], &protection).is_err());
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x81;
            assert!(Keyring::unlock(&altered, &protection).is_err());
        }
        assert_eq!(
            Keyring::unlock(&[9, 0], &protection),
            Err(KeyringError::Newer { found: 9, known: 1 })
        );
    }
}
