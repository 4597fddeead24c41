//! A device of the workload: ECHO over a disk in memory.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::testing::World;
use dxos_actors::{Port, Shutdown};
use dxos_credentials::{Profile, Role};
use dxos_document::{Filter, Object, Query};
use dxos_keys::{IdentityKey, SpaceKey, StateHash};
use dxos_protocol::echo::{
    AdmissionTicket, AdmitMember, ComputeStateHash, EchoError, RunQuery, UseAuthority,
};
use dxos_protocol::halo::Authority;
use dxos_store::{CrashPlan, MemDisk, MemStore};
use dxos_wire::Request;

use crate::{Echo, EchoConfig};

/// Asks, and takes it as a failed test when no answer comes.
pub(super) async fn ask<M, T, E>(port: Port<M>, message: M) -> Result<T, E>
where
    M: Request<Reply = Result<T, E>>,
{
    port.ask(message).await.unwrap()
}

/// Every object that is not deleted, found without an index.
pub(super) async fn scan(echo: &Echo, space: SpaceKey) -> Result<Vec<Object>, EchoError> {
    query(echo, space, Query::new(Filter::all())).await
}

pub(super) async fn query(
    echo: &Echo,
    space: SpaceKey,
    query: Query,
) -> Result<Vec<Object>, EchoError> {
    ask(echo.run_query(), RunQuery { space, query }).await
}

pub(super) async fn state_hash(echo: &Echo, space: SpaceKey) -> Result<StateHash, EchoError> {
    ask(echo.state_hash(), ComputeStateHash { space }).await
}

/// Admits a guest with all that was written before.
pub(super) async fn admit(
    echo: &Echo,
    space: SpaceKey,
    guest: &Peer,
    role: Role,
) -> Result<AdmissionTicket, EchoError> {
    let message = AdmitMember {
        space,
        chain: guest.authority.chain.clone(),
        role,
        profile: Profile::default(),
        invitation: None,
        history: true,
    };
    ask(echo.admit_member(), message).await
}

pub(super) struct Peer {
    pub(super) disk: MemDisk,
    pub(super) authority: Authority,
    running: Option<Echo>,
    /// How often it was started: every time it draws other numbers.
    starts: u64,
    name: &'static str,
}

impl Peer {
    /// A device that has not started yet.
    pub(super) fn new(world: &World, name: &'static str) -> Self {
        let mut rng = world.seeds.rng_of(name);
        let authority = Authority::generate(Profile::default(), &mut rng);
        Self {
            disk: MemDisk::new(),
            authority,
            running: None,
            starts: 0,
            name,
        }
    }

    pub(super) fn identity(&self) -> IdentityKey {
        self.authority.chain.device().identity
    }

    /// Starts it, and opens its spaces.
    pub(super) async fn start(&mut self, world: &World) -> Result<(), EchoError> {
        if self.running.is_none() {
            let store = Arc::new(self.store(world).await);
            let (config, clock) = (EchoConfig::default(), world.clock.clone());
            self.starts += 1;
            let seeds = world.seeds.child_n(self.name, self.starts);
            let echo = Echo::start(&world.spawner, store, config, None, clock, &seeds);
            self.running = Some(echo);
        }
        let authority = self.authority.clone();
        ask(self.echo().use_authority(), UseAuthority { authority }).await
    }

    /// Its store, once whoever had it open has let go.
    pub(super) async fn store(&self, world: &World) -> MemStore {
        for _ in 0..100 {
            if let Ok(store) = MemStore::open(&self.disk) {
                return store;
            }
            world.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("somebody keeps the store open");
    }

    pub(super) fn echo(&self) -> Echo {
        self.running.clone().expect("it was started")
    }

    /// Ends it as a program does that is told to. What the disk refuses then is lost by no fault
    /// of anybody's.
    pub(super) async fn stop(&mut self) {
        let Some(echo) = self.running.take() else {
            return;
        };
        let deadline = Duration::from_secs(5);
        // It fails when the disk does.
        let _ = echo.shutdown().ask(Shutdown { deadline }).await.unwrap();
    }

    /// Takes its power away: what was not synced is gone.
    pub(super) async fn lose_power(&mut self) {
        self.disk.crash(CrashPlan::power_loss(0));
        self.stop().await;
    }

    /// Ends it, does something to its disk and starts it.
    pub(super) async fn restart(&mut self, world: &World, meanwhile: impl FnOnce(&MemDisk)) {
        self.stop().await;
        drop(self.store(world).await);
        meanwhile(&self.disk);
        self.start(world).await.unwrap();
    }
}
