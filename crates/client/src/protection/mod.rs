//! What protects the keyring of a profile: found when the profile is opened, and changed while
//! it is open, so that a kill at any moment leaves one that opens.
//!
//! The keyring itself says what protects it, in the row that is encrypted. A change first keeps
//! the new key beside the old one, then writes that row, then forgets the old key. Whoever opens
//! the profile in between finds out by trying which of the two it is, and settles the rest.

mod vault;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use dxos_halo::{Halo, OpenHaloError};
use dxos_keys::{Argon2Params, ContentKey, KeyPlace, KeyringError, Protection, ProtectionKind};
use dxos_store::Read;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use self::vault::{KeyFile, Keychain, Slot, Vault};
use crate::{KeyringProtection, NodeError};

/// What is to protect the keyring of a profile from now on. See
/// [`crate::HaloProxy::change_protection`].
#[derive(Clone)]
#[non_exhaustive]
pub enum NewProtection {
    /// A new random key in a file beside the database.
    KeyFile,
    /// A new random key in the keychain of the operating system.
    Keychain,
    /// Nothing.
    None,
    /// A passphrase, which is not kept anywhere: whoever forgets it loses the profile.
    Passphrase(Zeroizing<String>),
}

impl NewProtection {
    /// A passphrase.
    pub fn passphrase(passphrase: impl Into<String>) -> Self {
        Self::Passphrase(Zeroizing::new(passphrase.into()))
    }

    const fn kind(&self) -> ProtectionKind {
        match self {
            Self::KeyFile => ProtectionKind::Key(KeyPlace::File),
            Self::Keychain => ProtectionKind::Key(KeyPlace::Keychain),
            Self::None => ProtectionKind::None,
            Self::Passphrase(_) => ProtectionKind::Passphrase,
        }
    }

    /// What `keyring.protection` has to say of it.
    pub(crate) const fn setting(&self) -> KeyringProtection {
        match self {
            Self::KeyFile => KeyringProtection::KeyFile,
            Self::Keychain => KeyringProtection::Keychain,
            Self::None => KeyringProtection::None,
            Self::Passphrase(_) => KeyringProtection::Passphrase,
        }
    }
}

impl fmt::Debug for NewProtection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NewProtection({})", self.setting())
    }
}

/// What a setting asks for; `None` where it leaves that to the profile.
const fn kind_of(setting: KeyringProtection) -> Option<ProtectionKind> {
    match setting {
        KeyringProtection::Auto => None,
        KeyringProtection::KeyFile => Some(ProtectionKind::Key(KeyPlace::File)),
        KeyringProtection::Keychain => Some(ProtectionKind::Key(KeyPlace::Keychain)),
        KeyringProtection::None => Some(ProtectionKind::None),
        KeyringProtection::Passphrase => Some(ProtectionKind::Passphrase),
    }
}

/// The setting that asks for this kind; `None` where no setting does.
const fn setting_of(kind: ProtectionKind) -> Option<KeyringProtection> {
    match kind {
        ProtectionKind::Key(KeyPlace::File) => Some(KeyringProtection::KeyFile),
        ProtectionKind::Key(KeyPlace::Keychain) => Some(KeyringProtection::Keychain),
        ProtectionKind::None => Some(KeyringProtection::None),
        ProtectionKind::Passphrase => Some(KeyringProtection::Passphrase),
        _ => None,
    }
}

/// What protects the profile in `store`, or is to: the configured protection, where the
/// configuration does not leave it to the profile.
///
/// # Errors
///
/// [`NodeError::OtherProtection`] when the configuration says otherwise than the profile.
pub(crate) fn resolve(
    store: &dyn Read,
    configured: KeyringProtection,
    passphrase: Option<&str>,
) -> Result<KeyringProtection, NodeError> {
    let stored = Halo::protection_of(store)?;
    let other = |found| NodeError::OtherProtection {
        configured,
        found,
        how: how_to_open(found),
    };
    match (kind_of(configured), stored) {
        (Some(wanted), Some(found)) if wanted != found => Err(other(found)),
        (Some(_), _) => Ok(configured),
        (None, Some(found)) => setting_of(found).ok_or_else(|| other(found)),
        (None, None) if passphrase.is_some_and(|passphrase| !passphrase.is_empty()) => {
            Ok(KeyringProtection::Passphrase)
        }
        (None, None) => Ok(KeyringProtection::KeyFile),
    }
}

/// Where keys of a profile are kept.
#[derive(Clone, Debug)]
pub(crate) struct Vaults {
    file: Arc<dyn Vault>,
    keychain: Arc<dyn Vault>,
    /// The cost of a new passphrase.
    cost: Argon2Params,
}

/// What is left to do once the keyring was opened or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settle {
    /// What protects it now.
    now: ProtectionKind,
    /// Which key opens it.
    slot: Slot,
    /// What protected it before, when it was changed just now.
    before: Option<ProtectionKind>,
}

impl Vaults {
    /// Those of the profile in this directory, which exists.
    pub(crate) fn of_profile(profile: &Path) -> Self {
        Self {
            file: Arc::new(KeyFile::new(profile.join("key"))),
            keychain: Arc::new(Keychain::new(profile)),
            cost: Argon2Params::default(),
        }
    }

    /// The one of a kind of protection, if that has a key.
    fn of(&self, kind: ProtectionKind) -> Option<(&dyn Vault, KeyPlace)> {
        match kind {
            ProtectionKind::Key(place @ KeyPlace::File) => Some((&*self.file, place)),
            ProtectionKind::Key(place @ KeyPlace::Keychain) => Some((&*self.keychain, place)),
            _ => None,
        }
    }

    /// What opens the keyring in `store`; for a profile that has none yet, what it is to be
    /// encrypted with: `draw` makes a key. A passphrase is not tried here.
    pub(crate) fn find(
        &self,
        store: &dyn Read,
        configured: KeyringProtection,
        passphrase: Option<Zeroizing<String>>,
        draw: impl FnOnce() -> ContentKey,
    ) -> Result<(Protection, Settle), NodeError> {
        let stored = Halo::protection_of(store)?;
        let configured = resolve(
            store,
            configured,
            passphrase.as_ref().map(|text| text.as_str()),
        )?;
        let wanted = kind_of(configured).unwrap_or(ProtectionKind::Key(KeyPlace::File));
        let settle = |slot| Settle {
            now: wanted,
            slot,
            before: None,
        };
        let Some((vault, place)) = self.of(wanted) else {
            let protection = match configured {
                KeyringProtection::Passphrase => {
                    let given = given(passphrase)?;
                    let normal = normal(&given);
                    let normalized = Protection::Passphrase(normal.clone(), self.cost);
                    let as_typed = stored.is_some() && given != normal && {
                        let tried = Halo::try_protection(store, &normalized);
                        tried == Err(OpenHaloError::Keyring(KeyringError::WrongKey))
                    };
                    if as_typed {
                        // Older versions took it as it was typed.
                        Protection::Passphrase(given, self.cost)
                    } else {
                        normalized
                    }
                }
                _ => Protection::None,
            };
            return Ok((protection, settle(Slot::Current)));
        };
        let current = vault.read(Slot::Current)?;
        if stored.is_none() {
            let key = match current {
                // A profile that was begun and not finished.
                Some(key) => key,
                None => {
                    let key = draw();
                    vault.write(Slot::Current, &key)?;
                    key
                }
            };
            return Ok((Protection::Key(key, place), settle(Slot::Current)));
        }
        let found = current.is_some();
        if let Some(key) = current {
            let protection = Protection::Key(key, place);
            match Halo::try_protection(store, &protection) {
                Err(OpenHaloError::Keyring(KeyringError::WrongKey)) => {}
                tried => return Ok(tried.map(|()| (protection, settle(Slot::Current)))?),
            }
        }
        // The program was stopped after the keyring was encrypted with the next one.
        match vault.read(Slot::Next)? {
            Some(key) => {
                let protection = Protection::Key(key, place);
                Halo::try_protection(store, &protection)?;
                Ok((protection, settle(Slot::Next)))
            }
            None if found => Err(OpenHaloError::Keyring(KeyringError::WrongKey).into()),
            None => Err(vault.missing()),
        }
    }

    /// Keeps a new key beside the one in use, if the new protection has one. To be followed by
    /// writing the keyring, then by [`Vaults::settle`].
    pub(crate) fn prepare(
        &self,
        new: NewProtection,
        before: KeyringProtection,
        draw: impl FnOnce() -> ContentKey,
    ) -> Result<(Protection, Settle), NodeError> {
        let now = new.kind();
        let protection = match (self.of(now), new) {
            (Some((vault, place)), _) => {
                let key = draw();
                vault.write(Slot::Next, &key)?;
                Protection::Key(key, place)
            }
            (None, NewProtection::Passphrase(passphrase)) => {
                Protection::Passphrase(normal(&given(Some(passphrase))?), self.cost)
            }
            (None, _) => Protection::None,
        };
        let settle = Settle {
            now,
            slot: Slot::Next,
            before: kind_of(before),
        };
        Ok((protection, settle))
    }

    /// Forgets every key that is not in use any more. The keychain is asked only where it is or
    /// was in use: it may ask the user in turn.
    pub(crate) fn settle(&self, done: Settle) -> Result<(), NodeError> {
        let Settle { now, slot, before } = done;
        if let Some((vault, _)) = self.of(now) {
            match slot {
                Slot::Next => vault.promote()?,
                Slot::Current => vault.remove(Slot::Next)?,
            }
        }
        let (file, keychain) = (
            ProtectionKind::Key(KeyPlace::File),
            ProtectionKind::Key(KeyPlace::Keychain),
        );
        if now != file {
            forget(&*self.file)?;
        }
        if now != keychain && before == Some(keychain) {
            forget(&*self.keychain)?;
        }
        Ok(())
    }

    /// The same where it is too late to fail: what is left over is settled when the profile is
    /// opened next.
    pub(crate) fn settle_or_say(&self, done: Settle) {
        if let Err(error) = self.settle(done) {
            tracing::warn!(%error, "a key that is not in use any more is still there");
        }
    }

    /// Forgets all keys of a profile that is wiped.
    pub(crate) fn wipe(&self, configured: KeyringProtection) -> Result<(), NodeError> {
        forget(&*self.file)?;
        match configured {
            KeyringProtection::Keychain => forget(&*self.keychain),
            // Whether there is one is not known.
            KeyringProtection::Auto => {
                drop(forget(&*self.keychain));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn forget(vault: &dyn Vault) -> Result<(), NodeError> {
    vault.remove(Slot::Current)?;
    vault.remove(Slot::Next)
}

/// In one form of the several that Unicode has for the same letters (NFC): keyboards and systems
/// differ in which they give.
fn normal(passphrase: &str) -> Zeroizing<String> {
    // Made large enough at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(passphrase.len().saturating_mul(3)));
    text.extend(passphrase.nfc());
    text
}

/// An empty passphrase is one that somebody forgot to give.
fn given(passphrase: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, NodeError> {
    let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
    passphrase.ok_or(NodeError::NoPassphrase)
}

const fn how_to_open(found: ProtectionKind) -> &'static str {
    match found {
        ProtectionKind::Key(KeyPlace::File) => "set it to key-file",
        ProtectionKind::Key(KeyPlace::Keychain) => "set it to keychain",
        ProtectionKind::None => "set it to none",
        ProtectionKind::Passphrase => {
            "set it to passphrase, and give the passphrase in code or in DX_PASSPHRASE"
        }
        _ => "open it with the program that made it",
    }
}

#[cfg(test)]
mod tests;
