//! The objects of a space.

use dxos_actors::PortError;
use dxos_document::{Map, Object, Query, Transaction, TypeName, diff};
use dxos_protocol::echo::{Commit, Committed, Durability, EchoError, Flush, GetObject};

use crate::{ClientError, ObjectId, PendingQuery, Space};

/// The objects of a space. See [`Space::db`].
#[derive(Clone, Debug)]
pub struct Database {
    space: Space,
}

const ECHO: &str = "ECHO";

/// Why an object was not updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The object does not exist here.
    #[error("object {object} does not exist in space {space}")]
    NotFound {
        /// The space.
        space: crate::SpaceKey,
        /// The object.
        object: ObjectId,
    },
    /// Anything else.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Database {
    pub(crate) const fn new(space: Space) -> Self {
        Self { space }
    }

    /// Adds an object of a type, such as `"task"` or `"example.com/type/Task@1.0"`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it or a value is out of bounds.
    pub async fn add(
        &self,
        type_name: impl Into<TypeName>,
        properties: Map,
    ) -> Result<ObjectId, ClientError> {
        let object = self.new_id()?;
        self.commit(Transaction::new().create(object, type_name, properties))
            .await?;
        Ok(object)
    }

    /// A fresh object id, for a transaction that creates the object and refers to it.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub fn new_id(&self) -> Result<ObjectId, ClientError> {
        Ok(self.space.client().node()?.new_object_id())
    }

    /// An object as it shows now, deleted or not.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn get(&self, object: ObjectId) -> Result<Option<Object>, ClientError> {
        let get = GetObject {
            space: self.space.key(),
            object,
        };
        let node = self.space.client().node()?;
        Ok(node
            .echo
            .get_object()
            .ask(get)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
    }

    /// Changes the properties of an object: what differs after `change`, and nothing else,
    /// becomes operations.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotFound`] when the object does not exist here.
    pub async fn update(
        &self,
        object: ObjectId,
        change: impl FnOnce(&mut Map),
    ) -> Result<(), UpdateError> {
        let space = self.space.key();
        let found = self
            .get(object)
            .await?
            .ok_or(UpdateError::NotFound { space, object })?;
        let mut properties = found.properties().clone();
        change(&mut properties);
        let ops = diff(object, found.properties(), &properties);
        if !ops.is_empty() {
            self.commit(Transaction { ops }).await?;
        }
        Ok(())
    }

    /// Deletes an object. It keeps its properties and can be restored.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it.
    pub async fn remove(&self, object: ObjectId) -> Result<(), ClientError> {
        self.commit(Transaction::new().delete(object))
            .await
            .map(drop)
    }

    /// Restores a deleted object.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it.
    pub async fn restore(&self, object: ObjectId) -> Result<(), ClientError> {
        self.commit(Transaction::new().restore(object))
            .await
            .map(drop)
    }

    /// Writes a transaction: all of it or nothing, on every replica. Acknowledged when the
    /// operating system has it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, it is empty or out of bounds.
    pub async fn commit(&self, transaction: Transaction) -> Result<Committed, ClientError> {
        self.commit_with(transaction, Durability::Interval).await
    }

    /// Writes a transaction and says when it is to be acknowledged.
    ///
    /// # Errors
    ///
    /// As for [`Database::commit`].
    pub async fn commit_with(
        &self,
        transaction: Transaction,
        durability: Durability,
    ) -> Result<Committed, ClientError> {
        let commit = Commit {
            space: self.space.key(),
            ops: transaction.ops,
            durability,
        };
        let node = self.space.client().node()?;
        Ok(node
            .echo
            .commit()
            .ask(commit)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
    }

    /// A query, to be run or subscribed to.
    pub fn query(&self, query: impl Into<Query>) -> PendingQuery {
        PendingQuery::new(self.space.clone(), query.into())
    }

    /// Returns when everything that was acknowledged before is on the disk.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the store fails.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let node = self.space.client().node()?;
        let flushed: Result<Result<(), EchoError>, PortError> = node.echo.flush().ask(Flush).await;
        Ok(flushed.map_err(ClientError::unanswered(ECHO))??)
    }
}
