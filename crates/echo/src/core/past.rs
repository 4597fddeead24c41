//! Reading the blocks again, in causal order: what the past is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxos_credentials::{Membership, Right};
use dxos_document::{Context, ObjectState, Op, Stamp, Timeframe, Transaction};
use dxos_feed::{BlockIndex, Dag, Designation, FeedDescriptor, Floor};
use dxos_keys::{BlockHash, ContentKey, ContentKeyId, FeedId, ObjectId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::history::Author;
use dxos_store::Read;

use super::apply::{Fresh, open_body};
use super::epoch::{Base, Entry};
use super::layout::{SpaceNumber, StoredBlocks};
use super::queue::rows::{QueueKey, SharedRow};
use super::serve::Blocks;
use super::space::{Space, advance_clock};

/// Blocks of one feed that are read at once.
const CHUNK: usize = 64;
/// Bytes of blocks that are read at once, of all feeds together; of each at least one block.
const CHUNK_BYTES: usize = 2 << 20;

/// A place in one feed.
struct Cursor {
    descriptor: FeedDescriptor,
    next: u64,
    length: u64,
    clock: Timeframe,
    prev: BlockHash,
    /// The next blocks, the first one last.
    ahead: Vec<(BlockHash, dxos_feed::Block)>,
}

/// The blocks of all data feeds in order of logical time, which is a causal order.
pub(super) struct Walk {
    number: SpaceNumber,
    cursors: BTreeMap<FeedId, Cursor>,
    /// The logical time of the next block of each feed that has one in memory.
    heads: BTreeSet<(u64, FeedId)>,
    /// Feeds of which the next blocks have to be read.
    empty: Vec<FeedId>,
}

impl Walk {
    /// The blocks that the snapshot of an epoch does not stand for.
    pub(super) fn new(number: SpaceNumber, dag: &Dag) -> Self {
        let feeds = dag.feeds();
        let feeds = feeds.map(|(feed, state)| {
            let read = Feed {
                descriptor: state.descriptor,
                length: state.length,
                is_cut: state.fork.is_some(),
                floor: state.floor.clone(),
            };
            (*feed, read)
        });
        Self::over(number, feeds)
    }

    fn over(number: SpaceNumber, feeds: impl Iterator<Item = (FeedId, Feed)>) -> Self {
        let mut walk = Self {
            number,
            cursors: BTreeMap::new(),
            heads: BTreeSet::new(),
            empty: Vec::new(),
        };
        for (feed, read) in feeds {
            walk.reach(feed, &read);
        }
        walk
    }

    /// Goes on up to `length` of a feed; `false` when it was further already.
    fn reach(&mut self, feed: FeedId, read: &Feed) -> bool {
        let (descriptor, length) = (read.descriptor, read.length);
        if descriptor.designation != Designation::Data {
            return true;
        }
        let cursor = self.cursors.entry(feed).or_insert_with(|| {
            let floor = read.floor.as_deref();
            let start = floor.map_or(0, |floor| floor.length);
            Cursor {
                descriptor,
                next: start,
                length: start,
                clock: floor.map_or_else(Timeframe::new, |floor| floor.clock.clone()),
                prev: floor.map_or(BlockHash::from_bytes([0; 32]), |floor| floor.head),
                ahead: Vec::new(),
            }
        });
        let further = length >= cursor.length;
        if length > cursor.length {
            cursor.length = length;
            if cursor.ahead.is_empty() {
                self.empty.push(feed);
            }
        }
        further
    }

    /// Reads the next blocks of a feed; `false` when they are not all in the store.
    fn fill(&mut self, feed: FeedId, store: &dyn Read) -> Result<bool, EchoError> {
        let blocks = StoredBlocks {
            store,
            number: self.number,
        };
        let feeds = self.cursors.len().max(1);
        let Some(cursor) = self.cursors.get_mut(&feed) else {
            return Ok(true);
        };
        let wanted = usize::try_from(cursor.length - cursor.next).map_or(CHUNK, |n| n.min(CHUNK));
        if wanted == 0 || !cursor.ahead.is_empty() {
            return Ok(true);
        }
        let ahead = &mut cursor.ahead;
        let mut room = CHUNK_BYTES / feeds;
        let mut is_enough = false;
        let visited = blocks.visit(&feed, cursor.next, &mut |hash, block| {
            room = room.saturating_sub(block.body.len());
            ahead.push((hash, block));
            is_enough = room == 0 || ahead.len() >= wanted;
            !is_enough
        });
        if let Err(error) = visited {
            // Blocks before an epoch are deleted while somebody reads them.
            let next = cursor.next + ahead.len() as u64;
            if !matches!(blocks.block(&feed, next), Ok(None)) {
                return Err(EchoError::Store {
                    reason: error.to_string(),
                });
            }
        }
        ahead.reverse();
        cursor.next += ahead.len() as u64;
        if let Some((_, block)) = cursor.ahead.last() {
            self.heads.insert((block.lamport, feed));
        }
        Ok(is_enough)
    }

    /// The next block, and whether all that should be there was.
    pub(super) fn next(&mut self, store: &dyn Read) -> Result<(Option<Fresh>, bool), EchoError> {
        let mut complete = true;
        for feed in std::mem::take(&mut self.empty) {
            complete &= self.fill(feed, store)?;
        }
        let Some((_, feed)) = self.heads.pop_first() else {
            return Ok((None, complete));
        };
        let Some(cursor) = self.cursors.get_mut(&feed) else {
            return Ok((None, complete));
        };
        let seq = cursor.next - cursor.ahead.len() as u64;
        let Some((hash, block)) = cursor.ahead.pop() else {
            return Ok((None, complete));
        };
        match cursor.ahead.last() {
            Some((_, next)) => drop(self.heads.insert((next.lamport, feed))),
            None => self.empty.push(feed),
        }
        advance_clock(&mut cursor.clock, feed, seq, &block.deps);
        let prev = std::mem::replace(&mut cursor.prev, hash);
        let fresh = Fresh {
            descriptor: cursor.descriptor,
            feed,
            seq,
            prev,
            hash,
            block,
            past: cursor.clock.clone(),
        };
        Ok((Some(fresh), complete))
    }
}

/// One feed, as far as it is read.
#[derive(Clone)]
struct Feed {
    descriptor: FeedDescriptor,
    length: u64,
    is_cut: bool,
    /// Where reading begins.
    floor: Option<Arc<Floor>>,
}

/// What it takes to read the past of a space beside its actor. It shows what counts when it was
/// made.
pub(crate) struct Past {
    number: SpaceNumber,
    membership: Membership,
    keys: BTreeMap<ContentKeyId, ContentKey>,
    feeds: BTreeMap<FeedId, Feed>,
    cancelled: Arc<AtomicBool>,
    /// What stands for the blocks before those that are read.
    pub(super) base: Option<Base>,
    pub(super) properties: ObjectId,
    pub(super) space: dxos_keys::SpaceKey,
}

impl Space {
    /// The past of the space up to now. Setting `cancelled` ends what reads it.
    pub(crate) fn past(&self, cancelled: Arc<AtomicBool>) -> Past {
        // As long as all blocks are here, they can all be read.
        let base = self.epochs.base.clone();
        let base = base.filter(|_| !self.sync.starts().is_empty());
        self.past_from(base, self.membership.clone(), None, cancelled)
    }

    /// The part of the past that these lengths of feeds hold, as who may do what is known by
    /// `membership`. It begins with the base, if it holds that.
    pub(super) fn past_until(
        &self,
        membership: Membership,
        lengths: &BTreeMap<FeedId, u64>,
        cancelled: Arc<AtomicBool>,
    ) -> Past {
        let base = self.epochs.base.clone().filter(|base| {
            let mut floors = base.snapshot.floors.iter();
            floors.all(|(feed, (_, floor))| {
                let until = lengths.get(feed);
                until.is_some_and(|until| floor.length <= *until)
            })
        });
        self.past_from(base, membership, Some(lengths), cancelled)
    }

    fn past_from(
        &self,
        base: Option<Base>,
        membership: Membership,
        lengths: Option<&BTreeMap<FeedId, u64>>,
        cancelled: Arc<AtomicBool>,
    ) -> Past {
        let feeds = self.dag.feeds().map(|(feed, state)| {
            let until = lengths.map(|lengths| lengths.get(feed).copied().unwrap_or_default());
            let read = Feed {
                descriptor: state.descriptor,
                length: until.map_or(state.length, |until| until.min(state.length)),
                is_cut: state.fork.is_some(),
                floor: state.floor.clone().filter(|_| base.is_some()),
            };
            (*feed, read)
        });
        Past {
            number: self.record.number,
            membership,
            keys: self.keys.clone(),
            feeds: feeds.collect(),
            cancelled,
            base,
            properties: self.properties_id(),
            space: self.key(),
        }
    }

    /// What has been applied here.
    pub(crate) fn timeframe(&self) -> Timeframe {
        self.dag.timeframe()
    }
}

impl Past {
    pub(super) fn walk(&self) -> Walk {
        let feeds = self.feeds.iter();
        let feeds = feeds.map(|(feed, read)| (*feed, read.clone()));
        Walk::over(self.number, feeds)
    }

    /// Lets a walk that was over an earlier past go on over this one.
    pub(super) fn go_on(&self, walk: &mut Walk) -> Result<(), EchoError> {
        for (feed, read) in &self.feeds {
            if !walk.reach(*feed, read) {
                return Err(EchoError::PastChanged);
            }
        }
        Ok(())
    }

    /// Passes what stands for the blocks before those that are read to `visit`: objects, in the
    /// order of their ids.
    pub(super) fn seed(
        &self,
        store: &dyn Read,
        visit: &mut dyn FnMut(ObjectId, ObjectState),
    ) -> Result<(), EchoError> {
        let Some(base) = &self.base else {
            return Ok(());
        };
        let key = self.keys.get(&base.snapshot.key);
        base.visit(&self.space, key, (store, self.number), &mut |id, state| {
            visit(id, state);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// Passes the rows of queues among what stands for the blocks before those that are read to
    /// `visit`.
    pub(super) fn seed_queues(
        &self,
        store: &dyn Read,
        visit: &mut dyn FnMut(QueueKey, SharedRow),
    ) -> Result<(), EchoError> {
        let base = self.base.as_ref();
        let Some(base) = base.filter(|base| base.snapshot.rows > 0) else {
            return Ok(());
        };
        let key = self.keys.get(&base.snapshot.key);
        base.visit_all(&self.space, key, (store, self.number), &mut |entry| {
            if let Entry::Row(queue, row) = entry {
                visit(queue, row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// What an object was where reading begins.
    pub(super) fn seed_of(
        &self,
        object: ObjectId,
        store: &dyn Read,
    ) -> Result<ObjectState, EchoError> {
        let mut found = ObjectState::default();
        self.seed(store, &mut |id, state| {
            if id == object {
                found = state;
            }
        })?;
        Ok(found)
    }

    /// An error that says that what came before the base is gone.
    pub(super) fn before_base(&self) -> Option<EchoError> {
        let number = self.base.as_ref()?.number;
        Some(EchoError::BeforeEpoch { number })
    }

    /// Whether a block is gone.
    pub(super) fn is_gone(&self, feed: &FeedId, seq: u64) -> bool {
        let floor = self.feeds.get(feed).and_then(|read| read.floor.as_ref());
        floor.is_some_and(|floor| seq < floor.length)
    }

    /// Whether a time holds everything that is gone.
    pub(super) fn holds_base(&self, timeframe: &Timeframe) -> bool {
        let floors = self.feeds.iter();
        let mut floors = floors.filter_map(|(feed, read)| Some((feed, read.floor.as_ref()?)));
        floors.all(|(feed, floor)| timeframe.get(feed) >= floor.length)
    }

    /// The next block of a walk.
    pub(super) fn next(
        &self,
        walk: &mut Walk,
        store: &dyn Read,
    ) -> Result<Option<Fresh>, EchoError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(EchoError::Stopped {
                reason: "nobody waits for the answer any more".to_owned(),
            });
        }
        match walk.next(store) {
            Ok((fresh, true)) => Ok(fresh),
            // A fork was cut meanwhile.
            Ok((_, false)) => Err(EchoError::PastChanged),
            Err(error) => Err(error),
        }
    }

    /// The transaction in a block, if it counts.
    pub(super) fn open(&self, fresh: &Fresh) -> Option<Transaction> {
        let place = (&fresh.feed, fresh.seq);
        let device = &fresh.descriptor.device;
        self.membership
            .judge(device, place, &fresh.past, Right::Write)
            .ok()?;
        open_body(&self.keys, fresh)
    }

    /// Who wrote a feed.
    pub(super) fn author(&self, descriptor: &FeedDescriptor) -> Author {
        author(&self.membership, descriptor)
    }

    /// Selects what a timeframe holds: the greatest part of it that is closed under causes.
    /// Control feeds in it select nothing: who may do what is always as it is known now.
    pub(super) fn select(&self, timeframe: Timeframe) -> Result<Selection<'_>, EchoError> {
        let mut missing: u64 = 0;
        for (feed, count) in &timeframe.dots {
            let known = self.feeds.get(feed);
            if known.is_none_or(|known| !known.is_cut) {
                let length = known.map_or(0, |known| known.length);
                missing = missing.saturating_add(count.saturating_sub(length));
            }
        }
        if missing > 0 {
            return Err(EchoError::TimeframeAhead { missing });
        }
        if let Some(gone) = self.before_base().filter(|_| !self.holds_base(&timeframe)) {
            return Err(gone);
        }
        let taken = self.base.as_ref().map(Base::timeframe);
        Ok(Selection {
            past: self,
            timeframe,
            taken: taken.unwrap_or_default(),
        })
    }
}

/// Who wrote a feed.
pub(super) fn author(membership: &Membership, descriptor: &FeedDescriptor) -> Author {
    let acts_for = membership.author(&descriptor.device);
    Author {
        device: descriptor.device,
        identity: acts_for.map(|(identity, _)| identity),
        display_name: acts_for.and_then(|(_, name)| name.map(str::to_owned)),
    }
}

/// The blocks that a timeframe holds, chosen one by one in causal order.
pub(super) struct Selection<'a> {
    past: &'a Past,
    timeframe: Timeframe,
    taken: Timeframe,
}

impl Selection<'_> {
    /// Whether it holds a block. All that the block depends on must have been asked for before.
    pub(super) fn takes(&mut self, fresh: &Fresh) -> bool {
        let in_turn = self.taken.get(&fresh.feed) == fresh.seq;
        if !in_turn || fresh.seq >= self.timeframe.get(&fresh.feed) {
            return false;
        }
        let closed = fresh.block.deps.iter().all(|dep| {
            let Some(feed) = self.past.feeds.get(&dep.feed) else {
                return true;
            };
            // What was cut away is a cause, but counts for nothing.
            feed.descriptor.designation != Designation::Data
                || dep.seq >= feed.length
                || self.taken.get(&dep.feed) > dep.seq
        });
        if closed {
            self.taken.dots.insert(fresh.feed, fresh.seq + 1);
        }
        closed
    }
}

impl Fresh {
    /// Where the block stands among all.
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp {
            lamport: self.block.lamport,
            feed: self.feed,
            seq: self.seq,
        }
    }

    /// Applies one operation of the transaction in it.
    pub(super) fn apply_op(&self, state: &mut ObjectState, op: &Op, index: usize) {
        let context = Context {
            stamp: self.stamp(),
            past: &self.past,
            time_ms: self.block.time_ms,
        };
        // What does not apply was ignored when it arrived, too.
        let _ = state.apply(op, &context, index);
    }
}
