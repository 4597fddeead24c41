//! Objects become records of a file.

use std::io::Write;

use dxos_document::{Filter, Query};
use dxos_records::{Columns, Format, WriteError, Writer};

use crate::{ClientError, Database, NodeError};

/// Which objects are exported, and how.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How they stand in the file.
    pub format: Format,
    /// Which ones, and in what order: all, in the order of their ids, by default.
    pub query: Query,
}

impl ExportOptions {
    /// All objects that are not deleted, in a format.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            query: Query::new(Filter::all()),
        }
    }
}

/// Why objects were not exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The client or the space refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// They cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<dxos_actors::SpawnError> for ExportError {
    fn from(error: dxos_actors::SpawnError) -> Self {
        Self::Client(NodeError::from(error).into())
    }
}

impl Database {
    /// Writes objects as records, and gives back what they were written to, and how many there
    /// were. [`Database::import_from`] makes the same objects of them, but for their history, and
    /// for those with a property of more than 736 KiB.
    ///
    /// They are read bit by bit: memory is bounded; see
    /// [`PendingQuery::pages`](crate::PendingQuery::pages). What is written to the space meanwhile
    /// may be among them or not. CSV reads them twice, as its first line names all properties.
    /// Give it a buffered writer.
    ///
    /// # Errors
    ///
    /// [`ExportError::Write`], also when objects of a CSV file have too many properties, or new
    /// ones meanwhile; [`ExportError::Client`].
    pub async fn export<W: Write + Send + 'static>(
        &self,
        options: ExportOptions,
        to: W,
        mut on_progress: impl FnMut(u64) + Send,
    ) -> Result<(W, u64), ExportError> {
        let node = self.space().client().node()?;
        let ExportOptions { format, query } = options;
        let mut columns = Columns::default();
        if format == Format::Csv {
            let mut pages = self.query(query.clone()).pages();
            while let Some(page) = pages.next().await? {
                page.iter().try_for_each(|object| columns.add(object))?;
            }
        }
        let begun = node
            .spawner
            .blocking(move || Writer::begin(format, columns, to));
        let mut writer = begun.await??;
        let mut pages = self.query(query).pages();
        while let Some(page) = pages.next().await? {
            let written = node.spawner.blocking(move || {
                for object in page {
                    writer.write(&object)?;
                }
                Ok::<_, WriteError>(writer)
            });
            writer = written.await??;
            on_progress(writer.objects());
        }
        let objects = writer.objects();
        let to = node.spawner.blocking(move || writer.finish()).await??;
        Ok((to, objects))
    }
}
