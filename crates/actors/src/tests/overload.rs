//! Bounds, deadlines, fairness.

use super::*;
use crate::{PortError, testing};

/// Answers when told to, and counts how many requests it has at once.
struct Gate {
    at_once: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

request!(Pass -> ());

impl Behaviour for Gate {
    const NAME: &'static str = "gate";
    const CREDITS: usize = 8;
}

impl Receive<Pass> for Gate {
    fn receive(&mut self, _: Pass, _: &Context<Self>) -> Answer<()> {
        let at_once = Arc::clone(&self.at_once);
        let now = at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        Answer::later(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            at_once.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

#[test]
fn a_burst_of_tells_sheds_what_is_beyond_the_credits() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let add = subject.port::<Add>();
        // Clones and ports of other types share the credits.
        let results: Vec<_> = (0..100).map(|_| add.clone().tell(Add(1))).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 8);
        assert_eq!(results[99], Err(PortError::Overloaded));
        assert!(PortError::Overloaded.is_retryable());
        assert_eq!(subject.port::<Ticks>().tell(Ticks), results[99]);
        assert_eq!(add.ask(Add(0)).await, Ok(8));
        assert_eq!(subject.credits(), 8);
    });
}

#[test]
fn asks_from_many_clones_stay_within_the_credits() {
    testing::run(1, |world| async move {
        let at_once = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let gate = {
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
            world.spawner.start(move || Gate { at_once, most })
        };
        let pass = gate.port::<Pass>();
        let asks: Vec<_> = (0..200)
            .map(|_| {
                let pass = pass.clone();
                tokio::task::spawn_local(async move { pass.ask(Pass).await })
            })
            .collect();
        for ask in asks {
            assert_eq!(ask.await.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::Relaxed), 8);
        assert_eq!(gate.credits(), 8);
    });
}

#[test]
fn an_ask_ends_at_its_deadline_and_leaks_no_credit() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let wait = subject.port::<Wait>();
        let minute = Wait(Duration::from_secs(60));
        let start = world.clock.now();
        let within = Duration::from_secs(2);
        assert_eq!(
            wait.ask_within(minute, within).await,
            Err(PortError::Deadline)
        );
        assert_eq!(world.clock.now().saturating_sub(start), within);
        // It is still worked on, and holds its credit until then.
        assert_eq!(subject.credits(), 7);
        world.clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(subject.credits(), 8);

        // All credits taken: asks wait for one, but not for long.
        for _ in 0..8 {
            wait.tell(Wait(Duration::from_secs(60))).unwrap();
        }
        let add = subject.port::<Add>().with_deadline(within);
        assert_eq!(add.ask(Add(1)).await, Err(PortError::Deadline));
        assert_eq!(add.tell(Add(1)), Err(PortError::Overloaded));
        world.clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(subject.credits(), 8);
        // The withdrawn ask was not handled.
        assert_eq!(add.ask(Add(0)).await, Ok(0));
    });
}

#[test]
fn the_default_deadline_is_that_of_the_behaviour() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let start = world.clock.now();
        let hung = subject.port::<Hang>().ask(Hang).await;
        assert_eq!(hung, Err(PortError::Deadline));
        assert_eq!(world.clock.now().saturating_sub(start), Subject::DEADLINE);
    });
}

#[test]
fn a_dropped_ask_in_the_queue_is_withdrawn() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let add = subject.port::<Add>();
        {
            let ask = add.ask(Add(5));
            tokio::pin!(ask);
            let now = std::future::poll_fn(|cx| std::task::Poll::Ready(ask.as_mut().poll(cx)));
            assert!(now.await.is_pending());
        }
        assert_eq!(add.ask(Add(1)).await, Ok(1));
        assert_eq!(subject.credits(), 8);
    });
}

#[test]
fn an_actor_that_always_has_work_gives_way() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        subject.port::<Flood>().tell(Flood(10_000)).unwrap();
        let ticks = subject.port::<Ticks>();
        tokio::task::yield_now().await;
        // Answered while the flood goes on, and other tasks get their turn in between.
        let during = ticks.ask(Ticks).await.unwrap();
        assert!(during < 200, "{during}");
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(ticks.ask(Ticks).await, Ok(10_001));
    });
}

#[test]
fn steps_and_timers_need_no_credit() {
    testing::run(1, |world| async move {
        let subject = world.spawner.start(Subject::new);
        let wait = subject.port::<Wait>();
        subject.port::<Flood>().tell(Flood(3)).unwrap();
        for _ in 0..7 {
            wait.tell(Wait(Duration::from_secs(5))).unwrap();
        }
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(subject.port::<Ticks>().ask(Ticks).await, Ok(4));
    });
}
