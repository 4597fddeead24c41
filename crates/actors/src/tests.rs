//! Tests of the crate, by what is held. Each pitfall of actix that the crate keeps away has
//! one here.

use std::{
    cell::Cell,
    collections::BTreeSet,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{Answer, Behaviour, Context, Receive, Request};

/// Declares a request.
macro_rules! request {
    ($name:ident $(($($field:ty),*))? -> $reply:ty) => {
        struct $name $(($($field),*))?;
        impl Request for $name {
            type Reply = $reply;
            const NAME: &'static str = stringify!($name);
        }
    };
}

mod aborting;
mod embedding;
mod life;
mod overload;
mod parts;
mod threads;

request!(Add(u64) -> u64);
request!(Hang -> ());
request!(Panic -> ());
request!(PanicLater -> ());
request!(PanicInTimer -> ());
request!(Fail -> ());
request!(Stop -> ());
request!(StopLater -> u64);
request!(Wait(Duration) -> ());
request!(Ticks -> u64);
request!(Flood(u64) -> ());

/// What happened to the incarnations of an actor, seen from outside.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn push(&self, entry: &'static str) {
        self.0.lock().unwrap().push(entry);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Does everything that an actor may do, and may be `!Send`.
struct Subject {
    sum: Rc<Cell<u64>>,
    ticks: u64,
    log: Log,
}

impl Subject {
    fn new() -> Self {
        Self::logging(&Log::default())
    }

    fn logging(log: &Log) -> Self {
        Self {
            sum: Rc::default(),
            ticks: 0,
            log: log.clone(),
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.log.push("dropped");
    }
}

impl Behaviour for Subject {
    const NAME: &'static str = "subject";
    const CREDITS: usize = 8;

    fn started(&mut self, _: &Context<Self>) {
        self.log.push("started");
    }

    fn stopped(&mut self, _: &Context<Self>) {
        self.log.push("stopped");
    }
}

impl Receive<Add> for Subject {
    fn receive(&mut self, Add(n): Add, _: &Context<Self>) -> Answer<u64> {
        self.sum.set(self.sum.get() + n);
        Answer::Now(self.sum.get())
    }
}

impl Receive<Hang> for Subject {
    fn receive(&mut self, _: Hang, _: &Context<Self>) -> Answer<()> {
        Answer::later(std::future::pending())
    }
}

impl Receive<Panic> for Subject {
    fn receive(&mut self, _: Panic, _: &Context<Self>) -> Answer<()> {
        panic!("as asked")
    }
}

impl Receive<PanicLater> for Subject {
    fn receive(&mut self, _: PanicLater, _: &Context<Self>) -> Answer<()> {
        Answer::later(async { panic!("as asked, later") })
    }
}

impl Receive<PanicInTimer> for Subject {
    fn receive(&mut self, _: PanicInTimer, ctx: &Context<Self>) -> Answer<()> {
        ctx.run_later(Duration::from_secs(1), |_, _| panic!("in a timer"));
        Answer::Now(())
    }
}

impl Receive<Fail> for Subject {
    fn receive(&mut self, _: Fail, ctx: &Context<Self>) -> Answer<()> {
        ctx.fail("the store is full");
        Answer::Now(())
    }
}

impl Receive<Stop> for Subject {
    fn receive(&mut self, _: Stop, ctx: &Context<Self>) -> Answer<()> {
        ctx.stop();
        Answer::Now(())
    }
}

impl Receive<StopLater> for Subject {
    fn receive(&mut self, _: StopLater, ctx: &Context<Self>) -> Answer<u64> {
        let ctx = ctx.clone();
        Answer::later(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ctx.stop();
            7
        })
    }
}

impl Receive<Wait> for Subject {
    fn receive(&mut self, Wait(time): Wait, _: &Context<Self>) -> Answer<()> {
        Answer::later(tokio::time::sleep(time))
    }
}

impl Receive<Ticks> for Subject {
    fn receive(&mut self, _: Ticks, _: &Context<Self>) -> Answer<u64> {
        Answer::Now(self.ticks)
    }
}

impl Receive<Flood> for Subject {
    fn receive(&mut self, Flood(left): Flood, ctx: &Context<Self>) -> Answer<()> {
        self.ticks += 1;
        if left > 0 {
            ctx.notify(Flood(left - 1));
        }
        Answer::Now(())
    }
}
