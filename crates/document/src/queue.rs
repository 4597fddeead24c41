//! Queues: logs of items beside the objects, to which transactions append.
//!
//! A queue is nothing but a set of items, each at the place of its transaction in the order of all
//! transactions ([`OpId`]): so replicas that have the same transactions have the same queue,
//! whatever the order in which they came. What is dropped to keep a queue small is said by
//! transactions too ([`QueueOp::Trim`]), and is the same on every replica.

use dxos_keys::{DeviceKey, HashDomain, Hasher, QueueItemId};
use serde::{Deserialize, Serialize};

use crate::limits::{LimitError, Limits};
use crate::{OpId, Value};

/// Bytes of the name of a queue.
pub const QUEUE_NAME_BYTES_MAX: usize = 256;
/// Bytes of one item of a queue, as [`Value::encode`] writes it.
pub const QUEUE_ITEM_BYTES_MAX: usize = 256 * 1024;

/// How much a queue is to hold. The oldest items go first. Whoever appends drops what is beyond
/// that, for everybody; what becomes too old while nobody appends is dropped, within a minute or
/// so, by a device that has the space open and may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Items at most.
    pub items_max: Option<u64>,
    /// Bytes of items at most, before they are compressed.
    pub bytes_max: Option<u64>,
    /// How old items may become, in milliseconds, by the clocks of those who wrote them and of
    /// whoever drops them.
    pub age_max_ms: Option<u64>,
}

impl Retention {
    /// Everything stays.
    pub const ALL: Self = Self {
        items_max: None,
        bytes_max: None,
        age_max_ms: None,
    };

    /// Whether everything stays.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }
}

/// What a transaction does to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOp {
    /// Adds items at its end. Each stands at the place of the transaction and, of all items of
    /// that, at its number from 0.
    Append {
        /// The name of the queue.
        queue: String,
        /// Drawn at random: it makes the names of the items.
        nonce: [u8; 16],
        /// The items, in order.
        items: Vec<Value>,
    },
    /// Says how much the queue is to hold. Of several the latest counts.
    Retain {
        /// The name of the queue.
        queue: String,
        /// How much.
        retention: Retention,
    },
    /// Drops the items before a place. Items that come later and stand before it are dropped too.
    /// Places after the transaction's own are taken for that.
    Trim {
        /// The name of the queue.
        queue: String,
        /// The first place that stays.
        before: OpId,
    },
}

impl QueueOp {
    /// The name of the queue.
    pub fn queue(&self) -> &str {
        match self {
            Self::Append { queue, .. } | Self::Retain { queue, .. } | Self::Trim { queue, .. } => {
                queue
            }
        }
    }

    /// How many items it appends.
    pub fn items(&self) -> usize {
        match self {
            Self::Append { items, .. } => items.len(),
            _ => 0,
        }
    }

    /// Whether it is within bounds.
    pub fn check(&self, limits: &Limits) -> Result<(), LimitError> {
        check_queue_name(self.queue())?;
        let Self::Append { items, .. } = self else {
            return Ok(());
        };
        limits.ops(items.len())?;
        for item in items {
            item.check(limits, limits.depth_max)?;
            let found = item.encode().len();
            if found > QUEUE_ITEM_BYTES_MAX {
                return Err(LimitError::QueueItem {
                    found,
                    max: QUEUE_ITEM_BYTES_MAX,
                });
            }
        }
        Ok(())
    }
}

/// Whether a queue may have this name.
///
/// # Errors
///
/// [`LimitError::QueueName`] when it is empty or longer than [`QUEUE_NAME_BYTES_MAX`].
pub const fn check_queue_name(name: &str) -> Result<(), LimitError> {
    if name.is_empty() || name.len() > QUEUE_NAME_BYTES_MAX {
        return Err(LimitError::QueueName {
            found: name.len(),
            max: QUEUE_NAME_BYTES_MAX,
        });
    }
    Ok(())
}

/// The name of an item: of whose device it is, what was drawn when it was appended, and its number
/// there. No other device can give an item of its own the same name.
pub fn queue_item_id(device: &DeviceKey, nonce: &[u8; 16], number: u32) -> QueueItemId {
    let hash = Hasher::new(HashDomain::QueueItem)
        .update(device.as_bytes())
        .update(nonce)
        .update(&number.to_be_bytes())
        .finish();
    let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash;
    QueueItemId::from_bytes(id)
}
