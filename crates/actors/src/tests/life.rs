//! Start, stop, failure, restart.

use super::*;
use crate::{Address, FailureReason, NodeFailure, PortError, Restart, SpawnerHandle, testing};

#[test]
fn requests_may_be_sent_before_the_actor_runs() {
    testing::run(1, |world| async move {
        let add = world.spawner.start(Subject::new).port::<Add>();
        add.tell(Add(1)).unwrap();
        add.tell(Add(2)).unwrap();
        assert_eq!(add.ask(Add(3)).await, Ok(6));
    });
}

#[test]
fn an_actor_stops_when_its_last_port_is_gone() {
    testing::run(1, |world| async move {
        let log = Log::default();
        let subject = {
            let log = log.clone();
            world.spawner.start(move || Subject::logging(&log))
        };
        let add = subject.port::<Add>();
        drop(subject);
        assert_eq!(add.ask(Add(1)).await, Ok(1));
        assert_eq!(log.take(), ["started"]);
        drop(add);
        world.spawner.group().idle().await;
        assert_eq!(log.take(), ["stopped", "dropped"]);
    });
}

#[test]
fn stop_closes_the_ports_and_drops_what_is_queued() {
    testing::run(1, |world| async move {
        let log = Log::default();
        let subject = {
            let log = log.clone();
            world.spawner.start(move || Subject::logging(&log))
        };
        let add = subject.port::<Add>();
        let hang = {
            let hang = subject.port::<Hang>();
            tokio::task::spawn_local(async move { hang.ask(Hang).await })
        };
        tokio::task::yield_now().await;
        subject.port::<Stop>().tell(Stop).unwrap();
        assert_eq!(add.ask(Add(1)).await, Err(PortError::Closed));
        subject.stopped().await;
        assert!(subject.is_stopped() && add.is_closed());
        assert_eq!(add.tell(Add(1)), Err(PortError::Closed));
        assert_eq!(hang.await.unwrap(), Err(PortError::Closed));
        assert_eq!(log.take(), ["started", "stopped", "dropped"]);
        assert!(!PortError::Closed.is_retryable());
    });
}

#[test]
fn an_answer_that_stops_its_actor_still_arrives() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        assert_eq!(subject.port::<StopLater>().ask(StopLater).await, Ok(7));
        subject.stopped().await;
        let other = world.spawner.start(Subject::new);
        assert_eq!(other.port::<Stop>().ask(Stop).await, Ok(()));
        other.stopped().await;
        let third = world.spawner.start(Subject::new);
        third.stop();
        third.stopped().await;
    });
}

/// Checks that a request panics loudly: its caller and those behind get an answer at once, the
/// node stops, and its hook says who did it.
fn panics<M: Request<Reply = ()>>(message: M, during: &str, text: &str)
where
    Subject: Receive<M>,
{
    let (during, text) = (during.to_owned(), text.to_owned());
    testing::run(1, |world| async move {
        let log = Log::default();
        let subject = {
            let log = log.clone();
            world.spawner.start(move || Subject::logging(&log))
        };
        let other = world.spawner.start(Subject::new).port::<Hang>();
        let hung = tokio::task::spawn_local(async move { other.ask(Hang).await });
        let start = world.clock.now();
        let _ = subject.port::<M>().ask(message).await;
        let failure = world.failures.wait().await;
        let reason = FailureReason::Panicked { during, text };
        assert_eq!(failure, NodeFailure::new("subject", reason));
        assert_eq!(world.failures.first(), Some(failure));
        // Everything of the node is gone, and nobody waits for a deadline.
        assert_eq!(hung.await.unwrap(), Err(PortError::Closed));
        let add = subject.port::<Add>().ask(Add(1)).await;
        assert_eq!(add, Err(PortError::Closed));
        assert!(world.clock.now().saturating_sub(start) <= Duration::from_secs(1));
        assert!(world.spawner.is_stopped());
        let late = world.spawner.start(Subject::new).port::<Add>();
        assert_eq!(late.ask(Add(1)).await, Err(PortError::Closed));
        // None of the actor's own code ran after the panic.
        assert_eq!(log.take(), ["started", "dropped"]);
    });
}

#[test]
fn a_panic_in_a_handler_stops_the_node() {
    panics(Panic, "Panic", "as asked");
}

#[test]
fn a_panic_in_a_later_answer_stops_the_node() {
    panics(PanicLater, "PanicLater", "as asked, later");
}

#[test]
fn a_panic_in_a_timer_stops_the_node() {
    panics(PanicInTimer, "step", "in a timer");
}

#[test]
fn a_panic_of_a_handler_closes_those_behind_it() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let add = subject.port::<Add>();
        subject.port::<Panic>().tell(Panic).unwrap();
        assert_eq!(add.ask(Add(1)).await, Err(PortError::Closed));
        assert!(world.failures.first().is_some());
    });
}

#[test]
#[should_panic(expected = "with seed 9: subject stopped the node")]
fn a_test_fails_on_a_failure_that_it_did_not_look_at() {
    testing::run(9, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let _ = subject.port::<Panic>().ask(Panic).await;
        subject.stopped().await;
    });
}

#[test]
fn a_panic_in_a_task_of_the_node_stops_it() {
    testing::run(1, |world| async move {
        world
            .spawner
            .spawn("import", || async { panic!("bad") })
            .unwrap();
        let reason = FailureReason::Panicked {
            during: "import".to_owned(),
            text: "bad".to_owned(),
        };
        assert_eq!(
            world.failures.wait().await,
            NodeFailure::new("import", reason)
        );
    });
}

/// A store that survives the actor, as it should.
#[derive(Clone, Default)]
struct Store {
    built: Arc<AtomicUsize>,
    broken: Arc<AtomicUsize>,
}

fn supervised(
    spawner: &SpawnerHandle,
    restart: Restart,
    store: &Store,
    log: &Log,
) -> Address<Subject> {
    let (store, log) = (store.clone(), log.clone());
    spawner.supervise(restart, move || {
        store.built.fetch_add(1, Ordering::Relaxed);
        let broken = store.broken.load(Ordering::Relaxed) > 0;
        let log = log.clone();
        async move {
            tokio::task::yield_now().await;
            if broken {
                Err("the store cannot be read")
            } else {
                Ok(Subject::logging(&log))
            }
        }
    })
}

#[test]
fn a_failed_actor_is_built_again_after_a_growing_delay() {
    testing::run(1, |world| async move {
        let (store, log) = (Store::default(), Log::default());
        let restart = Restart::new(&world.seeds);
        let subject = supervised(&world.spawner, restart, &store, &log);
        let add = subject.port::<Add>();
        assert_eq!(add.ask(Add(5)).await, Ok(5));
        let mut waited = Vec::new();
        for _ in 0..4 {
            let panicked = subject.port::<Panic>().ask(Panic).await;
            assert_eq!(panicked, Err(PortError::Closed));
            let failed = world.clock.now();
            // The same port reaches the next incarnation, with its state as of the store.
            tokio::task::yield_now().await;
            add.tell(Add(1)).unwrap();
            assert_eq!(add.ask(Add(1)).await, Ok(2));
            waited.push(world.clock.now().saturating_sub(failed));
        }
        for (doublings, waited) in waited.iter().enumerate() {
            let most = Duration::from_millis(100 << doublings);
            let slack = Duration::from_millis(1);
            assert!(
                *waited <= most + slack && *waited + slack >= most / 2,
                "{waited:?}"
            );
        }
        assert_eq!(store.built.load(Ordering::Relaxed), 5);
        assert_eq!(subject.credits(), 8);
        assert_eq!(world.failures.first(), None);
        let entries = log.take();
        assert!(!entries.contains(&"stopped"));
        assert_eq!(
            entries.iter().filter(|&&entry| entry == "started").count(),
            5
        );
    });
}

#[test]
fn too_many_failures_in_the_window_stop_the_node() {
    testing::run(1, |world| async move {
        let (store, log) = (Store::default(), Log::default());
        let restart = Restart::new(&world.seeds).with_limit(2, Duration::from_secs(60));
        let subject = supervised(&world.spawner, restart, &store, &log);
        let fail = subject.port::<Fail>();
        // Rare failures are forgiven.
        for _ in 0..5 {
            assert_eq!(fail.ask(Fail).await, Ok(()));
            world.clock.sleep(Duration::from_secs(61)).await;
        }
        for _ in 0..3 {
            assert_eq!(fail.ask(Fail).await, Ok(()));
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        let failure = world.failures.first().unwrap();
        assert_eq!(failure.actor, "subject");
        assert_eq!(failure.restarts, 2);
        let text = "the store is full".to_owned();
        assert_eq!(failure.reason, FailureReason::Failed { text });
        assert_eq!(fail.ask(Fail).await, Err(PortError::Closed));
        assert_eq!(store.built.load(Ordering::Relaxed), 8);
    });
}

#[test]
fn an_actor_that_cannot_be_built_is_tried_again_and_then_given_up() {
    testing::run(1, |world| async move {
        let (store, log) = (Store::default(), Log::default());
        store.broken.store(1, Ordering::Relaxed);
        let restart = Restart::new(&world.seeds)
            .with_limit(3, Duration::from_secs(60))
            .with_delays(Duration::from_secs(1), Duration::from_secs(2));
        let subject = supervised(&world.spawner, restart, &store, &log);
        let add = subject.port::<Add>();
        // Waits for the actor, within its deadline.
        let asked = tokio::task::spawn_local(async move { add.ask(Add(1)).await });
        let failure = world.failures.wait().await;
        let text = "the store cannot be read".to_owned();
        assert_eq!(failure.reason, FailureReason::NotBuilt { text });
        assert_eq!(store.built.load(Ordering::Relaxed), 4);
        assert_eq!(asked.await.unwrap(), Err(PortError::Closed));
    });
}

#[test]
fn an_actor_may_be_stopped_while_it_waits_to_be_built_again() {
    testing::run(1, |world| async move {
        let (store, log) = (Store::default(), Log::default());
        let subject = supervised(&world.spawner, Restart::new(&world.seeds), &store, &log);
        let _ = subject.port::<Panic>().ask(Panic).await;
        tokio::task::yield_now().await;
        subject.stop();
        subject.stopped().await;
        world.spawner.group().idle().await;
        assert_eq!(store.built.load(Ordering::Relaxed), 1);
    });
}

/// Has a child.
struct Parent {
    child: Address<Subject>,
}

request!(OfChild -> u64);

impl Behaviour for Parent {
    const NAME: &'static str = "parent";
}

impl Receive<OfChild> for Parent {
    fn receive(&mut self, _: OfChild, _: &Context<Self>) -> Answer<u64> {
        let add = self.child.port::<Add>();
        Answer::later(async move { add.ask(Add(1)).await.unwrap_or(0) })
    }
}

impl Receive<Panic> for Parent {
    fn receive(&mut self, _: Panic, _: &Context<Self>) -> Answer<()> {
        let panic = self.child.port::<Panic>();
        Answer::later(async move { panic.ask(Panic).await.unwrap_or(()) })
    }
}

#[test]
fn a_child_that_fails_fails_its_parent_which_is_built_again() {
    testing::run(1, |world| async move {
        let log = Log::default();
        let parent = {
            let (spawner, log) = (world.spawner.handle(), log.clone());
            world
                .spawner
                .supervise(Restart::new(&world.seeds), move || {
                    let (spawner, log) = (spawner.clone(), log.clone());
                    async move {
                        let child = spawner.start(move || Subject::logging(&log));
                        child.stop();
                        Ok::<_, String>(Parent { child })
                    }
                })
        };
        // A child of the node and not of the parent: it was stopped.
        assert_eq!(parent.port::<OfChild>().ask(OfChild).await, Ok(0));
        drop(parent);

        let parent = world
            .spawner
            .supervise(Restart::new(&world.seeds), || async {
                Ok::<_, String>(WithChild { child: None })
            });
        assert_eq!(parent.port::<OfChild>().ask(OfChild).await, Ok(1));
        assert_eq!(parent.port::<OfChild>().ask(OfChild).await, Ok(2));
        let panicked = parent.port::<Panic>().ask(Panic).await;
        assert_eq!(panicked, Err(PortError::Closed));
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(parent.port::<OfChild>().ask(OfChild).await, Ok(1));
        assert_eq!(world.failures.first(), None);
    });
}

/// Starts its child when it starts.
struct WithChild {
    child: Option<Address<Subject>>,
}

impl Behaviour for WithChild {
    const NAME: &'static str = "with child";

    fn started(&mut self, ctx: &Context<Self>) {
        self.child = Some(ctx.start_child(Subject::new));
    }
}

impl Receive<OfChild> for WithChild {
    fn receive(&mut self, _: OfChild, _: &Context<Self>) -> Answer<u64> {
        let add = self.child.as_ref().unwrap().port::<Add>();
        Answer::later(async move { add.ask(Add(1)).await.unwrap_or(0) })
    }
}

impl Receive<Panic> for WithChild {
    fn receive(&mut self, _: Panic, _: &Context<Self>) -> Answer<()> {
        let panic = self.child.as_ref().unwrap().port::<Panic>();
        Answer::later(async move {
            let _ = panic.ask(Panic).await;
            std::future::pending::<()>().await;
        })
    }
}
