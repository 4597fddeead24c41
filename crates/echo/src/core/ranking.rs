//! Queries that are ordered by how well objects fit what is searched for.

use std::ops::ControlFlow;

use dxos_document::{Direction, Object, Path, Query, Relevance, Value, Weighing};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::index::{Candidates, Found, Lookup, Next, Plan, Stats};
use super::query::ROOM;
use super::space::Space;

/// Words of live queries are weighed again no oftener than that.
const WEIGHING_PACE_MS: u64 = 1_000;
/// So much longer is waited for so many objects: it takes a look at the rows of the words, or,
/// without an index of them, at each object.
const OBJECTS_PER_MS: u64 = 10;

/// Objects that are looked at, beside twice as many as are asked for, before it is looked for
/// another way to those that are found.
const LOOKED_AT_MAX: u64 = if cfg!(test) { 4 } else { 8_192 };

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

/// Whether the best are to come first.
pub(super) fn is_best_first(query: &Query) -> bool {
    query.order.first().is_some_and(|first| {
        first.path == Path::about("relevance") && first.direction == Direction::Descending
    })
}

impl Candidates {
    /// What is known of each, if a query is answered by going through that, the best first.
    pub(super) fn preferred(
        &self,
        plan: &Plan,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<&[(f64, ObjectId)]>, EchoError> {
        let Found::Scored(scored) = &self.found else {
            return Ok(None);
        };
        let is_preferred = is_best_first(query)
            && match plan {
                // Few that something else names.
                Plan::All(access) => access.rows(scored.len(), store)? >= scored.len(),
                _ => true,
            };
        Ok(is_preferred.then_some(scored))
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
        // Without a limit everything is told, in the order of what is known of each.
        let is_whole = query.limit.is_none() && is_best_first(query);
        if let Some(gathered) = self.gather(query, is_whole, store)? {
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
        scored: &[(f64, ObjectId)],
        asked: Asked<'_>,
        parts: (&dyn Read, &mut Stats),
    ) -> Result<Vec<Object>, EchoError> {
        let mut scored = scored.iter();
        let found = self.best_of(asked, parts, &mut |_| {
            let next = scored.next();
            Ok(next.map_or(Next::End, |(score, id)| Next::Found(*score, *id)))
        });
        Ok(found?.unwrap_or_default())
    }

    /// The same where the best are looked up. `None` when that would take too long.
    pub(super) fn looked_up(
        &self,
        lookup: &Lookup,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<Option<Vec<Object>>, EchoError> {
        let limit = asked.query.limit.unwrap_or(usize::MAX);
        let max = u64::try_from(limit.saturating_mul(2)).unwrap_or(u64::MAX);
        let max = max.saturating_add(LOOKED_AT_MAX);
        let mut best = lookup.best(store);
        let found = self.best_of(asked, (store, stats), &mut |looked_at| {
            if looked_at > max {
                return Ok(Next::GivenUp);
            }
            best.next()
        });
        stats.rows += best.rows;
        found
    }

    /// Looks at what comes, the best first, until there is enough; `next` is told at how many
    /// objects it was looked. `None` when it gives up.
    fn best_of(
        &self,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
        next: &mut dyn FnMut(u64) -> Result<Next, EchoError>,
    ) -> Result<Option<Vec<Object>>, EchoError> {
        let query = asked.query;
        let limit = query.limit.unwrap_or(usize::MAX);
        let room = limit.saturating_mul(2).saturating_add(ROOM);
        // What stands before the cursor is not looked at.
        let cursor = query
            .after
            .as_ref()
            .and_then(|after| after.values().first());
        let is_before = |score: f64| match cursor {
            Some(Value::Float(from)) => score.total_cmp(from).is_gt(),
            _ => false,
        };
        let mut looked_at = 0;
        let mut found: Vec<Object> = Vec::new();
        let mut group = Vec::new();
        let mut of: Option<f64> = None;
        while found.len() < limit {
            let (score, id) = match next(looked_at)? {
                Next::Found(score, id) => (score, id),
                Next::GivenUp => return Ok(None),
                Next::End => break,
            };
            if is_before(score) {
                continue;
            }
            if of.is_some_and(|of| of.total_cmp(&score).is_ne()) {
                found.extend(query.run(std::mem::take(&mut group)));
            }
            of = Some(score);
            if found.len() >= limit {
                break;
            }
            looked_at += 1;
            group.extend(self.look_at(id, asked, (store, stats))?);
            if query.order.len() <= 1 && found.len() + group.len() >= limit {
                // Of equal ones the ids ascend: there is no better one.
                break;
            }
            if group.len() >= room {
                group = query.run(group);
            }
        }
        found.extend(query.run(group));
        found.truncate(limit);
        Ok(Some(found))
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
