//! Which index answers a query.

use std::collections::BTreeSet;

use dxos_document::{
    Comparison, Deleted, Direction as Order, Filter, ObjectRef, Path, Query, Value,
};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, KeyRange, Read};

use super::super::layout::{INDEX, in_space};
use super::super::space::{Space, store_failed};
use super::access::{Access, Sorted, Source};
use super::catalog::{IndexNumber, Kind};
use super::encode::{self, beginning_with, take_text};
use super::rows::{
    CREATED, FOREIGN_KEY, MANY, REFERENCE, RELATION_FROM, RELATION_TO, TAG, TYPE, UPDATED,
    declared_name, reference_entry, section, text_entry,
};
use super::walk::{self, Range};

/// Rows that are so few that they are read whatever the order.
pub(super) const FEW: usize = if cfg!(test) { 2 } else { 200 };
/// Objects are read one after the other so many times faster than here and there.
pub(super) const SHARE: u64 = if cfg!(test) { 1 } else { 4 };
/// Objects that are all looked at rather than one after the other until there are enough that
/// fit best.
const LOOKED_AT_MAX: usize = if cfg!(test) { 3 } else { 4096 };
/// Types whose rows are read side by side.
const TYPES_MAX: usize = 64;

/// How a query is answered.
#[derive(Clone, Debug)]
pub(in crate::core) enum Plan {
    /// By looking at every object.
    Scan,
    /// By looking at all that an access names.
    All(Access),
    /// By looking at what an access names in the order of the query, until there is enough.
    InOrder(Access),
}

/// What an index is called, and where its rows begin.
type Named = (String, Vec<Vec<u8>>);

pub(super) struct Planner<'a> {
    pub(super) space: &'a Space,
    pub(super) store: &'a dyn Read,
    pub(super) deleted: Deleted,
    /// The type that all results are of.
    pub(super) type_base: Option<&'a str>,
}

/// The conditions that all have to hold.
fn conditions<'a>(filter: &'a Filter, found: &mut Vec<&'a Filter>) {
    match filter {
        Filter::And(all) => all.iter().for_each(|filter| conditions(filter, found)),
        other => found.push(other),
    }
}

impl Space {
    /// What plans a query, and the conditions of it that all have to hold.
    pub(super) fn planner<'a>(
        &'a self,
        query: &'a Query,
        store: &'a dyn Read,
    ) -> (Planner<'a>, Vec<&'a Filter>) {
        let mut all = Vec::new();
        conditions(&query.filter, &mut all);
        let planner = Planner {
            space: self,
            store,
            deleted: query.deleted,
            type_base: query.filter.type_base(),
        };
        (planner, all)
    }

    /// Decides how a query is answered, which was resolved.
    pub(in crate::core) fn plan_query(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Plan, EchoError> {
        let (planner, all) = self.planner(query, store);
        let mut accesses = Vec::new();
        for filter in all {
            accesses.extend(planner.access(filter)?);
        }
        accesses.sort_by_key(|access| access.rank);
        let ordered = accesses.iter().find(|access| access.serves(query));
        let ordered = match ordered {
            Some(access) => Some(access.clone()),
            None => planner.order(query)?,
        };
        for access in &accesses {
            if access.rows(FEW, store)? < FEW {
                return Ok(Plan::All(access.clone()));
            }
        }
        if query.limit.is_some()
            && let Some(mut access) = ordered
        {
            access.begin_behind(query);
            return Ok(Plan::InOrder(access));
        }
        let Some(mut best) = accesses.into_iter().next() else {
            return Ok(Plan::Scan);
        };
        let many = (self.tally.objects / SHARE).max(1);
        let is_few = match &best.source {
            Source::Ids(ids) => ids.len() < usize::try_from(many).unwrap_or(usize::MAX),
            Source::Ranges(ranges) => {
                let mut read = walk::Stats::default();
                let found = walk::fewer_than(ranges, many, store, &mut read)?;
                let is_few = found.is_some();
                if let Some(found) = found {
                    // Whoever counts them has read them.
                    best.source = Source::Found(found, read.rows);
                }
                is_few
            }
            Source::Found(..) => true,
        };
        Ok(if is_few { Plan::All(best) } else { Plan::Scan })
    }

    /// A way to everything that a query can find which leads to few objects, by what it asks for
    /// beside words and a type.
    pub(in crate::core) fn plan_few(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<Access>, EchoError> {
        let (planner, all) = self.planner(query, store);
        for filter in all {
            if let Filter::Text { .. } | Filter::TypeAnyVersion(_) | Filter::TypeExact(_) = filter {
                continue;
            }
            if let Some(access) = planner.access(filter)?
                && access.rows(LOOKED_AT_MAX, store)? < LOOKED_AT_MAX
            {
                return Ok(Some(access));
            }
        }
        Ok(None)
    }
}

/// The direction in which rows are read.
pub(in crate::core) const fn direction(order: Order) -> Direction {
    match order {
        Order::Ascending => Direction::Forward,
        Order::Descending => Direction::Reverse,
    }
}

impl Planner<'_> {
    /// The beginnings of rows of an index, one for each kind of objects that are looked for.
    pub(super) fn sections(&self, index: IndexNumber) -> Vec<Vec<u8>> {
        let number = self.space.record.number;
        let sections: &[bool] = match self.deleted {
            Deleted::Exclude => &[false],
            // What is hidden counts as deleted, and has its rows among those that are not.
            _ => &[false, true],
        };
        let sections = sections.iter();
        sections
            .map(|is_deleted| in_space(number, &section(index, *is_deleted)))
            .collect()
    }

    pub(super) const fn is_base_ready(&self) -> bool {
        self.space.indexes.catalog.base_ready
    }

    /// Rows with one of some entries.
    fn equal(
        &self,
        name: &str,
        index: IndexNumber,
        entries: &[Vec<u8>],
        rank: u8,
    ) -> Option<Access> {
        if !self.is_base_ready() {
            return None;
        }
        let mut ranges = BTreeSet::new();
        for section in self.sections(index) {
            for entry in entries {
                ranges.insert(Range::of([section.as_slice(), entry.as_slice()].concat()));
            }
        }
        Some(Access {
            name: name.to_owned(),
            source: Source::Ranges(ranges.into_iter().collect()),
            sorted: Sorted::ById,
            rank,
        })
    }

    /// A way to everything for which a condition can hold.
    fn access(&self, filter: &Filter) -> Result<Option<Access>, EchoError> {
        let reference = |name: &str, index, target: &ObjectRef, many: bool| {
            let mut entries = vec![reference_entry(&self.space.key(), target)];
            if many {
                entries.push(MANY.to_vec());
            }
            self.equal(name, index, &entries, 2)
        };
        Ok(match filter {
            Filter::And(all) => {
                let mut best: Option<Access> = None;
                for filter in all {
                    let access = self.access(filter)?;
                    best = match (best, access) {
                        (Some(best), Some(other)) if other.rank >= best.rank => Some(best),
                        (best, access) => access.or(best),
                    };
                }
                best
            }
            Filter::ChildOf(parent) => {
                let tree = self.space.tree(self.store)?;
                let children = tree.children(*parent).collect();
                Some(Access::ids("children", children, 1))
            }
            Filter::Compare {
                path,
                comparison,
                value,
            } => match encode::compared(*comparison, value) {
                Some(entries) => {
                    let rank = if *comparison == Comparison::Eq { 3 } else { 4 };
                    self.property(path, vec![entries], rank, value)?
                }
                None => None,
            },
            Filter::ForeignKeys(keys) => {
                let keys = keys.iter();
                let entries = keys.map(|key| text_entry(&[&key.source, &key.id]));
                let entries: Vec<_> = entries.chain([MANY.to_vec()]).collect();
                self.equal("foreign key", FOREIGN_KEY, &entries, 1)
            }
            Filter::Ids(ids) => Some(Access::ids("id", ids.clone(), 0)),
            Filter::In { path, values } => {
                let entries: Vec<_> = values.iter().map(encode::equal_to).collect();
                match values.first() {
                    None => Some(Access::none()),
                    Some(_) if path.as_about().is_some() => None,
                    Some(first) => self.property(path, entries, 3, first)?,
                }
            }
            Filter::Or(any) => self.any(any)?,
            Filter::Prefix { path, prefix } if path.as_about().is_none() => {
                let entries = encode::texts_with(prefix);
                self.property(path, vec![entries], 4, &Value::Null)?
            }
            Filter::References { target, .. } => reference("reference", REFERENCE, target, true),
            Filter::RelationFrom(source) => {
                reference("relation source", RELATION_FROM, source, false)
            }
            Filter::RelationTo(target) => reference("relation target", RELATION_TO, target, false),
            Filter::Tag(tag) => self.equal("tag", TAG, &[text_entry(&[tag]), MANY.to_vec()], 3),
            Filter::Text { words, .. } if words.find_nothing() => Some(Access::none()),
            Filter::Text { path, words } => self.words(path.as_ref(), &words.terms())?,
            Filter::TypeAnyVersion(base) => self.equal("type", TYPE, &[text_entry(&[base])], 6),
            Filter::TypeExact(name) => self.equal("type", TYPE, &[text_entry(&[name.base()])], 6),
            _ => None,
        })
    }

    /// The ways to each of several, if there are.
    fn any(&self, any: &[Filter]) -> Result<Option<Access>, EchoError> {
        let mut together = Access::none();
        if any.is_empty() {
            return Ok(Some(together));
        }
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        let mut ranges = BTreeSet::new();
        let mut sorted = None;
        for filter in any {
            let Some(access) = self.access(filter)? else {
                return Ok(None);
            };
            names.insert(access.name);
            together.rank = together.rank.max(access.rank);
            // Rows of one order are merged in that order.
            sorted = match sorted {
                Some(before) if before != access.sorted => Some(Sorted::No),
                _ => Some(access.sorted),
            };
            match access.source {
                Source::Ids(more) => ids.extend(more),
                Source::Found(more, _) => ids.extend(more),
                Source::Ranges(more) => ranges.extend(more),
            }
        }
        if ranges.is_empty() {
            together.source = Source::Ids(ids);
        } else if ids.is_empty() {
            together.source = Source::Ranges(ranges.into_iter().collect());
            together.sorted = sorted.unwrap_or(Sorted::No);
        } else {
            return Ok(None);
        }
        together.name = names.into_iter().collect::<Vec<_>>().join(" or ");
        Ok(Some(together))
    }

    /// Rows of the index of a property with entries in some rows of them.
    fn property(
        &self,
        path: &Path,
        entries: Vec<encode::Entries>,
        rank: u8,
        value: &Value,
    ) -> Result<Option<Access>, EchoError> {
        let Some((name, bases)) = self.bases(path)? else {
            return Ok(None);
        };
        if path.as_about().is_some() && !matches!(value, Value::Timestamp(_)) {
            return Ok(None);
        }
        let mut ranges = BTreeSet::new();
        for base in bases {
            for entries in &entries {
                ranges.insert(Range::within(base.clone(), entries.clone()));
            }
        }
        // A condition on times says less than one on a property that somebody declared.
        let rank = if path.as_about().is_some() { 5 } else { rank };
        Ok(Some(Access {
            name,
            source: Source::Ranges(ranges.into_iter().collect()),
            sorted: Sorted::By(path.clone()),
            rank,
        }))
    }

    /// The index of a property, and where its rows begin; `None` when there is none that is
    /// complete.
    fn bases(&self, path: &Path) -> Result<Option<Named>, EchoError> {
        let index = match path.as_about() {
            None => {
                let catalog = &self.space.indexes.catalog;
                let base = self.type_base;
                let found =
                    base.and_then(|base| Some((base, catalog.ready(base, path, Kind::Order)?)));
                let found = found.map(|(base, index)| {
                    (declared_name(base, path, Kind::Order), self.sections(index))
                });
                return Ok(found);
            }
            Some("created") => CREATED,
            Some("updated") => UPDATED,
            Some(_) => return Ok(None),
        };
        if !self.is_base_ready() {
            return Ok(None);
        }
        let types = match self.type_base {
            Some(base) => Some(vec![text_entry(&[base])]),
            None => self.types()?,
        };
        Ok(types.map(|types| {
            let sections = self.sections(index);
            let bases = sections.iter().flat_map(|section| {
                let types = types.iter();
                types.map(|entry| [section.as_slice(), entry.as_slice()].concat())
            });
            (
                path.as_about().unwrap_or_default().to_owned(),
                bases.collect(),
            )
        }))
    }

    /// The types that there are, as entries; `None` when there are too many.
    pub(super) fn types(&self) -> Result<Option<Vec<Vec<u8>>>, EchoError> {
        let mut found = BTreeSet::new();
        for section in self.sections(TYPE) {
            let (mut start, end) = beginning_with(section.clone());
            loop {
                let range = KeyRange::between(&start, end.as_deref().unwrap_or_default());
                let Some(row) = self.store.scan(INDEX, range, Direction::Forward).next() else {
                    break;
                };
                let (key, _) = row.map_err(|error| store_failed(&error))?;
                let Some(rest) = key.get(section.len()..) else {
                    break;
                };
                let length = match take_text(rest) {
                    Some((_, after)) => rest.len() - after.len(),
                    None => rest.len().saturating_sub(ObjectId::LENGTH),
                };
                let entry = rest.get(..length).unwrap_or_default();
                found.insert(entry.to_vec());
                if found.len() > TYPES_MAX {
                    return Ok(None);
                }
                match beginning_with([section.as_slice(), entry].concat()).1 {
                    Some(next) => start = next,
                    None => break,
                }
            }
        }
        Ok(Some(found.into_iter().collect()))
    }

    /// All rows of an index in the order of a query.
    fn order(&self, query: &Query) -> Result<Option<Access>, EchoError> {
        let Some(first) = query.order.first() else {
            return Ok(None);
        };
        let Some((name, bases)) = self.bases(&first.path)? else {
            return Ok(None);
        };
        Ok(Some(Access {
            name,
            source: Source::Ranges(bases.into_iter().map(Range::of).collect()),
            sorted: Sorted::By(first.path.clone()),
            rank: 7,
        }))
    }
}
