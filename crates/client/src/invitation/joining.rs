//! The guest's side: finding a host that admits it, and its exchange with each.

use std::sync::Arc;
use std::time::Duration;

use dxos_protocol::invitation::{GuestMessage, HostMessage, InvitationType, Refusal};
use dxos_transport::{Connection, Stream};
use dxos_wire::StreamKind;
use tokio::sync::{mpsc, watch};

use super::arriving::{JOIN_DEADLINE, Joined};
use super::flow::{Command, Guest};
use super::guest::{Failure, GuestExchange, Output};
use super::seek::Seek;
use super::{
    BINDING_LABEL, Invitation, InvitationError, InvitationState, InvitationStatus, STEP_TIMEOUT,
};
use crate::assemble::{Network, Node};

/// How long a user may take to type the code, or a host to admit.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a guest's task works with.
pub(super) struct Joining {
    pub(super) node: Arc<Node>,
    pub(super) network: Network,
    pub(super) guest: Guest,
    pub(super) invitation: Invitation,
    pub(super) status: watch::Sender<InvitationStatus>,
    pub(super) inbox: mpsc::Receiver<Command>,
}

impl Joining {
    pub(super) async fn run(mut self) {
        let result = self.try_hosts().await;
        self.status.send_modify(|status| match &result {
            Ok(joined) => {
                let space = Some(joined.space);
                *status = InvitationStatus::new(InvitationState::Success, space);
                status.identity = Some(joined.identity);
                if let Guest::Device(_) = self.guest {
                    status.device = Some(self.node.halo.signer().device());
                }
            }
            Err(error) => {
                status.state = error.state();
                status.error = Some(error.clone());
            }
        });
        if let (Ok(joined), Guest::Member(_)) = (result, &self.guest) {
            self.follow(joined.space).await;
        }
    }

    fn show(&self, state: InvitationState, attempts_left: Option<u8>) {
        self.status.send_modify(|status| {
            status.state = state;
            status.attempts_left = attempts_left.or(status.attempts_left);
        });
    }

    fn ask_code(&self, attempts_left: Option<u8>) {
        self.status.send_modify(|status| {
            status.state = InvitationState::ReadyForAuthentication;
            status.attempts_left = attempts_left.or(status.attempts_left);
            // With the state: who waits for the outcome of a try must not see them apart.
            status.asked = status.asked.wrapping_add(1);
        });
    }

    /// Asks one host after the other, until one admits this guest or says no for all.
    async fn try_hosts(&mut self) -> Result<Joined, InvitationError> {
        let mut seek = Seek::new(&self.invitation, &self.network, &self.node.clock);
        let mut failed: Option<InvitationError> = None;
        loop {
            let next = tokio::select! {
                biased;
                () = cancelled(&mut self.inbox) => return Err(InvitationError::Cancelled),
                next = seek.next() => next,
            };
            let error = match next {
                Some(Ok(connection)) => match self.exchange(connection).await {
                    Err(error) if self.may_try_another(&error) => error,
                    result => return result,
                },
                Some(Err(error)) => error,
                None => return Err(failed.unwrap_or(InvitationError::Timeout)),
            };
            // What a host has said tells more than that another is away.
            let answered =
                |error: &InvitationError| !matches!(error, InvitationError::Unreachable { .. });
            if failed
                .as_ref()
                .is_none_or(|before| answered(&error) && !answered(before))
            {
                failed = Some(error);
            }
            self.show(InvitationState::Connecting, None);
        }
    }

    /// Whether another host may do what one did not: an admin may not have heard of the
    /// invitation yet, and whoever is met in the swarm may be no admin at all.
    fn may_try_another(&self, error: &InvitationError) -> bool {
        let passes = matches!(
            error,
            InvitationError::Refused(Refusal::Unknown | Refusal::HostFailed | Refusal::Protocol)
                | InvitationError::Downgrade
                | InvitationError::Lost
                | InvitationError::Protocol
                | InvitationError::Timeout
        );
        passes && self.invitation.invitation_type == InvitationType::Delegated
    }

    async fn exchange(
        &mut self,
        connection: Arc<dyn Connection>,
    ) -> Result<Joined, InvitationError> {
        self.show(InvitationState::Connected, None);
        let clock = self.node.clock.clone();
        let opened = clock
            .timeout(STEP_TIMEOUT, connection.open(StreamKind::Invitation))
            .await;
        let stream = opened.map_err(|_| InvitationError::Timeout)?;
        let mut stream = stream.map_err(|_| InvitationError::Lost)?;
        let mut out = Vec::new();
        let (host, guest) = (connection.peer(), self.node.halo.signer().device());
        let binding = connection.binding(BINDING_LABEL);
        let mut machine = GuestExchange::start(&self.invitation, host, guest, binding, &mut out);
        loop {
            // What is sent may lead to more at once.
            while !out.is_empty() {
                for output in std::mem::take(&mut out) {
                    match output {
                        Output::Send(message) => self.send(&mut stream, &message).await?,
                        Output::AskCode { attempts_left } => {
                            self.ask_code(attempts_left);
                        }
                        Output::Request => {
                            self.send(&mut stream, &self.request()).await?;
                            machine.requested();
                        }
                        Output::Admitted { ticket, addresses } => {
                            return self.join(ticket, &connection, addresses).await;
                        }
                        Output::DeviceAdmitted {
                            admission,
                            addresses,
                        } => return self.adopt(*admission, &connection, addresses).await,
                        Output::Failed(failure) => return Err(failed(failure)),
                    }
                }
            }
            let patience = if machine.awaits_code() {
                PATIENCE
            } else {
                JOIN_DEADLINE
            };
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    Some(Command::Authenticate(code)) => {
                        let waited_for = machine.awaits_code();
                        self.node.with_rng(|rng| machine.authenticate(&code, rng, &mut out));
                        if waited_for {
                            self.show(InvitationState::Authenticating, None);
                        }
                    }
                    Some(Command::Cancel) | None => {
                        // Whether the host hears of it is its concern.
                        drop(self.send(&mut stream, &GuestMessage::Cancel).await);
                        drop(clock.timeout(STEP_TIMEOUT, stream.sender.delivered()).await);
                        return Err(InvitationError::Cancelled);
                    }
                },
                frame = clock.timeout(patience, stream.receiver.receive()) => {
                    let frame = frame.map_err(|_| InvitationError::Timeout)?;
                    let Ok(Some(frame)) = frame else { return Err(InvitationError::Lost) };
                    let message = HostMessage::decode(&frame);
                    machine.receive(message.map_err(|_| InvitationError::Protocol)?, &mut out);
                }
            }
        }
    }

    async fn send(
        &self,
        stream: &mut Stream,
        message: &GuestMessage,
    ) -> Result<(), InvitationError> {
        let frame = message.encode().map_err(|_| InvitationError::Protocol)?;
        let sent = self
            .node
            .clock
            .timeout(STEP_TIMEOUT, stream.sender.send(frame))
            .await;
        // A host that refused has stopped reading, and its answer is still to be read.
        drop(sent.map_err(|_| InvitationError::Timeout)?);
        Ok(())
    }

    fn request(&self) -> GuestMessage {
        match &self.guest {
            Guest::Member(authority) => GuestMessage::Request {
                chain: authority.chain.clone(),
                profile: authority.profile.clone(),
            },
            Guest::Device(profile) => GuestMessage::RequestDevice {
                device: self.node.halo.signer().device(),
                sealing: self.node.halo.sealing_key(),
                profile: profile.clone(),
            },
        }
    }
}

/// Completes when the user gave up.
async fn cancelled(inbox: &mut mpsc::Receiver<Command>) {
    while let Some(command) = inbox.recv().await {
        if matches!(command, Command::Cancel) {
            return;
        }
    }
}

fn failed(failure: Failure) -> InvitationError {
    match failure {
        Failure::Refused(Refusal::Expired) => InvitationError::Expired,
        Failure::Refused(refusal) => InvitationError::Refused(refusal),
        Failure::Impostor => InvitationError::Impostor,
        Failure::Downgrade => InvitationError::Downgrade,
        Failure::Protocol => InvitationError::Protocol,
    }
}
