//! One side's handle to a connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dxos_keys::{DeviceKey, HashDomain, Hasher};
use dxos_wire::StreamKind;
use dxos_wire::limits::STREAMS_MAX;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::network::Network;
use super::state::{ConnectionState, Half, HalfId, Opened, Pair, Side, earliest};
use super::stream::{MemReceiver, MemSender};
use crate::{
    CloseReason, Connection, ConnectionStats, FrameReceiver, FrameSender, PeerAddress, Stream,
    StreamError,
};

/// What both sides of a connection share.
pub(super) struct Link {
    pub(super) network: Arc<Network>,
    pub(super) number: u64,
    pub(super) devices: Pair<DeviceKey>,
    /// The endpoints' addresses.
    pub(super) addresses: Pair<u64>,
    state: Mutex<ConnectionState>,
    /// The connection as a whole changed, for either side.
    pub(super) changed: Notify,
    /// How many streams each side may still open.
    permits: Pair<Arc<Semaphore>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Link")
            .field("number", &self.number)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        network: Arc<Network>,
        number: u64,
        devices: Pair<DeviceKey>,
        addresses: Pair<u64>,
        state: ConnectionState,
    ) -> Self {
        let permits = || Arc::new(Semaphore::new(STREAMS_MAX as usize));
        Self {
            network,
            number,
            devices,
            addresses,
            state: Mutex::new(state),
            changed: Notify::new(),
            permits: Pair {
                initiator: permits(),
                acceptor: permits(),
            },
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everyone who waits on this connection.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut ConnectionState) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        let waiting: Vec<_> = (state.halves.values())
            .map(|half| Arc::clone(&half.changed))
            .collect();
        drop(state);
        self.changed.notify_waiters();
        for half in waiting {
            half.notify_waiters();
        }
        result
    }

    /// The sides that are endpoints of `device`.
    pub(super) fn sides_of(&self, device: DeviceKey) -> impl Iterator<Item = Side> {
        [Side::Initiator, Side::Acceptor]
            .into_iter()
            .filter(move |side| *self.devices.of(*side) == device)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.state().count_timeout(Instant::now()) {
            (self.network).count(|faults| faults.connections_timed_out += 1);
        }
    }
}

/// Waits for a change, but not beyond `wake`.
pub(super) async fn pause(changed: impl Future<Output = ()>, wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::select! {
            biased;
            () = changed => {}
            () = sleep_until(wake) => {}
        },
        None => changed.await,
    }
}

/// Closes the connection when the last handle of a side is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) link: Arc<Link>,
    pub(super) side: Side,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let now = Instant::now();
        self.link
            .change(|state| state.close(self.side, CloseReason::Done, now));
    }
}

/// A connection of a [`MemTransport`](super::MemTransport).
#[derive(Debug)]
pub(super) struct MemConnection(Arc<Handle>);

impl MemConnection {
    pub(super) fn new(link: Arc<Link>, side: Side) -> Self {
        Self(Arc::new(Handle { link, side }))
    }

    /// Waits until `look` finds something, looking again at every change and at the instant
    /// that it names.
    async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&mut ConnectionState, Instant) -> Result<T, Option<Instant>>,
    ) -> T {
        loop {
            let changed = self.0.link.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let wake = {
                let mut state = self.0.link.state();
                match look(&mut state, now) {
                    Ok(found) => return found,
                    Err(wake) => earliest(wake, state.wake(self.0.side, now), now),
                }
            };
            pause(changed, wake).await;
        }
    }

    fn stream(
        &self,
        number: u64,
        kind: [u8; 2],
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Stream {
        let permit = permit.map(Arc::new);
        let half = |sender| HalfId {
            stream: number,
            sender,
        };
        let mine = half(self.0.side);
        let theirs = half(self.0.side.other());
        Stream {
            sender: FrameSender::new(MemSender::new(
                Arc::clone(&self.0),
                mine,
                kind,
                permit.clone(),
            )),
            receiver: FrameReceiver::new(MemReceiver::new(Arc::clone(&self.0), theirs, permit)),
        }
    }
}

#[async_trait]
impl Connection for MemConnection {
    fn peer(&self) -> DeviceKey {
        *self.0.link.devices.of(self.0.side.other())
    }

    fn address(&self) -> Option<PeerAddress> {
        let number = *self.0.link.addresses.of(self.0.side.other());
        Some(PeerAddress::Memory(number))
    }

    fn is_initiator(&self) -> bool {
        self.0.side == Side::Initiator
    }

    fn binding(&self, label: &[u8]) -> [u8; 32] {
        Hasher::new(HashDomain::Seed)
            .part(b"memory network: binding")
            .part(&self.0.link.network.seed.to_le_bytes())
            .part(&self.0.link.number.to_le_bytes())
            .part(label)
            .finish()
    }

    async fn open_raw(&self, kind: [u8; 2]) -> Result<Stream, StreamError> {
        let Handle { link, side } = &*self.0;
        let permit = tokio::select! {
            biased;
            reason = self.closed() => return Err(StreamError::Closed(reason)),
            permit = Arc::clone(link.permits.of(*side)).acquire_owned() => {
                // The semaphore is never closed.
                permit.map_err(|_| StreamError::Closed(CloseReason::Lost))?
            }
        };
        let now = Instant::now();
        let number = link.change(|state| {
            let number = state.streams;
            state.streams += 1;
            let mut due = now;
            for sender in [*side, side.other()] {
                let mut rng = link
                    .network
                    .rng(b"stream", &[link.number, number, sender as u64]);
                if sender == *side {
                    let now = state.departure(now);
                    due = (state.directions.of_mut(sender))
                        .pass(now, kind.len(), &mut rng)
                        .due;
                }
                let half = Half {
                    frames: std::collections::VecDeque::new(),
                    buffered: 0,
                    clock: due,
                    finish: None,
                    reset: None,
                    stop: None,
                    rng,
                    changed: Arc::new(Notify::new()),
                    sender_gone: false,
                    receiver_gone: false,
                };
                let id = HalfId {
                    stream: number,
                    sender,
                };
                state.halves.insert(id, half);
            }
            state.opened.of_mut(side.other()).push(Opened {
                due,
                kind,
                stream: number,
                permit,
            });
            number
        });
        Ok(self.stream(number, kind, None))
    }

    async fn accept(&self) -> Result<(StreamKind, Stream), StreamError> {
        loop {
            let side = self.0.side;
            let opened = self
                .wait_for(|state, now| {
                    let next = (state.opened.of(side).iter().enumerate())
                        .filter(|(_, opened)| {
                            state.arrived(opened.due, now)
                                && state.outruns_end(side, opened.due, now)
                        })
                        .min_by_key(|(_, opened)| (opened.due, opened.stream))
                        .map(|(index, _)| index);
                    match next {
                        Some(index) if !state.left(side, now) => {
                            Ok(Ok(state.opened.of_mut(side).remove(index)))
                        }
                        _ => match state.ended(side, now) {
                            Some(reason) => Ok(Err(StreamError::Closed(reason))),
                            None => Err(state
                                .opened
                                .of(side)
                                .iter()
                                .map(|opened| opened.due)
                                .filter(|due| *due > now)
                                .min()),
                        },
                    }
                })
                .await?;
            let stream = self.stream(opened.stream, opened.kind, Some(opened.permit));
            match StreamKind::from_bytes(opened.kind) {
                Ok(kind) => return Ok((kind, stream)),
                // Dropping the stream resets it and stops the peer.
                Err(_) => self
                    .0
                    .link
                    .network
                    .count(|faults| faults.streams_refused += 1),
            }
        }
    }

    fn close(&self, reason: CloseReason) {
        let now = Instant::now();
        self.0
            .link
            .change(|state| state.close(self.0.side, reason, now));
    }

    async fn closed(&self) -> CloseReason {
        let side = self.0.side;
        self.wait_for(|state, now| state.ended(side, now).ok_or(None))
            .await
    }

    fn stats(&self) -> ConnectionStats {
        let state = self.0.link.state();
        let sent = state.directions.of(self.0.side);
        let received = state.directions.of(self.0.side.other());
        ConnectionStats::new(
            sent.config.latency + received.config.latency,
            sent.bytes,
            received.bytes,
        )
    }
}
