//! The schemas of a space.

use dxos_document::{Filter, Transaction, TypeName};
use dxos_schema::{EchoObject, Ref, TypeSchema, TypedTx as _};

use crate::{ClientError, Database, DatabaseError};

impl Database {
    /// The schemas that the space has: of every type of which a struct was added here by anyone,
    /// in each version. An object that says it holds one and does not is passed over.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn schemas(&self) -> Result<Vec<TypeSchema>, ClientError> {
        let stored = self.query(Filter::type_exact(TypeSchema::TYPE));
        let stored = stored.order_by("type").run().await?;
        let schemas = stored.iter().filter_map(|object| {
            TypeSchema::read(object)
                .inspect_err(|error| tracing::warn!(%error, "passed over"))
                .ok()
        });
        Ok(schemas.collect())
    }

    /// The schema of a type, named with its version if it has one: `None` when the space has
    /// none. What is written to objects of that type on this device has to fit it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the space is gone or cannot be read.
    pub async fn schema(
        &self,
        type_name: impl Into<TypeName>,
    ) -> Result<Option<TypeSchema>, DatabaseError> {
        let stored = self.get(TypeSchema::id_of(&type_name.into())).await?;
        let stored = stored.filter(|object| !object.is_deleted());
        Ok(stored.and_then(|object| TypeSchema::read(&object).ok()))
    }

    /// Writes the schema of a struct into the space unless it has one for this type and version.
    /// Adding a struct does that too.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it.
    pub async fn keep_schema<T: EchoObject>(&self) -> Result<(), DatabaseError> {
        let kept = self.transaction(|tx| Ok(tx.keep_schema::<Ref<T>>()?)).await;
        kept.map_err(|error| self.failed(error))
    }

    /// Writes a schema into the space, in place of the one that it has for this type and version:
    /// for types that no struct stands for. Objects that are there are not checked against it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it.
    pub async fn put_schema(&self, schema: TypeSchema) -> Result<(), DatabaseError> {
        self.commit(
            Transaction::new()
                .with(schema.create())
                .restore(schema.id()),
        )
        .await?;
        Ok(())
    }
}
