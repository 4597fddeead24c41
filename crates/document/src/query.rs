//! Queries: which objects, in what order, how many.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{Filter, Object, Path, Value};

/// Whether a query finds deleted objects. What is hidden, because an object above it is deleted,
/// counts as deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// It does not.
    #[default]
    Exclude,
    /// It finds both.
    Include,
    /// It finds only them.
    Only,
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The smallest first; objects without the property before all.
    Ascending,
    /// The greatest first; objects without the property after all.
    Descending,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderBy {
    /// The property; a missing one counts as null.
    pub path: Path,
    /// The direction.
    pub direction: Direction,
}

/// A question to a space; data only.
///
/// Results are in a total order: by the keys of [`Query::order`], values compared as [`Value`]
/// orders them, and then by object id.
///
/// ```
/// use dxos_document::{Filter, Query};
///
/// let query = Query::new(Filter::type_name("task"))
///     .order_by("due")
///     .descending("priority")
///     .limit(20);
/// # assert_eq!(query.order.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Which objects.
    pub filter: Filter,
    /// Whether deleted ones too.
    #[serde(default)]
    pub deleted: Deleted,
    /// In what order.
    #[serde(default)]
    pub order: Vec<OrderBy>,
    /// How many at most, `None` for all.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Query {
    /// All objects that match `filter` and are not deleted, in the order of their ids.
    pub const fn new(filter: Filter) -> Self {
        Self {
            filter,
            deleted: Deleted::Exclude,
            order: Vec::new(),
            limit: None,
        }
    }

    /// With deleted objects as `deleted` says.
    #[must_use]
    pub const fn deleted(mut self, deleted: Deleted) -> Self {
        self.deleted = deleted;
        self
    }

    /// With a further key of the order, the smallest first.
    #[must_use]
    pub fn order_by(self, path: impl Into<Path>) -> Self {
        self.key(path.into(), Direction::Ascending)
    }

    /// With a further key of the order, the greatest first.
    #[must_use]
    pub fn descending(self, path: impl Into<Path>) -> Self {
        self.key(path.into(), Direction::Descending)
    }

    fn key(mut self, path: Path, direction: Direction) -> Self {
        self.order.push(OrderBy { path, direction });
        self
    }

    /// With at most `limit` results.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Whether `object` is found, if the limit leaves room for it.
    pub fn matches(&self, object: &Object) -> bool {
        let is_deleted = object.is_deleted() || object.is_hidden();
        let is_wanted = match self.deleted {
            Deleted::Exclude => !is_deleted,
            Deleted::Include => true,
            Deleted::Only => is_deleted,
        };
        is_wanted && self.filter.matches(object)
    }

    /// Which of two objects comes first; equal only for one and the same id.
    pub fn compare(&self, one: &Object, two: &Object) -> Ordering {
        for key in &self.order {
            let one = one.at(&key.path).unwrap_or(&Value::Null);
            let two = two.at(&key.path).unwrap_or(&Value::Null);
            let ordering = match key.direction {
                Direction::Ascending => one.cmp(two),
                Direction::Descending => two.cmp(one),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        one.id().cmp(&two.id())
    }

    /// Answers from `objects`, each of which may come once: the matching ones, in order, as many
    /// as the limit allows.
    pub fn run(&self, objects: impl IntoIterator<Item = Object>) -> Vec<Object> {
        let mut found: Vec<_> = objects
            .into_iter()
            .filter(|object| self.matches(object))
            .collect();
        found.sort_by(|one, two| self.compare(one, two));
        if let Some(limit) = self.limit {
            found.truncate(limit);
        }
        found
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Self {
        Self::new(filter)
    }
}
