//! The client's view of ECHO.

use std::sync::Arc;

use dxos_document::Map;
use dxos_echo::Usage;
use dxos_protocol::echo::{CreateSpace, GetSpace, ListSpaces, SpaceReport, WatchSpaces};
use tokio::sync::watch;

use crate::{Client, ClientError, Invitation, InvitationFlow, NodeError, Space, SpaceKey};

/// The spaces of a client. See [`Client::echo`].
#[derive(Clone, Debug)]
pub struct EchoProxy {
    client: Client,
}

const ECHO: &str = "ECHO";

impl EchoProxy {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a space, ready to be used. `properties`, such as a `name`, are for people.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when there is no identity yet, or the store fails.
    pub async fn create_space(&self, properties: Map) -> Result<Space, ClientError> {
        let properties = properties
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect();
        let node = self.client.node()?;
        let report = node
            .echo
            .create_space()
            .ask(CreateSpace { properties })
            .await
            .map_err(ClientError::unanswered(ECHO))??;
        node.keeper.nudge();
        Ok(Space::new(self.client.clone(), report.space))
    }

    /// A space that is on this device.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not.
    pub async fn space(&self, space: SpaceKey) -> Result<Space, ClientError> {
        let node = self.client.node()?;
        node.echo
            .get_space()
            .ask(GetSpace { space })
            .await
            .map_err(ClientError::unanswered(ECHO))??;
        Ok(Space::new(self.client.clone(), space))
    }

    /// All spaces on this device.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn spaces(&self) -> Result<Vec<Space>, ClientError> {
        let reports = self.reports().await?;
        let client = &self.client;
        Ok(reports
            .into_iter()
            .map(|report| Space::new(client.clone(), report.space))
            .collect())
    }

    /// Follows which spaces are on this device.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn watch_spaces(&self) -> Result<SpacesWatch, ClientError> {
        let node = self.client.node()?;
        let here = node.echo.watch_spaces().ask(WatchSpaces).await;
        Ok(SpacesWatch {
            echo: self.clone(),
            here: here.map_err(ClientError::unanswered(ECHO))?,
            last: None,
        })
    }

    /// Reports on all spaces on this device. The one in which the identity keeps its devices is
    /// none of them: see [`HaloProxy::halo_space`](crate::HaloProxy::halo_space).
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn reports(&self) -> Result<Vec<SpaceReport>, ClientError> {
        let node = self.client.node()?;
        let listed = node.echo.list_spaces().ask(ListSpaces).await;
        let mut reports = listed.map_err(ClientError::unanswered(ECHO))?;
        reports.retain(|report| !node.keeper.is_halo(report));
        Ok(reports)
    }

    /// How many bytes of the store blocks and objects take, over all spaces. It reads the whole
    /// store, beside everything else, so it takes as long as that.
    ///
    /// # Errors
    ///
    /// [`ClientError::Node`] when the store cannot be read.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        let node = self.client.node()?;
        let store = Arc::clone(&node.store);
        let read = node.spawner.blocking(move || Usage::of(&*store));
        let usage = read.await.map_err(NodeError::from)?;
        Ok(usage.map_err(NodeError::from)?)
    }

    /// Accepts an invitation: begins a flow that can be watched, answered with the code, and
    /// cancelled.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] when the invitation has expired or the space is on this
    /// device already, [`ClientError::NoNetwork`].
    pub async fn accept_invitation(
        &self,
        invitation: Invitation,
    ) -> Result<InvitationFlow, ClientError> {
        InvitationFlow::to_space(&self.client, invitation).await
    }

    /// The same as [`EchoProxy::accept_invitation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn join(&self, invitation: Invitation) -> Result<InvitationFlow, ClientError> {
        self.accept_invitation(invitation).await
    }
}

/// The spaces on this device, followed. See [`EchoProxy::watch_spaces`].
#[derive(Debug)]
pub struct SpacesWatch {
    echo: EchoProxy,
    here: watch::Receiver<Vec<SpaceKey>>,
    last: Option<Vec<SpaceKey>>,
}

impl SpacesWatch {
    /// All spaces: at first those that there are, then each time that one was created, joined or
    /// taken up from another device of the identity. Intermediate lists may be skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Vec<Space>, ClientError> {
        loop {
            self.here.borrow_and_update();
            let spaces = self.echo.spaces().await?;
            let keys = spaces.iter().map(Space::key).collect();
            if self.last.as_ref() != Some(&keys) {
                self.last = Some(keys);
                return Ok(spaces);
            }
            let gone = |_| ClientError::NotInitialized;
            self.here.changed().await.map_err(gone)?;
        }
    }
}
