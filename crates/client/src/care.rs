//! Looking after what is stored: how much there is, whether it is whole, and what nobody needs.

use std::sync::Arc;
use std::time::Duration;

use dxos_protocol::echo::{
    CheckSpace, Checkup, CollectGarbage, Garbage, GetStats, SpaceState, SpaceStats,
};
use serde::Serialize;

use crate::{Client, ClientError, NodeError, Space};

const ECHO: &str = "ECHO";
/// All of a space is read.
const DEADLINE: Duration = Duration::from_secs(3600);

/// What [`Client::gc`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// What was of spaces that are not on this device any more.
    pub removed: Garbage,
    /// The bytes on the disk before.
    pub disk_bytes_before: u64,
    /// And after.
    pub disk_bytes_after: u64,
}

/// What [`Client::doctor`] has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// Of every space, the one in which the identity keeps its devices among them.
    pub spaces: Vec<Checkup>,
    /// What is of no space.
    pub orphans: Garbage,
    /// Whether those were removed.
    pub orphans_removed: bool,
}

impl DoctorReport {
    /// Whether nothing is wrong, or not any more.
    pub fn is_whole(&self) -> bool {
        let orphans = self.orphans.rows == 0 || self.orphans_removed;
        orphans && self.spaces.iter().all(Checkup::is_whole)
    }
}

impl Space {
    /// How much of it is stored, open or closed. It reads all of the space, beside everything
    /// else, so it takes as long as that.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device, or the store cannot be read.
    pub async fn stats(&self) -> Result<SpaceStats, ClientError> {
        let get = GetStats { space: self.key() };
        let port = self.client().node()?.echo.stats().with_deadline(DEADLINE);
        let stats = port.ask(get).await;
        Ok(stats.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Checks what is stored of it: every block against its hash, its signature and the block
    /// before it, and objects and indexes against the blocks. With `repair` what is derived and
    /// wrong is made anew; blocks are never touched. It is not usable meanwhile, live queries on
    /// it end, and what it holds besides blocks is made once more in memory.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device or busy.
    pub async fn check(&self, repair: bool) -> Result<Checkup, ClientError> {
        let space = self.key();
        let check = CheckSpace { space, repair };
        let port = self.client().node()?.echo.check_space();
        let checked = port.with_deadline(DEADLINE).ask(check).await;
        let checked = checked.map_err(ClientError::unanswered(ECHO))??;
        if checked.repaired {
            // It is made anew as it is opened.
            let opened = |report: &dxos_protocol::echo::SpaceReport| {
                report.state != SpaceState::Initializing
            };
            self.wait_until(opened).await?;
        }
        Ok(checked)
    }
}

impl Client {
    /// Checks everything that is stored of all spaces, as [`Space::check`] does, and looks for
    /// what is of none. With `repair` what is derived is made anew, and orphans are removed.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the store cannot be read at all.
    pub async fn doctor(&self, repair: bool) -> Result<DoctorReport, ClientError> {
        let node = self.node()?;
        let mut spaces = Vec::new();
        for report in node.keeper.reports().await? {
            let space = Space::new(self.clone(), report.space);
            spaces.push(space.check(repair).await?);
        }
        Ok(DoctorReport {
            spaces,
            orphans: self.collect(!repair).await?,
            orphans_removed: repair,
        })
    }

    /// Removes what is of spaces that are not on this device any more, and has the store give
    /// back the room of everything that was deleted. Everything else goes on meanwhile.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] and [`ClientError::Node`] when the store cannot be read or written.
    pub async fn gc(&self) -> Result<GcReport, ClientError> {
        let node = self.node()?;
        let disk_bytes_before = node.store.disk_bytes();
        let removed = self.collect(false).await?;
        let store = Arc::clone(&node.store);
        let compacted = node.spawner.blocking(move || store.compact()).await;
        compacted
            .map_err(NodeError::from)?
            .map_err(NodeError::from)?;
        Ok(GcReport {
            removed,
            disk_bytes_before,
            disk_bytes_after: node.store.disk_bytes(),
        })
    }

    async fn collect(&self, dry_run: bool) -> Result<Garbage, ClientError> {
        let port = self.node()?.echo.collect_garbage().with_deadline(DEADLINE);
        let collected = port.ask(CollectGarbage { dry_run }).await;
        Ok(collected.map_err(ClientError::unanswered(ECHO))??)
    }
}
