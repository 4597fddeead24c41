//! Frames on QUIC streams.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Buf as _, Bytes, BytesMut};
use dxos_transport::{ReceiveFrames, SendFrames, StreamError};
use dxos_wire::{FRAME_HEADER_BYTES, Priority, frame_header, frame_length};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};

use crate::connection::Shared;

/// Frames up to this length are put together with others into one buffer.
const SMALL_FRAME_BYTES: usize = 4 * 1024;
/// How large such a buffer gets.
const BATCH_BYTES: usize = 64 * 1024;
/// How many pieces are taken from a stream at once; a piece is about a datagram.
const PIECES: usize = 64;

/// The code with which streams are reset and stopped; it says no more than that.
pub(crate) const GIVEN_UP: VarInt = VarInt::from_u32(0);

pub(crate) const fn quic_priority(priority: Priority) -> i32 {
    match priority {
        Priority::Control => 2,
        Priority::Live => 1,
        // Any that are added later go last.
        _ => 0,
    }
}

pub(crate) struct QuicSender {
    stream: SendStream,
    shared: Shared,
    /// What a dropped future left to be written, or what is being written.
    pending: VecDeque<Bytes>,
    over: bool,
}

impl std::fmt::Debug for QuicSender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("QuicSender")
            .field("stream", &self.stream.id())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl QuicSender {
    pub(crate) const fn new(stream: SendStream, shared: Shared) -> Self {
        Self {
            stream,
            shared,
            pending: VecDeque::new(),
            over: false,
        }
    }

    fn error(&self, error: WriteError) -> StreamError {
        match error {
            WriteError::Stopped(_) => StreamError::Stopped,
            WriteError::ConnectionLost(error) => StreamError::Closed(self.shared.reason(&error)),
            // Early data is never sent.
            WriteError::ClosedStream | WriteError::ZeroRttRejected => StreamError::Finished,
        }
    }

    /// Writes what is pending. Dropping the future leaves the rest pending.
    async fn flush(&mut self) -> Result<(), StreamError> {
        while !self.pending.is_empty() {
            let written = self.stream.write_chunks(self.pending.make_contiguous());
            match written.await {
                Ok(written) => drop(self.pending.drain(..written.chunks)),
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(())
    }

    /// Appends frames with their headers, small ones together.
    fn append(&mut self, frames: Vec<Bytes>) -> Result<(), StreamError> {
        let mut batch = BytesMut::new();
        for frame in frames {
            let header = frame_header(frame.len())?;
            batch.extend_from_slice(&header);
            if frame.len() <= SMALL_FRAME_BYTES {
                batch.extend_from_slice(&frame);
                if batch.len() >= BATCH_BYTES {
                    self.pending.push_back(batch.split().freeze());
                }
            } else {
                self.pending.push_back(batch.split().freeze());
                self.pending.push_back(frame);
            }
        }
        if !batch.is_empty() {
            self.pending.push_back(batch.freeze());
        }
        Ok(())
    }

    fn check(&self) -> Result<(), StreamError> {
        if let Some(reason) = self.shared.ended() {
            return Err(StreamError::Closed(reason));
        }
        if self.over {
            return Err(StreamError::Finished);
        }
        Ok(())
    }
}

#[async_trait]
impl SendFrames for QuicSender {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), StreamError> {
        self.check()?;
        // First what a dropped future left, so that no more than one call's frames pend.
        self.flush().await?;
        self.append(frames)?;
        self.flush().await
    }

    async fn finish(&mut self) -> Result<(), StreamError> {
        self.check()?;
        self.flush().await?;
        self.over = true;
        self.stream.finish().map_err(|_| StreamError::Finished)
    }

    async fn delivered(&mut self) -> Result<(), StreamError> {
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StreamError::Stopped),
            Err(quinn::StoppedError::ConnectionLost(error)) => {
                Err(StreamError::Closed(self.shared.reason(&error)))
            }
            Err(quinn::StoppedError::ZeroRttRejected) => Err(StreamError::Finished),
        }
    }

    fn reset(&mut self) {
        if !self.over {
            self.over = true;
            self.pending.clear();
            // Fails only when the stream is over anyway.
            let _ = self.stream.reset(GIVEN_UP);
        }
    }

    fn set_priority(&mut self, priority: Priority) {
        let _ = self.stream.set_priority(quic_priority(priority));
    }
}

impl Drop for QuicSender {
    fn drop(&mut self) {
        self.reset();
    }
}

pub(crate) struct QuicReceiver {
    stream: RecvStream,
    shared: Shared,
    /// What has arrived of the next frame. It grows with what really arrives, never with what
    /// a header claims.
    partial: BytesMut,
}

impl std::fmt::Debug for QuicReceiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("QuicReceiver")
            .field("stream", &self.stream.id())
            .field("partial", &self.partial.len())
            .finish_non_exhaustive()
    }
}

impl QuicReceiver {
    pub(crate) fn new(stream: RecvStream, shared: Shared) -> Self {
        Self {
            stream,
            shared,
            partial: BytesMut::new(),
        }
    }

    /// Takes every whole frame off `partial`. Tells whether there was any.
    fn split(&mut self, frames: &mut VecDeque<Bytes>) -> Result<bool, StreamError> {
        let before = frames.len();
        while let Some(header) = self.partial.first_chunk::<FRAME_HEADER_BYTES>() {
            let length = frame_length(*header)?;
            if self.partial.len() < FRAME_HEADER_BYTES + length {
                break;
            }
            self.partial.advance(FRAME_HEADER_BYTES);
            frames.push_back(self.partial.split_to(length).freeze());
        }
        Ok(frames.len() > before)
    }
}

#[async_trait]
impl ReceiveFrames for QuicReceiver {
    async fn fill(&mut self, frames: &mut VecDeque<Bytes>) -> Result<bool, StreamError> {
        loop {
            let mut pieces = [const { Bytes::new() }; PIECES];
            let count = match self.stream.read_chunks(&mut pieces).await {
                Ok(Some(count)) => count,
                Ok(None) if self.partial.is_empty() => return Ok(false),
                Ok(None) => return Err(StreamError::Truncated),
                Err(ReadError::ConnectionLost(error)) => {
                    return Err(StreamError::Closed(self.shared.reason(&error)));
                }
                Err(
                    ReadError::Reset(_)
                    | ReadError::ClosedStream
                    | ReadError::IllegalOrderedRead
                    | ReadError::ZeroRttRejected,
                ) => return Err(StreamError::Reset),
            };
            for piece in pieces.iter().take(count) {
                self.partial.extend_from_slice(piece);
            }
            match self.split(frames) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) => {
                    let _ = self.stream.stop(GIVEN_UP);
                    return Err(error);
                }
            }
        }
    }
}
