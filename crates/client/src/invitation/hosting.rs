//! The host's side: moves messages, time and admissions between guests and the state machines.

use std::sync::Arc;

use async_trait::async_trait;
use dxos_mesh::InvitationHandler;
use dxos_protocol::echo::{AdmitMember, EchoError};
use dxos_protocol::invitation::{GuestMessage, HostMessage, InvitationType, Refusal};
use dxos_transport::{Connection, FrameReceiver, FrameSender, Stream};
use tokio::sync::mpsc;

use super::host::{Admission, Admitted, ExchangeId, Input};
use super::hosted::Hosted;
use super::registry::{Invitations, stopped};
use super::settling::Pending;
use super::{BINDING_LABEL, STEP_TIMEOUT};

impl Invitations {
    fn step(&self, hosted: &Hosted, exchange: ExchangeId, input: Input) -> Option<Pending> {
        let mut out = Vec::new();
        let mut state = hosted.state();
        let now_ms = self.clock.wall_ms();
        self.with_rng(|rng| state.machine.step(now_ms, exchange, input, rng, &mut out));
        self.settle(hosted, &mut state, out)
    }

    /// Serves one guest from its first message on.
    async fn serve(
        &self,
        hosted: &Hosted,
        first: GuestMessage,
        connection: &Arc<dyn Connection>,
        stream: Stream,
    ) {
        let Stream {
            mut sender,
            mut receiver,
            ..
        } = stream;
        let (outlet, mut inlet) = mpsc::unbounded_channel();
        let exchange = {
            let mut state = hosted.state();
            state.next_exchange += 1;
            let exchange = ExchangeId(state.next_exchange);
            state.outlets.insert(exchange, outlet);
            exchange
        };
        let connected = Input::Connected {
            guest: connection.peer(),
            binding: connection.binding(BINDING_LABEL),
        };
        // Neither leads to an admission.
        drop(self.step(hosted, exchange, connected));
        let mut pending = self.step(hosted, exchange, Input::Message(first));
        loop {
            if let Some(Pending {
                exchange,
                admission,
            }) = pending.take()
            {
                let admitted = self.admit(hosted, admission).await;
                pending = self.step(hosted, exchange, Input::Admission(admitted));
                continue;
            }
            tokio::select! {
                biased;
                message = inlet.recv() => match message {
                    Some(message) => {
                        if !self.send(&mut sender, &message).await {
                            break;
                        }
                    }
                    None => {
                        // The last message counts: wait until the guest has it.
                        let delivered = self.clock.timeout(STEP_TIMEOUT, sender.delivered()).await;
                        tracing::debug!(?delivered, "exchange ended");
                        break;
                    }
                },
                input = next_input(&mut receiver) => {
                    let closed = matches!(input, Input::Closed);
                    pending = self.step(hosted, exchange, input);
                    if closed {
                        break;
                    }
                }
            }
        }
        hosted.state().outlets.remove(&exchange);
        drop(self.step(hosted, exchange, Input::Closed));
    }

    /// Has a guest admitted, to the space or to the identity.
    async fn admit(&self, hosted: &Hosted, admission: Admission) -> Result<Admitted, Refusal> {
        let terms = hosted.state().machine.terms().clone();
        match admission {
            Admission::Member { chain, profile } => {
                let delegated = hosted.invitation_type == InvitationType::Delegated;
                if delegated
                    && hosted.is_open()
                    && !self.is_delegated(hosted.space, &hosted.id).await
                {
                    // Cancelled, or used at another host, since the guest came.
                    return Err(Refusal::Unknown);
                }
                let message = AdmitMember {
                    space: hosted.space,
                    chain,
                    role: terms.role,
                    profile,
                    invitation: terms.single_use.then_some(terms.id),
                    history: terms.history,
                };
                let admitted = self.echo.admit.ask(message).await;
                let admitted = admitted.map_err(stopped).flatten();
                admitted.map(Admitted::Member).map_err(|error| match error {
                    EchoError::AlreadyMember { .. } => Refusal::AlreadyMember,
                    EchoError::InvitationUsed { .. } => Refusal::Unknown,
                    error => {
                        tracing::warn!(%error, "a guest could not be admitted");
                        Refusal::HostFailed
                    }
                })
            }
            Admission::Device(device) => match self.devices.authorize(device).await {
                Ok(admission) => Ok(Admitted::Device(Box::new(admission))),
                Err(error) => {
                    tracing::warn!(%error, "a device could not be admitted");
                    Err(Refusal::HostFailed)
                }
            },
        }
    }

    /// Whether it was sent in time.
    async fn send(&self, sender: &mut FrameSender, message: &HostMessage) -> bool {
        let Ok(frame) = message.encode() else {
            return false;
        };
        matches!(
            self.clock.timeout(STEP_TIMEOUT, sender.send(frame)).await,
            Ok(Ok(()))
        )
    }
}

async fn next_input(receiver: &mut FrameReceiver) -> Input {
    match receiver.receive().await {
        Ok(Some(frame)) => GuestMessage::decode(&frame).map_or(Input::Malformed, Input::Message),
        _ => Input::Closed,
    }
}

#[async_trait]
impl InvitationHandler for Invitations {
    async fn accepted(&self, connection: Arc<dyn Connection>, mut stream: Stream) {
        let first = self
            .clock
            .timeout(STEP_TIMEOUT, stream.receiver.receive())
            .await;
        let Ok(Ok(Some(frame))) = first else { return };
        let Ok(first) = GuestMessage::decode(&frame) else {
            return;
        };
        let hosted = match &first {
            GuestMessage::Introduce { invitation } => self.find(*invitation).await,
            _ => None,
        };
        match hosted {
            Some(hosted) => self.serve(&hosted, first, &connection, stream).await,
            None => {
                let refused = HostMessage::Refused {
                    refusal: Refusal::Unknown,
                };
                if self.send(&mut stream.sender, &refused).await {
                    let sent = self
                        .clock
                        .timeout(STEP_TIMEOUT, stream.sender.delivered())
                        .await;
                    tracing::debug!(?sent, "an unknown invitation was refused");
                }
            }
        }
    }
}
