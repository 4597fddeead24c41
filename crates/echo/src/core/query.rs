//! Reading: queries, properties, the hash of everything visible.

use dxos_credentials::Profile;
use dxos_document::{Filter, Object, ObjectState, Query, Value};
use dxos_keys::{HashDomain, Hasher, ObjectId, StateHash};
use dxos_protocol::echo::{EchoError, LiveQuery, properties_object};
use dxos_store::Read;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::live::Lookup;
use super::space::{Space, store_failed};

/// Matches beyond its limit that a query with an order keeps at most, beside the limit again.
const ROOM: usize = 1024;

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
}

impl Space {
    /// The id of the properties object: the same for every member.
    pub(crate) fn properties_id(&self) -> ObjectId {
        properties_object(&self.key())
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
        super::cache::visit_all(store, self.record.number, visit)
            .map_err(|error| store_failed(&error))
    }

    /// All objects but the one that holds the properties.
    pub(crate) fn all_objects(&self, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        self.matching(
            &Query::new(Filter::all()).deleted(dxos_document::Deleted::Include),
            store,
        )
    }

    fn matching(&self, query: &Query, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        let properties = self.properties_id();
        let limit = query.limit.unwrap_or(usize::MAX);
        // What is kept beyond the limit before it is sorted out.
        let room = limit.saturating_mul(2).saturating_add(ROOM);
        let mut found = Vec::new();
        let tree = self.tree(store)?;
        self.visit_states(store, &mut |id, state| {
            let mut object = (id != properties).then(|| state.object(id)).flatten();
            if let Some(object) = &mut object {
                tree.tell(object);
            }
            found.extend(object.filter(|object| query.matches(object)));
            if query.order.is_empty() && found.len() >= limit {
                // They come in the order of their ids: there is no better one.
                return ControlFlow::Break(());
            }
            if found.len() >= room {
                found = query.run(std::mem::take(&mut found));
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The query with what it has to know of other objects than the one it looks at.
    fn resolved(&self, query: &Query, store: &dyn Read) -> Result<Query, EchoError> {
        query.check()?;
        let filter = Reader { space: self, store }.resolve(&query.filter)?;
        Ok(Query {
            filter,
            ..query.clone()
        })
    }

    /// Runs a query.
    pub(crate) fn query(&self, query: &Query, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        let query = self.resolved(query, store)?;
        Ok(query.run(self.matching(&query, store)?))
    }

    /// Runs a query and keeps it up to date.
    pub(crate) fn subscribe(
        &mut self,
        query: Query,
        store: &dyn Read,
    ) -> Result<LiveQuery, EchoError> {
        let resolved = self.resolved(&query, store)?;
        // Also those that the limit hides: any of them may move up.
        let unlimited = Query {
            limit: None,
            ..resolved.clone()
        };
        let matching = self.matching(&unlimited, store)?;
        let (initial, changes) = self.live.subscribe(&query.filter, resolved, matching);
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
    fn with_live<T>(
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
