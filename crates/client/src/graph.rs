//! From object to object: references, relations, parents and children.

use dxos_document::{Dangling, Filter, Map, Object, ObjectRef, TypeName};
use dxos_protocol::echo::{EchoError, FindDangling, IndexReport, ListIndexes};
use dxos_schema::ObjectKey;

use crate::{
    Client, ClientError, Database, DatabaseError, ObjectId, PendingQuery, Space, SpaceKey,
};

const ECHO: &str = "ECHO";
/// Looking through a large space takes its time.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(600);

/// Why a reference did not lead to an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The reference names no space.
    #[error("the reference to {object} names no space; resolve it in the space that it is in")]
    NoSpace {
        /// What it names.
        object: ObjectId,
    },
    /// The object is not here. It may arrive yet.
    #[error("object {object} of space {space} is not here; wait until the space has synchronised")]
    NotHere {
        /// The space, which is here.
        space: SpaceKey,
        /// The object.
        object: ObjectId,
    },
    /// The space is not on this device.
    #[error("space {space} is not on this device; join it to see its object {object}")]
    UnknownSpace {
        /// The space.
        space: SpaceKey,
        /// The object.
        object: ObjectId,
    },
    /// Anything else.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Client {
    /// The object that a reference into another space names; deleted or not, which the object
    /// tells.
    ///
    /// # Errors
    ///
    /// [`ResolveError::NoSpace`] when the reference names no space: see [`Space::resolve`];
    /// [`ResolveError::UnknownSpace`] and [`ResolveError::NotHere`] when the one or the other is
    /// not on this device.
    pub async fn resolve(&self, reference: &ObjectRef) -> Result<Object, ResolveError> {
        let object = reference.object();
        let space = *reference.space().ok_or(ResolveError::NoSpace { object })?;
        match self.echo().space(space).await {
            Ok(space) => resolve_in(&space, object).await,
            Err(ClientError::Echo(EchoError::UnknownSpace { .. })) => {
                Err(ResolveError::UnknownSpace { space, object })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Space {
    /// The object that a reference in this space names, in this space or in another; deleted or
    /// not, which the object tells.
    ///
    /// # Errors
    ///
    /// [`ResolveError::UnknownSpace`] and [`ResolveError::NotHere`] when the space or the object
    /// is not on this device.
    pub async fn resolve(&self, reference: &ObjectRef) -> Result<Object, ResolveError> {
        match reference.object_in(&self.key()) {
            Some(object) => resolve_in(self, object).await,
            None => self.client().resolve(reference).await,
        }
    }

    /// How another space refers to an object of this one.
    pub fn reference_to(&self, object: ObjectId) -> ObjectRef {
        ObjectRef::across(self.key(), object)
    }
}

async fn resolve_in(space: &Space, object: ObjectId) -> Result<Object, ResolveError> {
    let found = space.db().object(object).await?;
    let space = space.key();
    found.ok_or(ResolveError::NotHere { space, object })
}

impl Database {
    /// The objects that refer to `target` from anywhere in their properties. For those that do
    /// from one property see [`Filter::references_at`].
    pub fn references_to(&self, target: impl Into<ObjectRef>) -> PendingQuery {
        self.query(Filter::references(target))
    }

    /// The objects of this space that `source` refers to from anywhere in its properties. For
    /// those that it refers to from one property see [`Filter::referenced_by_at`].
    pub fn references_from(&self, source: ObjectId) -> PendingQuery {
        self.query(Filter::referenced_by(source))
    }

    /// The references of all objects that show whose targets in this space do not: somebody
    /// deleted them, or they have not arrived. Parents and ends of relations count too. It looks
    /// through the whole space.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn dangling(&self) -> Result<Vec<Dangling>, ClientError> {
        let space = self.space().key();
        let node = self.space().client().node()?;
        let port = node.echo.find_dangling().with_deadline(DEADLINE);
        let found = port.ask(FindDangling { space }).await;
        Ok(found.map_err(ClientError::unanswered(ECHO))??)
    }

    /// The indexes of the space, and how far those are that are being built. Queries need none:
    /// what no index serves looks at every object.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn indexes(&self) -> Result<Vec<IndexReport>, ClientError> {
        let space = self.space().key();
        let port = self.space().client().node()?.echo.list_indexes();
        let found = port.ask(ListIndexes { space }).await;
        Ok(found.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Puts an object under a parent, or under none. Of concurrent moves the latest holds; a
    /// ring that they make together is cut at the latest of its moves, the same way everywhere.
    ///
    /// Deleting a parent hides what is below it, and restoring it brings that back. A parent
    /// that has not arrived here hides nothing.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here, [`DatabaseError::Invalid`]
    /// when the parent is deleted or not here, or is the object itself or below it.
    pub async fn set_parent<K: ObjectKey>(
        &self,
        child: K,
        parent: Option<ObjectId>,
    ) -> Result<(), DatabaseError> {
        let child = self.target(child)?;
        self.write(move |tx| tx.set_parent(child, parent)).await
    }

    /// The children of an object. They are hidden while it is deleted.
    pub fn children(&self, parent: ObjectId) -> PendingQuery {
        self.query(Filter::children_of(parent))
    }

    /// The parent of an object, `None` when it has none or when it is not here; deleted or not,
    /// which the parent tells.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn parent(&self, child: ObjectId) -> Result<Option<Object>, ClientError> {
        let child = self.object(child).await?;
        match child.and_then(|child| child.parent()) {
            Some(parent) => self.object(parent).await,
            None => Ok(None),
        }
    }

    /// Creates a relation of a type from `source` to `target`: an object with properties of its
    /// own. It stays when an end is deleted; see [`Database::dangling`].
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Invalid`] when an end in this space is deleted or not here, or a value is
    /// out of bounds.
    pub async fn relate(
        &self,
        type_name: impl Into<TypeName>,
        source: impl Into<ObjectRef>,
        target: impl Into<ObjectRef>,
        properties: Map,
    ) -> Result<ObjectId, DatabaseError> {
        let (type_name, source, target) = (type_name.into(), source.into(), target.into());
        self.write(move |tx| tx.relate(type_name, source, target, properties))
            .await
    }

    /// The relations from or to an object. See [`Object::relation`] for their ends.
    pub fn relations_of(&self, end: impl Into<ObjectRef>) -> PendingQuery {
        self.query(Filter::relations_of(end))
    }

    /// The objects to which relations of a type lead from `source`, each once, in the order of
    /// their ids. Ends that are deleted or not on this device are left out.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn related_from(
        &self,
        source: impl Into<ObjectRef>,
        type_name: impl Into<TypeName>,
    ) -> Result<Vec<Object>, ClientError> {
        let source = source.into();
        let relations = Filter::relations_from(source.clone());
        self.other_ends(&source, relations, type_name.into()).await
    }

    /// The objects from which relations of a type lead to `target`, each once, in the order of
    /// their ids. Ends that are deleted or not on this device are left out.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn related_to(
        &self,
        target: impl Into<ObjectRef>,
        type_name: impl Into<TypeName>,
    ) -> Result<Vec<Object>, ClientError> {
        let target = target.into();
        let relations = Filter::relations_to(target.clone());
        self.other_ends(&target, relations, type_name.into()).await
    }

    async fn other_ends(
        &self,
        end: &ObjectRef,
        relations: Filter,
        type_name: TypeName,
    ) -> Result<Vec<Object>, ClientError> {
        let space = self.space().key();
        let query = self.query(relations.and(Filter::type_name(type_name)));
        let mut others = std::collections::BTreeSet::new();
        for object in query.run().await? {
            if let Some(relation) = object.relation() {
                let (source, target) = (
                    relation.source.within(&space),
                    relation.target.within(&space),
                );
                let other = if source == end.within(&space) {
                    target
                } else {
                    source
                };
                others.insert((other.object(), other));
            }
        }
        let mut found = Vec::new();
        for (_, other) in others {
            match self.space().resolve(&other).await {
                Ok(object) if object.is_deleted() || object.is_hidden() => {}
                Ok(object) => found.push(object),
                Err(ResolveError::Client(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(found)
    }
}
