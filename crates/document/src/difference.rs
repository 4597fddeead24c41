//! How the answer to a query changes.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;
use serde::{Deserialize, Serialize};

use crate::{Filter, Object, Query, Relevance};

/// Changes up to which a result is changed in place.
const FEW_MAX: usize = 4;

/// An object and where it is in the new answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Its position, from 0.
    pub position: usize,
    /// The object.
    pub object: Object,
}

/// What turns one answer to a query into the next. Objects that are not named keep their order
/// among themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Objects that were not in the old answer, by position.
    pub added: Vec<Placed>,
    /// Objects that are not in the new answer.
    pub removed: Vec<ObjectId>,
    /// Objects that are in both but not the same, by position: where one was before, it is
    /// there no longer.
    pub updated: Vec<Placed>,
}

impl Difference {
    /// What turns `old` into `new`, both answers to one query.
    pub fn between(old: &[Object], new: &[Object]) -> Self {
        let before: BTreeMap<_, _> = old.iter().map(|object| (object.id(), object)).collect();
        let after: BTreeSet<_> = new.iter().map(Object::id).collect();
        let mut difference = Self {
            removed: old
                .iter()
                .map(Object::id)
                .filter(|id| !after.contains(id))
                .collect(),
            ..Self::default()
        };
        for (position, object) in new.iter().enumerate() {
            let list = match before.get(&object.id()) {
                Some(old) if *old == object => continue,
                Some(_) => &mut difference.updated,
                None => &mut difference.added,
            };
            list.push(Placed {
                position,
                object: object.clone(),
            });
        }
        difference
    }

    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.updated.is_empty()
    }

    /// Turns the old answer into the new one, which is exactly what running the query again
    /// gives.
    pub fn fold(self, results: &mut Vec<Object>) {
        if self.added.len() + self.removed.len() + self.updated.len() <= FEW_MAX {
            return self.fold_few(results);
        }
        let mut gone: BTreeSet<_> = self.removed.into_iter().collect();
        let mut placed = self.added;
        placed.extend(self.updated);
        placed.sort_by_key(|placed| placed.position);
        gone.extend(placed.iter().map(|placed| placed.object.id()));

        let mut kept = std::mem::take(results)
            .into_iter()
            .filter(|object| !gone.contains(&object.id()));
        for Placed { position, object } in placed {
            let before = position.saturating_sub(results.len());
            results.extend(kept.by_ref().take(before));
            results.push(object);
        }
        results.extend(kept);
    }

    /// The same in place: nothing but what changed is moved one by one.
    fn fold_few(self, results: &mut Vec<Object>) {
        let updated = self.updated.iter().map(|placed| placed.object.id());
        for id in self.removed.iter().copied().chain(updated) {
            if let Some(found) = results.iter().position(|object| object.id() == id) {
                results.remove(found);
            }
        }
        let mut placed = self.added;
        placed.extend(self.updated);
        placed.sort_by_key(|placed| placed.position);
        for Placed { position, object } in placed {
            results.insert(position.min(results.len()), object);
        }
    }
}

/// The answer to a query, kept up to date from the objects that change, without running the
/// query again.
///
/// It holds every match, also those that the limit hides, because any of them may move up.
#[derive(Clone, Debug)]
pub struct LiveResults {
    query: Query,
    relevance: Option<Relevance>,
    matches: Vec<Object>,
    members: BTreeSet<ObjectId>,
}

impl LiveResults {
    /// Answers `query` from `objects`, each of which may come once.
    pub fn new(query: Query, objects: impl IntoIterator<Item = Object>) -> Self {
        Self::ranked(query, None, objects)
    }

    /// The same for a query whose order is by `relevance`, as it is now: see
    /// [`LiveResults::weigh`].
    pub fn ranked(
        query: Query,
        relevance: Option<Relevance>,
        objects: impl IntoIterator<Item = Object>,
    ) -> Self {
        let unlimited = Query {
            limit: None,
            ..query.clone()
        };
        let matches = unlimited.run_ranked(relevance.as_ref(), objects);
        Self {
            relevance,
            members: matches.iter().map(Object::id).collect(),
            matches,
            query,
        }
    }

    /// The query.
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// Asks with another filter from now on. The next [`LiveResults::update`] must name every
    /// object for which the old and the new one may hold differently.
    pub fn refilter(&mut self, filter: Filter) {
        self.query.filter = filter;
    }

    /// Orders by words that weigh otherwise by now, and tells how the answer changes. What a cursor
    /// left out stays out: see [`Query::is_cut_by_relevance`].
    pub fn weigh(&mut self, relevance: Relevance) -> Difference {
        if self.relevance.as_ref() == Some(&relevance) {
            return Difference::default();
        }
        let before = self.results().to_vec();
        for object in &mut self.matches {
            relevance.tell(object);
        }
        self.relevance = Some(relevance);
        let query = &self.query;
        self.matches.sort_by(|one, two| query.compare(one, two));
        Difference::between(&before, self.results())
    }

    /// The answer as it is now.
    pub fn results(&self) -> &[Object] {
        self.matches.get(..self.shown()).unwrap_or_default()
    }

    /// How many matches the limit leaves room for.
    fn shown(&self) -> usize {
        self.query
            .limit
            .map_or(self.matches.len(), |limit| limit.min(self.matches.len()))
    }

    /// Takes in objects that changed, each as it is now or `None` if it does not show at all any
    /// more, and tells how the answer changes. An object may be given although it did not
    /// change.
    pub fn update(
        &mut self,
        touched: impl IntoIterator<Item = (ObjectId, Option<Object>)>,
    ) -> Difference {
        let mut touched: BTreeMap<_, _> = touched.into_iter().collect();
        // What neither was nor is a match changes nothing.
        touched.retain(|id, object| {
            let is_match = object
                .as_mut()
                .is_some_and(|now| self.query.finds(now, self.relevance.as_ref()));
            if !is_match {
                *object = None;
            }
            is_match || self.members.contains(id)
        });
        if touched.len() <= 1 {
            return match touched.pop_first() {
                Some((id, now)) => self.update_one(id, now),
                None => Difference::default(),
            };
        }
        for (id, now) in &touched {
            if now.is_some() {
                self.members.insert(*id);
            } else {
                self.members.remove(id);
            }
        }
        let was_shown = self.results().len();
        let mut old: BTreeMap<ObjectId, (usize, Object)> = BTreeMap::new();
        let mut position = 0;
        let mut shown_after: Vec<ObjectId> = Vec::new();
        self.matches.retain(|object| {
            let is_touched = touched.contains_key(&object.id());
            if is_touched {
                old.insert(object.id(), (position, object.clone()));
            } else if position < was_shown {
                shown_after.push(object.id());
            }
            position += 1;
            !is_touched
        });
        let untouched_shown = shown_after.len();

        let mut entering: Vec<_> = touched.into_values().flatten().collect();
        entering.sort_by(|one, two| self.query.compare(one, two));
        let entered: BTreeSet<_> = entering.iter().map(Object::id).collect();
        self.merge(entering);

        let mut difference = Difference::default();
        let mut untouched = 0;
        let mut present = BTreeSet::new();
        for (position, object) in self.results().iter().enumerate() {
            let id = object.id();
            if !entered.contains(&id) {
                untouched += 1;
                if untouched <= untouched_shown {
                    continue;
                }
            }
            let list = match old.get(&id) {
                Some((before, old)) if *before < was_shown => {
                    present.insert(id);
                    if old == object {
                        continue;
                    }
                    &mut difference.updated
                }
                _ => &mut difference.added,
            };
            list.push(Placed {
                position,
                object: object.clone(),
            });
        }
        let pushed_out = shown_after.into_iter().skip(untouched);
        difference.removed = old
            .into_iter()
            .filter(|(id, (before, _))| *before < was_shown && !present.contains(id))
            .map(|(id, _)| id)
            .chain(pushed_out)
            .collect();
        difference
    }

    /// Takes in one object, `now` when it matches: by far the most frequent change, and done
    /// without a look at the other matches.
    fn update_one(&mut self, id: ObjectId, now: Option<Object>) -> Difference {
        let was_shown = self.shown();
        let before = self.place(id);
        let old = before.map(|before| self.matches.remove(before));
        let mut after = None;
        if let Some(now) = &now {
            let place = self
                .matches
                .partition_point(|object| self.query.compare(object, now).is_lt());
            self.matches.insert(place, now.clone());
            after = Some(place);
            self.members.insert(id);
        } else {
            self.members.remove(&id);
        }
        let shown = self.shown();
        let left = before.is_some_and(|before| before < was_shown);
        let came = after.filter(|after| *after < shown);
        let mut difference = Difference::default();
        match (left, came.zip(now)) {
            (true, Some((position, object))) => {
                if old.as_ref() != Some(&object) {
                    difference.updated.push(Placed { position, object });
                }
            }
            (true, None) => {
                difference.removed.push(id);
                // Where the limit hid some, the first of them moves up.
                if shown == was_shown {
                    difference
                        .added
                        .extend(self.placed(shown.saturating_sub(1)));
                }
            }
            (false, Some((position, object))) => {
                difference.added.push(Placed { position, object });
                // Where the limit was reached, the last moves out.
                if shown == was_shown {
                    difference
                        .removed
                        .extend(self.matches.get(shown).map(Object::id));
                }
            }
            (false, None) => {}
        }
        difference
    }

    /// Where an object is among the matches.
    fn place(&self, id: ObjectId) -> Option<usize> {
        if !self.members.contains(&id) {
            return None;
        }
        if self.query.order.is_empty() {
            return self
                .matches
                .binary_search_by(|object| object.id().cmp(&id))
                .ok();
        }
        self.matches.iter().position(|object| object.id() == id)
    }

    fn placed(&self, position: usize) -> Option<Placed> {
        let object = self.matches.get(position)?.clone();
        Some(Placed { position, object })
    }

    /// Merges sorted objects into the sorted matches.
    fn merge(&mut self, entering: Vec<Object>) {
        let mut merged = Vec::with_capacity(self.matches.len() + entering.len());
        let mut kept = std::mem::take(&mut self.matches).into_iter().peekable();
        for object in entering {
            while let Some(earlier) = kept.next_if(|kept| self.query.compare(kept, &object).is_lt())
            {
                merged.push(earlier);
            }
            merged.push(object);
        }
        merged.extend(kept);
        self.matches = merged;
    }
}
