//! What an actor of this workspace implements.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use dxos_wire::Request;

use crate::context::Context;

/// The state of an actor and what happens in its life. It may be `!Send`: it lives and dies on
/// the thread of its [`Spawner`](crate::Spawner).
///
/// It handles one request at a time and to its end: no await can come between two statements
/// of a handler. Work per request must be bounded; longer work goes through
/// [`SpawnerHandle::blocking`](crate::SpawnerHandle::blocking) or is cut into steps.
pub trait Behaviour: Sized + 'static {
    /// The name in logs, traces and failures, such as `echo`.
    const NAME: &'static str;

    /// How many requests may wait or be worked on at once, over all of the actor's ports.
    /// Each may hold memory up to the size of a request.
    const CREDITS: usize = 128;

    /// How long an ask waits for its reply unless the caller says otherwise.
    const DEADLINE: Duration = Duration::from_secs(10);

    /// Called before the first request.
    fn started(&mut self, ctx: &Context<Self>) {
        let _ = ctx;
    }

    /// Called after the last request when the actor stops cleanly. Not called after a failure
    /// or an abort: nothing durable may depend on it, that is what
    /// [`Shutdown`](crate::Shutdown) is for.
    fn stopped(&mut self, ctx: &Context<Self>) {
        let _ = ctx;
    }
}

/// An actor that answers a type of request.
pub trait Receive<M: Request>: Behaviour {
    /// Handles a request. The credit that the request took is free again when the answer is
    /// given.
    ///
    /// An ask whose caller has gone before the actor comes to it is dropped unseen.
    fn receive(&mut self, message: M, ctx: &Context<Self>) -> Answer<M::Reply>;
}

/// The answer of a handler.
pub enum Answer<R> {
    /// The reply.
    Now(R),
    /// The reply will come from this future, which runs beside the actor and ends with it. It
    /// holds none of the actor's state: what it finds out returns through
    /// [`Context::run`] or a request. It must end by itself: until then it holds a credit.
    Later(Pin<Box<dyn Future<Output = R>>>),
}

impl<R> Answer<R> {
    /// Boxes a future into an [`Answer::Later`].
    pub fn later(future: impl Future<Output = R> + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<R> From<R> for Answer<R> {
    fn from(reply: R) -> Self {
        Self::Now(reply)
    }
}

impl<R: fmt::Debug> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(reply) => f.debug_tuple("Now").field(reply).finish(),
            Self::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}
