//! Queries whose results are structs.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use dxos_document::{Deleted, Difference, Filter, Object, Path};
use dxos_schema::{EchoObject, MismatchError, Typed};
use futures_core::Stream;

use crate::{ClientError, LiveQuery, ObjectId, PendingQuery};

/// A query for the objects of a type that has not been run yet. See
/// [`Database::objects`](crate::Database::objects).
#[derive(Clone, Debug)]
#[must_use = "run it or subscribe to it"]
pub struct TypedQuery<T> {
    query: PendingQuery,
    of: PhantomData<fn() -> T>,
}

impl<T: EchoObject> TypedQuery<T> {
    pub(crate) const fn new(query: PendingQuery) -> Self {
        Self {
            query,
            of: PhantomData,
        }
    }

    /// Only objects for which this holds too.
    pub fn filter(self, filter: Filter) -> Self {
        Self::new(self.query.filter(filter))
    }

    /// With a further key of the order, the smallest first.
    pub fn order_by(self, path: impl Into<Path>) -> Self {
        Self::new(self.query.order_by(path))
    }

    /// With a further key of the order, the greatest first.
    pub fn descending(self, path: impl Into<Path>) -> Self {
        Self::new(self.query.descending(path))
    }

    /// With what fits best what is searched for first.
    pub fn by_relevance(self) -> Self {
        Self::new(self.query.by_relevance())
    }

    /// With at most `limit` results.
    pub fn limit(self, limit: usize) -> Self {
        Self::new(self.query.limit(limit))
    }

    /// With deleted objects as `deleted` says.
    pub fn deleted(self, deleted: Deleted) -> Self {
        Self::new(self.query.deleted(deleted))
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn run(self) -> Result<TypedResults<T>, ClientError> {
        let mut results = TypedResults::default();
        for object in self.query.run().await? {
            results.push(object);
        }
        Ok(results)
    }

    /// Runs it and keeps it up to date until the result is dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn subscribe(self) -> Result<LiveObjects<T>, ClientError> {
        let query = self.query.subscribe().await?;
        let mut results = TypedResults::default();
        for object in query.results() {
            results.push(object.clone());
        }
        Ok(LiveObjects { query, results })
    }
}

/// The objects that a query found, as structs. An object that does not fit the struct, which
/// anyone who may write can make, does not hide the others: it is among
/// [`TypedResults::mismatched`].
#[derive(Clone, Debug, PartialEq)]
pub struct TypedResults<T> {
    fitting: Vec<Typed<T>>,
    mismatched: Vec<MismatchError>,
}

impl<T> Default for TypedResults<T> {
    fn default() -> Self {
        Self {
            fitting: Vec::new(),
            mismatched: Vec::new(),
        }
    }
}

impl<T: EchoObject> TypedResults<T> {
    fn push(&mut self, object: Object) {
        match Typed::read(object) {
            Ok(typed) => self.fitting.push(typed),
            Err(error) => self.mismatched.push(error),
        }
    }

    /// Reads again what changed, and takes over what did not, which kept its order.
    fn follow(&mut self, difference: &Difference, results: &[Object]) {
        let placed = difference.added.iter().chain(&difference.updated);
        let changed: BTreeSet<ObjectId> = placed.map(|placed| placed.object.id()).collect();
        let removed: BTreeSet<ObjectId> = difference.removed.iter().copied().collect();
        let is_kept = |id: &ObjectId| !changed.contains(id) && !removed.contains(id);
        let old = std::mem::take(self);
        let mut fitting = old.fitting.into_iter();
        let mut fitting = fitting
            .by_ref()
            .filter(|typed| is_kept(&typed.object().id()))
            .peekable();
        let mut mismatched = old.mismatched.into_iter();
        let mut mismatched = mismatched
            .by_ref()
            .filter(|error| is_kept(&error.object))
            .peekable();
        for object in results {
            let id = object.id();
            if let Some(typed) = fitting.next_if(|typed| typed.object().id() == id) {
                self.fitting.push(typed);
            } else if let Some(error) = mismatched.next_if(|error| error.object == id) {
                self.mismatched.push(error);
            } else {
                self.push(object.clone());
            }
        }
    }
}

impl<T> TypedResults<T> {
    /// What was found that does not fit the struct.
    pub fn mismatched(&self) -> &[MismatchError] {
        &self.mismatched
    }
}

impl<T> Deref for TypedResults<T> {
    type Target = [Typed<T>];

    fn deref(&self) -> &[Typed<T>] {
        &self.fitting
    }
}

impl<T> IntoIterator for TypedResults<T> {
    type Item = Typed<T>;
    type IntoIter = std::vec::IntoIter<Typed<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.fitting.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a TypedResults<T> {
    type Item = &'a Typed<T>;
    type IntoIter = std::slice::Iter<'a, Typed<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.fitting.iter()
    }
}

/// A query for the objects of a type that is kept up to date: a stream of differences, each of
/// which is in [`LiveObjects::results`] when it is yielded. It ends when the space is closed;
/// dropping it unsubscribes.
#[derive(Debug)]
pub struct LiveObjects<T> {
    query: LiveQuery,
    results: TypedResults<T>,
}

impl<T: EchoObject> LiveObjects<T> {
    /// The result, with every difference that was yielded so far.
    pub const fn results(&self) -> &TypedResults<T> {
        &self.results
    }

    /// Waits for the next difference; `None` when the space is closed.
    pub async fn next(&mut self) -> Option<Difference> {
        let difference = self.query.next().await?;
        self.results.follow(&difference, self.query.results());
        Some(difference)
    }
}

impl<T: EchoObject + Unpin> Stream for LiveObjects<T> {
    type Item = Difference;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.query).poll_next(context);
        if let Poll::Ready(Some(difference)) = &polled {
            this.results.follow(difference, this.query.results());
        }
        polled
    }
}
