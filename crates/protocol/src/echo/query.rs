//! Queries, and how they were answered.

use dxos_document::{Cursor, Difference, Object, Path, Query};
use dxos_keys::{ObjectId, SpaceKey};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Runs a query once.
#[derive(Clone, Debug)]
pub struct RunQuery {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
}

/// Finds which objects a query finds, in its order, to be read with [`ReadFound`]: for those who
/// read so many that they are not held at once.
#[derive(Clone, Debug)]
pub struct FindIds {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
}

/// Which objects a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundIds {
    /// They, in the order of the query.
    pub objects: Vec<ObjectId>,
    /// Behind what the next ones stand; `None` when these are all.
    pub next: Option<Cursor>,
    /// Objects that were loaded and looked at.
    pub looked_at: u64,
}

/// Reads objects that [`FindIds`] found.
#[derive(Clone, Debug)]
pub struct ReadFound {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
    /// Some of them. Those for which the query does not hold any more are left out.
    pub objects: Vec<ObjectId>,
}

/// Runs a query and tells how it was answered.
#[derive(Clone, Debug)]
pub struct ExplainQuery {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
}

/// How a query was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The index that served it, such as `task by due`; `None` when every object was looked at.
    pub index: Option<String>,
    /// Whether the index gave the results in their order, so that the limit ended the reading.
    pub in_order: bool,
    /// Rows of the index that were read.
    pub rows: u64,
    /// Objects that were loaded and looked at.
    pub objects: u64,
    /// Objects that were found.
    pub results: u64,
    /// Indexes that are not complete and could not serve.
    pub building: Vec<IndexReport>,
}

/// An index of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexReport {
    /// What it is called: of declared ones the type and the property.
    pub name: String,
    /// Whether queries use it.
    pub is_ready: bool,
    /// How many objects it has been built of so far.
    pub done: u64,
    /// How many objects there are.
    pub objects: u64,
}

/// Counts what a query finds; its limit and its order are left aside.
#[derive(Clone, Debug)]
pub struct CountQuery {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
}

/// Counts what a query finds by the value at a path; its limit and its order are left aside.
#[derive(Clone, Debug)]
pub struct GroupQuery {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
    /// The property, or what [`Path::about`] names.
    pub path: Path,
}

/// Asks for the indexes of a space and how far they are built.
#[derive(Clone, Copy, Debug)]
pub struct ListIndexes {
    /// The space.
    pub space: SpaceKey,
}

/// Runs a query and keeps it up to date.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The space.
    pub space: SpaceKey,
    /// The query.
    pub query: Query,
}

/// A live query. Dropping it ends it.
#[derive(Debug)]
pub struct LiveQuery {
    /// The result when it began.
    pub initial: Vec<Object>,
    /// What changed since; a slow reader gets several changes folded into one, so that no more
    /// than a fixed number are ever kept.
    pub changes: mpsc::Receiver<Difference>,
}
