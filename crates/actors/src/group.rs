//! Groups of tasks that end together.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, Weak},
};

use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    failure::{FailureReason, NodeFailure},
    panics::{catch, lock},
};

/// Where a group reports that one of its tasks panicked.
type Report = Box<dyn Fn(NodeFailure) + Send + Sync>;

/// Tasks that end together: those of an actor, of a node. Aborting a group aborts its tasks
/// and those of the groups below it before any of them runs again, and without running any
/// clean-up code but destructors: this is how a simulation crashes a node.
///
/// A panic in a task is not swallowed: it fails the actor or the node the group belongs to.
#[derive(Clone)]
pub struct TaskGroup {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    report: Report,
    parent: Option<(Weak<Inner>, u64)>,
}

#[derive(Default)]
struct State {
    next: u64,
    tasks: BTreeMap<u64, AbortHandle>,
    children: BTreeMap<u64, Weak<Inner>>,
    closed: bool,
}

impl TaskGroup {
    pub(crate) fn new(report: impl Fn(NodeFailure) + Send + Sync + 'static) -> Self {
        Self::build(Box::new(report), None)
    }

    /// Returns a group below this one: it is aborted with this one, and can be aborted alone.
    pub(crate) fn child(&self, report: impl Fn(NodeFailure) + Send + Sync + 'static) -> Self {
        let id = {
            let mut state = lock(&self.inner.state);
            state.next += 1;
            state.next
        };
        let child = Self::build(Box::new(report), Some((Arc::downgrade(&self.inner), id)));
        let mut state = lock(&self.inner.state);
        if state.closed {
            drop(state);
            child.abort();
        } else {
            state.children.insert(id, Arc::downgrade(&child.inner));
        }
        child
    }

    fn build(report: Report, parent: Option<(Weak<Inner>, u64)>) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::default(),
                changed: Notify::new(),
                report,
                parent,
            }),
        }
    }

    /// Spawns a task on the current thread's `LocalSet`. On a group that was aborted the
    /// future is dropped at once.
    ///
    /// # Panics
    ///
    /// Outside of a [`Spawner`](crate::Spawner): reach one through
    /// [`SpawnerHandle::run`](crate::SpawnerHandle::run).
    pub fn spawn_local(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Task {
        let id = {
            let mut state = lock(&self.inner.state);
            if state.closed {
                drop(state);
                return Task { abort: None };
            }
            state.next += 1;
            state.next
        };
        let guard = Registered {
            group: Arc::clone(&self.inner),
            id,
        };
        let task = tokio::task::spawn_local(async move {
            let guard = guard;
            if let Err(text) = catch(future).await {
                guard.group.panicked(name, text);
            }
        });
        let abort = task.abort_handle();
        let mut state = lock(&self.inner.state);
        if state.closed {
            abort.abort();
        }
        if !abort.is_finished() {
            state.tasks.insert(id, abort.clone());
        }
        Task { abort: Some(abort) }
    }

    /// Aborts every task, here and below, and refuses new ones. May be called from any thread.
    /// The futures are dropped by the thread they live on, soon after.
    pub fn abort(&self) {
        let children: Vec<_> = {
            let mut state = lock(&self.inner.state);
            state.closed = true;
            for task in state.tasks.values() {
                task.abort();
            }
            state.children.values().filter_map(Weak::upgrade).collect()
        };
        for inner in children {
            Self { inner }.abort();
        }
    }

    /// Whether the group was aborted.
    pub fn is_aborted(&self) -> bool {
        lock(&self.inner.state).closed
    }

    /// Returns the number of tasks that have not ended, here and below.
    pub fn tasks(&self) -> usize {
        let (tasks, children): (_, Vec<_>) = {
            let state = lock(&self.inner.state);
            (
                state.tasks.len(),
                state.children.values().filter_map(Weak::upgrade).collect(),
            )
        };
        children
            .into_iter()
            .map(|inner| Self { inner }.tasks())
            .sum::<usize>()
            + tasks
    }

    /// Waits until no task is left, here and below. Works on any executor.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn idle(&self) {
        loop {
            let mut changed = pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if self.tasks() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Passes a failure on to the owner of the group.
    pub(crate) fn report(&self, failure: NodeFailure) {
        (self.inner.report)(failure);
    }
}

impl Inner {
    fn panicked(&self, name: &'static str, text: String) {
        let during = name.to_owned();
        (self.report)(NodeFailure::new(
            name,
            FailureReason::Panicked { during, text },
        ));
    }

    /// Wakes those who wait for this group or one above it.
    fn changed(&self) {
        self.changed.notify_waiters();
        if let Some(parent) = self
            .parent
            .as_ref()
            .and_then(|(parent, _)| parent.upgrade())
        {
            parent.changed();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((parent, id)) = &self.parent
            && let Some(parent) = parent.upgrade()
        {
            lock(&parent.state).children.remove(id);
            parent.changed();
        }
    }
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.tasks())
            .field("aborted", &self.is_aborted())
            .finish()
    }
}

/// Takes a task off its group when it ends, however it ends.
struct Registered {
    group: Arc<Inner>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let ended = lock(&self.group.state).tasks.remove(&self.id);
        drop(ended);
        self.group.changed();
    }
}

/// A task of a [`TaskGroup`]. Dropping this leaves the task running.
#[derive(Clone, Debug)]
pub struct Task {
    /// `None` when it was never started.
    abort: Option<AbortHandle>,
}

impl Task {
    /// Ends the task where it waits. Nothing happens when it has ended.
    pub fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.abort.as_ref().is_none_or(AbortHandle::is_finished)
    }
}
