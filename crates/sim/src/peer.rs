//! A peer: a disk, and from time to time a client on it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Clock, Failures, SeedTree, Spawner};
use dxos_client::{
    Client, ClientError, ConnectionState, Database, DatabaseError, DeviceKey, EchoError, Filter,
    LiveQuery, NetworkFactory, NetworkParts, NodeError, Object, ObjectId, Parts, Protection, Query,
    Space, SpaceKey, Value, assemble,
};
use dxos_store::{CrashPlan, CrashReport, MemDisk, MemSnapshot, MemStore};
use dxos_transport::mem::{MemDiscovery, MemNetwork};

use crate::Violation;
use crate::receipts::Before;

/// How long any request may take, in virtual time, before it counts as not answered.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long everything may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// One edit: a number that it put into the set `marks` of an object, from where nothing takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) object: ObjectId,
    pub(crate) number: i64,
}

/// What is the same for all peers.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) network: MemNetwork,
    pub(crate) discovery: MemDiscovery,
    pub(crate) clock: Clock,
}

/// A client that runs.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) client: Client,
    pub(crate) live: Option<LiveQuery>,
    spawner: Spawner,
    failures: Failures,
}

/// A backup of a disk.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) snapshot: MemSnapshot,
    /// What was acknowledged when it was made.
    pub(crate) holds: Vec<Mark>,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) index: usize,
    pub(crate) disk: MemDisk,
    pub(crate) life: Option<Life>,
    pub(crate) online: bool,
    pub(crate) device: DeviceKey,
    pub(crate) space: Option<SpaceKey>,
    /// Acknowledged, perhaps not on the disk yet.
    pub(crate) acknowledged: Vec<Mark>,
    /// Acknowledged as being on the disk.
    pub(crate) durable: Vec<Mark>,
    /// Acknowledged, gone from the disk with what came after an image, and on another disk.
    pub(crate) elsewhere: Vec<Mark>,
    pub(crate) image: Option<Image>,
    /// Whether an image was put back: the device may be found to have forked.
    pub(crate) restored: bool,
    /// What was there before.
    pub(crate) before: Before,
    pub(crate) clock: Clock,
    pub(crate) disk_full: bool,
    freed_at: Option<Duration>,
    seeds: SeedTree,
    lives: u64,
    /// How often it was looked at.
    looks: Cell<u64>,
}

/// How long a space that could not be opened rests at most before it is tried again.
const REOPENS_WITHIN: Duration = Duration::from_secs(6);

/// What a peer sees of an object.
pub(crate) enum Sight {
    /// The object, if there is one.
    Clear(Option<Box<Object>>),
    /// Nothing, for want of room: after a removal objects are made again, and an error is better
    /// than what does not count any more.
    DiskFull,
}

impl Sight {
    /// The object that is seen.
    pub(crate) fn object(self) -> Option<Object> {
        match self {
            Self::Clear(object) => object.map(|object| *object),
            Self::DiskFull => None,
        }
    }
}

impl Peer {
    pub(crate) fn new(index: usize, seeds: SeedTree, clock: Clock) -> Self {
        Self {
            index,
            disk: MemDisk::new(),
            life: None,
            online: false,
            device: DeviceKey::from_bytes([0; 32]),
            space: None,
            acknowledged: Vec::new(),
            durable: Vec::new(),
            elsewhere: Vec::new(),
            image: None,
            restored: false,
            before: Before::default(),
            clock,
            disk_full: false,
            freed_at: None,
            seeds,
            lives: 0,
            looks: Cell::new(0),
        }
    }

    /// Starts the client from what is on the disk.
    pub(crate) async fn start(&mut self, around: &Surroundings) -> Result<(), Violation> {
        self.lives += 1;
        self.launch(Some(self.network(around))).await?;
        let Some(life) = &self.life else {
            return Ok(());
        };
        self.device = life
            .client
            .mesh()
            .device()
            .map_err(|error| Violation::Life {
                peer: self.index,
                action: "started",
                reason: error.to_string(),
            })?;
        self.online = true;
        self.subscribe().await
    }

    /// A peer without a network on a copy of what is on a disk of this one.
    pub(crate) async fn shadow(&self, image: &MemSnapshot) -> Result<Self, Violation> {
        self.looks.set(self.looks.get() + 1);
        let seeds = self.seeds.child_n("look", self.looks.get());
        let mut shadow = Self::new(self.index, seeds, self.clock.clone());
        shadow.disk.restore(image);
        (shadow.device, shadow.space) = (self.device, self.space);
        shadow.launch(None).await?;
        Ok(shadow)
    }

    async fn launch(&mut self, network: Option<NetworkFactory>) -> Result<(), Violation> {
        let peer = self.index;
        let failed = |reason: String| Violation::Life {
            peer,
            action: "started",
            reason,
        };
        let store = MemStore::open(&self.disk).map_err(|error| failed(error.to_string()))?;
        let parts = Parts {
            store: Arc::new(store),
            protection: Protection::None,
            clock: self.clock.clone(),
            // What was drawn in one life must not be drawn in another.
            seeds: self.seeds.child_n("life", self.lives),
            sync_interval: Duration::from_millis(200),
            epochs: dxos_client::EpochPolicy::default(),
            // So little that objects are read again all the time.
            cache_bytes: 1 << 16,
            network,
        };
        let failures = Failures::new();
        let spawner = Spawner::local(&failures);
        let handle = spawner.handle();
        let assembled = spawner.run(move || async move { assemble(parts, &handle).await });
        let assembled = tokio::time::timeout(REQUEST_TIMEOUT, assembled).await;
        let node = assembled
            .map_err(|_| failed("it did not end".to_owned()))?
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        self.life = Some(Life {
            client: Client::over(node),
            live: None,
            spawner,
            failures,
        });
        Ok(())
    }

    fn network(&self, around: &Surroundings) -> NetworkFactory {
        let Surroundings {
            network, discovery, ..
        } = around.clone();
        let address = self.index as u64 + 1;
        Box::new(move |signer| {
            let transport =
                network
                    .endpoint_at(&*signer, address)
                    .map_err(|error| NodeError::Start {
                        part: "the simulated network",
                        reason: error.to_string(),
                    })?;
            Ok(NetworkParts {
                transport,
                discovery: Arc::new(discovery),
                mesh: dxos_mesh::MeshConfig::default(),
                signal: Vec::new(),
            })
        })
    }

    /// Follows all objects, once there is a space.
    pub(crate) async fn subscribe(&mut self) -> Result<(), Violation> {
        let Some(space) = self.open_space().await? else {
            return Ok(());
        };
        let live = space
            .db()
            .query(Query::new(Filter::And(Vec::new())))
            .subscribe();
        let live = self.answered("subscribe to a query", live).await?;
        if let Some(life) = &mut self.life {
            life.live = Some(live);
        }
        Ok(())
    }

    /// Waits for an answer that must come and must not be an error.
    pub(crate) async fn answered<T, E: ToString>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Violation> {
        let peer = self.index;
        let failed = |reason| Violation::Request {
            peer,
            action,
            reason,
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("no answer".to_owned())),
        }
    }

    /// An object as it is seen here.
    pub(crate) async fn see(&self, db: &Database, object: ObjectId) -> Result<Sight, Violation> {
        let full = self.lacks_room();
        let seen = async {
            match db.get(object).await {
                Err(DatabaseError::Client(ClientError::Echo(EchoError::Store { .. }))) if full => {
                    Ok(Sight::DiskFull)
                }
                seen => seen.map(|object| Sight::Clear(object.map(Box::new))),
            }
        };
        self.answered("read an object", seen).await
    }

    /// The space, when the client runs and has joined it.
    pub(crate) async fn open_space(&self) -> Result<Option<Space>, Violation> {
        let (Some(life), Some(key)) = (&self.life, self.space) else {
            return Ok(None);
        };
        let echo = life.client.echo();
        let opened = self.answered("open the space", echo.space(key)).await?;
        Ok(Some(opened))
    }

    /// Its objects, when it runs.
    pub(crate) async fn database(&self) -> Result<Option<Database>, Violation> {
        Ok(self.open_space().await?.map(|space| space.db()))
    }

    /// Ends the client without a word.
    pub(crate) async fn crash(
        &mut self,
        plan: CrashPlan,
        around: &Surroundings,
    ) -> Result<CrashReport, Violation> {
        around.network.crash(self.device);
        let report = self.disk.crash(plan);
        let Some(life) = self.life.take() else {
            return Ok(report);
        };
        life.spawner.abort();
        self.end(life).await?;
        Ok(report)
    }

    /// Ends the client in order.
    pub(crate) async fn stop(&mut self) -> Result<(), Violation> {
        let Some(life) = self.life.take() else {
            return Ok(());
        };
        let peer = self.index;
        if let Err(error) = life.client.destroy().await {
            return Err(Violation::Life {
                peer,
                action: "stopped",
                reason: error.to_string(),
            });
        }
        self.end(life).await?;
        // Everything that was acknowledged is on the disk.
        self.durable.append(&mut self.acknowledged);
        Ok(())
    }

    /// Makes place on the disk.
    pub(crate) fn free_disk(&mut self) {
        self.disk.heal();
        if std::mem::take(&mut self.disk_full) {
            self.freed_at = Some(self.clock.now());
        }
    }

    /// Whether requests may fail for want of room: also for a moment after there is some again.
    pub(crate) fn lacks_room(&self) -> bool {
        let rests = |freed: Duration| self.clock.now() < freed + REOPENS_WITHIN;
        self.disk_full || self.freed_at.is_some_and(rests)
    }

    async fn end(&mut self, life: Life) -> Result<(), Violation> {
        self.online = false;
        let peer = self.index;
        let Life {
            client,
            live,
            spawner,
            failures,
        } = life;
        drop((client, live));
        let stopped = spawner.shutdown(STOP_TIMEOUT).await;
        if let Some(failure) = failures.first() {
            return Err(Violation::Failed {
                peer,
                failure: failure.to_string(),
            });
        }
        stopped.map_err(|error| Violation::Life {
            peer,
            action: "stopped",
            reason: error.to_string(),
        })
    }

    /// Fails when something in the client did.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        match self.life.as_ref().and_then(|life| life.failures.first()) {
            Some(failure) => Err(Violation::Failed {
                peer: self.index,
                failure: failure.to_string(),
            }),
            None => Ok(()),
        }
    }

    pub(crate) async fn set_online(&mut self, online: bool) -> Result<(), Violation> {
        let Some(life) = &self.life else {
            return Ok(());
        };
        let state = if online {
            ConnectionState::Online
        } else {
            ConnectionState::Offline
        };
        let mesh = life.client.mesh();
        self.answered("go online or offline", mesh.set_connection_state(state))
            .await?;
        self.online = online;
        Ok(())
    }

    /// Checks that these edits are here.
    pub(crate) async fn expect(
        &self,
        marks: &[Mark],
        when: &'static str,
    ) -> Result<u64, Violation> {
        let Some(db) = self.database().await? else {
            return Ok(0);
        };
        let mut by_object: BTreeMap<ObjectId, Vec<i64>> = BTreeMap::new();
        for mark in marks {
            by_object.entry(mark.object).or_default().push(mark.number);
        }
        let mut checked = 0;
        for (object, numbers) in by_object {
            let Sight::Clear(found) = self.see(&db, object).await? else {
                // Whether it is there shows once there is room.
                continue;
            };
            let set = match found.as_ref().and_then(|found| found.get("marks")) {
                Some(Value::Set(set)) => Some(set),
                _ => None,
            };
            for edit in numbers {
                let here = set.is_some_and(|set| set.contains(&Value::Int(edit)));
                if !here {
                    return Err(Violation::Lost {
                        peer: self.index,
                        edit,
                        object: object.to_string(),
                        when,
                    });
                }
                checked += 1;
            }
        }
        Ok(checked)
    }
}
