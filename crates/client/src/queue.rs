//! Queues of a space: append-only logs beside its objects.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dxos_document::{Direction, OpId, Retention, Value};
use dxos_protocol::echo::{
    AppendItems, Appended, Durability, ListQueues, QUEUE_PAGE_ITEMS_MAX, QueueCursor, QueueItem,
    QueuePage, QueueReport, ReadItems, ReadQueue, SetRetention, WatchQueue,
};
use dxos_schema::to_value;
use futures_core::Stream;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::watch;

use crate::{ClientError, DatabaseError, Space};

const ECHO: &str = "ECHO";
/// Items that a subscription reads at once.
const PAGE: usize = 256;

/// A queue of a space: an append-only log, such as of messages or events, beside the objects. See
/// [`Space::queue`].
///
/// ```no_run
/// # async fn example(space: dxos_client::Space) -> Result<(), Box<dyn std::error::Error>> {
/// use dxos_client::{QueueCursor, Retention, from_value};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Message {
///     text: String,
/// }
///
/// let chat = space.queue("chat");
/// chat.set_retention(Retention { items_max: Some(10_000), ..Retention::ALL }).await?;
/// chat.append([Message { text: "Good morning".into() }]).await?;
///
/// // The last items, the latest first: the same on every device.
/// for item in chat.latest(50).await? {
///     let message: Message = from_value(&item.value)?;
///     println!("{:?}: {}", item.author.display_name, message.text);
/// }
///
/// // Everything that comes to this device, from where it was left.
/// let mut subscription = chat.subscribe(QueueCursor::START);
/// while let Some(page) = subscription.next().await {
///     let page = page?;
///     for item in &page.items {
///         println!("{:?}", item.value);
///     }
///     // Where to go on after a restart: `page.next`.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Queue {
    space: Space,
    name: Arc<str>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("space", &self.space.key())
            .field("name", &self.name)
            .finish()
    }
}

impl Space {
    /// A queue by its name of 1 to 256 bytes. The first item makes it.
    pub fn queue(&self, name: impl Into<Arc<str>>) -> Queue {
        Queue {
            space: self.clone(),
            name: name.into(),
        }
    }

    /// The queues that there are, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn queues(&self) -> Result<Vec<QueueReport>, ClientError> {
        self.list_queues(None).await
    }

    async fn list_queues(&self, queue: Option<String>) -> Result<Vec<QueueReport>, ClientError> {
        let space = self.key();
        let port = self.client().node()?.echo.list_queues();
        let listed = port.ask(ListQueues { space, queue }).await;
        Ok(listed.map_err(ClientError::unanswered(ECHO))??)
    }
}

impl Queue {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The space that it is in.
    pub const fn space(&self) -> &Space {
        &self.space
    }

    /// Appends items, of any type that `serde` can write, as one block: all of them on every
    /// replica, or none. Editors may. An item takes up to 256 KiB, all together up to a block.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Unwritable`] when a value cannot be written, [`DatabaseError::Client`]
    /// when the role does not allow it, there is no item, or something is out of bounds.
    pub async fn append<T: Serialize>(
        &self,
        items: impl IntoIterator<Item = T> + Send,
    ) -> Result<Appended, DatabaseError> {
        self.append_with(items, Durability::Interval).await
    }

    /// The same with another durability, such as to wait until it is on the disk.
    ///
    /// # Errors
    ///
    /// As for [`Queue::append`].
    pub async fn append_with<T: Serialize>(
        &self,
        items: impl IntoIterator<Item = T> + Send,
        durability: Durability,
    ) -> Result<Appended, DatabaseError> {
        let items: Result<Vec<_>, _> = items.into_iter().map(|item| to_value(&item)).collect();
        let items = items.map_err(|error| DatabaseError::Unwritable {
            reason: error.to_string(),
        })?;
        Ok(self.append_values(items, durability).await?)
    }

    /// The same of values as they are.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, there is no item, or something is
    /// out of bounds.
    pub async fn append_values(
        &self,
        items: Vec<Value>,
        durability: Durability,
    ) -> Result<Appended, ClientError> {
        let append = AppendItems {
            space: self.space.key(),
            queue: self.name.to_string(),
            items,
            durability,
        };
        let port = self.space.client().node()?.echo.append_items();
        let appended = port.ask(append).await;
        Ok(appended.map_err(ClientError::unanswered(ECHO))??)
    }

    /// What came to this device from a cursor on, up to `limit` items. The cursor to go on from is
    /// in the page; it is good on this device only. Whoever goes on from it misses nothing and
    /// gets nothing twice, but for what a loss of power took from the disk and peers bring again.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the cursor is of another device, or the space cannot be read.
    pub async fn read(&self, from: QueueCursor, limit: usize) -> Result<QueuePage, ClientError> {
        let read = ReadQueue {
            space: self.space.key(),
            queue: self.name.to_string(),
            from,
            limit,
        };
        let port = self.space.client().node()?.echo.read_queue();
        let page = port.ask(read).await;
        Ok(page.map_err(ClientError::unanswered(ECHO))??)
    }

    /// The last items in the order that is the same on every device, the latest first; up to
    /// 1,024, or 1 MiB.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn latest(&self, limit: usize) -> Result<Vec<QueueItem>, ClientError> {
        self.items(Direction::Descending, None, limit).await
    }

    /// The last items that stand before another one.
    ///
    /// # Errors
    ///
    /// As for [`Queue::latest`].
    pub async fn latest_before(
        &self,
        position: OpId,
        limit: usize,
    ) -> Result<Vec<QueueItem>, ClientError> {
        self.items(Direction::Descending, Some(position), limit)
            .await
    }

    /// Items in the order that is the same on every device, or the other way round: those beyond
    /// a place in that direction, or all. Up to 1,024, or 1 MiB.
    ///
    /// # Errors
    ///
    /// As for [`Queue::latest`].
    pub async fn items(
        &self,
        order: Direction,
        beyond: Option<OpId>,
        limit: usize,
    ) -> Result<Vec<QueueItem>, ClientError> {
        let read = ReadItems {
            space: self.space.key(),
            queue: self.name.to_string(),
            order,
            beyond,
            limit,
        };
        let port = self.space.client().node()?.echo.read_items();
        let items = port.ask(read).await;
        Ok(items.map_err(ClientError::unanswered(ECHO))??)
    }

    /// How much it holds, and where it ends here. `None` when nobody has written to it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn report(&self) -> Result<Option<QueueReport>, ClientError> {
        let listed = self.space.list_queues(Some(self.name.to_string())).await?;
        Ok(listed.into_iter().next())
    }

    /// How many items it holds.
    ///
    /// # Errors
    ///
    /// As for [`Queue::report`].
    pub async fn len(&self) -> Result<u64, ClientError> {
        Ok(self.report().await?.map_or(0, |report| report.items))
    }

    /// Whether it holds none.
    ///
    /// # Errors
    ///
    /// As for [`Queue::report`].
    pub async fn is_empty(&self) -> Result<bool, ClientError> {
        Ok(self.len().await? == 0)
    }

    /// Says how much it is to hold, for everybody. What is beyond that is dropped on every device
    /// at once, and again whenever something is appended. Editors may.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, or the name is out of bounds.
    pub async fn set_retention(&self, retention: Retention) -> Result<(), ClientError> {
        let set = SetRetention {
            space: self.space.key(),
            queue: self.name.to_string(),
            retention,
        };
        let port = self.space.client().node()?.echo.set_retention();
        let answer = port.ask(set).await;
        Ok(answer.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Follows what comes to this device, from a cursor on: first what is there, then what comes.
    /// It reads from the store as it is asked: whoever is slow costs nothing.
    pub fn subscribe(&self, from: QueueCursor) -> QueueSubscription {
        let state = State {
            queue: self.clone(),
            cursor: from,
            changes: None,
        };
        QueueSubscription {
            next: Some(Box::pin(state.step())),
        }
    }

    /// Follows that something changes in it here: the number does. Changes that come quickly show
    /// as one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn watch(&self) -> Result<watch::Receiver<u64>, ClientError> {
        let watch = WatchQueue {
            space: self.space.key(),
            queue: self.name.to_string(),
        };
        let port = self.space.client().node()?.echo.watch_queue();
        let changes = port.ask(watch).await;
        Ok(changes.map_err(ClientError::unanswered(ECHO))??)
    }
}

/// What comes to a queue on this device, page by page. See [`Queue::subscribe`]. Dropping it ends
/// it. It ends by itself with an error when the space cannot be read any more.
pub struct QueueSubscription {
    next: Option<BoxFuture<'static, (Result<QueuePage, ClientError>, State)>>,
}

struct State {
    queue: Queue,
    cursor: QueueCursor,
    changes: Option<watch::Receiver<u64>>,
}

impl State {
    async fn step(mut self) -> (Result<QueuePage, ClientError>, Self) {
        let page = self.page().await;
        (page, self)
    }

    async fn page(&mut self) -> Result<QueuePage, ClientError> {
        loop {
            let changes = match self.changes.take() {
                Some(changes) => changes,
                None => self.queue.watch().await?,
            };
            // From here on nothing is missed.
            let changes = self.changes.insert(changes);
            changes.mark_unchanged();
            let page = self
                .queue
                .read(self.cursor, PAGE.min(QUEUE_PAGE_ITEMS_MAX))
                .await?;
            self.cursor = page.next;
            if !page.is_empty() {
                return Ok(page);
            }
            if changes.changed().await.is_err() {
                // The space was closed, or opened again.
                self.changes = None;
            }
        }
    }
}

impl fmt::Debug for QueueSubscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("QueueSubscription")
            .finish_non_exhaustive()
    }
}

impl QueueSubscription {
    /// Waits for the next page, which is never empty; `None` after an error. Nothing is lost when
    /// waiting is given up.
    pub async fn next(&mut self) -> Option<Result<QueuePage, ClientError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for QueueSubscription {
    type Item = Result<QueuePage, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (page, state) = ready!(next.as_mut().poll(context));
        self.next = match &page {
            Ok(_) => Some(Box::pin(state.step())),
            Err(_) => None,
        };
        Poll::Ready(Some(page))
    }
}
