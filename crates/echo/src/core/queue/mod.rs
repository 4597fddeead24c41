//! Queues: logs of items beside the objects.
//!
//! What replicas agree on is a function of the set of transactions that count: the items, each at
//! its place in the order of all transactions, the latest place before which items are dropped,
//! and the latest word on how much a queue is to hold. An item that stands at several places, as
//! when it was written again after a fork, shows at the last of them.
//!
//! Beside that each device numbers what comes to it: items, and that items are taken back. Those
//! numbers are what cursors are made of (`docs/decisions/0018`). They stay when the state is made
//! anew, and grow by a *run* whenever the space is opened: so a number that was given before a loss
//! of power, and with it to an item that is not there any more, is given to no other.
//!
//! `apply` lets transactions take effect, `retain` decides what to drop, `expire` when nobody
//! appends, `read` answers, `anew`
//! makes the rows again from blocks, `fold` makes them from blocks beside the store.

mod anew;
mod apply;
mod expire;
mod fold;
mod read;
mod retain;
pub(super) mod rows;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read};
use tokio::sync::watch;

use self::rows::{Meta, QueueKey};
use super::layout::{QUEUES, SpaceNumber};
use super::space::{decode_row, store_failed};

pub(super) use self::fold::Folded;

/// Arrivals of one run have numbers of so many bits.
const RUN_BITS: u32 = 40;
/// Runs that can be told apart: from then on none is begun.
const RUNS_MAX: u64 = 1 << (64 - RUN_BITS - 1);

/// The queues of a space, as far as they are not in the store yet.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Rows since [`Queues::written`]: `None` is deleted.
    rows: BTreeMap<Vec<u8>, Option<Bytes>>,
    metas: BTreeMap<QueueKey, Meta>,
    /// The run of this opening, once something came.
    run: Option<u64>,
    /// Whether the run was begun since [`Queues::written`].
    is_run_new: bool,
    /// Before which keys all items that are to be dropped are.
    swept: BTreeMap<QueueKey, Vec<u8>>,
    /// Queues of which dropped items may be left in the store.
    untidy: BTreeSet<QueueKey>,
    /// Whether it is known which these were when the space was opened.
    is_looked_at: bool,
    /// Queues in which something changed since [`Queues::written`].
    changed: BTreeSet<QueueKey>,
    watchers: BTreeMap<QueueKey, watch::Sender<u64>>,
    expiry: expire::Expiry,
}

impl Queues {
    fn get(&self, key: &[u8], store: &dyn Read) -> Result<Option<Bytes>, EchoError> {
        if let Some(row) = self.rows.get(key) {
            return Ok(row.clone());
        }
        store.get(QUEUES, key).map_err(|error| store_failed(&error))
    }

    /// A row; `None` also when it cannot be read, as it is made anew then.
    fn read<T: serde::de::DeserializeOwned>(
        &self,
        key: &[u8],
        store: &dyn Read,
    ) -> Result<Option<T>, EchoError> {
        let row = self.get(key, store)?;
        Ok(row.and_then(|row| decode_row("queue", &row).ok()))
    }

    fn put<T: serde::Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<(), EchoError> {
        self.rows.insert(key, Some(rows::encode(row)?));
        Ok(())
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }

    /// What is kept of a queue, to be changed.
    fn meta(
        &mut self,
        number: SpaceNumber,
        queue: &QueueKey,
        store: &dyn Read,
    ) -> Result<&mut Meta, EchoError> {
        let entry = self.metas.entry(*queue);
        Ok(match entry {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let meta = rows::read_meta(number, queue, store)?;
                unknown.insert(meta.unwrap_or_default())
            }
        })
    }

    /// The number of the next arrival in a queue.
    fn arrive(
        &mut self,
        number: SpaceNumber,
        queue: &QueueKey,
        store: &dyn Read,
    ) -> Result<u64, EchoError> {
        let run = match self.run {
            Some(run) => run,
            None => {
                let run = stored_run(number, store)?.saturating_add(1).min(RUNS_MAX);
                self.put(rows::run_key(number), &run)?;
                self.run = Some(run);
                self.is_run_new = true;
                run
            }
        };
        let meta = self.meta(number, queue, store)?;
        let arrival = meta.next.max(run << RUN_BITS);
        meta.next = arrival.saturating_add(1);
        self.changed.insert(*queue);
        Ok(arrival)
    }

    /// Whether what is written next has to be on the disk before anybody hears of it: numbers of
    /// a run must not be given again.
    pub(super) const fn is_run_new(&self) -> bool {
        self.is_run_new
    }

    /// How many rows wait to be written.
    pub(super) fn pending(&self) -> usize {
        self.rows.len() + self.metas.len()
    }

    pub(super) fn flush(&self, number: SpaceNumber, batch: &mut Batch) -> Result<(), EchoError> {
        for (key, row) in &self.rows {
            match row {
                Some(row) => batch.put(QUEUES, key.clone(), row.clone()),
                None => batch.delete(QUEUES, key.clone()),
            };
        }
        for (queue, meta) in &self.metas {
            batch.put(QUEUES, rows::meta_key(number, queue), rows::encode(meta)?);
        }
        Ok(())
    }

    /// To be called when what was flushed is in the store.
    pub(super) fn written(&mut self) {
        self.rows.clear();
        self.metas.clear();
        self.swept.clear();
        self.is_run_new = false;
        for queue in std::mem::take(&mut self.changed) {
            if let Some(watcher) = self.watchers.get(&queue) {
                watcher.send_modify(|changes| *changes = changes.wrapping_add(1));
            }
        }
    }

    /// Tells all who watch: anything may have changed.
    pub(super) fn tell_all(&self) {
        for watcher in self.watchers.values() {
            watcher.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    pub(super) fn watch(&mut self, name: &str) -> watch::Receiver<u64> {
        self.watchers
            .retain(|_, watcher| watcher.receiver_count() > 0);
        let watcher = self.watchers.entry(rows::queue_key(name));
        watcher.or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Takes over those who watched the space before it was opened again.
    pub(super) fn take_watchers(&mut self, before: &mut Self) {
        self.watchers = std::mem::take(&mut before.watchers);
    }
}

/// The last run that was begun.
fn stored_run(number: SpaceNumber, store: &dyn Read) -> Result<u64, EchoError> {
    let row = store.get(QUEUES, &rows::run_key(number));
    let row = row.map_err(|error| store_failed(&error))?;
    Ok(row
        .and_then(|row| decode_row::<u64>("queue", &row).ok())
        .unwrap_or_default())
}
