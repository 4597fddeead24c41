//! The queue of ephemeral messages to one peer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

/// Holds the newest messages: with more than its capacity the oldest is dropped.
#[derive(Clone, Debug)]
pub(crate) struct GossipQueue(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    state: RefCell<State>,
    filled: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    dropped: u64,
}

impl GossipQueue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Rc::new(Inner {
            state: RefCell::default(),
            filled: Notify::new(),
            capacity: capacity.max(1),
        }))
    }

    /// Appends a message. Returns how many were dropped since the beginning.
    pub(crate) fn push(&self, message: Bytes) -> u64 {
        let mut state = self.0.state.borrow_mut();
        if state.queue.len() >= self.0.capacity {
            state.queue.pop_front();
            state.dropped += 1;
        }
        state.queue.push_back(message);
        self.0.filled.notify_one();
        state.dropped
    }

    /// Waits until there are messages and takes all.
    pub(crate) async fn take(&self) -> Vec<Bytes> {
        loop {
            let taken: Vec<Bytes> = self.0.state.borrow_mut().queue.drain(..).collect();
            if !taken.is_empty() {
                return taken;
            }
            self.0.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        dxos_actors::testing::run(1, |_| async {
            let queue = GossipQueue::new(2);
            for byte in 0..5_u8 {
                queue.push(Bytes::from(vec![byte]));
            }
            assert_eq!(queue.take().await, [vec![3], vec![4]]);
            assert_eq!(queue.push(Bytes::new()), 3);
        });
    }
}
