//! What an archive of a space is read from, and how it comes back.

use dxos_document::{Object, Timeframe};
use dxos_feed::{FeedDescriptor, ForkProof, Run};
use dxos_keys::{ContentKey, ObjectId, SpaceKey, StateHash};

use super::{AdmissionTicket, EchoError};
use crate::request;

/// Asks what a space consists of, to be archived.
#[derive(Clone, Copy, Debug)]
pub struct GetManifest {
    /// The space.
    pub space: SpaceKey,
}

/// What a space consists of, but for its data blocks and objects, which are read in parts.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// All control blocks that signatures of control blocks vouch for, of any size.
    pub control: AdmissionTicket,
    /// Proofs of the forks that are known.
    pub proofs: Vec<ForkProof>,
    /// The content keys that are here.
    pub keys: Vec<ContentKey>,
    /// How many blocks of each data feed are here, and of each control feed whose last ones only
    /// the proof of a fork vouches for.
    pub data: Timeframe,
    /// Where they begin: an epoch, or [`Manifest::control`], has those before.
    pub begin: Timeframe,
    /// The parts of its snapshot, its list first.
    pub parts: Vec<StateHash>,
}

/// Reads a part of the snapshot of an epoch, as it is stored: sealed.
#[derive(Clone, Copy, Debug)]
pub struct ReadPart {
    /// The space.
    pub space: SpaceKey,
    /// The part, as [`Manifest::parts`] names it.
    pub part: StateHash,
}

/// Reads a part of the data blocks of a space, in an order in which they can be taken in. The
/// answer is empty when there are no more.
#[derive(Clone, Debug)]
pub struct ReadBlocks {
    /// The space.
    pub space: SpaceKey,
    /// The blocks that were read before.
    pub from: Timeframe,
    /// Where to end, as [`Manifest::data`] said.
    pub until: Timeframe,
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
    /// Proofs of forks.
    pub proofs: Vec<ForkProof>,
    /// Parts of the snapshot of an epoch, its list first.
    pub parts: Vec<bytes::Bytes>,
    /// Blocks, in an order in which they can be taken in.
    pub runs: Vec<(FeedDescriptor, Run)>,
}

/// [`RestoreBlocks`] for one space.
#[derive(Clone, Debug)]
pub struct RestoreSpace {
    /// The space.
    pub space: SpaceKey,
    /// What to take in.
    pub blocks: RestoreBlocks,
}

request! {
    GetManifest => Result<Manifest, EchoError>,
    ReadBlocks => Result<Vec<(FeedDescriptor, Run)>, EchoError>,
    ReadObjects => Result<Vec<Object>, EchoError>,
    ReadPart => Result<Option<bytes::Bytes>, EchoError>,
    RestoreSpace => Result<(), EchoError>,
}
