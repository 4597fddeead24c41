//! Requests to ECHO about the past: who changed what, how things were, what differs, undoing.

use std::collections::BTreeMap;

use dxos_document::{Key, Map, Object, Path, Query, Stamp, Timeframe, TypeName, Value};
use dxos_feed::FeedDescriptor;
use dxos_keys::{DeviceKey, FeedId, IdentityKey, ObjectId, SpaceKey};
use serde::{Deserialize, Serialize};

use crate::echo::{Committed, EchoError};
use crate::request;

/// Who wrote something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The device that signed it.
    pub device: DeviceKey,
    /// For whom the device acts, `None` when its chain is not known here. It is kept of those
    /// who are no members any more.
    pub identity: Option<IdentityKey>,
    /// What the identity is called now.
    pub display_name: Option<String>,
}

/// A value that lost against a concurrent one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loser {
    /// The value.
    pub value: Value,
    /// Who assigned it.
    pub author: Author,
    /// Its place in the order of all transactions.
    pub stamp: Stamp,
    /// Milliseconds since 1970 by its author's clock: for display only.
    pub time_ms: u64,
}

/// Asks for the values of an object that lost against concurrent ones, by path, the latest first.
#[derive(Clone, Copy, Debug)]
pub struct ListConflicts {
    /// The space.
    pub space: SpaceKey,
    /// The object.
    pub object: ObjectId,
}

/// One operation, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The object that it changed.
    pub object: ObjectId,
    /// The property, `None` for the object as a whole.
    pub path: Option<Path>,
    /// What was done.
    pub kind: ChangeKind,
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The object was made, or given this type, with these properties.
    Created {
        /// Its type.
        type_name: TypeName,
        /// Its first properties.
        properties: Map,
    },
    /// The object was deleted.
    Deleted,
    /// The object was restored.
    Restored,
    /// A property was assigned this value.
    Assigned(Value),
    /// A property was taken out.
    Unset,
    /// So much was counted on a number.
    Counted(i64),
    /// Members were added to a set.
    Added(Vec<Value>),
    /// Members were taken out of a set.
    Removed(Vec<Value>),
    /// A text was edited.
    TextEdited {
        /// What was put in, piece by piece.
        inserted: Vec<String>,
        /// How many characters were taken out.
        deleted: u64,
        /// Marks that were put on or taken off (null).
        marked: Vec<(Key, Value)>,
    },
    /// The items of a list were changed.
    ListEdited {
        /// Items that were put in.
        inserted: Vec<Value>,
        /// How many items were taken out.
        deleted: u64,
        /// How many items were moved.
        moved: u64,
    },
    /// It was edited in a way that is not known here.
    Edited,
}

/// One transaction of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Where it was written: what undoing it takes.
    pub committed: Committed,
    /// Who wrote it.
    pub author: Author,
    /// Milliseconds since 1970 by its author's clock: for display only.
    pub time_ms: u64,
    /// What it did, in its own order; of one object only when that was asked for.
    pub changes: Vec<Change>,
}

/// Asks for the transactions that count, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct ReadHistory {
    /// The space.
    pub space: SpaceKey,
    /// Only those that touched this object, and what they did to it.
    pub object: Option<ObjectId>,
    /// Only those before this place: [`HistoryPage::next`] of the page before.
    pub before: Option<Stamp>,
    /// How many at most, up to [`HISTORY_PAGE_MAX`]; fewer when they are large.
    pub limit: usize,
}

/// Transactions in one page of history.
pub const HISTORY_PAGE_MAX: usize = 1000;

/// A part of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The transactions, the newest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins, `None` when there is none.
    pub next: Option<Stamp>,
    /// On the last page, if there was more and it is gone: the number of the epoch that stands
    /// for it.
    #[serde(default)]
    pub before_epoch: Option<u64>,
}

/// Asks for what a space has applied, as a timeframe that can be returned to.
#[derive(Clone, Copy, Debug)]
pub struct GetTimeframe {
    /// The space.
    pub space: SpaceKey,
}

/// Asks for the feeds of a space.
#[derive(Clone, Copy, Debug)]
pub struct ListFeeds {
    /// The space.
    pub space: SpaceKey,
}

/// A feed of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedReport {
    /// The feed.
    pub feed: FeedId,
    /// What it is: whose, and for what.
    pub descriptor: FeedDescriptor,
    /// Who writes it.
    pub author: Author,
    /// How many of its blocks are here and were applied.
    pub applied: u64,
}

/// Asks for one object as of a timeframe, deleted or not.
#[derive(Clone, Debug)]
pub struct GetObjectAt {
    /// The space.
    pub space: SpaceKey,
    /// When.
    pub timeframe: Timeframe,
    /// The object.
    pub object: ObjectId,
}

/// Runs a query over the objects as of a timeframe.
#[derive(Clone, Debug)]
pub struct RunQueryAt {
    /// The space.
    pub space: SpaceKey,
    /// When.
    pub timeframe: Timeframe,
    /// The query.
    pub query: Query,
}

/// Asks for what differs between two timeframes.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The space.
    pub space: SpaceKey,
    /// The one.
    pub from: Timeframe,
    /// The other, mostly the later one.
    pub until: Timeframe,
    /// Only objects with a greater id: [`ComparePage::next`] of the page before.
    pub after: Option<ObjectId>,
    /// Objects to look at, up to [`COMPARE_PAGE_MAX`].
    pub limit: usize,
}

/// Objects in one page of a comparison.
pub const COMPARE_PAGE_MAX: usize = 10_000;

/// A part of what differs between two timeframes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparePage {
    /// The objects that differ, in the order of their ids.
    pub objects: Vec<ObjectDifference>,
    /// Where the next page begins, `None` when there is none.
    pub next: Option<ObjectId>,
}

/// An object that differs between two timeframes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDifference {
    /// The object.
    pub object: ObjectId,
    /// As it was in the one, `None` when it did not show: it was added.
    pub before: Option<Object>,
    /// As it is in the other, `None` when it does not show: it was removed.
    pub after: Option<Object>,
    /// What differs when it shows in both.
    pub properties: Vec<PropertyDifference>,
}

/// A property that differs between two versions of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyDifference {
    /// The property. Maps are compared inside.
    pub path: Path,
    /// Its value before, `None` when there was none.
    pub before: Option<Value>,
    /// Its value after, `None` when there is none.
    pub after: Option<Value>,
}

/// Undoes a transaction by a new one.
#[derive(Clone, Copy, Debug)]
pub struct Undo {
    /// The space.
    pub space: SpaceKey,
    /// The feed of the transaction.
    pub feed: FeedId,
    /// Its block.
    pub seq: u64,
    /// Also when somebody else wrote it.
    pub any: bool,
}

/// What undoing did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The new transaction, `None` when nothing was left to undo. Undoing it does it again.
    pub committed: Option<Committed>,
    /// What was undone.
    pub undone: Vec<UndoPart>,
    /// What was left as it is.
    pub kept: Vec<KeptPart>,
}

/// One thing that a transaction had changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UndoPart {
    /// The object.
    pub object: ObjectId,
    /// The property, `None` for the object's being there at all.
    pub path: Option<Path>,
}

/// One thing that was not undone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeptPart {
    /// The object.
    pub object: ObjectId,
    /// The property, `None` for the object's being there at all.
    pub path: Option<Path>,
    /// Why.
    pub reason: KeptReason,
}

/// Why something was not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeptReason {
    /// It was changed since, or a concurrent change shows in its place.
    Overwritten,
    /// Others have changed the object that the transaction made: deleting it would hide their
    /// work.
    InUse,
    /// It is of a kind that cannot be undone.
    Unsupported,
}

request! {
    ListConflicts => Result<BTreeMap<Path, Vec<Loser>>, EchoError>,
    ReadHistory => Result<HistoryPage, EchoError>,
    GetTimeframe => Result<Timeframe, EchoError>,
    ListFeeds => Result<Vec<FeedReport>, EchoError>,
    GetObjectAt => Result<Option<Object>, EchoError>,
    RunQueryAt => Result<Vec<Object>, EchoError>,
    Compare => Result<ComparePage, EchoError>,
    Undo => Result<Undone, EchoError>,
}
