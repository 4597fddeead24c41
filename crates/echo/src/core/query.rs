//! Reading: queries, properties, the hash of everything visible.

use dxos_document::{Filter, Object, ObjectState, Query, Value};
use dxos_keys::{HashDomain, Hasher, ObjectId, StateHash};
use dxos_protocol::echo::{EchoError, LiveQuery};
use dxos_store::Read;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::space::{Space, store_failed};

/// The type of the object that holds a space's properties.
pub(crate) const PROPERTIES_TYPE: &str = "dxos.org/type/Properties";

/// Matches beyond its limit that a query with an order keeps at most, beside the limit again.
const ROOM: usize = 1024;

impl Space {
    /// The id of the properties object: the same for every member.
    pub(crate) fn properties_id(&self) -> ObjectId {
        let hash = Hasher::new(HashDomain::Topic)
            .part(self.key().as_bytes())
            .part(b"p")
            .finish();
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash;
        ObjectId::from_bytes(id)
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

    fn visit_states(
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
        self.visit_states(store, &mut |id, state| {
            let object = (id != properties).then(|| state.object(id)).flatten();
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

    /// Runs a query.
    pub(crate) fn query(&self, query: &Query, store: &dyn Read) -> Result<Vec<Object>, EchoError> {
        Ok(query.run(self.matching(query, store)?))
    }

    /// Runs a query and keeps it up to date.
    pub(crate) fn subscribe(
        &mut self,
        query: Query,
        store: &dyn Read,
    ) -> Result<LiveQuery, EchoError> {
        // Also those that the limit hides: any of them may move up.
        let unlimited = Query {
            limit: None,
            ..query.clone()
        };
        let matching = self.matching(&unlimited, store)?;
        let (initial, changes) = self.live.subscribe(query, matching);
        Ok(LiveQuery { initial, changes })
    }

    /// Tells subscribers that were behind what they missed.
    pub(crate) fn retry_live(&mut self) {
        self.live.retry();
    }

    /// Everything accepted is in the store: subscribers may hear of it.
    pub(crate) fn written(&mut self) {
        self.dag.stored();
        self.tail.written();
        self.tell_texts();
        let touched = std::mem::take(&mut self.touched);
        if self.live.is_empty() {
            return;
        }
        let properties = self.properties_id();
        let changed: Vec<_> = touched
            .into_iter()
            .filter(|(object, _)| *object != properties)
            .map(|(object, touched)| {
                let after = self
                    .cache
                    .peek(&object)
                    .and_then(|state| state.object(object));
                (object, touched.before, after.map(Box::new))
            })
            .filter(|(_, before, after)| before != after)
            .map(|(object, _, after)| (object, after.map(|after| *after)))
            .collect();
        self.live.update(&changed);
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
            hasher.part(member.display_name.unwrap_or_default().as_bytes());
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
