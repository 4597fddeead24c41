//! Tags, and what other systems call objects.

use dxos_document::{ForeignKey, Map, TypeName};
use dxos_schema::ObjectKey;

use crate::transfer::{Identity, ImportReport, Row, adopt, chunks, write_rows};
use crate::{Database, DatabaseError, ObjectId};

impl Database {
    /// Puts a tag onto an object. Of tagging and untagging at once, tagging wins.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here.
    pub async fn tag<K: ObjectKey>(
        &self,
        object: K,
        tag: impl Into<String>,
    ) -> Result<(), DatabaseError> {
        let (object, tag) = (self.target(object)?, tag.into());
        self.write(move |tx| tx.tag(object, [tag])).await
    }

    /// Takes a tag off an object.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here.
    pub async fn untag<K: ObjectKey>(
        &self,
        object: K,
        tag: impl Into<String>,
    ) -> Result<(), DatabaseError> {
        let (object, tag) = (self.target(object)?, tag.into());
        self.write(move |tx| tx.untag(object, [tag])).await
    }

    /// Notes what another system calls an object.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here.
    pub async fn add_key<K: ObjectKey>(
        &self,
        object: K,
        key: ForeignKey,
    ) -> Result<(), DatabaseError> {
        let object = self.target(object)?;
        self.write(move |tx| tx.add_key(object, &key)).await
    }

    /// Forgets what another system calls an object.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`] when the object does not exist here.
    pub async fn remove_key<K: ObjectKey>(
        &self,
        object: K,
        key: ForeignKey,
    ) -> Result<(), DatabaseError> {
        let object = self.target(object)?;
        self.write(move |tx| tx.remove_key(object, &key)).await
    }

    /// Adds objects that another system knows, or updates those that were added before; returns
    /// their ids in the order of `rows`.
    ///
    /// Each row goes to the object that has its key, and only what differs is assigned: an import
    /// that is run again writes nothing, and properties that others added stay. A deleted object
    /// is updated and stays deleted. Where there is none an object is created whose id follows
    /// from the key, so that devices that import at once make one object of each row.
    ///
    /// It is written in transactions of 1,000 rows each, or fewer large ones. For files see
    /// [`Database::import_from`].
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Invalid`] when a value is out of bounds, or the key was imported as an object
    /// of another type ([`TxError::OtherType`](dxos_document::TxError)); all other rows of its
    /// transaction, and the transactions before it, are written.
    pub async fn import(
        &self,
        type_name: impl Into<TypeName>,
        rows: impl IntoIterator<Item = (ForeignKey, Map)>,
    ) -> Result<Vec<ObjectId>, DatabaseError> {
        let type_name = type_name.into();
        let space = self.space().key();
        let rows = rows.into_iter().zip(0..);
        let rows = rows.map(|((key, properties), line)| Row {
            object: key.object_id(&space),
            type_name: type_name.clone(),
            identity: Identity::Key(key),
            properties,
            line,
            is_rest: false,
            is_adopted: false,
        });
        let mut ids = Vec::new();
        for mut chunk in chunks(rows.collect()) {
            adopt(self, &mut chunk).await?;
            ids.extend(chunk.iter().map(|row| row.object));
            let mut report = ImportReport::default();
            let bad = write_rows(self, chunk, &mut report).await?;
            if let Some((_, error)) = bad.into_iter().next() {
                return Err(error);
            }
        }
        Ok(ids)
    }
}
