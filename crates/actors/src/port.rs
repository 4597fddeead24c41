//! The way to an actor.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use dxos_wire::Request;

use crate::{
    behaviour::{Answer, Behaviour, Receive},
    context::Context,
    spawner::SpawnerHandle,
};

/// How long an ask waits when neither the actor nor the caller says so.
pub(crate) const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);

/// Why a request got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The actor has stopped or failed. The request was not handled, or its handling was cut
    /// off; the log tells of a failure. Asking this port again helps only when the actor is
    /// supervised.
    #[error(
        "the actor has stopped, or failed while it had the request: see the log, and open the node again if it failed"
    )]
    Closed,
    /// No reply came within the deadline. The request may still take effect. Ask again if it
    /// may be repeated, or allow more time.
    #[error(
        "no reply came within the deadline, and the request may still take effect: ask again if it may be repeated, or allow more time"
    )]
    Deadline,
    /// The actor has as many requests as it accepts; this one was not delivered. Slow down and
    /// send it again.
    #[error("the actor has as many requests as it accepts: slow down and send it again")]
    Overloaded,
}

impl PortError {
    /// Whether the same request may succeed a little later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Deadline | Self::Overloaded => true,
            Self::Closed => false,
        }
    }
}

/// The future of an ask.
pub(crate) type Reply<M> =
    Pin<Box<dyn Future<Output = Result<<M as Request>::Reply, PortError>> + Send>>;

/// Whatever is behind a port.
pub(crate) trait Target<M: Request>: Send + Sync {
    fn ask(self: Arc<Self>, message: M, within: Duration) -> Reply<M>;
    fn tell(&self, message: M) -> Result<(), PortError>;
    fn is_closed(&self) -> bool;
}

/// Sends one type of request to whoever answers it, without knowing who that is. Cheap to
/// clone; as long as an actor has a port it lives.
///
/// All ports of one actor share its [`CREDITS`](Behaviour::CREDITS), however many types of
/// request and clones there are, so that nothing is queued without a limit.
pub struct Port<M: Request> {
    target: Arc<dyn Target<M>>,
    deadline: Duration,
}

impl<M: Request> Port<M> {
    pub(crate) fn new(target: Arc<dyn Target<M>>, deadline: Duration) -> Self {
        Self { target, deadline }
    }

    /// Returns a port that is answered by an async closure, run on a spawner, instead of an
    /// actor of its own: to embed a subsystem without the others, or to test it.
    pub fn from_fn<F, Fut>(spawner: &SpawnerHandle, f: F) -> Self
    where
        F: Fn(M) -> Fut + Send + 'static,
        Fut: Future<Output = M::Reply> + 'static,
    {
        let request = PhantomData;
        spawner.start(move || Function { f, request }).port()
    }

    /// Returns a port that is answered at once, on the thread of the caller, and is never
    /// overloaded. The closure must not block.
    pub fn stub(f: impl Fn(M) -> M::Reply + Send + Sync + 'static) -> Self {
        Self::new(Arc::new(Stub(f)), DEADLINE_DEFAULT)
    }

    /// Returns a port that is answered by nobody: every request gets [`PortError::Closed`].
    pub fn closed() -> Self {
        Self::new(Arc::new(Closed), DEADLINE_DEFAULT)
    }

    /// Returns this port with another deadline for its asks.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends a request and waits for the reply, within the deadline of the port: first for a
    /// credit, then for the actor.
    ///
    /// Works on any executor. On a tokio runtime, that runtime's timer must be enabled.
    ///
    /// # Errors
    ///
    /// [`PortError::Closed`] or [`PortError::Deadline`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws a request that the actor has not come to; one that it is
    /// working on takes effect.
    pub async fn ask(&self, message: M) -> Result<M::Reply, PortError> {
        self.ask_within(message, self.deadline).await
    }

    /// As [`ask`](Self::ask), with a deadline for this request.
    ///
    /// # Errors
    ///
    /// As for [`ask`](Self::ask).
    pub async fn ask_within(&self, message: M, within: Duration) -> Result<M::Reply, PortError> {
        Arc::clone(&self.target).ask(message, within).await
    }

    /// Sends a request without waiting. Its reply is dropped.
    ///
    /// # Errors
    ///
    /// [`PortError::Overloaded`] when no credit is free, [`PortError::Closed`].
    pub fn tell(&self, message: M) -> Result<(), PortError> {
        self.target.tell(message)
    }

    /// Whether a request sent now would get [`PortError::Closed`].
    pub fn is_closed(&self) -> bool {
        self.target.is_closed()
    }
}

impl<M: Request> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self {
            target: Arc::clone(&self.target),
            deadline: self.deadline,
        }
    }
}

impl<M: Request> fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("request", &M::NAME)
            .field("deadline", &self.deadline)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The actor behind [`Port::from_fn`].
struct Function<M, F> {
    f: F,
    request: PhantomData<fn(M)>,
}

impl<M: 'static, F: 'static> Behaviour for Function<M, F> {
    const NAME: &'static str = "function";
}

impl<M, F, Fut> Receive<M> for Function<M, F>
where
    M: Request,
    F: Fn(M) -> Fut + 'static,
    Fut: Future<Output = M::Reply> + 'static,
{
    fn receive(&mut self, message: M, _: &Context<Self>) -> Answer<M::Reply> {
        Answer::later((self.f)(message))
    }
}

struct Stub<F>(F);

impl<M, F> Target<M> for Stub<F>
where
    M: Request,
    F: Fn(M) -> M::Reply + Send + Sync + 'static,
{
    fn ask(self: Arc<Self>, message: M, _: Duration) -> Reply<M> {
        Box::pin(async move { Ok((self.0)(message)) })
    }

    fn tell(&self, message: M) -> Result<(), PortError> {
        drop((self.0)(message));
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

struct Closed;

impl<M: Request> Target<M> for Closed {
    fn ask(self: Arc<Self>, _: M, _: Duration) -> Reply<M> {
        Box::pin(async { Err(PortError::Closed) })
    }

    fn tell(&self, _: M) -> Result<(), PortError> {
        Err(PortError::Closed)
    }

    fn is_closed(&self) -> bool {
        true
    }
}
