//! Looking up words: where objects with them are, and how well each fits.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_document::{Clause, Path, Profile, Query, Relevance, Term, TextLength, TextStats};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read};

use super::super::layout::in_space;
use super::super::space::{Space, store_failed};
use super::access::{Access, Sorted, Source};
use super::best::Lookup;
use super::catalog::{IndexNumber, Kind, all_texts};
use super::encode::{beginning_with, put_open, put_text, take_text};
use super::plan::{FEW, Planner, SHARE};
use super::rows::{BEHIND, MANY, TYPE, declared_name, section};
use super::walk::{self, Range};
use super::words::lengths;

/// Rows of a word that are counted to find out which word is the rarest.
const COUNTED_MAX: usize = if cfg!(test) { 8 } else { 1024 };
/// Rows of words that are so few that all are read.
const READ_MAX: u64 = if cfg!(test) { 3 } else { 2048 };

/// Where everything is in which a word can be.
struct Places {
    name: String,
    /// By types.
    indexes: BTreeMap<String, IndexNumber>,
    /// The entries of types that have no such index: all their objects are looked at.
    types: Vec<Vec<u8>>,
}

/// What the indexes of words tell of a query in the order of relevance.
pub(in crate::core) struct Gathered {
    pub(in crate::core) relevance: Relevance,
    pub(in crate::core) candidates: Option<Candidates>,
}

/// Everything that a query can find.
#[derive(Clone, Debug)]
pub(in crate::core) struct Candidates {
    pub(in crate::core) name: String,
    pub(in crate::core) found: Found,
    /// Rows that were read to find that out.
    pub(in crate::core) rows: u64,
    /// Objects that were.
    pub(in crate::core) objects: u64,
}

#[derive(Clone, Debug)]
pub(in crate::core) enum Found {
    /// How well each fits, the best first.
    Scored(Vec<(f64, ObjectId)>),
    /// Where the best are looked up.
    Lookup(Box<Lookup>),
}

/// A row of a word.
struct Posting {
    object: ObjectId,
    /// The term, among those of all clauses.
    slot: usize,
    count: u32,
    length: TextLength,
    is_deleted: bool,
}

impl Planner<'_> {
    /// Where texts at `path` are looked up; `None` when there is no index. `is_exact`: an index
    /// of all texts does not do for those of one property.
    fn places(&self, path: Option<&Path>, is_exact: bool) -> Result<Option<Places>, EchoError> {
        let catalog = &self.space.indexes.catalog;
        let all = all_texts();
        let ready = |base: &str| {
            let exact = catalog.ready(base, path.unwrap_or(&all), Kind::Words);
            let is_within = !is_exact && path.is_some_and(|path| path.as_about().is_none());
            let wider = || catalog.ready(base, &all, Kind::Words);
            exact.or_else(|| is_within.then(wider).flatten())
        };
        let mut places = Places {
            name: declared_name(
                self.type_base.unwrap_or("all"),
                path.unwrap_or(&all),
                Kind::Words,
            ),
            indexes: BTreeMap::new(),
            types: Vec::new(),
        };
        if !catalog.has_texts() || catalog.clear_all {
            return Ok(None);
        }
        if let Some(base) = self.type_base {
            let index = ready(base);
            places
                .indexes
                .extend(index.map(|index| (base.to_owned(), index)));
        } else if self.is_base_ready() {
            for entry in self.types()?.unwrap_or_default() {
                let base = take_text(&entry).and_then(|(base, _)| String::from_utf8(base).ok());
                match base.and_then(|base| Some((ready(&base)?, base))) {
                    Some((index, base)) => drop(places.indexes.insert(base, index)),
                    None => places.types.push(entry),
                }
            }
        }
        Ok((!places.indexes.is_empty()).then_some(places))
    }

    /// Rows of one word, or of all that begin so.
    fn rows_of(&self, places: &Places, term: &Term) -> Vec<Range> {
        let mut entry = Vec::new();
        if term.is_prefix {
            put_open(term.text.as_bytes(), &mut entry);
        } else {
            put_text(term.text.as_bytes(), &mut entry);
        }
        let sections = places.indexes.values();
        let sections = sections.flat_map(|index| self.sections(*index));
        sections
            .map(|section| Range::within(section, beginning_with(entry.clone())))
            .collect()
    }

    /// Objects that have to be looked at whatever words they have.
    fn others(&self, places: &Places) -> Vec<Range> {
        let join = |section: Vec<u8>, entry: &[u8]| Range::of([section.as_slice(), entry].concat());
        let mut ranges = Vec::new();
        for index in places.indexes.values() {
            let sections = self.sections(*index).into_iter();
            ranges.extend(sections.map(|section| join(section, &MANY)));
        }
        for entry in &places.types {
            let sections = self.sections(TYPE).into_iter();
            ranges.extend(sections.map(|section| join(section, entry)));
        }
        let behind = section(BEHIND, false);
        ranges.push(Range::of(in_space(self.space.record.number, &behind)));
        ranges
    }

    /// A way to every object that can have all these words.
    pub(super) fn words(
        &self,
        path: Option<&Path>,
        terms: &[Term],
    ) -> Result<Option<Access>, EchoError> {
        let Some(places) = self.places(path, false)? else {
            return Ok(None);
        };
        let mut rarest: Option<(usize, Vec<Range>)> = None;
        for term in terms {
            let ranges = self.rows_of(&places, term);
            let rows = walk::count(&ranges, COUNTED_MAX, self.store)?;
            if rarest.as_ref().is_none_or(|(fewest, _)| rows < *fewest) {
                rarest = Some((rows, ranges));
            }
        }
        Ok(rarest.map(|(_, mut ranges)| {
            ranges.extend(self.others(&places));
            Access {
                name: places.name,
                source: Source::Ranges(ranges),
                sorted: Sorted::No,
                rank: 3,
            }
        }))
    }

    /// The rows of a term.
    fn postings(
        &self,
        (places, term, slot): (&Places, &Term, usize),
        loose: &BTreeSet<ObjectId>,
        found: &mut Vec<Posting>,
    ) -> Result<u64, EchoError> {
        let mut rows = 0;
        for range in self.rows_of(places, term) {
            for row in range.scan(self.store, Direction::Forward) {
                let (key, _) = row.map_err(|error| store_failed(&error))?;
                rows += 1;
                found.extend(
                    posting(&key, &range, slot).filter(|found| !loose.contains(&found.object)),
                );
            }
        }
        Ok(rows)
    }
}

fn posting(key: &Bytes, range: &Range, slot: usize) -> Option<Posting> {
    let (rest, object) = key.split_at_checked(key.len().checked_sub(ObjectId::LENGTH)?)?;
    let (_, [high, low, code]) = rest.split_last_chunk::<3>()?;
    Some(Posting {
        object: ObjectId::from_slice(object)?,
        slot,
        count: u16::from_be_bytes([*high, *low]).into(),
        length: TextLength::from_code(*code),
        is_deleted: range.is_of_deleted(),
    })
}

impl Space {
    /// What the indexes of words tell of a query that is ordered by relevance; `None` when there
    /// are not all that it takes, or they would lead to too many objects. `is_whole`: all rows are
    /// read, even if the best can be looked up.
    pub(in crate::core) fn gather(
        &self,
        query: &Query,
        is_whole: bool,
        store: &dyn Read,
    ) -> Result<Option<Gathered>, EchoError> {
        let clauses = query.clauses();
        let planner = Planner {
            space: self,
            store,
            deleted: query.deleted,
            type_base: query.filter.type_base(),
        };
        let mut places = Vec::new();
        for clause in &clauses {
            let Some(found) = planner.places(clause.path.as_ref(), true)? else {
                return Ok(None);
            };
            places.push(found);
        }
        let others = places.iter().flat_map(|places| planner.others(places));
        let others: BTreeSet<_> = others.collect();
        let others: Vec<_> = others.into_iter().collect();
        let many = usize::try_from(self.tally.objects / SHARE).unwrap_or(usize::MAX);
        if walk::count(&others, many.max(FEW), store)? >= many.max(FEW) {
            return Ok(None);
        }
        let mut read = walk::Stats::default();
        let loose = walk::all_of(&others, store, &mut read)?;
        let loose: BTreeSet<_> = loose.into_iter().collect();
        let mut rows = read.rows;
        if !is_whole
            && let ([clause], [places]) = (&*clauses, &*places)
            && let Some(gathered) = self.look_up(query, (&planner, places, clause), &loose, rows)?
        {
            return Ok(Some(gathered));
        }

        let slots: Vec<(usize, usize)> = (clauses.iter().enumerate())
            .flat_map(|(place, clause)| (0..clause.terms.len()).map(move |term| (place, term)))
            .collect();
        let mut postings = Vec::new();
        for (slot, (place, term)) in slots.iter().enumerate() {
            if let (Some(places), Some(clause)) = (places.get(*place), clauses.get(*place))
                && let Some(term) = clause.terms.get(*term)
            {
                rows += planner.postings((places, term, slot), &loose, &mut postings)?;
            }
        }
        postings.sort_by_key(|posting| (posting.object, posting.slot));

        let mut stats = self.word_stats(&clauses, &places);
        for posting in
            postings.chunk_by(|one, two| (one.object, one.slot) == (two.object, two.slot))
        {
            if let Some(posting) = posting.first()
                && !posting.is_deleted
                && let Some((place, term)) = slots.get(posting.slot)
                && let Some(stats) = stats.get_mut(*place)
                && let Some(found) = stats.found.get_mut(*term)
            {
                *found += 1;
            }
        }
        let mut profiles =
            self.loose_profiles(&loose, query, (&clauses, &places, &mut stats), store)?;
        let objects = u64::try_from(loose.len()).unwrap_or(u64::MAX);
        profiles.extend(
            postings
                .chunk_by(|one, two| one.object == two.object)
                .filter_map(|of| Some((of.first()?.object, profile(of, &clauses, &slots)))),
        );
        let is_required = |clause: &&Clause| clause.is_required && !clause.terms.is_empty();
        let has_required = clauses.iter().any(|clause| is_required(&clause));
        let name = places.first().map(|places| places.name.clone());
        let relevance = Relevance::new(clauses.iter().cloned().zip(stats));
        let mut scored: Vec<_> = profiles
            .into_iter()
            .filter(|(_, profiles)| {
                let mut all = clauses.iter().zip(profiles);
                all.all(|(clause, profile)| !clause.is_required || profile.has_all())
            })
            .map(|(object, profiles)| (relevance.score(&profiles), object))
            .collect();
        scored.sort_by(|(one, first), (two, second)| two.total_cmp(one).then(first.cmp(second)));
        let candidates = has_required.then(|| Candidates {
            name: name.unwrap_or_default(),
            found: Found::Scored(scored),
            rows,
            objects,
        });
        Ok(Some(Gathered {
            relevance,
            candidates,
        }))
    }

    /// The same of one clause with whole words, all of which have to be there, without reading
    /// all of their rows; `None` when they are few, or nothing is gained.
    fn look_up(
        &self,
        query: &Query,
        (planner, places, clause): (&Planner<'_>, &Places, &Clause),
        loose: &BTreeSet<ObjectId>,
        loose_rows: u64,
    ) -> Result<Option<Gathered>, EchoError> {
        let terms = &clause.terms;
        if !clause.is_required || terms.is_empty() || terms.iter().any(|term| term.is_prefix) {
            return Ok(None);
        }
        let store = planner.store;
        let by_term = terms.iter().map(|term| planner.rows_of(places, term));
        let by_term: Vec<Vec<Range>> = by_term.collect();
        let mut counts = Vec::new();
        for ranges in &by_term {
            let shown = ranges.iter().filter(|range| !range.is_of_deleted());
            let counted = shown.map(|range| self.count_word(range, store));
            counts.push(counted.sum::<Result<u64, EchoError>>()?);
        }
        if counts.iter().sum::<u64>() <= READ_MAX {
            return Ok(None);
        }
        let clauses = std::slice::from_ref(clause);
        let mut stats = self.word_stats(clauses, std::slice::from_ref(places));
        let behind = loose
            .iter()
            .filter_map(|id| self.indexes.words.behind.get(id));
        let behind: Vec<_> = behind.flatten().collect();
        let found = stats.iter_mut().flat_map(|stats| &mut stats.found);
        for ((found, ranges), count) in found.zip(&by_term).zip(&counts) {
            let shown = ranges.iter().filter(|range| !range.is_of_deleted());
            let shown: Vec<_> = shown.map(Range::without_space).collect();
            // What stands in the place of their rows is counted below.
            let stale = behind
                .iter()
                .filter(|row| shown.iter().any(|word| row.starts_with(word)));
            *found = count.saturating_sub(u64::try_from(stale.count()).unwrap_or(u64::MAX));
        }
        let parts = (clauses, std::slice::from_ref(places), &mut *stats);
        let profiles = self.loose_profiles(loose, query, parts, store)?;
        let objects = u64::try_from(loose.len()).unwrap_or(u64::MAX);
        let relevance = Relevance::new(clauses.iter().cloned().zip(stats));
        let scored = profiles
            .into_iter()
            .filter(|(_, of)| of.iter().all(Profile::has_all));
        let scored = scored.map(|(id, of)| (relevance.score(&of), id)).collect();
        let sections = (0..by_term.first().map_or(0, Vec::len)).map(|section| {
            let of = by_term
                .iter()
                .filter_map(|ranges| ranges.get(section).cloned());
            of.collect()
        });
        let sections: Vec<Vec<Range>> = sections.collect();
        let words = (sections.as_slice(), counts.as_slice());
        let lookup = Lookup::new(words, relevance.clone(), (loose.clone(), scored), store)?;
        Ok(lookup.map(|lookup| Gathered {
            relevance,
            candidates: Some(Candidates {
                name: places.name.clone(),
                rows: loose_rows,
                objects,
                found: Found::Lookup(Box::new(lookup)),
            }),
        }))
    }

    /// How many rows a word has in a range of its own.
    fn count_word(&self, range: &Range, store: &dyn Read) -> Result<u64, EchoError> {
        let frequent = &self.indexes.words.frequent;
        let word = range.without_space();
        if let Some(rows) = frequent.rows(word) {
            return Ok(rows);
        }
        let rows = walk::count(std::slice::from_ref(range), usize::MAX, store)?;
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        frequent.keep(word, rows);
        Ok(rows)
    }

    /// What the indexes have in all.
    fn word_stats(&self, clauses: &[Clause], places: &[Places]) -> Vec<TextStats> {
        let totals = &self.indexes.words.totals;
        let stats = clauses.iter().zip(places).map(|(clause, places)| {
            let mut stats = TextStats::new(clause);
            for index in places.indexes.values() {
                let totals = totals.get(index).copied().unwrap_or_default();
                stats.objects += totals.objects;
                stats.words += totals.words;
            }
            stats
        });
        stats.collect()
    }

    /// Looks at objects whose rows do not tell, and counts them in the place of their rows.
    fn loose_profiles(
        &self,
        loose: &BTreeSet<ObjectId>,
        query: &Query,
        (clauses, places, stats): (&[Clause], &[Places], &mut [TextStats]),
        store: &dyn Read,
    ) -> Result<Vec<(ObjectId, Vec<Profile>)>, EchoError> {
        let mut found = Vec::new();
        for id in loose {
            if *id == self.properties_id() {
                continue;
            }
            let Some(object) = self.object(id, store)? else {
                continue;
            };
            let behind = self.indexes.words.behind.get(id).map(lengths);
            let mut profiles = Vec::new();
            for ((clause, places), stats) in clauses.iter().zip(places).zip(&mut *stats) {
                let profile = clause.profile(&object);
                let index = places.indexes.get(object.type_name().base());
                if let (Some(behind), Some(index)) = (&behind, index)
                    && let Some(words) = behind.get(index)
                {
                    stats.objects = stats.objects.saturating_sub(1);
                    stats.words = stats.words.saturating_sub(*words);
                }
                if query.weighs(&object) {
                    stats.add(&profile);
                    if index.is_some() && behind.is_none() {
                        // Its length is among the totals.
                        stats.remove_length(profile.length);
                    }
                }
                profiles.push(profile);
            }
            found.push((*id, profiles));
        }
        Ok(found)
    }
}

/// What the rows of one object say.
fn profile(postings: &[Posting], clauses: &[Clause], slots: &[(usize, usize)]) -> Vec<Profile> {
    let mut profiles: Vec<_> = clauses.iter().map(Profile::nothing).collect();
    for posting in postings {
        if let Some((place, term)) = slots.get(posting.slot)
            && let Some(profile) = profiles.get_mut(*place)
        {
            profile.length = posting.length;
            if let Some(count) = profile.counts.get_mut(*term) {
                *count = count.saturating_add(posting.count);
            }
        }
    }
    profiles
}
