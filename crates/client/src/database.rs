//! The objects of a space.

use dxos_actors::PortError;
use dxos_document::{Map, Object, Query, Transaction, Tx, TxError, TypeName};
use dxos_protocol::echo::{
    Aborted, Commit, Committed, Durability, EchoError, Flush, GetObject, Transact, Work,
};

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
    /// A value is out of bounds.
    #[error(transparent)]
    Invalid(TxError),
    /// Anything else.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a transaction was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError<E> {
    /// Its own code returned this.
    #[error("the transaction was given up: {0}")]
    Aborted(E),
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

    /// Runs a transaction: its code reads and changes any number of objects, alone in the space,
    /// and what it did becomes one block, atomic on every replica. When it returns an error or
    /// panics nothing of it is written, and nobody sees any of it.
    ///
    /// The code runs on the thread of the space, so it should be quick; it cannot wait for
    /// anything. Acknowledged when the operating system has it.
    ///
    /// # Errors
    ///
    /// What the code returned, as [`TransactionError::Aborted`]; else what kept its result from
    /// being written.
    pub async fn transaction<T, E>(
        &self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, TransactionError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.transaction_with(Durability::Interval, run).await
    }

    /// Runs a transaction and says when it is to be acknowledged.
    ///
    /// # Errors
    ///
    /// As for [`Database::transaction`].
    pub async fn transaction_with<T, E>(
        &self,
        durability: Durability,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, TransactionError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (sender, mut result) = tokio::sync::oneshot::channel();
        let work = Work::new(move |tx| {
            let result = run(tx);
            let answer = if result.is_ok() { Ok(()) } else { Err(Aborted) };
            // Whoever gave up waiting needs no result.
            let _ = sender.send(result);
            answer
        });
        let transact = Transact {
            space: self.space.key(),
            work,
            durability,
        };
        let node = self.space.client().node()?;
        let written = node
            .echo
            .transact()
            .ask(transact)
            .await
            .map_err(ClientError::unanswered(ECHO))?;
        match (written, result.try_recv()) {
            (Err(EchoError::TransactionAborted), Ok(Err(error))) => {
                Err(TransactionError::Aborted(error))
            }
            (Err(error), _) => Err(ClientError::from(error).into()),
            (Ok(_), Ok(Ok(result))) => Ok(result),
            (Ok(_), _) => Err(ClientError::from(EchoError::TransactionPanicked).into()),
        }
    }

    /// Changes the properties of an object: what differs after `change`, and nothing else,
    /// becomes operations. What `change` is shown does not change until it has returned.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotFound`] when the object does not exist here.
    pub async fn update(
        &self,
        object: ObjectId,
        change: impl FnOnce(&mut Map) + Send + 'static,
    ) -> Result<(), UpdateError> {
        let updated = self.transaction(move |tx| tx.update(object, change)).await;
        updated.map_err(|error| match error {
            TransactionError::Aborted(TxError::NotFound { object }) => UpdateError::NotFound {
                space: self.space.key(),
                object,
            },
            TransactionError::Aborted(error) => UpdateError::Invalid(error),
            TransactionError::Client(error) => UpdateError::Client(error),
        })
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
