//! Which objects a query finds, for those who read them in its order bit by bit.
//!
//! A page of an order that no index serves takes a look at every object. So what has to be read
//! in pages is found once, as ids, and then read by them.

use std::ops::ControlFlow;

use dxos_document::{Object, OrderPlace, Query};
use dxos_keys::ObjectId;
use dxos_protocol::echo::{EchoError, FoundIds};
use dxos_store::Read;

use super::index::{Plan, Stats};
use super::ranking::asked;
use super::space::Space;

/// Bytes of places in an order that are kept once they are sorted out, and as much again before.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// The first places of those that come.
struct First<'a> {
    query: &'a Query,
    places: Vec<OrderPlace>,
    bytes: usize,
    bytes_max: usize,
    /// The first of those for which there was no room: what comes behind it has none either, were
    /// it ever so small.
    beyond: Option<OrderPlace>,
}

impl First<'_> {
    fn add(&mut self, place: OrderPlace) {
        let query = self.query;
        let is_beyond = |beyond| query.compare_places(&place, beyond).is_gt();
        if self.beyond.as_ref().is_some_and(is_beyond) {
            return;
        }
        self.bytes = self.bytes.saturating_add(place.bytes());
        self.places.push(place);
        if self.bytes > self.bytes_max.saturating_mul(2) {
            self.sort_out();
        }
    }

    /// Brings them in order, and keeps as many as there is room for, but at least one.
    fn sort_out(&mut self) {
        let (query, bytes_max) = (self.query, self.bytes_max);
        (self.places).sort_unstable_by(|one, two| query.compare_places(one, two));
        let mut bytes = 0_usize;
        let fitting = self.places.iter().take_while(|place| {
            let before = bytes;
            bytes = bytes.saturating_add(place.bytes());
            before == 0 || bytes <= bytes_max
        });
        let keep = fitting.count().min(query.limit.unwrap_or(usize::MAX));
        if let Some(beyond) = self.places.drain(keep..).next() {
            self.beyond = Some(beyond);
        }
        self.bytes = self.places.iter().map(OrderPlace::bytes).sum();
    }
}

impl Space {
    /// Which objects a query finds: the first of them, as many as its limit and memory allow.
    /// `None` when pages of it can be read just as well, as nothing is read for them twice, and
    /// when it is in the order of how well objects fit, which is not known of an object alone.
    pub(crate) fn find_ids(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<FoundIds>, EchoError> {
        self.find_ids_within(BYTES_MAX, query, store)
    }

    /// The same with so many bytes for what the order looks at.
    pub(super) fn find_ids_within(
        &self,
        bytes_max: usize,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<FoundIds>, EchoError> {
        if query.is_ranked() {
            return Ok(None);
        }
        let (query, _) = self.resolved(query, store)?;
        let page = Query {
            limit: query.limit.or(Some(usize::MAX)),
            ..query.clone()
        };
        let plan = self.plan_query(&page, store)?;
        let is_paged = match &plan {
            Plan::Scan => query.order.is_empty(),
            // What is equal to the first key is sorted by the others when it is read.
            Plan::InOrder(_) => query.order.len() <= 1,
            Plan::All(_) => false,
        };
        if is_paged {
            return Ok(None);
        }
        let mut stats = Stats::default();
        let mut first = First {
            query: &query,
            places: Vec::new(),
            bytes: 0,
            bytes_max,
            beyond: None,
        };
        self.visit_matching(
            &plan,
            asked(&query, None),
            (store, &mut stats),
            &mut |object| {
                first.add(query.place(&object));
                ControlFlow::Continue(())
            },
        )?;
        first.sort_out();
        let places = first.places;
        let last = places.last().filter(|_| first.beyond.is_some());
        Ok(Some(FoundIds {
            objects: places.iter().map(OrderPlace::object).collect(),
            next: last.map(|last| query.cursor_behind(last.clone())),
            looked_at: stats.objects,
        }))
    }

    /// Those of some objects, in the order in which they are given, for which a query holds,
    /// wherever they stand in its order by now.
    pub(crate) fn read_found(
        &self,
        query: &Query,
        objects: &[ObjectId],
        store: &dyn Read,
    ) -> Result<Vec<Object>, EchoError> {
        let anywhere = Query {
            order: Vec::new(),
            limit: None,
            after: None,
            ..query.clone()
        };
        let (query, _) = self.resolved(&anywhere, store)?;
        let mut stats = Stats::default();
        let mut found = Vec::with_capacity(objects.len());
        for id in objects {
            found.extend(self.look_at(*id, asked(&query, None), (store, &mut stats))?);
        }
        Ok(found)
    }
}
