//! The client's view of ECHO.

use std::sync::Arc;

use dxos_document::Map;
use dxos_echo::Usage;
use dxos_protocol::echo::{CreateSpace, GetSpace, ListSpaces, SpaceReport};

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

    /// Reports on all spaces on this device.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn reports(&self) -> Result<Vec<SpaceReport>, ClientError> {
        let node = self.client.node()?;
        node.echo
            .list_spaces()
            .ask(ListSpaces)
            .await
            .map_err(ClientError::unanswered(ECHO))
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
        InvitationFlow::start(&self.client, invitation).await
    }
}
