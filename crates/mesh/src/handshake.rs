//! The proof of membership, as described in [`dxos_protocol::auth`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Clock, Port};
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::auth::{
    Evidence, Hello, HelloReply, JudgeEvidence, Judgement, PresentEvidence, Presented, Side,
    SwarmSecret,
};
use dxos_transport::{Connection, FrameReceiver, FrameSender, Stream};
use dxos_wire::limits::{EVIDENCE_PARTS_MAX, TICKET_BYTES_MAX};
use subtle::ConstantTimeEq as _;

use crate::core::AuthOutcome;

/// Binds proofs to the TLS session.
pub(crate) const BINDING_LABEL: &[u8] = b"dxos swarm proof";

/// How many times as long as one step evidence in parts may take.
const EVIDENCE_STEPS: u32 = 12;

/// One side of a handshake.
pub(crate) struct Handshake {
    pub(crate) topic: Topic,
    pub(crate) secret: SwarmSecret,
    pub(crate) own: DeviceKey,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) present: Port<PresentEvidence>,
    pub(crate) judge: Port<JudgeEvidence>,
    pub(crate) clock: Clock,
    /// For each step: a message that comes, one that goes, a question to a port.
    pub(crate) step_timeout: Duration,
}

type Step<T> = Result<T, AuthOutcome>;

impl Handshake {
    /// Opens the stream and begins.
    pub(crate) async fn initiate(self) -> AuthOutcome {
        match self.begin().await {
            Ok(()) => AuthOutcome::Admitted,
            Err(outcome) => outcome,
        }
    }

    /// Answers a peer's [`Hello`] on its stream.
    pub(crate) async fn respond(self, hello: Hello, stream: Stream) -> AuthOutcome {
        match self.answer(&hello, stream).await {
            Ok(()) => AuthOutcome::Admitted,
            Err(outcome) => outcome,
        }
    }

    /// Refuses a peer's [`Hello`] for a swarm that is not known here, with the same work and
    /// the same answer as for a proof that does not hold.
    pub(crate) async fn decline(self, hello: Hello, mut stream: Stream) {
        let expected = self.proof(Side::Initiator, &self.connection.peer());
        let holds = bool::from(expected.ct_eq(&hello.proof));
        tracing::debug!(peer = %self.connection.peer().short(), holds, "handshake declined");
        // Whether it arrives is the peer's concern.
        let _ = self.refuse(&mut stream).await;
    }

    async fn begin(&self) -> Step<()> {
        let open = self.connection.open(dxos_wire::StreamKind::Auth);
        let mut stream = self.timed(open).await?;
        let hello = Hello {
            topic: self.topic,
            proof: self.proof(Side::Initiator, &self.own),
        };
        self.send(&mut stream, hello.encode().ok()).await?;
        let reply = self.receive(&mut stream).await?;
        match HelloReply::decode(&reply) {
            Ok(HelloReply::Accepted { proof }) => {
                let expected = self.proof(Side::Responder, &self.connection.peer());
                if !bool::from(expected.ct_eq(&proof)) {
                    // It does not know the secret: it gets nothing more.
                    return Err(AuthOutcome::RefusedByUs);
                }
            }
            Ok(_) => return Err(AuthOutcome::RefusedByPeer),
            Err(_) => return Err(AuthOutcome::Broken),
        }
        self.exchange(&mut stream).await
    }

    async fn answer(&self, hello: &Hello, mut stream: Stream) -> Step<()> {
        let expected = self.proof(Side::Initiator, &self.connection.peer());
        if !bool::from(expected.ct_eq(&hello.proof)) {
            let _ = self.refuse(&mut stream).await;
            return Err(AuthOutcome::RefusedByUs);
        }
        let reply = HelloReply::Accepted {
            proof: self.proof(Side::Responder, &self.own),
        };
        self.send(&mut stream, reply.encode().ok()).await?;
        self.exchange(&mut stream).await
    }

    async fn refuse(&self, stream: &mut Stream) -> Step<()> {
        self.send(stream, HelloReply::Refused.encode().ok()).await?;
        self.finish(stream).await;
        Ok(())
    }

    /// Both show and judge evidence. Both sides send in the same order: evidence, judgement,
    /// then more evidence if it was asked for, then the second judgement if more was asked for.
    async fn exchange(&self, stream: &mut Stream) -> Step<()> {
        self.show(&mut stream.sender, false).await?;
        let ours = self.judge_next(&mut stream.receiver).await?;
        let theirs = self.tell_and_hear(stream, Some(&ours), true).await?;
        let Stream { sender, receiver } = stream;
        let show = async {
            match theirs {
                Some(Judgement::NeedMore) => self.show(sender, true).await,
                _ => Ok(()),
            }
        };
        let judge = async {
            if ours != Judgement::NeedMore {
                return Ok(None);
            }
            // Who cannot show enough now is refused for now.
            Ok(Some(match self.judge_next(receiver).await? {
                Judgement::NeedMore => Judgement::Refused,
                judgement => judgement,
            }))
        };
        // Both at once: neither side could send much while the other does not read.
        let ((), second) = tokio::try_join!(show, judge)?;
        let again = theirs == Some(Judgement::NeedMore);
        let heard = self.tell_and_hear(stream, second.as_ref(), again).await?;
        if heard == Some(Judgement::NeedMore) {
            return Err(AuthOutcome::RefusedByPeer);
        }
        self.finish(stream).await;
        Ok(())
    }

    /// Ends the stream so that what was said arrives. The peer may have ended it before, when it
    /// had heard all: then nothing is lost.
    async fn finish(&self, stream: &mut Stream) {
        let _ = self.timed(stream.sender.finish()).await;
    }

    async fn show(&self, sender: &mut FrameSender, full: bool) -> Step<()> {
        let mut rest = None;
        loop {
            let request = PresentEvidence {
                topic: self.topic,
                full,
                rest,
            };
            let presented = self.present.ask_within(request, self.step_timeout).await;
            let Ok(Ok(presented)) = presented else {
                tracing::debug!(topic = %self.topic.short(), "no evidence to show: {presented:?}");
                return Err(AuthOutcome::Broken);
            };
            let Presented {
                evidence,
                rest: next,
            } = presented;
            let frame = evidence.encode().map_err(|_| AuthOutcome::Broken)?;
            self.timed(sender.send(frame)).await?;
            if next.is_none() {
                return Ok(());
            }
            rest = next;
        }
    }

    /// Judges what the peer shows, in time.
    async fn judge_next(&self, receiver: &mut FrameReceiver) -> Step<Judgement> {
        let judged = self.judge_parts(receiver);
        let within = self.step_timeout.saturating_mul(EVIDENCE_STEPS);
        let judged = self.clock.timeout(within, judged).await;
        judged.map_err(|_| AuthOutcome::Broken)?
    }

    /// Judges what the peer shows, part by part. Each is taken in before the next is read.
    async fn judge_parts(&self, receiver: &mut FrameReceiver) -> Step<Judgement> {
        let mut bytes = 0;
        for _ in 0..EVIDENCE_PARTS_MAX {
            let frame = self.timed(receiver.receive()).await?;
            let frame = frame.ok_or(AuthOutcome::Broken)?;
            bytes += frame.len();
            let evidence = Evidence::decode(&frame).map_err(|_| AuthOutcome::Broken)?;
            let more = evidence.more;
            let request = JudgeEvidence {
                topic: self.topic,
                device: self.connection.peer(),
                evidence,
            };
            let judged = self.judge.ask_within(request, self.step_timeout).await;
            let judged = judged.map_err(|_| AuthOutcome::Broken)?;
            if !more {
                return Ok(judged);
            }
            if bytes > TICKET_BYTES_MAX {
                break;
            }
        }
        Err(AuthOutcome::Broken)
    }

    /// Sends a judgement, if there is one, and receives the peer's, if there will be one.
    async fn tell_and_hear(
        &self,
        stream: &mut Stream,
        tell: Option<&Judgement>,
        hear: bool,
    ) -> Step<Option<Judgement>> {
        if let Some(judgement) = tell {
            self.send(stream, judgement.encode().ok()).await?;
            if matches!(judgement, Judgement::Refused | Judgement::Departed(_)) {
                self.finish(stream).await;
                return Err(AuthOutcome::RefusedByUs);
            }
        }
        if !hear {
            return Ok(None);
        }
        let bytes = self.receive(stream).await?;
        match Judgement::decode(&bytes) {
            Ok(Judgement::Refused) => Err(AuthOutcome::RefusedByPeer),
            Ok(Judgement::Departed(evidence)) => {
                // Whatever is made of it, the peer has refused.
                let request = JudgeEvidence {
                    topic: self.topic,
                    device: self.connection.peer(),
                    evidence,
                };
                drop(self.judge.ask_within(request, self.step_timeout).await);
                Err(AuthOutcome::RefusedByPeer)
            }
            Ok(judgement) => Ok(Some(judgement)),
            Err(_) => Err(AuthOutcome::Broken),
        }
    }

    fn proof(&self, side: Side, device: &DeviceKey) -> [u8; 32] {
        let binding = self.connection.binding(BINDING_LABEL);
        self.secret.proof(&self.topic, side, device, &binding)
    }

    async fn send(&self, stream: &mut Stream, frame: Option<Bytes>) -> Step<()> {
        let frame = frame.ok_or(AuthOutcome::Broken)?;
        self.timed(stream.sender.send(frame)).await
    }

    async fn receive(&self, stream: &mut Stream) -> Step<Bytes> {
        let frame = self.timed(stream.receiver.receive()).await?;
        frame.ok_or(AuthOutcome::Broken)
    }

    async fn timed<T, E>(&self, step: impl Future<Output = Result<T, E>>) -> Step<T> {
        match self.clock.timeout(self.step_timeout, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(AuthOutcome::Broken),
        }
    }
}
