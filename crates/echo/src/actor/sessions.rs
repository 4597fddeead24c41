//! Sessions with peers: passed on to the actor of the space that they replicate.

use dxos_actors::{Answer, Context, Port, Receive};
use dxos_protocol::auth::{JudgeEvidence, Judgement, NoEvidence, PresentEvidence};
use dxos_protocol::replicate::{
    CloseSession, OpenSession, Produce, Receive as ReceiveMessage, SessionError,
};

use super::EchoActor;

impl Receive<OpenSession> for EchoActor {
    fn receive(
        &mut self,
        message: OpenSession,
        _: &Context<Self>,
    ) -> Answer<Result<(), SessionError>> {
        let space = self.topics.get(&message.topic);
        let Some((space, address)) =
            space.and_then(|space| Some((*space, self.spaces.get(space)?)))
        else {
            let reason = "it is not open".to_owned();
            return Answer::Now(Err(SessionError::SpaceClosed { reason }));
        };
        self.sessions.insert(message.session, space);
        let port: Port<OpenSession> = address.port();
        Answer::later(async move { port.ask(message).await.unwrap_or_else(|e| Err(closed(e))) })
    }
}

fn closed(error: dxos_actors::PortError) -> SessionError {
    SessionError::SpaceClosed {
        reason: error.to_string(),
    }
}

impl Receive<ReceiveMessage> for EchoActor {
    fn receive(
        &mut self,
        message: ReceiveMessage,
        _: &Context<Self>,
    ) -> Answer<Result<(), SessionError>> {
        let Some(address) = self.session(message.session) else {
            return Answer::Now(Err(SessionError::Unknown));
        };
        let port: Port<ReceiveMessage> = address.port();
        Answer::later(async move { port.ask(message).await.unwrap_or_else(|e| Err(closed(e))) })
    }
}

impl Receive<Produce> for EchoActor {
    fn receive(
        &mut self,
        message: Produce,
        _: &Context<Self>,
    ) -> Answer<Result<dxos_protocol::replicate::Produced, SessionError>> {
        let Some(address) = self.session(message.session) else {
            return Answer::Now(Err(SessionError::Unknown));
        };
        let port: Port<Produce> = address.port();
        Answer::later(async move { port.ask(message).await.unwrap_or_else(|e| Err(closed(e))) })
    }
}

impl Receive<CloseSession> for EchoActor {
    fn receive(&mut self, message: CloseSession, _: &Context<Self>) -> Answer<()> {
        let Some(address) = self.session(message.session) else {
            return Answer::Now(());
        };
        let port: Port<CloseSession> = address.port();
        self.sessions.remove(&message.session);
        Answer::later(async move {
            if let Err(error) = port.ask(message).await {
                tracing::debug!(%error, "session of a space that has stopped");
            }
        })
    }
}

impl Receive<PresentEvidence> for EchoActor {
    fn receive(
        &mut self,
        message: PresentEvidence,
        _: &Context<Self>,
    ) -> Answer<Result<dxos_protocol::auth::Presented, NoEvidence>> {
        let space = self
            .topics
            .get(&message.topic)
            .and_then(|space| self.spaces.get(space));
        let Some(address) = space else {
            return Answer::Now(Err(NoEvidence));
        };
        let port: Port<PresentEvidence> = address.port();
        Answer::later(async move { port.ask(message).await.unwrap_or(Err(NoEvidence)) })
    }
}

impl Receive<JudgeEvidence> for EchoActor {
    fn receive(&mut self, message: JudgeEvidence, _: &Context<Self>) -> Answer<Judgement> {
        let space = self
            .topics
            .get(&message.topic)
            .and_then(|space| self.spaces.get(space));
        let Some(address) = space else {
            return Answer::Now(Judgement::Refused);
        };
        let port: Port<JudgeEvidence> = address.port();
        Answer::later(async move { port.ask(message).await.unwrap_or(Judgement::Refused) })
    }
}
