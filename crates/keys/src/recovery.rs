//! Recovery phrases: a device on paper, as 24 words (BIP-39).

use std::borrow::Cow;
use std::fmt;

use bip39::{Language, Mnemonic};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hash::derive_secret;
use crate::{DeviceSecret, HashDomain, SealingSecret};

/// How many words a phrase has.
const WORDS: usize = 24;
/// Text that is looked at at all, in bytes: 24 words need less than 240.
const TEXT_BYTES_MAX: usize = 4096;
/// A mistyped word is compared with the list up to this length; the longest there has 8 letters.
const WORD_BYTES_MAX: usize = 32;

/// What a person writes down to come back to an identity when every device is lost: 24 words
/// of the English list of BIP-39, which stand for 32 random bytes and 8 bits of checksum.
///
/// It is zeroized when dropped and never prints by itself: [`RecoveryPhrase::reveal`] says it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryPhrase([u8; 32]);

/// The secrets that a phrase stands for: those of a device that exists on paper only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryKeys {
    /// Signs for the device that takes over the identity.
    pub device: DeviceSecret,
    /// Opens what was sealed for the phrase.
    pub sealing: SealingSecret,
}

/// Why a text is no recovery phrase. The nearest words are named so that a slip of the pen can
/// be set right; keep them out of logs, as the phrase itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// All words exist, but not together: one of them is another word of the list, or two
    /// changed places.
    #[error(
        "the recovery phrase is not right: each word exists, but one is wrong or in another place; compare it with what was written down"
    )]
    Checksum,
    /// It has too few or too many words.
    #[error("a recovery phrase has {WORDS} words, this one has {found}; enter all of them")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// The text is far too long.
    #[error("a recovery phrase has {WORDS} words; this text of {found} bytes is something else")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// A word that is not in the list.
    #[error("word {number} of the recovery phrase does not exist{}", meant(*nearest))]
    UnknownWord {
        /// Which one, counted from 1.
        number: usize,
        /// The word of the list that is most like it, if one is like it at all.
        nearest: Option<&'static str>,
    },
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(
        || "; compare it with what was written down".to_owned(),
        |word| format!("; did you mean {word:?}?"),
    )
}

impl RecoveryPhrase {
    /// Draws a new one from `rng`.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut entropy = [0; 32];
        rng.fill_bytes(&mut entropy);
        let phrase = Self(entropy);
        entropy.zeroize();
        phrase
    }

    /// Reads a phrase as a person typed it: in any case, with any white space between the words,
    /// in any Unicode normal form.
    ///
    /// # Errors
    ///
    /// [`PhraseError`] says which word is wrong, and which was probably meant. A wrong word that
    /// is in the list as well passes the checksum once in 256 times: it is another phrase then,
    /// which no identity knows.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PhraseError::TooLong { found: text.len() });
        }
        let text = normalized(text);
        let words = || text.split_whitespace();
        let found = words().count();
        if found != WORDS {
            return Err(PhraseError::Count { found });
        }
        let unknown = words()
            .enumerate()
            .find(|(_, word)| Language::English.find_word(word).is_none());
        if let Some((at, word)) = unknown {
            return Err(PhraseError::UnknownWord {
                number: at + 1,
                nearest: nearest(word),
            });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &text)
            .map_err(|_| PhraseError::Checksum)?;
        let (bytes, _) = mnemonic.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        let (entropy, _) = bytes.split_first_chunk().ok_or(PhraseError::Checksum)?;
        Ok(Self(*entropy))
    }

    /// The words, separated by single spaces: to be shown once, to be written down, and to be
    /// kept nowhere else.
    ///
    /// ```
    /// # use rand_core::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    /// let phrase = dxos_keys::RecoveryPhrase::generate(&mut rng);
    /// let words = phrase.reveal();
    /// assert_eq!(words.split(' ').count(), 24);
    /// assert_eq!(dxos_keys::RecoveryPhrase::parse(&words), Ok(phrase));
    /// ```
    pub fn reveal(&self) -> Zeroizing<String> {
        // Made large enough at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(WORDS * 9));
        let Ok(mnemonic) = Mnemonic::from_entropy(&self.0) else {
            // Fails for other lengths of entropy only.
            return text;
        };
        for word in mnemonic.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The secrets that it stands for.
    pub fn keys(&self) -> RecoveryKeys {
        let device = derive_secret(HashDomain::RecoveryDevice, &self.0);
        let sealing = derive_secret(HashDomain::RecoverySealing, &self.0);
        RecoveryKeys {
            device: DeviceSecret::from_seed(&device),
            sealing: SealingSecret::from_seed(&sealing),
        }
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryPhrase(..)")
    }
}

impl PartialEq for RecoveryPhrase {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for RecoveryPhrase {}

/// NFKD, as BIP-39 asks for, then lower case.
fn normalized(text: &str) -> Zeroizing<String> {
    let mut text = Cow::Borrowed(text);
    Mnemonic::normalize_utf8_cow(&mut text);
    let lower = Zeroizing::new(text.to_lowercase());
    // What was normalized into a copy of its own is a secret too.
    if let Cow::Owned(copy) = &mut text {
        copy.zeroize();
    }
    lower
}

/// The word of the list that is most like `word`, if one is like it at all.
fn nearest(word: &str) -> Option<&'static str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let list = Language::English.word_list().iter();
    list.map(|known| (strsim::jaro_winkler(word, known), *known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
