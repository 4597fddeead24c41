//! Queues: append-only logs beside the objects of a space.

use std::fmt;
use std::str::FromStr;

use dxos_document::{Direction, OpId, Retention, Value};
use dxos_keys::{DeviceKey, QueueItemId, SpaceKey};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Committed, Durability, EchoError};
use crate::history::Author;
use crate::request;

/// Appends items to a queue, which is made by that if there is none: one block, so all of them
/// on every replica or none.
#[derive(Clone, Debug)]
pub struct AppendItems {
    /// The space.
    pub space: SpaceKey,
    /// The name of the queue.
    pub queue: String,
    /// The items, in order.
    pub items: Vec<Value>,
    /// When to acknowledge.
    pub durability: Durability,
}

/// Items that were appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where they stand.
    pub committed: Committed,
    /// Their names, in order.
    pub ids: Vec<QueueItemId>,
}

/// Says how much a queue is to hold, and drops what is beyond that.
#[derive(Clone, Debug)]
pub struct SetRetention {
    /// The space.
    pub space: SpaceKey,
    /// The name of the queue.
    pub queue: String,
    /// How much.
    pub retention: Retention,
}

/// How far somebody has read a queue on one device.
///
/// Items have two orders. That of the queue is the same everywhere, and an item that was written
/// while its device was away comes to stand before others that were read already. A cursor is a
/// place in the other one, in which the items came to this device: whoever goes on from it misses
/// none and gets none twice. So it is good on one device only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueCursor {
    device: [u8; 4],
    next: u64,
}

impl QueueCursor {
    /// Before the first item.
    pub const START: Self = Self {
        device: [0; 4],
        next: 0,
    };

    /// Before what comes to a device with this number.
    pub fn new(device: &DeviceKey, next: u64) -> Self {
        let [a, b, c, d, ..] = *device.as_bytes();
        Self {
            device: [a, b, c, d],
            next,
        }
    }

    /// The number of what is next; `None` when the cursor is of another device.
    pub fn next_on(&self, device: &DeviceKey) -> Option<u64> {
        (*self == Self::START || Self::new(device, self.next) == *self).then_some(self.next)
    }
}

impl fmt::Display for QueueCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::START {
            return formatter.write_str("start");
        }
        let device = u32::from_be_bytes(self.device);
        write!(formatter, "{device:08x}-{:x}", self.next)
    }
}

/// A text is not that of a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no cursor of a queue; give one that reading has returned, or `start`")]
pub struct ParseCursorError {
    /// The text.
    pub text: String,
}

impl FromStr for QueueCursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "start" {
            return Ok(Self::START);
        }
        let parse = || {
            let (device, next) = text.split_once('-')?;
            let device = u32::from_str_radix(device, 16).ok()?;
            Some(Self {
                device: device.to_be_bytes(),
                next: u64::from_str_radix(next, 16).ok()?,
            })
        };
        parse().ok_or_else(|| ParseCursorError {
            text: text.chars().take(64).collect(),
        })
    }
}

impl From<QueueCursor> for String {
    fn from(cursor: QueueCursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for QueueCursor {
    type Error = ParseCursorError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Reads a queue in the order in which its items came to this device.
#[derive(Clone, Debug)]
pub struct ReadQueue {
    /// The space.
    pub space: SpaceKey,
    /// The name of the queue.
    pub queue: String,
    /// From where.
    pub from: QueueCursor,
    /// Items at most; there are never more than [`QUEUE_PAGE_ITEMS_MAX`].
    pub limit: usize,
}

/// Items that are read at once.
pub const QUEUE_PAGE_ITEMS_MAX: usize = 1024;
/// Bytes of items after which no further one is added to a page.
pub const QUEUE_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// An item of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueItem {
    /// Its name, under which it would also come again.
    pub id: QueueItemId,
    /// Where it stands among all items: the same on every replica.
    pub position: OpId,
    /// Who appended it.
    pub author: Author,
    /// Milliseconds since 1970 by its writer's clock: for display only.
    pub time_ms: u64,
    /// What it is.
    pub value: Value,
}

/// A part of a queue, as it came to this device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueuePage {
    /// Items that had been read, or not, and count no more: their writer was removed, or had
    /// forked its feed. They come before [`QueuePage::items`], where some may be again.
    pub taken_back: Vec<QueueItemId>,
    /// The items.
    pub items: Vec<QueueItem>,
    /// From where to go on.
    pub next: QueueCursor,
}

impl QueuePage {
    /// Whether there was nothing to be read.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty() && self.taken_back.is_empty()
    }
}

/// Reads items of a queue in the order that is the same everywhere.
#[derive(Clone, Debug)]
pub struct ReadItems {
    /// The space.
    pub space: SpaceKey,
    /// The name of the queue.
    pub queue: String,
    /// Whether from the first item on, or from the last one back.
    pub order: Direction,
    /// Only those behind this place, in that order.
    pub beyond: Option<OpId>,
    /// Items at most; there are never more than [`QUEUE_PAGE_ITEMS_MAX`].
    pub limit: usize,
}

/// Lists the queues of a space, in the order of their names.
#[derive(Clone, Debug)]
pub struct ListQueues {
    /// The space.
    pub space: SpaceKey,
    /// Only this one.
    pub queue: Option<String>,
}

/// What is known of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueReport {
    /// Its name.
    pub name: String,
    /// Items that are in it.
    pub items: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How much it is to hold.
    pub retention: Retention,
    /// Behind the last item that has come.
    pub end: QueueCursor,
}

/// Follows that something changes in a queue.
#[derive(Clone, Debug)]
pub struct WatchQueue {
    /// The space.
    pub space: SpaceKey,
    /// The name of the queue.
    pub queue: String,
}

request! {
    AppendItems => Result<Appended, EchoError>,
    SetRetention => Result<(), EchoError>,
    ReadQueue => Result<QueuePage, EchoError>,
    ReadItems => Result<Vec<QueueItem>, EchoError>,
    ListQueues => Result<Vec<QueueReport>, EchoError>,
    WatchQueue => Result<watch::Receiver<u64>, EchoError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_as_text_and_is_good_on_one_device() {
        let (one, two) = (
            DeviceKey::from_bytes([1; 32]),
            DeviceKey::from_bytes([2; 32]),
        );
        let cursor = QueueCursor::new(&one, 77);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(cursor.next_on(&one), Some(77));
        assert_eq!(cursor.next_on(&two), None);
        assert_eq!(QueueCursor::START.next_on(&two), Some(0));
        assert_eq!("start".parse(), Ok(QueueCursor::START));
        assert!("7".parse::<QueueCursor>().is_err());
    }
}
