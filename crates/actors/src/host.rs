//! The one actix actor: it hosts a [`Behaviour`] and keeps actix's pitfalls away from it.

use std::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use actix::{ActorContext, AsyncContext, fut::wrap_future};
use dxos_wire::Request;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::{
    behaviour::{Answer, Behaviour, Receive},
    context::{Context, Phase},
    failure::FailureReason,
    mailbox::{Envelope, Slot},
    panics::catch_now,
};

/// actix empties a mailbox in one poll, so a busy actor starves all others of its thread: after
/// this many requests it gives way.
const HANDLED_MAX: u32 = 32;

/// A behaviour as an actix actor.
pub(crate) struct Host<B: Behaviour> {
    behaviour: Box<B>,
    ctx: Context<B>,
}

/// What an actor is told by itself and by its address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Take the next step off the queue of the context.
    Step,
    /// Stop cleanly.
    Stop,
}

impl actix::Message for Signal {
    type Result = ();
}

impl<B: Behaviour> Host<B> {
    fn is_killed(&self) -> bool {
        let core = self.ctx.core();
        core.phase.get() == Phase::Killed || core.group.is_aborted()
    }

    /// What follows on every handler.
    fn handled(&self, actix: &mut actix::Context<Self>) {
        let core = self.ctx.core();
        if core.failure.is_set() {
            core.phase.set(Phase::Killed);
            actix.terminate();
        } else if core.phase.get() == Phase::Stopping {
            actix.stop();
        } else {
            core.handled.set(core.handled.get() + 1);
            if core.handled.get() >= HANDLED_MAX {
                core.handled.set(0);
                actix.wait(wrap_future(tokio::task::yield_now()));
            }
        }
    }
}

impl<B: Behaviour> actix::Actor for Host<B> {
    type Context = actix::Context<Self>;

    // actix calls these also while it drops an actor that was aborted, the first even on one
    // that never ran: hence the look at the phase.

    fn started(&mut self, actix: &mut Self::Context) {
        if !self.is_killed() {
            self.behaviour.started(&self.ctx);
            self.handled(actix);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if !self.is_killed() {
            self.ctx.core().during.set("stopped");
            self.behaviour.stopped(&self.ctx);
        }
    }
}

impl<B: Receive<M>, M: Request> actix::Handler<Envelope<M>> for Host<B> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M>, actix: &mut actix::Context<Self>) {
        let Envelope {
            message,
            reply,
            permit,
        } = envelope;
        let caller_gone = reply.as_ref().is_some_and(oneshot::Sender::is_closed);
        if caller_gone || self.is_killed() {
            return;
        }
        self.ctx.core().during.set(M::NAME);
        let span = tracing::trace_span!("receive", actor = B::NAME, request = M::NAME);
        let answer = span.in_scope(|| self.behaviour.receive(message, &self.ctx));
        let send = move |value| {
            if let Some(reply) = reply {
                // The caller may be gone: then nobody wants to know.
                drop(reply.send(value));
            }
        };
        match answer {
            Answer::Now(value) => {
                send(value);
                drop(permit);
            }
            Answer::Later(future) => {
                let later = async move {
                    send(future.await);
                    drop(permit);
                };
                let group = &self.ctx.core().group;
                group.spawn_local(M::NAME, later.instrument(span));
            }
        }
        self.handled(actix);
    }
}

impl<B: Behaviour> actix::Handler<Signal> for Host<B> {
    type Result = ();

    fn handle(&mut self, signal: Signal, actix: &mut actix::Context<Self>) {
        if self.is_killed() {
            return;
        }
        match signal {
            Signal::Step => {
                if let Some(step) = self.ctx.next_step() {
                    self.ctx.core().during.set("step");
                    step(&mut self.behaviour, &self.ctx);
                }
            }
            Signal::Stop => self.ctx.core().phase.set(Phase::Stopping),
        }
        self.handled(actix);
    }
}

/// How an incarnation ended.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It or its failure must be dealt with.
    Failed(FailureReason),
    /// It stopped cleanly.
    Stopped,
}

/// The life of one incarnation.
pub(crate) struct Incarnation<B: Behaviour> {
    /// `None` once it has ended.
    actor: Option<Pin<Box<dyn Future<Output = ()>>>>,
    ctx: Context<B>,
}

impl<B: Behaviour> Incarnation<B> {
    /// Starts the life of a behaviour; `None` when the actor was stopped meanwhile.
    pub(crate) fn new(behaviour: B, ctx: Context<B>, slot: &Slot<B>) -> Option<Self> {
        let actix = actix::Context::new();
        let address = actix.address();
        *ctx.core().address.borrow_mut() = Some(address.downgrade());
        let host = Host {
            behaviour: Box::new(behaviour),
            ctx: ctx.clone(),
        };
        let incarnation = Self {
            actor: Some(Box::pin(actix.into_future(host))),
            ctx,
        };
        slot.bind(&address).then_some(incarnation)
    }

    /// Drops the actor, without running its code. Returns what a destructor's panic said.
    fn end(&mut self) -> Result<(), String> {
        self.ctx.kill();
        let actor = self.actor.take();
        catch_now(|| drop(actor))
    }
}

impl<B: Behaviour> Future for Incarnation<B> {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Exit> {
        let this = &mut *self;
        let ctx = this.ctx.clone();
        let core = ctx.core();
        let panicked = |text| {
            Exit::Failed(FailureReason::Panicked {
                during: core.during.get().to_owned(),
                text,
            })
        };
        core.handled.set(0);
        let mut exit = None;
        if !core.failure.is_set()
            && let Some(actor) = &mut this.actor
        {
            match catch_now(|| actor.as_mut().poll(cx)) {
                Err(text) => exit = Some(panicked(text)),
                Ok(Poll::Ready(())) => exit = Some(Exit::Stopped),
                Ok(Poll::Pending) => {}
            }
        }
        // A failure weighs more than a stop.
        if !matches!(exit, Some(Exit::Failed(_)))
            && let Some(reason) = core.failure.poll(cx.waker())
        {
            exit = Some(Exit::Failed(reason));
        }
        let Some(exit) = exit else {
            return Poll::Pending;
        };
        match (this.end(), exit) {
            (Err(text), Exit::Stopped) => Poll::Ready(panicked(text)),
            (_, exit) => Poll::Ready(exit),
        }
    }
}

impl<B: Behaviour> Drop for Incarnation<B> {
    fn drop(&mut self) {
        if let Err(text) = self.end() {
            tracing::error!(actor = B::NAME, "panicked while it was dropped: {text}");
        }
    }
}
