//! From one version of a type to another.
//!
//! Two devices that migrate an object at once write the same operations, and these merge to what
//! one of them wrote: everything that changes is assigned as a whole, also what is otherwise
//! counted, added to, inserted or typed. Equal values that are assigned at once are one.

use std::fmt;
use std::sync::Arc;

use dxos_document::{Map, Object, Op, Path, Tx, TxError, TypeName, Value};
use dxos_keys::ObjectId;

use crate::error::{ConvertError, MismatchError, ObjectError};
use crate::object::{EchoObject, entries, from_properties};
use crate::{Ref, TypedTx as _, tree};

/// Why an object was not migrated; it is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The object cannot be read as the old type, or the new one not be written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Old and new type are one.
    #[error("{type_name} cannot be migrated to itself; give the new struct another version")]
    SameType {
        /// The type.
        type_name: TypeName,
    },
}

type Convert = dyn Fn(&Object) -> Result<Map, ObjectError> + Send + Sync;

/// How objects of one type and version become objects of another. Its code must depend on the
/// object alone: no time, no randomness, no other objects.
#[derive(Clone)]
pub struct Migration {
    from: TypeName,
    to: TypeName,
    keep_schema: fn(&mut Tx<'_>) -> Result<(), TxError>,
    convert: Arc<Convert>,
}

impl fmt::Debug for Migration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Migration({} -> {})", self.from, self.to)
    }
}

impl Migration {
    /// A migration between structs. Properties that the old struct does not know stay.
    ///
    /// # Errors
    ///
    /// [`MigrationError::SameType`].
    pub fn new<A: EchoObject, B: EchoObject>(
        migrate: impl Fn(A) -> B + Send + Sync + 'static,
    ) -> Result<Self, MigrationError> {
        let convert = move |object: &Object| {
            let old: A = from_properties(object.properties()).map_err(|error| MismatchError {
                object: object.id(),
                found: object.type_name().clone(),
                expected: A::type_name(),
                error,
            })?;
            let encode = |type_name: TypeName| {
                move |error: ConvertError| ObjectError::Encode { type_name, error }
            };
            let before = entries(&old).map_err(encode(A::type_name()))?;
            let after = entries(&migrate(old)).map_err(encode(B::type_name()))?;
            Ok(tree::carry_whole(object.properties(), &before, &after))
        };
        Self::with(
            A::type_name(),
            B::type_name(),
            |tx| tx.keep_schema::<Ref<B>>(),
            Arc::new(convert),
        )
    }

    /// A migration of dynamic objects.
    ///
    /// # Errors
    ///
    /// [`MigrationError::SameType`].
    pub fn dynamic(
        from: impl Into<TypeName>,
        to: impl Into<TypeName>,
        migrate: impl Fn(&mut Map) + Send + Sync + 'static,
    ) -> Result<Self, MigrationError> {
        let convert = move |object: &Object| {
            let mut properties = object.properties().clone();
            migrate(&mut properties);
            Ok(properties)
        };
        Self::with(
            from.into(),
            to.into(),
            |tx| tx.keep_schema::<ObjectId>(),
            Arc::new(convert),
        )
    }

    fn with(
        from: TypeName,
        to: TypeName,
        keep_schema: fn(&mut Tx<'_>) -> Result<(), TxError>,
        convert: Arc<Convert>,
    ) -> Result<Self, MigrationError> {
        if from == to {
            return Err(MigrationError::SameType { type_name: from });
        }
        Ok(Self {
            from,
            to,
            keep_schema,
            convert,
        })
    }

    /// The type that objects had, exactly.
    pub const fn from(&self) -> &TypeName {
        &self.from
    }

    /// The type that they have afterwards.
    pub const fn to(&self) -> &TypeName {
        &self.to
    }

    /// Migrates an object, deleted or not; `false` when it is not of the old type.
    ///
    /// # Errors
    ///
    /// [`MigrationError`].
    pub fn apply(&self, tx: &mut Tx<'_>, object: ObjectId) -> Result<bool, MigrationError> {
        let found = tx.get(object).map_err(ObjectError::Tx)?;
        let Some(found) = found.filter(|found| *found.type_name() == self.from) else {
            return Ok(false);
        };
        let properties = (self.convert)(&found)?;
        let mut ops = Vec::new();
        assignments(object, None, found.properties(), &properties, &mut ops);
        // At the end, so that a replica that has the type has all that comes with it.
        ops.push(Op::Create {
            object,
            type_name: self.to.clone(),
            properties: Map::new(),
        });
        (self.keep_schema)(tx).map_err(ObjectError::Tx)?;
        for op in ops {
            tx.push(op).map_err(ObjectError::Tx)?;
        }
        Ok(true)
    }
}

/// What turns `old` into `new` by taking out and assigning alone.
fn assignments(object: ObjectId, above: Option<&Path>, old: &Map, new: &Map, ops: &mut Vec<Op>) {
    let at = |key: &dxos_document::Key| match above {
        None => Path::from(key.clone()),
        Some(above) => above.child(key.clone()),
    };
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        let path = at(key);
        ops.push(Op::Unset { object, path });
    }
    for (key, value) in new {
        let path = at(key);
        match (old.get(key), value) {
            (Some(old), new) if old == new => {}
            (Some(Value::Map(old)), Value::Map(new)) if !new.is_empty() => {
                assignments(object, Some(&path), old, new, ops);
            }
            _ => ops.push(Op::Set {
                object,
                path,
                value: uncounted(value),
            }),
        }
    }
}

/// A value that does not add up when it is assigned twice: a counter that is started twice does,
/// while a number that is assigned twice is counted on just as well.
fn uncounted(value: &Value) -> Value {
    match value {
        Value::Counter(count) => Value::Int(*count),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.clone(), uncounted(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
