//! The client's view of HALO.

use std::collections::BTreeMap;

use dxos_credentials::{Credential, DeviceChain, Presentation, Profile};
use dxos_protocol::echo::{QueryCredentials, SpaceCredential, SpaceState};
use dxos_protocol::halo::{GetIdentity, Identity, SignPresentation};
use serde::Serialize;

use crate::invitation::Listed;
use crate::{
    Client, ClientError, DeviceKey, DeviceReport, IdentityKey, Invitation, InvitationFlow,
    InvitationHost, InvitationId, InvitationOptions, InvitationReport, InvitationWatch,
    NewProtection, RecoveryOptions, RecoveryPhrase, SpaceKey,
};

/// Somebody with whom the identity shares a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Contact {
    /// The identity.
    pub identity: IdentityKey,
    /// What it shows of itself.
    #[serde(flatten)]
    pub profile: Profile,
    /// The spaces that are shared.
    pub spaces: Vec<SpaceKey>,
    /// Whether one of its devices is online in one of them.
    pub online: bool,
}

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
        profile: impl Into<Profile> + Send,
    ) -> Result<Identity, ClientError> {
        let node = self.client.node()?;
        node.keeper.create(profile.into()).await
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

    /// Says what others are to be shown of the identity from now on, in all its spaces.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet, or the profile cannot be used.
    pub async fn update_profile(
        &self,
        profile: impl Into<Profile> + Send,
    ) -> Result<Identity, ClientError> {
        let node = self.client.node()?;
        node.keeper.set_profile(profile.into()).await
    }

    /// The space in which the identity keeps its devices, `None` before there is an identity. It
    /// is not among [`EchoProxy::spaces`](crate::EchoProxy::spaces).
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub fn halo_space(&self) -> Result<Option<SpaceKey>, ClientError> {
        Ok(self.client.node()?.keeper.halo_space())
    }

    /// All devices and recovery phrases of the identity, those that were revoked included.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn devices(&self) -> Result<Vec<DeviceReport>, ClientError> {
        self.client.node()?.keeper.devices().await
    }

    /// Names a device of the identity, this one or another.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when there is no such device, [`ClientError::Halo`] when the name
    /// cannot be used.
    pub async fn rename_device(
        &self,
        device: DeviceKey,
        name: impl Into<String> + Send,
    ) -> Result<(), ClientError> {
        let node = self.client.node()?;
        node.keeper.rename_device(device, name.into()).await
    }

    /// Keeps something of an application for a device, or forgets it: every device of the
    /// identity sees it in [`DeviceReport::preferences`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when there is no such device.
    pub async fn set_device_preference(
        &self,
        device: DeviceKey,
        key: impl Into<String> + Send,
        value: Option<String>,
    ) -> Result<(), ClientError> {
        let node = self.client.node()?;
        node.keeper.set_preference(device, key.into(), value).await
    }

    /// Revokes another device of the identity, or a recovery phrase, such as one that was lost or
    /// stolen: in all spaces nothing new of it counts, it gets nothing new, and what is written
    /// from then on is sealed with other keys.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when there is no such device, or it is this one.
    pub async fn revoke_device(&self, device: DeviceKey) -> Result<(), ClientError> {
        self.client.node()?.keeper.revoke_device(device).await
    }

    /// Takes back the revocation of a device or recovery phrase, in every space of the identity:
    /// what it wrote meanwhile counts, and it gets the keys again. To undo what a thief revoked, do
    /// it where the thief was revoked: a revocation falls when it is taken back by the device that
    /// issued it, or by one that goes before that one. Of two, the one that is nearer to the first
    /// device of the identity goes before the other, and one that was recovered with a phrase
    /// before the one that made the phrase. What the thief did unknown to whoever revoked it is
    /// undone without asking.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the device was not revoked, or by one that goes before this one.
    pub async fn restore_device(&self, device: DeviceKey) -> Result<(), ClientError> {
        self.client.node()?.keeper.restore_device(device).await
    }

    /// Makes a recovery phrase: 24 words that bring the identity to another device when all are
    /// lost. It is shown by [`RecoveryPhrase::reveal`] and kept nowhere. Whoever has it can take
    /// the identity over, which the other devices see.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn create_recovery_phrase(&self) -> Result<RecoveryPhrase, ClientError> {
        let node = self.client.node()?;
        let mut rng = node.with_rng(|rng| {
            use rand_core::{Rng, SeedableRng};
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            dxos_actors::ChaCha20Rng::from_seed(seed)
        });
        node.keeper.create_recovery_phrase(&mut rng).await
    }

    /// Brings an identity to this device with its recovery phrase, when all other devices are
    /// lost: asks the peers of `options`, and those that are found by discovery, who share a space
    /// with it. Its spaces come back from them; the lost devices can then be revoked with
    /// [`HaloProxy::revoke_device`], and so can the phrase, which has been used now.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when this profile has an identity, [`ClientError::Recover`] when
    /// nobody knows the phrase, [`ClientError::NoNetwork`].
    pub async fn recover_identity(
        &self,
        phrase: &RecoveryPhrase,
        options: &RecoveryOptions,
    ) -> Result<Identity, ClientError> {
        self.client.node()?.keeper.recover(phrase, options).await
    }

    /// Everyone with whom the identity shares a space. One that was left is not shared any more.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn contacts(&self) -> Result<Vec<Contact>, ClientError> {
        let own = self.identity().await?.map(|identity| identity.identity);
        let mut contacts: BTreeMap<IdentityKey, Contact> = BTreeMap::new();
        for report in self.client.echo().reports().await? {
            let gone = report.departure.is_some() || report.revoked;
            if gone || report.state == SpaceState::Closed {
                continue;
            }
            let space = self.client.echo().space(report.space).await?;
            for member in space.members().await? {
                if Some(member.identity) == own {
                    continue;
                }
                let contact = contacts.entry(member.identity).or_insert_with(|| Contact {
                    identity: member.identity,
                    profile: member.profile.clone(),
                    spaces: Vec::new(),
                    online: false,
                });
                contact.spaces.push(space.key());
                contact.online |= member.online;
            }
        }
        Ok(contacts.into_values().collect())
    }

    /// The credentials of the identity: all that were signed in the space where it keeps its
    /// devices.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn credentials(&self) -> Result<Vec<SpaceCredential>, ClientError> {
        let node = self.client.node()?;
        let space = node
            .keeper
            .halo_space()
            .ok_or(dxos_protocol::halo::HaloError::NoIdentity)?;
        let query = QueryCredentials { space };
        let asked = node.echo.query_credentials().ask(query).await;
        Ok(asked.map_err(ClientError::unanswered("ECHO"))??)
    }

    /// Encrypts the secrets of this profile in another way: with another passphrase or key, or
    /// with another kind of protection. The old way holds until the new one does, whenever the
    /// program is stopped. Set `keyring.protection` to the same for other programs; this client
    /// knows. A new passphrase is not kept: after [`Client::destroy`] it is asked for again
    /// ([`Client::unlock`]).
    ///
    /// # Errors
    ///
    /// [`ClientError::Node`] when the new key cannot be kept, as where there is no keychain, or
    /// the passphrase is empty; nothing has changed then.
    pub async fn change_protection(&self, new: NewProtection) -> Result<(), ClientError> {
        self.client.change_protection(new).await
    }

    /// How this device belongs to its identity: the credentials from the genesis of the identity
    /// to this device. It gives nothing away but public keys, can be handed out as text
    /// ([`DeviceChain`] to and from a string), and `dxos-credentials` alone verifies it. That a
    /// device was revoked since then it cannot tell.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn device_chain(&self) -> Result<DeviceChain, ClientError> {
        Ok(self.client.node()?.keeper.authority().await?.chain)
    }

    /// Proves to a third party, for `audience` alone, that this client acts for its identity:
    /// signs the `challenge` that the third party drew. What is returned is sent or pasted as
    /// text ([`Presentation`] to and from a string); `dxos-credentials` alone verifies it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet.
    pub async fn sign_presentation(
        &self,
        challenge: &[u8],
        audience: &str,
    ) -> Result<Presentation, ClientError> {
        self.present_credentials(Vec::new(), challenge, audience)
            .await
    }

    /// The same, and shows `credentials` with it: what others signed about this identity, for
    /// example that it is a member of a space. Whoever gets the presentation reads them.
    ///
    /// # Errors
    ///
    /// [`ClientError::Halo`] when there is no identity yet, or they are too many or too large.
    pub async fn present_credentials(
        &self,
        credentials: Vec<Credential>,
        challenge: &[u8],
        audience: &str,
    ) -> Result<Presentation, ClientError> {
        let node = self.client.node()?;
        let sign = SignPresentation {
            challenge: challenge.to_vec(),
            audience: audience.to_owned(),
            credentials,
        };
        Ok(node
            .halo
            .presentation()
            .ask(sign)
            .await
            .map_err(ClientError::unanswered(HALO))??)
    }

    /// Invites a device to be one of this identity: returns what to hand over, hosted by this
    /// device whenever the client runs.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] when the options do not fit a device,
    /// [`ClientError::NoNetwork`].
    pub async fn create_invitation(
        &self,
        options: InvitationOptions,
    ) -> Result<InvitationHost, ClientError> {
        InvitationHost::for_device(&self.client, options).await
    }

    /// The same as [`HaloProxy::create_invitation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn share(&self, options: InvitationOptions) -> Result<InvitationHost, ClientError> {
        self.create_invitation(options).await
    }

    /// Makes this device one of the identity that invites it; the profile must have none so far.
    /// `device` is what is shown of it: its name, and the field `platform`, which is filled in.
    ///
    /// # Errors
    ///
    /// [`ClientError::Invitation`] when there is an identity already or the invitation has
    /// expired, [`ClientError::NoNetwork`].
    pub async fn accept_invitation(
        &self,
        invitation: Invitation,
        device: impl Into<Profile> + Send,
    ) -> Result<InvitationFlow, ClientError> {
        InvitationFlow::to_identity(&self.client, invitation, device.into()).await
    }

    /// The same as [`HaloProxy::accept_invitation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn join(
        &self,
        invitation: Invitation,
        device: impl Into<Profile> + Send,
    ) -> Result<InvitationFlow, ClientError> {
        self.accept_invitation(invitation, device).await
    }

    /// The invitations for devices that are open.
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
    /// [`ClientError::NotInitialized`].
    pub async fn watch_invitations(&self) -> Result<InvitationWatch, ClientError> {
        self.listed().watch().await
    }

    /// An invitation that is open, to follow it and show it again.
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

    /// Ends an invitation.
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
            space: None,
        }
    }
}
