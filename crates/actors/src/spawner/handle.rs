//! What starts actors, tasks and blocking jobs, from any thread.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    thread::{self, ThreadId},
};

use tokio::{
    runtime,
    sync::{Semaphore, mpsc, oneshot},
};

use super::{Job, SpawnError};
use crate::{
    behaviour::Behaviour,
    failure::{FailureReason, Failures, NodeFailure},
    group::{Task, TaskGroup},
    mailbox::Address,
    panics::catch_now,
    supervise::{self, Life, Restart},
};

/// How many futures given to [`SpawnerHandle::run`] may be under way at once; more wait.
const RUNNING_MAX: usize = 4096;

/// Starts actors and tasks on a [`Spawner`](super::Spawner). Cheap to clone, may be used on any thread.
#[derive(Clone)]
pub struct SpawnerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    home: ThreadId,
    /// `None` on a shared thread.
    runtime: Option<runtime::Handle>,
    jobs: mpsc::UnboundedSender<Job>,
    running: Arc<Semaphore>,
    group: TaskGroup,
    failures: Failures,
}

impl SpawnerHandle {
    pub(super) fn new(
        home: ThreadId,
        runtime: Option<runtime::Handle>,
        jobs: mpsc::UnboundedSender<Job>,
        group: TaskGroup,
        failures: &Failures,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                home,
                runtime,
                jobs,
                running: Arc::new(Semaphore::new(RUNNING_MAX)),
                group,
                failures: failures.clone(),
            }),
        }
    }

    /// Starts an actor. Requests may be sent to it at once. When it fails, the node stops.
    #[must_use = "an actor stops when its last address and port are gone"]
    pub fn start<B: Behaviour>(&self, make: impl FnOnce() -> B + Send + 'static) -> Address<B> {
        let address = Address::new(self);
        self.begin(supervise::once(&address, make));
        address
    }

    /// Starts an actor that is built again when it fails, by a closure that reads its state
    /// from the store. Its ports stay valid; requests that the failed one had get
    /// [`PortError::Closed`](crate::PortError::Closed), later ones wait for the next. When the
    /// policy allows no more restarts, the node stops.
    #[must_use = "an actor stops when its last address and port are gone"]
    pub fn supervise<B, F, Fut, E>(&self, restart: Restart, mut build: F) -> Address<B>
    where
        B: Behaviour,
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<B, E>> + 'static,
        E: fmt::Display + 'static,
    {
        let address = Address::new(self);
        let build = move || {
            let behaviour = build();
            async move { behaviour.await.map_err(|error| error.to_string()) }
        };
        self.begin(Life::new(&address, build, restart));
        address
    }

    fn begin<B, F, Fut>(&self, life: Life<B, F>)
    where
        B: Behaviour,
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<B, String>> + 'static,
    {
        let spawner = self.clone();
        // When the spawner has stopped, dropping the life closes the actor's ports.
        let _ = self.send(move || life.spawn_into(&spawner.shared.group, &spawner));
    }

    /// Runs a future, which need not be `Send`, on the spawner's thread and returns its output.
    /// Works on any executor.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Stopped`], also when the future panicked, which stops the node.
    ///
    /// # Cancel safety
    ///
    /// Once started, the future runs on when this one is dropped.
    pub async fn run<F, Fut, T>(&self, make: F) -> Result<T, SpawnError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let permit = Arc::clone(&self.shared.running).acquire_owned().await;
        let permit = permit.map_err(|_| SpawnError::Stopped)?;
        let (sender, receiver) = oneshot::channel();
        self.spawn("run", move || async move {
            // The caller may be gone: then nobody wants to know.
            drop(sender.send(make().await));
            drop(permit);
        })?;
        receiver.await.map_err(|_| SpawnError::Stopped)
    }

    /// Starts a task on the spawner's thread, from any thread. A panic in it stops the node.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Stopped`].
    pub fn spawn<F, Fut>(&self, name: &'static str, make: F) -> Result<(), SpawnError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let group = self.shared.group.clone();
        self.send(move || {
            group.spawn_local(name, async move { make().await });
        })
    }

    /// Starts a task from within the spawner's thread. A panic in it stops the node.
    ///
    /// # Errors
    ///
    /// [`SpawnError::OtherThread`].
    ///
    /// # Panics
    ///
    /// On the thread that a local spawner shares, but outside of its `LocalSet`.
    pub fn spawn_local(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Result<Task, SpawnError> {
        if thread::current().id() != self.shared.home {
            return Err(SpawnError::OtherThread);
        }
        Ok(self.shared.group.spawn_local(name, future))
    }

    /// Runs work that blocks or computes for long, beside the spawner's thread; in a simulation
    /// at once and in place, so that virtual time does not run ahead of it. Works on any
    /// executor.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Stopped`]; [`SpawnError::Panicked`], which stops the node.
    ///
    /// # Cancel safety
    ///
    /// Work that was begun is finished when the future is dropped.
    pub async fn blocking<T, F>(&self, job: F) -> Result<T, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.is_stopped() {
            return Err(SpawnError::Stopped);
        }
        let done = match &self.shared.runtime {
            None => catch_now(job),
            Some(runtime) => runtime
                .spawn_blocking(move || catch_now(job))
                .await
                .map_err(|_| SpawnError::Stopped)?,
        };
        done.map_err(|text| {
            let reason = FailureReason::Panicked {
                during: "blocking".to_owned(),
                text: text.clone(),
            };
            self.shared
                .group
                .report(NodeFailure::new("blocking", reason));
            SpawnError::Panicked { text }
        })
    }

    /// Aborts everything that runs here, as when a process is killed: nothing of it runs again
    /// but destructors. Simulations crash a node this way.
    pub fn abort(&self) {
        self.shared.group.abort();
    }

    /// Returns the group of everything that runs here.
    pub fn group(&self) -> &TaskGroup {
        &self.shared.group
    }

    /// Returns the failure hook of the node.
    pub fn failures(&self) -> &Failures {
        &self.shared.failures
    }

    /// Whether nothing can be started here any more.
    pub fn is_stopped(&self) -> bool {
        self.shared.group.is_aborted() || self.shared.jobs.is_closed()
    }

    fn send(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        if self.is_stopped() {
            return Err(SpawnError::Stopped);
        }
        self.shared
            .jobs
            .send(Box::new(job))
            .map_err(|_| SpawnError::Stopped)
    }
}

impl fmt::Debug for SpawnerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnerHandle")
            .field("thread", &self.shared.home)
            .field("own", &self.shared.runtime.is_some())
            .field("tasks", &self.shared.group.tasks())
            .field("stopped", &self.is_stopped())
            .finish()
    }
}
