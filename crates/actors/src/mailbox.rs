//! What stands between the ports of an actor and its incarnations: credits and the queue of
//! those who came before it was built.

use std::{
    fmt,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use actix::Addr;
use dxos_wire::Request;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::timeout,
};

use crate::{
    behaviour::{Behaviour, Receive},
    host::{Host, Signal},
    panics::lock,
    port::{Port, PortError, Reply, Target},
    spawner::SpawnerHandle,
};

/// A request on its way. The credit is free again when this, or what the handler made of it,
/// is dropped.
pub(crate) struct Envelope<M: Request> {
    pub(crate) message: M,
    /// `None` for a tell.
    pub(crate) reply: Option<oneshot::Sender<M::Reply>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl<M: Request> actix::Message for Envelope<M> {
    type Result = ();
}

/// A delivery that waits for the actor to be built.
type Pending<B> = Box<dyn FnOnce(&Addr<Host<B>>) + Send>;

enum State<B: Behaviour> {
    Closed,
    Running(Addr<Host<B>>),
    /// Being built, for the first time or again. The credits bound the queue.
    Starting(Vec<Pending<B>>),
}

/// One actor through all its incarnations.
pub(crate) struct Slot<B: Behaviour> {
    state: Mutex<State<B>>,
    credits: Arc<Semaphore>,
    closed: watch::Sender<bool>,
    spawner: SpawnerHandle,
}

impl<B: Behaviour> Slot<B> {
    fn new(spawner: SpawnerHandle) -> Self {
        Self {
            state: Mutex::new(State::Starting(Vec::new())),
            credits: Arc::new(Semaphore::new(B::CREDITS)),
            closed: watch::Sender::new(false),
            spawner,
        }
    }

    /// Lets requests through to an incarnation, first those that waited. Returns false when
    /// the actor was stopped meanwhile.
    pub(crate) fn bind(&self, address: &Addr<Host<B>>) -> bool {
        let mut state = lock(&self.state);
        if matches!(*state, State::Closed) {
            return false;
        }
        let before = std::mem::replace(&mut *state, State::Running(address.clone()));
        if let State::Starting(pending) = before {
            for deliver in pending {
                deliver(address);
            }
        }
        true
    }

    /// Lets requests wait for the next incarnation.
    pub(crate) fn unbind(&self) {
        let mut state = lock(&self.state);
        let before = match *state {
            State::Running(_) => std::mem::replace(&mut *state, State::Starting(Vec::new())),
            State::Closed | State::Starting(_) => return,
        };
        drop(state);
        drop(before);
    }

    /// Refuses requests from here on and drops those that wait.
    pub(crate) fn close(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Closed);
        self.credits.close();
        self.closed.send_replace(true);
        drop(before);
    }

    fn stop(&self) {
        let address = match &*lock(&self.state) {
            State::Closed => return,
            State::Running(address) => Some(address.clone()),
            State::Starting(_) => None,
        };
        match address {
            Some(address) => address.do_send(Signal::Stop),
            None => self.close(),
        }
    }

    /// Whether the actor has ended or was stopped for good.
    pub(crate) fn is_over(&self) -> bool {
        matches!(&*lock(&self.state), State::Closed)
    }

    fn deliver<M: Request>(&self, envelope: Envelope<M>) -> Result<(), PortError>
    where
        B: Receive<M>,
    {
        // `do_send` does not look at actix's own bound: the credits are the bound.
        match &mut *lock(&self.state) {
            State::Running(address) if address.connected() => address.do_send(envelope),
            State::Starting(pending) => {
                pending.push(Box::new(move |address| address.do_send(envelope)));
            }
            State::Closed | State::Running(_) => return Err(PortError::Closed),
        }
        Ok(())
    }

    async fn exchange<M: Request>(
        &self,
        message: M,
        within: Duration,
    ) -> Result<M::Reply, PortError>
    where
        B: Receive<M>,
    {
        let exchange = async {
            let permit = Arc::clone(&self.credits).acquire_owned().await;
            let permit = permit.map_err(|_| PortError::Closed)?;
            let (reply, replied) = oneshot::channel();
            self.deliver(Envelope {
                message,
                reply: Some(reply),
                permit,
            })?;
            replied.await.map_err(|_| PortError::Closed)
        };
        let result = timeout(within, exchange)
            .await
            .unwrap_or(Err(PortError::Deadline));
        if let Err(error) = &result {
            tracing::debug!(actor = B::NAME, request = M::NAME, ?within, "{error}");
        }
        result
    }
}

impl<B: Receive<M>, M: Request> Target<M> for Slot<B> {
    fn ask(self: Arc<Self>, message: M, within: Duration) -> Reply<M> {
        Box::pin(async move {
            if Handle::try_current().is_ok() {
                return self.exchange(message, within).await;
            }
            // There is no timer here: wait where the actor lives.
            let spawner = self.spawner.clone();
            spawner
                .run(move || async move { self.exchange(message, within).await })
                .await
                .unwrap_or(Err(PortError::Closed))
        })
    }

    fn tell(&self, message: M) -> Result<(), PortError> {
        let permit = match Arc::clone(&self.credits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.credits.is_closed() => return Err(PortError::Closed),
            Err(_) => return Err(PortError::Overloaded),
        };
        self.deliver(Envelope {
            message,
            reply: None,
            permit,
        })
    }

    fn is_closed(&self) -> bool {
        self.credits.is_closed()
    }
}

/// The address of a running actor, from which its ports are made. Cheap to clone. The actor
/// stops when its last address and port are gone.
pub struct Address<B: Behaviour> {
    slot: Arc<Slot<B>>,
}

impl<B: Behaviour> Address<B> {
    pub(crate) fn new(spawner: &SpawnerHandle) -> Self {
        Self::from_slot(Arc::new(Slot::new(spawner.clone())))
    }

    pub(crate) fn from_slot(slot: Arc<Slot<B>>) -> Self {
        Self { slot }
    }

    pub(crate) fn slot(&self) -> Weak<Slot<B>> {
        Arc::downgrade(&self.slot)
    }

    /// Returns the port for a type of request that the actor answers. It stays the same when
    /// the actor is restarted.
    pub fn port<M: Request>(&self) -> Port<M>
    where
        B: Receive<M>,
    {
        Port::new(Arc::<Slot<B>>::clone(&self.slot), B::DEADLINE)
    }

    /// Stops the actor cleanly, after the requests that are queued before.
    pub fn stop(&self) {
        self.slot.stop();
    }

    /// Waits until the actor has ended, for good and for whatever reason. Works on any
    /// executor.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn stopped(&self) {
        let mut closed = self.slot.closed.subscribe();
        // An error means that the slot is gone, which `self` prevents.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Whether the actor has ended for good.
    pub fn is_stopped(&self) -> bool {
        *self.slot.closed.borrow()
    }

    /// Returns how many more requests the actor accepts now.
    pub fn credits(&self) -> usize {
        self.slot.credits.available_permits()
    }
}

impl<B: Behaviour> Clone for Address<B> {
    fn clone(&self) -> Self {
        Self::from_slot(Arc::clone(&self.slot))
    }
}

impl<B: Behaviour> fmt::Debug for Address<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("actor", &B::NAME)
            .field("stopped", &self.is_stopped())
            .field("credits", &self.credits())
            .finish()
    }
}
