//! Looking for the hosts of an invitation: at the addresses that stand in it, then where their
//! swarm meets.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use dxos_actors::Clock;
use dxos_keys::DeviceKey;
use dxos_protocol::invitation::InvitationType;
use dxos_transport::{Announcement, Connection, DiscoveryEvent, PeerAddress, Presence};

use super::{Invitation, InvitationError};
use crate::assemble::Network;

/// How long hosts that no address leads to are looked for by other means.
const SEARCH: Duration = Duration::from_secs(30);
/// Devices that are tried at most: anybody can say that it is in a swarm.
const TRIED_MAX: usize = 64;

type Dial = Pin<Box<dyn Future<Output = Result<Arc<dyn Connection>, InvitationError>>>>;

/// A search for hosts.
pub(super) struct Seek {
    invitation: Invitation,
    network: Network,
    clock: Clock,
    dials: Vec<Dial>,
    /// Listed hosts that were not reached, and everybody else who was tried.
    unreached: BTreeSet<DeviceKey>,
    tried: BTreeSet<DeviceKey>,
    search: Option<Search>,
}

struct Search {
    presence: Box<dyn Presence>,
    ends_ms: u64,
}

impl Seek {
    pub(super) fn new(invitation: &Invitation, network: &Network, clock: &Clock) -> Self {
        let mut seek = Self {
            invitation: invitation.clone(),
            network: network.clone(),
            clock: clock.clone(),
            dials: Vec::new(),
            unreached: BTreeSet::new(),
            tried: BTreeSet::new(),
            search: None,
        };
        for host in &invitation.hosts {
            let known = host.addresses.iter().filter_map(|text| text.parse().ok());
            seek.unreached.insert(host.device);
            seek.dial(host.device, known.collect());
        }
        seek
    }

    /// The next host that was reached, or why one was not; `None` when nobody is left to try.
    pub(super) async fn next(&mut self) -> Option<Result<Arc<dyn Connection>, InvitationError>> {
        loop {
            if let Some(dialed) = self.dialed().await {
                if let Ok(connection) = &dialed {
                    self.unreached.remove(&connection.peer());
                }
                return Some(dialed);
            }
            let (device, addresses) = self.found().await?;
            self.dial(device, addresses);
        }
    }

    fn dial(&mut self, host: DeviceKey, addresses: Vec<PeerAddress>) {
        let mesh = self.network.mesh.clone();
        self.dials.push(Box::pin(async move {
            let dialed = mesh.connect(host, addresses).await;
            dialed.map_err(|error| InvitationError::Unreachable {
                host,
                reason: error.to_string(),
            })
        }));
    }

    /// The first dial that is through, in the order in which they were begun.
    async fn dialed(&mut self) -> Option<Result<Arc<dyn Connection>, InvitationError>> {
        if self.dials.is_empty() {
            return None;
        }
        let dials = &mut self.dials;
        let (at, dialed) = poll_fn(|context| {
            for (at, dial) in dials.iter_mut().enumerate() {
                if let Poll::Ready(dialed) = dial.as_mut().poll(context) {
                    return Poll::Ready((at, dialed));
                }
            }
            Poll::Pending
        })
        .await;
        drop(self.dials.remove(at));
        Some(dialed)
    }

    /// The next device of the swarm that may be a host.
    async fn found(&mut self) -> Option<(DeviceKey, Vec<PeerAddress>)> {
        let delegated = self.invitation.invitation_type == InvitationType::Delegated;
        if !delegated && self.unreached.is_empty() {
            return None;
        }
        let own = self.network.transport.device();
        if self.search.is_none() {
            let announcement = Announcement {
                device: own,
                addresses: Vec::new(),
            };
            let topic = self.invitation.topic;
            let presence = self
                .network
                .discovery
                .join(topic, announcement)
                .await
                .ok()?;
            let ends_ms = self
                .clock
                .now_ms()
                .saturating_add(super::registry::millis(SEARCH));
            self.search = Some(Search { presence, ends_ms });
        }
        let search = self.search.as_mut()?;
        loop {
            let left = search.ends_ms.saturating_sub(self.clock.now_ms());
            let next = self
                .clock
                .timeout(Duration::from_millis(left), search.presence.next());
            let DiscoveryEvent::PeerFound { device, addresses } = next.await.ok()?? else {
                continue;
            };
            let listed = self.invitation.hosts.iter().any(|h| h.device == device);
            let wanted = if listed {
                self.unreached.contains(&device)
            } else {
                delegated && device != own
            };
            if wanted && self.tried.len() < TRIED_MAX && self.tried.insert(device) {
                return Some((device, addresses));
            }
        }
    }
}
