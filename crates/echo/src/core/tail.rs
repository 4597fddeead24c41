//! What this device wrote last, and whether its disk may have lost it.
//!
//! An edit is acknowledged and sent to peers before it is on the disk. When the power goes, peers
//! may have blocks of this device that it does not have itself; were it to write on before it
//! hears from them, it would fork its own feed. So a mark stands in the store as long as there may
//! be such blocks. Found when a space is opened, it makes the next local write go to feeds of a
//! new incarnation; what was lost of the old ones comes back from peers and counts.
//!
//! The mark is written, and synced, with the first block of a burst of edits, before anybody
//! hears of it, and deleted without a sync when the device has been quiet for a moment or closes
//! the space: commits survive in their order, so when the deletion survives, so did every block
//! before it. It costs a burst one fsync and no edit anything else. A process that is killed in
//! the middle of a burst loses nothing and still finds the mark; the new incarnation is
//! then not needed and does no harm. A device that wrote nothing gets none.
//!
//! A backup may be restored twice, with the mark in it. So new incarnations lie a step ahead that
//! is drawn at each start: copies of a device that do not know of each other come to different
//! ones.

use dxos_feed::Designation;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read, StoreError};

use super::grafts::GRAFTS;
use super::layout::{MARKS, SPACES, SpaceNumber, SpaceRecord, in_space};
use super::space::{Outcome, Space, decode_row, store_failed};

/// After so long without a write the burst is over.
const QUIET_MS: u64 = 2_000;

/// Where this device's own writing stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// The mark is in the store, or in the batch that is on its way there.
    marked: bool,
    /// The mark was found when the space was opened, and nothing was written since.
    suspect: bool,
    /// A write of this process is in the store: what this device wrote last is known.
    proven: bool,
    last_write_ms: u64,
    /// How far new incarnations lie ahead, less one.
    stride: u16,
}

impl Tail {
    pub(super) fn open(number: SpaceNumber, store: &dyn Read) -> Result<Self, StoreError> {
        let marked = store.contains(MARKS, &in_space(number, b""))?;
        Ok(Self {
            marked,
            suspect: marked,
            ..Self::default()
        })
    }

    /// A peer says that this device wrote more than is here. Heads are not signed, so this is
    /// believed only until this process has written: a peer that lies costs one incarnation a
    /// start, and what was lost for real shows as a fork.
    pub(super) fn suspect(&mut self) {
        self.suspect |= !self.proven;
    }

    /// How far, less one, new incarnations lie beyond those that are known: see
    /// [`Space::use_stride`].
    pub(super) const fn stride(&self) -> u16 {
        self.stride
    }

    /// Whether the next write must go to new feeds.
    pub(super) const fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// A batch was committed.
    pub(super) fn written(&mut self) {
        self.proven |= self.marked && !self.suspect;
    }
}

impl Space {
    /// Takes a number that was drawn for this start: new incarnations lie so far, and one, beyond
    /// those that are known. There are 2³¹ of them, enough for as many unclean ends as the feeds
    /// that a space may have.
    pub(crate) fn use_stride(&mut self, stride: u16) {
        self.tail.stride = stride;
    }

    /// To be called before this device writes.
    pub(super) fn begin_write(
        &mut self,
        now_ms: u64,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if self.tail.suspect {
            tracing::info!(
                space = %self.key().short(),
                "the last edits may be missing here; going on in new feeds"
            );
            self.next_incarnation(self.tail.stride, &mut outcome.batch)?;
        }
        if self.tail.suspect || !self.tail.marked {
            outcome
                .batch
                .put(MARKS, in_space(self.record.number, b""), vec![1]);
            outcome.synced = true;
        }
        self.tail.suspect = false;
        self.tail.marked = true;
        self.tail.last_write_ms = now_ms;
        Ok(())
    }

    /// Goes on in new feeds, `stride` incarnations and one beyond all that are known.
    pub(super) fn next_incarnation(
        &mut self,
        stride: u16,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let device = self.device();
        let own = self.dag.feeds().map(|(_, state)| &state.descriptor);
        let greatest = own
            .filter(|descriptor| descriptor.device == device)
            .map(|descriptor| descriptor.incarnation)
            .filter(|incarnation| *incarnation < GRAFTS)
            .max();
        let used = greatest.unwrap_or(0).max(self.record.incarnation);
        self.record.incarnation = used
            .checked_add(1 + u32::from(stride))
            .filter(|next| *next < GRAFTS)
            .ok_or_else(|| EchoError::Stopped {
                reason: "this device has no further feeds in the space".to_owned(),
            })?;
        self.put_record(batch)
    }

    /// Whether this device has a feed in the space already.
    pub(super) fn has_own_feeds(&self) -> bool {
        let device = self.device();
        self.dag.feeds().any(|(_, state)| {
            state.descriptor.device == device
                && (state.length > 0 || state.descriptor.designation == Designation::Data)
        })
    }

    /// What to commit, without a sync, when this device has been quiet for a moment.
    pub(crate) fn end_burst(&mut self, now_ms: u64) -> Option<Batch> {
        let quiet = now_ms.saturating_sub(self.tail.last_write_ms) >= QUIET_MS;
        quiet.then(|| self.close()).flatten()
    }

    /// What to commit last, when this device writes no more.
    pub(crate) fn close(&mut self) -> Option<Batch> {
        if self.tail.suspect || !std::mem::take(&mut self.tail.marked) {
            return None;
        }
        let mut batch = Batch::new();
        batch.delete(MARKS, in_space(self.record.number, b""));
        Some(batch)
    }

    /// The space as it is in the store, after a commit failed. Live queries go on; sessions are
    /// gone.
    pub(crate) fn open_again(self, store: &dyn Read) -> Result<Self, (Box<Self>, EchoError)> {
        let stored = store
            .get(SPACES, self.key().as_bytes())
            .map_err(|error| store_failed(&error))
            .and_then(|row| {
                row.map(|row| decode_row::<SpaceRecord>("space", &row))
                    .transpose()
            });
        let record = match stored {
            Ok(record) => record.unwrap_or_else(|| self.record.clone()),
            Err(error) => return Err((Box::new(self), error)),
        };
        match Self::open(record, self.authority.clone(), store) {
            Ok(mut opened) => {
                // Nothing that this process wrote can have been lost while it runs.
                opened.tail.suspect &= !self.tail.proven;
                opened.tail.proven = self.tail.proven;
                // The mark that says so may be what could not be written.
                opened.stale |= self.stale;
                opened.unfinished = opened.unfinished.and(self.unfinished);
                opened.live = self.live;
                let mut before = self.queues;
                opened.queues.take_watchers(&mut before);
                opened.texts = self.texts;
                opened.texts.renew();
                Ok(opened)
            }
            Err(error) => Err((Box::new(self), error)),
        }
    }
}
