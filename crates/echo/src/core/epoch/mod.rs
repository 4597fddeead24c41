//! Epochs: a snapshot that an admin signed stands for all that was written before it.
//!
//! The state of a space is what the snapshot of its current epoch holds, its *base*, and then the
//! blocks that the snapshot does not stand for, in causal order. That is so on every device,
//! whether or not it still has the older blocks: what a removal or the proof of a fork takes back
//! later, it takes back of the newer blocks alone. So a device that has dropped the older ones,
//! one that never had them and one that keeps them all come to the same.
//!
//! [`choose`](Space::choose_epoch) finds out which epoch is to be the base; its snapshot is made
//! here if all blocks are (`verify`), and else fetched from peers (`load`); `adopt` makes it the
//! base; `trim` drops what it stands for; `ground` is what one begins with while the current epoch
//! may be contested. `docs/decisions/0015` says why it is so.

mod adopt;
mod create;
mod ground;
mod load;
mod policy;
mod report;
mod retire;
pub(super) mod snapshot;
pub(super) mod stream;
mod trim;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use dxos_credentials::{Epoch, Right};
use dxos_document::ObjectState;
use dxos_feed::Timeframe;
use dxos_keys::{BlockHash, ContentKey, ContentKeyId, FeedId, ObjectId, SpaceKey, StateHash};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read};
use serde::{Deserialize, Serialize};

use self::ground::Ground;
use self::load::Wanted;
pub use self::policy::EpochPolicy;
use self::snapshot::Snapshot;
pub(super) use self::stream::Entry;
use self::stream::part_key;
use super::layout::{SNAPSHOTS, SpaceNumber, TALLIES, base_key};
use super::space::{Space, decode_row, encode_row, store_failed};

/// The first block of each feed that is here, where it is not block 0.
type Starts = BTreeMap<FeedId, u64>;

/// What the store says of the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BaseRecord {
    epoch: BlockHash,
    number: u64,
    snapshot: StateHash,
    is_verified: bool,
    starts: Starts,
}

/// The epoch with whose snapshot the state begins.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) epoch: BlockHash,
    pub(super) number: u64,
    pub(super) snapshot: Arc<Snapshot>,
    /// Whether it was made from blocks here, and not taken from others.
    is_verified: bool,
}

/// What is known of the epochs of a space.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    pub(super) base: Option<Base>,
    /// The epoch that is to be the base.
    wanted: Option<Wanted>,
    /// Epochs whose snapshots are not what they claim to be.
    refused: BTreeSet<BlockHash>,
    /// The ground below the current epoch.
    ground: Option<Ground>,
    /// The base is none any more, and all blocks are here.
    drops_base: bool,
    /// Content keys that the base has retired.
    retired: BTreeSet<ContentKeyId>,
    /// Those that were destroyed on this device.
    pub(super) destroyed: BTreeSet<ContentKeyId>,
    /// Whether what was erased may still be in the files of the store.
    has_traces: bool,
    /// Blocks, or parts of snapshots, may be left in the store that nobody needs.
    untidy: bool,
}

impl Base {
    /// The timeframe up to which the snapshot stands for the blocks.
    pub(super) fn timeframe(&self) -> Timeframe {
        let floors = self.snapshot.floors.iter();
        Timeframe {
            dots: floors
                .map(|(feed, (_, floor))| (*feed, floor.length))
                .collect(),
        }
    }

    /// What the snapshot consists of, its list first.
    pub(super) fn parts(&self) -> Vec<StateHash> {
        let chunks = self.snapshot.chunks.iter().copied();
        std::iter::once(self.snapshot.name).chain(chunks).collect()
    }

    /// Passes the objects of the snapshot to `visit`, in the order of their ids. `false` when it
    /// cannot be read for want of the key.
    pub(super) fn visit(
        &self,
        space: &SpaceKey,
        key: Option<&ContentKey>,
        (store, number): (&dyn Read, SpaceNumber),
        visit: &mut dyn FnMut(ObjectId, ObjectState) -> Result<ControlFlow<()>, EchoError>,
    ) -> Result<bool, EchoError> {
        self.visit_all(space, key, (store, number), &mut |entry| match entry {
            Entry::Object(id, state) => visit(id, state),
            Entry::Row(..) => Ok(ControlFlow::Break(())),
        })
    }

    /// Passes all that is in the snapshot to `visit`. `false` when it cannot be read for want of
    /// the key.
    pub(super) fn visit_all(
        &self,
        space: &SpaceKey,
        key: Option<&ContentKey>,
        (store, number): (&dyn Read, SpaceNumber),
        visit: &mut dyn FnMut(Entry) -> Result<ControlFlow<()>, EchoError>,
    ) -> Result<bool, EchoError> {
        let Some(key) = key else { return Ok(false) };
        match stream::visit(&self.snapshot, space, key, (store, number), visit) {
            Ok(()) => Ok(true),
            Err(stream::ReadError::Failed(error)) => Err(error),
            Err(stream::ReadError::Bad(reason)) => Err(EchoError::Store {
                reason: format!("the stored snapshot of the space is damaged: {reason}"),
            }),
        }
    }
}

impl Epochs {
    /// What the store says.
    fn stored(
        space: SpaceKey,
        number: SpaceNumber,
        store: &dyn Read,
    ) -> Result<Option<(Base, Starts)>, EchoError> {
        let row = store.get(TALLIES, &base_key(number));
        let Some(row) = row.map_err(|error| store_failed(&error))? else {
            return Ok(None);
        };
        let record: BaseRecord = decode_row("epoch", &row)?;
        let list = store.get(SNAPSHOTS, &part_key(number, &record.snapshot));
        let list = list.map_err(|error| store_failed(&error))?;
        let list = list.ok_or("it is missing");
        let snapshot = list.and_then(|list| Snapshot::read(&space, &list));
        let snapshot = snapshot.map_err(|reason| EchoError::Store {
            reason: format!("the stored snapshot of the space is damaged: {reason}"),
        })?;
        let base = Base {
            epoch: record.epoch,
            number: record.number,
            snapshot: Arc::new(snapshot),
            is_verified: record.is_verified,
        };
        Ok(Some((base, record.starts)))
    }
}

impl Space {
    /// Takes up what the store says of epochs, when the space is opened.
    pub(super) fn open_epochs(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let (space, number) = (self.key(), self.record.number);
        if let Some((base, starts)) = Epochs::stored(space, number, store)? {
            for (feed, (_, floor)) in &base.snapshot.floors {
                self.dag.restore_floor(feed, floor.clone());
            }
            self.sync.set_starts(starts);
            self.epochs.base = Some(base);
        }
        self.load_destroyed(store)?;
        self.look_at_retired();
        if self.epochs.retired.is_empty() && self.epochs.destroyed.is_empty() {
            // Then the keys are as they were opened.
        } else {
            self.open_keys();
        }
        // A process that ended may have left behind what it was at.
        self.epochs.untidy = true;
        self.choose_epoch(store)
    }

    fn put_base(&self, batch: &mut Batch) -> Result<(), EchoError> {
        let key = base_key(self.record.number);
        match &self.epochs.base {
            Some(base) => {
                let record = BaseRecord {
                    epoch: base.epoch,
                    number: base.number,
                    snapshot: base.snapshot.name,
                    is_verified: base.is_verified,
                    starts: self.sync.starts().clone(),
                };
                batch.put(TALLIES, key, encode_row(&record)?);
            }
            None => {
                batch.delete(TALLIES, key);
            }
        }
        Ok(())
    }

    /// Finds out which epoch is to be the base.
    pub(super) fn choose_epoch(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let mut usable = self.membership.epochs();
        usable.retain(|epoch| !self.epochs.refused.contains(&epoch.hash));
        let mut winner = usable.first().copied();
        let ground = winner.and_then(|winner| self.ground_of(winner, &usable));
        self.stand_on(ground, store)?;
        if let Some(ground) = self.epochs.ground.as_ref().filter(|g| g.is_wanted) {
            winner = Some(ground.epoch);
        }
        self.epochs.drops_base = false;
        let is_base = |epoch: &Epoch| {
            let base = self.epochs.base.as_ref();
            base.is_some_and(|base| base.epoch == epoch.hash)
        };
        match winner {
            Some(epoch) if is_base(&epoch) => self.want(None),
            Some(epoch) => {
                let wanted = self.epochs.wanted.as_ref();
                if wanted.is_none_or(|wanted| wanted.epoch.hash != epoch.hash) {
                    let wanted = Wanted::open(epoch, self.key(), self.record.number, store)?;
                    self.want(Some(wanted));
                }
                let is_contestable = !self.membership.may_contest(&epoch).is_empty();
                if let Some(wanted) = &mut self.epochs.wanted {
                    wanted.is_contestable = is_contestable;
                }
            }
            None => {
                self.want(None);
                // What is gone cannot be read again: then the state goes on as it is.
                self.epochs.drops_base =
                    self.epochs.base.is_some() && self.sync.starts().is_empty();
            }
        }
        self.look_at_wanted(store)
    }

    /// Whether this device may read, and lacks the key to what the state begins with.
    pub(super) fn lacks_base_key(&self) -> bool {
        let base = self.epochs.base.as_ref();
        base.is_some_and(|base| !self.keys.contains_key(&base.snapshot.key))
            && self.permit(Right::Read, "").is_ok()
    }
}
