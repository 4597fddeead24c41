//! The past of a space: who changed what, how things were, what differs.

use std::collections::BTreeMap;
use std::time::Duration;

use dxos_actors::Port;
use dxos_document::{Object, Path, Query, Stamp, Timeframe};
use dxos_protocol::echo::{Committed, EchoError};
use dxos_protocol::history::{
    COMPARE_PAGE_MAX, Compare, FeedReport, GetObjectAt, GetTimeframe, HistoryPage, ListConflicts,
    ListFeeds, Loser, ObjectDifference, ReadHistory, RunQueryAt, Undo, Undone,
};

use crate::{ClientError, Database, ObjectId, Space};

const ECHO: &str = "ECHO";
/// The past of a large space takes its time.
const DEADLINE: Duration = Duration::from_secs(600);
/// How often a read is begun again when what counts changes meanwhile.
const TRIES: usize = 4;

/// Asks a question about the past; again when what counts has changed meanwhile.
pub(crate) async fn ask<M, T>(port: Port<M>, message: M) -> Result<T, ClientError>
where
    M: dxos_wire::Request<Reply = Result<T, EchoError>> + Clone,
{
    let port = port.with_deadline(DEADLINE);
    let mut tries = 1;
    loop {
        let answer = port.ask(message.clone()).await;
        match answer.map_err(ClientError::unanswered(ECHO))? {
            Err(EchoError::PastChanged) if tries < TRIES => tries += 1,
            answer => return Ok(answer?),
        }
    }
}

impl Database {
    /// The values of an object that were assigned concurrently with those that show and lost, by
    /// path, the latest first, each with who assigned it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn all_conflicts(
        &self,
        object: ObjectId,
    ) -> Result<BTreeMap<Path, Vec<Loser>>, ClientError> {
        let space = self.space().key();
        let port = self.space().client().node()?.echo.list_conflicts();
        ask(port, ListConflicts { space, object }).await
    }

    /// The same of one property, such as `"address.city"`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn conflicts(
        &self,
        object: ObjectId,
        path: impl Into<Path>,
    ) -> Result<Vec<Loser>, ClientError> {
        let mut all = self.all_conflicts(object).await?;
        Ok(all.remove(&path.into()).unwrap_or_default())
    }

    /// Undoes a transaction of this identity by a new one, as far as what it did still shows: what
    /// was changed since, by whomever, stays as it is, and so do concurrent changes. Of a
    /// property for which a concurrent value had lost against it, that value shows then. An
    /// object that the transaction made is deleted unless others have changed it. Numbers are
    /// counted back; members of sets that others added as well stay. Texts and lists are edited
    /// back when nobody has edited them since.
    ///
    /// The result says what was undone and what was not. Undoing what it committed does it again.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] with [`EchoError::OthersTransaction`] when somebody else wrote it:
    /// see [`Database::undo_any`]; with [`EchoError::UnknownTransaction`] when it is not here or
    /// does not count.
    pub async fn undo(&self, committed: &Committed) -> Result<Undone, ClientError> {
        self.undo_as(committed, false).await
    }

    /// Undoes a transaction, whoever wrote it. See [`Database::undo`].
    ///
    /// # Errors
    ///
    /// As for [`Database::undo`], but for who wrote it.
    pub async fn undo_any(&self, committed: &Committed) -> Result<Undone, ClientError> {
        self.undo_as(committed, true).await
    }

    async fn undo_as(&self, committed: &Committed, any: bool) -> Result<Undone, ClientError> {
        let undo = Undo {
            space: self.space().key(),
            feed: committed.feed,
            seq: committed.seq,
            any,
        };
        ask(self.space().client().node()?.echo.undo(), undo).await
    }

    /// The transactions that touched an object: who wrote them, when, and what they did to it.
    /// See [`History::next`].
    pub fn history(&self, object: ObjectId) -> History {
        History::new(self.space().clone(), Some(object))
    }
}

impl Space {
    /// All transactions of the space: who wrote them, when, and what they did. See
    /// [`History::next`].
    pub fn history(&self) -> History {
        History::new(self.clone(), None)
    }

    /// What has been applied here, as a time to come back to with [`Space::at`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn timeframe(&self) -> Result<Timeframe, ClientError> {
        let port = self.client().node()?.echo.timeframe();
        ask(port, GetTimeframe { space: self.key() }).await
    }

    /// Its feeds that hold something: who writes each, for what, and how much of it is here.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn feeds(&self) -> Result<Vec<FeedReport>, ClientError> {
        let port = self.client().node()?.echo.list_feeds();
        ask(port, ListFeeds { space: self.key() }).await
    }

    /// The space as it was at a timeframe.
    ///
    /// It shows what counts today of what had been written then: what a fork or a removal has
    /// taken back since does not show. Of a timeframe that does not hold the causes of everything
    /// in it, the greatest part shows that does.
    pub fn at(&self, timeframe: Timeframe) -> SpaceAt {
        SpaceAt {
            space: self.clone(),
            timeframe,
        }
    }

    /// What differs between two timeframes, in the order of object ids: objects that were added,
    /// removed or changed, and which of their properties.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone, or a timeframe holds what is not here
    /// ([`EchoError::TimeframeAhead`]).
    pub async fn diff(
        &self,
        from: &Timeframe,
        until: &Timeframe,
    ) -> Result<Vec<ObjectDifference>, ClientError> {
        let mut compare = Compare {
            space: self.key(),
            from: from.clone(),
            until: until.clone(),
            after: None,
            limit: COMPARE_PAGE_MAX,
        };
        let mut found = Vec::new();
        loop {
            let port = self.client().node()?.echo.compare();
            let page = ask(port, compare.clone()).await?;
            found.extend(page.objects);
            if page.next.is_none() {
                return Ok(found);
            }
            compare.after = page.next;
        }
    }
}

/// A space as it was. See [`Space::at`].
#[derive(Clone, Debug)]
pub struct SpaceAt {
    space: Space,
    timeframe: Timeframe,
}

impl SpaceAt {
    /// When.
    pub const fn timeframe(&self) -> &Timeframe {
        &self.timeframe
    }

    /// An object as it was, deleted or not; `None` when it was not there yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone, or the timeframe holds what is not here
    /// ([`EchoError::TimeframeAhead`]).
    pub async fn get(&self, object: ObjectId) -> Result<Option<Object>, ClientError> {
        let get = GetObjectAt {
            space: self.space.key(),
            timeframe: self.timeframe.clone(),
            object,
        };
        let port = self.space.client().node()?.echo.get_object_at();
        ask(port, get).await
    }

    /// Runs a query over the objects as they were.
    ///
    /// # Errors
    ///
    /// As for [`SpaceAt::get`].
    pub async fn query(&self, query: impl Into<Query>) -> Result<Vec<Object>, ClientError> {
        let run = RunQueryAt {
            space: self.space.key(),
            timeframe: self.timeframe.clone(),
            query: query.into(),
        };
        let port = self.space.client().node()?.echo.run_query_at();
        ask(port, run).await
    }
}

/// Transactions of the past, read page by page, the newest first. Those that are written
/// meanwhile do not show in it.
#[derive(Clone, Debug)]
pub struct History {
    space: Space,
    object: Option<ObjectId>,
    before: Option<Stamp>,
    ended: bool,
}

impl History {
    const fn new(space: Space, object: Option<ObjectId>) -> Self {
        Self {
            space,
            object,
            before: None,
            ended: false,
        }
    }

    /// Goes on before a place, such as [`HistoryPage::next`] of an earlier reading.
    #[must_use]
    pub const fn before(mut self, place: Stamp) -> Self {
        self.before = Some(place);
        self
    }

    /// The next page of at most `limit` transactions, up to
    /// [`HISTORY_PAGE_MAX`](dxos_protocol::history::HISTORY_PAGE_MAX), fewer when they are large.
    /// It has no entries when nothing is left.
    ///
    /// Every page takes a reading of the blocks up to where it begins: a page costs time with the
    /// size of the space, and memory with its own.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn next(&mut self, limit: usize) -> Result<HistoryPage, ClientError> {
        if self.ended {
            return Ok(HistoryPage::default());
        }
        let read = ReadHistory {
            space: self.space.key(),
            object: self.object,
            before: self.before,
            limit,
        };
        let port = self.space.client().node()?.echo.read_history();
        let page: HistoryPage = ask(port, read).await?;
        self.before = page.next;
        self.ended = page.next.is_none();
        Ok(page)
    }
}
