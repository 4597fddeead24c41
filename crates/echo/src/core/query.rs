//! Reading: queries, properties, the hash of everything visible.

use dxos_credentials::Profile;
use dxos_document::{Cursor, Filter, Object, ObjectState, Query, Relevance, Value};
use dxos_keys::{HashDomain, Hasher, ObjectId, StateHash};
use dxos_protocol::echo::{EchoError, Explanation, LiveQuery};
use dxos_store::{Direction, Read};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::index::{self, Access, Candidates, Found, Plan, Source, Stats, Together};
use super::live::Lookup;
use super::queue::rows;
use super::ranking::{Asked, Ranking, asked, is_best_first};
use super::space::{Space, store_failed};

/// Matches beyond its limit that a query with an order keeps at most, beside the limit again.
pub(super) const ROOM: usize = 1024;

/// The objects of a space as they are now.
pub(super) struct Reader<'a> {
    pub(super) space: &'a Space,
    pub(super) store: &'a dyn Read,
}

impl Lookup for Reader<'_> {
    fn object(&self, object: ObjectId) -> Result<Option<Object>, EchoError> {
        self.space.object(&object, self.store)
    }

    fn resolve(&self, filter: &Filter) -> Result<Filter, EchoError> {
        filter.resolve(&self.space.key(), &mut |object| self.object(object))
    }

    fn relevance(&self, query: &Query) -> Result<Option<Relevance>, EchoError> {
        let ranking = self.space.rank(query, self.store)?;
        Ok(ranking.map(|ranking| ranking.relevance))
    }
}

impl Space {
    /// The id of the properties object: the same for every member.
    pub(crate) const fn properties_id(&self) -> ObjectId {
        self.properties
    }

    /// The space's properties, such as its name.
    pub(crate) fn properties(&self, store: &dyn Read) -> BTreeMap<String, Value> {
        let object = self.object(&self.properties_id(), store).ok().flatten();
        let properties = object
            .map(|object| object.properties().clone())
            .unwrap_or_default();
        properties
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect()
    }

    pub(super) fn visit_states(
        &self,
        store: &dyn Read,
        visit: &mut dyn FnMut(ObjectId, ObjectState) -> ControlFlow<()>,
    ) -> Result<(), EchoError> {
        super::cache::visit_after(store, self.record.number, None, visit)
            .map_err(|error| store_failed(&error))
    }

    /// All objects but the one that holds the properties.
    pub(crate) fn all_objects(&self, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        let query = Query::new(Filter::all()).deleted(dxos_document::Deleted::Include);
        Ok(self.answer(&query, None, store)?.0)
    }

    /// The query with what it has to know of other objects than the one it looks at.
    pub(super) fn resolved(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<(Query, Option<Ranking>), EchoError> {
        query.check()?;
        let filter = Reader { space: self, store }.resolve(&query.filter)?;
        let query = Query {
            filter,
            ..query.clone()
        };
        let ranking = self.rank(&query, store)?;
        Ok((query, ranking))
    }

    /// Runs a query.
    pub(crate) fn query(&self, query: &Query, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        let (query, ranking) = self.resolved(query, store)?;
        Ok(self.answer(&query, ranking.as_ref(), store)?.0)
    }

    /// Runs a query and tells how it was answered.
    pub(crate) fn explain(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Explanation, EchoError> {
        let (query, ranking) = self.resolved(query, store)?;
        Ok(self.answer(&query, ranking.as_ref(), store)?.1)
    }

    /// Answers a query that was resolved, and tells how.
    fn answer(
        &self,
        query: &Query,
        ranking: Option<&Ranking>,
        store: &dyn Read,
    ) -> Result<(Vec<Object>, Explanation), EchoError> {
        let mut stats = Stats::default();
        let asked = asked(query, ranking);
        let candidates = ranking.and_then(|ranking| ranking.candidates.as_ref());
        if let Some(candidates) = candidates {
            stats.rows += candidates.rows;
            stats.objects += candidates.objects;
        }
        let lookup = match candidates.map(|candidates| &candidates.found) {
            Some(Found::Lookup(lookup)) if is_best_first(query) => Some(lookup),
            _ => None,
        };
        if let (Some(candidates), Some(lookup)) = (candidates, lookup) {
            if let Some(few) = self.plan_few(query, store)? {
                let found = self.collected(&Plan::All(few.clone()), asked, (store, &mut stats))?;
                let explanation = self.explained((Some(few.name), false), &found, &stats);
                return Ok((found, explanation));
            }
            if let Some(found) = self.looked_up(lookup, asked, (store, &mut stats))? {
                let name = (Some(candidates.name.clone()), true);
                let explanation = self.explained(name, &found, &stats);
                return Ok((found, explanation));
            }
            let whole = self.gather(query, true, store)?;
            let whole = whole.and_then(|gathered| gathered.candidates);
            return self.planned((whole.as_ref(), asked), (store, &mut stats));
        }
        self.planned((candidates, asked), (store, &mut stats))
    }

    /// Answers a query by the way that seems to be the shortest.
    fn planned(
        &self,
        (candidates, asked): (Option<&Candidates>, Asked<'_>),
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<(Vec<Object>, Explanation), EchoError> {
        let query = asked.query;
        let plan = self.plan_query(query, store)?;
        let scored = match candidates {
            Some(candidates) => candidates.preferred(&plan, query, store)?,
            None => None,
        };
        let (found, name) = match (scored, plan) {
            (Some(scored), _) => {
                let name = candidates.map(|candidates| candidates.name.clone());
                let found = self.ranked(scored, asked, (store, &mut *stats))?;
                (found, (name, true))
            }
            (None, Plan::InOrder(access)) => {
                let found = self.in_order(&access, asked, (store, &mut *stats))?;
                (found, (Some(access.name), true))
            }
            (None, plan) => {
                let found = self.collected(&plan, asked, (store, &mut *stats))?;
                let name = match plan {
                    Plan::All(access) => Some(access.name),
                    _ => None,
                };
                (found, (name, false))
            }
        };
        let explanation = self.explained(name, &found, stats);
        Ok((found, explanation))
    }

    /// How a query was answered.
    fn explained(
        &self,
        (index, in_order): (Option<String>, bool),
        found: &[Object],
        stats: &Stats,
    ) -> Explanation {
        let building = self.index_reports().into_iter();
        Explanation {
            index,
            in_order,
            rows: stats.rows,
            objects: stats.objects,
            results: u64::try_from(found.len()).unwrap_or(u64::MAX),
            building: building.filter(|index| !index.is_ready).collect(),
        }
    }

    /// Looks at everything that a plan names, and keeps no more than the answer needs.
    fn collected(
        &self,
        plan: &Plan,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<Vec<Object>, EchoError> {
        let query = asked.query;
        let limit = query.limit.unwrap_or(usize::MAX);
        // What is kept beyond the limit before it is sorted out.
        let room = limit.saturating_mul(2).saturating_add(ROOM);
        let mut found = Vec::new();
        self.visit_matching(plan, asked, (store, stats), &mut |object| {
            found.push(object);
            if query.order.is_empty() && found.len() >= limit {
                // They come in the order of their ids: there is no better one.
                return ControlFlow::Break(());
            }
            if found.len() >= room {
                found = query.run(std::mem::take(&mut found));
            }
            ControlFlow::Continue(())
        })?;
        Ok(query.run(found))
    }

    /// Visits what matches of everything that a plan names, in the order of the ids.
    pub(super) fn visit_matching(
        &self,
        plan: &Plan,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
        visit: &mut dyn FnMut(Object) -> ControlFlow<()>,
    ) -> Result<(), EchoError> {
        let (ids, read): (Box<dyn Iterator<Item = ObjectId>>, u64) = match plan {
            Plan::Scan => return self.scan_matching(asked, (store, stats), visit),
            Plan::All(access) | Plan::InOrder(access) => match &access.source {
                Source::Ids(ids) => (Box::new(ids.iter().copied()), 0),
                Source::Found(ids, rows) => (Box::new(ids.iter().copied()), *rows),
                Source::Ranges(ranges) => (
                    Box::new(index::all_of(ranges, store, stats)?.into_iter()),
                    0,
                ),
            },
        };
        stats.rows += read;
        for id in ids {
            if let Some(object) = self.look_at(id, asked, (store, stats))?
                && visit(object).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn scan_matching(
        &self,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
        visit: &mut dyn FnMut(Object) -> ControlFlow<()>,
    ) -> Result<(), EchoError> {
        let properties = self.properties_id();
        let tree = self.tree(store)?;
        let query = asked.query;
        let cursor = query.after.as_ref().filter(|_| query.order.is_empty());
        let after = cursor.map(Cursor::object);
        let number = self.record.number;
        let visited = super::cache::visit_after(store, number, after, &mut |id, state| {
            stats.objects += 1;
            let object = (id != properties).then(|| state.into_object(id)).flatten();
            let Some(mut object) = object else {
                return ControlFlow::Continue(());
            };
            tree.tell(&mut object);
            if asked.finds(&mut object) {
                visit(object)
            } else {
                ControlFlow::Continue(())
            }
        });
        visited.map_err(|error| store_failed(&error))
    }

    /// An object, if it matches.
    pub(super) fn look_at(
        &self,
        id: ObjectId,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<Option<Object>, EchoError> {
        if id == self.properties_id() {
            return Ok(None);
        }
        stats.objects += 1;
        let mut object = self.object(&id, store)?;
        Ok(object.take_if(|object| asked.finds(object)))
    }

    /// Looks at what an access names in the order of the query, until there is enough.
    fn in_order(
        &self,
        access: &Access,
        asked: Asked<'_>,
        (store, stats): (&dyn Read, &mut Stats),
    ) -> Result<Vec<Object>, EchoError> {
        let query = asked.query;
        let limit = query.limit.unwrap_or(usize::MAX);
        let Source::Ranges(ranges) = &access.source else {
            return Ok(Vec::new());
        };
        let mut found: Vec<Object> = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let first = query.order.first();
        let direction = first.map_or(Direction::Forward, |first| {
            index::direction(first.direction)
        });
        let how = (direction, query.order.len() <= 1);
        index::in_order(ranges, how, store, stats, &mut |next, stats| {
            match next {
                Together::One(id) => found.extend(self.look_at(id, asked, (store, stats))?),
                Together::Some(ids) => {
                    let room = limit.saturating_mul(2).saturating_add(ROOM);
                    let mut group = Vec::new();
                    for id in ids {
                        group.extend(self.look_at(id, asked, (store, stats))?);
                        if group.len() >= room {
                            group = query.run(group);
                        }
                    }
                    found.extend(query.run(group));
                }
            }
            Ok(if found.len() >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        found.truncate(limit);
        Ok(found)
    }

    /// Runs a query and keeps it up to date.
    pub(crate) fn subscribe(
        &mut self,
        query: Query,
        store: &dyn Read,
    ) -> Result<LiveQuery, EchoError> {
        let (resolved, ranking) = self.resolved(&query, store)?;
        // Also those that the limit hides: any of them may move up.
        let unlimited = Query {
            limit: None,
            ..resolved.clone()
        };
        let matching = self.answer(&unlimited, ranking.as_ref(), store)?.0;
        let relevance = ranking.map(|ranking| ranking.relevance);
        let (initial, changes) =
            (self.live).subscribe(&query.filter, (resolved, relevance), matching);
        Ok(LiveQuery { initial, changes })
    }

    /// Tells subscribers that were behind what they missed.
    pub(crate) fn retry_live(&mut self) {
        self.live.retry();
    }

    /// Everything accepted is in the store: subscribers may hear of it. When this fails they
    /// have to be refreshed.
    pub(crate) fn written(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        self.dag.stored();
        self.tail.written();
        self.tell_texts();
        self.queues.written();
        let touched = std::mem::take(&mut self.touched);
        let moved = self.settle_forest(store)?;
        if self.live.is_empty() {
            return Ok(());
        }
        let Some(mut moved) = moved else {
            // Nobody knows where everything was before.
            return self.refresh_live(store);
        };
        let properties = self.properties_id();
        let mut changed = Vec::new();
        for (object, touched) in touched {
            let after = self.cache.peek(&object);
            let after = after.and_then(|state| state.object(object));
            if moved.remove(&object) || touched.before.as_deref() != after.as_ref() {
                changed.push(object);
            }
        }
        changed.extend(moved);
        let reader = Reader { space: self, store };
        let changed = changed
            .into_iter()
            .filter(|object| *object != properties)
            .map(|object| Ok((object, reader.object(object)?)))
            .collect::<Result<Vec<_>, EchoError>>()?;
        self.with_live(store, |live, reader| live.update(&changed, reader))
    }

    /// Lets the live queries look at the objects.
    pub(super) fn with_live<T>(
        &mut self,
        store: &dyn Read,
        run: impl FnOnce(&mut super::live::Live, &Reader<'_>) -> T,
    ) -> T {
        let mut live = std::mem::take(&mut self.live);
        let result = run(&mut live, &Reader { space: self, store });
        self.live = live;
        result
    }

    /// Answers the live queries again: everything may have changed.
    pub(crate) fn refresh_live(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        if self.live.is_empty() {
            return Ok(());
        }
        let objects = self.all_objects(store)?;
        self.with_live(store, |live, reader| live.refresh(&objects, reader))
    }

    /// The hash of all objects, with what conflicts and what is deleted, and of the members.
    pub(crate) fn state_hash(&self, store: &dyn Read) -> Result<StateHash, EchoError> {
        let mut hasher = Hasher::new(HashDomain::State);
        self.visit_states(store, &mut |id, state| {
            state.hash_into(&id, &mut hasher);
            ControlFlow::Continue(())
        })?;
        rows::visit_shared(self.record.number, store, &mut |queue, row| {
            hasher.part(&queue).part(&rows::encode(&row)?);
            Ok(())
        })?;
        for (identity, member) in self.membership.members() {
            hasher
                .part(identity.as_bytes())
                .part(member.role.to_string().as_bytes());
            let Profile {
                display_name,
                avatar,
                fields,
            } = member.profile;
            hasher.part(display_name.unwrap_or_default().as_bytes());
            hasher.part(avatar.unwrap_or_default().as_bytes());
            for (name, value) in &fields {
                hasher.part(name.as_bytes()).part(value.as_bytes());
            }
            for device in member.devices.keys() {
                hasher.part(device.as_bytes());
            }
        }
        for (feed, state) in self.dag.feeds().filter(|(_, state)| state.fork.is_some()) {
            hasher
                .part(feed.as_bytes())
                .part(&state.length.to_le_bytes());
        }
        Ok(StateHash::from_bytes(hasher.finish()))
    }
}
