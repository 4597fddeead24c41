//! One peer: a disk, and the client over it when it runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_actors::{Clock, Failures, SeedTree, Spawner};
use dxos_client::{
    Client, MeshConfig, NetworkFactory, NetworkParts, Parts, Protection, Space, SpaceKey, assemble,
};
use dxos_keys::DeviceKey;
use dxos_store::{CrashPlan, MemDisk, MemStore};
use dxos_transport::Transport;
use dxos_transport::mem::{MemDiscovery, MemNetwork};

/// How long a peer may go without an fsync.
const SYNC_INTERVAL: Duration = Duration::from_millis(200);

/// What all peers of a world share.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) network: MemNetwork,
    pub(crate) discovery: MemDiscovery,
    pub(crate) clock: Clock,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) number: u64,
    pub(crate) disk: MemDisk,
    pub(crate) running: Option<Running>,
    pub(crate) device: Option<DeviceKey>,
    seeds: SeedTree,
    runs: u64,
}

/// A peer's client.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) client: Client,
    pub(crate) online: bool,
    spawner: Spawner,
    failures: Failures,
}

impl Peer {
    pub(crate) fn new(number: u64, seeds: &SeedTree) -> Self {
        Self {
            number,
            disk: MemDisk::new(),
            running: None,
            device: None,
            seeds: seeds.child_n("peer", number),
            runs: 0,
        }
    }

    /// Starts the client over what is on the disk.
    pub(crate) async fn start(&mut self, around: &Surroundings) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.runs += 1;
        let failures = Failures::new();
        let spawner = Spawner::local(&failures);
        let store = Arc::new(MemStore::open(&self.disk)?);
        let (network, discovery, number) = (
            around.network.clone(),
            around.discovery.clone(),
            self.number,
        );
        let open: NetworkFactory = Box::new(move |signer| {
            let transport: Arc<dyn Transport> = match network.endpoint_at(&*signer, number) {
                Ok(endpoint) => endpoint,
                // The last one is not gone yet: another address will do.
                Err(_) => network.endpoint(&*signer),
            };
            Ok(NetworkParts {
                transport,
                discovery: Arc::new(discovery),
                mesh: MeshConfig::default(),
                signal: Vec::new(),
            })
        });
        let parts = Parts {
            store,
            protection: Protection::None,
            clock: around.clock.clone(),
            seeds: self.seeds.child_n("run", self.runs),
            sync_interval: SYNC_INTERVAL,
            network: Some(open),
        };
        let node = assemble(parts, &spawner.handle()).await?;
        let client = Client::over(node);
        if client.halo().identity().await?.is_none() {
            client
                .halo()
                .create_identity(Some(&format!("peer {}", self.number)))
                .await?;
        }
        self.device = Some(client.mesh().device()?);
        self.running = Some(Running {
            client,
            online: true,
            spawner,
            failures,
        });
        Ok(())
    }

    /// Ends the client cleanly.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        running.check()?;
        running
            .client
            .destroy()
            .await
            .context("not closed cleanly")?;
        drop(running.spawner.shutdown(Duration::from_secs(10)).await);
        Ok(())
    }

    /// Kills the process, or the machine. Returns how many batches were lost.
    pub(crate) async fn crash(&mut self, plan: CrashPlan, around: &Surroundings) -> Result<usize> {
        let Some(running) = self.running.take() else {
            return Ok(0);
        };
        running.check()?;
        // First the world outside is cut off, so that nothing that runs while it is torn down
        // shows there.
        let report = self.disk.crash(plan);
        if let Some(device) = self.device {
            around.network.crash(device);
        }
        running.spawner.abort();
        running.spawner.group().idle().await;
        drop(running.spawner.shutdown(Duration::from_secs(10)).await);
        Ok(report.lost)
    }

    pub(crate) fn client(&self) -> Result<&Client> {
        match &self.running {
            Some(running) => Ok(&running.client),
            None => bail!("peer {} is not running", self.number),
        }
    }

    pub(crate) async fn space(&self, key: SpaceKey) -> Result<Space> {
        Ok(self.client()?.echo().space(key).await?)
    }

    /// Fails when a part of the running client has failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.running.as_ref().map_or(Ok(()), Running::check)
    }
}

impl Running {
    fn check(&self) -> Result<()> {
        match self.failures.first() {
            None => Ok(()),
            Some(failure) => bail!("a part of a client failed: {failure}"),
        }
    }
}
