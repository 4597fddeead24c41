//! The rows of queues: what is kept of each queue, of its items, and of how they came.

use std::ops::ControlFlow;

use bytes::Bytes;
use dxos_document::{
    Limits, OpId, QUEUE_ITEM_BYTES_MAX, Retention, Stamp, Value, check_queue_name,
};
use dxos_keys::{FeedId, HashDomain, Hasher, QueueItemId};
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, KeyRange, Read};
use serde::{Deserialize, Serialize};

use super::super::epoch::snapshot::{Bad, Snapshot};
use super::super::layout::{QUEUES, SpaceNumber, in_space};
use super::super::space::{decode_row, encode_row, store_failed};

/// What stands for the name of a queue in keys.
pub(in crate::core) type QueueKey = [u8; 16];

/// By when things came to this device: [`ArrivalRow`].
const ARRIVALS: u8 = b'a';
/// By the names of items: [`IdRow`].
const IDS: u8 = b'i';
/// [`Meta`].
const METAS: u8 = b'm';
/// By their places among all items: [`ItemRow`].
const ITEMS: u8 = b'o';
/// How often arrivals were begun to be counted.
const RUN: u8 = b'r';

/// Bytes of a place in a key.
const PLACE_BYTES: usize = 8 + FeedId::LENGTH + 8 + 4;

/// What is kept of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct Meta {
    pub(super) name: String,
    /// Whether anything that counts has made it: what it is called otherwise is kept for the
    /// numbers of arrivals alone.
    pub(super) exists: bool,
    /// How much it is to hold, and who said so last.
    pub(super) retention: Option<(OpId, Retention)>,
    /// Items before this place are dropped.
    pub(super) trimmed: Option<OpId>,
    /// Items that are stored, each once.
    pub(super) items: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// The number of the next arrival.
    pub(super) next: u64,
}

impl Meta {
    pub(in crate::core) fn name(&self) -> &str {
        &self.name
    }

    /// What replicas agree on.
    pub(in crate::core) fn shared(&self) -> SharedRow {
        SharedRow::Queue {
            name: self.name.clone(),
            retention: self.retention,
            trimmed: self.trimmed,
        }
    }

    /// Whether this is what it counts.
    pub(in crate::core) const fn counts(&self, items: u64, bytes: u64) -> bool {
        self.items == items && self.bytes == bytes
    }

    pub(in crate::core) fn is_dropped(&self, place: &OpId) -> bool {
        self.trimmed.is_some_and(|trimmed| *place < trimmed)
    }
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct ItemRow {
    pub(super) id: QueueItemId,
    /// Whether the same item stands at a later place, too: then it shows there.
    pub(super) is_superseded: bool,
    pub(super) arrival: u64,
    pub(super) time_ms: u64,
    pub(super) value: Bytes,
}

impl ItemRow {
    pub(in crate::core) const fn is_superseded(&self) -> bool {
        self.is_superseded
    }

    pub(in crate::core) fn bytes(&self) -> u64 {
        self.value.len() as u64
    }

    /// Whether it is the same item, whenever it came.
    pub(in crate::core) fn is_same(&self, other: &Self) -> bool {
        let Self {
            id,
            is_superseded,
            arrival: _,
            time_ms,
            value,
        } = self;
        (*id, *is_superseded, *time_ms, value)
            == (other.id, other.is_superseded, other.time_ms, &other.value)
    }

    /// Whether it is found by its name, and by when it came.
    pub(in crate::core) fn is_found(
        &self,
        number: SpaceNumber,
        queue: &QueueKey,
        key: &[u8],
        store: &dyn Read,
    ) -> Result<bool, EchoError> {
        let get = |key: Vec<u8>| {
            let row = store.get(QUEUES, &key);
            row.map_err(|error| store_failed(&error))
        };
        let Some(place) = place_of(key) else {
            return Ok(false);
        };
        let known = IdRow {
            place,
            arrival: self.arrival,
        };
        let id = get(id_key(number, queue, &self.id))?;
        let arrival = get(arrival_key(number, queue, self.arrival))?;
        Ok(id == Some(encode(&known)?) && arrival == Some(encode(&ArrivalRow::Item(place))?))
    }
}

/// Where an item stands, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct IdRow {
    pub(super) place: OpId,
    pub(super) arrival: u64,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum ArrivalRow {
    Item(OpId),
    /// It had come, and counts no more.
    TakenBack(QueueItemId),
}

/// What replicas agree on: queues, and the items in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum SharedRow {
    Queue {
        name: String,
        retention: Option<(OpId, Retention)>,
        trimmed: Option<OpId>,
    },
    Item {
        place: OpId,
        id: QueueItemId,
        time_ms: u64,
        value: Bytes,
    },
}

/// Looks at the rows of a snapshot as they come: whether they are in order, and whether they can
/// be of what it stands for.
#[derive(Debug, Default)]
pub(in crate::core) struct SharedOrder {
    pub(in crate::core) rows: u64,
    queue: Option<(QueueKey, Option<OpId>)>,
    place: Option<OpId>,
}

impl SharedOrder {
    pub(in crate::core) fn check(
        &mut self,
        queue: &QueueKey,
        row: &SharedRow,
        snapshot: &Snapshot,
    ) -> Result<(), Bad> {
        self.rows += 1;
        match row {
            SharedRow::Queue { name, trimmed, .. } => {
                if self.queue.is_some_and(|(last, _)| last >= *queue) {
                    return Err("its queues are not in order");
                }
                if check_queue_name(name).is_err() || queue_key(name) != *queue {
                    return Err("a queue is not named as it is");
                }
                self.queue = Some((*queue, *trimmed));
                self.place = None;
            }
            SharedRow::Item { place, value, .. } => {
                let Some((_, trimmed)) = self.queue.filter(|(last, _)| last == queue) else {
                    return Err("an item is of no queue");
                };
                let is_dropped = trimmed.is_some_and(|trimmed| *place < trimmed);
                if is_dropped || self.place.is_some_and(|last| last >= *place) {
                    return Err("items of a queue are not in order");
                }
                let floor = snapshot.floors.get(&place.stamp.feed);
                let is_before = floor.is_some_and(|(_, floor)| {
                    place.stamp.seq < floor.length && place.stamp.lamport <= floor.lamport
                });
                let is_item = value.len() <= QUEUE_ITEM_BYTES_MAX
                    && Value::decode(value, &Limits::default()).is_ok();
                if !is_before || !is_item {
                    return Err("an item of a queue is none of what it stands for");
                }
                self.place = Some(*place);
            }
        }
        Ok(())
    }
}

pub(in crate::core) fn queue_key(name: &str) -> QueueKey {
    let hash = Hasher::new(HashDomain::QueueName)
        .update(name.as_bytes())
        .finish();
    let mut key = [0; 16];
    let (front, _) = hash.split_at(16);
    key.copy_from_slice(front);
    key
}

fn key(number: SpaceNumber, kind: u8, queue: &QueueKey, rest: &[u8]) -> Vec<u8> {
    let mut key = in_space(number, &[kind]);
    key.reserve(queue.len() + rest.len());
    key.extend_from_slice(queue);
    key.extend_from_slice(rest);
    key
}

fn place_bytes(place: &OpId) -> [u8; PLACE_BYTES] {
    let mut bytes = [0; PLACE_BYTES];
    let (lamport, rest) = bytes.split_at_mut(8);
    let (feed, rest) = rest.split_at_mut(FeedId::LENGTH);
    let (seq, index) = rest.split_at_mut(8);
    lamport.copy_from_slice(&place.stamp.lamport.to_be_bytes());
    feed.copy_from_slice(place.stamp.feed.as_bytes());
    seq.copy_from_slice(&place.stamp.seq.to_be_bytes());
    index.copy_from_slice(&place.index.to_be_bytes());
    bytes
}

/// The place that a key of an item ends with.
pub(in crate::core) fn place_of(key: &[u8]) -> Option<OpId> {
    let (_, bytes) = key.split_at_checked(4 + 1 + 16)?;
    let (lamport, rest) = bytes.split_first_chunk()?;
    let (feed, rest) = rest.split_at_checked(FeedId::LENGTH)?;
    let (seq, rest) = rest.split_first_chunk()?;
    Some(OpId {
        stamp: Stamp {
            lamport: u64::from_be_bytes(*lamport),
            feed: FeedId::from_slice(feed)?,
            seq: u64::from_be_bytes(*seq),
        },
        index: u32::from_be_bytes(*rest.first_chunk()?),
    })
}

pub(in crate::core) fn run_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, &[RUN])
}

pub(super) fn meta_key(number: SpaceNumber, queue: &QueueKey) -> Vec<u8> {
    key(number, METAS, queue, &[])
}

pub(super) fn metas(number: SpaceNumber) -> Vec<u8> {
    in_space(number, &[METAS])
}

pub(super) fn items(number: SpaceNumber) -> Vec<u8> {
    in_space(number, &[ITEMS])
}

pub(in crate::core) fn items_of(number: SpaceNumber, queue: &QueueKey) -> Vec<u8> {
    key(number, ITEMS, queue, &[])
}

pub(super) fn item_key(number: SpaceNumber, queue: &QueueKey, place: &OpId) -> Vec<u8> {
    key(number, ITEMS, queue, &place_bytes(place))
}

pub(super) fn ids(number: SpaceNumber) -> Vec<u8> {
    in_space(number, &[IDS])
}

pub(super) fn id_key(number: SpaceNumber, queue: &QueueKey, id: &QueueItemId) -> Vec<u8> {
    key(number, IDS, queue, id.as_bytes())
}

/// The queue and the item that the key of an [`IdRow`] is of.
pub(super) fn id_of(key: &[u8]) -> Option<(QueueKey, QueueItemId)> {
    let (_, rest) = key.split_at_checked(5)?;
    let (queue, id) = rest.split_first_chunk()?;
    Some((*queue, QueueItemId::from_slice(id)?))
}

pub(super) fn arrivals_of(number: SpaceNumber, queue: &QueueKey) -> Vec<u8> {
    key(number, ARRIVALS, queue, &[])
}

pub(super) fn arrival_key(number: SpaceNumber, queue: &QueueKey, arrival: u64) -> Vec<u8> {
    key(number, ARRIVALS, queue, &arrival.to_be_bytes())
}

pub(super) fn arrival_of(key: &[u8]) -> Option<u64> {
    let (_, rest) = key.split_at_checked(4 + 1 + 16)?;
    Some(u64::from_be_bytes(*rest.first_chunk()?))
}

pub(in crate::core) fn encode<T: Serialize>(row: &T) -> Result<Bytes, EchoError> {
    encode_row(row).map(Bytes::from)
}

pub(in crate::core) fn read_meta(
    number: SpaceNumber,
    queue: &QueueKey,
    store: &dyn Read,
) -> Result<Option<Meta>, EchoError> {
    let row = store.get(QUEUES, &meta_key(number, queue));
    let row = row.map_err(|error| store_failed(&error))?;
    row.map(|row| decode_row("queue", &row)).transpose()
}

/// Passes the queues that exist to `visit`, in the order of their keys.
pub(in crate::core) fn visit_metas(
    number: SpaceNumber,
    store: &dyn Read,
    visit: &mut dyn FnMut(QueueKey, Meta) -> Result<ControlFlow<()>, EchoError>,
) -> Result<(), EchoError> {
    let prefix = metas(number);
    for row in store.scan(QUEUES, KeyRange::prefix(&prefix), Direction::Forward) {
        let (key, value) = row.map_err(|error| store_failed(&error))?;
        let queue = key.get(prefix.len()..).and_then(|rest| rest.first_chunk());
        let meta: Meta = decode_row("queue", &value)?;
        if let Some(queue) = queue.copied().filter(|_| meta.exists)
            && visit(queue, meta)?.is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Passes what replicas agree on to `visit`: each queue, then its items in their order.
pub(in crate::core) fn visit_shared(
    number: SpaceNumber,
    store: &dyn Read,
    visit: &mut dyn FnMut(QueueKey, SharedRow) -> Result<(), EchoError>,
) -> Result<(), EchoError> {
    visit_metas(number, store, &mut |queue, meta| {
        let range = from_place(number, &queue, meta.trimmed.as_ref());
        visit(queue, meta.shared())?;
        for row in store.scan(QUEUES, range, Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let ItemRow {
                id, time_ms, value, ..
            } = decode_row("item of a queue", &value)?;
            if let Some(place) = place_of(&key) {
                let row = SharedRow::Item {
                    place,
                    id,
                    time_ms,
                    value,
                };
                visit(queue, row)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The items of a queue from a place on.
pub(super) fn from_place(number: SpaceNumber, queue: &QueueKey, from: Option<&OpId>) -> KeyRange {
    let all = KeyRange::prefix(&items_of(number, queue));
    match from {
        None => all,
        Some(from) => KeyRange::new(
            std::ops::Bound::Included(item_key(number, queue, from).into()),
            all.end().map(Bytes::copy_from_slice),
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_of_items_are_in_the_order_of_their_places(
            one: (u64, [u8; 32], u64, u32),
            two: (u64, [u8; 32], u64, u32),
        ) {
            let place = |(lamport, feed, seq, index)| OpId {
                stamp: Stamp { lamport, feed: FeedId::from_bytes(feed), seq },
                index,
            };
            let (one, two) = (place(one), place(two));
            let key = |place| item_key(SpaceNumber(1), &[7; 16], place);
            prop_assert_eq!(place_of(&key(&one)), Some(one));
            prop_assert_eq!(key(&one).cmp(&key(&two)), one.cmp(&two));
        }
    }
}
