//! Clock, seeds, events, shutdown, groups, replay.

use rand_core::Rng;

use super::*;
use crate::{
    Clock, Events, Lagged, Port, SeedTree, Shutdown, ShutdownError, StageFailure, TaskGroup,
    TimedOut, shutdown_in_order, testing,
};

#[test]
fn the_seed_tree_is_as_it_always_was() {
    let tree = SeedTree::from_seed(42);
    let echo = tree.child_n("node", 3).child("echo");
    let mut rng = echo.rng();
    let golden = [
        tree.seed(),
        tree.child("echo").seed(),
        echo.seed(),
        rng.next_u64(),
        rng.next_u64(),
    ];
    assert_eq!(
        golden,
        [
            6_932_886_686_402_739_198,
            13_182_456_057_779_202_136,
            266_036_327_295_668_744,
            15_736_742_239_554_637_905,
            12_672_640_600_767_121_552,
        ]
    );
}

#[test]
fn the_places_of_a_seed_tree_are_independent() {
    let tree = SeedTree::from_seed(1);
    let mut seeds = BTreeSet::new();
    for place in [
        tree.clone(),
        tree.child(""),
        tree.child("a"),
        tree.child("ab"),
        tree.child("a").child("b"),
        tree.child_n("a", 0),
        tree.child_n("a", 1),
        tree.child_n("ab", 0),
        SeedTree::from_seed(2),
    ] {
        assert!(seeds.insert(place.bytes()));
        let mut stream = [0; 32];
        place.rng().fill_bytes(&mut stream);
        assert!(seeds.insert(stream));
    }
    // The same place gives the same numbers, however much was drawn elsewhere.
    let first = tree.rng_of("a").next_u64();
    tree.rng_of("b").next_u64();
    assert_eq!(tree.rng_of("a").next_u64(), first);
    assert_eq!(format!("{tree:?}"), "SeedTree(..)");
    let (one, two) = (SeedTree::from_os().unwrap(), SeedTree::from_os().unwrap());
    assert_ne!(one.bytes(), two.bytes());
}

#[test]
fn a_simulated_clock_follows_virtual_time() {
    testing::run(1, |world| async move {
        let clock = world.clock;
        assert_eq!((clock.now_ms(), clock.wall_ms()), (0, testing::EPOCH_MS));
        let fast = clock.skewed(5000);
        let slow = clock.skewed(-5000);
        clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), Duration::from_secs(60));
        assert_eq!(fast.now(), clock.now());
        assert_eq!(clock.wall_ms(), testing::EPOCH_MS + 60_000);
        assert_eq!(fast.wall_ms(), clock.wall_ms() + 5000);
        assert_eq!(slow.wall_ms(), clock.wall_ms() - 5000);
        fast.set_skew_ms(0);
        assert_eq!(fast.wall_ms(), clock.wall_ms());
        let within = Duration::from_secs(1);
        let never = clock.timeout(within, std::future::pending::<()>()).await;
        assert_eq!(never, Err(TimedOut { within }));
        assert_eq!(clock.timeout(within, async { 1 }).await, Ok(1));
    });
}

#[test]
fn the_system_clock_runs() {
    let clock = Clock::system();
    let first = clock.now();
    assert!(clock.now() >= first);
    assert!(clock.wall_ms() > 1_700_000_000_000);
}

#[test]
fn subscriptions_are_bounded_and_report_lag() {
    testing::run(1, |_world| async move {
        let events = Events::new(3);
        assert_eq!(events.publish(&0), 0);
        let (mut slow, mut fast) = (events.subscribe(), events.subscribe());
        for event in 1..=5 {
            assert_eq!(events.publish(&event), 2);
            assert_eq!(fast.next().await, Some(Ok(event)));
        }
        assert_eq!(slow.next().await, Some(Err(Lagged { missed: 2 })));
        for event in 3..=5 {
            assert_eq!(slow.try_next(), Some(Ok(event)));
        }
        assert_eq!(slow.try_next(), None);
        let waiting = tokio::task::spawn_local(async move { (fast.next().await, fast) });
        tokio::task::yield_now().await;
        assert_eq!(events.clone().publish(&6), 2);
        let (event, mut fast) = waiting.await.unwrap();
        assert_eq!(event, Some(Ok(6)));
        drop(slow);
        assert_eq!(events.publish(&7), 1);
        drop(events);
        assert_eq!(fast.next().await, Some(Ok(7)));
        assert_eq!(fast.next().await, None);
    });
}

/// Takes a time to shut down.
struct Stage {
    name: &'static str,
    takes: Duration,
    log: Log,
}

impl Behaviour for Stage {
    const NAME: &'static str = "stage";
}

impl Receive<Shutdown> for Stage {
    fn receive(&mut self, _: Shutdown, ctx: &Context<Self>) -> Answer<Result<(), ShutdownError>> {
        let (ctx, log, name, takes) = (ctx.clone(), self.log.clone(), self.name, self.takes);
        Answer::later(async move {
            tokio::time::sleep(takes).await;
            log.push(name);
            ctx.stop();
            Ok(())
        })
    }
}

#[test]
fn a_node_shuts_down_in_order_and_names_who_was_late() {
    testing::run(1, |world| async move {
        let log = Log::default();
        let stage = |name, seconds| {
            let (takes, log) = (Duration::from_secs(seconds), log.clone());
            let stage = world.spawner.start(move || Stage { name, takes, log });
            (name, stage.port::<Shutdown>())
        };
        let stages = vec![stage("mesh", 1), stage("echo", 3), stage("halo", 0)];
        let deadline = Duration::from_secs(10);
        assert_eq!(shutdown_in_order(stages, deadline).await, Ok(()));
        assert_eq!(log.take(), ["mesh", "echo", "halo"]);

        let text = "disk full".to_owned();
        let error = ShutdownError::Failed { text };
        let store = {
            let error = error.clone();
            ("store", Port::stub(move |_| Err(error.clone())))
        };
        let stages = vec![
            stage("mesh", 0),
            stage("echo", 3600),
            ("gone", Port::closed()),
            stage("halo", 3),
            store,
        ];
        let start = world.clock.now();
        let failures = shutdown_in_order(stages, deadline).await.unwrap_err();
        assert!(world.clock.now().saturating_sub(start) <= deadline);
        let failed = |stage: &str, error| StageFailure {
            stage: stage.to_owned(),
            error,
        };
        assert_eq!(
            failures.stages,
            [
                failed("echo", ShutdownError::Deadline),
                failed("gone", ShutdownError::Closed),
                failed("store", error),
            ]
        );
        assert_eq!(log.take(), ["mesh", "halo"]);
        let text = failures.to_string();
        assert!(
            text.contains("echo: it was not done within its time"),
            "{text}"
        );
        assert!(text.contains("store: disk full"), "{text}");
    });
}

#[test]
fn a_group_aborts_what_is_below_it() {
    testing::run(1, |_world| async move {
        let group = TaskGroup::new(|failure| panic!("{failure}"));
        let child = group.child(|failure| panic!("{failure}"));
        let ran = Rc::new(Cell::new(false));
        let task = {
            let ran = Rc::clone(&ran);
            child.spawn_local("child", async move { ran.set(true) })
        };
        group.spawn_local("parent", std::future::pending());
        assert_eq!(group.tasks(), 2);
        group.abort();
        group.idle().await;
        assert!(!ran.get() && task.is_finished() && child.is_aborted());
        let late = group.child(|failure| panic!("{failure}"));
        assert!(
            late.spawn_local("late", async { panic!("ran") })
                .is_finished()
        );
        let alone = TaskGroup::new(|failure| panic!("{failure}"));
        let task = alone.spawn_local("alone", std::future::pending());
        task.abort();
        alone.idle().await;
        assert!(!alone.is_aborted());
    });
}

/// A world of actors with random delays; returns what happened and when.
fn story(seed: u64) -> Vec<(u64, u64, u64)> {
    testing::run(seed, |world| async move {
        let told = Rc::new(std::cell::RefCell::new(Vec::new()));
        let subjects: Vec<_> = (0..5).map(|_| world.spawner.start(Subject::new)).collect();
        for task in 0..20 {
            let mut rng = world.seeds.child_n("task", task).rng();
            let ports: Vec<_> = subjects.iter().map(crate::Address::port::<Add>).collect();
            let (told, clock) = (Rc::clone(&told), world.clock.clone());
            let life = async move {
                for _ in 0..20 {
                    clock.sleep(Duration::from_millis(rng.next_u64() % 5)).await;
                    let port = &ports[usize::try_from(rng.next_u64() % 5).unwrap()];
                    let sum = port.ask(Add(rng.next_u64() % 100)).await.unwrap();
                    told.borrow_mut().push((clock.now_ms(), task, sum));
                }
            };
            world.spawner.spawn_local("task", life).unwrap();
        }
        world.clock.sleep(Duration::from_secs(1)).await;
        told.take()
    })
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let first = story(7);
    assert_eq!(first.len(), 400);
    assert_eq!(first, story(7));
    assert_ne!(first, story(8));
}
