//! Letting transactions take effect on queues.

use dxos_document::{Context, OpId, QueueOp, queue_item_id};
use dxos_keys::{DeviceKey, QueueItemId};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Read, Store};

use super::super::layout::{QUEUES, SpaceNumber};
use super::super::space::{Space, store_failed};
use super::Queues;
use super::rows::{self, ArrivalRow, IdRow, ItemRow, QueueKey, SharedRow, queue_key};

/// Items that are dropped in one step; the rest of them later.
const SWEEP_MAX: usize = 8192;

/// Rows that wait to be written while the state is made anew.
const ROWS_MAX: usize = 8192;

/// An item on its way into a queue.
pub(super) struct Item {
    pub(super) place: OpId,
    pub(super) id: QueueItemId,
    pub(super) time_ms: u64,
    pub(super) value: bytes::Bytes,
}

/// What operations do, item by item, to the queue with a key.
pub(super) enum Step<'a> {
    Item(Item),
    Retain(OpId, dxos_document::Retention),
    /// Of this operation the queue is named so.
    Name(&'a str),
    Trim(OpId),
}

/// Passes what the operations of a transaction do to `take`.
pub(super) fn steps<'a>(
    ops: &'a [QueueOp],
    context: (dxos_document::Stamp, u64),
    device: &DeviceKey,
    take: &mut dyn FnMut(QueueKey, Step<'a>) -> Result<(), EchoError>,
) -> Result<(), EchoError> {
    let (stamp, time_ms) = context;
    let mut number = 0_u32;
    for (index, op) in (0..).zip(ops) {
        let queue = queue_key(op.queue());
        take(queue, Step::Name(op.queue()))?;
        match op {
            QueueOp::Append { nonce, items, .. } => {
                for (own, value) in (0..).zip(items) {
                    let item = Item {
                        place: OpId {
                            stamp,
                            index: number,
                        },
                        id: queue_item_id(device, nonce, own),
                        time_ms,
                        value: value.encode().into(),
                    };
                    number = number.saturating_add(1);
                    take(queue, Step::Item(item))?;
                }
            }
            QueueOp::Retain { retention, .. } => {
                take(queue, Step::Retain(OpId { stamp, index }, *retention))?;
            }
            QueueOp::Trim { before, .. } => {
                // Nothing is dropped ahead of time.
                let last = OpId {
                    stamp,
                    index: u32::MAX,
                };
                take(queue, Step::Trim((*before).min(last)))?;
            }
        }
    }
    Ok(())
}

impl Space {
    /// Applies the operations on queues of one transaction.
    pub(in crate::core) fn apply_queues(
        &mut self,
        ops: &[QueueOp],
        context: &Context<'_>,
        device: &DeviceKey,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let number = self.record.number;
        let queues = &mut self.queues;
        steps(
            ops,
            (context.stamp, context.time_ms),
            device,
            &mut |queue, step| queues.take(number, &queue, step, store),
        )
    }

    /// Deletes some of what is left of dropped items; `false` when there is none.
    pub(in crate::core) fn tidy_queues(&mut self, store: &dyn Store) -> Result<bool, EchoError> {
        let read: &dyn Read = store;
        let number = self.record.number;
        self.queues.tidy(number, read)?;
        if self.queues.rows.is_empty() {
            self.queues.written();
            return Ok(false);
        }
        let mut batch = Batch::new();
        self.queues.flush(number, &mut batch)?;
        let committed = store.commit(batch, Durability::Buffered);
        committed.map_err(|error| store_failed(&error))?;
        self.queues.written();
        Ok(true)
    }

    /// Takes what the snapshot of an epoch holds of queues.
    pub(in crate::core) fn load_shared(
        &mut self,
        queue: &QueueKey,
        row: SharedRow,
        store: &dyn Store,
    ) -> Result<(), EchoError> {
        if self.queues.pending() >= ROWS_MAX {
            self.write_part(store)?;
        }
        let number = self.record.number;
        let queues = &mut self.queues;
        let store: &dyn Read = store;
        match row {
            SharedRow::Queue {
                name,
                retention,
                trimmed,
            } => {
                queues.take(number, queue, Step::Name(&name), store)?;
                if let Some((place, retention)) = retention {
                    queues.take(number, queue, Step::Retain(place, retention), store)?;
                }
                match trimmed {
                    Some(trimmed) => queues.take(number, queue, Step::Trim(trimmed), store),
                    None => Ok(()),
                }
            }
            SharedRow::Item {
                place,
                id,
                time_ms,
                value,
            } => {
                let item = Item {
                    place,
                    id,
                    time_ms,
                    value,
                };
                queues.take(number, queue, Step::Item(item), store)
            }
        }
    }
}

impl Queues {
    fn take(
        &mut self,
        number: SpaceNumber,
        queue: &QueueKey,
        step: Step<'_>,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let meta = self.meta(number, queue, store)?;
        match step {
            Step::Name(name) => {
                if !meta.exists {
                    name.clone_into(&mut meta.name);
                    meta.exists = true;
                }
                Ok(())
            }
            Step::Item(item) if meta.is_dropped(&item.place) => Ok(()),
            Step::Item(item) => self.take_item(number, queue, item, store),
            Step::Retain(place, retention) => {
                if meta.retention.is_none_or(|(before, _)| before < place) {
                    meta.retention = Some((place, retention));
                }
                Ok(())
            }
            Step::Trim(before) => {
                if meta.trimmed.is_none_or(|trimmed| trimmed < before) {
                    meta.trimmed = Some(before);
                    self.sweep(number, queue, store)?;
                }
                Ok(())
            }
        }
    }

    fn take_item(
        &mut self,
        number: SpaceNumber,
        queue: &QueueKey,
        item: Item,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let id_key = rows::id_key(number, queue, &item.id);
        let item_key = rows::item_key(number, queue, &item.place);
        let known: Option<IdRow> = self.read(&id_key, store)?;
        let mut row = ItemRow {
            id: item.id,
            is_superseded: false,
            arrival: 0,
            time_ms: item.time_ms,
            value: item.value,
        };
        if let Some(known) = known {
            row.arrival = known.arrival;
            let other_key = rows::item_key(number, queue, &known.place);
            let other: Option<ItemRow> = self.read(&other_key, store)?;
            // While the state is made anew, what was known may not be there again yet.
            match other.filter(|other| other.id == item.id) {
                Some(_) if known.place == item.place => return Ok(()),
                Some(_) if known.place > item.place => {
                    row.is_superseded = true;
                    return self.put(item_key, &row);
                }
                Some(other) => {
                    let bytes = other.value.len() as u64;
                    let other = ItemRow {
                        is_superseded: true,
                        ..other
                    };
                    self.put(other_key, &other)?;
                    let meta = self.meta(number, queue, store)?;
                    meta.items = meta.items.saturating_sub(1);
                    meta.bytes = meta.bytes.saturating_sub(bytes);
                }
                None => {}
            }
        } else {
            row.arrival = self.arrive(number, queue, store)?;
        }
        let arrival_key = rows::arrival_key(number, queue, row.arrival);
        self.put(arrival_key, &ArrivalRow::Item(item.place))?;
        let known = IdRow {
            place: item.place,
            arrival: row.arrival,
        };
        self.put(id_key, &known)?;
        self.put(item_key, &row)?;
        let meta = self.meta(number, queue, store)?;
        meta.items = meta.items.saturating_add(1);
        meta.bytes = meta.bytes.saturating_add(row.value.len() as u64);
        Ok(())
    }

    /// Deletes some of the rows of items that are dropped.
    fn sweep(
        &mut self,
        number: SpaceNumber,
        queue: &QueueKey,
        store: &dyn Read,
    ) -> Result<(), EchoError> {
        let Some(trimmed) = self.meta(number, queue, store)?.trimmed else {
            return Ok(());
        };
        let from = self.swept.get(queue).cloned();
        let from = from.unwrap_or_else(|| rows::items_of(number, queue));
        let until = rows::item_key(number, queue, &trimmed);
        if from >= until {
            self.untidy.remove(queue);
            return Ok(());
        }
        let range = KeyRange::between(&from, &until);
        let mut keys = std::collections::BTreeSet::new();
        for row in store
            .scan(QUEUES, range, Direction::Forward)
            .take(SWEEP_MAX)
        {
            keys.insert(row.map_err(|error| store_failed(&error))?.0.to_vec());
        }
        let is_all = keys.len() < SWEEP_MAX;
        let until = match keys.last() {
            Some(last) if !is_all => last.clone(),
            _ => until,
        };
        let pending = self.rows.range(from..until.clone());
        keys.extend(pending.map(|(key, _)| key.clone()));
        for key in keys {
            let Some(row) = self.get(&key, store)? else {
                continue;
            };
            self.delete(key);
            // What cannot be read is found when the rows are checked.
            let Ok(row) = super::decode_row::<ItemRow>("queue", &row) else {
                continue;
            };
            if row.is_superseded {
                continue;
            }
            self.delete(rows::id_key(number, queue, &row.id));
            self.delete(rows::arrival_key(number, queue, row.arrival));
            let meta = self.meta(number, queue, store)?;
            meta.items = meta.items.saturating_sub(1);
            meta.bytes = meta.bytes.saturating_sub(row.value.len() as u64);
        }
        self.swept.insert(*queue, until);
        if is_all {
            self.untidy.remove(queue);
        } else {
            self.untidy.insert(*queue);
        }
        Ok(())
    }

    fn tidy(&mut self, number: SpaceNumber, store: &dyn Read) -> Result<(), EchoError> {
        if !self.is_looked_at {
            rows::visit_metas(number, store, &mut |queue, meta| {
                if meta.trimmed.is_some() {
                    self.untidy.insert(queue);
                }
                Ok(std::ops::ControlFlow::Continue(()))
            })?;
            self.is_looked_at = true;
        }
        let Some(queue) = self.untidy.first().copied() else {
            return Ok(());
        };
        self.sweep(number, &queue, store)
    }
}
