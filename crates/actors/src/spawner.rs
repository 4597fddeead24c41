//! The one place that starts threads and tasks.

mod handle;

use std::{
    fmt,
    future::Future,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{self, Runtime},
    sync::{mpsc, oneshot, watch},
    task::LocalSet,
};

pub use self::handle::SpawnerHandle;
use crate::{failure::Failures, group::TaskGroup, panics::lock, shutdown::ShutdownError};

/// How long dropping a spawner waits for its thread.
const DROP_WAIT: Duration = Duration::from_secs(1);
/// How long a thread that ends waits for its blocking jobs.
const BLOCKING_WAIT: Duration = Duration::from_secs(5);
/// How many blocking jobs of one spawner run at once; more wait for their turn.
const BLOCKING_THREADS_MAX: usize = 8;

/// Why something was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The caller is on another thread than the spawner: use [`SpawnerHandle::run`].
    #[error("the caller is on another thread than the spawner: pass a closure to run")]
    OtherThread,
    /// It panicked, which has been reported as a failure of the node.
    #[error("it panicked ({text}), which stops the node: open it again")]
    Panicked {
        /// What the panic said.
        text: String,
    },
    /// The spawner has stopped, because it was told to or because its node failed.
    #[error("the spawner has stopped, because it was told to or because its node failed")]
    Stopped,
    /// The operating system gave no thread: too many are running, or memory is short.
    #[error("cannot start the thread {name}: {text}; close what is not needed and try again")]
    Thread {
        /// The name of the thread.
        name: String,
        /// What the operating system said.
        text: String,
    },
}

/// Owns the place where actors and tasks of a node run: a thread of its own, or in a
/// simulation the thread that everything shares. Dropping it aborts them all.
///
/// Dropping never hangs, wherever it happens: on the spawner's own thread it only asks the
/// thread to end, elsewhere it waits up to a second. To wait longer and know the outcome, use
/// [`shutdown`](Self::shutdown).
#[must_use = "dropping a spawner stops what runs on it"]
pub struct Spawner {
    handle: SpawnerHandle,
    stop: watch::Sender<bool>,
    /// `None` on a shared thread.
    thread: Option<OwnThread>,
}

struct OwnThread {
    thread: JoinHandle<()>,
    ended: Arc<Ended>,
}

/// Set when a thread has ended, but for the destructors of its thread-locals.
#[derive(Default)]
struct Ended {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    fn wait(&self, within: Duration) -> bool {
        let ended = lock(&self.ended);
        let (ended, _) = self
            .changed
            .wait_timeout_while(ended, within, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }
}

/// Sets it also when the thread panics.
struct SetEnded(Arc<Ended>);

impl Drop for SetEnded {
    fn drop(&mut self) {
        *lock(&self.0.ended) = true;
        self.0.changed.notify_all();
    }
}

impl Spawner {
    /// Starts a thread with a runtime (timer and sockets) on which actors live.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Thread`].
    pub fn thread(name: &str, failures: &Failures) -> Result<Self, SpawnError> {
        let not_started = |error: io::Error| SpawnError::Thread {
            name: name.to_owned(),
            text: error.to_string(),
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name(format!("{name}-blocking"))
            .build()
            .map_err(not_started)?;
        let (jobs, queue) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let group = node_group(failures);
        let ended = Arc::new(Ended::default());
        let thread = {
            let handle = runtime.handle().clone();
            let driver = drive(queue, stopped, group.clone(), failures.clone());
            let ended = SetEnded(Arc::clone(&ended));
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || live(runtime, driver, ended))
                .map_err(not_started)?;
            (thread, handle)
        };
        let (thread, runtime) = thread;
        let home = thread.thread().id();
        Ok(Self {
            handle: SpawnerHandle::new(home, Some(runtime), jobs, group, failures),
            stop,
            thread: Some(OwnThread { thread, ended }),
        })
    }

    /// Runs on the current `LocalSet`, with whatever else is there: for simulations, where all
    /// nodes share one thread and its virtual time.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalSet`.
    pub fn local(failures: &Failures) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let group = node_group(failures);
        tokio::task::spawn_local(drive(queue, stopped, group.clone(), failures.clone()));
        let home = thread::current().id();
        Self {
            handle: SpawnerHandle::new(home, None, jobs, group, failures),
            stop,
            thread: None,
        }
    }

    /// Returns a handle to spawn with. Handles do not keep the spawner alive.
    pub fn handle(&self) -> SpawnerHandle {
        self.handle.clone()
    }

    /// Aborts everything and waits until it has ended. For a clean end, first use
    /// [`shutdown_in_order`](crate::shutdown_in_order). Works on any executor.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Deadline`] when something still runs: it is left behind.
    pub async fn shutdown(mut self, deadline: Duration) -> Result<(), ShutdownError> {
        self.stop();
        let ended = match self.thread.take() {
            None => tokio::time::timeout(deadline, self.handle.group().idle())
                .await
                .is_ok(),
            Some(OwnThread { thread, ended }) => {
                // Waits on a thread, so that no timer of any executor is needed.
                let (sender, receiver) = oneshot::channel();
                let waiter = thread::Builder::new()
                    .name("shutdown".to_owned())
                    .spawn(move || {
                        let ended = ended.wait(deadline);
                        if ended {
                            // Reported already if it was a panic.
                            drop(thread.join());
                        }
                        // The caller may be gone.
                        let _ = sender.send(ended);
                    });
                waiter.is_ok() && receiver.await.unwrap_or(false)
            }
        };
        if ended {
            Ok(())
        } else {
            Err(ShutdownError::Deadline)
        }
    }

    fn stop(&self) {
        self.handle.group().abort();
        self.stop.send_replace(true);
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.stop();
        let Some(OwnThread { thread, ended }) = self.thread.take() else {
            return;
        };
        if thread::current().id() == thread.thread().id() {
            return;
        }
        if ended.wait(DROP_WAIT) {
            drop(thread.join());
        } else {
            let name = thread.thread().name().unwrap_or_default();
            tracing::warn!(name, "the thread is busy and was left to end by itself");
        }
    }
}

impl std::ops::Deref for Spawner {
    type Target = SpawnerHandle;

    fn deref(&self) -> &SpawnerHandle {
        &self.handle
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spawner").field(&self.handle).finish()
    }
}

/// The life of a thread.
fn live(runtime: Runtime, driver: impl Future<Output = ()>, ended: SetEnded) {
    let ended = ended;
    let local = LocalSet::new();
    local.block_on(&runtime, driver);
    {
        // What destructors of actors and tasks do may need the runtime.
        let entered = runtime.enter();
        drop(local);
        drop(entered);
    }
    runtime.shutdown_timeout(BLOCKING_WAIT);
    drop(ended);
}

fn node_group(failures: &Failures) -> TaskGroup {
    let failures = failures.clone();
    TaskGroup::new(move |failure| failures.report(failure))
}

type Job = Box<dyn FnOnce() + Send>;

/// Takes in what other threads send, until the spawner is stopped or its node fails.
async fn drive(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    mut stop: watch::Receiver<bool>,
    group: TaskGroup,
    failures: Failures,
) {
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            _ = failures.reported() => break,
            job = jobs.recv() => match job {
                Some(job) => job(),
                None => break,
            },
        }
    }
    group.abort();
    drop(jobs);
    group.idle().await;
}
