//! Tags, and what other systems call objects.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::{Filter, ForeignKey, Map, Tx, TxError, TypeName};
use dxos_schema::ObjectKey;

use crate::{Database, DatabaseError, ObjectId};

/// Imported objects in one transaction.
const CHUNK: usize = 64;

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
    /// It is written in transactions of 64 rows each. Rows whose objects are not here yet cost
    /// one look through the space together.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Invalid`] when a value is out of bounds; the transactions before it are
    /// written.
    pub async fn import(
        &self,
        type_name: impl Into<TypeName>,
        rows: impl IntoIterator<Item = (ForeignKey, Map)>,
    ) -> Result<Vec<ObjectId>, DatabaseError> {
        let type_name = type_name.into();
        let space = self.space().key();
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|(key, properties)| (key.object_id(&space), key, properties))
            .collect();
        self.adopt(&mut rows).await?;
        let ids = rows.iter().map(|row| row.0).collect();
        while !rows.is_empty() {
            let chunk: Vec<_> = rows.drain(..CHUNK.min(rows.len())).collect();
            let type_name = type_name.clone();
            self.write(move |tx| import_all(tx, &type_name, chunk))
                .await?;
        }
        Ok(ids)
    }

    /// Directs rows to objects that have their keys and were not imported under them.
    async fn adopt(&self, rows: &mut [(ObjectId, ForeignKey, Map)]) -> Result<(), DatabaseError> {
        let mut missing = BTreeSet::new();
        for (object, key, _) in rows.iter() {
            if self.object(*object).await?.is_none() {
                missing.insert(key.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let query = self
            .query(Filter::foreign_keys(missing.clone()))
            .deleted(dxos_document::Deleted::Include);
        let mut known = BTreeMap::new();
        for object in query.run().await? {
            for key in object.keys().filter(|key| missing.contains(key)) {
                // Of several the first, on every device.
                known.entry(key.clone()).or_insert(object.id());
            }
        }
        for (object, key, _) in rows {
            if let Some(found) = known.get(key) {
                *object = *found;
            }
        }
        Ok(())
    }
}

fn import_all(
    tx: &mut Tx<'_>,
    type_name: &TypeName,
    rows: Vec<(ObjectId, ForeignKey, Map)>,
) -> Result<(), TxError> {
    for (object, key, properties) in rows {
        tx.import(object, type_name.clone(), &key, properties)?;
    }
    Ok(())
}
