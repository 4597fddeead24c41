//! What a guest does once a host has admitted it.

use std::sync::Arc;
use std::time::Duration;

use dxos_credentials::Departure;
use dxos_keys::{IdentityKey, SpaceKey, Topic};
use dxos_protocol::echo::{AdmissionTicket, EchoError, JoinSpace, WatchSpace};
use dxos_protocol::mesh::AddPeer;
use dxos_transport::Connection;

use super::InvitationError;
use super::device::DeviceAdmission;
use super::flow::Guest;
use super::joining::Joining;
use super::registry::stopped;

/// Joining writes the whole membership of the space.
pub(super) const JOIN_DEADLINE: Duration = Duration::from_secs(120);

/// What a guest has become.
#[derive(Clone, Copy)]
pub(super) struct Joined {
    pub(super) space: SpaceKey,
    pub(super) identity: IdentityKey,
}

impl Joining {
    /// Takes the space up and tells the mesh where its host is.
    pub(super) async fn join(
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
    pub(super) async fn adopt(
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
    pub(super) async fn follow(&self, space: SpaceKey) {
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
