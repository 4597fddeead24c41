//! ECHO as its users see it: through its ports, over a disk in memory, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::Shutdown;
use dxos_actors::testing::{World, run};
use dxos_credentials::Profile;
use dxos_document::{Filter, Op, Query, Transaction};
use dxos_keys::{ObjectId, SpaceKey};
use dxos_protocol::echo::{
    CheckSpace, CloseSpace, Commit, ComputeStateHash, CreateSpace, Durability, EchoError, Flush,
    GetSpace, ListSpaces, RunQuery, SpaceReason, SpaceReport, SpaceState, Subscribe, UseAuthority,
    WatchSpace,
};
use dxos_protocol::halo::Authority;
use dxos_store::{
    Access, CrashPlan, Direction, KeyRange, MemDisk, MemStore, Read, Store as _, StoreError,
};

use tokio::sync::watch;

use crate::core::layout::{MARKS, SpaceNumber, TALLIES, derived_key};
use crate::{Echo, EchoConfig};

fn authority(world: &World) -> Authority {
    let mut rng = world.seeds.rng_of("authority");
    Authority::generate(Profile::default(), &mut rng)
}

fn start(world: &World, disk: &MemDisk) -> Echo {
    let store = Arc::new(MemStore::open(disk).unwrap());
    let (config, clock) = (EchoConfig::default(), world.clock.clone());
    Echo::start(&world.spawner, store, config, None, clock, &world.seeds)
}

async fn open(world: &World, disk: &MemDisk) -> Echo {
    let echo = start(world, disk);
    let authority = authority(world);
    echo.use_authority()
        .ask(UseAuthority { authority })
        .await
        .unwrap()
        .unwrap();
    echo
}

async fn close(echo: Echo) {
    echo.shutdown()
        .ask(Shutdown {
            deadline: Duration::from_secs(5),
        })
        .await
        .unwrap()
        .unwrap();
    drop(echo);
}

async fn create(echo: &Echo) -> SpaceKey {
    let properties = [("name".to_owned(), "notes".into())].into();
    let created = echo.create_space().ask(CreateSpace { properties }).await;
    created.unwrap().unwrap().space
}

fn task(number: u8, title: i64) -> Vec<Op> {
    let object = ObjectId::from_bytes([number; 16]);
    let transaction = Transaction::new().create(object, "task", [("title", title)]);
    transaction.ops
}

async fn commit(echo: &Echo, space: SpaceKey, ops: Vec<Op>) -> Result<(), EchoError> {
    let durability = Durability::Interval;
    let commit = Commit {
        space,
        ops,
        durability,
    };
    echo.commit().ask(commit).await.unwrap().map(|_| ())
}

fn tasks() -> Query {
    Query::new(Filter::type_name("task")).order_by("title")
}

async fn count(echo: &Echo, space: SpaceKey) -> usize {
    let query = tasks();
    let found = echo.run_query().ask(RunQuery { space, query }).await;
    found.unwrap().unwrap().len()
}

fn marks(store: &MemStore) -> usize {
    store
        .scan(MARKS, KeyRange::all(), Direction::Forward)
        .count()
}

#[test]
fn every_space_is_there_when_a_read_failed_at_the_first_try() {
    run(1, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let (one, two) = (create(&echo).await, create(&echo).await);
        close(echo).await;
        let mut refused = 0;
        for reads in 0..12 {
            world.clock.sleep(Duration::from_secs(1)).await;
            let echo = start(&world, &disk);
            let error = StoreError::Io {
                path: "disk".into(),
                reason: "injected".to_owned(),
            };
            disk.fail_once(Access::Read, reads, error);
            let authority = authority(&world);
            let message = UseAuthority { authority };
            let used = echo.use_authority().ask(message.clone()).await.unwrap();
            disk.heal();
            if used.is_err() {
                refused += 1;
                echo.use_authority().ask(message).await.unwrap().unwrap();
            }
            for space in [one, two] {
                let found = echo.get_space().ask(GetSpace { space }).await.unwrap();
                assert!(found.is_ok(), "{reads}: {found:?}");
            }
            close(echo).await;
        }
        assert!(refused > 3, "{refused}");
    });
}

#[test]
fn a_space_is_the_same_after_it_was_closed_and_opened() {
    run(1, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        for number in 0..5 {
            commit(&echo, space, task(number, 1)).await.unwrap();
        }
        let hash = |echo: &Echo| echo.state_hash();
        let before = hash(&echo).ask(ComputeStateHash { space }).await.unwrap();
        close(echo).await;
        // Whoever still held the store has let go by now.
        world.clock.sleep(Duration::from_secs(1)).await;
        let store = MemStore::open(&disk).unwrap();
        assert_eq!(marks(&store), 0, "a clean close leaves no mark");
        drop(store);

        let echo = open(&world, &disk).await;
        let after = hash(&echo).ask(ComputeStateHash { space }).await.unwrap();
        assert_eq!(before, after);
        let report = echo.get_space().ask(GetSpace { space }).await.unwrap();
        let report = report.unwrap();
        assert_eq!(report.state, SpaceState::Ready);
        assert_eq!(report.properties.get("name"), Some(&"notes".into()));
        assert_eq!(count(&echo, space).await, 5);
        let listed = echo.list_spaces().ask(ListSpaces).await.unwrap();
        assert_eq!(listed.len(), 1);
    });
}

#[test]
fn a_space_that_is_checked_is_waited_for() {
    run(1, |world| async move {
        let echo = open(&world, &MemDisk::new()).await;
        let space = create(&echo).await;
        commit(&echo, space, task(1, 1)).await.unwrap();
        let check = CheckSpace {
            space,
            repair: false,
        };
        let (check_space, query, close) =
            (echo.check_space(), echo.run_query(), echo.close_space());
        let found = || async {
            let run = RunQuery {
                space,
                query: tasks(),
            };
            query.ask(run).await.unwrap()
        };
        // In this order: nothing else is asked before the check has begun.
        let (checked, found, written) = tokio::join!(
            biased;
            check_space.ask(check),
            found(),
            commit(&echo, space, task(2, 1)),
        );
        assert_eq!(checked.unwrap().unwrap().findings, []);
        assert!(!found.unwrap().is_empty());
        written.unwrap();
        assert_eq!(count(&echo, space).await, 2);

        // Nobody waits for one that stays closed.
        close.ask(CloseSpace { space }).await.unwrap().unwrap();
        let refused = commit(&echo, space, task(3, 1)).await;
        assert_eq!(refused, Err(EchoError::SpaceClosed { space }));
    });
}

#[test]
fn a_live_query_hears_of_every_edit() {
    run(2, |world| async move {
        let echo = open(&world, &MemDisk::new()).await;
        let space = create(&echo).await;
        let query = tasks();
        let live = echo.subscribe().ask(Subscribe { space, query }).await;
        let mut live = live.unwrap().unwrap();
        let mut seen = live.initial;
        for number in 0..40 {
            commit(&echo, space, task(number, i64::from(number)))
                .await
                .unwrap();
        }
        while seen.len() < 40 {
            live.changes.recv().await.unwrap().fold(&mut seen);
        }
        let query = tasks();
        let again = echo.run_query().ask(RunQuery { space, query }).await;
        assert_eq!(seen, again.unwrap().unwrap());
    });
}

#[test]
fn an_edit_that_was_flushed_survives_a_loss_of_power() {
    run(3, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        commit(&echo, space, task(1, 1)).await.unwrap();
        commit(&echo, space, task(2, 1)).await.unwrap();
        echo.flush().ask(Flush).await.unwrap().unwrap();
        commit(&echo, space, task(3, 1)).await.unwrap();
        disk.crash(CrashPlan::power_loss(0));
        drop(echo);
        world.clock.sleep(Duration::from_secs(1)).await;
        let echo = open(&world, &disk).await;
        assert_eq!(count(&echo, space).await, 2);
        commit(&echo, space, task(4, 1)).await.unwrap();
        assert_eq!(count(&echo, space).await, 3);
    });
}

#[test]
fn an_edit_that_the_disk_refused_is_not_there_and_the_next_one_is() {
    run(4, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        commit(&echo, space, task(1, 1)).await.unwrap();
        disk.fail_after(
            0,
            StoreError::Full {
                path: "(memory)".into(),
            },
        );
        let refused = commit(&echo, space, task(2, 1)).await;
        assert!(
            matches!(refused, Err(EchoError::Store { .. })),
            "{refused:?}"
        );
        disk.heal();
        commit(&echo, space, task(3, 1)).await.unwrap();
        assert_eq!(count(&echo, space).await, 2);
    });
}

#[test]
fn a_space_whose_state_cannot_be_made_anew_on_a_full_disk_opens_once_there_is_room() {
    run(6, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        commit(&echo, space, task(1, 1)).await.unwrap();
        close(echo).await;
        world.clock.sleep(Duration::from_secs(1)).await;
        // As another version of the program leaves it.
        let store = MemStore::open(&disk).unwrap();
        let mut batch = dxos_store::Batch::new();
        batch.put(TALLIES, derived_key(SpaceNumber(0)), vec![0]);
        store.commit(batch, dxos_store::Durability::Synced).unwrap();
        drop(store);
        let path = "(memory)".into();
        disk.fail_after(0, StoreError::Full { path });
        let echo = open(&world, &disk).await;
        let state = async || {
            let report = echo.get_space().ask(GetSpace { space }).await.unwrap();
            report.unwrap().state
        };
        for _ in 0..3 {
            let query = tasks();
            let refused = echo.run_query().ask(RunQuery { space, query }).await;
            let refused = refused.unwrap();
            assert!(
                matches!(refused, Err(EchoError::Store { .. })),
                "{refused:?}"
            );
            assert_eq!(state().await, SpaceState::Error);
            world.clock.sleep(Duration::from_secs(7)).await;
        }
        disk.heal();
        world.clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(state().await, SpaceState::Ready);
        assert_eq!(count(&echo, space).await, 1);
        commit(&echo, space, task(2, 1)).await.unwrap();
        assert_eq!(count(&echo, space).await, 2);
    });
}

/// Waits until a space shows a state.
async fn shows(reports: &mut watch::Receiver<SpaceReport>, state: SpaceState) -> SpaceReport {
    let shown = reports.wait_for(|report| report.state == state).await;
    shown.unwrap().clone()
}

async fn follow(echo: &Echo, space: SpaceKey) -> watch::Receiver<SpaceReport> {
    let watched = echo.watch_space().ask(WatchSpace { space }).await;
    watched.unwrap().unwrap()
}

#[test]
fn a_sync_that_fails_while_nobody_waits_for_it_shows_at_once_and_writes_are_refused() {
    run(7, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        let (mut reports, mut store) = (follow(&echo, space).await, echo.watch_store());
        shows(&mut reports, SpaceState::Ready).await;
        let (path, reason) = ("(memory)".into(), "the cable is out".to_owned());
        disk.fail_syncs_after(0, StoreError::Io { path, reason });
        commit(&echo, space, task(1, 1)).await.unwrap();

        let report = shows(&mut reports, SpaceState::Error).await;
        let failure = store.wait_for(Option::is_some).await.unwrap().clone();
        let failure = failure.unwrap();
        assert!(failure.of_sync && failure.lasts, "{failure:?}");
        assert!(failure.error.contains("the cable is out"), "{failure:?}");
        assert_eq!(report.error.as_ref(), Some(&failure.error));
        assert_eq!(report.reason, Some(SpaceReason::NotStored(failure)));
        // What is here can be read; nothing is written, now or later.
        assert_eq!(count(&echo, space).await, 1);
        disk.heal();
        for number in 2..4 {
            let refused = commit(&echo, space, task(number, 1)).await.unwrap_err();
            let text = refused.to_string();
            assert!(text.contains("takes no writes since one failed"), "{text}");
            world.clock.sleep(Duration::from_secs(5)).await;
        }
        let asked = echo.get_space().ask(GetSpace { space }).await.unwrap();
        assert_eq!(asked.unwrap().state, SpaceState::Error);

        // Opened again, the store knows what the disk holds.
        drop((echo, reports, store));
        disk.crash(CrashPlan::kill());
        world.clock.sleep(Duration::from_secs(1)).await;
        let echo = open(&world, &disk).await;
        assert_eq!(*echo.watch_store().borrow(), None);
        shows(&mut follow(&echo, space).await, SpaceState::Ready).await;
        commit(&echo, space, task(4, 1)).await.unwrap();
        assert_eq!(count(&echo, space).await, 2);
    });
}

#[test]
fn a_store_that_fails_in_the_background_shows_though_nobody_writes() {
    run(9, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        let (mut reports, mut store) = (follow(&echo, space).await, echo.watch_store());
        shows(&mut reports, SpaceState::Ready).await;
        world.clock.sleep(Duration::from_secs(60)).await;
        let (before, counted) = (world.clock.now(), disk.counts());
        let (path, reason) = ("(memory)".into(), "a table is damaged".to_owned());
        disk.fail_in_background(StoreError::Io { path, reason });
        let report = shows(&mut reports, SpaceState::Error).await;
        assert!(world.clock.now() - before < Duration::from_secs(2));
        // It was looked at, and neither written nor synced.
        assert_eq!(disk.counts(), counted);
        let failure = store.wait_for(Option::is_some).await.unwrap().clone();
        let failure = failure.unwrap();
        assert!(failure.lasts && failure.error.contains("a table is damaged"));
        assert_eq!(report.reason, Some(SpaceReason::NotStored(failure)));
    });
}

#[test]
fn a_disk_that_is_full_shows_until_there_is_room_though_nobody_writes() {
    run(8, |world| async move {
        let disk = MemDisk::new();
        let echo = open(&world, &disk).await;
        let space = create(&echo).await;
        let mut reports = follow(&echo, space).await;
        for of_sync in [true, false] {
            shows(&mut reports, SpaceState::Ready).await;
            let full = StoreError::Full {
                path: "(memory)".into(),
            };
            if of_sync {
                disk.fail_syncs_after(0, full);
                commit(&echo, space, task(1, 1)).await.unwrap();
            } else {
                disk.fail_after(0, full);
                commit(&echo, space, task(2, 1)).await.unwrap_err();
            }
            let report = shows(&mut reports, SpaceState::Error).await;
            let Some(SpaceReason::NotStored(failure)) = report.reason else {
                panic!("{report:?}");
            };
            assert_eq!((failure.of_sync, failure.lasts), (of_sync, false));
            let text = failure.to_string();
            assert!(text.contains("no space is left") && text.ends_with("it is tried again"));
            world.clock.sleep(Duration::from_secs(20)).await;
            assert_eq!(reports.borrow().state, SpaceState::Error);
            disk.heal();
        }
        shows(&mut reports, SpaceState::Ready).await;
        commit(&echo, space, task(3, 1)).await.unwrap();
        assert_eq!(count(&echo, space).await, 2);
    });
}

#[test]
fn requests_after_the_shutdown_are_refused_as_stopped() {
    run(5, |world| async move {
        let echo = open(&world, &MemDisk::new()).await;
        let space = create(&echo).await;
        echo.shutdown()
            .ask(Shutdown {
                deadline: Duration::from_secs(5),
            })
            .await
            .unwrap()
            .unwrap();
        let late = commit(&echo, space, task(1, 1)).await;
        assert!(matches!(late, Err(EchoError::Stopped { .. })), "{late:?}");
        let properties = std::collections::BTreeMap::new();
        let late = echo.create_space().ask(CreateSpace { properties }).await;
        assert!(matches!(late, Ok(Err(EchoError::Stopped { .. }))));
    });
}

#[test]
fn without_an_identity_nothing_is_written() {
    run(6, |world| async move {
        let store = Arc::new(MemStore::new());
        let (config, clock) = (EchoConfig::default(), world.clock.clone());
        let echo = Echo::start(&world.spawner, store, config, None, clock, &world.seeds);
        let properties = std::collections::BTreeMap::new();
        let created = echo.create_space().ask(CreateSpace { properties }).await;
        assert_eq!(created.unwrap(), Err(EchoError::NoIdentity));
    });
}
