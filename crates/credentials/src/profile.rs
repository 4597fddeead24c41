//! What others are shown of somebody.

use std::collections::BTreeMap;

use dxos_wire::limits::{DISPLAY_NAME_BYTES_MAX, PROFILE_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::CredentialError;

/// What a person wants others to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Profile {
    /// Its name; see [`check_display_name`].
    pub display_name: Option<String>,
    /// Where its picture is: a URI or an object of a space, as text.
    pub avatar: Option<String>,
    /// Whatever else an application wants to show.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

impl Profile {
    /// One with a name and nothing else.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            display_name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Whether it shows anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that it can be shown to others: a good name, and at most 4 KiB in all.
    ///
    /// # Errors
    ///
    /// [`CredentialError::DisplayName`] or [`CredentialError::Profile`] says what is wrong.
    pub fn check(&self) -> Result<(), CredentialError> {
        if let Some(name) = &self.display_name {
            check_display_name(name)?;
        }
        let avatar = self.avatar.as_ref().map_or(0, String::len);
        let fields = self.fields.iter();
        let fields: usize = fields.map(|(key, value)| key.len() + value.len()).sum();
        let found = avatar.saturating_add(fields);
        if found > PROFILE_BYTES_MAX {
            return Err(CredentialError::Profile { found });
        }
        Ok(())
    }
}

impl From<&str> for Profile {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<String> for Profile {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}

/// Checks a name that will be shown to others: at most 256 bytes, something to see, no control
/// characters, nothing that breaks lines or turns the direction of text.
///
/// # Errors
///
/// [`CredentialError::DisplayName`] says what is wrong.
pub fn check_display_name(name: &str) -> Result<(), CredentialError> {
    if name.len() > DISPLAY_NAME_BYTES_MAX {
        return Err(CredentialError::DisplayName("longer than 256 bytes"));
    }
    // Letters that show nothing: joiners, fillers, variation selectors, tags.
    let unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
    };
    if name.chars().all(|c| c.is_whitespace() || unseen(c)) {
        return Err(CredentialError::DisplayName("empty"));
    }
    // Control characters, line breaks and the marks that turn the direction of text could
    // disguise a name.
    let turns = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.chars().any(|c| c.is_control() || turns(c)) {
        return Err(CredentialError::DisplayName("it holds control characters"));
    }
    Ok(())
}
