//! A port that is there before its actor.

use std::{fmt, sync::Arc, time::Duration};

use dxos_wire::Request;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::port::{DEADLINE_DEFAULT, Port, PortError, Reply, Target};

/// Closes a cycle: when two actors need each other's ports, one of them is given a late one,
/// which is bound when the other has started.
///
/// Until then asks wait, within their deadline, and tells get [`PortError::Closed`]. When this
/// is dropped unbound, so do asks. An ask from outside of a tokio runtime does not wait.
pub struct LatePort<M: Request> {
    late: Arc<Late<M>>,
}

struct Late<M: Request> {
    binding: watch::Sender<Binding<M>>,
}

enum Binding<M: Request> {
    Abandoned,
    Bound(Port<M>),
    Waiting,
}

impl<M: Request> LatePort<M> {
    /// Returns an unbound port.
    pub fn new() -> Self {
        Self {
            late: Arc::new(Late {
                binding: watch::Sender::new(Binding::Waiting),
            }),
        }
    }

    /// Returns the port to give away, with a deadline of 10 seconds.
    pub fn port(&self) -> Port<M> {
        Port::new(Arc::<Late<M>>::clone(&self.late), DEADLINE_DEFAULT)
    }

    /// Binds it, once and for all: what is sent to the late port goes to this one.
    pub fn bind(self, port: Port<M>) {
        self.late.binding.send_replace(Binding::Bound(port));
    }
}

impl<M: Request> Default for LatePort<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Request> Drop for LatePort<M> {
    fn drop(&mut self) {
        self.late.binding.send_if_modified(|binding| {
            let unbound = matches!(binding, Binding::Waiting);
            if unbound {
                *binding = Binding::Abandoned;
            }
            unbound
        });
    }
}

impl<M: Request> fmt::Debug for LatePort<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatePort")
            .field("request", &M::NAME)
            .finish_non_exhaustive()
    }
}

impl<M: Request> Late<M> {
    /// Returns the port, the refusal, or `None` when it is neither bound nor abandoned.
    fn bound(&self) -> Option<Result<Port<M>, PortError>> {
        match &*self.binding.borrow() {
            Binding::Abandoned => Some(Err(PortError::Closed)),
            Binding::Bound(port) => Some(Ok(port.clone())),
            Binding::Waiting => None,
        }
    }
}

impl<M: Request> Target<M> for Late<M> {
    fn ask(self: Arc<Self>, message: M, within: Duration) -> Reply<M> {
        Box::pin(async move {
            if let Some(bound) = self.bound() {
                return bound?.ask_within(message, within).await;
            }
            if Handle::try_current().is_err() {
                return Err(PortError::Closed);
            }
            let deadline = Instant::now() + within;
            let mut binding = self.binding.subscribe();
            let wait = binding.wait_for(|binding| !matches!(binding, Binding::Waiting));
            if timeout_at(deadline, wait).await.is_err() {
                return Err(PortError::Deadline);
            }
            let port = self.bound().unwrap_or(Err(PortError::Closed))?;
            let left = deadline.saturating_duration_since(Instant::now());
            port.ask_within(message, left).await
        })
    }

    fn tell(&self, message: M) -> Result<(), PortError> {
        self.bound()
            .unwrap_or(Err(PortError::Closed))?
            .tell(message)
    }

    fn is_closed(&self) -> bool {
        match self.bound() {
            Some(Ok(port)) => port.is_closed(),
            Some(Err(_)) => true,
            None => false,
        }
    }
}
