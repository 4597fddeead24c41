//! What an operation does to a text.

use serde::{Deserialize, Serialize};

use crate::limits::{LimitError, Limits};
use crate::{ElementId, Key, Place, Value};

/// One change to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextEdit {
    /// Takes characters out.
    Delete {
        /// The first of them.
        first: ElementId,
        /// How many that its feed inserted from there on, at least one.
        len: u32,
    },
    /// Puts characters in.
    Insert {
        /// The number of the first of them; it must be above all that the feed inserted before.
        start: u32,
        /// Where.
        at: Place,
        /// The characters.
        text: String,
    },
    /// Says something of a range of characters, such as that they are bold.
    Mark {
        /// Where it begins.
        from: Anchor,
        /// Where it ends.
        to: Anchor,
        /// What is said, such as `bold` or `link`.
        name: Key,
        /// Its value; null takes the mark off the range.
        value: Value,
    },
}

/// A place between characters that stays with one of its neighbours, whatever is inserted or
/// deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Anchor {
    /// Right after a character, before all that is ever inserted there.
    After(ElementId),
    /// Right before a character, after all that is ever inserted there.
    Before(ElementId),
    /// The very end.
    End,
    /// The very beginning.
    Start,
}

impl Anchor {
    /// The character that it stays with.
    pub const fn element(&self) -> Option<ElementId> {
        match self {
            Self::After(element) | Self::Before(element) => Some(*element),
            Self::End | Self::Start => None,
        }
    }
}

impl TextEdit {
    pub(crate) fn check(&self, limits: &Limits, left: usize) -> Result<(), LimitError> {
        match self {
            Self::Delete { .. } | Self::Insert { .. } => Ok(()),
            Self::Mark { name, value, .. } => {
                limits.name(name)?;
                value.check(limits, limits.descend(left, 1)?)
            }
        }
    }
}
