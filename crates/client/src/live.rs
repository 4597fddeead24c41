//! One object, kept up to date.

use std::pin::Pin;
use std::task::{Context, Poll};

use dxos_document::Object;
use dxos_schema::{MismatchError, ObjectKey};
use futures_core::Stream;

use crate::{Database, DatabaseError, LiveQuery};

/// An object that stays as it is in the space: it follows what is written here and what arrives
/// from others. See [`Database::live`]. Dropping it ends that.
///
/// As a stream it gives the object each time it has changed; what changes quickly may be seen
/// once.
#[derive(Debug)]
pub struct Live<K: ObjectKey> {
    database: Database,
    key: K,
    query: LiveQuery,
}

impl<K: ObjectKey> Live<K> {
    pub(crate) const fn new(database: Database, key: K, query: LiveQuery) -> Self {
        Self {
            database,
            key,
            query,
        }
    }

    /// What names it.
    pub const fn key(&self) -> K {
        self.key
    }

    /// The object with every change that has come to be known until now, deleted or not; `None`
    /// when it does not exist here.
    ///
    /// # Errors
    ///
    /// When it is not what the struct asks for.
    pub fn get(&mut self) -> Result<Option<K::Object>, MismatchError> {
        while self.query.ready().is_some() {}
        self.shown()
    }

    /// Waits until it changes from what was seen last; `false` when the space is closed.
    pub async fn changed(&mut self) -> bool {
        self.query.next().await.is_some()
    }

    /// Changes it, as [`Database::update`] does.
    ///
    /// # Errors
    ///
    /// As for [`Database::update`].
    pub async fn update<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut K::Edit) -> R + Send + 'static,
    ) -> Result<R, DatabaseError> {
        self.database.update(self.key, change).await
    }

    fn shown(&self) -> Result<Option<K::Object>, MismatchError> {
        let found: Option<&Object> = self.query.results().first();
        found.cloned().map(K::read).transpose()
    }
}

impl<K: ObjectKey + Unpin> Stream for Live<K> {
    type Item = Result<Option<K::Object>, MismatchError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.query).poll_next(context);
        polled.map(|changed| changed.map(|_| self.shown()))
    }
}
