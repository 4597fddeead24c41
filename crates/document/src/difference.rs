//! How the answer to a query changes.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;
use serde::{Deserialize, Serialize};

use crate::{Object, Query};

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
}

/// The answer to a query, kept up to date from the objects that change, without running the
/// query again.
///
/// It holds every match, also those that the limit hides, because any of them may move up.
#[derive(Clone, Debug)]
pub struct LiveResults {
    query: Query,
    matches: Vec<Object>,
}

impl LiveResults {
    /// Answers `query` from `objects`, each of which may come once.
    pub fn new(query: Query, objects: impl IntoIterator<Item = Object>) -> Self {
        let unlimited = Query {
            limit: None,
            ..query.clone()
        };
        Self {
            matches: unlimited.run(objects),
            query,
        }
    }

    /// The query.
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The answer as it is now.
    pub fn results(&self) -> &[Object] {
        let shown = self
            .query
            .limit
            .map_or(self.matches.len(), |limit| limit.min(self.matches.len()));
        self.matches.get(..shown).unwrap_or_default()
    }

    /// Takes in objects that changed, each as it is now or `None` if it does not show at all any
    /// more, and tells how the answer changes. An object may be given although it did not
    /// change.
    pub fn update(
        &mut self,
        touched: impl IntoIterator<Item = (ObjectId, Option<Object>)>,
    ) -> Difference {
        let touched: BTreeMap<_, _> = touched.into_iter().collect();
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

        let mut entering: Vec<_> = touched
            .into_values()
            .flatten()
            .filter(|object| self.query.matches(object))
            .collect();
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
