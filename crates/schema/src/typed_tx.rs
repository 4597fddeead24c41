//! Typed objects in transactions.

use dxos_document::{Object, Tx, TxError};
use dxos_keys::ObjectId;

use crate::error::ObjectError;
use crate::object::{IntoObject, ObjectKey};
use crate::type_schema::TypeSchema;

/// What a transaction does with structs, beside what [`Tx`] does with dynamic objects.
pub trait TypedTx {
    /// Adds an object, and the schema of its type where the space has none yet.
    ///
    /// # Errors
    ///
    /// [`ObjectError`].
    fn create<O: IntoObject>(&mut self, object: O) -> Result<O::Key, ObjectError>;

    /// An object as it shows in this transaction, deleted or not.
    ///
    /// # Errors
    ///
    /// [`ObjectError`].
    fn read<K: ObjectKey>(&mut self, key: K) -> Result<Option<K::Object>, ObjectError>;

    /// Changes an object: what differs after `change`, and nothing else, becomes operations.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]; [`TxError::NotFound`] within it when the object does not exist here.
    fn change<K: ObjectKey, R>(
        &mut self,
        key: K,
        change: impl FnOnce(&mut K::Edit) -> R,
    ) -> Result<R, ObjectError>;

    /// Keeps the schema of a type in the space, unless it has one for this type and version.
    ///
    /// # Errors
    ///
    /// [`TxError`].
    fn keep_schema<K: ObjectKey>(&mut self) -> Result<(), TxError>;
}

impl TypedTx for Tx<'_> {
    fn create<O: IntoObject>(&mut self, object: O) -> Result<O::Key, ObjectError> {
        let new = object.into_object()?;
        self.keep_schema::<O::Key>()?;
        let id = self.add(new.type_name, new.properties)?;
        Ok(O::Key::new(id))
    }

    fn read<K: ObjectKey>(&mut self, key: K) -> Result<Option<K::Object>, ObjectError> {
        let found = self.get(key.target().1)?;
        Ok(found.map(K::read).transpose()?)
    }

    fn change<K: ObjectKey, R>(
        &mut self,
        key: K,
        change: impl FnOnce(&mut K::Edit) -> R,
    ) -> Result<R, ObjectError> {
        let id: ObjectId = key.target().1;
        let object: Object = self.existing(id)?;
        let (edited, result) = K::edit(&object, change)?;
        if K::type_name().as_ref() == Some(object.type_name()) {
            self.keep_schema::<K>()?;
        }
        self.replace(id, object.properties(), &edited.properties)?;
        for (path, by) in edited.counted {
            self.increment(id, path, by)?;
        }
        for (path, content) in edited.typed {
            self.text(id, path)?.replace(&content)?;
        }
        Ok(result)
    }

    fn keep_schema<K: ObjectKey>(&mut self) -> Result<(), TxError> {
        let Some(object) = K::type_name().map(|name| TypeSchema::id_of(&name)) else {
            return Ok(());
        };
        if self.get(object)?.is_some() {
            return Ok(());
        }
        K::schema().map_or(Ok(()), |schema| self.push(schema.create()))
    }
}
