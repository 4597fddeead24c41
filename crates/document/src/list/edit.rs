//! What an operation does to a list.

use crate::limits::{LimitError, Limits};
use crate::{ElementId, Place, Value};

/// One change to the order or the number of the items of a list. What an item holds is changed
/// by operations at paths that lead through it; see [`Key::item`](crate::Key::item).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListEdit {
    /// Takes items out, for good: moving or changing one of them concurrently does not keep it.
    Delete {
        /// The first of them.
        first: ElementId,
        /// How many that its feed inserted from there on, at least one.
        len: u32,
    },
    /// Puts items in.
    Insert {
        /// The number of the first of them; it must be above all that the feed used before.
        start: u32,
        /// Where.
        at: Place,
        /// What they hold.
        values: Vec<Value>,
    },
    /// Moves an item. Of several concurrent moves of one item the latest counts.
    Move {
        /// The item.
        item: ElementId,
        /// The number of its new place, as if something was inserted there.
        start: u32,
        /// Where.
        at: Place,
    },
}

impl ListEdit {
    pub(crate) fn check(&self, limits: &Limits, left: usize) -> Result<(), LimitError> {
        match self {
            Self::Delete { .. } | Self::Move { .. } => Ok(()),
            Self::Insert { values, .. } => {
                let left = limits.descend(left, 1)?;
                values
                    .iter()
                    .try_for_each(|value| value.check(limits, left))
            }
        }
    }
}
