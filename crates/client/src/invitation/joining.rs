//! The guest's side: from the text of an invitation to a space.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::PortError;
use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::echo::{AdmissionTicket, EchoError, JoinSpace, ListSpaces, SpaceReport};
use dxos_protocol::halo::{Authority, GetAuthority};
use dxos_protocol::invitation::{GuestMessage, HostMessage, Refusal};
use dxos_protocol::mesh::AddPeer;
use dxos_transport::{Announcement, Connection, DiscoveryEvent, PeerAddress, Stream};
use dxos_wire::StreamKind;
use tokio::sync::{mpsc, watch};

use super::guest::{Failure, GuestExchange, Output};
use super::{
    BINDING_LABEL, Invitation, InvitationError, InvitationState, InvitationStatus, STEP_TIMEOUT,
};
use crate::assemble::{Network, Node};
use crate::{Client, ClientError, Space};

/// How far the clocks of host and guest may differ before an invitation counts as expired
/// without asking the host.
const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// How long a host that no address leads to is looked for by other means.
const SEARCH: Duration = Duration::from_secs(30);
/// How long a user may take to type the code, or a host to admit.
const PATIENCE: Duration = Duration::from_secs(600);
/// Joining writes the whole membership of the space.
const JOIN_DEADLINE: Duration = Duration::from_secs(120);

#[derive(Debug)]
enum Command {
    Authenticate(String),
    Cancel,
}

/// An invitation that is being accepted. Dropping every clone of it before it has succeeded
/// gives it up.
#[derive(Clone)]
pub struct InvitationFlow {
    client: Client,
    status: watch::Receiver<InvitationStatus>,
    commands: mpsc::Sender<Command>,
}

impl fmt::Debug for InvitationFlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InvitationFlow")
            .field("state", &self.status().state)
            .finish_non_exhaustive()
    }
}

impl InvitationFlow {
    pub(crate) async fn start(
        client: &Client,
        invitation: Invitation,
    ) -> Result<Self, ClientError> {
        let node = client.node()?;
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        let authority = node
            .halo
            .authority()
            .ask(GetAuthority)
            .await
            .map_err(ClientError::unanswered("HALO"))??;
        let spaces = node.echo.list_spaces().ask(ListSpaces).await;
        let spaces = spaces.map_err(ClientError::unanswered("ECHO"))?;
        let joined = spaces
            .iter()
            .find(|report| report.topic == invitation.topic);
        if let Some(SpaceReport { space, .. }) = joined {
            return Err(InvitationError::AlreadyJoined { space: *space }.into());
        }
        let latest_ms = invitation.expires_ms.saturating_add(CLOCK_TOLERANCE_MS);
        if node.clock.wall_ms() > latest_ms {
            return Err(InvitationError::Expired.into());
        }
        let status = InvitationStatus::new(InvitationState::Connecting, None);
        let (status, watched) = watch::channel(status);
        // A user types one code at a time.
        let (commands, inbox) = mpsc::channel(4);
        let spawner = node.spawner.clone();
        let guest = Guest {
            node,
            network,
            authority,
            invitation,
            status,
            inbox,
        };
        spawner
            .spawn("invitation", move || guest.run())
            .map_err(|_| InvitationError::Stopped)?;
        Ok(Self {
            client: client.clone(),
            status: watched,
            commands,
        })
    }

    /// Where it stands.
    pub fn status(&self) -> InvitationStatus {
        self.status.borrow().clone()
    }

    /// The same as it changes; states in between may be skipped.
    pub fn watch(&self) -> watch::Receiver<InvitationStatus> {
        self.status.clone()
    }

    /// Tries the code that the host told over another channel, and waits for the outcome: the
    /// next state but [`InvitationState::Authenticating`]. When it is
    /// [`InvitationState::ReadyForAuthentication`] again, the code was wrong.
    ///
    /// # Errors
    ///
    /// [`InvitationError::BadCode`] for what cannot be a code, which costs no attempt;
    /// otherwise why the invitation failed.
    pub async fn authenticate(&self, code: &str) -> Result<InvitationStatus, InvitationError> {
        let digits: String = code
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvitationError::BadCode);
        }
        let mut watch = self.watch();
        let ready = watch.wait_for(|status| {
            status.state == InvitationState::ReadyForAuthentication || status.state.is_final()
        });
        let ready = ready.await.map_err(|_| InvitationError::Stopped)?.clone();
        if ready.state.is_final() {
            return Err(ready.error.unwrap_or(InvitationError::NotAwaitingCode));
        }
        let sent = self.commands.send(Command::Authenticate(digits)).await;
        sent.map_err(|_| InvitationError::NotAwaitingCode)?;
        // The attempt shows as a change first: the guest leaves the state of waiting.
        let left = watch.wait_for(|status| {
            status.state.is_final() || status.attempts_left != ready.attempts_left
        });
        let outcome = left.await.map_err(|_| InvitationError::Stopped)?.clone();
        match outcome.error.clone() {
            Some(error) => Err(error),
            None => Ok(outcome),
        }
    }

    /// Gives it up. Nothing happens when it has ended.
    pub fn cancel(&self) {
        // A full inbox holds commands that end before this one matters.
        drop(self.commands.try_send(Command::Cancel));
    }

    /// Waits until this device is a member and the space is usable.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] says why not.
    pub async fn joined(&self) -> Result<Space, ClientError> {
        let mut watch = self.watch();
        let ended = watch.wait_for(|status| status.state.is_final()).await;
        let status = ended.map_err(|_| InvitationError::Stopped)?.clone();
        match (status.space, status.error) {
            (Some(space), None) => Ok(Space::new(self.client.clone(), space)),
            (_, error) => Err(error.unwrap_or(InvitationError::Stopped).into()),
        }
    }
}

/// What a guest's task works with.
struct Guest {
    node: Arc<Node>,
    network: Network,
    authority: Authority,
    invitation: Invitation,
    status: watch::Sender<InvitationStatus>,
    inbox: mpsc::Receiver<Command>,
}

impl Guest {
    async fn run(mut self) {
        let result = match self.connect().await {
            Ok(connection) => self.exchange(connection).await,
            Err(error) => Err(error),
        };
        self.status.send_modify(|status| match result {
            Ok(space) => {
                *status = InvitationStatus::new(InvitationState::Success, Some(space.space));
            }
            Err(error) => {
                status.state = error.state();
                status.error = Some(error);
            }
        });
    }

    fn show(&self, state: InvitationState, attempts_left: Option<u8>) {
        self.status.send_modify(|status| {
            status.state = state;
            status.attempts_left = attempts_left.or(status.attempts_left);
        });
    }

    /// Connects to the host: at the addresses of the invitation, else where it is found.
    async fn connect(&mut self) -> Result<Arc<dyn Connection>, InvitationError> {
        let host = self.invitation.host;
        let known = self
            .invitation
            .addresses
            .iter()
            .filter_map(|text| text.parse().ok());
        let known: Vec<PeerAddress> = known.collect();
        let (node, network, topic) = (
            Arc::clone(&self.node),
            self.network.clone(),
            self.invitation.topic,
        );
        let dial = async move {
            let direct = match network.mesh.connect(host, known).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error.to_string(),
            };
            let found = node
                .clock
                .timeout(SEARCH, find(&network, topic, host))
                .await;
            let Ok(Some(addresses)) = found else {
                return Err(InvitationError::Unreachable {
                    host,
                    reason: direct,
                });
            };
            let dialed = network.mesh.connect(host, addresses).await;
            dialed.map_err(|error| InvitationError::Unreachable {
                host,
                reason: error.to_string(),
            })
        };
        tokio::select! {
            biased;
            () = cancelled(&mut self.inbox) => Err(InvitationError::Cancelled),
            dialed = dial => dialed,
        }
    }

    async fn exchange(
        &mut self,
        connection: Arc<dyn Connection>,
    ) -> Result<SpaceReport, InvitationError> {
        self.show(InvitationState::Connected, None);
        let clock = self.node.clock.clone();
        let opened = clock
            .timeout(STEP_TIMEOUT, connection.open(StreamKind::Invitation))
            .await;
        let stream = opened.map_err(|_| InvitationError::Timeout)?;
        let mut stream = stream.map_err(|_| InvitationError::Lost)?;
        let mut out = Vec::new();
        let guest = self.node.halo.signer().device();
        let binding = connection.binding(BINDING_LABEL);
        let mut machine = GuestExchange::start(&self.invitation, guest, binding, &mut out);
        loop {
            for output in std::mem::take(&mut out) {
                match output {
                    Output::Send(message) => self.send(&mut stream, &message).await?,
                    Output::AskCode { attempts_left } => {
                        self.show(InvitationState::ReadyForAuthentication, attempts_left);
                    }
                    Output::Request => {
                        self.request(&mut stream).await?;
                        machine.requested();
                    }
                    Output::Admitted { ticket, addresses } => {
                        return self.join(ticket, addresses).await;
                    }
                    Output::Failed(failure) => return Err(failed(failure)),
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

    async fn request(&self, stream: &mut Stream) -> Result<(), InvitationError> {
        let Authority {
            chain,
            display_name,
            ..
        } = self.authority.clone();
        self.send(
            stream,
            &GuestMessage::Request {
                chain,
                display_name,
            },
        )
        .await
    }

    /// Takes the space up and tells the mesh where its host is.
    async fn join(
        &self,
        ticket: AdmissionTicket,
        addresses: Vec<String>,
    ) -> Result<SpaceReport, InvitationError> {
        let stopped = |error: PortError| EchoError::Stopped {
            reason: error.to_string(),
        };
        let topic = Topic::of_space(&ticket.space);
        if topic != self.invitation.topic {
            return Err(InvitationError::Protocol);
        }
        let port = self.node.echo.join_space();
        let joined = port.ask_within(JoinSpace { ticket }, JOIN_DEADLINE).await;
        let report = joined.map_err(stopped)??;
        let addresses = if addresses.is_empty() {
            self.invitation.addresses.clone()
        } else {
            addresses
        };
        let peer = AddPeer {
            device: self.invitation.host,
            addresses,
            topic,
        };
        if let Err(error) = self.node.address_book.remember(&peer) {
            tracing::warn!(%error, "the host's address could not be kept");
        }
        if let Ok(Err(error)) = self.network.mesh.add_peer().ask(peer).await {
            tracing::debug!(%error, "the host's address is of no use");
        }
        Ok(report)
    }
}

/// Looks for the host where the swarm of its space meets.
async fn find(network: &Network, topic: Topic, host: DeviceKey) -> Option<Vec<PeerAddress>> {
    let me = Announcement {
        device: network.transport.device(),
        addresses: Vec::new(),
    };
    let mut presence = network.discovery.join(topic, me).await.ok()?;
    loop {
        match presence.next().await? {
            DiscoveryEvent::PeerFound { device, addresses } if device == host => {
                return Some(addresses);
            }
            _ => {}
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
        Failure::Protocol => InvitationError::Protocol,
    }
}
