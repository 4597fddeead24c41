//! Making the rows of queues anew: what was known of arrivals stays, and what is not there again
//! afterwards is taken back.

use bytes::Bytes;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, Durability, KeyRange, Read, Store};

use super::super::layout::QUEUES;
use super::super::space::{Space, decode_row, store_failed};
use super::rows::{self, ArrivalRow, IdRow, ItemRow, Meta};

/// Rows that are looked at in one step.
const ROWS_MAX: usize = 8192;

impl Space {
    /// Removes the items, and keeps the numbers under which they came.
    pub(in crate::core) fn clear_queues(&self, store: &dyn Store) -> Result<(), EchoError> {
        let number = self.record.number;
        let commit = |batch| {
            let committed = store.commit(batch, Durability::Buffered);
            committed.map_err(|error| store_failed(&error))
        };
        loop {
            let mut batch = Batch::new();
            let range = KeyRange::prefix(&rows::items(number));
            for row in store.scan(QUEUES, range, Direction::Forward).take(ROWS_MAX) {
                let (key, _) = row.map_err(|error| store_failed(&error))?;
                batch.delete(QUEUES, key);
            }
            if batch.is_empty() {
                break;
            }
            commit(batch)?;
        }
        let mut after = None;
        while let Some(page) = page(&rows::metas(number), after.take(), store)? {
            let mut batch = Batch::new();
            for (key, value) in page {
                // Of one that cannot be read, numbers go on with the next run.
                let meta: Meta = decode_row("queue", &value).unwrap_or_default();
                let meta = Meta {
                    next: meta.next,
                    ..Meta::default()
                };
                batch.put(QUEUES, key.clone(), rows::encode(&meta)?);
                after = Some(key);
            }
            commit(batch)?;
        }
        Ok(())
    }

    /// Notes what was there before and is not any more. All other rows are in the store.
    pub(in crate::core) fn settle_queues(&mut self, store: &dyn Store) -> Result<(), EchoError> {
        let number = self.record.number;
        let read: &dyn Read = store;
        let mut after = None;
        while let Some(page) = page(&rows::ids(number), after.take(), store)? {
            for (key, value) in page {
                after = Some(key.clone());
                let Some((queue, id)) = rows::id_of(&key) else {
                    continue;
                };
                let queues = &mut self.queues;
                let Ok(known) = decode_row::<IdRow>("queue", &value) else {
                    queues.delete(key.to_vec());
                    continue;
                };
                let item_key = rows::item_key(number, &queue, &known.place);
                let item: Option<ItemRow> = queues.read(&item_key, read)?;
                if item.is_some_and(|item| item.id == id && !item.is_superseded) {
                    continue;
                }
                queues.delete(key.to_vec());
                queues.delete(rows::arrival_key(number, &queue, known.arrival));
                if !queues.meta(number, &queue, read)?.is_dropped(&known.place) {
                    let arrival = queues.arrive(number, &queue, read)?;
                    let key = rows::arrival_key(number, &queue, arrival);
                    queues.put(key, &ArrivalRow::TakenBack(id))?;
                }
            }
            self.write_part(store)?;
        }
        Ok(())
    }
}

/// Some rows that begin with a prefix, behind a key.
fn page(
    prefix: &[u8],
    after: Option<Bytes>,
    store: &dyn Store,
) -> Result<Option<Vec<(Bytes, Bytes)>>, EchoError> {
    let all = KeyRange::prefix(prefix);
    let range = match after {
        None => all,
        Some(after) => KeyRange::new(
            std::ops::Bound::Excluded(after),
            all.end().map(Bytes::copy_from_slice),
        ),
    };
    let rows = store.scan(QUEUES, range, Direction::Forward).take(ROWS_MAX);
    let rows = rows.map(|row| row.map_err(|error| store_failed(&error)));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok((!rows.is_empty()).then_some(rows))
}
