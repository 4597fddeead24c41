//! Counting what a query finds.

use std::ops::ControlFlow;

use dxos_document::{Group, Groups, Object, Path, Query};
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::index::Stats;
use super::ranking::{Ranking, asked};
use super::space::Space;

impl Space {
    /// How many objects a query finds, its limit left aside.
    pub(crate) fn count(&self, query: &Query, store: &dyn Read) -> Result<u64, EchoError> {
        let (query, ranking) = self.resolved(query, store)?;
        if let Some(count) = self.count_rows(&query, store)? {
            return Ok(count);
        }
        let mut count = 0;
        self.for_each((&query, ranking.as_ref()), store, &mut |_| count += 1)?;
        Ok(count)
    }

    /// How many objects a query finds of each value at a path, its limit left aside.
    pub(crate) fn group_count(
        &self,
        query: &Query,
        path: &Path,
        store: &dyn Read,
    ) -> Result<Vec<Group>, EchoError> {
        let (query, ranking) = self.resolved(query, store)?;
        let mut groups = Groups::by(path.clone());
        self.for_each((&query, ranking.as_ref()), store, &mut |object| {
            groups.add(&object);
        })?;
        Ok(groups.into_groups())
    }

    /// Visits what a query finds that was resolved, in whatever order, its limit left aside.
    fn for_each(
        &self,
        (query, ranking): (&Query, Option<&Ranking>),
        store: &dyn Read,
        visit: &mut dyn FnMut(Object),
    ) -> Result<(), EchoError> {
        let query = Query {
            limit: None,
            ..query.clone()
        };
        let asked = asked(&query, ranking);
        let plan = self.plan_query(&query, store)?;
        let mut stats = Stats::default();
        self.visit_matching(&plan, asked, (store, &mut stats), &mut |object| {
            visit(object);
            ControlFlow::Continue(())
        })
    }
}
