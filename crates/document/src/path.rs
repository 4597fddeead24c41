//! Paths to properties.

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Key;
use crate::limits::{LimitError, Limits};

/// Where a property is: the keys to follow from the top of an object, at least one.
///
/// As text its parts are joined with dots; a dot or backslash inside a part is written after a
/// backslash. A text is a path wherever one is asked for:
///
/// ```
/// use dxos_document::Path;
///
/// assert_eq!(Path::from("address.city"), Path::of(["address", "city"]));
/// assert_eq!(Path::of(["example.com", "hits"]).to_string(), r"example\.com.hits");
/// assert_eq!(Path::from(r"example\.com.hits").parts().len(), 2);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Key>);

impl Path {
    /// The path of these parts, which are taken as they are. Of no parts at all it makes the
    /// path to the property with the empty name.
    pub fn of<K: Into<Key>>(parts: impl IntoIterator<Item = K>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().map(Into::into).collect();
        if parts.is_empty() {
            parts.push(Key::from(""));
        }
        Self(parts)
    }

    /// The parts, at least one.
    pub fn parts(&self) -> &[Key] {
        &self.0
    }

    /// This path with one more part.
    #[must_use]
    pub fn child(&self, part: impl Into<Key>) -> Self {
        let mut parts = Vec::with_capacity(self.0.len() + 1);
        parts.extend_from_slice(&self.0);
        parts.push(part.into());
        Self(parts)
    }

    /// Refuses a path beyond the limits; gives the depth left for a value at it.
    pub(crate) fn check(&self, limits: &Limits) -> Result<usize, LimitError> {
        limits.parts(self.0.len())?;
        for part in &self.0 {
            limits.name(part)?;
        }
        limits.descend(limits.depth_max, self.0.len())
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        if !text.contains(['.', '\\']) {
            return Self(vec![Key::from(text)]);
        }
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '.' => parts.push(Key::from(std::mem::take(&mut part))),
                '\\' => part.push(characters.next().unwrap_or('\\')),
                other => part.push(other),
            }
        }
        parts.push(Key::from(part));
        Self(parts)
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Key> for Path {
    fn from(part: Key) -> Self {
        Self(vec![part])
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Self {
        path.clone()
    }
}

impl FromStr for Path {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_char('.')?;
            }
            for character in part.chars() {
                if matches!(character, '.' | '\\') {
                    formatter.write_char('\\')?;
                }
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Path({self})")
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_survives_dots_backslashes_and_empty_parts() {
        for parts in [
            vec!["a"],
            vec![""],
            vec!["", ""],
            vec!["a.b", "c"],
            vec!["\\", "."],
            vec!["улица", "№ 1.5"],
        ] {
            let path = Path::of(parts.clone());
            assert_eq!(Path::from(path.to_string()), path, "{parts:?}");
        }
        assert_eq!(Path::of(Vec::<Key>::new()), Path::from(""));
        assert_eq!(Path::from("a\\"), Path::of(["a\\"]));
    }
}
