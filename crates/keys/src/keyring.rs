//! The keyring: a profile's secrets, encrypted at rest.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ContentKey, DeviceKey, DeviceSecret, SealingSecret};

/// The secrets of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// Signs blocks, credentials and TLS handshakes.
    pub device: DeviceSecret,
    /// Opens what others sealed for this device.
    pub sealing: SealingSecret,
    /// The one before. Kept only until all that was sealed for it is kept otherwise.
    pub former: Option<SealingSecret>,
    /// Opens what others sealed for the recovery phrase that brought the identity here, by the
    /// phrase's key. Kept only while something sealed for it is still to be opened.
    pub recovery: Option<(DeviceKey, SealingSecret)>,
}

/// What protects a keyring at rest.
#[derive(Clone)]
#[non_exhaustive]
pub enum Protection {
    /// A random key that is kept elsewhere, and where, so that whoever opens the keyring can be
    /// told. The place is written down beside the keyring; what opens it is the key alone.
    Key(ContentKey, KeyPlace),
    /// Nothing: whoever reads the bytes has the secrets. To be chosen explicitly.
    None,
    /// A passphrase, stretched with Argon2id (RFC 9106).
    Passphrase(Zeroizing<String>, Argon2Params),
}

/// Where a key that protects a keyring is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeyPlace {
    /// A file of its own.
    File,
    /// The operating system's keychain.
    Keychain,
    /// Wherever the program that embeds this keeps it.
    Elsewhere,
}

/// What protects a stored keyring, without the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtectionKind {
    /// A key, and where it is kept.
    Key(KeyPlace),
    /// Nothing.
    None,
    /// A passphrase.
    Passphrase,
}

impl fmt::Display for ProtectionKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Key(KeyPlace::File) => "a key file",
            Self::Key(KeyPlace::Keychain) => "a key in the keychain of the operating system",
            Self::Key(KeyPlace::Elsewhere) => "a key",
            Self::None => "nothing",
            Self::Passphrase => "a passphrase",
        })
    }
}

impl Protection {
    /// What it is, without the secret.
    pub const fn kind(&self) -> ProtectionKind {
        match self {
            Self::Key(_, place) => ProtectionKind::Key(*place),
            Self::None => ProtectionKind::None,
            Self::Passphrase(..) => ProtectionKind::Passphrase,
        }
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Key(..) => "Protection::Key(..)",
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
    #[error("the keyring is protected by {expected}; give that to open it")]
    OtherProtection {
        /// What protects it.
        expected: ProtectionKind,
    },
    /// The passphrase or key is wrong (or the bytes were altered: the two look alike).
    #[error("wrong passphrase or key for the keyring")]
    WrongKey,
}

/// Format 2 knew no former encryption key, format 1 no recovery and no place of a key either.
const FORMAT: u8 = 3;
const FORMAT_2: u8 = 2;
const FORMAT_1: u8 = 1;
/// More than the secrets take when written down. A buffer that grows would leave copies behind.
const SECRETS_BYTES_MAX: usize = 256;

#[derive(Serialize, Deserialize)]
enum Stored {
    Key {
        place: KeyPlace,
        sealed: Vec<u8>,
    },
    None(Vec<u8>),
    Passphrase {
        params: Argon2Params,
        salt: [u8; 16],
        sealed: Vec<u8>,
    },
}

#[derive(Deserialize)]
enum Stored1 {
    Key(Vec<u8>),
    None(Vec<u8>),
    Passphrase {
        params: Argon2Params,
        salt: [u8; 16],
        sealed: Vec<u8>,
    },
}

impl From<Stored1> for Stored {
    fn from(old: Stored1) -> Self {
        match old {
            // There was no other place then.
            Stored1::Key(sealed) => Self::Key {
                place: KeyPlace::File,
                sealed,
            },
            Stored1::None(plain) => Self::None(plain),
            Stored1::Passphrase {
                params,
                salt,
                sealed,
            } => Self::Passphrase {
                params,
                salt,
                sealed,
            },
        }
    }
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secrets {
    device: [u8; 32],
    sealing: [u8; 32],
    recovery: Option<([u8; 32], [u8; 32])>,
    former: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secrets2 {
    device: [u8; 32],
    sealing: [u8; 32],
    recovery: Option<([u8; 32], [u8; 32])>,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secrets1 {
    device: [u8; 32],
    sealing: [u8; 32],
}

impl Keyring {
    /// Draws a new device and encryption key from `rng`.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        Self {
            device: DeviceSecret::generate(rng),
            sealing: SealingSecret::generate(rng),
            former: None,
            recovery: None,
        }
    }

    /// Encrypts the keyring for storage. To do so more than once, keep a [`KeyringLock`].
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] when the Argon2 parameters are out of their limits.
    pub fn lock(
        &self,
        protection: &Protection,
        rng: &mut (impl rand_core::CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, KeyringError> {
        KeyringLock::new(protection, rng)?.lock(self)
    }

    /// Decrypts a stored keyring, of this format or an older one.
    ///
    /// # Errors
    ///
    /// See [`KeyringError`]; a wrong passphrase and altered ciphertext are one error.
    pub fn unlock(bytes: &[u8], protection: &Protection) -> Result<Self, KeyringError> {
        KeyringLock::of(bytes, protection)?.unlock(bytes)
    }

    /// What protects a stored keyring. Nothing vouches for it: it says what to ask for.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] or [`KeyringError::Newer`] when it cannot be read at all.
    pub fn protection_of(bytes: &[u8]) -> Result<ProtectionKind, KeyringError> {
        decode_stored(bytes).map(|(_, stored)| stored.protection())
    }
}

/// What a keyring is encrypted with: a passphrase is stretched already and not kept. Whoever
/// has one can write the keyring again.
#[derive(Clone)]
pub struct KeyringLock(Lock);

#[derive(Clone)]
enum Lock {
    Key(ContentKey, KeyPlace),
    None,
    Passphrase {
        params: Argon2Params,
        salt: [u8; 16],
        key: ContentKey,
    },
}

impl KeyringLock {
    /// A new one. Takes as long as a passphrase takes to stretch.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] when the Argon2 parameters are out of their limits.
    pub fn new(
        protection: &Protection,
        rng: &mut (impl rand_core::CryptoRng + ?Sized),
    ) -> Result<Self, KeyringError> {
        Ok(Self(match protection {
            Protection::Key(key, place) => Lock::Key(key.clone(), *place),
            Protection::None => Lock::None,
            Protection::Passphrase(passphrase, params) => {
                let mut salt = [0; 16];
                rng.fill_bytes(&mut salt);
                let (params, key) = (*params, stretch(passphrase, &salt, *params)?);
                Lock::Passphrase { params, salt, key }
            }
        }))
    }

    /// The one of a stored keyring. Takes as long as a passphrase takes to stretch. Whether it is
    /// the right one shows in [`KeyringLock::unlock`].
    ///
    /// # Errors
    ///
    /// [`KeyringError`], but for [`KeyringError::WrongKey`].
    pub fn of(bytes: &[u8], protection: &Protection) -> Result<Self, KeyringError> {
        let (_, stored) = decode_stored(bytes)?;
        Ok(Self(match (stored, protection) {
            // The place is what was written down; the key is what opens it.
            (Stored::Key { place, .. }, Protection::Key(key, _)) => Lock::Key(key.clone(), place),
            (Stored::None(_), Protection::None) => Lock::None,
            (Stored::Passphrase { params, salt, .. }, Protection::Passphrase(given, _)) => {
                let key = stretch(given, &salt, params)?;
                Lock::Passphrase { params, salt, key }
            }
            (stored, _) => {
                let expected = stored.protection();
                return Err(KeyringError::OtherProtection { expected });
            }
        }))
    }

    /// What it is, without the secret.
    pub const fn kind(&self) -> ProtectionKind {
        match &self.0 {
            Lock::Key(_, place) => ProtectionKind::Key(*place),
            Lock::None => ProtectionKind::None,
            Lock::Passphrase { .. } => ProtectionKind::Passphrase,
        }
    }

    /// Encrypts a keyring for storage.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Damaged`] if it cannot be written down, which does not happen.
    pub fn lock(&self, keyring: &Keyring) -> Result<Vec<u8>, KeyringError> {
        let recovery = keyring.recovery.as_ref();
        let secrets = Secrets2 {
            device: *keyring.device.to_seed(),
            sealing: *keyring.sealing.expose(),
            recovery: recovery.map(|(key, secret)| (*key.as_bytes(), *secret.expose())),
        };
        let mut plain = Zeroizing::new([0; SECRETS_BYTES_MAX]);
        // An older program reads what has no former key.
        let (format, plain) = match &keyring.former {
            None => (FORMAT_2, postcard::to_slice(&secrets, plain.as_mut_slice())),
            Some(former) => {
                let secrets = Secrets {
                    device: secrets.device,
                    sealing: secrets.sealing,
                    recovery: secrets.recovery,
                    former: Some(*former.expose()),
                };
                (FORMAT, postcard::to_slice(&secrets, plain.as_mut_slice()))
            }
        };
        let plain = plain.map_err(|_| KeyringError::Damaged)?;
        let stored = match &self.0 {
            Lock::Key(key, place) => Stored::Key {
                place: *place,
                sealed: key.seal(&[format], plain),
            },
            Lock::None => Stored::None(plain.to_vec()),
            Lock::Passphrase { params, salt, key } => Stored::Passphrase {
                params: *params,
                salt: *salt,
                sealed: key.seal(&[format], plain),
            },
        };
        let mut bytes = vec![format];
        bytes.extend(postcard::to_allocvec(&stored).map_err(|_| KeyringError::Damaged)?);
        Ok(bytes)
    }

    /// Decrypts the stored keyring that it was made for.
    ///
    /// # Errors
    ///
    /// See [`KeyringError`]; a wrong passphrase and altered ciphertext are one error.
    pub fn unlock(&self, bytes: &[u8]) -> Result<Keyring, KeyringError> {
        let (format, stored) = decode_stored(bytes)?;
        let plain = match (stored, &self.0) {
            (Stored::None(plain), Lock::None) => Ok(plain),
            (Stored::Key { sealed, .. }, Lock::Key(key, _))
            | (Stored::Passphrase { sealed, .. }, Lock::Passphrase { key, .. }) => {
                key.open(&[format], &sealed)
            }
            (stored, _) => {
                let expected = stored.protection();
                return Err(KeyringError::OtherProtection { expected });
            }
        };
        let plain = Zeroizing::new(plain.map_err(|_| KeyringError::WrongKey)?);
        let secrets = match format {
            FORMAT_1 => {
                let old: Secrets1 = decode_all(&plain)?;
                Secrets {
                    device: old.device,
                    sealing: old.sealing,
                    recovery: None,
                    former: None,
                }
            }
            FORMAT_2 => {
                let old: Secrets2 = decode_all(&plain)?;
                Secrets {
                    device: old.device,
                    sealing: old.sealing,
                    recovery: old.recovery,
                    former: None,
                }
            }
            _ => decode_all(&plain)?,
        };
        let recovery = secrets.recovery.map(|(key, secret)| {
            let key = DeviceKey::from_bytes(key);
            (key, SealingSecret::from_bytes(secret))
        });
        Ok(Keyring {
            device: DeviceSecret::from_seed(&secrets.device),
            sealing: SealingSecret::from_bytes(secrets.sealing),
            former: secrets.former.map(SealingSecret::from_bytes),
            recovery,
        })
    }
}

impl fmt::Debug for KeyringLock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyringLock({:?}, ..)", self.kind())
    }
}

impl Stored {
    const fn protection(&self) -> ProtectionKind {
        match self {
            Self::Key { place, .. } => ProtectionKind::Key(*place),
            Self::None(_) => ProtectionKind::None,
            Self::Passphrase { .. } => ProtectionKind::Passphrase,
        }
    }
}

fn decode_stored(bytes: &[u8]) -> Result<(u8, Stored), KeyringError> {
    match bytes.split_first() {
        Some((format @ (&FORMAT | &FORMAT_2), rest)) => Ok((*format, decode_all(rest)?)),
        Some((&FORMAT_1, rest)) => Ok((FORMAT_1, decode_all::<Stored1>(rest)?.into())),
        Some((&found, _)) if found > FORMAT => Err(KeyringError::Newer {
            found,
            known: FORMAT,
        }),
        _ => Err(KeyringError::Damaged),
    }
}

/// Nothing may be left over.
fn decode_all<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, KeyringError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| KeyringError::Damaged)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(KeyringError::Damaged)
    }
}

/// Stretches a passphrase into a key with Argon2id (RFC 9106). Takes as long as `params` say.
///
/// # Errors
///
/// [`KeyringError::Damaged`] when the parameters are out of their limits.
pub fn stretch(
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
    let mut key = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| KeyringError::Damaged)?;
    Ok(ContentKey::from_bytes(*key))
}

#[cfg(test)]
mod tests;
