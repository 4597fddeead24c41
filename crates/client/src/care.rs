//! Looking after what is stored: how much there is, whether it is whole, and what nobody needs.

use std::sync::Arc;
use std::time::Duration;

use dxos_protocol::echo::{
    CheckDerived, CheckSpace, Checkup, CollectGarbage, DerivedCheckup, EchoError, Finding,
    FindingKind, Garbage, GetStats, SpaceState, SpaceStats,
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
    /// What is wrong with what all spaces share: whether what is derived can be read, and whether
    /// what is of no space can be looked for.
    pub derived: DerivedCheckup,
    /// What is of no space.
    pub orphans: Garbage,
    /// Whether those were removed.
    pub orphans_removed: bool,
}

impl DoctorReport {
    /// Whether nothing is wrong, or not any more.
    pub fn is_whole(&self) -> bool {
        let orphans = self.orphans.rows == 0 || self.orphans_removed;
        orphans && self.derived.is_whole() && self.spaces.iter().all(Checkup::is_whole)
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
    /// wrong is made anew, and all is checked again; blocks are never touched. It is not usable
    /// meanwhile, live queries on it end, and what it holds besides blocks is made once more in
    /// memory. Where rows cannot even be read, only [`Client::doctor`] can make them anew.
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
        // It is opened again, and made anew as that is done.
        let opened =
            |report: &dxos_protocol::echo::SpaceReport| report.state != SpaceState::Initializing;
        self.wait_until(opened).await?;
        Ok(checked)
    }
}

impl Client {
    /// Checks everything that is stored of all spaces, as [`Space::check`] does, and looks for
    /// what is of none. With `repair` what is derived is made anew, and orphans are removed; then
    /// it is checked again, and the report says what is still wrong.
    ///
    /// All spaces have their rows in the same tables. Where some of what is derived cannot be
    /// read, all of its kind is deleted and made anew for every space, and no space is usable
    /// meanwhile. If a space has damaged blocks, so that this would lose objects which can be read
    /// now, nothing is deleted. Where files cannot even be opened, only a client that was made
    /// with [`repair`](crate::ClientOptions::repair) gets here.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the store cannot be read at all.
    pub async fn doctor(&self, repair: bool) -> Result<DoctorReport, ClientError> {
        let node = self.node()?;
        let mut derived = self.check_derived(false).await?;
        if repair && !derived.findings.is_empty() {
            derived = self.check_derived(true).await?;
        }
        // Had those been left as they are, it would not be told of both.
        if derived.findings.is_empty() || derived.emptied {
            let given_up = self.take_given_up();
            derived.emptied |= !given_up.is_empty();
            derived.findings.extend(given_up);
        }
        let mut spaces = Vec::new();
        for report in node.keeper.reports().await? {
            let space = Space::new(self.clone(), report.space);
            match space.check(repair).await {
                Ok(checked) => spaces.push(checked),
                // It was deleted meanwhile.
                Err(ClientError::Echo(EchoError::UnknownSpace { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let mut unknown = None;
        let orphans = match self.collect(!repair).await {
            Ok(orphans) => orphans,
            // What was found so far is worth telling.
            Err(ClientError::Echo(EchoError::Store { reason })) => {
                let text = format!("what is of no space cannot be looked for: {reason}");
                let kind = FindingKind::Store;
                unknown = Some(Finding { kind, text });
                Garbage::default()
            }
            Err(error) => return Err(error),
        };
        if derived.emptied {
            let left = self.check_derived(false).await?;
            if !left.findings.is_empty() {
                derived = left;
            }
        }
        let orphans_removed = repair && unknown.is_none();
        derived.findings.extend(unknown);
        Ok(DoctorReport {
            spaces,
            derived,
            orphans,
            orphans_removed,
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

    async fn check_derived(&self, repair: bool) -> Result<DerivedCheckup, ClientError> {
        let port = self.node()?.echo.check_derived().with_deadline(DEADLINE);
        let checked = port.ask(CheckDerived { repair }).await;
        Ok(checked.map_err(ClientError::unanswered(ECHO))??)
    }

    async fn collect(&self, dry_run: bool) -> Result<Garbage, ClientError> {
        let port = self.node()?.echo.collect_garbage().with_deadline(DEADLINE);
        let collected = port.ask(CollectGarbage { dry_run }).await;
        Ok(collected.map_err(ClientError::unanswered(ECHO))??)
    }
}
