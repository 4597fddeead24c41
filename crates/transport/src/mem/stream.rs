//! The two ends of one direction of a stream.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dxos_wire::limits::FRAME_BYTES_MAX;
use dxos_wire::{FRAME_HEADER_BYTES, Priority};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::config::TraceEvent;
use super::connection::{Handle, pause};
use super::state::{ConnectionState, Half, HalfId, chance, earliest};
use crate::{CloseReason, ReceiveFrames, SendFrames, StreamError};

/// What either end of a half needs.
#[derive(Debug)]
struct Access {
    handle: Arc<Handle>,
    id: HalfId,
    changed: Arc<Notify>,
    /// Held while this side has the stream, when the peer opened it.
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// What a frame counts for in a buffer, so that empty ones do not come for free.
fn cost(frame: &Bytes) -> usize {
    frame.len() + size_of::<(Instant, Bytes)>()
}

/// What looking at a half found.
enum Look<T> {
    Found(T),
    /// Nothing until something changes, or until this instant.
    Wait(Option<Instant>),
}

impl Access {
    fn new(handle: Arc<Handle>, id: HalfId, permit: Option<Arc<OwnedSemaphorePermit>>) -> Self {
        let changed = (handle.link.state().halves.get(&id))
            .map(|half| Arc::clone(&half.changed))
            .unwrap_or_default();
        Self {
            handle,
            id,
            changed,
            _permit: permit,
        }
    }

    /// Works on the half. A half exists as long as one of its ends does.
    fn with<T>(&self, work: impl FnOnce(&mut ConnectionState, &mut Half) -> T) -> Option<T> {
        let mut state = self.handle.link.state();
        let mut half = state.halves.remove(&self.id)?;
        let result = work(&mut state, &mut half);
        if !(half.sender_gone && half.receiver_gone) {
            state.halves.insert(self.id, half);
        }
        Some(result)
    }

    /// Looks until something is found.
    async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&mut ConnectionState, &mut Half, Instant) -> Look<Result<T, StreamError>>,
    ) -> Result<T, StreamError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let side = self.handle.side;
            let looked = self.with(|state, half| match look(state, half, now) {
                Look::Wait(wake) => Look::Wait(earliest(wake, state.wake(side, now), now)),
                found @ Look::Found(_) => found,
            });
            match looked {
                Some(Look::Found(result)) => return result,
                Some(Look::Wait(wake)) => pause(changed, wake).await,
                None => return Err(StreamError::Closed(CloseReason::Lost)),
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct MemSender {
    access: Access,
    kind: [u8; 2],
}

impl MemSender {
    pub(super) fn new(
        handle: Arc<Handle>,
        id: HalfId,
        kind: [u8; 2],
        permit: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Self {
        Self {
            access: Access::new(handle, id, permit),
            kind,
        }
    }

    /// Why nothing can be sent, if so.
    fn refusal(&self, state: &ConnectionState, half: &Half, now: Instant) -> Option<StreamError> {
        if let Some(reason) = state.ended(self.access.handle.side, now) {
            return Some(StreamError::Closed(reason));
        }
        if half.reset.is_some() || half.finish.is_some() {
            return Some(StreamError::Finished);
        }
        (half.stop.is_some_and(|due| state.arrived(due, now))).then_some(StreamError::Stopped)
    }

    /// Puts one frame on the link. `false` when that broke it.
    fn put(
        &self,
        state: &mut ConnectionState,
        half: &mut Half,
        frame: Bytes,
        now: Instant,
    ) -> bool {
        let Handle { link, side } = &*self.access.handle;
        let drops = state.directions.of(*side).config.drop_per_million;
        let breaks = chance(&mut half.rng, drops);
        if breaks {
            state.break_link(*side, now);
            link.network.count(|faults| faults.connections_dropped += 1);
            return false;
        }
        let cut = state.is_cut();
        let departure = state.departure(now);
        let passage = (state.directions.of_mut(*side)).pass(
            departure,
            frame.len() + FRAME_HEADER_BYTES,
            &mut half.rng,
        );
        link.network.count(|faults| {
            faults.frames_sent += 1;
            faults.bytes_sent += frame.len() as u64;
            faults.frames_delayed += u64::from(passage.delayed);
            faults.frames_throttled += u64::from(passage.throttled);
            faults.frames_reordered += u64::from(passage.overtakes && passage.due > half.clock);
            faults.frames_cut += u64::from(cut);
        });
        link.network.trace(&frame, |at, digest| TraceEvent {
            at,
            from: *link.devices.of(*side),
            to: *link.devices.of(side.other()),
            kind: self.kind,
            length: frame.len(),
            digest,
        });
        half.clock = half.clock.max(passage.due);
        half.buffered += cost(&frame);
        half.frames.push_back((half.clock, frame));
        true
    }
}

#[async_trait]
impl SendFrames for MemSender {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), StreamError> {
        let this = &*self;
        let limit = this.access.handle.link.network.config.buffer_bytes;
        let mut frames = VecDeque::from(frames);
        let mut broken = false;
        let mut blocked = false;
        let result = this
            .access
            .wait_for(|state, half, now| {
                if let Some(error) = this.refusal(state, half, now) {
                    return Look::Found(Err(error));
                }
                let mut sent = false;
                while let Some(frame) = frames.front() {
                    if half.buffered > 0 && half.buffered + cost(frame) > limit {
                        break;
                    }
                    if let Some(frame) = frames.pop_front()
                        && !this.put(state, half, frame, now)
                    {
                        broken = true;
                        return Look::Found(Err(StreamError::Closed(CloseReason::Lost)));
                    }
                    sent = true;
                }
                if sent {
                    half.changed.notify_waiters();
                }
                if frames.is_empty() {
                    return Look::Found(Ok(()));
                }
                if !blocked {
                    blocked = true;
                    let network = &this.access.handle.link.network;
                    network.count(|faults| faults.sends_blocked += 1);
                }
                Look::Wait(half.stop)
            })
            .await;
        if broken {
            this.access.handle.link.change(|_| ());
        }
        result
    }

    async fn finish(&mut self) -> Result<(), StreamError> {
        let this = &*self;
        this.access
            .wait_for(|state, half, now| {
                if let Some(error) = this.refusal(state, half, now) {
                    return Look::Found(Err(error));
                }
                let latency = state.directions.of(this.access.handle.side).config.latency;
                half.finish = Some(half.clock.max(state.departure(now) + latency));
                half.changed.notify_waiters();
                Look::Found(Ok(()))
            })
            .await
    }

    async fn delivered(&mut self) -> Result<(), StreamError> {
        let this = &*self;
        this.access
            .wait_for(|state, half, now| {
                let side = this.access.handle.side;
                if half.reset.is_some() {
                    return Look::Found(Err(StreamError::Finished));
                }
                if half.stop.is_some_and(|due| state.arrived(due, now)) && !half.frames.is_empty() {
                    return Look::Found(Err(StreamError::Stopped));
                }
                let back = state.directions.of(side.other()).config.latency;
                let known = half.finish.map(|due| due + back);
                if known.is_some_and(|due| state.arrived(due, now)) {
                    return Look::Found(Ok(()));
                }
                match state.ended(side, now) {
                    Some(reason) => Look::Found(Err(StreamError::Closed(reason))),
                    None => Look::Wait(earliest(known, half.stop, now)),
                }
            })
            .await
    }

    fn reset(&mut self) {
        let now = Instant::now();
        let side = self.access.handle.side;
        self.access.with(|state, half| {
            if half.finish.is_none() && half.reset.is_none() {
                half.reset = Some(state.departure(now) + state.directions.of(side).config.latency);
                half.changed.notify_waiters();
            }
        });
    }

    /// All streams share the link alike; latency alone tells them apart.
    fn set_priority(&mut self, _priority: Priority) {}
}

impl Drop for MemSender {
    fn drop(&mut self) {
        self.reset();
        self.access.with(|_, half| half.sender_gone = true);
    }
}

#[derive(Debug)]
pub(super) struct MemReceiver(Access);

impl MemReceiver {
    pub(super) fn new(
        handle: Arc<Handle>,
        id: HalfId,
        permit: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Self {
        Self(Access::new(handle, id, permit))
    }
}

#[async_trait]
impl ReceiveFrames for MemReceiver {
    async fn fill(&mut self, into: &mut VecDeque<Bytes>) -> Result<bool, StreamError> {
        let side = self.0.handle.side;
        self.0
            .wait_for(|state, half, now| {
                if state.left(side, now)
                    && let Some(reason) = state.ended(side, now)
                {
                    return Look::Found(Err(StreamError::Closed(reason)));
                }
                let reaches = |due| state.arrived(due, now) && state.outruns_end(side, due, now);
                if half.reset.is_some_and(reaches) {
                    half.frames.clear();
                    half.buffered = 0;
                    return Look::Found(Err(StreamError::Reset));
                }
                let mut taken = 0;
                while let Some((due, frame)) = half.frames.front()
                    && reaches(*due)
                    && (taken == 0 || taken + frame.len() <= FRAME_BYTES_MAX)
                {
                    taken += frame.len().max(1);
                    half.buffered -= cost(frame);
                    into.extend(half.frames.pop_front().map(|(_, frame)| frame));
                }
                if taken > 0 {
                    half.changed.notify_waiters();
                    return Look::Found(Ok(true));
                }
                if half.frames.is_empty() && half.finish.is_some_and(reaches) {
                    return Look::Found(Ok(false));
                }
                if let Some(reason) = state.ended(side, now) {
                    return Look::Found(Err(StreamError::Closed(reason)));
                }
                let frame = half.frames.front().map(|(due, _)| *due);
                let end = earliest(half.finish, half.reset, now);
                Look::Wait(earliest(frame, end, now))
            })
            .await
    }
}

impl Drop for MemReceiver {
    fn drop(&mut self) {
        let now = Instant::now();
        let side = self.0.handle.side;
        self.0.with(|state, half| {
            half.stop = Some(state.departure(now) + state.directions.of(side).config.latency);
            half.receiver_gone = true;
            half.changed.notify_waiters();
        });
    }
}
