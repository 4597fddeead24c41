//! What an archive of a space is read from, and how it comes back.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::{Object, Value};
use dxos_feed::{FeedDescriptor, ForkProof, Run};
use dxos_keys::{BlockHash, ContentKey, FeedId, ObjectId, SpaceKey, StateHash};
use serde::{Deserialize, Serialize};

use super::{EchoError, SpaceReport};
use crate::request;

/// Asks what a space consists of, to be archived.
#[derive(Clone, Copy, Debug)]
pub struct GetManifest {
    /// The space.
    pub space: SpaceKey,
}

/// What a space consists of, but for its blocks and objects, which are read in parts.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// All control blocks, and the proofs of all forks.
    pub control: ArchiveRest,
    /// The content keys that are here.
    pub keys: Vec<ContentKey>,
    /// The parts of the snapshot of the epoch that stands for data blocks which are not read, its
    /// list first.
    pub parts: Vec<StateHash>,
    /// The data blocks.
    pub data: ArchiveRest,
}

/// What is left to be read of the blocks of a space.
#[derive(Clone, Debug, Default)]
pub struct ArchiveRest {
    /// Of each feed: the next block, and where to end.
    pub feeds: BTreeMap<FeedId, (u64, u64)>,
    /// Forked feeds whose proof was not read yet.
    pub forks: BTreeSet<FeedId>,
    /// Where cut branches go on, with the hash of the block before.
    pub branches: BTreeMap<BranchBlock, BlockHash>,
}

/// A block of a cut branch. They are ordered by logical time, which is a causal order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BranchBlock {
    /// Its logical time.
    pub lamport: u64,
    /// Its feed.
    pub feed: FeedId,
    /// Its place there.
    pub seq: u64,
    /// Its hash.
    pub hash: BlockHash,
}

/// Blocks as an archive has them: of a feed, or of a branch that was cut from it. Which of them
/// it is, whoever takes them in finds out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedRun {
    /// The feed.
    pub descriptor: FeedDescriptor,
    /// The hash of the block before, zeros when there is none.
    pub prev: BlockHash,
    /// The blocks. There may be none when there is a proof.
    pub run: Option<Run>,
    /// The proof that the feed was forked.
    pub fork: Option<Box<ForkProof>>,
}

impl ArchivedRun {
    /// The bytes of its blocks.
    pub fn bytes(&self) -> usize {
        self.run.as_ref().map_or(0, Run::bytes)
    }
}

/// Reads a part of the snapshot of an epoch, as it is stored: sealed.
#[derive(Clone, Copy, Debug)]
pub struct ReadPart {
    /// The space.
    pub space: SpaceKey,
    /// The part, as [`Manifest::parts`] names it.
    pub part: StateHash,
}

/// Reads a part of the blocks of a space, in the order of their logical time. The answer has no
/// blocks when there are no more.
#[derive(Clone, Debug)]
pub struct ReadBlocks {
    /// The space.
    pub space: SpaceKey,
    /// What is left, as [`Manifest`] or the answer before said.
    pub rest: ArchiveRest,
    /// About how many bytes.
    pub bytes_max: usize,
}

/// Reads a part of the objects of a space that are not deleted, in the order of their ids. The
/// answer is empty when there are no more. The object that holds the space's properties is left
/// out.
#[derive(Clone, Copy, Debug)]
pub struct ReadObjects {
    /// The space.
    pub space: SpaceKey,
    /// Those behind this one.
    pub after: Option<ObjectId>,
    /// How many at most.
    pub limit: usize,
}

/// Takes in what an archive holds of a space that is on this device: the same rules apply as for
/// what peers send. Blocks whose device was never let in are passed over.
#[derive(Clone, Debug, Default)]
pub struct RestoreBlocks {
    /// Content keys; one that no admin made, as far as the blocks here say, opens nothing.
    pub keys: Vec<ContentKey>,
    /// Parts of the snapshot of an epoch, its list first.
    pub parts: Vec<bytes::Bytes>,
    /// Blocks, in an order in which they can be taken in.
    pub runs: Vec<ArchivedRun>,
}

/// Takes up a space that is not on this device by the control blocks of an archive. Nothing is
/// written unless they admit this identity. It is
/// [`Initializing`](super::SpaceState::Initializing) until [`EndRestore`]; when ECHO is started
/// before that, its report says that it is to be restored again.
#[derive(Clone, Debug)]
pub struct RestoreNewSpace {
    /// The space.
    pub space: SpaceKey,
    /// All control blocks and proofs of forks, in the order of the archive.
    pub control: Vec<ArchivedRun>,
}

/// [`RestoreBlocks`] for one space.
#[derive(Clone, Debug)]
pub struct RestoreSpace {
    /// The space.
    pub space: SpaceKey,
    /// What to take in.
    pub blocks: RestoreBlocks,
}

/// Creates a space like [`CreateSpace`](super::CreateSpace), for the objects of an archive. It is
/// [`Initializing`](super::SpaceState::Initializing) until [`EndRestore`]; when ECHO is started
/// before that, it is removed.
#[derive(Clone, Debug, Default)]
pub struct CreateClone {
    /// Kept in an object of the space, such as `name`.
    pub properties: BTreeMap<String, Value>,
}

/// Says that all that an archive holds of a space is here.
#[derive(Clone, Copy, Debug)]
pub struct EndRestore {
    /// The space.
    pub space: SpaceKey,
}

request! {
    CreateClone => Result<SpaceReport, EchoError>,
    EndRestore => Result<(), EchoError>,
    GetManifest => Result<Manifest, EchoError>,
    ReadBlocks => Result<(Vec<ArchivedRun>, ArchiveRest), EchoError>,
    ReadObjects => Result<Vec<Object>, EchoError>,
    ReadPart => Result<Option<bytes::Bytes>, EchoError>,
    RestoreNewSpace => Result<SpaceReport, EchoError>,
    RestoreSpace => Result<(), EchoError>,
}
