//! The guest's side: from the text of an invitation to a space, or to an identity.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dxos_credentials::{Departure, Profile};
use dxos_keys::{IdentityKey, SpaceKey, Topic};
use dxos_protocol::echo::{
    AdmissionTicket, EchoError, JoinSpace, ListSpaces, SpaceReport, WatchSpace,
};
use dxos_protocol::halo::{Authority, GetAuthority, GetIdentity};
use dxos_protocol::invitation::{
    GuestMessage, HostMessage, InvitationKind, InvitationType, Refusal,
};
use dxos_protocol::mesh::AddPeer;
use dxos_transport::{Connection, Stream};
use dxos_wire::StreamKind;
use tokio::sync::{mpsc, watch};

use super::device::DeviceAdmission;
use super::guest::{Failure, GuestExchange, Output};
use super::registry::stopped;
use super::seek::Seek;
use super::{
    BINDING_LABEL, Invitation, InvitationError, InvitationProof, InvitationState, InvitationStatus,
    STEP_TIMEOUT,
};
use crate::assemble::{Network, Node};
use crate::{Client, ClientError, Space};

/// How far the clocks of host and guest may differ before an invitation counts as expired
/// without asking the host.
const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// How long a user may take to type the code, or a host to admit.
const PATIENCE: Duration = Duration::from_secs(600);
/// Joining writes the whole membership of the space.
const JOIN_DEADLINE: Duration = Duration::from_secs(120);
/// The field of a device's profile that says what it runs on.
const PLATFORM: &str = "platform";

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

/// As what a guest comes.
enum Guest {
    /// As its identity, to a space.
    Member(Box<Authority>),
    /// As a device without an identity, to that of the host.
    Device(Profile),
}

/// What a guest has become.
#[derive(Clone, Copy)]
struct Joined {
    space: SpaceKey,
    identity: IdentityKey,
}

impl InvitationFlow {
    /// Joins a space.
    pub(crate) async fn to_space(
        client: &Client,
        invitation: Invitation,
    ) -> Result<Self, ClientError> {
        if invitation.kind != InvitationKind::Space {
            return Err(InvitationError::WrongKind { device: true }.into());
        }
        let node = client.node()?;
        let authority = node
            .halo
            .authority()
            .ask(GetAuthority)
            .await
            .map_err(ClientError::unanswered("HALO"))??;
        if let InvitationProof::Identity(identity) = invitation.proof
            && identity != authority.chain.device().identity
        {
            return Err(InvitationError::NotInvited { identity }.into());
        }
        let spaces = node.echo.list_spaces().ask(ListSpaces).await;
        let spaces = spaces.map_err(ClientError::unanswered("ECHO"))?;
        let joined = spaces
            .iter()
            // Who is no member any more may be invited again.
            .find(|report| report.topic == invitation.topic && report.departure.is_none());
        if let Some(SpaceReport { space, .. }) = joined {
            return Err(InvitationError::AlreadyJoined { space: *space }.into());
        }
        let guest = Guest::Member(Box::new(authority));
        Self::start(client, node, invitation, guest)
    }

    /// Makes this device one of the host's identity. `profile` is what is shown of the device.
    pub(crate) async fn to_identity(
        client: &Client,
        invitation: Invitation,
        mut profile: Profile,
    ) -> Result<Self, ClientError> {
        if invitation.kind != InvitationKind::Device {
            return Err(InvitationError::WrongKind { device: false }.into());
        }
        let node = client.node()?;
        let identity = node.halo.identity().ask(GetIdentity).await;
        let identity = identity.map_err(ClientError::unanswered("HALO"))?;
        if let Some(identity) = identity {
            let identity = identity.identity;
            return Err(InvitationError::HasIdentity { identity }.into());
        }
        let platform = crate::identity::platform;
        profile
            .fields
            .entry(PLATFORM.to_owned())
            .or_insert_with(platform);
        if profile.check().is_err() {
            let reason = "the device's name cannot be shown, or its profile is too large";
            return Err(InvitationError::BadOptions { reason }.into());
        }
        Self::start(client, node, invitation, Guest::Device(profile))
    }

    fn start(
        client: &Client,
        node: Arc<Node>,
        invitation: Invitation,
        guest: Guest,
    ) -> Result<Self, ClientError> {
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        let latest_ms = invitation.expires_ms.saturating_add(CLOCK_TOLERANCE_MS);
        if node.clock.wall_ms() > latest_ms {
            return Err(InvitationError::Expired.into());
        }
        let status = InvitationStatus::new(InvitationState::Connecting, None);
        let (status, watched) = watch::channel(status);
        // A user types one code at a time.
        let (commands, inbox) = mpsc::channel(4);
        let spawner = node.spawner.clone();
        let joining = Joining {
            node,
            network,
            guest,
            invitation,
            status,
            inbox,
        };
        spawner
            .spawn("invitation", move || joining.run())
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
        let left = watch.wait_for(|status| status.state.is_final() || status.asked != ready.asked);
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

    /// Waits until this device is a member and the space is usable. Of an invitation for a
    /// device it is the space in which the identity keeps its devices.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] says why not.
    pub async fn joined(&self) -> Result<Space, ClientError> {
        let (space, _) = self.ended().await?;
        Ok(Space::new(self.client.clone(), space))
    }

    /// Waits until this device is one of the host's identity, and tells which that is. Of an
    /// invitation to a space it is the own one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] says why not.
    pub async fn adopted(&self) -> Result<IdentityKey, ClientError> {
        Ok(self.ended().await?.1)
    }

    async fn ended(&self) -> Result<(SpaceKey, IdentityKey), InvitationError> {
        let mut watch = self.watch();
        let ended = watch.wait_for(|status| status.state.is_final()).await;
        let status = ended.map_err(|_| InvitationError::Stopped)?.clone();
        match (status.space, status.identity, status.error) {
            (Some(space), Some(identity), None) => Ok((space, identity)),
            (_, _, error) => Err(error.unwrap_or(InvitationError::Stopped)),
        }
    }
}

/// What a guest's task works with.
struct Joining {
    node: Arc<Node>,
    network: Network,
    guest: Guest,
    invitation: Invitation,
    status: watch::Sender<InvitationStatus>,
    inbox: mpsc::Receiver<Command>,
}

impl Joining {
    async fn run(mut self) {
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

    /// Takes the space up and tells the mesh where its host is.
    async fn join(
        &self,
        ticket: AdmissionTicket,
        connection: &Arc<dyn Connection>,
        addresses: Vec<String>,
    ) -> Result<Joined, InvitationError> {
        let Guest::Member(authority) = &self.guest else {
            return Err(InvitationError::Protocol);
        };
        let identity = authority.chain.device().identity;
        if Topic::of_space(&ticket.space) != self.invitation.topic {
            return Err(InvitationError::Protocol);
        }
        let space = ticket.space;
        let port = self.node.echo.join_space();
        let joined = port.ask_within(JoinSpace { ticket }, JOIN_DEADLINE).await;
        let joined = joined.map_err(stopped).flatten();
        let addresses = self.host_addresses(connection, addresses);
        self.meet(Topic::of_space(&space), connection, addresses)
            .await;
        match joined {
            Ok(_) => {}
            // What is here of a membership that ended goes on from where it was.
            Err(EchoError::AlreadyJoined { space }) => self.member_again(space).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(Joined { space, identity })
    }

    /// Waits until a space that is here has heard that this identity is a member again.
    async fn member_again(&self, space: SpaceKey) -> Result<(), InvitationError> {
        let watch = self.node.echo.watch_space().ask(WatchSpace { space }).await;
        let mut watch = watch.map_err(stopped)??;
        let member = watch.wait_for(|report| report.role.is_some());
        let waited = self.node.clock.timeout(JOIN_DEADLINE, member).await;
        let heard = waited.map_err(|_| InvitationError::Timeout)?;
        heard.map(drop).map_err(|_| InvitationError::Stopped)
    }

    /// Makes this device one of the host's identity.
    async fn adopt(
        &self,
        admission: DeviceAdmission,
        connection: &Arc<dyn Connection>,
        addresses: Vec<String>,
    ) -> Result<Joined, InvitationError> {
        let space = admission.ticket.space;
        if Topic::of_space(&space) != self.invitation.topic {
            return Err(InvitationError::Protocol);
        }
        let addresses = self.host_addresses(connection, addresses);
        let host = (connection.peer(), addresses.clone());
        let adopted = self.node.devices.adopt(admission, host).await;
        let identity = adopted.map_err(|error| InvitationError::NotAdopted {
            reason: error.to_string(),
        })?;
        let topic = Topic::of_space(&space);
        self.meet(topic, connection, addresses).await;
        Ok(Joined { space, identity })
    }

    /// Where the host says that it is, or else where it was reached.
    fn host_addresses(
        &self,
        connection: &Arc<dyn Connection>,
        mut addresses: Vec<String>,
    ) -> Vec<String> {
        let device = connection.peer();
        let listed = self.invitation.hosts.iter().find(|h| h.device == device);
        if addresses.is_empty() {
            addresses = listed.map(|h| h.addresses.clone()).unwrap_or_default();
        }
        if addresses.is_empty() {
            addresses.extend(connection.address().map(|address| address.to_string()));
        }
        addresses
    }

    /// Tells the mesh where the host is, now and after a restart.
    async fn meet(&self, topic: Topic, connection: &Arc<dyn Connection>, addresses: Vec<String>) {
        let device = connection.peer();
        let peer = AddPeer {
            device,
            addresses,
            topic,
        };
        if let Err(error) = self.node.address_book.remember(&peer) {
            tracing::warn!(%error, "the host's address could not be kept");
        }
        if let Ok(Err(error)) = self.network.mesh.add_peer().ask(peer).await {
            tracing::debug!(%error, "the host's address is of no use");
        }
    }

    /// Tells, as long as somebody looks, when the admission turns out not to count.
    async fn follow(&self, space: SpaceKey) {
        let watch = self.node.echo.watch_space().ask(WatchSpace { space }).await;
        let Ok(Ok(mut watch)) = watch else { return };
        loop {
            let departure = watch.borrow_and_update().departure;
            if let Some(Departure::InvitationLost { invitation }) = departure {
                let error = InvitationError::AdmittedAnother { invitation };
                self.status.send_modify(|status| {
                    status.state = error.state();
                    status.error = Some(error);
                });
                return;
            }
            let changed = tokio::select! {
                biased;
                () = self.status.closed() => return,
                changed = watch.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
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
