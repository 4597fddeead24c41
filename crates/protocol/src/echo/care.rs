//! Looking after what is stored: how much there is, whether it is whole, and what nobody needs.

use std::fmt;

use dxos_keys::SpaceKey;
use serde::{Deserialize, Serialize};

use super::EchoError;
use crate::request;

/// Asks what is stored of a space, open or closed. All of it is read.
#[derive(Clone, Copy, Debug)]
pub struct GetStats {
    /// The space.
    pub space: SpaceKey,
}

/// What is stored of a space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStats {
    /// Objects that exist and are not deleted.
    pub objects: u64,
    /// Blocks of feeds.
    pub blocks: u64,
    /// Blocks of cut branches.
    pub branches: u64,
    /// Feeds.
    pub feeds: u64,
    /// The incarnation of this device's feeds: how often it had to begin new ones.
    pub incarnation: u32,
    /// Rows of indexes.
    pub index_rows: u64,
    /// Rows of queues: some for each item.
    pub queue_rows: u64,
    /// What it takes.
    pub bytes: SpaceBytes,
}

/// Bytes of keys and values of a space, before the store compresses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceBytes {
    /// Blocks of feeds.
    pub blocks: u64,
    /// Blocks of cut branches.
    pub branches: u64,
    /// States of objects, which are made from blocks.
    pub objects: u64,
    /// Rows of indexes, which are made from objects.
    pub indexes: u64,
    /// Rows of queues, which are made from blocks.
    pub queues: u64,
    /// Everything else.
    pub rest: u64,
}

impl SpaceBytes {
    /// All of it.
    pub const fn total(&self) -> u64 {
        self.blocks + self.branches + self.objects + self.indexes + self.queues + self.rest
    }
}

/// Looks for rows of spaces that are not on this device any more, and removes them unless it is
/// only asked how many there are.
#[derive(Clone, Copy, Debug)]
pub struct CollectGarbage {
    /// Only count.
    pub dry_run: bool,
}

/// What nobody needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// Rows of spaces that are not on this device.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Checks what is stored of a space: every block against its hash, its signature and the one
/// before it, and what is derived against the blocks. The space is not usable meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct CheckSpace {
    /// The space.
    pub space: SpaceKey,
    /// Have what is derived made anew where it is wrong. Blocks are never touched.
    pub repair: bool,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// The space.
    pub space: SpaceKey,
    /// Blocks that were checked.
    pub blocks: u64,
    /// Objects that were compared with what their blocks say.
    pub objects: u64,
    /// Rows of indexes that were compared with the objects.
    pub index_rows: u64,
    /// What is wrong: the first hundred things.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
    /// Whether what is derived was made anew, and was found to be right after that. Then what was
    /// found is what was wrong before.
    pub repaired: bool,
}

impl Checkup {
    /// Of a space of which nothing was looked at yet.
    pub const fn new(space: SpaceKey) -> Self {
        Self {
            space,
            blocks: 0,
            objects: 0,
            index_rows: 0,
            findings: Vec::new(),
            more: 0,
            repaired: false,
        }
    }

    /// Whether nothing is wrong, or not any more.
    pub fn is_whole(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.all(|finding| self.repaired && finding.kind.is_derived())
    }
}

/// Looks whether the rows of all spaces that are derived can be read. All spaces share the tables
/// in which these are, so that damage to one table concerns them all.
#[derive(Clone, Copy, Debug)]
pub struct CheckDerived {
    /// Delete the rows of a kind of which some cannot be read, if they can be made anew for every
    /// space, and mark all spaces to have that done. No space is usable meanwhile.
    pub repair: bool,
}

/// Whether what is derived can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivedCheckup {
    /// What cannot be read; and, if that was to be repaired and could not be, why.
    pub findings: Vec<Finding>,
    /// Whether all rows of these kinds were deleted, to be made anew.
    pub emptied: bool,
}

impl DerivedCheckup {
    /// Whether nothing is wrong, or not any more.
    pub fn is_whole(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.all(|finding| self.emptied && finding.kind.is_derived())
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// With what.
    pub kind: FindingKind,
    /// Where, and what it is.
    pub text: String,
}

/// What something is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A block, which nothing here can replace. Another device of the space may have it.
    Block,
    /// A count.
    Count,
    /// The state of a feed, which nothing here can replace.
    Feed,
    /// A row of an index.
    Index,
    /// The state of an object.
    Object,
    /// A row of a queue.
    Queue,
    /// A restore from an archive that was cut off. Run it again.
    Restore,
    /// The store cannot be read.
    Store,
}

impl FindingKind {
    /// Whether it is made from blocks, and can be made anew.
    pub const fn is_derived(self) -> bool {
        matches!(self, Self::Count | Self::Index | Self::Object | Self::Queue)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Block => "block",
            Self::Count => "count",
            Self::Feed => "feed",
            Self::Index => "index",
            Self::Object => "object",
            Self::Queue => "queue",
            Self::Restore => "restore",
            Self::Store => "store",
        })
    }
}

request! {
    CheckDerived => Result<DerivedCheckup, EchoError>,
    CheckSpace => Result<Checkup, EchoError>,
    CollectGarbage => Result<Garbage, EchoError>,
    GetStats => Result<SpaceStats, EchoError>,
}
