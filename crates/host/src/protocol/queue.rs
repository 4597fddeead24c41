//! Queues: append-only logs beside the objects of a space.

use serde_json::Value;

use super::AuthorInfo;

wire! {
    /// A queue.
    pub struct QueueInfo {
        /// Its name.
        pub name: String,
        /// Items that are in it.
        pub items: u64,
        /// Bytes of these.
        pub bytes: u64,
        /// How much it is to hold.
        pub retention: RetentionInfo,
        /// Behind the last item that has come to this device.
        pub end: String,
    }

    /// How much a queue is to hold; without a bound everything stays.
    #[derive(Eq, Default)]
    pub struct RetentionInfo {
        /// Items at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub items_max: Option<u64>,
        /// Bytes of items at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bytes_max: Option<u64>,
        /// How old items may become.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub age_max_ms: Option<u64>,
    }

    /// Where an item stands among all items: the same on every device.
    #[derive(Eq)]
    pub struct QueuePosition {
        /// Logical time.
        pub lamport: u64,
        /// The feed.
        pub feed: String,
        /// The number of its transaction there.
        pub seq: u64,
        /// Its number in that.
        pub index: u32,
    }

    /// An item of a queue.
    pub struct QueueItemInfo {
        /// Its name, under which it would also come again.
        pub id: String,
        /// Where it stands.
        pub position: QueuePosition,
        /// Who appended it.
        pub author: AuthorInfo,
        /// By its writer's clock, in milliseconds since 1970: for display only.
        pub time_ms: u64,
        /// What it is.
        #[cfg_attr(test, ts(type = "EchoValue"))]
        pub value: Value,
    }

    /// A part of a queue, as it came to the host's device.
    pub struct QueuePageInfo {
        /// Items that count no more; they come before `items`, where some may be again.
        pub taken_back: Vec<String>,
        /// The items.
        pub items: Vec<QueueItemInfo>,
        /// From where to go on: good on this host's device only.
        pub next: String,
    }

    /// Items that were appended.
    pub struct AppendedInfo {
        /// Their names, in order.
        pub ids: Vec<String>,
    }
}

kinds! {
    /// Which items come first.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "camelCase")]
    pub enum QueueOrderInfo {
        /// The first ones.
        Ascending,
        /// The last ones.
        Descending,
    }
}

params! {
    /// Items to append, all or none.
    pub struct AppendItems {
        /// The space.
        pub space: String,
        /// The name of the queue.
        pub queue: String,
        /// The items, in order.
        #[cfg_attr(test, ts(type = "EchoValue[]"))]
        pub items: Vec<Value>,
        /// Whether to wait until they are on the disk.
        #[serde(default)]
        pub durable: bool,
    }

    /// What to read of a queue, in the order in which it came to the host's device.
    pub struct ReadQueue {
        /// The space.
        pub space: String,
        /// The name of the queue.
        pub queue: String,
        /// `next` of an earlier page; from the start if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from: Option<String>,
        /// Items at most; never more than 1,024.
        pub limit: u32,
    }

    /// What to read of a queue, in the order that is the same everywhere.
    pub struct ReadItems {
        /// The space.
        pub space: String,
        /// The name of the queue.
        pub queue: String,
        /// Which come first.
        pub order: QueueOrderInfo,
        /// Only those behind this place, in that order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub beyond: Option<QueuePosition>,
        /// Items at most; never more than 1,024.
        pub limit: u32,
    }

    /// How much a queue is to hold from now on.
    pub struct SetRetention {
        /// The space.
        pub space: String,
        /// The name of the queue.
        pub queue: String,
        /// How much.
        pub retention: RetentionInfo,
    }
}
