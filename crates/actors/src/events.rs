//! Events to whoever subscribed.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use crate::panics::lock;

/// Sends events to any number of subscriptions, each with a bounded queue of its own. A
/// subscriber that is too slow loses the oldest events and is told how many; it never slows
/// down the publisher or others. Cheap to clone; works on any executor.
pub struct Events<T> {
    hub: Arc<Hub<T>>,
}

struct Hub<T> {
    queues: Mutex<Vec<Weak<Queue<T>>>>,
    capacity: usize,
}

struct Queue<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    events: VecDeque<T>,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

impl<T: Clone> Events<T> {
    /// Returns a publisher whose subscriptions each hold at most so many events, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            hub: Arc::new(Hub {
                queues: Mutex::default(),
                capacity: capacity.max(1),
            }),
        }
    }

    /// Publishes an event. Returns how many subscriptions there are.
    pub fn publish(&self, event: &T) -> usize {
        let queues: Vec<_> = {
            let mut queues = lock(&self.hub.queues);
            queues.retain(|queue| queue.strong_count() > 0);
            queues.iter().filter_map(Weak::upgrade).collect()
        };
        for queue in &queues {
            queue.push(event.clone(), self.hub.capacity);
        }
        queues.len()
    }

    /// Subscribes to what is published from here on, until the subscription is dropped.
    pub fn subscribe(&self) -> Subscription<T> {
        let queue = Arc::new(Queue {
            state: Mutex::new(State {
                events: VecDeque::new(),
                missed: 0,
                ended: false,
                waker: None,
            }),
        });
        let mut queues = lock(&self.hub.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Subscription { queue }
    }
}

impl<T> Queue<T> {
    fn push(&self, event: T, capacity: usize) {
        let mut state = lock(&self.state);
        let oldest = if state.events.len() >= capacity {
            state.missed = state.missed.saturating_add(1);
            state.events.pop_front()
        } else {
            None
        };
        state.events.push_back(event);
        let waker = state.waker.take();
        drop(state);
        drop(oldest);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn end(&self) {
        let waker = {
            let mut state = lock(&self.state);
            state.ended = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Hub<T> {
    fn drop(&mut self) {
        let queues = std::mem::take(&mut *lock(&self.queues));
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.end();
        }
    }
}

impl<T> Clone for Events<T> {
    fn clone(&self) -> Self {
        Self {
            hub: Arc::clone(&self.hub),
        }
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("capacity", &self.hub.capacity)
            .finish_non_exhaustive()
    }
}

/// The subscriber was too slow and lost events. What comes next is newer: read the present
/// state again instead of following the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscriber was too slow and lost {missed} events: read the present state again")]
pub struct Lagged {
    /// How many events were lost.
    pub missed: u64,
}

/// A subscription to [`Events`]: a stream, too. It ends when the last publisher is dropped and
/// what it published has been read.
pub struct Subscription<T> {
    queue: Arc<Queue<T>>,
}

impl<T> Subscription<T> {
    /// Waits for the next event; `None` when there will be none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Result<T, Lagged>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the next event if there is one now.
    pub fn try_next(&mut self) -> Option<Result<T, Lagged>> {
        lock(&self.queue.state).next()
    }

    fn poll_event(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = lock(&self.queue.state);
        if let Some(event) = state.next() {
            return Poll::Ready(Some(event));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> State<T> {
    fn next(&mut self) -> Option<Result<T, Lagged>> {
        match std::mem::take(&mut self.missed) {
            0 => self.events.pop_front().map(Ok),
            missed => Some(Err(Lagged { missed })),
        }
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("queued", &lock(&self.queue.state).events.len())
            .finish_non_exhaustive()
    }
}
