//! Migrations of a space: of what is there, and of what arrives later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_document::{Deleted, Filter, Map, Object, Query, TypeName};
use dxos_protocol::echo::EchoError;
use dxos_schema::{EchoObject, Migration, MigrationError};
use tokio::sync::watch;

use crate::database::transact;
use crate::query::subscribe;
use crate::{
    ClientError, Durability, LiveQuery, Node, ObjectId, Space, SpaceKey, TransactionError,
};

/// Objects that are migrated in one block.
const BATCH_MAX: usize = 64;
/// Failures that a report names.
const FAILED_MAX: usize = 256;

/// What a migration has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationReport {
    /// Objects that this device migrated.
    pub migrated: u64,
    /// Objects that it could not migrate, with the reasons: they are as they were, and are tried
    /// again when they change. No more than 256 are named.
    pub failed: BTreeMap<ObjectId, String>,
}

/// A migration that is registered. It goes on until the client stops, also without this.
#[derive(Clone, Debug)]
pub struct RegisteredMigration {
    report: watch::Receiver<MigrationReport>,
}

impl RegisteredMigration {
    /// What it has done so far.
    pub fn report(&self) -> MigrationReport {
        self.report.borrow().clone()
    }

    /// Waits until a report satisfies a condition; `None` when the space is closed before.
    pub async fn wait_until(
        &mut self,
        condition: impl FnMut(&MigrationReport) -> bool,
    ) -> Option<MigrationReport> {
        let found = self.report.wait_for(condition).await;
        found.ok().map(|report| report.clone())
    }
}

impl Space {
    /// Migrates the objects of one struct and version to another: those that are here now,
    /// deleted ones too, before this returns, and those that arrive later in the old version as
    /// they arrive. Each is migrated once, in one block with its new type.
    ///
    /// `migrate` must depend on the old struct alone: no time, no randomness. Then devices that
    /// migrate at once write the same, and all end with what one of them wrote. Properties that
    /// the old struct does not know stay. Between arriving and being migrated an object is of
    /// the old version; a change that someone makes to the old version meanwhile is kept: under
    /// the name of its property, or, if it was migrated too, as a conflict.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role of this identity does not allow it to write;
    /// [`ClientError::Migration`] when both structs have one name and version.
    pub async fn register_migration<A: EchoObject, B: EchoObject>(
        &self,
        migrate: impl Fn(A) -> B + Send + Sync + 'static,
    ) -> Result<RegisteredMigration, ClientError> {
        self.register(Migration::new(migrate)?).await
    }

    /// The same for objects without structs: `migrate` changes their properties.
    ///
    /// # Errors
    ///
    /// As for [`Space::register_migration`].
    pub async fn register_dynamic_migration(
        &self,
        from: impl Into<TypeName>,
        to: impl Into<TypeName>,
        migrate: impl Fn(&mut Map) + Send + Sync + 'static,
    ) -> Result<RegisteredMigration, ClientError> {
        self.register(Migration::dynamic(from, to, migrate)?).await
    }

    async fn register(&self, migration: Migration) -> Result<RegisteredMigration, ClientError> {
        let node = self.client().node()?;
        let old = Query::new(Filter::type_exact(migration.from().clone()));
        let live = subscribe(&node, self.key(), old.deleted(Deleted::Include)).await?;
        let (sender, report) = watch::channel(MigrationReport::default());
        let spawner = node.spawner.clone();
        let mut runner = Runner {
            node,
            space: self.key(),
            migration,
            report: sender,
        };
        let ids: Vec<ObjectId> = live.results().iter().map(Object::id).collect();
        runner.migrate(&ids).await?;
        spawner
            .spawn("migration", move || runner.follow(live))
            .map_err(|_| ClientError::NotInitialized)?;
        Ok(RegisteredMigration { report })
    }
}

/// Holds the node and not the client, which stops everything when it is dropped.
struct Runner {
    node: Arc<Node>,
    space: SpaceKey,
    migration: Migration,
    report: watch::Sender<MigrationReport>,
}

impl Runner {
    async fn follow(mut self, mut live: LiveQuery) {
        while let Some(difference) = live.next().await {
            let placed = difference.added.into_iter().chain(difference.updated);
            let ids: BTreeSet<ObjectId> = placed.map(|placed| placed.object.id()).collect();
            let ids: Vec<ObjectId> = ids.into_iter().collect();
            if let Err(error) = self.migrate(&ids).await {
                tracing::warn!(%error, migration = ?self.migration, "objects were not migrated");
                for object in ids {
                    self.failed(object, error.to_string());
                }
            }
        }
    }

    /// Migrates objects; fails when none can be.
    async fn migrate(&mut self, ids: &[ObjectId]) -> Result<(), ClientError> {
        for batch in ids.chunks(BATCH_MAX) {
            match self.write(batch).await {
                Ok(migrated) => self.migrated(batch, migrated),
                Err(TransactionError::Client(error)) if is_general(&error) => return Err(error),
                Err(_) if batch.len() > 1 => {
                    // One of them cannot be migrated, or together they are too large.
                    for object in batch {
                        self.migrate_one(*object).await?;
                    }
                }
                Err(error) => self.failed_all(batch, &error),
            }
        }
        Ok(())
    }

    async fn migrate_one(&mut self, object: ObjectId) -> Result<(), ClientError> {
        match self.write(&[object]).await {
            Ok(migrated) => self.migrated(&[object], migrated),
            Err(TransactionError::Client(error)) if is_general(&error) => return Err(error),
            Err(error) => self.failed(object, error.to_string()),
        }
        Ok(())
    }

    async fn write(&self, batch: &[ObjectId]) -> Result<u64, TransactionError<MigrationError>> {
        let (migration, batch) = (self.migration.clone(), batch.to_vec());
        let written = transact(&self.node, self.space, Durability::Interval, move |tx| {
            let mut migrated = 0;
            for object in batch {
                migrated += u64::from(migration.apply(tx, object)?);
            }
            Ok(migrated)
        });
        let (migrated, _) = written.await?;
        Ok(migrated)
    }

    fn migrated(&self, batch: &[ObjectId], migrated: u64) {
        self.report.send_if_modified(|report| {
            report.migrated += migrated;
            let failed = report.failed.len();
            report.failed.retain(|object, _| !batch.contains(object));
            migrated > 0 || report.failed.len() != failed
        });
    }

    fn failed_all(&self, batch: &[ObjectId], error: &TransactionError<MigrationError>) {
        for object in batch {
            self.failed(*object, error.to_string());
        }
    }

    fn failed(&self, object: ObjectId, reason: String) {
        tracing::warn!(%object, %reason, "an object was not migrated");
        self.report.send_modify(|report| {
            if report.failed.len() < FAILED_MAX {
                report.failed.insert(object, reason);
            }
        });
    }
}

/// Whether an error is not about single objects.
const fn is_general(error: &ClientError) -> bool {
    !matches!(
        error,
        ClientError::Echo(
            EchoError::InvalidTransaction { .. }
                | EchoError::SchemaViolated { .. }
                | EchoError::TransactionPanicked
        )
    )
}
