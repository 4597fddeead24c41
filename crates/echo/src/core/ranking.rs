//! Queries that are ordered by how well objects fit what is searched for.

use std::ops::ControlFlow;

use dxos_document::{Direction, Object, Path, Query, Relevance, Value, Weighing};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::index::{Candidates, Plan, Stats};
use super::query::ROOM;
use super::space::Space;

/// Words of live queries are weighed again no oftener than that.
const WEIGHING_PACE_MS: u64 = 1_000;
/// So much longer is waited for so many objects: it takes a look at the rows of the words, or,
/// without an index of them, at each object.
const OBJECTS_PER_MS: u64 = 10;

/// What decides how well objects fit.
#[derive(Debug)]
pub(super) struct Ranking {
    pub(super) relevance: Relevance,
    /// Everything that can be found, if an index knows it.
    pub(super) candidates: Option<Candidates>,
}

/// A query, and what decides how well objects fit it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) query: &'a Query,
    pub(super) relevance: Option<&'a Relevance>,
}

pub(super) fn asked<'a>(query: &'a Query, ranking: Option<&'a Ranking>) -> Asked<'a> {
    let relevance = ranking.map(|ranking| &ranking.relevance);
    Asked { query, relevance }
}

impl Asked<'_> {
    /// Whether an object is found; it is told how well it fits.
    pub(super) fn finds(&self, object: &mut Object) -> bool {
        self.query.finds(object, self.relevance)
    }
}

impl Candidates {
    /// Whether a query is answered by going through what an index of words found, the best first.
    pub(super) fn are_preferred(
        &self,
        plan: &Plan,
        query: &Query,
        store: &dyn Read,
    ) -> Result<bool, EchoError> {
        let is_best_first = query.order.first().is_some_and(|first| {
            first.path == Path::about("relevance") && first.direction == Direction::Descending
        });
        Ok(is_best_first
            && match plan {
                // Few that something else names.
                Plan::All(access) => access.rows(self.scored.len(), store)? >= self.scored.len(),
                _ => true,
            })
    }
}

impl Space {
    /// Weighs the words of live queries again, if that is due.
    pub(super) fn weigh_live(&mut self, now_ms: u64, store: &dyn Read) -> Result<(), EchoError> {
        let pace = WEIGHING_PACE_MS + self.tally.objects / OBJECTS_PER_MS;
        // A clock that was set back is not waited for.
        let is_due = now_ms >= self.weighed_ms.saturating_add(pace) || now_ms < self.weighed_ms;
        if !is_due || !self.live.is_unweighed() {
            return Ok(());
        }
        self.weighed_ms = now_ms;
        self.with_live(store, |live, reader| {
            live.weigh(|| reader.space.all_objects(store), reader)
        })
    }

    /// What decides the order of a query by relevance; `None` when it has another.
    pub(super) fn rank(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<Ranking>, EchoError> {
        let Some(weighing) = Weighing::new(query) else {
            return Ok(None);
        };
        if let Some(gathered) = self.gather(query, store)? {
            return Ok(Some(Ranking {
                relevance: gathered.relevance,
                candidates: gathered.candidates,
            }));
        }
        let relevance = self.weigh_all(weighing, query, store)?;
        Ok(Some(Ranking {
            relevance,
            candidates: None,
        }))
    }

    /// Looks at what fits best, until there is enough.
    pub(super) fn ranked(
        &self,
        candidates: &Candidates,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<Vec<Object>, EchoError> {
        let query = asked.query;
        let limit = query.limit.unwrap_or(usize::MAX);
        let room = limit.saturating_mul(2).saturating_add(ROOM);
        stats.rows += candidates.rows;
        stats.objects += candidates.objects;
        let mut found: Vec<Object> = Vec::new();
        let is_equal =
            |one: &(f64, ObjectId), two: &(f64, ObjectId)| one.0.total_cmp(&two.0).is_eq();
        // What stands before the cursor is not looked at.
        let cursor = query
            .after
            .as_ref()
            .and_then(|after| after.values().first());
        let from = match cursor {
            Some(Value::Float(from)) => {
                (candidates.scored).partition_point(|(score, _)| score.total_cmp(from).is_gt())
            }
            _ => 0,
        };
        let scored = candidates.scored.get(from..).unwrap_or_default();
        for together in scored.chunk_by(is_equal) {
            if found.len() >= limit {
                break;
            }
            let mut group = Vec::new();
            for (_, id) in together {
                group.extend(self.look_at(*id, asked, (store, stats))?);
                if query.order.len() <= 1 && found.len() + group.len() >= limit {
                    // Of equal ones the ids ascend: there is no better one.
                    break;
                }
                if group.len() >= room {
                    group = query.run(group);
                }
            }
            found.extend(query.run(group));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The weights of words as a look at every object gives them.
    fn weigh_all(
        &self,
        mut weighing: Weighing<'_>,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Relevance, EchoError> {
        let properties = self.properties_id();
        let base = query.filter.type_base();
        self.visit_states(store, &mut |id, state| {
            let is_of_type = state
                .type_name()
                .is_some_and(|name| base.is_none_or(|base| name.base() == base));
            let object = (is_of_type && id != properties).then(|| state.object(id));
            if let Some(object) = object.flatten() {
                weighing.add(&object);
            }
            ControlFlow::Continue(())
        })?;
        Ok(weighing.into_relevance())
    }
}
