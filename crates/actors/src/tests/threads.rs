//! Spawners with threads of their own: real time, so nothing here waits for a while, only for
//! conditions.

use std::{sync::mpsc, thread, time::Instant};

use super::*;
use crate::{Failures, PortError, ShutdownError, SpawnError, Spawner};

fn spawner() -> Spawner {
    Spawner::thread("test", &Failures::new()).unwrap()
}

/// Says when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Starts a task that holds something until it is dropped.
fn holding(spawner: &Spawner) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    let dropped = Dropped(sender);
    spawner
        .spawn("holder", move || async move {
            let dropped = dropped;
            std::future::pending::<()>().await;
            drop(dropped);
        })
        .unwrap();
    receiver
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn dropping_a_spawner_ends_its_thread_and_drops_what_ran_there() {
    let spawner = spawner();
    let dropped = holding(&spawner);
    let subject = spawner.start(Subject::new);
    let handle = spawner.handle();
    drop(spawner);
    dropped.recv_timeout(LONG).unwrap();
    assert!(subject.is_stopped() && handle.is_stopped());
    assert_eq!(handle.spawn("late", || async {}), Err(SpawnError::Stopped));
    assert_eq!(subject.port::<Add>().tell(Add(1)), Err(PortError::Closed));
    assert!(handle.start(Subject::new).is_stopped());
}

#[test]
fn a_spawner_may_be_dropped_inside_async_code() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let spawner = spawner();
        let dropped = holding(&spawner);
        let add = spawner.start(Subject::new).port::<Add>();
        assert_eq!(add.ask(Add(1)).await, Ok(1));
        let start = Instant::now();
        drop(spawner);
        assert!(start.elapsed() < Duration::from_secs(1));
        dropped.recv_timeout(LONG).unwrap();
        assert_eq!(add.ask(Add(1)).await, Err(PortError::Closed));
        // Twice: shut down, and then dropped.
        let spawner = self::spawner();
        assert_eq!(spawner.shutdown(LONG).await, Ok(()));
    });
}

#[test]
fn a_spawner_may_be_dropped_on_its_own_thread() {
    let spawner = spawner();
    let handle = spawner.handle();
    let dropped = holding(&spawner);
    let (done, is_done) = mpsc::channel();
    handle
        .spawn("dropper", move || async move {
            drop(spawner);
            done.send(()).unwrap();
        })
        .unwrap();
    is_done.recv_timeout(LONG).unwrap();
    dropped.recv_timeout(LONG).unwrap();
    assert!(handle.is_stopped());
}

#[test]
fn a_spawner_may_be_dropped_by_a_blocking_job_and_on_another_spawner() {
    let (first, second) = (spawner(), spawner());
    let dropped = holding(&first);
    let handle = second.handle();
    let (done, is_done) = mpsc::channel();
    second
        .spawn("dropper", move || async move {
            drop(first);
            done.send(()).unwrap();
        })
        .unwrap();
    is_done.recv_timeout(LONG).unwrap();
    dropped.recv_timeout(LONG).unwrap();
    let dropped = holding(&second);
    let (done, is_done) = mpsc::channel();
    handle
        .clone()
        .spawn("outer", move || async move {
            let job = move || {
                drop(second);
                done.send(()).unwrap();
            };
            let _ = handle.blocking(job).await;
        })
        .unwrap();
    is_done.recv_timeout(LONG).unwrap();
    dropped.recv_timeout(LONG).unwrap();
}

#[test]
fn shutdown_names_a_thread_that_does_not_end() {
    let spawner = spawner();
    let (release, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    spawner
        .spawn("busy", move || async move {
            begun.send(()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
    has_begun.recv_timeout(LONG).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let result = runtime.block_on(spawner.shutdown(Duration::from_millis(20)));
    assert_eq!(result, Err(ShutdownError::Deadline));
    drop(release);
}

#[test]
fn a_failure_ends_every_spawner_that_shares_the_hook() {
    let failures = Failures::new();
    let first = Spawner::thread("first", &failures).unwrap();
    let second = Spawner::thread("second", &failures).unwrap();
    let dropped = holding(&second);
    let subject = first.start(Subject::new);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let panicked = subject.port::<Panic>().ask(Panic).await;
        assert_eq!(panicked, Err(PortError::Closed));
        assert_eq!(failures.wait().await.actor, "subject");
        subject.stopped().await;
    });
    dropped.recv_timeout(LONG).unwrap();
}

#[test]
fn blocking_jobs_run_beside_and_their_panics_are_loud() {
    let failures = Failures::new();
    let spawner = Spawner::thread("test", &failures).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let handle = spawner.handle();
        let home = spawner.run(|| async { thread::current().id() }).await;
        let job = handle.blocking(|| thread::current().id()).await;
        assert_ne!(home.unwrap(), job.unwrap());
        assert_eq!(
            handle.spawn_local("elsewhere", async {}).unwrap_err(),
            SpawnError::OtherThread
        );
        let text = "bad".to_owned();
        assert_eq!(
            handle.blocking(|| panic!("bad")).await,
            Err::<(), _>(SpawnError::Panicked { text })
        );
        assert_eq!(failures.wait().await.actor, "blocking");
    });
}

#[test]
fn many_threads_may_ask_one_actor() {
    let spawner = spawner();
    let subject = spawner.start(Subject::new);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let add = subject.port::<Add>();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                let ask = async {
                    let mut sums = BTreeSet::new();
                    for _ in 0..500 {
                        assert!(sums.insert(add.ask(Add(1)).await.unwrap()));
                    }
                    sums
                };
                runtime.block_on(ask)
            })
        })
        .collect();
    let mut sums = BTreeSet::new();
    for thread in threads {
        sums.append(&mut thread.join().unwrap());
    }
    assert_eq!(sums.len(), 2000);
    assert_eq!(sums.last(), Some(&2000));
    // The last answer may be read here before its credit is back.
    let start = Instant::now();
    while subject.credits() < 8 && start.elapsed() < LONG {
        thread::yield_now();
    }
    assert_eq!(subject.credits(), 8);
}
