//! Sessions with peers: who they are, what they send and are sent.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_keys::Topic;
use dxos_protocol::auth::{JudgeEvidence, Judgement, NoEvidence, PresentEvidence, Presented};
use dxos_protocol::echo::EchoError;
use dxos_protocol::mesh::{EndSession, MembersChanged, Wake};
use dxos_protocol::replicate::{
    CloseSession, Message, OpenSession, Produce, Produced, Receive as ReceiveMessage, SessionError,
};

use super::SpaceActor;
use crate::core::Effects;

impl SpaceActor {
    pub(super) fn tell_mesh(&self, effects: Effects) {
        let Some(mesh) = &self.shared.mesh else {
            return;
        };
        for session in effects.wake {
            // A wake that finds no credit is not lost: the session asks again when it is done
            // with what fills the queue.
            if let Err(error) = mesh.wake.tell(Wake { session }) {
                tracing::debug!(%error, "wake");
            }
        }
        if effects.members_changed {
            let topic = Topic::of_space(&self.key);
            if let Err(error) = mesh.members_changed.tell(MembersChanged { topic }) {
                // Then they are asked when they would have been anyway.
                tracing::debug!(%error, "change of members");
            }
        }
        for (session, reason) in effects.end {
            if let Err(error) = mesh.end.tell(EndSession { session, reason }) {
                tracing::warn!(%error, "session could not be ended");
            }
        }
    }
}

impl Receive<PresentEvidence> for SpaceActor {
    fn receive(
        &mut self,
        message: PresentEvidence,
        _: &Context<Self>,
    ) -> Answer<Result<Presented, NoEvidence>> {
        let store = Arc::clone(&self.shared.store);
        let evidence = self
            .space()
            .and_then(|space| space.evidence(message.full, message.rest, &store));
        Answer::Now(evidence.map_err(|_| NoEvidence))
    }
}

impl Receive<JudgeEvidence> for SpaceActor {
    fn receive(&mut self, message: JudgeEvidence, ctx: &Context<Self>) -> Answer<Judgement> {
        let JudgeEvidence {
            device, evidence, ..
        } = message;
        let judged = self.step(ctx, |space, now_ms, (store, _)| {
            Ok(space.judge_evidence(&device, &evidence, now_ms, store))
        });
        Answer::Now(judged.unwrap_or(Judgement::Refused))
    }
}

impl Receive<OpenSession> for SpaceActor {
    fn receive(
        &mut self,
        message: OpenSession,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), SessionError>> {
        let OpenSession {
            session, device, ..
        } = message;
        let opened = self.vouch(ctx).and_then(|()| {
            self.space()?.open_session(session, device);
            Ok(())
        });
        self.report_soon(ctx);
        Answer::Now(opened.map_err(|error| SessionError::SpaceClosed {
            reason: error.to_string(),
        }))
    }
}

impl Receive<CloseSession> for SpaceActor {
    fn receive(&mut self, message: CloseSession, ctx: &Context<Self>) -> Answer<()> {
        if let Ok(space) = &mut self.space {
            let effects = space.close_session(message.session);
            self.tell_mesh(effects);
        }
        self.report_soon(ctx);
        Answer::Now(())
    }
}

impl Receive<ReceiveMessage> for SpaceActor {
    fn receive(
        &mut self,
        message: ReceiveMessage,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), SessionError>> {
        let ReceiveMessage { session, message } = message;
        if let Message::Run(run) = &message {
            self.transferred.received_blocks += run.blocks.len() as u64;
            self.transferred.received_bytes += run.bytes() as u64;
        }
        let now_ms = self.shared.clock.wall_ms();
        let store = Arc::clone(&self.shared.store);
        let closed = |error: EchoError| SessionError::SpaceClosed {
            reason: error.to_string(),
        };
        let space = match self.space() {
            Ok(space) => space,
            Err(error) => return Answer::Now(Err(closed(error))),
        };
        let received = match space.receive(session, message, now_ms, &store) {
            Ok(mut outcome) => {
                // Its sender is told by the answer.
                let ended = outcome.effects.end.iter().position(|end| end.0 == session);
                let ended = ended.map(|place| outcome.effects.end.swap_remove(place).1);
                self.carry_out(outcome, ctx)
                    .map_err(closed)
                    .and(ended.map_or(Ok(()), Err))
            }
            Err(SessionError::SpaceClosed { reason }) => {
                Err(closed(self.begin_again(&EchoError::Store { reason }, ctx)))
            }
            Err(error) => Err(error),
        };
        Answer::Now(received)
    }
}

impl Receive<Produce> for SpaceActor {
    fn receive(
        &mut self,
        message: Produce,
        _: &Context<Self>,
    ) -> Answer<Result<Produced, SessionError>> {
        let Produce { session, bytes_max } = message;
        let now_ms = self.shared.clock.wall_ms();
        let store = Arc::clone(&self.shared.store);
        let produced = match self.space() {
            Ok(space) => space.produce(session, bytes_max, now_ms, &store),
            Err(error) => Err(SessionError::SpaceClosed {
                reason: error.to_string(),
            }),
        };
        for message in produced.iter().flat_map(|produced| &produced.messages) {
            if let Message::Run(run) = message {
                self.transferred.sent_blocks += run.blocks.len() as u64;
                self.transferred.sent_bytes += run.bytes() as u64;
            }
        }
        Answer::Now(produced)
    }
}
