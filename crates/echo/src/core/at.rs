//! The objects as they were, and what differs between two times.

use std::collections::BTreeMap;

use dxos_document::{Map, Object, ObjectState, Path, Query, Timeframe, Value, Weighing};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_protocol::history::{COMPARE_PAGE_MAX, ComparePage, ObjectDifference, PropertyDifference};
use dxos_store::Read;

use super::past::Past;

/// Objects that are made again at once: more take several passes over the blocks.
const WINDOW_MAX: usize = 32_768;
/// Matches beyond its limit that a query keeps before it is sorted out.
const ROOM: usize = 1024;

/// The objects with the smallest ids above a bound, as many as fit.
pub(super) struct Window<T> {
    after: Option<ObjectId>,
    /// The smallest id that had no room.
    below: Option<ObjectId>,
    max: usize,
    items: BTreeMap<ObjectId, T>,
}

impl<T: Default> Window<T> {
    pub(super) const fn new(after: Option<ObjectId>, max: usize) -> Self {
        Self {
            after,
            below: None,
            max,
            items: BTreeMap::new(),
        }
    }

    /// The place of an object, if it is within the window.
    pub(super) fn at(&mut self, id: ObjectId) -> Option<&mut T> {
        if self.after.is_some_and(|after| id <= after) || self.below.is_some_and(|end| id >= end) {
            return None;
        }
        if self.items.len() >= self.max && !self.items.contains_key(&id) {
            let last = self.items.last_key_value().map(|(last, _)| *last)?;
            if id > last {
                self.below = Some(id);
                return None;
            }
            self.items.pop_last();
            self.below = Some(last);
        }
        Some(self.items.entry(id).or_default())
    }

    /// Where the next window begins.
    pub(super) fn next(&self) -> Option<ObjectId> {
        self.below?;
        self.items.last_key_value().map(|(last, _)| *last)
    }

    /// What is within it.
    pub(super) fn into_items(self) -> BTreeMap<ObjectId, T> {
        self.items
    }
}

impl Past {
    /// One object as of a timeframe, deleted or not.
    pub(crate) fn object(
        &self,
        store: &dyn Read,
        timeframe: Timeframe,
        object: ObjectId,
    ) -> Result<Option<Object>, EchoError> {
        let mut selection = self.select(timeframe)?;
        let mut state = self.seed_of(object, store)?;
        let mut walk = self.walk();
        while let Some(fresh) = self.next(&mut walk, store)? {
            if !selection.takes(&fresh) {
                continue;
            }
            let ops = self.open(&fresh).unwrap_or_default().ops;
            for (index, op) in ops.iter().enumerate() {
                if op.object() == object {
                    fresh.apply_op(&mut state, op, index);
                }
            }
        }
        Ok(state.object(object))
    }

    /// Runs a query over the objects as of a timeframe. Parents are where the latest move has put
    /// each object: rings are not cut, and nothing is hidden.
    pub(crate) fn query(
        &self,
        store: &dyn Read,
        timeframe: &Timeframe,
        query: &Query,
    ) -> Result<Vec<Object>, EchoError> {
        query.check()?;
        let load = &mut |source| self.object(store, timeframe.clone(), source);
        let query = &Query {
            filter: query.filter.resolve(&self.space, load)?,
            ..query.clone()
        };
        let relevance = match Weighing::new(query) {
            None => None,
            Some(mut weighing) => {
                self.each(store, timeframe, &mut |object| weighing.add(&object))?;
                Some(weighing.into_relevance())
            }
        };
        let limit = query.limit.unwrap_or(usize::MAX);
        let room = limit.saturating_mul(2).saturating_add(ROOM);
        let mut found = Vec::new();
        self.each(store, timeframe, &mut |mut object| {
            if query.finds(&mut object, relevance.as_ref()) {
                found.push(object);
            }
            if found.len() >= room {
                found = query.run(std::mem::take(&mut found));
            }
        })?;
        Ok(query.run(found))
    }

    /// Visits every object as of a timeframe.
    fn each(
        &self,
        store: &dyn Read,
        timeframe: &Timeframe,
        visit: &mut dyn FnMut(Object),
    ) -> Result<(), EchoError> {
        let mut after = None;
        loop {
            let mut window = Window::<ObjectState>::new(after, WINDOW_MAX);
            self.seed(store, &mut |id, state| {
                if let Some(place) = window.at(id) {
                    *place = state;
                }
            })?;
            let mut selection = self.select(timeframe.clone())?;
            let mut walk = self.walk();
            while let Some(fresh) = self.next(&mut walk, store)? {
                if !selection.takes(&fresh) {
                    continue;
                }
                let ops = self.open(&fresh).unwrap_or_default().ops;
                for (index, op) in ops.iter().enumerate() {
                    if let Some(state) = window.at(op.object()) {
                        fresh.apply_op(state, op, index);
                    }
                }
            }
            after = window.next();
            for (id, state) in window.items {
                let object = (id != self.properties).then(|| state.object(id)).flatten();
                object.into_iter().for_each(&mut *visit);
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What differs between two timeframes, one page of it.
    pub(crate) fn compare(
        &self,
        store: &dyn Read,
        (from, until): (&Timeframe, &Timeframe),
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<ComparePage, EchoError> {
        let limit = limit.clamp(1, COMPARE_PAGE_MAX);
        // First which objects can differ at all, then those objects alone.
        let mut window = Window::<(ObjectState, ObjectState)>::new(after, limit);
        for pass in 0..2 {
            let mut one = self.select(from.clone())?;
            let mut other = self.select(until.clone())?;
            if pass == 1 {
                self.seed(store, &mut |id, state| {
                    if let Some((before, after)) = window.items.get_mut(&id) {
                        (*before, *after) = (state.clone(), state);
                    }
                })?;
            }
            let mut walk = self.walk();
            while let Some(fresh) = self.next(&mut walk, store)? {
                let held = (one.takes(&fresh), other.takes(&fresh));
                if held == (false, false) || (pass == 0 && held.0 == held.1) {
                    continue;
                }
                let ops = self.open(&fresh).unwrap_or_default().ops;
                for (index, op) in ops.iter().enumerate() {
                    if pass == 0 {
                        window.at(op.object());
                    } else if let Some((before, after)) = window.items.get_mut(&op.object()) {
                        if held.0 {
                            fresh.apply_op(before, op, index);
                        }
                        if held.1 {
                            fresh.apply_op(after, op, index);
                        }
                    }
                }
            }
        }
        let next = window.next();
        let objects = window.items.into_iter().filter_map(|(id, (one, other))| {
            let shown = |state: ObjectState| state.object(id).filter(|o| !o.is_deleted());
            difference(id, shown(one), shown(other))
        });
        Ok(ComparePage {
            objects: objects.collect(),
            next,
        })
    }
}

fn difference(
    object: ObjectId,
    before: Option<Object>,
    after: Option<Object>,
) -> Option<ObjectDifference> {
    let mut properties = Vec::new();
    match (&before, &after) {
        (None, None) => return None,
        (Some(before), Some(after)) => {
            compare(before.properties(), after.properties(), &mut properties);
            if properties.is_empty() && before.type_name() == after.type_name() {
                return None;
            }
        }
        _ => {}
    }
    Some(ObjectDifference {
        object,
        before,
        after,
        properties,
    })
}

/// The properties that differ. Maps are compared inside.
pub(super) fn compare(before: &Map, after: &Map, found: &mut Vec<PropertyDifference>) {
    below(None, before, after, found);
}

fn below(path: Option<&Path>, before: &Map, after: &Map, found: &mut Vec<PropertyDifference>) {
    let keys = before
        .keys()
        .chain(after.keys().filter(|key| !before.contains_key(*key)));
    for key in keys {
        let path = path.map_or_else(|| Path::from(key.clone()), |path| path.child(key.clone()));
        match (before.get(key), after.get(key)) {
            (before, after) if before == after => {}
            (Some(Value::Map(before)), Some(Value::Map(after))) => {
                below(Some(&path), before, after, found);
            }
            (before, after) => found.push(PropertyDifference {
                path,
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }
}
