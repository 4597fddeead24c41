//! ECHO that is ended in the middle of what takes long, over a disk in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::Shutdown;
use dxos_actors::testing::{World, run};
use dxos_document::{Filter, Op, Query, Transaction};
use dxos_keys::{ObjectId, SpaceKey};
use dxos_protocol::echo::{
    Commit, CreateSpace, Durability as Acknowledged, EchoError, EraseSpace, GetSpace, LeaveSpace,
    RunQuery, SpaceState, UseAuthority,
};
use dxos_protocol::halo::Authority;
use dxos_store::{
    Batch, Direction, Durability, KeyRange, Keyspace, MemDisk, MemStore, Read, Scan, Store,
    StoreError,
};

use super::Ending;
use crate::core::layout::MARKS;
use crate::{Echo, EchoConfig};

const TASKS: u8 = 40;
const DELETED: u8 = 8;

/// A store after so many commits of which ECHO is about to end.
#[derive(Debug)]
struct Interrupting {
    store: MemStore,
    commits_left: AtomicUsize,
    ending: OnceLock<Ending>,
}

impl Read for Interrupting {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
        self.store.scan(keyspace, range, direction)
    }
}

impl Store for Interrupting {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let done = self.store.commit(batch, durability);
        if self.commits_left.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(ending) = self.ending.get()
        {
            ending.set();
        }
        done
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn clear(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.store.clear(keyspace)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.store.compact()
    }

    fn scratch(&self) -> Result<Box<dyn Store>, StoreError> {
        self.store.scratch()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.store.wipe()
    }
}

async fn start(world: &World, store: Arc<dyn Store>) -> Echo {
    let (config, clock) = (EchoConfig::default(), world.clock.clone());
    let echo = Echo::start(&world.spawner, store, config, None, clock, &world.seeds);
    let mut rng = world.seeds.rng_of("authority");
    let authority = Authority::generate(dxos_credentials::Profile::default(), &mut rng);
    let used = echo.use_authority().ask(UseAuthority { authority }).await;
    used.unwrap().unwrap();
    echo
}

async fn commit(echo: &Echo, space: SpaceKey, ops: Vec<Op>) {
    let durability = Acknowledged::Interval;
    let commit = Commit {
        space,
        ops,
        durability,
    };
    echo.commit().ask(commit).await.unwrap().unwrap();
}

/// A space with objects, some of them deleted.
async fn fill(echo: &Echo) -> SpaceKey {
    let created = echo.create_space().ask(CreateSpace::default()).await;
    let space = created.unwrap().unwrap().space;
    let id = |number| ObjectId::from_bytes([number; 16]);
    for number in 1..=TASKS {
        let title = i64::from(number);
        let created = Transaction::new().create(id(number), "task", [("title", title)]);
        commit(echo, space, created.ops).await;
    }
    for number in 1..=DELETED {
        commit(echo, space, vec![Op::Delete { object: id(number) }]).await;
    }
    space
}

async fn count(echo: &Echo, space: SpaceKey) -> usize {
    let query = Query::new(Filter::type_name("task"));
    let found = echo.run_query().ask(RunQuery { space, query }).await;
    found.unwrap().unwrap().len()
}

async fn erase(echo: &Echo, space: SpaceKey) -> Result<(), EchoError> {
    let erase = EraseSpace {
        space,
        share_state: false,
    };
    echo.erase().ask(erase).await.unwrap().map(drop)
}

async fn leave(echo: &Echo, space: SpaceKey) -> Result<(), EchoError> {
    let leave = LeaveSpace {
        space,
        successor: None,
    };
    echo.leave_space().ask(leave).await.unwrap()
}

/// Does something, has ECHO end after so many commits of it, and starts it again. Whether it was
/// cut off.
async fn cut_off<F: Future<Output = Result<(), EchoError>>>(
    world: &World,
    commits: usize,
    work: impl Fn(Echo, SpaceKey) -> F,
) -> (Result<(), EchoError>, bool, Echo, SpaceKey) {
    let disk = MemDisk::new();
    let store = Arc::new(Interrupting {
        store: MemStore::open(&disk).unwrap(),
        commits_left: AtomicUsize::new(usize::MAX),
        ending: OnceLock::new(),
    });
    let echo = start(world, Arc::clone(&store) as _).await;
    let space = fill(&echo).await;
    store.ending.set(echo.ending.clone()).unwrap();
    store.commits_left.store(commits, Ordering::Relaxed);
    let done = work(echo.clone(), space).await;
    let was_cut_off = echo.ending.is_set();
    let deadline = Duration::from_secs(5);
    let ended = echo.shutdown().ask(Shutdown { deadline }).await;
    ended.unwrap().unwrap();
    drop((echo, store));
    // Whoever still held the store has let go by now.
    world.clock.sleep(Duration::from_secs(1)).await;
    let store = Arc::new(MemStore::open(&disk).unwrap());
    let marks = store.scan(MARKS, KeyRange::all(), Direction::Forward);
    assert_eq!(
        marks.count(),
        0,
        "it ended cleanly, after {commits} commits"
    );
    let echo = start(world, store as _).await;
    (done, was_cut_off, echo, space)
}

fn assert_stopped(done: Result<(), EchoError>) {
    if let Err(error) = done {
        assert!(matches!(error, EchoError::Stopped { .. }), "{error}");
    }
}

#[test]
fn an_erasure_that_is_cut_off_by_the_end_loses_nothing_and_is_done_later() {
    run(1, |world| async move {
        let mut cuts = 0;
        loop {
            let work = |echo: Echo, space| async move { erase(&echo, space).await };
            let (done, was_cut_off, echo, space) = cut_off(&world, cuts + 1, work).await;
            if !was_cut_off {
                done.unwrap();
                break;
            }
            cuts += 1;
            assert_stopped(done);
            assert_eq!(count(&echo, space).await, usize::from(TASKS - DELETED));
            erase(&echo, space).await.unwrap();
            let report = echo.get_space().ask(GetSpace { space }).await.unwrap();
            assert_eq!(report.unwrap().state, SpaceState::Ready);
            assert_eq!(count(&echo, space).await, usize::from(TASKS - DELETED));
        }
        assert!(cuts > 4, "{cuts}");
    });
}

#[test]
fn leaving_holds_though_the_end_cuts_off_what_follows_from_it() {
    run(1, |world| async move {
        let mut cuts = 0;
        loop {
            let work = |echo: Echo, space| async move { leave(&echo, space).await };
            let (done, was_cut_off, echo, space) = cut_off(&world, cuts + 1, work).await;
            if !was_cut_off {
                done.unwrap();
                break;
            }
            cuts += 1;
            done.unwrap();
            let report = echo.get_space().ask(GetSpace { space }).await.unwrap();
            assert_eq!(report.unwrap().state, SpaceState::Inactive);
            assert_eq!(count(&echo, space).await, usize::from(TASKS - DELETED));
        }
        assert!(cuts > 1, "{cuts}");
    });
}
