//! Names for the elements of texts and lists that all replicas understand.

use std::fmt;

use data_encoding::BASE32HEX_NOPAD;
use dxos_keys::FeedId;
use serde::{Deserialize, Serialize};

use crate::Key;
use crate::context::OpId;

/// One character of a text or one item of a list: the `n`-th that a feed inserted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ElementId {
    /// The feed of the device that inserted it.
    pub feed: FeedId,
    /// Its number among those that the feed inserted into this text or list.
    pub n: u32,
}

/// Where elements are inserted: next to one that their writer saw, deleted or not. How two that
/// are inserted at one place are ordered is in the documentation of the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// As the right child of an element.
    After(ElementId),
    /// As the left child of an element.
    Before(ElementId),
    /// Into a text or list that had no elements, deleted ones included.
    Start,
}

impl Place {
    /// The element, if there is one.
    pub const fn element(&self) -> Option<ElementId> {
        match self {
            Self::After(element) | Self::Before(element) => Some(*element),
            Self::Start => None,
        }
    }
}

/// Which assignment made a text or list: several that were made concurrently at one path are
/// different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId {
    /// The feed.
    pub feed: FeedId,
    /// The transaction in the feed.
    pub seq: u64,
    /// The operation in the transaction.
    pub index: u32,
}

impl From<OpId> for WriteId {
    fn from(id: OpId) -> Self {
        Self {
            feed: id.stamp.feed,
            seq: id.stamp.seq,
            index: id.index,
        }
    }
}

/// What keys that mean an item of a list begin with.
const ITEM: char = '\u{1}';

impl Key {
    /// The part of a path that means an item of the list before it, wherever the item is moved.
    /// Names that begin with U+0001 are reserved for this.
    pub fn item(item: ElementId) -> Self {
        let feed = BASE32HEX_NOPAD.encode(item.feed.as_bytes());
        Self::from(format!("{ITEM}{}:{feed}", item.n))
    }

    /// The item, if the key means one.
    pub fn as_item(&self) -> Option<ElementId> {
        let (n, feed) = self.strip_prefix(ITEM)?.split_once(':')?;
        let feed = BASE32HEX_NOPAD.decode(feed.as_bytes()).ok()?;
        Some(ElementId {
            feed: FeedId::from_slice(&feed)?,
            n: n.parse().ok()?,
        })
    }
}

impl fmt::Display for ElementId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.n, self.feed.short())
    }
}
