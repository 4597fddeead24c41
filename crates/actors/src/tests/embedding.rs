//! Ports without actors, and actors from any executor.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{self, Poll, Wake},
    thread::{self, Thread},
};

use super::*;
use crate::{Failures, LatePort, Port, PortError, Spawner, testing};

#[test]
fn a_closure_may_stand_in_for_an_actor() {
    testing::run(1, |world| async move {
        let clock = world.clock.clone();
        let port = Port::from_fn(&world.spawner, move |Add(n)| {
            let clock = clock.clone();
            async move {
                clock.sleep(Duration::from_secs(n)).await;
                n + 1
            }
        });
        assert_eq!(port.ask(Add(3)).await, Ok(4));
        assert_eq!(port.ask(Add(30)).await, Err(PortError::Deadline));
        assert_eq!(port.tell(Add(1)), Ok(()));

        let sum = Arc::new(AtomicUsize::new(0));
        let stub = {
            let sum = Arc::clone(&sum);
            Port::stub(move |Add(n)| {
                sum.fetch_add(usize::try_from(n).unwrap(), Ordering::Relaxed);
                n
            })
        };
        assert_eq!(stub.ask(Add(3)).await, Ok(3));
        assert_eq!(stub.tell(Add(4)), Ok(()));
        assert_eq!(sum.load(Ordering::Relaxed), 7);

        let closed = Port::<Add>::closed();
        assert_eq!(closed.ask(Add(1)).await, Err(PortError::Closed));
        assert_eq!(closed.tell(Add(1)), Err(PortError::Closed));
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor: nothing of tokio is there.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = task::Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn everything_can_be_awaited_without_tokio() {
    let spawner = Spawner::thread("plain", &Failures::new()).unwrap();
    let subject = spawner.start(Subject::new);
    let add = subject.port::<Add>();
    assert_eq!(block_on(add.ask(Add(2))), Ok(2));
    let short = Duration::from_millis(20);
    let hung = block_on(subject.port::<Hang>().ask_within(Hang, short));
    assert_eq!(hung, Err(PortError::Deadline));
    let rc = block_on(spawner.run(|| async {
        let rc = Rc::new(7);
        tokio::time::sleep(Duration::from_millis(1)).await;
        *rc
    }));
    assert_eq!(rc, Ok(7));
    assert_eq!(block_on(spawner.blocking(|| 8)), Ok(8));
    let late = LatePort::new();
    let port = late.port();
    assert_eq!(block_on(port.ask(Add(1))), Err(PortError::Closed));
    late.bind(add.clone());
    assert_eq!(block_on(port.ask(Add(1))), Ok(3));
    subject.stop();
    block_on(subject.stopped());
    assert_eq!(block_on(add.ask(Add(1))), Err(PortError::Closed));
    assert_eq!(block_on(spawner.shutdown(Duration::from_secs(10))), Ok(()));
    assert_eq!(block_on(add.ask(Add(1))), Err(PortError::Closed));
}

/// Does work outside and takes in the result.
struct Worker {
    results: Vec<u64>,
    waiting: Vec<oneshot::Sender<Vec<u64>>>,
}

request!(Work(u64) -> ());
request!(Results -> Vec<u64>);

impl Behaviour for Worker {
    const NAME: &'static str = "worker";

    fn started(&mut self, ctx: &Context<Self>) {
        ctx.notify_later(Duration::from_secs(1), Work(1));
        let cancelled = ctx.notify_later(Duration::from_secs(1), Work(100));
        ctx.run_later(Duration::from_secs(1), move |_, _| cancelled.cancel());
        // Its time has come, but not its turn.
        let due = ctx.run_later(Duration::from_secs(2), |worker, _| worker.results.push(200));
        ctx.run_later(Duration::from_millis(1999), move |_, ctx| {
            ctx.spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                due.cancel();
            });
        });
    }
}

impl Receive<Work> for Worker {
    fn receive(&mut self, Work(n): Work, ctx: &Context<Self>) -> Answer<()> {
        let spawner = ctx.spawner().clone();
        let done = async move { spawner.blocking(move || n * 10).await };
        ctx.spawn_then(done, |worker, result, _| {
            worker.results.push(result.unwrap());
            for waiting in worker.waiting.drain(..) {
                let _ = waiting.send(worker.results.clone());
            }
        });
        Answer::Now(())
    }
}

impl Receive<Results> for Worker {
    fn receive(&mut self, _: Results, _: &Context<Self>) -> Answer<Vec<u64>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        Answer::later(async move { receiver.await.unwrap_or_default() })
    }
}

#[test]
fn results_of_work_outside_come_back_as_steps() {
    testing::run(1, |world| async move {
        let worker = world.spawner.start(|| Worker {
            results: Vec::new(),
            waiting: Vec::new(),
        });
        let (work, results) = (worker.port::<Work>(), worker.port::<Results>());
        work.tell(Work(7)).unwrap();
        assert_eq!(results.ask(Results).await, Ok(vec![70]));
        let timers = results.ask(Results).await.unwrap();
        assert_eq!(timers[..2], [70, 10]);
        world.clock.sleep(Duration::from_secs(5)).await;
        work.tell(Work(2)).unwrap();
        let all = results.ask(Results).await.unwrap();
        assert!(!all.contains(&200), "{all:?}");
        assert_eq!(all.last(), Some(&20));
    });
}

/// Gives its own port away when it starts.
struct Introducer {
    to: Port<Meet>,
}

struct Meet(Port<Add>);

impl Request for Meet {
    type Reply = ();
    const NAME: &'static str = "Meet";
}

impl Behaviour for Introducer {
    const NAME: &'static str = "introducer";

    fn started(&mut self, ctx: &Context<Self>) {
        self.to.tell(Meet(ctx.port())).unwrap();
    }
}

impl Receive<Add> for Introducer {
    fn receive(&mut self, Add(n): Add, _: &Context<Self>) -> Answer<u64> {
        (n * 2).into()
    }
}

#[test]
fn an_actor_may_give_its_own_port_away() {
    testing::run(1, |world| async move {
        let met = Arc::new(Mutex::new(None));
        let to = {
            let met = Arc::clone(&met);
            Port::stub(move |Meet(port)| *met.lock().unwrap() = Some(port))
        };
        let introducer = world.spawner.start(|| Introducer { to });
        assert_eq!(introducer.port().ask(Add(1)).await, Ok(2));
        drop(introducer);
        // The port that was given away keeps the actor alive.
        let port = met.lock().unwrap().take().unwrap();
        assert_eq!(port.ask(Add(4)).await, Ok(8));
        drop(port);
        world.spawner.group().idle().await;
    });
}
