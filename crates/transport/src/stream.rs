//! Streams of frames.

use std::collections::VecDeque;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use dxos_wire::limits::FRAME_BYTES_MAX;
use dxos_wire::{FrameError, Priority};

use crate::CloseReason;

/// Both directions of a stream. Each can be moved to a task of its own.
#[derive(Debug)]
pub struct Stream {
    /// Sends frames to the peer.
    pub sender: FrameSender,
    /// Receives the peer's frames.
    pub receiver: FrameReceiver,
}

/// Why a stream cannot go on. Once a direction of a stream gave an error, it gives only
/// errors; open a new stream, or for [`StreamError::Closed`] a new connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The whole connection has ended. Connect again, unless the reason forbids it.
    #[error("the connection has ended: {0}")]
    Closed(CloseReason),
    /// This side has finished or reset the direction already; send on a new stream.
    #[error("this side has already finished the stream")]
    Finished,
    /// A frame is longer than [`FRAME_BYTES_MAX`]. When sending: split it, nothing was sent
    /// and the stream goes on. When receiving: the peer broke the protocol.
    #[error("a frame of {found} bytes is more than the {FRAME_BYTES_MAX} allowed")]
    FrameTooLong {
        /// How long the frame is, or claims to be.
        found: usize,
    },
    /// The peer gave the stream up before finishing it, or does not know its kind. What was
    /// received before is valid, but more was to come.
    #[error("the peer gave up the stream before its end")]
    Reset,
    /// The peer does not read this stream any more. Stop sending.
    #[error("the peer no longer reads this stream")]
    Stopped,
    /// The peer finished in the middle of a frame: it broke the protocol.
    #[error("the stream ended within a frame")]
    Truncated,
}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        Self::FrameTooLong { found: error.found }
    }
}

/// What a transport implements behind a [`FrameSender`].
#[async_trait]
pub trait SendFrames: Send + Debug {
    /// Hands all `frames` to the transport, in as few writes as possible, and waits while the
    /// peer's buffer is full. No frame is longer than [`FRAME_BYTES_MAX`]. When the future is
    /// dropped, each frame was either handed over or not, and never the part of one: what a
    /// dropped future left half written is completed by the next call.
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), StreamError>;

    /// Marks the end behind all that was sent.
    async fn finish(&mut self) -> Result<(), StreamError>;

    /// Waits until the peer's transport has all that was sent, after [`SendFrames::finish`].
    async fn delivered(&mut self) -> Result<(), StreamError>;

    /// Gives the direction up: what the peer has not received yet may be lost. Nothing happens
    /// when it was finished before.
    fn reset(&mut self);

    /// Which stream's data goes first.
    fn set_priority(&mut self, priority: Priority);
}

/// What a transport implements behind a [`FrameReceiver`].
#[async_trait]
pub trait ReceiveFrames: Send + Debug {
    /// Waits until a whole frame is there and appends it, and whatever else has arrived up to
    /// about the size of one frame. `false` when the peer has finished. Dropping the future
    /// loses nothing.
    async fn fill(&mut self, frames: &mut VecDeque<Bytes>) -> Result<bool, StreamError>;
}

/// Sends frames on a stream, in order.
///
/// Dropping it before [`FrameSender::finish`] resets the direction: the peer then knows that
/// it has not got everything.
#[derive(Debug)]
pub struct FrameSender(Box<dyn SendFrames>);

impl FrameSender {
    /// Wraps an implementation; for transports.
    pub fn new(inner: impl SendFrames + 'static) -> Self {
        Self(Box::new(inner))
    }

    /// Sends one frame. Waits while the peer's buffer is full: that is the backpressure.
    /// There is nothing to flush afterwards.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; `FrameTooLong` leaves the stream as it was.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the frame was sent or not, and the stream stays usable.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), StreamError> {
        self.send_many(vec![frame]).await
    }

    /// Sends several frames with as few writes as possible: much faster than one at a time
    /// when frames are small.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; `FrameTooLong` for any of them leaves the stream as it was, with none
    /// of them sent.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a prefix of the frames was sent, and the stream stays
    /// usable.
    pub async fn send_many(&mut self, frames: Vec<Bytes>) -> Result<(), StreamError> {
        if let Some(long) = frames.iter().find(|frame| frame.len() > FRAME_BYTES_MAX) {
            return Err(StreamError::FrameTooLong { found: long.len() });
        }
        if frames.is_empty() {
            return Ok(());
        }
        self.0.send(frames).await
    }

    /// Marks the end: the peer receives all frames and then `None`. It returns when the end is
    /// handed to the transport; see [`FrameSender::delivered`].
    ///
    /// # Errors
    ///
    /// [`StreamError`] when the stream had ended already.
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        self.0.finish().await
    }

    /// Finishes, then waits until the peer's transport has received everything. Do this before
    /// closing a connection whose last frame matters: closing discards what is under way. It
    /// says nothing of what the peer's program has read.
    ///
    /// # Errors
    ///
    /// [`StreamError`] when the peer stopped reading or the connection ended before.
    pub async fn delivered(&mut self) -> Result<(), StreamError> {
        match self.0.finish().await {
            Ok(()) | Err(StreamError::Finished) => self.0.delivered().await,
            Err(error) => Err(error),
        }
    }

    /// Gives the direction up; the peer gets [`StreamError::Reset`].
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Changes which stream's data goes first on the connection. A stream begins with its
    /// kind's own priority.
    pub fn set_priority(&mut self, priority: Priority) {
        self.0.set_priority(priority);
    }
}

/// Receives the frames of a stream, in order. A length is checked before memory is taken for
/// it.
///
/// Dropping it tells the peer to stop sending.
#[derive(Debug)]
pub struct FrameReceiver {
    inner: Box<dyn ReceiveFrames>,
    ready: VecDeque<Bytes>,
    ended: Option<Result<(), StreamError>>,
}

impl FrameReceiver {
    /// Wraps an implementation; for transports.
    pub fn new(inner: impl ReceiveFrames + 'static) -> Self {
        Self {
            inner: Box::new(inner),
            ready: VecDeque::new(),
            ended: None,
        }
    }

    /// The next frame, whole; `None` when the peer has finished.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and the same again when called again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no frame.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.wait().await?;
        Ok(self.ready.pop_front())
    }

    /// At least one frame, and at most `max` of those that have arrived; none when the peer
    /// has finished.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and the same again when called again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no frame.
    pub async fn receive_many(&mut self, max: usize) -> Result<Vec<Bytes>, StreamError> {
        self.wait().await?;
        let count = self.ready.len().min(max.max(1));
        Ok(self.ready.drain(..count).collect())
    }

    /// Waits until a frame is ready or the stream has ended.
    async fn wait(&mut self) -> Result<(), StreamError> {
        while self.ready.is_empty() {
            match &self.ended {
                None => match self.inner.fill(&mut self.ready).await {
                    Ok(true) => {}
                    Ok(false) => self.ended = Some(Ok(())),
                    Err(error) => self.ended = Some(Err(error)),
                },
                Some(ended) => return ended.clone(),
            }
        }
        Ok(())
    }
}
