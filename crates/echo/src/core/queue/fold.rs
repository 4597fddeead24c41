//! What replicas agree on of queues, made from blocks beside the store: for checking the snapshot
//! of an epoch.

use std::collections::BTreeMap;

use dxos_document::{OpId, Retention};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::super::apply::Fresh;
use super::super::past::Past;
use super::apply::{Step, steps};
use super::rows::{QueueKey, SharedRow};

/// Bytes of items that are held at once: more take several passes over the blocks.
const WINDOW_BYTES: usize = 32 << 20;
/// What an item takes beside its value.
const ITEM_BYTES: usize = 256;

/// Takes a row of a queue.
pub(in crate::core) type Sink<'a> = dyn FnMut(&QueueKey, &SharedRow) -> Result<(), EchoError> + 'a;

#[derive(Default)]
struct Head {
    name: String,
    retention: Option<(OpId, Retention)>,
    trimmed: Option<OpId>,
}

/// The queues that a part of the past makes, without their items.
#[derive(Default)]
pub(in crate::core) struct Folded {
    heads: BTreeMap<QueueKey, Head>,
}

/// Where an item stands.
type Place = (QueueKey, OpId);

impl Folded {
    /// Takes note of what the base holds.
    pub(in crate::core) fn note_shared(&mut self, queue: QueueKey, row: SharedRow) {
        let SharedRow::Queue {
            name,
            retention,
            trimmed,
        } = row
        else {
            return;
        };
        self.note(queue, Step::Name(&name));
        if let Some((place, retention)) = retention {
            self.note(queue, Step::Retain(place, retention));
        }
        if let Some(trimmed) = trimmed {
            self.note(queue, Step::Trim(trimmed));
        }
    }

    /// Takes note of what a block does.
    pub(in crate::core) fn note_block(
        &mut self,
        fresh: &Fresh,
        ops: &[dxos_document::QueueOp],
    ) -> Result<(), EchoError> {
        let at = (fresh.stamp(), fresh.block.time_ms);
        steps(ops, at, &fresh.descriptor.device, &mut |queue, step| {
            self.note(queue, step);
            Ok(())
        })
    }

    fn note(&mut self, queue: QueueKey, step: Step<'_>) {
        let head = self.heads.entry(queue).or_default();
        match step {
            Step::Name(name) => {
                if head.name.is_empty() {
                    name.clone_into(&mut head.name);
                }
            }
            Step::Retain(place, retention) => {
                if head.retention.is_none_or(|(before, _)| before < place) {
                    head.retention = Some((place, retention));
                }
            }
            Step::Trim(before) => head.trimmed = head.trimmed.max(Some(before)),
            Step::Item(_) => {}
        }
    }

    /// Passes all rows to `sink`, in order: each queue, then its items.
    pub(in crate::core) fn write(
        self,
        past: &Past,
        store: &dyn Read,
        sink: &mut Sink<'_>,
    ) -> Result<(), EchoError> {
        let mut heads = self.heads.iter().peekable();
        let mut after: Option<Place> = None;
        while !self.heads.is_empty() {
            let mut window = Window {
                heads: &self.heads,
                after,
                below: None,
                items: BTreeMap::new(),
                bytes: 0,
            };
            past.seed_queues(store, &mut |queue, row| {
                if let SharedRow::Item { place, .. } = row {
                    window.put((queue, place), row);
                }
            })?;
            let mut walk = past.walk();
            while let Some(fresh) = past.next(&mut walk, store)? {
                let ops = past.open(&fresh).unwrap_or_default().queues;
                let at = (fresh.stamp(), fresh.block.time_ms);
                steps(&ops, at, &fresh.descriptor.device, &mut |queue, step| {
                    if let Step::Item(item) = step {
                        let row = SharedRow::Item {
                            place: item.place,
                            id: item.id,
                            time_ms: item.time_ms,
                            value: item.value,
                        };
                        window.put((queue, item.place), row);
                    }
                    Ok(())
                })?;
            }
            let is_last = window.below.is_none();
            after = window.items.keys().next_back().copied();
            for ((queue, _), row) in window.items {
                while let Some((key, head)) = heads.next_if(|(key, _)| **key <= queue) {
                    sink(key, &head.row())?;
                }
                sink(&queue, &row)?;
            }
            if is_last || after.is_none() {
                break;
            }
        }
        heads.try_for_each(|(key, head)| sink(key, &head.row()))
    }
}

impl Head {
    fn row(&self) -> SharedRow {
        SharedRow::Queue {
            name: self.name.clone(),
            retention: self.retention,
            trimmed: self.trimmed,
        }
    }
}

/// Some of the items: those behind a place, as many as there is room for.
struct Window<'a> {
    heads: &'a BTreeMap<QueueKey, Head>,
    after: Option<Place>,
    below: Option<Place>,
    items: BTreeMap<Place, SharedRow>,
    bytes: usize,
}

impl Window<'_> {
    fn put(&mut self, place: Place, row: SharedRow) {
        let trimmed = self.heads.get(&place.0).and_then(|head| head.trimmed);
        let is_outside = trimmed.is_some_and(|trimmed| place.1 < trimmed)
            || self.after.is_some_and(|after| place <= after)
            || self.below.is_some_and(|below| place >= below);
        if is_outside {
            return;
        }
        self.bytes += bytes_of(&row);
        if let Some(before) = self.items.insert(place, row) {
            self.bytes -= bytes_of(&before);
        }
        while self.bytes > WINDOW_BYTES && self.items.len() > 1 {
            if let Some((last, row)) = self.items.pop_last() {
                self.bytes -= bytes_of(&row);
                self.below = Some(last);
            }
        }
    }
}

fn bytes_of(row: &SharedRow) -> usize {
    match row {
        SharedRow::Item { value, .. } => value.len() + ITEM_BYTES,
        SharedRow::Queue { .. } => 0,
    }
}
