//! Relations: objects that stand for a link between two others, with properties of their own.
//!
//! A relation has the ends `source` and `target`. Nothing happens to it when one of them is
//! deleted: it stays, as a reference does, and counts as dangling until the end is restored. Who
//! walks along relations does not get to what is deleted. Delete the relation with its end where
//! that is meant, in the same transaction.

use std::collections::BTreeSet;

use dxos_keys::ObjectId;

use crate::meta::{SOURCE, TARGET, field};
use crate::{
    Filter, META, Map, Meta, MetaError, Object, ObjectRef, Path, Tx, TxError, TypeName, Value,
};

/// An object as a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The relation itself, with its type and properties.
    pub object: &'a Object,
    /// Where it comes from.
    pub source: &'a ObjectRef,
    /// Where it leads.
    pub target: &'a ObjectRef,
}

impl Object {
    /// This object as a relation, `None` when it is none.
    pub fn relation(&self) -> Option<Relation<'_>> {
        let meta = self.meta()?;
        Some(Relation {
            object: self,
            source: meta.source.as_ref()?,
            target: meta.target.as_ref()?,
        })
    }
}

impl Filter {
    /// Relations that come from an object.
    pub fn relations_from(source: impl Into<ObjectRef>) -> Self {
        Self::RelationFrom(source.into())
    }

    /// Relations that lead to an object.
    pub fn relations_to(target: impl Into<ObjectRef>) -> Self {
        Self::RelationTo(target.into())
    }

    /// Relations that come from an object or lead to it.
    pub fn relations_of(end: impl Into<ObjectRef>) -> Self {
        let end = end.into();
        Self::RelationFrom(end.clone()).or(Self::RelationTo(end))
    }
}

impl Tx<'_> {
    /// Creates a relation of a type from `source` to `target` and returns its id.
    ///
    /// # Errors
    ///
    /// [`TxError::Meta`] when an end in this space is deleted or not here, or `properties` has
    /// the key [`META`]; [`TxError::Apply`] when a value is out of bounds.
    pub fn relate(
        &mut self,
        type_name: impl Into<TypeName>,
        source: impl Into<ObjectRef>,
        target: impl Into<ObjectRef>,
        mut properties: Map,
    ) -> Result<ObjectId, TxError> {
        let (source, target) = (source.into(), target.into());
        self.require(&field(SOURCE), &source)?;
        self.require(&field(TARGET), &target)?;
        let meta = Meta {
            source: Some(source),
            target: Some(target),
            ..Meta::default()
        };
        if properties.insert(META.into(), meta.to_value()).is_some() {
            let path = META.into();
            let expected = "the ends of the relation";
            return Err(MetaError::Reserved { path, expected }.into());
        }
        self.add(type_name, properties)
    }

    /// Refuses a reference at `path` whose target was never created here, is deleted or is
    /// below something deleted, what this transaction did included. A reference into another space is not looked at.
    ///
    /// This holds for what is written here: a replica that does not know of it yet may delete
    /// the target at the same time. Then the reference dangles, as [`Object::dangling`] tells.
    ///
    /// # Errors
    ///
    /// [`TxError::Meta`], which names the path and the target.
    pub fn require(&mut self, path: &Path, target: &ObjectRef) -> Result<(), TxError> {
        if target.space().is_some() || self.exists(target.object())? {
            return Ok(());
        }
        let (path, target) = (path.clone(), target.clone());
        Err(MetaError::Missing { path, target }.into())
    }

    /// The same for every reference that `value` holds, were it assigned at `path`.
    ///
    /// # Errors
    ///
    /// As for [`Tx::require`].
    pub fn require_all(&mut self, path: &Path, value: &Value) -> Result<(), TxError> {
        for (path, target) in value.references(path) {
            self.require(&path, target)?;
        }
        Ok(())
    }

    /// Assigns a property whose references all have to exist.
    ///
    /// # Errors
    ///
    /// As for [`Tx::set`] and [`Tx::require`].
    pub fn set_required(
        &mut self,
        object: ObjectId,
        path: impl Into<Path>,
        value: impl Into<Value>,
    ) -> Result<(), TxError> {
        let (path, value) = (path.into(), value.into());
        self.require_all(&path, &value)?;
        self.set(object, path, value)
    }

    /// Whether an object shows: created, not deleted, and nothing above it deleted.
    fn exists(&mut self, object: ObjectId) -> Result<bool, TxError> {
        if self.get(object)?.is_none_or(|object| object.is_deleted()) {
            return Ok(false);
        }
        let mut passed = BTreeSet::from([object]);
        let mut above = self.location(object)?.parent;
        while let Some(parent) = above.filter(|parent| passed.insert(*parent)) {
            if self.get(parent)?.is_some_and(|parent| parent.is_deleted()) {
                return Ok(false);
            }
            above = self.location(parent)?.parent;
        }
        Ok(true)
    }
}
