//! The client's view of HALO.

use dxos_credentials::Presentation;
use dxos_protocol::echo::UseAuthority;
use dxos_protocol::halo::{CreateIdentity, GetAuthority, GetIdentity, Identity, SignPresentation};

use crate::{Client, ClientError};

/// Identity and devices of a client. See [`Client::halo`].
#[derive(Clone, Debug)]
pub struct HaloProxy {
    client: Client,
}

const HALO: &str = "HALO";

impl HaloProxy {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates the identity of this profile.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is one already, or the name cannot be used.
    pub async fn create_identity(
        &self,
        display_name: Option<&str>,
    ) -> Result<Identity, ClientError> {
        let node = self.client.node()?;
        let display_name = display_name.map(str::to_owned);
        let create = CreateIdentity { display_name };
        let created = node
            .halo
            .create_identity()
            .ask(create)
            .await
            .map_err(ClientError::unanswered(HALO))??;
        let authority = node
            .halo
            .authority()
            .ask(GetAuthority)
            .await
            .map_err(ClientError::unanswered(HALO))??;
        node.echo
            .use_authority()
            .ask(UseAuthority { authority })
            .await
            .map_err(ClientError::unanswered("ECHO"))??;
        Ok(created)
    }

    /// Who this profile is, `None` before [`HaloProxy::create_identity`].
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn identity(&self) -> Result<Option<Identity>, ClientError> {
        let node = self.client.node()?;
        node.halo
            .identity()
            .ask(GetIdentity)
            .await
            .map_err(ClientError::unanswered(HALO))
    }

    /// Proves to a third party, for `audience` alone, that this client acts for its identity:
    /// signs the `challenge` that the third party drew.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn sign_presentation(
        &self,
        challenge: &[u8],
        audience: &str,
    ) -> Result<Presentation, ClientError> {
        let node = self.client.node()?;
        let sign = SignPresentation {
            challenge: challenge.to_vec(),
            audience: audience.to_owned(),
        };
        Ok(node
            .halo
            .presentation()
            .ask(sign)
            .await
            .map_err(ClientError::unanswered(HALO))??)
    }
}
