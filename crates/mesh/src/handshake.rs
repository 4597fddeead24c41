//! The proof of membership, as described in [`dxos_protocol::auth`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dxos_actors::{Clock, Port};
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::auth::{
    Evidence, Hello, HelloReply, JudgeEvidence, Judgement, PresentEvidence, Side, SwarmSecret,
};
use dxos_transport::{Connection, Stream};
use subtle::ConstantTimeEq as _;

use crate::core::AuthOutcome;

/// Binds proofs to the TLS session.
pub(crate) const BINDING_LABEL: &[u8] = b"dxos swarm proof";

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
        self.show(stream, false).await?;
        let ours = self.judge_next(stream).await?;
        let theirs = self.tell_and_hear(stream, Some(&ours), true).await?;
        if theirs == Some(Judgement::NeedMore) {
            self.show(stream, true).await?;
        }
        let second = if ours == Judgement::NeedMore {
            // Who cannot show enough now is refused for now.
            Some(match self.judge_next(stream).await? {
                Judgement::Admitted => Judgement::Admitted,
                _ => Judgement::Refused,
            })
        } else {
            None
        };
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

    async fn show(&self, stream: &mut Stream, full: bool) -> Step<()> {
        let request = PresentEvidence {
            topic: self.topic,
            full,
        };
        let evidence = self.present.ask_within(request, self.step_timeout).await;
        let Ok(Ok(evidence)) = evidence else {
            tracing::debug!(topic = %self.topic.short(), "no evidence to show: {evidence:?}");
            return Err(AuthOutcome::Broken);
        };
        self.send(stream, evidence.encode().ok()).await
    }

    async fn judge_next(&self, stream: &mut Stream) -> Step<Judgement> {
        let bytes = self.receive(stream).await?;
        let evidence = Evidence::decode(&bytes).map_err(|_| AuthOutcome::Broken)?;
        let request = JudgeEvidence {
            topic: self.topic,
            device: self.connection.peer(),
            evidence,
        };
        let judged = self.judge.ask_within(request, self.step_timeout).await;
        judged.map_err(|_| AuthOutcome::Broken)
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
            if *judgement == Judgement::Refused {
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
