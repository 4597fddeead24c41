//! The best of what has all of some words, without reading all that has one of them.
//!
//! Rows of a word stand in the order of how often it is there, then of how long the texts are,
//! then of the objects. Those that agree in the first two are a **group**: what the word adds to
//! how well an object fits is the same for all of it, and the objects ascend. The groups of the
//! rarest word are read the best first, each object of them as if it had the most that any text
//! of its length has of the other words. Which it has is looked up then, and an object is told
//! once nothing that is still to come can fit better. (Bounds of this kind are those of WAND:
//! Broder and others, "Efficient Query Evaluation using a Two-Level Retrieval Process", 2003.)

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_document::{Profile, Relevance, TextLength};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read, Scan};

use super::super::layout::INDEX;
use super::super::space::store_failed;
use super::encode::beginning_with;
use super::walk::Range;

/// Groups of one word: of more, all rows are read instead.
const GROUPS_MAX: usize = if cfg!(test) { 24 } else { 2048 };
/// For so many rows that need not be read one look at another word is made. After that all are
/// read.
const ROWS_PER_LOOK: u64 = if cfg!(test) { 2 } else { 8 };

/// Rows of a word that agree in all but the object.
#[derive(Clone, Debug)]
struct Group {
    count: u16,
    length: TextLength,
    /// What the rows begin with.
    prefix: Vec<u8>,
}

/// The rows of all words in one section of one index, by the words.
#[derive(Clone, Debug)]
struct Section {
    groups: Vec<Vec<Group>>,
}

/// What is searched for: words that all have to be there, and what is known of their rows.
#[derive(Clone, Debug)]
pub(in crate::core) struct Lookup {
    sections: Vec<Section>,
    /// Which of the words has the fewest rows.
    rarest: usize,
    looks_max: u64,
    relevance: Relevance,
    /// Objects whose rows do not tell.
    loose: BTreeSet<ObjectId>,
    /// How well those of them fit that have the words.
    scored: Vec<(f64, ObjectId)>,
    /// Rows that were read to find all that out.
    pub(super) rows: u64,
}

impl Lookup {
    /// Looks up the groups of the words, which have `ranges` in each section and these numbers
    /// of rows. `None` when there are too many groups.
    pub(super) fn new(
        (ranges, rows): (&[Vec<Range>], &[u64]),
        relevance: Relevance,
        (loose, scored): (BTreeSet<ObjectId>, Vec<(f64, ObjectId)>),
        store: &dyn Read,
    ) -> Result<Option<Self>, EchoError> {
        let mut left = GROUPS_MAX;
        let mut sections = Vec::new();
        for ranges in ranges {
            let mut section = Section { groups: Vec::new() };
            for range in ranges {
                let Some(groups) = groups(range, &mut left, store)? else {
                    return Ok(None);
                };
                section.groups.push(groups);
            }
            sections.push(section);
        }
        let all: u64 = rows.iter().sum();
        let rarest = rows.iter().enumerate().min_by_key(|(_, rows)| **rows);
        Ok(Some(Self {
            sections,
            rarest: rarest.map_or(0, |(place, _)| place),
            looks_max: all / ROWS_PER_LOOK,
            relevance,
            loose,
            scored,
            rows: u64::try_from(GROUPS_MAX - left).unwrap_or(0),
        }))
    }

    /// The objects, the best first, and of equally good ones in the order of their ids.
    pub(in crate::core) fn best<'a>(&'a self, store: &'a dyn Read) -> Best<'a> {
        let mut best = Best {
            lookup: self,
            store,
            to_come: BTreeSet::new(),
            open: BTreeMap::new(),
            known: self
                .scored
                .iter()
                .map(|(score, id)| place(*score, *id))
                .collect(),
            looks: 0,
            rows: self.rows,
        };
        for (number, section) in self.sections.iter().enumerate() {
            let groups = section.groups.get(self.rarest).into_iter().flatten();
            for (group, of) in groups.enumerate() {
                if let Some(most) = self.most(section, of) {
                    let bound = Reverse(self.score(of.length, &most).to_bits());
                    best.to_come.insert((bound, None, (number, group)));
                }
            }
        }
        best
    }

    /// A group of the rarest word, by its section and its number there.
    fn group(&self, (section, group): GroupNumber) -> Option<(&Section, &Group)> {
        let section = self.sections.get(section)?;
        let group = section.groups.get(self.rarest)?.get(group)?;
        Some((section, group))
    }

    /// How often each word is in texts of a length at most, if one is there as often as a group
    /// says. `None` when no text of this length has all words.
    fn most(&self, section: &Section, group: &Group) -> Option<Vec<u32>> {
        let words = section.groups.iter().enumerate();
        let most = words.map(|(word, groups)| {
            if word == self.rarest {
                return Some(group.count.into());
            }
            let counts = same_length(groups, group.length).map(|group| group.count);
            counts.max().map(u32::from)
        });
        most.collect()
    }

    /// Sums of what grows never shrink, in whatever precision: of counts that are at least as
    /// great the score is.
    fn score(&self, length: TextLength, counts: &[u32]) -> f64 {
        let counts = counts.to_vec();
        self.relevance.score(&[Profile { length, counts }])
    }
}

fn same_length(groups: &[Group], length: TextLength) -> impl Iterator<Item = &Group> {
    groups.iter().filter(move |group| group.length == length)
}

/// The groups in a range, as many as are `left`.
fn groups(
    range: &Range,
    left: &mut usize,
    store: &dyn Read,
) -> Result<Option<Vec<Group>>, EchoError> {
    let mut groups = Vec::new();
    let mut rest = range.clone();
    while let Some(row) = rest.scan(store, Direction::Forward).next() {
        let (key, _) = row.map_err(|error| store_failed(&error))?;
        let Some(prefix) = key
            .len()
            .checked_sub(ObjectId::LENGTH)
            .and_then(|at| key.get(..at))
        else {
            break;
        };
        let Some((_, [high, low, code])) = prefix.split_last_chunk::<3>() else {
            break;
        };
        if *left == 0 {
            return Ok(None);
        }
        *left -= 1;
        groups.push(Group {
            count: u16::from_be_bytes([*high, *low]),
            length: TextLength::from_code(*code),
            prefix: prefix.to_vec(),
        });
        match beginning_with(prefix.to_vec()).1 {
            Some(next) => rest.start = next,
            None => break,
        }
    }
    Ok(Some(groups))
}

/// How well something fits, the best first, and its id.
type Place = (Reverse<u64>, ObjectId);

fn place(score: f64, id: ObjectId) -> Place {
    // Of numbers that are not negative the bits ascend.
    (Reverse(score.to_bits()), id)
}

/// A group of the rarest word: the number of its section, and its own.
type GroupNumber = (usize, usize);

/// What is found, the best first.
pub(in crate::core) struct Best<'a> {
    lookup: &'a Lookup,
    store: &'a dyn Read,
    /// The next object of each group, `None` when nothing was read of it, at the place that it
    /// has at best.
    to_come: BTreeSet<(Reverse<u64>, Option<ObjectId>, GroupNumber)>,
    open: BTreeMap<GroupNumber, Scan<'a>>,
    /// Objects that have all words.
    known: BTreeSet<Place>,
    looks: u64,
    /// Rows that were read.
    pub(in crate::core) rows: u64,
}

/// What comes next.
pub(in crate::core) enum Next {
    /// How well an object fits.
    Found(f64, ObjectId),
    /// To read all rows is less work by now.
    GivenUp,
    End,
}

impl Best<'_> {
    /// The next object.
    pub(in crate::core) fn next(&mut self) -> Result<Next, EchoError> {
        loop {
            let known = self.known.first().copied();
            let Some((bound, id, group)) = self.to_come.first().copied() else {
                return Ok(self.tell(known));
            };
            // One that nothing was read of may begin with any id.
            if known
                .is_some_and(|known| known.0 < bound || id.is_some_and(|id| known < (bound, id)))
            {
                return Ok(self.tell(known));
            }
            self.to_come.pop_first();
            if let Some(id) = id {
                if self.looks > self.lookup.looks_max {
                    return Ok(Next::GivenUp);
                }
                if let Some(score) = self.look(group, id)? {
                    self.known.insert(place(score, id));
                }
            }
            if let Some(next) = self.read(group)? {
                self.to_come.insert((bound, Some(next), group));
            }
        }
    }

    fn tell(&mut self, known: Option<Place>) -> Next {
        let Some((score, id)) = known else {
            return Next::End;
        };
        self.known.pop_first();
        Next::Found(f64::from_bits(score.0), id)
    }

    /// The next object of a group.
    fn read(&mut self, group: GroupNumber) -> Result<Option<ObjectId>, EchoError> {
        let mut rows = match self.open.remove(&group) {
            Some(rows) => rows,
            None => match self.lookup.group(group) {
                Some((_, of)) => Range::of(of.prefix.clone()).scan(self.store, Direction::Forward),
                None => return Ok(None),
            },
        };
        for row in rows.by_ref() {
            let (key, _): (Bytes, Bytes) = row.map_err(|error| store_failed(&error))?;
            self.rows += 1;
            let at = key.len().checked_sub(ObjectId::LENGTH);
            let id = at.and_then(|at| ObjectId::from_slice(key.get(at..)?));
            if let Some(id) = id.filter(|id| !self.lookup.loose.contains(id)) {
                self.open.insert(group, rows);
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// How well an object of a group fits; `None` when it does not have all words.
    fn look(&mut self, group: GroupNumber, id: ObjectId) -> Result<Option<f64>, EchoError> {
        let lookup = self.lookup;
        let Some((section, of)) = lookup.group(group) else {
            return Ok(None);
        };
        let mut counts = Vec::with_capacity(section.groups.len());
        for (word, groups) in section.groups.iter().enumerate() {
            if word == lookup.rarest {
                counts.push(of.count.into());
                continue;
            }
            let mut count = None;
            for group in same_length(groups, of.length) {
                self.looks += 1;
                self.rows += 1;
                let key = [group.prefix.as_slice(), id.as_bytes()].concat();
                let is_there = self.store.contains(INDEX, &key);
                if is_there.map_err(|error| store_failed(&error))? {
                    count = Some(u32::from(group.count));
                    break;
                }
            }
            match count {
                Some(count) => counts.push(count),
                None => return Ok(None),
            }
        }
        Ok(Some(lookup.score(of.length, &counts)))
    }
}
