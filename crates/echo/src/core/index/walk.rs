//! Reading rows of one or several ranges as one row of objects.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, KeyRange, Read, Scan};

use super::super::layout::{INDEX, SpaceNumber};
use super::super::space::store_failed;
use super::encode::{Entries, beginning_with, is_exact};

/// Objects with one entry that are read backwards before that is given up.
const TOGETHER_MAX: usize = if cfg!(test) { 2 } else { 64 };

/// Rows of an index that stand together, by their whole keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct Range {
    /// What all of them begin with. What comes between it and the id is what orders them.
    pub(super) base: Vec<u8>,
    pub(super) start: Vec<u8>,
    /// Where they end.
    pub(super) end: Option<Vec<u8>>,
}

impl Range {
    /// Rows with this beginning and an entry within `entries` behind it.
    pub(super) fn within(base: Vec<u8>, (first, end): Entries) -> Self {
        let join = |entry: Vec<u8>| [base.as_slice(), entry.as_slice()].concat();
        let start = join(first);
        let end = end.map(join).or_else(|| beginning_with(base.clone()).1);
        Self { base, start, end }
    }

    /// All rows with this beginning.
    pub(super) fn of(base: Vec<u8>) -> Self {
        Self::within(base, (Vec::new(), None))
    }

    /// Whether it is of objects that are deleted, if its base is the beginning of a section.
    pub(super) fn is_of_deleted(&self) -> bool {
        self.base.last() != Some(&0)
    }

    /// Where it starts, without the number of the space.
    pub(super) fn without_space(&self) -> &[u8] {
        self.start.get(SpaceNumber::LENGTH..).unwrap_or_default()
    }

    /// Only rows at or behind an entry in the order of the direction.
    pub(super) fn begin_at(&mut self, entry: &[u8], direction: Direction) {
        let here = self.key(entry);
        match direction {
            Direction::Forward => self.start = here.max(std::mem::take(&mut self.start)),
            Direction::Reverse => self.end_at(beginning_with(here).1),
        }
    }

    /// Only rows before an entry.
    fn before_entry(&mut self, entry: &[u8]) {
        self.end_at(Some(self.key(entry)));
    }

    fn key(&self, entry: &[u8]) -> Vec<u8> {
        [self.base.as_slice(), entry].concat()
    }

    fn end_at(&mut self, end: Option<Vec<u8>>) {
        if let Some(end) = end {
            let is_earlier = self.end.as_ref().is_none_or(|before| end < *before);
            if is_earlier {
                self.end = Some(end);
            }
        }
    }

    pub(super) fn scan<'a>(&self, store: &'a dyn Read, direction: Direction) -> Scan<'a> {
        let start = Bound::Included(Bytes::copy_from_slice(&self.start));
        let end = self.end.as_deref().map(Bytes::copy_from_slice);
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        store.scan(INDEX, KeyRange::new(start, end), direction)
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::core) struct Stats {
    /// Rows of indexes.
    pub(in crate::core) rows: u64,
    /// Objects that were loaded.
    pub(in crate::core) objects: u64,
}

/// The rows of several ranges, merged by their entries and ids.
struct Merged<'a> {
    scans: Vec<Peekable<Rows<'a>>>,
    direction: Direction,
}

pub(super) type Entry = (Bytes, ObjectId);
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Entry, EchoError>> + 'a>;

/// The entries and ids of rows.
pub(super) fn entries(scan: Scan<'_>, base: usize) -> Rows<'_> {
    Box::new(scan.filter_map(move |row| {
        let key = match row {
            Ok((key, _)) => key,
            Err(error) => return Some(Err(store_failed(&error))),
        };
        let at = key.len().checked_sub(ObjectId::LENGTH)?;
        let id = ObjectId::from_slice(key.get(at..)?)?;
        (base <= at).then(|| Ok((key.slice(base..at), id)))
    }))
}

impl<'a> Merged<'a> {
    fn new(ranges: &[Range], direction: Direction, store: &'a dyn Read) -> Self {
        let scans = ranges.iter().map(|range| {
            let scan = range.scan(store, direction);
            entries(scan, range.base.len()).peekable()
        });
        Self {
            scans: scans.collect(),
            direction,
        }
    }

    fn peek(&mut self) -> Result<Option<(usize, Entry)>, EchoError> {
        let mut best: Option<(usize, Entry)> = None;
        for (place, scan) in self.scans.iter_mut().enumerate() {
            let next = match scan.peek() {
                None => continue,
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok(entry)) => entry,
            };
            let is_better = best.as_ref().is_none_or(|(_, best)| match self.direction {
                Direction::Forward => next < best,
                Direction::Reverse => next > best,
            });
            if is_better {
                best = Some((place, next.clone()));
            }
        }
        Ok(best)
    }

    fn next(&mut self, stats: &mut Stats) -> Result<Option<Entry>, EchoError> {
        let Some((place, entry)) = self.peek()? else {
            return Ok(None);
        };
        if let Some(scan) = self.scans.get_mut(place) {
            scan.next();
        }
        stats.rows += 1;
        Ok(Some(entry))
    }
}

/// What is done with objects as they come, and whether it has seen enough.
type Visit<'v> = dyn FnMut(Together, &mut Stats) -> Result<ControlFlow<()>, EchoError> + 'v;

/// Objects whose entries are equal, as far as entries go.
pub(in crate::core) enum Together {
    /// The next one in order: of those with this entry the ids ascend.
    One(ObjectId),
    /// Some whose order among each other their entry does not tell.
    Some(BTreeSet<ObjectId>),
}

/// Visits the objects of `ranges` in the order of their entries. `is_sufficient`: an entry that
/// is exact needs no more order than that of the ids.
pub(in crate::core) fn in_order(
    ranges: &[Range],
    (direction, is_sufficient): (Direction, bool),
    store: &dyn Read,
    stats: &mut Stats,
    visit: &mut Visit<'_>,
) -> Result<(), EchoError> {
    let mut rows = Merged::new(ranges, direction, store);
    let mut last: Option<Entry> = None;
    while let Some(row) = rows.next(stats)? {
        // An object may be in several ranges.
        if last.as_ref() == Some(&row) {
            continue;
        }
        last = Some(row.clone());
        let (entry, id) = row;
        let is_enough = is_sufficient && (entry.is_empty() || is_exact(&entry));
        let flow = if is_enough && direction == Direction::Forward {
            visit(Together::One(id), stats)?
        } else {
            let mut group = BTreeSet::from([id]);
            let mut is_whole = true;
            while let Some((_, (next, _))) = rows.peek()?
                && next == entry
            {
                if is_enough && group.len() >= TOGETHER_MAX {
                    is_whole = false;
                    break;
                }
                group.extend(rows.next(stats)?.map(|(_, id)| id));
            }
            if !is_whole {
                rows = Merged::new(&before(ranges, &entry), direction, store);
                forward(ranges, &entry, store, stats, visit)?
            } else if is_enough {
                one_by_one(group, stats, visit)?
            } else {
                visit(Together::Some(group), stats)?
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn one_by_one(
    group: BTreeSet<ObjectId>,
    stats: &mut Stats,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, EchoError> {
    for id in group {
        if visit(Together::One(id), stats)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Many have one entry and come backwards: they are read from their other end.
fn forward(
    ranges: &[Range],
    entry: &[u8],
    store: &dyn Read,
    stats: &mut Stats,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, EchoError> {
    let mut ranges = ranges.to_vec();
    for range in &mut ranges {
        range.begin_at(entry, Direction::Forward);
        range.begin_at(entry, Direction::Reverse);
    }
    let mut rows = Merged::new(&ranges, Direction::Forward, store);
    let mut last = None;
    while let Some((_, id)) = rows.next(stats)? {
        if last.replace(id) != Some(id) && visit(Together::One(id), stats)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// What of the ranges comes before an entry.
fn before(ranges: &[Range], entry: &[u8]) -> Vec<Range> {
    let mut ranges = ranges.to_vec();
    for range in &mut ranges {
        range.before_entry(entry);
    }
    ranges
}

/// The objects of `ranges`, each once, in the order of their ids.
pub(in crate::core) fn all_of(
    ranges: &[Range],
    store: &dyn Read,
    stats: &mut Stats,
) -> Result<Vec<ObjectId>, EchoError> {
    let found = fewer_than(ranges, u64::MAX, store, stats)?;
    Ok(found.unwrap_or_default())
}

/// The same, if there are fewer than `max` rows.
pub(in crate::core) fn fewer_than(
    ranges: &[Range],
    max: u64,
    store: &dyn Read,
    stats: &mut Stats,
) -> Result<Option<Vec<ObjectId>>, EchoError> {
    let mut found = Vec::new();
    let mut rows = 0;
    for range in ranges {
        let scan = range.scan(store, Direction::Forward);
        for row in entries(scan, range.base.len()) {
            rows += 1;
            if rows >= max {
                return Ok(None);
            }
            found.push(row?.1);
        }
    }
    stats.rows += rows;
    // Those of one entry are in order already.
    found.sort();
    found.dedup();
    Ok(Some(found))
}

/// How many rows there are, but no more than `max`.
pub(in crate::core) fn count(
    ranges: &[Range],
    max: usize,
    store: &dyn Read,
) -> Result<usize, EchoError> {
    let mut counted = 0;
    for range in ranges {
        for row in range.scan(store, Direction::Forward) {
            row.map_err(|error| store_failed(&error))?;
            counted += 1;
            if counted >= max {
                return Ok(counted);
            }
        }
    }
    Ok(counted)
}
