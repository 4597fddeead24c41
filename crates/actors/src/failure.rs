//! Failures that end a node.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

/// Why a node stopped: an actor or task of it panicked, or failed more often than its
/// [`Restart`](crate::Restart) policy allows. What was acknowledged as durable is safe; close
/// the node and open it again from its store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{actor} stopped the node after {restarts} restarts: {reason}; open it again")]
#[non_exhaustive]
pub struct NodeFailure {
    /// The actor's [`NAME`](crate::Behaviour::NAME), or the name of the task.
    pub actor: String,
    /// What happened.
    pub reason: FailureReason,
    /// How often it was restarted before, within the window of its policy.
    pub restarts: u32,
}

impl NodeFailure {
    /// Returns a failure of something that is not restarted.
    pub fn new(actor: impl Into<String>, reason: FailureReason) -> Self {
        Self {
            actor: actor.into(),
            reason,
            restarts: 0,
        }
    }

    /// Returns the reason of the failure as that of whoever owns the one that failed.
    pub(crate) fn into_reason(self) -> FailureReason {
        match self.reason {
            // A task is named after what it does.
            FailureReason::Panicked { during, text } if during == self.actor => {
                FailureReason::Panicked { during, text }
            }
            FailureReason::Panicked { during, text } => FailureReason::Panicked {
                during: format!("{} of {}", during, self.actor),
                text,
            },
            FailureReason::Failed { text } => FailureReason::Failed {
                text: format!("{}: {text}", self.actor),
            },
            FailureReason::NotBuilt { text } => FailureReason::Failed {
                text: format!("{} could not be built: {text}", self.actor),
            },
        }
    }
}

/// What happened to an actor or task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// It gave up by itself, through [`Context::fail`](crate::Context::fail).
    #[error("{text}")]
    Failed {
        /// Its own words.
        text: String,
    },
    /// Its factory could not build it.
    #[error("could not be built: {text}")]
    NotBuilt {
        /// The error of the factory, or what its panic said.
        text: String,
    },
    /// It panicked, which is a defect of the program: please report it.
    #[error("panicked in {during}: {text}")]
    Panicked {
        /// The name of the request or task in which it did.
        during: String,
        /// What the panic said.
        text: String,
    },
}

/// The failure hook of a node. The first failure stops every [`Spawner`](crate::Spawner) that
/// shares it; later ones are only logged.
#[derive(Clone)]
pub struct Failures {
    inner: Arc<Inner>,
}

struct Inner {
    first: watch::Sender<Option<NodeFailure>>,
    observed: AtomicBool,
}

impl Failures {
    /// Returns a hook to which nothing was reported.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                first: watch::Sender::new(None),
                observed: AtomicBool::new(false),
            }),
        }
    }

    /// Logs a failure as an error and, when it is the first, stops the node.
    pub fn report(&self, failure: NodeFailure) {
        tracing::error!(actor = %failure.actor, restarts = failure.restarts, "{failure}");
        self.inner.first.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(failure);
            }
            is_first
        });
    }

    /// Returns the first failure.
    pub fn first(&self) -> Option<NodeFailure> {
        let first = self.peek();
        if first.is_some() {
            self.inner.observed.store(true, Ordering::Relaxed);
        }
        first
    }

    /// Waits for the first failure; forever when there is none. Works on any executor.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait(&self) -> NodeFailure {
        let failure = self.reported().await;
        self.inner.observed.store(true, Ordering::Relaxed);
        failure
    }

    /// As [`wait`](Self::wait), without counting as somebody who looked.
    pub(crate) async fn reported(&self) -> NodeFailure {
        let mut receiver = self.inner.first.subscribe();
        loop {
            if let Some(failure) = receiver.borrow_and_update().clone() {
                return failure;
            }
            if receiver.changed().await.is_err() {
                // Not reached: `self` holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns the first failure if nobody has looked at it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn unobserved(&self) -> Option<NodeFailure> {
        (!self.inner.observed.load(Ordering::Relaxed)).then(|| self.peek())?
    }

    fn peek(&self) -> Option<NodeFailure> {
        self.inner.first.borrow().clone()
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures")
            .field("first", &self.peek())
            .finish()
    }
}
