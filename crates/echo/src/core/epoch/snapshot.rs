//! What a snapshot consists of: a list that says at which point it was taken, and chunks.
//!
//! The objects stand one after the other in the order of their ids, each with all that later
//! changes merge into; behind them the queues, each with its items in their order. That is cut
//! into chunks, which are made small where that pays and sealed.
//! Whoever has the same blocks and the key comes to the same bytes; whoever has no key can still
//! hold and hand on the chunks, each of which is known by its hash.

use std::collections::BTreeMap;

use dxos_feed::{Dag, Designation, FeedDescriptor, Floor, Timeframe};
use dxos_keys::{
    BlockHash, ContentKey, ContentKeyId, DeviceKey, FeedId, HashDomain, Hasher, SpaceKey, StateHash,
};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk before it is packed and sealed.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of a chunk as it is stored and sent: sealing and packing add little.
pub(in crate::core) const CHUNK_STORED_BYTES_MAX: usize = CHUNK_BYTES + 1024;
/// Bytes of the list: it has to fit into a frame.
pub(in crate::core) const LIST_BYTES_MAX: usize = 896 * 1024;
/// The form of the list and of what is in the chunks. Objects have a version of their own.
const FORM: u8 = 1;
const VERSION: u8 = 1;
/// The version of a list of a snapshot with rows of queues behind the objects.
const WITH_QUEUES: u8 = 2;
/// How far logical time may be ahead of the number of blocks that are known to have been
/// written: those of cut branches count as causes, too.
const LAMPORT_SLACK: u64 = 1 << 20;

/// The place of one feed at which a snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Point {
    device: DeviceKey,
    incarnation: u32,
    length: u64,
    head: BlockHash,
    lamport: u64,
    /// What its writer had applied: the feed, by its place in [`List::named`], and how many blocks.
    clock: Vec<(u32, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    form: u8,
    space: SpaceKey,
    /// What the chunks are sealed with.
    key: ContentKeyId,
    /// The hash of all that is in the chunks, sealed: a guess cannot be checked without the key.
    content: Vec<u8>,
    objects: u64,
    bytes: u64,
    named: Vec<FeedId>,
    /// Data feeds, sorted by id.
    points: Vec<Point>,
    chunks: Vec<StateHash>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ListWithQueues {
    list: List,
    /// Rows of queues.
    rows: u64,
}

/// A list that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct Snapshot {
    /// The hash of the list, which an epoch names.
    pub(in crate::core) name: StateHash,
    pub(in crate::core) key: ContentKeyId,
    pub(in crate::core) objects: u64,
    /// Rows of queues, behind the objects.
    pub(in crate::core) rows: u64,
    /// Bytes in the chunks, before they are packed.
    pub(in crate::core) bytes: u64,
    pub(in crate::core) floors: BTreeMap<FeedId, (FeedDescriptor, Floor)>,
    pub(in crate::core) chunks: Vec<StateHash>,
    content: Vec<u8>,
}

/// What was written into chunks.
pub(super) struct Written {
    pub(super) content: [u8; 32],
    pub(super) objects: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) chunks: Vec<StateHash>,
}

/// Why a list cannot be used.
pub(in crate::core) type Bad = &'static str;

pub(in crate::core) fn hash_part(bytes: &[u8]) -> StateHash {
    StateHash::from_bytes(Hasher::new(HashDomain::Snapshot).update(bytes).finish())
}

/// What a chunk is bound to when it is sealed.
pub(super) fn context(space: &SpaceKey, number: u32) -> Vec<u8> {
    let mut context = b"snapshot".to_vec();
    context.extend_from_slice(space.as_bytes());
    context.extend_from_slice(&number.to_be_bytes());
    context
}

/// The list of a snapshot that is taken at the heads of all data feeds, as bytes. `Err` when it
/// is too long.
pub(super) fn list(dag: &Dag, key: &ContentKey, written: Written) -> Result<Vec<u8>, Bad> {
    let space = *dag.space();
    let data = || {
        dag.feeds().filter(|(_, state)| {
            state.descriptor.designation == Designation::Data && state.length > 0
        })
    };
    let named: std::collections::BTreeSet<FeedId> = data()
        .flat_map(|(_, state)| state.clock.dots.keys().copied())
        .collect();
    let named: Vec<FeedId> = named.into_iter().collect();
    let place = |feed: &FeedId| {
        let place = named.binary_search(feed).ok()?;
        u32::try_from(place).ok()
    };
    let points = data().map(|(_, state)| Point {
        device: state.descriptor.device,
        incarnation: state.descriptor.incarnation,
        length: state.length,
        head: state.head,
        lamport: state.lamport,
        clock: state
            .clock
            .dots
            .iter()
            .filter_map(|(feed, count)| Some((place(feed)?, *count)))
            .collect(),
    });
    let list = List {
        form: FORM,
        space,
        key: key.id(),
        content: key.seal(&context(&space, u32::MAX), &written.content),
        objects: written.objects,
        bytes: written.bytes,
        points: points.collect(),
        named,
        chunks: written.chunks,
    };
    let rows = written.rows;
    let bytes = if rows == 0 {
        dxos_wire::encode(VERSION, &list)
    } else {
        dxos_wire::encode(WITH_QUEUES, &ListWithQueues { list, rows })
    };
    let bytes = bytes.map_err(|_| "the list cannot be written")?;
    if bytes.len() > LIST_BYTES_MAX {
        return Err("it has too many feeds or too much data");
    }
    Ok(bytes)
}

/// A list, and how many rows of queues there are.
fn decode(bytes: &[u8]) -> Option<(List, u64)> {
    if let Ok(list) = dxos_wire::decode(VERSION, bytes) {
        return Some((list, 0));
    }
    let read = dxos_wire::decode::<ListWithQueues>(WITH_QUEUES, bytes).ok()?;
    // Without any it is of the other version.
    (read.rows > 0).then_some((read.list, read.rows))
}

/// The chunk that stands in a part, by a list that is stored here.
pub(in crate::core) fn chunk_of(list: &[u8], part: u32) -> Option<StateHash> {
    let (list, _) = decode(list)?;
    let chunk = usize::try_from(part.checked_sub(1)?).ok()?;
    list.chunks.get(chunk).copied()
}

impl Snapshot {
    /// Reads a list.
    pub(in crate::core) fn read(space: &SpaceKey, bytes: &[u8]) -> Result<Self, Bad> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err("its list is too long");
        }
        let (list, rows) = decode(bytes).ok_or("its list cannot be read")?;
        if list.space != *space || list.form != FORM {
            return Err("it is of another space, or of another form");
        }
        if list.chunks.len() as u64 != list.bytes.div_ceil(CHUNK_BYTES as u64) {
            return Err("it has another number of chunks than its length says");
        }
        let mut floors = BTreeMap::new();
        for point in &list.points {
            let descriptor =
                FeedDescriptor::new(point.device, *space, Designation::Data, point.incarnation);
            let mut clock = Timeframe::new();
            for (place, count) in &point.clock {
                let feed = usize::try_from(*place).ok();
                let feed = feed.and_then(|place| list.named.get(place));
                let feed = feed.ok_or("a clock names a feed that is not there")?;
                if *count == 0 || clock.dots.insert(*feed, *count).is_some() {
                    return Err("a clock names a feed twice, or nothing of it");
                }
            }
            let feed = descriptor.id();
            if point.length == 0 || clock.get(&feed) != point.length {
                return Err("a clock does not hold its own feed");
            }
            let floor = Floor {
                length: point.length,
                head: point.head,
                lamport: point.lamport,
                clock,
            };
            if floors.insert(feed, (descriptor, floor)).is_some() {
                return Err("it names a feed twice");
            }
        }
        Ok(Self {
            name: hash_part(bytes),
            key: list.key,
            objects: list.objects,
            rows,
            bytes: list.bytes,
            floors,
            chunks: list.chunks,
            content: list.content,
        })
    }

    /// Whether what it says of the feeds can be true, as far as the control feeds tell: it is
    /// closed under causes, and logical time is not ahead of what was written.
    pub(in crate::core) fn is_plausible(&self, dag: &Dag) -> Result<(), Bad> {
        let control = dag.feeds().map(|(_, state)| state);
        let control = control.filter(|s| s.descriptor.designation == Designation::Control);
        let written = control
            .map(|state| state.length)
            .chain(self.floors.values().map(|(_, floor)| floor.length))
            .fold(LAMPORT_SLACK, u64::saturating_add);
        for (_, floor) in self.floors.values() {
            if floor.lamport > written {
                return Err("its logical time is ahead of what was written");
            }
            for (feed, count) in &floor.clock.dots {
                let known = match self.floors.get(feed) {
                    Some((_, other)) => other.length,
                    None => dag
                        .feed(feed)
                        .map_or(0, |state| match state.descriptor.designation {
                            Designation::Control => state.length,
                            Designation::Data => 0,
                        }),
                };
                // A control feed may have been cut since.
                let is_cut = dag.feed(feed).is_some_and(|state| state.fork.is_some());
                if *count > known && !is_cut {
                    return Err("it stands for a block, and not for what that block depends on");
                }
            }
        }
        Ok(())
    }

    /// The hash of what is in the chunks.
    pub(super) fn content(&self, space: &SpaceKey, key: &ContentKey) -> Option<[u8; 32]> {
        let opened = key.open(&context(space, u32::MAX), &self.content).ok()?;
        opened.try_into().ok()
    }

    /// How many blocks it stands for.
    pub(in crate::core) fn blocks(&self) -> u64 {
        let lengths = self.floors.values().map(|(_, floor)| floor.length);
        lengths.fold(0, u64::saturating_add)
    }

    /// Whether it stands for all blocks before these.
    pub(super) fn covers(&self, starts: &BTreeMap<FeedId, u64>) -> bool {
        starts.iter().all(|(feed, start)| {
            let own = self.floors.get(feed);
            own.is_some_and(|(_, own)| own.length >= *start)
        })
    }

    /// What stands in a part: the list, or a chunk.
    pub(in crate::core) fn part(&self, part: u32) -> Option<StateHash> {
        match part.checked_sub(1) {
            None => Some(self.name),
            Some(chunk) => self.chunks.get(usize::try_from(chunk).ok()?).copied(),
        }
    }
}
