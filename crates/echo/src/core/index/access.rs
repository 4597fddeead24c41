//! A way to objects: which rows of an index lead to them, and in what order.

use std::collections::BTreeSet;

use dxos_document::{Path, Query};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read};

use super::encode::entry;
use super::plan::direction;
use super::walk::{self, Range};

/// Where the objects come from that an access names.
#[derive(Clone, Debug)]
pub(in crate::core) enum Source {
    Ids(BTreeSet<ObjectId>),
    Ranges(Vec<Range>),
    /// What was found in ranges, in the order of the ids, and how many rows that were.
    Found(Vec<ObjectId>, u64),
}

/// In what order the rows of an access come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sorted {
    No,
    ById,
    By(Path),
}

/// A way to everything that a query can find.
#[derive(Clone, Debug)]
pub(in crate::core) struct Access {
    /// What it is called.
    pub(in crate::core) name: String,
    pub(in crate::core) source: Source,
    pub(super) sorted: Sorted,
    /// How little it is guessed to find: the smallest first.
    pub(super) rank: u8,
}

impl Access {
    pub(super) fn none() -> Self {
        Self::ids("none", BTreeSet::new(), 0)
    }

    pub(super) fn ids(name: &str, ids: BTreeSet<ObjectId>, rank: u8) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::Ids(ids),
            sorted: Sorted::No,
            rank,
        }
    }

    /// Whether its rows come in the order of a query.
    pub(super) fn serves(&self, query: &Query) -> bool {
        match (&self.sorted, query.order.first()) {
            (Sorted::ById, None) => true,
            (Sorted::By(path), Some(first)) => *path == first.path,
            _ => false,
        }
    }

    /// How many rows there are, but no more than `max`.
    pub(in crate::core) fn rows(&self, max: usize, store: &dyn Read) -> Result<usize, EchoError> {
        match &self.source {
            Source::Ids(ids) => Ok(ids.len().min(max)),
            Source::Ranges(ranges) => walk::count(ranges, max, store),
            Source::Found(_, rows) => Ok(usize::try_from(*rows).map_or(max, |rows| rows.min(max))),
        }
    }

    /// Leaves out what stands before the cursor of a query.
    pub(super) fn begin_behind(&mut self, query: &Query) {
        let (Some(cursor), Source::Ranges(ranges)) = (&query.after, &mut self.source) else {
            return;
        };
        let (from, direction) = match (query.order.first(), cursor.values().first()) {
            (Some(first), Some(value)) => (entry(value), direction(first.direction)),
            _ => (cursor.object().as_bytes().to_vec(), Direction::Forward),
        };
        for range in ranges {
            range.begin_at(&from, direction);
        }
    }
}
