//! What a host holds of its invitation.

use std::fmt;
use std::sync::{Arc, Weak};

use dxos_credentials::{Right, Role};
use dxos_keys::{InvitationId, SpaceKey, Topic};
use dxos_protocol::echo::{EchoError, ListMembers};
use dxos_protocol::invitation::{InvitationKind, InvitationType};
use dxos_wire::limits::INVITATION_HOSTS_MAX;
use tokio::sync::watch;

use super::hosted::Hosted;
use super::record::HostProof;
use super::registry::Invitations;
use super::{
    HostAddress, Invitation, InvitationCode, InvitationError, InvitationOptions, InvitationProof,
    InvitationStatus,
};
use crate::assemble::{Network, Node};
use crate::{Client, ClientError, Space};

/// Addresses of other hosts that stand in the text of an invitation, for each.
const ADDRESSES_OF_OTHERS: usize = 3;

/// An invitation that this client hosts. Dropping this leaves it open; it ends when it is used,
/// cancelled or expired, or after three wrong codes. One that is not persistent ends with the
/// client.
#[derive(Clone)]
pub struct InvitationHost {
    /// Whoever holds this does not keep the client running.
    invitations: Weak<Invitations>,
    hosted: Arc<Hosted>,
    invitation: Invitation,
    code: Option<InvitationCode>,
}

impl fmt::Debug for InvitationHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InvitationHost")
            .field("id", &self.invitation.id)
            .field("state", &self.status().state)
            .finish_non_exhaustive()
    }
}

impl InvitationHost {
    /// Makes an invitation to a space.
    pub(crate) async fn to_space(
        space: &Space,
        options: InvitationOptions,
    ) -> Result<Self, ClientError> {
        let node = space.client().node()?;
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        options.check(InvitationKind::Space)?;
        let report = space.report().await?;
        if !report.role.is_some_and(|role| role.allows(Right::Admit)) {
            let (space, role) = (space.key(), report.role);
            let action = "invite members";
            return Err(EchoError::NotPermitted {
                space,
                role,
                action,
            }
            .into());
        }
        let kind = InvitationKind::Space;
        let begun = node.invitations.begin(kind, space.key(), &options);
        let hosted = begun.await?;
        Self::of(&node, &network, hosted).await
    }

    /// Makes an invitation for a device.
    pub(crate) async fn for_device(
        client: &Client,
        options: InvitationOptions,
    ) -> Result<Self, ClientError> {
        let node = client.node()?;
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        options.check(InvitationKind::Device)?;
        let space = node.devices.space().await?;
        let kind = InvitationKind::Device;
        let hosted = node.invitations.begin(kind, space, &options).await?;
        Self::of(&node, &network, hosted).await
    }

    /// One that is open already; `None` when this device cannot show its text.
    pub(super) async fn again(node: &Node, network: &Network, hosted: Arc<Hosted>) -> Option<Self> {
        Self::of(node, network, hosted).await.ok()
    }

    async fn of(node: &Node, network: &Network, hosted: Arc<Hosted>) -> Result<Self, ClientError> {
        let id = hosted.id;
        let unknown = InvitationError::UnknownInvitation { invitation: id };
        let invitation = text_of(node, network, &hosted).await.ok_or(unknown)?;
        Ok(Self {
            invitations: Arc::downgrade(&node.invitations),
            code: code_of(&hosted),
            hosted,
            invitation,
        })
    }

    /// Its name.
    pub const fn id(&self) -> InvitationId {
        self.invitation.id
    }

    /// What to hand to the guest; its `Display` is the text form.
    pub const fn invitation(&self) -> &Invitation {
        &self.invitation
    }

    /// The six digits to tell the guest over another channel; `None` when none are asked for.
    pub fn auth_code(&self) -> Option<&str> {
        self.code.as_ref().map(InvitationCode::as_str)
    }

    /// Where it stands.
    pub fn status(&self) -> InvitationStatus {
        self.hosted.status.borrow().clone()
    }

    /// The same as it changes; states in between may be skipped.
    pub fn watch(&self) -> watch::Receiver<InvitationStatus> {
        self.hosted.status.subscribe()
    }

    /// Waits until it has ended; for one of many uses that is never by being used.
    ///
    /// # Errors
    ///
    /// [`InvitationError`] when it ended without a new member.
    pub async fn finished(&self) -> Result<InvitationStatus, InvitationError> {
        let mut watch = self.watch();
        let ended = watch.wait_for(|status| status.state.is_final()).await;
        let status = ended.map_err(|_| InvitationError::Stopped)?.clone();
        match status.error {
            Some(error) => Err(error),
            None => Ok(status),
        }
    }

    /// Ends it. A delegated one ends here at once, and elsewhere as its hosts hear of it. Nothing
    /// happens once the client has ended.
    pub fn cancel(&self) {
        if let Some(invitations) = self.invitations.upgrade() {
            invitations.cancel(&self.hosted);
        }
    }
}

pub(super) fn code_of(hosted: &Hosted) -> Option<InvitationCode> {
    match &hosted.proof {
        HostProof::Code(secret) => Some(InvitationCode::of_secret(secret)),
        _ => None,
    }
}

/// What to hand to the guest; `None` where this device does not have the key that stands in it.
pub(super) async fn text_of(node: &Node, network: &Network, hosted: &Hosted) -> Option<Invitation> {
    let proof = match &hosted.proof {
        HostProof::None => InvitationProof::None,
        HostProof::Code(_) => InvitationProof::Code,
        HostProof::Key { secret, .. } => InvitationProof::Key(secret.clone()?),
        HostProof::Identity(identity) => InvitationProof::Identity(*identity),
    };
    let mut hosts = vec![HostAddress {
        device: node.invitations.device,
        addresses: network.addresses(),
    }];
    if hosted.invitation_type == InvitationType::Delegated {
        hosts.extend(other_hosts(node, hosted.space).await);
    }
    let invitation = Invitation {
        id: hosted.id,
        kind: hosted.kind,
        invitation_type: hosted.invitation_type,
        topic: Topic::of_space(&hosted.space),
        hosts,
        signal: network.signal.clone(),
        proof,
        expires_ms: hosted.state().machine.terms().expires_ms,
        target: hosted.target.clone(),
    };
    Some(invitation.shortened())
}

/// Other devices of admins, those first whose addresses are known.
async fn other_hosts(node: &Node, space: SpaceKey) -> Vec<HostAddress> {
    let members = node.echo.list_members().ask(ListMembers { space }).await;
    let Ok(Ok(members)) = members else {
        return Vec::new();
    };
    let topic = Topic::of_space(&space);
    let known = node.address_book.peers().unwrap_or_default();
    let admins = members.into_iter().filter(|m| m.role == Role::Admin);
    let mut hosts: Vec<_> = admins
        .flat_map(|member| member.devices)
        .filter(|device| *device != node.invitations.device)
        .map(|device| {
            let at = known
                .iter()
                .find(|p| p.device == device && p.topic == topic);
            let mut addresses = at.map(|p| p.addresses.clone()).unwrap_or_default();
            addresses.truncate(ADDRESSES_OF_OTHERS);
            HostAddress { device, addresses }
        })
        .collect();
    hosts.sort_by_key(|host| host.addresses.is_empty());
    hosts.truncate(INVITATION_HOSTS_MAX.saturating_sub(1));
    hosts
}
