//! What a client has at the host: subscriptions, which outlive its connection for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

use crate::follow::{Control, follow};
use crate::limits::APPLIED_MAX;
use crate::outlet::Outlet;
use crate::protocol::{ErrorInfo, Resume, Resumed};
use crate::shared::Shared;
use crate::text::Editor;
use crate::tokens::TokenId;
use crate::topics::Source;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    /// The token that it was opened with.
    pub(crate) owner: TokenId,
    state: Mutex<State>,
    /// Transactions of the session are run one after the other.
    pub(crate) applying: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    outlet: Option<Outlet>,
    /// When the last connection ended.
    left: Option<Instant>,
    subscriptions: BTreeMap<u32, Subscription>,
    applied: VecDeque<(String, String)>,
}

#[derive(Debug)]
struct Subscription {
    control: Arc<Control>,
    editor: Option<Arc<Mutex<Editor>>>,
    task: JoinHandle<()>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    pub(crate) fn new(id: String, owner: TokenId) -> Self {
        Self {
            id,
            owner,
            state: Mutex::default(),
            applying: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a connection; gives the one before, which is to end.
    pub(crate) fn attach(&self, outlet: Outlet) -> Option<Outlet> {
        let mut state = self.state();
        state.left = None;
        let before = state.outlet.replace(outlet);
        if let Some(before) = &before {
            for subscription in state.subscriptions.values() {
                subscription.control.detach(before.connection);
            }
        }
        before
    }

    /// A connection has ended. `true` when the session has none now.
    pub(crate) fn detach(&self, connection: u64) -> bool {
        let mut state = self.state();
        for subscription in state.subscriptions.values() {
            subscription.control.detach(connection);
        }
        let own = state
            .outlet
            .as_ref()
            .is_some_and(|outlet| outlet.connection == connection);
        if own {
            state.outlet = None;
            state.left = Some(Instant::now());
        }
        own
    }

    /// Since when it has no connection.
    pub(crate) fn left(&self) -> Option<Instant> {
        self.state().left
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.state().subscriptions.len()
    }

    /// Whether a further subscription of this name may begin.
    pub(crate) fn check(&self, id: u32, max: usize) -> Result<(), ErrorInfo> {
        let state = self.state();
        let ended = |subscription: &Subscription| subscription.task.is_finished();
        if state
            .subscriptions
            .get(&id)
            .is_some_and(|found| !ended(found))
        {
            let message = format!("subscription {id} exists already; choose another id");
            return Err(ErrorInfo::params(message));
        }
        if state.subscriptions.len() >= max {
            let message = format!("{max} subscriptions exist, which is the limit; end one first");
            return Err(ErrorInfo::limit("subscriptions", message));
        }
        Ok(())
    }

    /// Begins a subscription.
    pub(crate) fn subscribe(
        &self,
        shared: &Arc<Shared>,
        (id, credits): (u32, u32),
        outlet: Outlet,
        (source, editor): (Box<dyn Source>, Option<Arc<Mutex<Editor>>>),
    ) {
        let counters = Arc::clone(&shared.counters);
        let control = Arc::new(Control::new(id, outlet, credits, counters));
        let task = actix_web::rt::spawn(follow(Arc::clone(&control), source));
        let mut state = self.state();
        state
            .subscriptions
            .retain(|_, subscription| !subscription.task.is_finished());
        let subscription = Subscription {
            control,
            editor,
            task,
        };
        state.subscriptions.insert(id, subscription);
    }

    pub(crate) fn unsubscribe(&self, id: u32) -> Result<(), ErrorInfo> {
        let ended = self.state().subscriptions.remove(&id);
        ended.map(drop).ok_or_else(|| unknown(id))
    }

    pub(crate) fn credit(&self, id: u32, n: u32, max: u32) -> Result<(), ErrorInfo> {
        let state = self.state();
        let subscription = state.subscriptions.get(&id).ok_or_else(|| unknown(id))?;
        if subscription.control.credit(n, max) {
            return Ok(());
        }
        let message = format!("a subscription has at most {max} credits");
        Err(ErrorInfo::limit("credits", message))
    }

    /// Goes on with what the client still wants, and ends the rest.
    pub(crate) fn resume(&self, outlet: &Outlet, resume: &Resume, max: u32) -> Resumed {
        let mut state = self.state();
        let mut resumed = Vec::new();
        let mut gone = Vec::new();
        let mut kept = BTreeMap::new();
        for point in &resume.subscriptions {
            match state.subscriptions.remove(&point.id) {
                Some(found) if !found.task.is_finished() => {
                    let credits = point.credits.min(max);
                    found.control.resume(outlet.clone(), point.seq, credits);
                    kept.insert(point.id, found);
                    resumed.push(point.id);
                }
                _ => gone.push(point.id),
            }
        }
        state.subscriptions = kept;
        Resumed { resumed, gone }
    }

    /// The text that a subscription edits.
    pub(crate) fn editor(&self, id: u32) -> Result<Arc<Mutex<Editor>>, ErrorInfo> {
        let state = self.state();
        let subscription = state.subscriptions.get(&id).ok_or_else(|| unknown(id))?;
        subscription
            .editor
            .clone()
            .ok_or_else(|| ErrorInfo::params(format!("subscription {id} is not one to a text")))
    }

    /// The answer to an `echo.apply` of this key.
    pub(crate) fn applied(&self, key: &str) -> Option<String> {
        let state = self.state();
        let mut applied = state.applied.iter();
        applied
            .find(|(known, _)| known == key)
            .map(|(_, answer)| answer.clone())
    }

    pub(crate) fn remember(&self, key: String, answer: String) {
        let mut state = self.state();
        if state.applied.len() >= APPLIED_MAX {
            state.applied.pop_front();
        }
        state.applied.push_back((key, answer));
    }
}

fn unknown(id: u32) -> ErrorInfo {
    ErrorInfo::not_found(
        "unknownSubscription",
        format!("there is no subscription {id}"),
    )
}
