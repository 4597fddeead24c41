//! A subscription: what a topic shows, sent as its credits allow, over one connection after the
//! other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::Notify;

use crate::metrics::Counters;
use crate::outlet::Outlet;
use crate::protocol::{ErrorInfo, EventKind};
use crate::topics::{Event, Source};

/// What a session and the task of one of its subscriptions share.
#[derive(Debug)]
pub(crate) struct Control {
    id: u32,
    state: Mutex<State>,
    changed: Notify,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    /// Where notifications go; nowhere while there is no connection, or it has not resumed.
    outlet: Option<Outlet>,
    credits: u32,
    /// The number of the last notification that was sent.
    seq: u64,
    /// Something was made that could not be sent.
    missed: bool,
    /// All of it is to be sent anew.
    renew: bool,
}

impl Control {
    pub(crate) fn new(id: u32, outlet: Outlet, credits: u32, counters: Arc<Counters>) -> Self {
        Self {
            id,
            state: Mutex::new(State {
                outlet: Some(outlet),
                credits,
                seq: 0,
                missed: false,
                renew: false,
            }),
            changed: Notify::new(),
            counters,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows `n` further notifications, up to `max` in all; `false` when that were more.
    pub(crate) fn credit(&self, n: u32, max: u32) -> bool {
        let mut state = self.state();
        let sum = state.credits.saturating_add(n);
        if sum > max {
            return false;
        }
        state.credits = sum;
        drop(state);
        self.changed.notify_one();
        true
    }

    /// The connection is gone: nothing is sent until it is resumed.
    pub(crate) fn detach(&self, connection: u64) {
        let mut state = self.state();
        if state
            .outlet
            .as_ref()
            .is_some_and(|outlet| outlet.connection == connection)
        {
            state.outlet = None;
            state.credits = 0;
        }
    }

    /// Goes on over another connection, whose client has taken in all up to `seq`.
    pub(crate) fn resume(&self, outlet: Outlet, seq: u64, credits: u32) {
        let mut state = self.state();
        state.renew |= state.missed || state.seq != seq;
        state.missed = false;
        state.outlet = Some(outlet);
        state.credits = credits;
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until something may be sent; `true` when it has to be all of it.
    async fn ready(&self) -> bool {
        loop {
            {
                let mut state = self.state();
                if state.outlet.is_some() && state.credits > 0 {
                    return std::mem::take(&mut state.renew);
                }
            }
            self.changed.notified().await;
        }
    }

    /// Waits until all of it has to be sent.
    async fn renewed(&self) {
        loop {
            if self.state().renew {
                return;
            }
            self.changed.notified().await;
        }
    }

    async fn emit(&self, kind: EventKind, content: &str, error: Option<ErrorInfo>) {
        let (outlet, seq) = {
            let mut state = self.state();
            let Some(outlet) = state.outlet.clone() else {
                state.missed = true;
                return;
            };
            state.seq += 1;
            state.credits = state.credits.saturating_sub(1);
            (outlet, state.seq)
        };
        let kind = match kind {
            EventKind::Value => "value",
            EventKind::Change => "change",
            EventKind::End => "end",
        };
        let error = error.map_or_else(String::new, |error| format!(r#","error":{}"#, json!(error)));
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"id":{},"seq":{seq},"kind":"{kind}","value":{content}{error}}}}}"#,
            self.id
        );
        self.counters.notification();
        // When the connection has gone, the client asks from an earlier number on.
        let _ = outlet.send(text).await;
    }
}

/// Follows a topic until it ends.
pub(crate) async fn follow(control: Arc<Control>, mut source: Box<dyn Source>) {
    loop {
        if control.ready().await {
            source.renew();
        }
        let event = tokio::select! {
            biased;
            () = control.renewed() => continue,
            event = source.next() => event,
        };
        match event {
            Event::Value(content) => control.emit(EventKind::Value, &content, None).await,
            Event::Change(content) => control.emit(EventKind::Change, &content, None).await,
            Event::End(error) => {
                control.emit(EventKind::End, "null", error).await;
                return;
            }
        }
    }
}
