//! Crashes: after an abort nothing runs but destructors.

use super::*;
use crate::{Failures, LatePort, Port, PortError, Spawner, testing};

#[test]
fn an_abort_runs_no_code_of_actors_and_tasks() {
    testing::run(1, |world| async move {
        let failures = Failures::new();
        let node = Spawner::local(&failures);
        let (log, other_log) = (Log::default(), Log::default());
        let subject = {
            let log = log.clone();
            node.start(move || Subject::logging(&log))
        };
        let other = {
            let log = other_log.clone();
            world.spawner.start(move || Subject::logging(&log))
        };
        let wrote = Rc::new(Cell::new(0));
        {
            let wrote = Rc::clone(&wrote);
            node.spawn_local("writer", async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    wrote.set(wrote.get() + 1);
                }
            })
            .unwrap();
        }
        let hang = subject.port::<Hang>();
        let hung = tokio::task::spawn_local(async move { hang.ask(Hang).await });
        world.clock.sleep(Duration::from_millis(2500)).await;
        assert_eq!(wrote.get(), 2);
        // Work is queued when the node crashes: none of it is done.
        subject.port::<Add>().tell(Add(1)).unwrap();
        node.abort();
        assert_eq!(hung.await.unwrap(), Err(PortError::Closed));
        node.group().idle().await;
        world.clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(wrote.get(), 2);
        assert_eq!(log.take(), ["started", "dropped"]);
        assert_eq!(subject.port::<Add>().tell(Add(1)), Err(PortError::Closed));
        assert_eq!(node.run(|| async {}).await, Err(crate::SpawnError::Stopped));
        // Other nodes of the same thread are not disturbed.
        assert_eq!(other.port::<Add>().ask(Add(1)).await, Ok(1));
        assert_eq!(other_log.take(), ["started"]);
        // The node comes back, on a spawner of its own.
        let again = Spawner::local(&Failures::new());
        let subject = again.start(Subject::new);
        assert_eq!(subject.port::<Add>().ask(Add(4)).await, Ok(4));
    });
}

#[test]
fn an_actor_aborted_before_it_ran_never_starts() {
    testing::run(1, |world| async move {
        let node = Spawner::local(&Failures::new());
        let log = Log::default();
        let subject = {
            let log = log.clone();
            node.start(move || Subject::logging(&log))
        };
        drop(node);
        let added = subject.port::<Add>().ask(Add(1)).await;
        assert_eq!(added, Err(PortError::Closed));
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), [""; 0]);
    });
}

/// Aborts its own node in a handler.
struct Suicide {
    log: Log,
}

request!(Abort -> ());

impl Behaviour for Suicide {
    const NAME: &'static str = "suicide";

    fn stopped(&mut self, _: &Context<Self>) {
        self.log.push("stopped");
    }
}

impl Receive<Abort> for Suicide {
    fn receive(&mut self, _: Abort, ctx: &Context<Self>) -> Answer<()> {
        self.log.push("abort");
        ctx.spawner().abort();
        ctx.run(|suicide, _| suicide.log.push("step"));
        ctx.stop();
        Answer::Now(())
    }
}

#[test]
fn an_abort_from_within_ends_with_the_handler() {
    testing::run(1, |world| async move {
        let log = Log::default();
        let suicide = {
            let log = log.clone();
            world.spawner.start(move || Suicide { log })
        };
        let abort = suicide.port::<Abort>();
        abort.tell(Abort).unwrap();
        abort.tell(Abort).unwrap();
        suicide.stopped().await;
        world.spawner.group().idle().await;
        assert_eq!(log.take(), ["abort"]);
    });
}

#[test]
fn a_late_port_waits_for_its_binding() {
    testing::run(1, |world| async move {
        let late = LatePort::<Add>::new();
        let port = late.port();
        assert_eq!(port.tell(Add(1)), Err(PortError::Closed));
        let second = Duration::from_secs(1);
        assert_eq!(
            port.ask_within(Add(1), second).await,
            Err(PortError::Deadline)
        );
        let asked = {
            let port = port.clone();
            tokio::task::spawn_local(async move { port.ask(Add(2)).await })
        };
        world.clock.sleep(second).await;
        let subject = world.spawner.start(Subject::new);
        late.bind(subject.port());
        assert_eq!(asked.await.unwrap(), Ok(2));
        port.tell(Add(3)).unwrap();
        assert_eq!(port.ask(Add(0)).await, Ok(5));
        subject.stop();
        subject.stopped().await;
        assert!(port.is_closed());
    });
}

#[test]
fn a_late_port_that_is_never_bound_closes() {
    testing::run(1, |_world| async move {
        let late = LatePort::<Add>::default();
        let port = late.port();
        let asked = {
            let port = port.clone();
            tokio::task::spawn_local(async move { port.ask(Add(2)).await })
        };
        tokio::task::yield_now().await;
        drop(late);
        assert_eq!(asked.await.unwrap(), Err(PortError::Closed));
        assert_eq!(port.tell(Add(1)), Err(PortError::Closed));
        assert!(port.is_closed() && Port::<Add>::closed().is_closed());
    });
}
