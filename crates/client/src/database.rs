//! The objects of a space.

use dxos_actors::PortError;
use dxos_document::{Deleted, Filter, Object, Query, Transaction, Tx, TxError};
use dxos_protocol::echo::{
    Aborted, Commit, Committed, Durability, EchoError, Flush, GetObject, Transact, Work,
};
use dxos_schema::{EchoObject, IntoObject, MismatchError, ObjectError, ObjectKey, TypedTx as _};

use crate::{ClientError, Live, Node, ObjectId, PendingQuery, Space, SpaceKey, TypedQuery};

/// The objects of a space. See [`Space::db`].
#[derive(Clone, Debug)]
pub struct Database {
    space: Space,
}

const ECHO: &str = "ECHO";

/// Why an object was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The client or the space refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A value is out of bounds.
    #[error(transparent)]
    Invalid(TxError),
    /// The object exists, but is of another type or does not fit the struct.
    #[error(transparent)]
    Mismatch(#[from] MismatchError),
    /// The object does not exist here.
    #[error("object {object} does not exist in space {space}")]
    NotFound {
        /// The space.
        space: SpaceKey,
        /// The object.
        object: ObjectId,
    },
    /// The reference is to an object of another space.
    #[error("object {object} is in space {other}, not in space {space}; ask that one for it")]
    OtherSpace {
        /// The space that was asked.
        space: SpaceKey,
        /// The space that the object is in.
        other: SpaceKey,
        /// The object.
        object: ObjectId,
    },
    /// A struct has a value that no property can be; the text says where.
    #[error("{reason}")]
    Unwritable {
        /// What the text says.
        reason: String,
    },
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

    pub(crate) const fn space(&self) -> &Space {
        &self.space
    }

    /// Adds an object: a struct with `#[derive(EchoObject)]`, or a type name such as `"task"` or
    /// `"example.com/type/Task@1.0"` with properties. Returns what names it from now on: a
    /// [`Ref`](crate::Ref) for a struct, an [`ObjectId`] else.
    ///
    /// With the first struct of a type its schema is written into the space.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it, or the properties do not fit
    /// the schema of their type; [`DatabaseError::Unwritable`] and [`DatabaseError::Invalid`]
    /// for values that cannot be kept.
    pub async fn add<O: IntoObject>(&self, object: O) -> Result<O::Key, DatabaseError> {
        let added = self.transaction(move |tx| tx.create(object)).await;
        added.map_err(|error| self.failed(error))
    }

    /// A fresh object id, for a transaction that creates the object and refers to it.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub fn new_id(&self) -> Result<ObjectId, ClientError> {
        Ok(self.space.client().node()?.new_object_id())
    }

    /// An object as it shows now, deleted or not: as a struct when it is named by a
    /// [`Ref`](crate::Ref), as a dynamic object when it is named by its id.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Mismatch`] when it is not what the struct asks for,
    /// [`DatabaseError::Client`] when the space is gone.
    pub async fn get<K: ObjectKey>(&self, key: K) -> Result<Option<K::Object>, DatabaseError> {
        let object = self.target(key)?;
        let found = self.object(object).await?;
        Ok(found.map(K::read).transpose()?)
    }

    pub(crate) async fn object(&self, object: ObjectId) -> Result<Option<Object>, ClientError> {
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

    /// An object as it shows now and from now on.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the space is gone.
    pub async fn live<K: ObjectKey>(&self, key: K) -> Result<Live<K>, DatabaseError> {
        let object = self.target(key)?;
        let query = self
            .query(Filter::ids([object]))
            .deleted(Deleted::Include)
            .subscribe()
            .await?;
        Ok(Live::new(self.clone(), key, query))
    }

    /// The id of an object of this space.
    pub(crate) fn target<K: ObjectKey>(&self, key: K) -> Result<ObjectId, DatabaseError> {
        let (space, object) = key.target();
        match space {
            Some(other) if other != self.space.key() => Err(DatabaseError::OtherSpace {
                space: self.space.key(),
                other,
                object,
            }),
            _ => Ok(object),
        }
    }

    pub(crate) fn failed(&self, error: TransactionError<ObjectError>) -> DatabaseError {
        match error {
            TransactionError::Client(error) => DatabaseError::Client(error),
            TransactionError::Aborted(error) => match error {
                ObjectError::Mismatch(error) => DatabaseError::Mismatch(error),
                ObjectError::Tx(TxError::NotFound { object }) => DatabaseError::NotFound {
                    space: self.space.key(),
                    object,
                },
                ObjectError::Tx(error) => DatabaseError::Invalid(error),
                other => DatabaseError::Unwritable {
                    reason: other.to_string(),
                },
            },
        }
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
        let (value, _) = self.transaction_committed(durability, run).await?;
        Ok(value)
    }

    /// Runs a transaction and returns also where it was written, which is what undoing it takes;
    /// `None` when it changed nothing.
    ///
    /// # Errors
    ///
    /// As for [`Database::transaction`].
    pub async fn transaction_committed<T, E>(
        &self,
        durability: Durability,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Option<Committed>), TransactionError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let node = self.space.client().node()?;
        transact(&node, self.space.key(), durability, run).await
    }

    /// Changes an object, a struct when it is named by a [`Ref`](crate::Ref) and its properties
    /// when it is named by its id. What differs after `change`, and nothing else, becomes
    /// operations. What `change` is shown does not change until it has returned. Returns what
    /// `change` returned.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here, and as for
    /// [`Database::add`] and [`Database::get`].
    pub async fn update<K: ObjectKey, R: Send + 'static>(
        &self,
        key: K,
        change: impl FnOnce(&mut K::Edit) -> R + Send + 'static,
    ) -> Result<R, DatabaseError> {
        self.target(key)?;
        let changed = self.transaction(move |tx| tx.change(key, change)).await;
        changed.map_err(|error| self.failed(error))
    }

    /// Runs a transaction that fails only as transactions themselves do.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let run = move |tx: &mut Tx<'_>| run(tx).map_err(ObjectError::Tx);
        let written = self.transaction(run).await;
        written.map_err(|error| self.failed(error))
    }

    /// Deletes an object. It keeps its properties and can be restored.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it.
    pub async fn remove<K: ObjectKey>(&self, key: K) -> Result<(), DatabaseError> {
        let object = self.target(key)?;
        self.commit(Transaction::new().delete(object)).await?;
        Ok(())
    }

    /// Restores a deleted object.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it.
    pub async fn restore<K: ObjectKey>(&self, key: K) -> Result<(), DatabaseError> {
        let object = self.target(key)?;
        self.commit(Transaction::new().restore(object)).await?;
        Ok(())
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

    /// All objects of a type, in any version, as structs; to be narrowed down, run or subscribed
    /// to.
    pub fn objects<T: EchoObject>(&self) -> TypedQuery<T> {
        TypedQuery::new(self.query(Filter::type_name(T::TYPE)))
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

/// Runs a transaction in a space.
pub(crate) async fn transact<T, E>(
    node: &Node,
    space: SpaceKey,
    durability: Durability,
    run: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> Result<(T, Option<Committed>), TransactionError<E>>
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
        space,
        work,
        durability,
    };
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
        (Ok(committed), Ok(Ok(result))) => Ok((result, committed)),
        (Ok(_), _) => Err(ClientError::from(EchoError::TransactionPanicked).into()),
    }
}
