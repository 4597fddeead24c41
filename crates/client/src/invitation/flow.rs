//! An invitation that is being accepted, as its user sees it.

use std::fmt;
use std::sync::Arc;

use dxos_credentials::Profile;
use dxos_keys::{IdentityKey, SpaceKey};
use dxos_protocol::echo::{ListSpaces, SpaceReport};
use dxos_protocol::halo::{Authority, GetAuthority, GetIdentity};
use dxos_protocol::invitation::InvitationKind;
use tokio::sync::{mpsc, watch};

use super::joining::Joining;
use super::{Invitation, InvitationError, InvitationProof, InvitationState, InvitationStatus};
use crate::assemble::Node;
use crate::{Client, ClientError, Space};

/// How far the clocks of host and guest may differ before an invitation counts as expired
/// without asking the host.
const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// The field of a device's profile that says what it runs on.
const PLATFORM: &str = "platform";

/// What a user wants of an invitation that is being accepted.
#[derive(Debug)]
pub(super) enum Command {
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
pub(super) enum Guest {
    /// As its identity, to a space.
    Member(Box<Authority>),
    /// As a device without an identity, to that of the host.
    Device(Profile),
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
