//! One session: what runs between two devices of a swarm once each admitted the other.
//!
//! Memory is bounded by what is under way: towards the peer one batch that was produced, from
//! it [`IN_FLIGHT_MAX`] messages; everything else waits in the transport, whose flow control
//! stops the sender.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Clock, PortError};
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::DeliverGossip;
use dxos_protocol::replicate::{Message, OpenSession, Produce, Receive, SessionError, SessionId};
use dxos_transport::{Connection, FrameReceiver, FrameSender, Stream, StreamError};
use dxos_wire::StreamKind;
use dxos_wire::limits::{GOSSIP_BYTES_MAX, OFFENCES_MAX};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{Notify, oneshot};

use crate::core::{RateBucket, SessionEnd};
use crate::gossip::GossipQueue;
use crate::ports::{MeshPorts, ReplicationPorts};

/// Messages of the peer that are handed on and not yet answered.
const IN_FLIGHT_MAX: usize = 4;

/// About how much is asked for at a time.
const PRODUCE_BYTES_MAX: usize = 512 * 1024;

/// Replication may be busy for long; then the peer waits. After this it counts as stuck.
const REPLICATION_DEADLINE: Duration = Duration::from_secs(60);

/// What a session needs to run.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) topic: Topic,
    pub(crate) device: DeviceKey,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) ports: MeshPorts,
    pub(crate) clock: Clock,
    pub(crate) step_timeout: Duration,
    pub(crate) gossip_per_second: u32,
    pub(crate) wake: Rc<Notify>,
    pub(crate) gossip: GossipQueue,
}

/// Where the streams of a session come from.
pub(crate) enum Streams {
    /// This side opens them.
    Opened,
    /// The peer opens them.
    Awaited {
        replicate: oneshot::Receiver<Stream>,
        gossip: oneshot::Receiver<Stream>,
    },
}

impl Session {
    /// Runs the session to its end.
    pub(crate) async fn run(self, streams: Streams) -> SessionEnd {
        match self.establish(streams).await {
            Ok((replicate, gossip)) => self.carry(replicate, gossip).await,
            Err(end) => end,
        }
    }

    async fn establish(&self, streams: Streams) -> Result<(Option<Stream>, Stream), SessionEnd> {
        if let Some(replication) = &self.ports.replication {
            let request = OpenSession {
                session: self.id,
                topic: self.topic,
                device: self.device,
            };
            answered(replication.open_session.ask(request).await)?;
        }
        let replicates = self.ports.replication.is_some();
        match streams {
            Streams::Opened => {
                let replicate = if replicates {
                    Some(self.open(StreamKind::Replicate).await?)
                } else {
                    None
                };
                Ok((replicate, self.open(StreamKind::Gossip).await?))
            }
            Streams::Awaited { replicate, gossip } => {
                let replicate = if replicates {
                    Some(self.timed(replicate).await?)
                } else {
                    None
                };
                Ok((replicate, self.timed(gossip).await?))
            }
        }
    }

    async fn open(&self, kind: StreamKind) -> Result<Stream, SessionEnd> {
        let mut stream = self.timed(self.connection.open(kind)).await?;
        let topic = Bytes::copy_from_slice(self.topic.as_bytes());
        self.timed(stream.sender.send(topic)).await?;
        Ok(stream)
    }

    async fn timed<T, E>(&self, step: impl Future<Output = Result<T, E>>) -> Result<T, SessionEnd> {
        match self.clock.timeout(self.step_timeout, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(SessionEnd::Closed),
        }
    }

    async fn carry(&self, replicate: Option<Stream>, gossip: Stream) -> SessionEnd {
        let heard = self.hear(gossip.receiver);
        let said = self.say(gossip.sender);
        match (replicate, &self.ports.replication) {
            (Some(replicate), Some(ports)) => {
                let read = self.read(replicate.receiver, ports);
                let write = self.write(replicate.sender, ports);
                tokio::select! {
                    biased;
                    end = read => end,
                    end = write => end,
                    end = heard => end,
                    end = said => end,
                }
            }
            _ => tokio::select! {
                biased;
                end = heard => end,
                end = said => end,
            },
        }
    }

    /// Hands on what the peer sends, in order, and reads on as it is taken.
    async fn read(&self, mut receiver: FrameReceiver, ports: &ReplicationPorts) -> SessionEnd {
        let mut offences = 0;
        let mut under_way = FuturesOrdered::new();
        loop {
            tokio::select! {
                biased;
                Some(answer) = under_way.next(), if !under_way.is_empty() => {
                    if let Err(end) = answered(answer) {
                        return end;
                    }
                }
                frame = receiver.receive(), if under_way.len() < IN_FLIGHT_MAX => {
                    let frame = match received(frame) {
                        Ok(frame) => frame,
                        Err(end) => return end,
                    };
                    match Message::decode(&frame) {
                        Ok(message) => {
                            let session = self.id;
                            let request = Receive { session, message };
                            let ask = ports.receive.ask_within(request, REPLICATION_DEADLINE);
                            under_way.push_back(ask);
                        }
                        Err(error) => {
                            offences += 1;
                            tracing::warn!(
                                peer = %self.device.short(),
                                topic = %self.topic.short(),
                                offences,
                                "malformed message: {error}"
                            );
                            if offences >= OFFENCES_MAX {
                                return SessionEnd::Offence;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Sends what there is to send, as fast as the peer takes it.
    async fn write(&self, mut sender: FrameSender, ports: &ReplicationPorts) -> SessionEnd {
        loop {
            self.wake.notified().await;
            let mut more = true;
            while more {
                let request = Produce {
                    session: self.id,
                    bytes_max: PRODUCE_BYTES_MAX,
                };
                let produced = ports
                    .produce
                    .ask_within(request, REPLICATION_DEADLINE)
                    .await;
                let produced = match answered(produced) {
                    Ok(produced) => produced,
                    Err(end) => return end,
                };
                more = produced.more;
                let frames: Result<Vec<Bytes>, _> =
                    produced.messages.iter().map(Message::encode).collect();
                let sent = match frames {
                    Ok(frames) => sender.send_many(frames).await,
                    Err(error) => {
                        tracing::error!(session = self.id.0, "cannot send: {error}");
                        return SessionEnd::Closed;
                    }
                };
                if let Err(error) = sent {
                    if let StreamError::FrameTooLong { .. } = error {
                        tracing::error!(session = self.id.0, "cannot send: {error}");
                    }
                    return SessionEnd::Closed;
                }
            }
        }
    }

    /// Delivers the peer's ephemeral messages, not more than it may send.
    async fn hear(&self, mut receiver: FrameReceiver) -> SessionEnd {
        let cost = Duration::from_secs(1) / self.gossip_per_second.max(1);
        let mut rate = RateBucket::new(self.clock.now());
        let mut offences = 0;
        let mut dropped = 0_u64;
        loop {
            let payload = match received(receiver.receive().await) {
                Ok(payload) => payload,
                Err(end) => return end,
            };
            if payload.len() > GOSSIP_BYTES_MAX {
                offences += 1;
                if offences >= OFFENCES_MAX {
                    return SessionEnd::Offence;
                }
                continue;
            }
            let delivered = rate.add(self.clock.now(), cost, Duration::from_secs(2))
                && self
                    .ports
                    .gossip
                    .tell(DeliverGossip {
                        topic: self.topic,
                        from: self.device,
                        payload,
                    })
                    .is_ok();
            if !delivered {
                dropped += 1;
                tracing::debug!(peer = %self.device.short(), dropped, "gossip dropped");
            }
        }
    }

    async fn say(&self, mut sender: FrameSender) -> SessionEnd {
        loop {
            let messages = self.gossip.take().await;
            if sender.send_many(messages).await.is_err() {
                return SessionEnd::Closed;
            }
        }
    }
}

/// What an error of ECHO means for the session.
pub(crate) fn end_of(error: &SessionError) -> SessionEnd {
    match error {
        SessionError::Offence { .. } => SessionEnd::Offence,
        SessionError::NotMember | SessionError::SpaceClosed { .. } => SessionEnd::Unwelcome,
        _ => SessionEnd::Closed,
    }
}

fn answered<T>(answer: Result<Result<T, SessionError>, PortError>) -> Result<T, SessionEnd> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::info!("session ended: {error}");
            Err(end_of(&error))
        }
        Err(error) => {
            tracing::warn!("session ended, replication gave no answer: {error}");
            Err(SessionEnd::Closed)
        }
    }
}

fn received(frame: Result<Option<Bytes>, StreamError>) -> Result<Bytes, SessionEnd> {
    match frame {
        Ok(Some(frame)) => Ok(frame),
        Err(StreamError::FrameTooLong { .. } | StreamError::Truncated) => Err(SessionEnd::Offence),
        Ok(None) | Err(_) => Err(SessionEnd::Closed),
    }
}
