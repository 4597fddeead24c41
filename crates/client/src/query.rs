//! Queries of a space: run once, or kept up to date.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dxos_document::{Cursor, Deleted, Difference, Group, Object, Page, Path, Query};
use dxos_protocol::echo::{CountQuery, ExplainQuery, Explanation, GroupQuery, RunQuery, Subscribe};
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::{ClientError, Node, Pages, Space, SpaceKey};

pub(crate) const ECHO: &str = "ECHO";
/// A query over a large space takes its time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(600);

/// A query that has not been run yet.
#[derive(Clone, Debug)]
#[must_use = "run it or subscribe to it"]
pub struct PendingQuery {
    space: Space,
    query: Query,
}

impl PendingQuery {
    pub(crate) const fn new(space: Space, query: Query) -> Self {
        Self { space, query }
    }

    /// Only what another condition holds for too.
    pub fn filter(mut self, filter: dxos_document::Filter) -> Self {
        let all = self.query.filter;
        self.query.filter = all.and(filter);
        self
    }

    /// With a further key of the order, the smallest first.
    pub fn order_by(mut self, path: impl Into<Path>) -> Self {
        self.query = self.query.order_by(path);
        self
    }

    /// With a further key of the order, the greatest first.
    pub fn descending(mut self, path: impl Into<Path>) -> Self {
        self.query = self.query.descending(path);
        self
    }

    /// With what fits best what is searched for first; see [`Query::by_relevance`]. Where the
    /// words are in a result, [`Filter::highlights`](dxos_document::Filter::highlights) tells.
    pub fn by_relevance(mut self) -> Self {
        self.query = self.query.by_relevance();
        self
    }

    /// With at most `limit` results.
    pub fn limit(mut self, limit: usize) -> Self {
        self.query = self.query.limit(limit);
        self
    }

    /// With only what comes behind a place: `next` of the page before.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.query = self.query.after(cursor);
        self
    }

    /// With deleted objects as `deleted` says.
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.query = self.query.deleted(deleted);
        self
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn run(self) -> Result<Vec<Object>, ClientError> {
        let space = self.space.key();
        let query = self.query;
        let port = self.space.client().node()?.echo.run_query();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(RunQuery { space, query }).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Runs it for the first `size` results behind its cursor, and tells where the next page
    /// begins. What is added, changed or removed between two pages moves none of the others.
    ///
    /// # Errors
    ///
    /// As for [`PendingQuery::run`], and when the cursor is one of another order.
    pub async fn page(mut self, size: usize) -> Result<Page, ClientError> {
        let query = self.query.clone();
        self.query = self.query.for_page(size);
        Ok(query.page(self.run().await?, size))
    }

    /// Runs it bit by bit, for more results than memory holds.
    ///
    /// What is there all the time, and matches, comes once. What is added, changed or removed
    /// meanwhile may be among the results or not; what is changed comes as it is when it is read,
    /// perhaps still in its place of before.
    ///
    /// An index that serves the order is read along. Without one the ids of all results are found
    /// first, with 32 MiB for what the order looks at of them: where that is too little, as with
    /// some hundred thousand results, all objects are looked at once more for every such part.
    /// An order by relevance is read in pages all the same, and each is looked for anew.
    pub fn pages(self) -> Pages {
        Pages::new(self.space, self.query)
    }

    /// How many objects it finds, its limit left aside.
    ///
    /// # Errors
    ///
    /// As for [`PendingQuery::run`].
    pub async fn count(self) -> Result<u64, ClientError> {
        let space = self.space.key();
        let query = self.query;
        let port = self.space.client().node()?.echo.count_query();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(CountQuery { space, query }).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    /// How many objects it finds of each value at a path, its limit left aside, in the order of
    /// the values. See [`Path::about`] for counts by type or tag.
    ///
    /// # Errors
    ///
    /// As for [`PendingQuery::run`].
    pub async fn group_count(self, path: impl Into<Path>) -> Result<Vec<Group>, ClientError> {
        let group = GroupQuery {
            space: self.space.key(),
            query: self.query,
            path: path.into(),
        };
        let port = self.space.client().node()?.echo.group_query();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(group).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Runs it and tells how it was answered: which index served it, and what was read.
    ///
    /// # Errors
    ///
    /// As for [`PendingQuery::run`].
    pub async fn explain(self) -> Result<Explanation, ClientError> {
        let space = self.space.key();
        let query = self.query;
        let port = self.space.client().node()?.echo.explain_query();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(ExplainQuery { space, query }).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Runs it and keeps it up to date until the result is dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn subscribe(self) -> Result<LiveQuery, ClientError> {
        let node = self.space.client().node()?;
        subscribe(&node, self.space.key(), self.query).await
    }
}

/// Subscribes to a query of a space.
pub(crate) async fn subscribe(
    node: &Node,
    space: SpaceKey,
    query: Query,
) -> Result<LiveQuery, ClientError> {
    let port = node.echo.subscribe().with_deadline(DEADLINE);
    let live = port
        .ask(Subscribe { space, query })
        .await
        .map_err(ClientError::unanswered(ECHO))??;
    Ok(LiveQuery {
        results: live.initial,
        changes: live.changes,
    })
}

/// A query that is kept up to date: a stream of differences. Folding each into
/// [`LiveQuery::results`] has happened when it is yielded. It ends when the space is closed;
/// dropping it unsubscribes. A reader that falls behind gets several changes as one.
#[derive(Debug)]
pub struct LiveQuery {
    results: Vec<Object>,
    changes: mpsc::Receiver<Difference>,
}

impl LiveQuery {
    /// The result, with every difference folded in that was yielded so far.
    pub fn results(&self) -> &[Object] {
        &self.results
    }

    /// Waits for the next difference; `None` when the space is closed.
    pub async fn next(&mut self) -> Option<Difference> {
        let difference = self.changes.recv().await?;
        difference.clone().fold(&mut self.results);
        Some(difference)
    }

    /// The next difference, if it is here already.
    pub(crate) fn ready(&mut self) -> Option<Difference> {
        let difference = self.changes.try_recv().ok()?;
        difference.clone().fold(&mut self.results);
        Some(difference)
    }
}

impl Stream for LiveQuery {
    type Item = Difference;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.changes.poll_recv(context);
        if let Poll::Ready(Some(difference)) = &polled {
            difference.clone().fold(&mut self.results);
        }
        polled
    }
}
