//! Queries: which objects, in what order, how many.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{Cursor, Filter, Group, Groups, Object, Path, Relevance, Value, WordsError};

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
    /// The property, or what [`Path::about`] names; a missing one counts as null.
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
    /// Only what comes behind this place; it must be one of the same order.
    #[serde(default)]
    pub after: Option<Cursor>,
}

/// Why a query cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The cursor is one of another order.
    #[error("the cursor was taken in another order; keep the order while paging, or begin anew")]
    CursorOfAnotherOrder,
    /// More conditions on texts than a query may have.
    #[error("a query has {found} conditions on texts, at most {TEXTS_MAX} are allowed; use fewer")]
    TooManyTexts {
        /// How many there are.
        found: usize,
    },
    /// What is searched for cannot be.
    #[error(transparent)]
    Words(#[from] WordsError),
}

/// Conditions on texts that a query may have.
const TEXTS_MAX: usize = 16;

/// Some results, and where the next begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The results, in order.
    pub objects: Vec<Object>,
    /// To be given to [`Query::after`] for those behind; `None` when there are none now.
    pub next: Option<Cursor>,
}

impl Query {
    /// All objects that match `filter` and are not deleted, in the order of their ids.
    pub const fn new(filter: Filter) -> Self {
        Self {
            filter,
            deleted: Deleted::Exclude,
            order: Vec::new(),
            limit: None,
            after: None,
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

    /// With what fits best what is searched for first, as a further key of the order; see
    /// [`Object::score`].
    ///
    /// A word counts more the rarer it is among the objects of the type that the query names, or
    /// among all of the space when it names none: so what is written later may change the order
    /// between two pages. A live query weighs them again a while after something changed: at most
    /// once a second, and less often the more objects there are. Until then its order, and the
    /// scores in it, are those of before.
    #[must_use]
    pub fn by_relevance(self) -> Self {
        self.descending(Path::about(Self::RELEVANCE))
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

    /// With only what comes behind a place: `next` of the page before.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Refuses a query that asks for what there cannot be.
    ///
    /// # Errors
    ///
    /// [`QueryError::CursorOfAnotherOrder`] when it begins behind a cursor of another order, and
    /// what says that it searches for too much.
    pub fn check(&self) -> Result<(), QueryError> {
        let mut found = 0;
        self.filter.visit_words(&mut |words| {
            found += 1;
            words.check()
        })?;
        if found > TEXTS_MAX {
            return Err(QueryError::TooManyTexts { found });
        }
        match &self.after {
            Some(cursor) if !cursor.fits(self) => Err(QueryError::CursorOfAnotherOrder),
            _ => Ok(()),
        }
    }

    /// Whether `object` is found, if the limit leaves room for it. If the order is by relevance
    /// it has been told how well it fits; see [`Query::finds`].
    pub fn matches(&self, object: &Object) -> bool {
        self.selects(object) && self.is_behind_cursor(object)
    }

    /// Whether `object` is found, if the limit leaves room for it; it is told how well it fits if
    /// it may be.
    pub fn finds(&self, object: &mut Object, relevance: Option<&Relevance>) -> bool {
        if !self.selects(object) {
            return false;
        }
        if let Some(relevance) = relevance {
            relevance.tell(object);
        }
        self.is_behind_cursor(object)
    }

    fn is_behind_cursor(&self, object: &Object) -> bool {
        (self.after.as_ref()).is_none_or(|cursor| cursor.is_before(object))
    }

    fn selects(&self, object: &Object) -> bool {
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
            let (one, two) = (one.field(&key.path), two.field(&key.path));
            let one = one.as_deref().unwrap_or(&Value::Null);
            let two = two.as_deref().unwrap_or(&Value::Null);
            let ordering = compare_values(key.direction, one, two);
            if ordering.is_ne() {
                return ordering;
            }
        }
        one.id().cmp(&two.id())
    }

    /// Answers from `objects`, each of which may come once: the matching ones, in order, as many
    /// as the limit allows.
    pub fn run(&self, objects: impl IntoIterator<Item = Object>) -> Vec<Object> {
        self.sorted(objects.into_iter().filter(|object| self.matches(object)))
    }

    /// The same for a query whose order is by `relevance`.
    pub fn run_ranked(
        &self,
        relevance: Option<&Relevance>,
        objects: impl IntoIterator<Item = Object>,
    ) -> Vec<Object> {
        let found = objects.into_iter().filter_map(|mut object| {
            let is_found = self.finds(&mut object, relevance);
            is_found.then_some(object)
        });
        self.sorted(found)
    }

    fn sorted(&self, found: impl Iterator<Item = Object>) -> Vec<Object> {
        let mut found: Vec<_> = found.collect();
        found.sort_by(|one, two| self.compare(one, two));
        if let Some(limit) = self.limit {
            found.truncate(limit);
        }
        found
    }

    /// The query for one page: one result more than `size`, so that it is known whether there is
    /// a next page. See [`Query::page`].
    #[must_use]
    pub fn for_page(self, size: usize) -> Self {
        self.limit(size.saturating_add(1))
    }

    /// The page of `size` results that the answer to [`Query::for_page`] holds.
    pub fn page(&self, mut objects: Vec<Object>, size: usize) -> Page {
        let has_more = objects.len() > size;
        objects.truncate(size);
        let last = objects.last().filter(|_| has_more);
        Page {
            next: last.map(|last| self.cursor_after(last)),
            objects,
        }
    }

    /// How many of `objects`, each of which may come once, match. The limit is left aside.
    pub fn count<'a>(&self, objects: impl IntoIterator<Item = &'a Object>) -> u64 {
        let matching = objects.into_iter().filter(|object| self.matches(object));
        matching.fold(0, |count, _| count + 1)
    }

    /// How many of `objects`, each of which may come once, match with which value at `path`. The
    /// limit is left aside.
    pub fn group_count<'a>(
        &self,
        path: impl Into<Path>,
        objects: impl IntoIterator<Item = &'a Object>,
    ) -> Vec<Group> {
        let mut groups = Groups::by(path.into());
        for object in objects {
            if self.matches(object) {
                groups.add(object);
            }
        }
        groups.into_groups()
    }
}

/// How two values stand in an order.
pub(crate) fn compare_values(direction: Direction, one: &Value, two: &Value) -> Ordering {
    match direction {
        Direction::Ascending => one.cmp(two),
        Direction::Descending => two.cmp(one),
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Self {
        Self::new(filter)
    }
}
