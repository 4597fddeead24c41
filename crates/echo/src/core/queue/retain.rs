//! Keeping queues as small as they are to be: whoever appends decides, by what it knows, which
//! items go, and says so in the same transaction.

use std::collections::BTreeMap;

use dxos_document::{OpId, QueueOp, Retention, Stamp, Transaction};
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read};

use super::super::layout::QUEUES;
use super::super::space::{Space, decode_row, store_failed};
use super::expire::drops_nothing;
use super::rows::{self, ItemRow, queue_key};

/// Items that one transaction drops at most; the next ones go on.
const DROPPED_MAX: usize = 4096;

/// What a transaction does to one queue.
#[derive(Default)]
struct Own {
    items: u64,
    bytes: Vec<u64>,
    /// The number, among all items of the transaction, of each of its own.
    numbers: Vec<u32>,
    retention: Option<Retention>,
}

impl Space {
    /// Adds to a transaction of this device what it drops of the queues that it changes.
    pub(in crate::core) fn trim_queues(
        &self,
        transaction: &mut Transaction,
        stamp: Stamp,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let mut touched: BTreeMap<String, Own> = BTreeMap::new();
        let mut number = 0_u32;
        for op in &transaction.queues {
            let own = touched.entry(op.queue().to_owned()).or_default();
            match op {
                QueueOp::Append { items, .. } => {
                    for item in items {
                        own.items += 1;
                        own.bytes.push(item.encode().len() as u64);
                        own.numbers.push(number);
                        number = number.saturating_add(1);
                    }
                }
                QueueOp::Retain { retention, .. } => own.retention = Some(*retention),
                QueueOp::Trim { .. } => {}
            }
        }
        transaction.queues.retain(|op| !drops_nothing(op));
        for (queue, own) in touched {
            if let Some(before) = self.trim_to(&queue, &own, stamp, now_ms, store)? {
                transaction.queues.push(QueueOp::Trim { queue, before });
            }
        }
        Ok(())
    }

    /// The first item of a queue that stays, if some before it go.
    fn trim_to(
        &self,
        name: &str,
        own: &Own,
        stamp: Stamp,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Option<OpId>, EchoError> {
        let (number, queue) = (self.record.number, queue_key(name));
        let meta = rows::read_meta(number, &queue, store)?.unwrap_or_default();
        let set = own.retention.or(meta.retention.map(|(_, set)| set));
        let Some(set) = set.filter(|set| !set.is_all()) else {
            return Ok(None);
        };
        let (mut items, mut bytes) = self.live_items(&queue, &meta, store)?;
        items = items.saturating_add(own.items);
        bytes = bytes.saturating_add(own.bytes.iter().sum());
        let goes = |items: u64, bytes: u64, time_ms: u64| {
            set.items_max.is_some_and(|max| items > max)
                || set.bytes_max.is_some_and(|max| bytes > max)
                || (set.age_max_ms).is_some_and(|max| time_ms.saturating_add(max) < now_ms)
        };
        let range = rows::from_place(number, &queue, meta.trimmed.as_ref());
        let mut dropped = 0;
        for row in store.scan(QUEUES, range, Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let row: ItemRow = decode_row("item of a queue", &value)?;
            if row.is_superseded {
                continue;
            }
            if dropped == DROPPED_MAX || !goes(items, bytes, row.time_ms) {
                return Ok(rows::place_of(&key).filter(|_| dropped > 0));
            }
            items = items.saturating_sub(1);
            bytes = bytes.saturating_sub(row.value.len() as u64);
            dropped += 1;
        }
        // Nothing that was there stays, and perhaps not all that is new.
        let mut index = stamp_index(own, 0);
        for (place, size) in own.bytes.iter().enumerate() {
            if !goes(items, bytes, now_ms) {
                break;
            }
            items = items.saturating_sub(1);
            bytes = bytes.saturating_sub(*size);
            dropped += 1;
            index = stamp_index(own, place + 1);
        }
        Ok((dropped > 0).then_some(OpId { stamp, index }))
    }
}

/// The number of an item of the transaction, or of what comes behind the last.
fn stamp_index(own: &Own, place: usize) -> u32 {
    let behind = own.numbers.last().map_or(0, |last| last.saturating_add(1));
    own.numbers.get(place).copied().unwrap_or(behind)
}
