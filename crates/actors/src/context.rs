//! What an actor can do besides answering.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    future::Future,
    rc::Rc,
    sync::{Arc, Mutex, Weak},
    task::Waker,
    time::Duration,
};

use actix::WeakAddr;
use dxos_wire::Request;

use crate::{
    behaviour::{Answer, Behaviour, Receive},
    failure::FailureReason,
    group::{Task, TaskGroup},
    host::{Host, Signal},
    mailbox::{Address, Slot},
    panics::lock,
    port::Port,
    spawner::SpawnerHandle,
    supervise,
};

type Step<B> = Box<dyn FnOnce(&mut B, &Context<B>)>;

/// An actor's handle on itself: cheap to clone, bound to the actor's thread, and given to
/// every handler. It does not keep the actor alive.
pub struct Context<B: Behaviour> {
    core: Rc<Core<B>>,
}

/// One incarnation of an actor, besides its state.
pub(crate) struct Core<B: Behaviour> {
    pub(crate) slot: Weak<Slot<B>>,
    pub(crate) address: RefCell<Option<WeakAddr<Host<B>>>>,
    pub(crate) phase: Cell<Phase>,
    /// The name of the request that is being handled.
    pub(crate) during: Cell<&'static str>,
    /// Requests handled since the actor last gave way to others.
    pub(crate) handled: Cell<u32>,
    pub(crate) failure: Arc<FailureCell>,
    pub(crate) group: TaskGroup,
    steps: RefCell<VecDeque<Step<B>>>,
    spawner: SpawnerHandle,
}

/// How far an incarnation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It handles requests.
    Alive,
    /// It asked to stop: what is queued is dropped, `stopped` is called.
    Stopping,
    /// It failed or was aborted: none of its code runs any more.
    Killed,
}

/// Where the tasks of an actor say that the actor failed.
#[derive(Default)]
pub(crate) struct FailureCell {
    state: Mutex<(Option<FailureReason>, Option<Waker>)>,
}

impl FailureCell {
    /// Notes the first failure and wakes the actor's task.
    pub(crate) fn set(&self, reason: FailureReason) {
        let waker = {
            let mut state = lock(&self.state);
            state.0.get_or_insert(reason);
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        lock(&self.state).0.is_some()
    }

    /// Returns the failure, or sees to it that the waker is woken when there is one.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<FailureReason> {
        let mut state = lock(&self.state);
        if state.0.is_none() {
            state.1 = Some(waker.clone());
        }
        state.0.clone()
    }
}

impl<B: Behaviour> Context<B> {
    pub(crate) fn new(slot: Weak<Slot<B>>, parent: &TaskGroup, spawner: SpawnerHandle) -> Self {
        let failure = Arc::new(FailureCell::default());
        let group = {
            let failure = Arc::clone(&failure);
            parent.child(move |reported| failure.set(reported.into_reason()))
        };
        Self {
            core: Rc::new(Core {
                slot,
                address: RefCell::new(None),
                phase: Cell::new(Phase::Alive),
                during: Cell::new("started"),
                handled: Cell::new(0),
                failure,
                group,
                steps: RefCell::default(),
                spawner,
            }),
        }
    }

    /// Runs a step on the actor's state, after what is queued before it. This is how the result
    /// of work outside comes back in. Takes no credit: an actor bounds what it sends itself.
    /// Dropped when the actor ends before.
    pub fn run(&self, step: impl FnOnce(&mut B, &Self) + 'static) {
        if self.core.phase.get() == Phase::Killed {
            return;
        }
        self.core.steps.borrow_mut().push_back(Box::new(step));
        self.signal(Signal::Step);
    }

    /// Runs a step on the actor's state after a time.
    pub fn run_later(&self, after: Duration, step: impl FnOnce(&mut B, &Self) + 'static) -> Timer {
        let cancelled = Rc::new(Cell::new(false));
        let ctx = self.clone();
        let task = self.core.group.spawn_local("timer", {
            let cancelled = Rc::clone(&cancelled);
            async move {
                tokio::time::sleep(after).await;
                ctx.run(move |behaviour, ctx| {
                    if !cancelled.get() {
                        step(behaviour, ctx);
                    }
                });
            }
        });
        Timer { task, cancelled }
    }

    /// Sends the actor a request of its own, after what is queued before it. Takes no credit;
    /// the reply is dropped.
    pub fn notify<M: Request>(&self, message: M)
    where
        B: Receive<M>,
    {
        self.run(move |behaviour, ctx| ctx.handle(behaviour, message));
    }

    /// Sends the actor a request of its own after a time. The reply is dropped.
    pub fn notify_later<M: Request>(&self, after: Duration, message: M) -> Timer
    where
        B: Receive<M>,
    {
        self.run_later(after, move |behaviour, ctx| ctx.handle(behaviour, message))
    }

    /// Runs a task beside the actor. It ends with the actor; a panic in it fails the actor.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Task {
        self.core.group.spawn_local(B::NAME, future)
    }

    /// Runs a task beside the actor and then a step on the actor's state with its output.
    pub fn spawn_then<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
        step: impl FnOnce(&mut B, T, &Self) + 'static,
    ) -> Task {
        let ctx = self.clone();
        self.spawn(async move {
            let output = future.await;
            ctx.run(move |behaviour, ctx| step(behaviour, output, ctx));
        })
    }

    /// Starts an actor that ends with this one, and whose failure is a failure of this one.
    pub fn start_child<C: Behaviour>(&self, make: impl FnOnce() -> C + 'static) -> Address<C> {
        let address = Address::new(&self.core.spawner);
        let life = supervise::once(&address, make);
        life.spawn_into(&self.core.group, &self.core.spawner);
        address
    }

    /// Returns the actor's address; `None` when all its ports and addresses are gone and it is
    /// about to stop. Whoever keeps it keeps the actor alive: an actor must not keep its own.
    pub fn address(&self) -> Option<Address<B>> {
        self.core.slot.upgrade().map(Address::from_slot)
    }

    /// Returns a port of the actor itself, to be given to others; a closed one when the actor
    /// is about to stop. As with [`address`](Self::address), an actor must not keep it.
    pub fn port<M: Request>(&self) -> Port<M>
    where
        B: Receive<M>,
    {
        self.address()
            .map_or_else(Port::closed, |address| address.port())
    }

    /// Returns the spawner on which the actor lives.
    pub fn spawner(&self) -> &SpawnerHandle {
        &self.core.spawner
    }

    /// Stops the actor cleanly after the current request. Requests still queued and answers
    /// still to come are dropped: their callers get [`PortError::Closed`](crate::PortError).
    pub fn stop(&self) {
        if self.core.phase.get() == Phase::Alive {
            self.core.phase.set(Phase::Stopping);
            self.signal(Signal::Stop);
        }
    }

    /// Gives up: the actor is dropped after the current request and, when it is supervised,
    /// rebuilt. Say what happened and to what.
    pub fn fail(&self, text: impl Into<String>) {
        let text = text.into();
        self.core.failure.set(FailureReason::Failed { text });
    }

    pub(crate) fn core(&self) -> &Core<B> {
        &self.core
    }

    /// Takes the next step off the queue.
    pub(crate) fn next_step(&self) -> Option<Step<B>> {
        self.core.steps.borrow_mut().pop_front()
    }

    /// Ends this incarnation: none of its code but destructors runs from here on.
    pub(crate) fn kill(&self) {
        self.core.phase.set(Phase::Killed);
        self.core.group.abort();
        let steps = std::mem::take(&mut *self.core.steps.borrow_mut());
        drop(steps);
    }

    fn handle<M: Request>(&self, behaviour: &mut B, message: M)
    where
        B: Receive<M>,
    {
        self.core.during.set(M::NAME);
        if let Answer::Later(future) = behaviour.receive(message, self) {
            self.core.group.spawn_local(M::NAME, async move {
                drop(future.await);
            });
        }
    }

    fn signal(&self, signal: Signal) {
        let address = self.core.address.borrow().as_ref().map(WeakAddr::upgrade);
        if let Some(Some(address)) = address {
            address.do_send(signal);
        }
    }
}

impl<B: Behaviour> Clone for Context<B> {
    fn clone(&self) -> Self {
        Self {
            core: Rc::clone(&self.core),
        }
    }
}

impl<B: Behaviour> fmt::Debug for Context<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("actor", &B::NAME)
            .field("phase", &self.core.phase.get())
            .finish_non_exhaustive()
    }
}

/// A step that an actor will take later. Dropping this does not cancel it.
#[derive(Clone, Debug)]
pub struct Timer {
    task: Task,
    cancelled: Rc<Cell<bool>>,
}

impl Timer {
    /// Cancels the step: it is not taken any more, even if its time has come already.
    pub fn cancel(&self) {
        self.cancelled.set(true);
        self.task.abort();
    }
}
