//! A space, as the client shows it.

use std::fmt;
use std::sync::Arc;

use dxos_credentials::Role;
use dxos_document::{Key, Map, Op, Tx};
use dxos_echo::Echo;
use dxos_protocol::echo::{
    ComputeStateHash, GetSpace, GetSyncStatus, LeaveSpace, ListMembers, MemberReport,
    PROPERTIES_TYPE, QueryCredentials, RemoveMember, SetRole, SpaceCredential, SpaceReport,
    SyncStatus, WatchSpace, properties_object,
};
use tokio::sync::watch;

use crate::invitation::Listed;
use crate::presence::GossipService;
use crate::{
    Client, ClientError, Database, DatabaseError, IdentityKey, InvitationHost, InvitationId,
    InvitationOptions, InvitationReport, InvitationWatch, Messages, ObjectId, SpaceKey, StateHash,
};

/// A space on this device. Cheap to clone.
#[derive(Clone)]
pub struct Space {
    client: Client,
    key: SpaceKey,
}

const ECHO: &str = "ECHO";

impl fmt::Debug for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Space").field(&self.key).finish()
    }
}

impl Space {
    pub(crate) const fn new(client: Client, key: SpaceKey) -> Self {
        Self { client, key }
    }

    /// Its key.
    pub const fn key(&self) -> SpaceKey {
        self.key
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Its objects.
    pub fn db(&self) -> Database {
        Database::new(self.clone())
    }

    /// What it is doing, what it holds, with whom it replicates.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn report(&self) -> Result<SpaceReport, ClientError> {
        let get = GetSpace { space: self.key };
        let node = self.client.node()?;
        Ok(node
            .echo
            .get_space()
            .ask(get)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
    }

    /// The same as it changes; reports in between may be skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn watch(&self) -> Result<watch::Receiver<SpaceReport>, ClientError> {
        let watch = WatchSpace { space: self.key };
        let node = self.client.node()?;
        Ok(node
            .echo
            .watch_space()
            .ask(watch)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
    }

    /// Changes properties of the space, such as its name, and takes others out.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Client`] when the role does not allow it, [`DatabaseError::Invalid`] when
    /// a value is out of bounds.
    pub async fn update_properties(
        &self,
        set: Map,
        unset: impl IntoIterator<Item = Key> + Send,
    ) -> Result<(), DatabaseError> {
        let object = properties_object(&self.key);
        let unset: Vec<Key> = unset.into_iter().collect();
        let change = move |tx: &mut Tx<'_>| {
            if tx.get(object)?.is_none() {
                return tx.push(Op::Create {
                    object,
                    type_name: PROPERTIES_TYPE.into(),
                    properties: set,
                });
            }
            for (key, value) in set {
                tx.set(object, key, value)?;
            }
            unset.into_iter().try_for_each(|key| tx.unset(object, key))
        };
        self.db().write(change).await
    }

    /// Waits until a report satisfies a condition.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is closed while waiting.
    pub async fn wait_until(
        &self,
        condition: impl FnMut(&SpaceReport) -> bool,
    ) -> Result<SpaceReport, ClientError> {
        let mut watch = self.watch().await?;
        let found = watch.wait_for(condition).await.map(|report| report.clone());
        found.map_err(|_| ClientError::NotInitialized)
    }

    /// Its members. One is online when one of its devices is connected to this one, or said
    /// within the last 20 seconds, to whomever, that it is there.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn members(&self) -> Result<Vec<MemberReport>, ClientError> {
        let node = self.client.node()?;
        let gossip = node.network.as_ref().map(|network| &network.gossip);
        members(&node.echo, gossip, self.key).await
    }

    /// The same as it changes: when somebody joins, goes, changes its profile, comes online or
    /// goes offline. Lists in between may be skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn watch_members(&self) -> Result<watch::Receiver<Vec<MemberReport>>, ClientError> {
        let node = self.client.node()?;
        let space = self.key;
        let (echo, network) = (node.echo.clone(), node.network.clone());
        let gossip = network.map(|network| network.gossip);
        // Before the list is read, so that nothing after that is missed.
        let mut report = self.watch().await?;
        let mut online = gossip.as_ref().map(|gossip| gossip.watch());
        let (sender, receiver) = watch::channel(members(&echo, gossip.as_ref(), space).await?);
        let follow = move || async move {
            loop {
                let came_or_went = async {
                    match &mut online {
                        Some(online) => drop(online.changed().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    changed = report.changed() => if changed.is_err() {
                        return;
                    },
                    () = came_or_went => {}
                }
                let Ok(now) = members(&echo, gossip.as_ref(), space).await else {
                    return;
                };
                sender.send_if_modified(|before| {
                    let changed = *before != now;
                    *before = now;
                    changed
                });
            }
        };
        let started = node.spawner.spawn("members", follow);
        started.map_err(crate::NodeError::from)?;
        Ok(receiver)
    }

    /// Sends a message to everyone who listens on a channel of the space at this moment, on
    /// other devices. It is sealed, so that only those who may read the space can read it; it is
    /// never stored, and may be lost.
    ///
    /// # Errors
    ///
    /// [`ClientError::Message`] when it is too large, [`ClientError::Echo`] when the role does not
    /// allow to read the space, [`ClientError::NoNetwork`].
    pub async fn post_message(
        &self,
        channel: &str,
        payload: impl AsRef<[u8]> + Send + Sync,
    ) -> Result<(), ClientError> {
        let network = self.client.network()?;
        let (gossip, payload) = (&network.gossip, payload.as_ref());
        gossip.post(&network.mesh, self.key, channel, payload).await
    }

    /// Listens on a channel of the space. Of messages that are not taken soon enough the oldest
    /// are dropped and counted: [`Messages::missed`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone, [`ClientError::NoNetwork`].
    pub async fn listen(&self, channel: &str) -> Result<Messages, ClientError> {
        self.report().await?;
        Ok(self.client.network()?.gossip.listen(self.key, channel))
    }

    /// Removes a member: nothing new of it counts, it gets nothing new, and what is written from
    /// then on is sealed with a key that it does not get. What it had written, and was known
    /// here, stays. Admins may.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, or there is no such member.
    pub async fn remove_member(&self, identity: IdentityKey) -> Result<(), ClientError> {
        let space = self.key;
        let node = self.client.node()?;
        let remove = RemoveMember { space, identity };
        let removed = node.echo.remove_member().ask(remove).await;
        Ok(removed.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Gives a member another role. Admins may.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, there is no such member, or it is
    /// oneself as the last admin.
    pub async fn update_member_role(
        &self,
        identity: IdentityKey,
        role: Role,
    ) -> Result<(), ClientError> {
        let space = self.key;
        let node = self.client.node()?;
        let set = SetRole {
            space,
            identity,
            role,
        };
        let set = node.echo.set_role().ask(set).await;
        Ok(set.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Leaves the space for good, with all devices of the identity. The last admin names a
    /// `successor` while others are there. What was here stays readable on this device.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when a successor has to be named or is no member.
    pub async fn leave(&self, successor: Option<IdentityKey>) -> Result<(), ClientError> {
        let space = self.key;
        let node = self.client.node()?;
        let leave = LeaveSpace { space, successor };
        let left = node.echo.leave_space().ask(leave).await;
        Ok(left.map_err(ClientError::unanswered(ECHO))??)
    }

    /// All credentials of the space: who was admitted, by whom, with which devices, in causal
    /// order, and whether each takes effect.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn credentials(&self) -> Result<Vec<SpaceCredential>, ClientError> {
        let query = QueryCredentials { space: self.key };
        let node = self.client.node()?;
        let asked = node.echo.query_credentials().ask(query).await;
        Ok(asked.map_err(ClientError::unanswered(ECHO))??)
    }

    /// The hash of everything visible in it: equal on devices that have the same.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn state_hash(&self) -> Result<StateHash, ClientError> {
        let compute = ComputeStateHash { space: self.key };
        let node = self.client.node()?;
        let port = node
            .echo
            .state_hash()
            .with_deadline(std::time::Duration::from_secs(600));
        Ok(port
            .ask(compute)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
    }

    /// Which devices have signed that they stored which blocks of it durably, and what each is not
    /// known to have. It says no more than receipts prove; see [`SyncStatus`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone or cannot be read.
    pub async fn sync_status(&self) -> Result<SyncStatus, ClientError> {
        self.sync_status_of(None).await
    }

    /// The same for one object: of the blocks that were written until it changed last.
    ///
    /// # Errors
    ///
    /// As for [`Space::sync_status`].
    pub async fn object_sync_status(&self, object: ObjectId) -> Result<SyncStatus, ClientError> {
        self.sync_status_of(Some(object)).await
    }

    async fn sync_status_of(&self, object: Option<ObjectId>) -> Result<SyncStatus, ClientError> {
        let space = self.key;
        let get = GetSyncStatus { space, object };
        let node = self.client.node()?;
        let asked = node.echo.sync_status().ask(get).await;
        Ok(asked.map_err(ClientError::unanswered(ECHO))??)
    }

    /// The status as it changes, the present one first; of the space, or of one object.
    ///
    /// # Errors
    ///
    /// As for [`Space::sync_status`].
    pub async fn watch_sync_status(
        &self,
        object: Option<ObjectId>,
    ) -> Result<SyncStatusWatch, ClientError> {
        let mut reports = self.watch().await?;
        reports.mark_changed();
        Ok(SyncStatusWatch {
            space: self.clone(),
            object,
            reports,
            last: None,
        })
    }

    /// Invites somebody: returns what to hand over, hosted by this device whenever the client
    /// runs, and with [`InvitationOptions::delegated`] by the devices of all admins.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role of this identity does not allow it,
    /// [`ClientError::Invitation`] when the options do not fit together,
    /// [`ClientError::NoNetwork`].
    pub async fn create_invitation(
        &self,
        options: InvitationOptions,
    ) -> Result<InvitationHost, ClientError> {
        InvitationHost::to_space(self, options).await
    }

    /// The same as [`Space::create_invitation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn share(&self, options: InvitationOptions) -> Result<InvitationHost, ClientError> {
        self.create_invitation(options).await
    }

    /// The invitations that are open: those that this device hosts, and the delegated ones of the
    /// space.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn invitations(&self) -> Result<Vec<InvitationReport>, ClientError> {
        self.listed().list().await
    }

    /// The same as it changes.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn watch_invitations(&self) -> Result<InvitationWatch, ClientError> {
        self.listed().watch().await
    }

    /// An invitation that is open, to follow it and show it again; `None` when there is no such
    /// one, or this device cannot show its text.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoNetwork`].
    pub async fn invitation(
        &self,
        id: InvitationId,
    ) -> Result<Option<InvitationHost>, ClientError> {
        self.listed().get(id).await
    }

    /// Ends an invitation; a delegated one everywhere, as its hosts hear of it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] when it is not open.
    pub async fn cancel_invitation(&self, id: InvitationId) -> Result<(), ClientError> {
        self.listed().cancel(id).await
    }

    fn listed(&self) -> Listed {
        Listed {
            client: self.client.clone(),
            space: Some(self.key),
        }
    }
}

/// The members of a space, and who of them is online.
async fn members(
    echo: &Echo,
    gossip: Option<&Arc<GossipService>>,
    space: SpaceKey,
) -> Result<Vec<MemberReport>, ClientError> {
    let listed = echo.list_members().ask(ListMembers { space }).await;
    let mut members = listed.map_err(ClientError::unanswered(ECHO))??;
    if let Some(gossip) = gossip {
        gossip.show(&space, &mut members);
    }
    Ok(members)
}

/// Who has stored a space, or an object of it, as that changes.
#[derive(Debug)]
pub struct SyncStatusWatch {
    space: Space,
    object: Option<ObjectId>,
    reports: watch::Receiver<SpaceReport>,
    last: Option<SyncStatus>,
}

impl SyncStatusWatch {
    /// Waits for a status other than the last one; the first is there at once. `None` when the
    /// space is closed. What changes in between shows together.
    ///
    /// # Errors
    ///
    /// As for [`Space::sync_status`].
    pub async fn next(&mut self) -> Option<Result<SyncStatus, ClientError>> {
        loop {
            self.reports.changed().await.ok()?;
            self.reports.mark_unchanged();
            let status = match self.space.sync_status_of(self.object).await {
                Ok(status) => status,
                Err(error) => return Some(Err(error)),
            };
            if self.last.as_ref() != Some(&status) {
                self.last = Some(status.clone());
                return Some(Ok(status));
            }
        }
    }
}
