//! Items that became older than their queue is to keep, while nobody appends: a device that has
//! the space open drops them after a while, for everybody.
//!
//! It looks when the space is opened, and once a minute. Of several devices the first that is
//! online, by key, does it; each further one waits a little longer and finds it done.

use std::ops::ControlFlow;

use dxos_credentials::Right;
use dxos_document::{OpId, QueueOp, Stamp};
use dxos_keys::FeedId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read};
use rand_core::CryptoRng;

use super::super::layout::QUEUES;
use super::super::space::{Outcome, Space, decode_row, store_failed};
use super::rows::{self, ItemRow};

/// How often it is looked for old items.
const LOOK_MS: u64 = 60_000;
/// How long a device leaves them to another one before it.
const TURN_MS: u64 = 2_000;
/// For how many of them it waits.
const TURNS_MAX: usize = 4;
/// After a transaction that dropped items it is looked for more of them.
const AGAIN_MS: u64 = 1_000;
/// Queues of which one transaction drops items.
const QUEUES_MAX: usize = 64;

/// When it is looked for old items next.
#[derive(Debug, Default)]
pub(in crate::core) struct Expiry {
    next_ms: u64,
    /// Whether there were some, and others were given the time to drop them.
    waited: bool,
}

impl Expiry {
    fn is_due(&self, now_ms: u64) -> bool {
        // A clock that was set back is not waited for.
        self.next_ms.saturating_sub(now_ms) == 0 || self.next_ms - now_ms > LOOK_MS
    }
}

/// Has [`Space::trim_queues`] look at a queue: before that place nothing stands.
pub(super) fn look_at(queue: String) -> QueueOp {
    let stamp = Stamp {
        lamport: 0,
        feed: FeedId::from_bytes([0; 32]),
        seq: 0,
    };
    QueueOp::Trim {
        queue,
        before: OpId { stamp, index: 0 },
    }
}

/// Whether an operation drops nothing.
pub(super) const fn drops_nothing(op: &QueueOp) -> bool {
    matches!(op, QueueOp::Trim { before, .. } if before.stamp.lamport == 0)
}

impl Space {
    /// Drops what is older than queues are to keep, if that is due and this device may.
    pub(crate) fn expire_items(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<Option<Outcome>, EchoError> {
        if !self.queues.expiry.is_due(now_ms) {
            return Ok(None);
        }
        self.queues.expiry.next_ms = now_ms.saturating_add(LOOK_MS);
        let waited = std::mem::take(&mut self.queues.expiry.waited);
        if self.stale || self.permit(Right::Write, "write").is_err() {
            return Ok(None);
        }
        let expired = self.expired(now_ms, store)?;
        if expired.is_empty() {
            return Ok(None);
        }
        let others = self.writers_before();
        if !waited && others > 0 {
            let turn_ms = TURN_MS * others.min(TURNS_MAX) as u64;
            self.queues.expiry.next_ms = now_ms.saturating_add(turn_ms);
            self.queues.expiry.waited = true;
            return Ok(None);
        }
        self.queues.expiry.next_ms = now_ms.saturating_add(AGAIN_MS);
        self.queues.expiry.waited = true;
        let work = |tx: &mut dxos_document::Tx<'_>| {
            for queue in expired {
                let pushed = tx.push_queue(look_at(queue));
                pushed.map_err(|error| EchoError::InvalidTransaction {
                    reason: error.to_string(),
                })?;
            }
            Ok(())
        };
        match self.run(work, now_ms, (store, rng)) {
            Ok((transacted, outcome)) => {
                if let Err(error) = transacted {
                    tracing::warn!(%error, "old items of queues are not dropped");
                }
                Ok(Some(outcome))
            }
            // It is not known yet what to seal with: later.
            Err(EchoError::NoContentKey { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The queues with items that are too old.
    fn expired(&self, now_ms: u64, store: &dyn Read) -> Result<Vec<String>, EchoError> {
        let number = self.record.number;
        let mut expired = Vec::new();
        rows::visit_metas(number, store, &mut |queue, meta| {
            let set = meta.retention.and_then(|(_, set)| set.age_max_ms);
            let Some(age_max_ms) = set else {
                return Ok(ControlFlow::Continue(()));
            };
            let range = rows::from_place(number, &queue, meta.trimmed.as_ref());
            for row in store.scan(QUEUES, range, Direction::Forward) {
                let (_, value) = row.map_err(|error| store_failed(&error))?;
                let row: ItemRow = decode_row("item of a queue", &value)?;
                if row.is_superseded {
                    continue;
                }
                if row.time_ms.saturating_add(age_max_ms) < now_ms {
                    expired.push(meta.name().to_owned());
                }
                break;
            }
            Ok(if expired.len() < QUEUES_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(expired)
    }

    /// How many devices before this one, by key, are online and may do the same.
    fn writers_before(&self) -> usize {
        let own = self.device();
        let devices = self.sync.devices().into_iter();
        let before = devices.filter(|device| {
            let authority = self.membership.authority_of(device);
            *device < own && authority.is_some_and(|authority| authority.role.allows(Right::Write))
        });
        before.count()
    }
}
