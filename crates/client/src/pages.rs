//! The results of a query, bit by bit.

use dxos_document::{Cursor, Object, Query};
use dxos_keys::ObjectId;
use dxos_protocol::echo::{FindIds, ReadFound};

use crate::query::{DEADLINE, ECHO};
use crate::{ClientError, Space};

/// Objects that are in memory at once.
const PAGE: usize = 256;

/// All results of a query in its order, some at a time, so that memory is bounded; see
/// [`PendingQuery::pages`](crate::PendingQuery::pages).
#[derive(Debug)]
pub struct Pages {
    space: Space,
    query: Query,
    /// How many more the limit allows.
    left: usize,
    /// Where what was not asked for yet begins; `None` at the beginning and at the end.
    after: Option<Cursor>,
    /// What was found and is not read yet.
    found: std::vec::IntoIter<ObjectId>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Ids are found, and read.
    ByIds,
    /// An index gives the pages: nothing is read twice.
    ByPages,
    Ended,
}

impl Pages {
    pub(crate) fn new(space: Space, query: Query) -> Self {
        let left = query.limit.unwrap_or(usize::MAX);
        let state = if left == 0 {
            State::Ended
        } else {
            State::ByIds
        };
        Self {
            space,
            after: query.after.clone().filter(|_| left > 0),
            query,
            left,
            found: Vec::new().into_iter(),
            state,
        }
    }

    /// The next results, at least one; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// As for [`PendingQuery::run`](crate::PendingQuery::run).
    pub async fn next(&mut self) -> Result<Option<Vec<Object>>, ClientError> {
        loop {
            let ids: Vec<ObjectId> = self.found.by_ref().take(PAGE).collect();
            if !ids.is_empty() {
                let objects = self.read(ids).await?;
                if objects.is_empty() {
                    continue;
                }
                return Ok(Some(objects));
            }
            match self.state {
                State::Ended => return Ok(None),
                State::ByIds => self.find().await?,
                State::ByPages => {
                    let objects = self.page().await?;
                    return Ok((!objects.is_empty()).then_some(objects));
                }
            }
        }
    }

    /// Once there are no more: where those begin that the limit left out, if there are some.
    pub const fn rest(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }

    /// Finds the ids of what comes next, as many as memory allows.
    async fn find(&mut self) -> Result<(), ClientError> {
        let query = Query {
            limit: Some(self.left),
            after: self.after.clone(),
            ..self.query.clone()
        };
        let space = self.space.key();
        let port = self.space.client().node()?.echo.find_ids();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(FindIds { space, query }).await;
        let Some(found) = answer.map_err(ClientError::unanswered(ECHO))?? else {
            self.state = State::ByPages;
            return Ok(());
        };
        self.took(found.objects.len(), found.next);
        self.found = found.objects.into_iter();
        Ok(())
    }

    async fn read(&self, objects: Vec<ObjectId>) -> Result<Vec<Object>, ClientError> {
        let read = ReadFound {
            space: self.space.key(),
            query: self.query.clone(),
            objects,
        };
        let port = self.space.client().node()?.echo.read_found();
        let port = port.with_deadline(DEADLINE);
        let answer = port.ask(read).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    async fn page(&mut self) -> Result<Vec<Object>, ClientError> {
        let mut query = self.query.clone();
        query.after = self.after.clone();
        let query = self.space.db().query(query);
        let page = query.page(PAGE.min(self.left)).await?;
        self.took(page.objects.len(), page.next);
        Ok(page.objects)
    }

    fn took(&mut self, count: usize, next: Option<Cursor>) {
        self.left = self.left.saturating_sub(count);
        self.after = next;
        if self.left == 0 || self.after.is_none() {
            self.state = State::Ended;
        }
    }
}
