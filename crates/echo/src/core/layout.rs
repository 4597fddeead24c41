//! Where everything of a space stands in the store.
//!
//! Rows of one space share a prefix of four bytes, a number that the profile gave it. Blocks are
//! keyed by feed alone: a feed id names its space already.

use bytes::{BufMut, Bytes, BytesMut};
use dxos_feed::{Block, BlockIndex, Entry, FeedLimits, IndexError};
use dxos_keys::{BlockHash, FeedId, ObjectId, SpaceKey, StateHash};
use dxos_protocol::replicate::{Place, SessionError};
use dxos_store::{Batch, Direction, KeyRange, Keyspace, Read, Scan, StoreError};
use serde::{Deserialize, Serialize};

use dxos_wire::limits::TIPS_PER_MESSAGE_MAX;

use super::epoch::stream::part_key;
use super::receive::stopped;
use super::serve::Blocks;

/// Space key → [`SpaceRecord`].
pub(crate) const SPACES: Keyspace = Keyspace::new("spaces");
/// Space number, feed id → feed state.
pub(crate) const FEEDS: Keyspace = Keyspace::new("feeds");
/// Feed id, sequence number → block hash, block.
pub(crate) const BLOCKS: Keyspace = Keyspace::new("blocks");
/// Space number, feed id, sequence number, block hash → [`BranchRecord`]: blocks of cut branches.
pub(crate) const BRANCHES: Keyspace = Keyspace::new("branches");
/// Space number, object id → object state.
pub(crate) const OBJECTS: Keyspace = Keyspace::new("objects");
/// Space number → a mark that stands while blocks that this device wrote may be with others and
/// not yet on its own disk; see [`super::tail`].
pub(crate) const MARKS: Keyspace = Keyspace::new("marks");
/// Space number, object id → the moves of an object that was ever moved.
pub(crate) const MOVES: Keyspace = Keyspace::new("moves");
/// Space number, feed id, sequence number, block hash → [`super::again::LostRecord`]: control
/// blocks of this device that a cut took away and that are not all written again yet.
pub(crate) const LOST: Keyspace = Keyspace::new("lost");
/// Space number, device → [`super::owed::Owed`]: keys that are still to be handed on to it.
pub(crate) const OWED: Keyspace = Keyspace::new("owed");
/// Space number, number of an index, whether deleted, entry, object id → nothing; see
/// [`super::index`].
pub(crate) const INDEX: Keyspace = Keyspace::new("index");
/// Space number, hash → a part of the snapshot of an epoch: see [`super::epoch::snapshot`].
pub(crate) const SNAPSHOTS: Keyspace = Keyspace::new("snapshots");
/// Space number, kind of row, and what that is of: queues, see [`super::queue::rows`].
pub(crate) const QUEUES: Keyspace = Keyspace::new("queues");
/// Space key → [`super::purge::DeletedRecord`]: spaces that the user deleted on this device.
pub(crate) const DELETED: Keyspace = Keyspace::new("deleted");
/// Space number → [`Tally`].
pub(crate) const TALLIES: Keyspace = Keyspace::new("tallies");
/// Space number, "tips", feed id, block hash → [`TipRecord`]: where the cut branches of feeds end.
/// They are too few for a keyspace of their own.
pub(crate) const TIPS: Keyspace = TALLIES;

/// What is derived: rows of indexes from objects, all others from blocks. Each kind has a keyspace
/// that holds nothing else.
pub(crate) const DERIVED: [Keyspace; 4] = [INDEX, MOVES, OBJECTS, QUEUES];

/// The form of what is derived from blocks. What another program left in another form is made
/// anew when the space is opened.
pub(crate) const DERIVED_VERSION: u8 = 7;
/// The form in which there were no counts of frequent words, and everything else as it is now.
pub(crate) const WITHOUT_COUNTS: u8 = 6;
/// The form in which there were no indexes: they are built while the space is in use.
pub(crate) const WITHOUT_INDEXES: u8 = 3;

/// The key, among the tallies, of the form in which the state of a space is stored.
pub(crate) fn derived_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"version")
}

/// The key, among the tallies, of the mark that the user closed a space.
pub(crate) fn closed_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"closed")
}

/// The key, among the tallies, of the mark that a space is being brought back from an archive.
pub(crate) fn restoring_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"restoring")
}

/// The key, among the tallies, of which credentials of a space were verified.
pub(crate) fn verified_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"verified")
}

/// The key, among the tallies, of the content keys that came from archives.
pub(crate) fn kept_keys_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"kept keys")
}

/// The key, among the tallies, of the epoch with whose snapshot the state of a space begins.
pub(crate) fn base_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"base")
}

/// The key, among the tallies, of what is known of the block before the first one of a feed that
/// ever was here.
pub(crate) fn root_key(number: SpaceNumber, feed: &FeedId) -> Vec<u8> {
    let mut key = in_space(number, b"root");
    key.extend_from_slice(feed.as_bytes());
    key
}

/// The block before the first one of a feed that ever was here, of which a snapshot told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) seq: u64,
    pub(crate) hash: BlockHash,
    pub(crate) lamport: u64,
}

/// The key, among the tallies, of the content keys of a space that were destroyed here.
pub(crate) fn destroyed_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"destroyed keys")
}

/// The key, among the tallies, of the mark that something was erased, and may still be in the files
/// of the store.
pub(crate) fn traces_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, b"traces")
}

/// The number that a profile gave a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SpaceNumber(pub(crate) u32);

impl SpaceNumber {
    /// How many bytes it has there.
    pub(crate) const LENGTH: usize = 4;

    /// What the keys of the space's rows begin with.
    pub(crate) const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// What is kept of a space besides its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpaceRecord {
    pub(crate) number: SpaceNumber,
    pub(crate) space: SpaceKey,
    /// The incarnation of this device's feeds.
    pub(crate) incarnation: u32,
}

/// What is counted, so that it need not be scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Objects that exist and are not deleted.
    pub(crate) objects: u64,
    /// Blocks that were accepted.
    pub(crate) blocks: u64,
    /// Set while the state is being rebuilt from the blocks; found set when a space is opened,
    /// it is rebuilt again.
    pub(crate) rebuilding: bool,
}

/// A block of a cut branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BranchRecord {
    pub(crate) prev: BlockHash,
    pub(crate) lamport: u64,
    pub(crate) block: Bytes,
}

/// The end of a cut branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TipRecord {
    pub(crate) seq: u64,
    /// Whether nothing is left to be done for it. Only the feed's own device looks at that.
    pub(crate) is_done: bool,
    /// What makes the feed that the branch is grafted onto another one than it usually is.
    pub(crate) salt: u32,
}

impl TipRecord {
    pub(crate) const fn at(seq: u64) -> Self {
        Self {
            seq,
            is_done: false,
            salt: 0,
        }
    }
}

/// The beginning of the keys of the tips of one feed.
pub(crate) fn tips_key(number: SpaceNumber, feed: &FeedId) -> Vec<u8> {
    let mut key = in_space(number, b"tips");
    key.extend_from_slice(feed.as_bytes());
    key
}

pub(crate) fn branch_key(number: SpaceNumber, feed: &FeedId, seq: u64) -> Vec<u8> {
    let mut key = in_space(number, &block_key(feed, seq));
    key.reserve(BlockHash::LENGTH);
    key
}

pub(crate) fn block_key(feed: &FeedId, seq: u64) -> [u8; 40] {
    let mut key = [0; 40];
    let (front, back) = key.split_at_mut(32);
    front.copy_from_slice(feed.as_bytes());
    back.copy_from_slice(&seq.to_be_bytes());
    key
}

pub(crate) fn in_space(number: SpaceNumber, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + rest.len());
    key.extend_from_slice(&number.to_bytes());
    key.extend_from_slice(rest);
    key
}

pub(crate) fn object_key(number: SpaceNumber, object: &ObjectId) -> Vec<u8> {
    in_space(number, object.as_bytes())
}

pub(crate) fn block_value(hash: &BlockHash, block: &Block) -> Bytes {
    let mut value = BytesMut::with_capacity(32 + block.encoded_bytes());
    value.put_slice(hash.as_bytes());
    block.encode_into(&mut value);
    value.freeze()
}

pub(crate) fn split_block(value: &Bytes) -> Option<(BlockHash, Block)> {
    let hash = BlockHash::from_slice(value.get(..32)?)?;
    let block = Block::decode(&value.slice(32..), &FeedLimits::default()).ok()?;
    Some((hash, block))
}

/// A store as it will be once a batch is committed; by key only, scans see the store as it is.
pub(crate) struct Pending<'a> {
    pub(crate) store: &'a dyn Read,
    pub(crate) batch: &'a Batch,
}

impl Read for Pending<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let mut written = None;
        for write in self.batch {
            if write.keyspace == keyspace && write.key == key {
                written = Some(write.value.clone());
            }
        }
        written.map_or_else(|| self.store.get(keyspace, key), Ok)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        self.store.scan(keyspace, range, direction)
    }
}

/// The stored blocks of one space.
pub(crate) struct StoredBlocks<'a> {
    pub(crate) store: &'a dyn Read,
    pub(crate) number: SpaceNumber,
}

pub(crate) fn index_error(error: &StoreError) -> IndexError {
    IndexError(error.to_string())
}

impl StoredBlocks<'_> {
    fn load(&self, feed: &FeedId, seq: u64) -> Result<Option<(BlockHash, Block)>, IndexError> {
        let value = self.store.get(BLOCKS, &block_key(feed, seq));
        match value.map_err(|error| index_error(&error))? {
            None => Ok(None),
            Some(value) => split_block(&value)
                .map(Some)
                .ok_or_else(|| damaged(feed, seq)),
        }
    }
}

impl StoredBlocks<'_> {
    fn root(&self, feed: &FeedId) -> Result<Option<Root>, IndexError> {
        let row = self.store.get(TALLIES, &root_key(self.number, feed));
        let row = row.map_err(|error| index_error(&error))?;
        let root = row.map(|row| dxos_wire::decode(1, &row));
        root.transpose().map_err(|error| {
            IndexError(format!(
                "what is stored of the beginning of feed {feed} is damaged: {error}"
            ))
        })
    }
}

fn damaged(feed: &FeedId, seq: u64) -> IndexError {
    IndexError(format!("stored block {seq} of feed {feed} is damaged"))
}

impl BlockIndex for StoredBlocks<'_> {
    fn entry(&self, feed: &FeedId, seq: u64) -> Result<Option<Entry>, IndexError> {
        if let Some((hash, block)) = self.load(feed, seq)? {
            let lamport = block.lamport;
            return Ok(Some(Entry { hash, lamport }));
        }
        let root = self.root(feed)?.filter(|root| root.seq == seq);
        Ok(root.map(|root| Entry {
            hash: root.hash,
            lamport: root.lamport,
        }))
    }

    fn block(&self, feed: &FeedId, seq: u64) -> Result<Option<Block>, IndexError> {
        Ok(self.load(feed, seq)?.map(|(_, block)| block))
    }

    fn branch(&self, feed: &FeedId, seq: u64, hash: &BlockHash) -> Result<Option<u64>, IndexError> {
        let record = self.branch_record(feed, Place { seq, hash: *hash })?;
        Ok(record.map(|record| record.lamport))
    }
}

impl Blocks for StoredBlocks<'_> {
    fn visit(
        &self,
        feed: &FeedId,
        from: u64,
        visit: &mut dyn FnMut(BlockHash, Block) -> bool,
    ) -> Result<(), IndexError> {
        let range = KeyRange::between(&block_key(feed, from), &block_key(feed, u64::MAX));
        for (seq, row) in (from..).zip(self.store.scan(BLOCKS, range, Direction::Forward)) {
            let (key, value) = row.map_err(|error| index_error(&error))?;
            if key != block_key(feed, seq)[..] {
                return Err(damaged(feed, seq));
            }
            let (hash, block) = split_block(&value).ok_or_else(|| damaged(feed, seq))?;
            if !visit(hash, block) {
                break;
            }
        }
        Ok(())
    }

    fn tips(&self, feed: &FeedId) -> Result<Vec<Place>, SessionError> {
        let tips = Self::tips(self, feed).take(TIPS_PER_MESSAGE_MAX);
        tips.map(|tip| tip.map(|(place, _)| place).map_err(|error| stopped(&error)))
            .collect()
    }

    fn index(&self) -> &dyn BlockIndex {
        self
    }

    fn part(&self, snapshot: &StateHash, part: u32) -> Result<Option<Bytes>, IndexError> {
        let load = |hash: &StateHash| {
            let row = self.store.get(SNAPSHOTS, &part_key(self.number, hash));
            row.map_err(|error| index_error(&error))
        };
        let Some(list) = load(snapshot)? else {
            return Ok(None);
        };
        if part == 0 {
            return Ok(Some(list));
        }
        match super::epoch::snapshot::chunk_of(&list, part) {
            Some(chunk) => load(&chunk),
            None => Ok(None),
        }
    }
}
