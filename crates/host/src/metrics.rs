//! What the host counts.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::protocol::Metrics;

/// Counters of a host since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicU32,
    requests: AtomicU64,
    errors: AtomicU64,
    notifications: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, well: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !well {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn notification(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, uptime_ms: u64, sessions: u32, subscriptions: u32) -> Metrics {
        Metrics {
            uptime_ms,
            connections: self.connections.load(Ordering::Relaxed),
            sessions,
            subscriptions,
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            notifications: self.notifications.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            bytes_received: self.received.load(Ordering::Relaxed),
            bytes_sent: self.sent.load(Ordering::Relaxed),
        }
    }
}
