//! The time.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The clock of a node: a monotonic one to measure with, and a wall clock to show to people.
/// No order of events may rest on the wall clock. Cheap to clone.
///
/// [`sleep`](Self::sleep) and [`timeout`](Self::timeout) need a tokio runtime with its timer
/// enabled; under a paused runtime they and a simulated clock follow virtual time.
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

enum Inner {
    Simulated {
        start: tokio::time::Instant,
        epoch_ms: u64,
        skew_ms: AtomicI64,
    },
    System {
        start: std::time::Instant,
    },
}

/// The time allowed had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done within {} ms: try again or allow more time", within.as_millis())]
pub struct TimedOut {
    /// The time allowed.
    pub within: Duration,
}

impl Clock {
    /// Returns the clock of the machine, started now.
    pub fn system() -> Self {
        Self {
            inner: Arc::new(Inner::System {
                start: std::time::Instant::now(),
            }),
        }
    }

    /// Returns a clock that follows tokio's, which a simulation pauses, started now at a given
    /// wall time in milliseconds since 1970. It must be read within the runtime that it was
    /// made in.
    pub fn simulated(epoch_ms: u64) -> Self {
        Self {
            inner: Arc::new(Inner::Simulated {
                start: tokio::time::Instant::now(),
                epoch_ms,
                skew_ms: AtomicI64::new(0),
            }),
        }
    }

    /// Returns a clock of another node of the same world: the same but for its wall clock,
    /// which is off by so many milliseconds. The clock of the machine stays as it is.
    #[must_use]
    pub fn skewed(&self, skew_ms: i64) -> Self {
        let inner = match &*self.inner {
            Inner::Simulated {
                start, epoch_ms, ..
            } => Inner::Simulated {
                start: *start,
                epoch_ms: *epoch_ms,
                skew_ms: AtomicI64::new(skew_ms),
            },
            Inner::System { start } => Inner::System { start: *start },
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Sets how many milliseconds the wall clock of this node is off, as if somebody had set
    /// it. Nothing happens on the clock of the machine.
    pub fn set_skew_ms(&self, skew: i64) {
        if let Inner::Simulated { skew_ms, .. } = &*self.inner {
            skew_ms.store(skew, Ordering::Relaxed);
        }
    }

    /// Returns the time since the clock was started. Never goes back.
    pub fn now(&self) -> Duration {
        match &*self.inner {
            Inner::Simulated { start, .. } => start.elapsed(),
            Inner::System { start } => start.elapsed(),
        }
    }

    /// Returns the milliseconds since the clock was started. Never goes back.
    pub fn now_ms(&self) -> u64 {
        millis(self.now())
    }

    /// Returns the wall time in milliseconds since 1970. It may jump.
    pub fn wall_ms(&self) -> u64 {
        match &*self.inner {
            Inner::Simulated {
                epoch_ms, skew_ms, ..
            } => epoch_ms
                .saturating_add(self.now_ms())
                .saturating_add_signed(skew_ms.load(Ordering::Relaxed)),
            Inner::System { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, millis),
        }
    }

    /// Waits.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits for a future, but not for long. The future is dropped when its time is over.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer enabled.
    pub async fn timeout<F: Future>(
        &self,
        within: Duration,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        tokio::time::timeout(within, future)
            .await
            .map_err(|_| TimedOut { within })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*self.inner {
            Inner::Simulated { .. } => "Simulated",
            Inner::System { .. } => "System",
        };
        f.debug_struct("Clock").field("kind", &kind).finish()
    }
}
