//! Counting what a query finds by rows of an index, without reading an object.

use dxos_document::{Comparison, Deleted, Filter, Query, Value};
use dxos_protocol::echo::EchoError;
use dxos_store::{Direction, Read};

use super::super::space::Space;
use super::catalog::Kind;
use super::encode::{ENTRY_BYTES_MAX, equal_to};
use super::plan::Planner;
use super::rows::{TYPE, text_entry};
use super::walk::{Range, entries};

impl Space {
    /// How many objects a query finds that was resolved, if there is an index in which each of
    /// them has one row, and nothing else has a row there.
    pub(in crate::core) fn count_rows(
        &self,
        query: &Query,
        store: &dyn Read,
    ) -> Result<Option<u64>, EchoError> {
        let (planner, all) = self.planner(query, store);
        // What is hidden has its rows among those of objects that are not deleted.
        if query.after.is_some() || !planner.is_base_ready() || self.tree(store)?.has_hidden() {
            return Ok(None);
        }
        let Some(ranges) = planner.exactly(&all) else {
            return Ok(None);
        };
        let properties = self.properties_id();
        let mut count = 0;
        for range in ranges {
            for row in entries(range.scan(store, Direction::Forward), range.base.len()) {
                if row?.1 != properties {
                    count += 1;
                }
            }
        }
        Ok(Some(count))
    }
}

impl Planner<'_> {
    /// The rows of just those objects for which all conditions hold.
    fn exactly(&self, conditions: &[&Filter]) -> Option<Vec<Range>> {
        let of_type = |base: &str| {
            let entry = text_entry(&[base]);
            (entry.len() < ENTRY_BYTES_MAX).then_some(entry)
        };
        let (index, (first, end)) = match conditions {
            [] => (TYPE, (Vec::new(), None)),
            [Filter::TypeAnyVersion(base)] => (TYPE, (of_type(base)?, None)),
            [
                Filter::TypeAnyVersion(base),
                Filter::Compare {
                    path,
                    comparison,
                    value,
                },
            ]
            | [
                Filter::Compare {
                    path,
                    comparison,
                    value,
                },
                Filter::TypeAnyVersion(base),
            ] if *comparison == Comparison::Eq && says_all(value) => {
                let catalog = &self.space.indexes.catalog;
                (catalog.ready(base, path, Kind::Order)?, equal_to(value))
            }
            _ => return None,
        };
        // Nothing is hidden: what is deleted has its rows in the section behind the other.
        let live = usize::from(self.deleted == Deleted::Only);
        let sections = self.sections(index).into_iter().skip(live);
        let ranges = sections.map(|section| match &end {
            None => Range::of([section, first.clone()].concat()),
            end => Range::within(section, (first.clone(), end.clone())),
        });
        Some(ranges.collect())
    }
}

/// Whether what has the entry of a value is equal to it.
fn says_all(value: &Value) -> bool {
    let is_simple = matches!(
        value,
        Value::Bool(_)
            | Value::Counter(_)
            | Value::Int(_)
            | Value::String(_)
            | Value::Text(_)
            | Value::Timestamp(_)
    );
    is_simple && equal_to(value).0.len() < ENTRY_BYTES_MAX
}
