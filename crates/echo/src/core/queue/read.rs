//! Reading queues.

use std::ops::Bound;

use bytes::Bytes;
use dxos_document::{Direction as Order, Limits, OpId, Value};
use dxos_protocol::echo::{
    EchoError, QUEUE_PAGE_BYTES_MAX, QUEUE_PAGE_ITEMS_MAX, QueueCursor, QueueItem, QueuePage,
    QueueReport,
};
use dxos_store::{Direction, KeyRange, Read};
use tokio::sync::watch;

use super::super::layout::QUEUES;
use super::super::past::author;
use super::super::space::{Space, decode_row, store_failed};
use super::rows::{self, ArrivalRow, ItemRow, Meta, QueueKey, queue_key};
use super::{RUN_BITS, stored_run};

impl Space {
    /// What came to this device from a place on.
    pub(crate) fn read_queue(
        &self,
        name: &str,
        from: QueueCursor,
        limit: usize,
        store: &dyn Read,
    ) -> Result<QueuePage, EchoError> {
        let (number, queue) = (self.record.number, queue_key(name));
        let unknown = || EchoError::UnknownCursor {
            queue: name.to_owned(),
        };
        let device = self.device();
        let mut next = from.next_on(&device).ok_or_else(unknown)?;
        if next >> RUN_BITS > stored_run(number, store)? {
            return Err(unknown());
        }
        let mut page = QueuePage {
            next: from,
            ..QueuePage::default()
        };
        let Some(meta) = rows::read_meta(number, &queue, store)? else {
            return Ok(page);
        };
        let limit = limit.clamp(1, QUEUE_PAGE_ITEMS_MAX);
        let all = KeyRange::prefix(&rows::arrivals_of(number, &queue));
        let start = rows::arrival_key(number, &queue, next).into();
        let end = all.end().map(Bytes::copy_from_slice);
        let range = KeyRange::new(Bound::Included(start), end);
        let mut bytes = 0;
        for row in store.scan(QUEUES, range, Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let Some(arrival) = rows::arrival_of(&key) else {
                continue;
            };
            match decode_row("arrival in a queue", &value)? {
                ArrivalRow::TakenBack(id) => page.taken_back.push(id),
                ArrivalRow::Item(place) if meta.is_dropped(&place) => {}
                ArrivalRow::Item(place) => {
                    let key = rows::item_key(number, &queue, &place);
                    let row = store.get(QUEUES, &key);
                    if let Some(row) = row.map_err(|error| store_failed(&error))? {
                        bytes += row.len();
                        let row: ItemRow = decode_row("item of a queue", &row)?;
                        if row.arrival == arrival {
                            page.items.extend(self.item(place, row)?);
                        }
                    }
                }
            }
            next = arrival.saturating_add(1);
            if page.items.len() + page.taken_back.len() >= limit || bytes >= QUEUE_PAGE_BYTES_MAX {
                break;
            }
        }
        if next != 0 {
            page.next = QueueCursor::new(&device, next);
        }
        Ok(page)
    }

    /// Items in the order that is the same everywhere, or the other way round, beyond a place.
    pub(crate) fn read_items(
        &self,
        name: &str,
        (order, beyond): (Order, Option<OpId>),
        limit: usize,
        store: &dyn Read,
    ) -> Result<Vec<QueueItem>, EchoError> {
        let (number, queue) = (self.record.number, queue_key(name));
        let Some(meta) = rows::read_meta(number, &queue, store)? else {
            return Ok(Vec::new());
        };
        let from = rows::from_place(number, &queue, meta.trimmed.as_ref());
        let start = from.start().map(Bytes::copy_from_slice);
        let key = |place: &OpId| Bound::Excluded(rows::item_key(number, &queue, place).into());
        let (range, direction) = match (order, beyond) {
            (Order::Ascending, None) => (from, Direction::Forward),
            (Order::Descending, None) => (from, Direction::Reverse),
            (Order::Descending, Some(place)) if meta.is_dropped(&place) => return Ok(Vec::new()),
            (Order::Descending, Some(place)) => {
                (KeyRange::new(start, key(&place)), Direction::Reverse)
            }
            (Order::Ascending, Some(place)) if meta.is_dropped(&place) => {
                (from, Direction::Forward)
            }
            (Order::Ascending, Some(place)) => {
                let end = from.end().map(Bytes::copy_from_slice);
                (KeyRange::new(key(&place), end), Direction::Forward)
            }
        };
        let limit = limit.clamp(1, QUEUE_PAGE_ITEMS_MAX);
        let (mut items, mut bytes) = (Vec::new(), 0);
        for row in store.scan(QUEUES, range, direction) {
            let (key, row) = row.map_err(|error| store_failed(&error))?;
            if let Some(place) = rows::place_of(&key) {
                bytes += row.len();
                let row = decode_row("item of a queue", &row)?;
                items.extend(self.item(place, row)?);
            }
            if items.len() >= limit || bytes >= QUEUE_PAGE_BYTES_MAX {
                break;
            }
        }
        Ok(items)
    }

    /// An item as it shows; `None` when it shows elsewhere.
    fn item(&self, position: OpId, row: ItemRow) -> Result<Option<QueueItem>, EchoError> {
        let state = self.dag.feed(&position.stamp.feed);
        let Some(state) = state.filter(|_| !row.is_superseded) else {
            return Ok(None);
        };
        let value = Value::decode(&row.value, &Limits::default());
        let value = value.map_err(|error| EchoError::Store {
            reason: format!("a stored item of a queue is damaged: {error}"),
        })?;
        Ok(Some(QueueItem {
            id: row.id,
            position,
            author: author(&self.membership, &state.descriptor),
            time_ms: row.time_ms,
            value,
        }))
    }

    /// What is known of the queues, or of one of them.
    pub(crate) fn queues(
        &self,
        name: Option<&str>,
        store: &dyn Read,
    ) -> Result<Vec<QueueReport>, EchoError> {
        let number = self.record.number;
        let mut reports = Vec::new();
        let mut report = |queue: QueueKey, meta: Meta| {
            let (items, bytes) = self.live_items(&queue, &meta, store)?;
            reports.push(QueueReport {
                items,
                bytes,
                retention: meta.retention.map(|(_, set)| set).unwrap_or_default(),
                end: if meta.next == 0 {
                    QueueCursor::START
                } else {
                    QueueCursor::new(&self.device(), meta.next)
                },
                name: meta.name,
            });
            Ok(std::ops::ControlFlow::Continue(()))
        };
        match name {
            None => rows::visit_metas(number, store, &mut report)?,
            Some(name) => {
                let queue = queue_key(name);
                let meta = rows::read_meta(number, &queue, store)?;
                if let Some(meta) = meta.filter(|meta| meta.exists) {
                    let _ = report(queue, meta)?;
                }
            }
        }
        reports.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(reports)
    }

    /// How many items a queue holds, and their bytes, without dropped ones that are still stored.
    pub(super) fn live_items(
        &self,
        queue: &QueueKey,
        meta: &Meta,
        store: &dyn Read,
    ) -> Result<(u64, u64), EchoError> {
        let (mut items, mut bytes) = (meta.items, meta.bytes);
        let Some(trimmed) = &meta.trimmed else {
            return Ok((items, bytes));
        };
        let number = self.record.number;
        let until = rows::item_key(number, queue, trimmed);
        let dropped = KeyRange::between(&rows::items_of(number, queue), &until);
        for row in store.scan(QUEUES, dropped, Direction::Forward) {
            let (_, row) = row.map_err(|error| store_failed(&error))?;
            let row: ItemRow = decode_row("item of a queue", &row)?;
            if !row.is_superseded {
                items = items.saturating_sub(1);
                bytes = bytes.saturating_sub(row.value.len() as u64);
            }
        }
        Ok((items, bytes))
    }

    /// Follows that something changes in a queue.
    pub(crate) fn watch_queue(&mut self, name: &str) -> watch::Receiver<u64> {
        self.queues.watch(name)
    }
}
