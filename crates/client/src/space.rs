//! A space, as the client shows it.

use std::fmt;

use dxos_protocol::echo::{
    ComputeStateHash, GetSpace, ListMembers, MemberReport, SpaceReport, WatchSpace,
};
use tokio::sync::watch;

use crate::{
    Client, ClientError, Database, InvitationHost, InvitationOptions, SpaceKey, StateHash,
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

    /// Its members.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn members(&self) -> Result<Vec<MemberReport>, ClientError> {
        let list = ListMembers { space: self.key };
        let node = self.client.node()?;
        Ok(node
            .echo
            .list_members()
            .ask(list)
            .await
            .map_err(ClientError::unanswered(ECHO))??)
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

    /// Invites somebody: returns what to hand over, hosted by this device while the client runs.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role of this identity does not allow it,
    /// [`ClientError::NoNetwork`].
    pub async fn create_invitation(
        &self,
        options: InvitationOptions,
    ) -> Result<InvitationHost, ClientError> {
        InvitationHost::start(self, options).await
    }
}
