//! Making an invitation, and taking up one that was made elsewhere.

use std::sync::Arc;

use dxos_credentials::GuestProof;
use dxos_keys::{ContentKey, InvitationId, SpaceKey};
use dxos_protocol::echo::{DelegateInvitation, DelegatedProof};
use dxos_protocol::halo::GetAuthority;
use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType};

use super::hosted::Hosted;
use super::record::{HostProof, Record, StoredProof};
use super::registry::{Invitations, lock, millis};
use super::terms::Usage;
use super::{InvitationError, InvitationKey, InvitationOptions};
use crate::ClientError;

impl Invitations {
    /// Makes an invitation.
    pub(super) async fn begin(
        &self,
        kind: InvitationKind,
        space: SpaceKey,
        options: &InvitationOptions,
    ) -> Result<Arc<Hosted>, ClientError> {
        let (id, proof) = self.with_rng(|rng| {
            let id = InvitationId::generate(rng);
            let proof = match (options.authentication, options.identity) {
                (Authentication::SharedSecret, _) => HostProof::Code(ContentKey::generate(rng)),
                (Authentication::KnownPublicKey, Some(identity)) => HostProof::Identity(identity),
                (Authentication::KnownPublicKey, None) => {
                    let key = InvitationKey::generate(rng);
                    HostProof::Key {
                        public: key.public(),
                        secret: Some(key),
                    }
                }
                _ => HostProof::None,
            };
            (id, proof)
        });
        let expires_ms = self.clock.wall_ms();
        let expires_ms = expires_ms.saturating_add(millis(options.lifetime));
        let record = Record {
            kind,
            invitation_type: options.invitation_type,
            space,
            role: options.role,
            history: options.history,
            single_use: !options.multi_use,
            expires_ms,
            patience_ms: millis(options.timeout),
            target: options.target.clone(),
            proof: self.seal(&id, &proof).await?,
            usage: Usage::default(),
        };
        self.make_room()?;
        if options.is_persistent() {
            // Before anybody else hears of it: it can be cancelled then, whatever comes.
            let (records, record) = (self.records.clone(), record.clone());
            let stored = self.spawner.blocking(move || records.put(&id, &record));
            let stored = stored.await.map_err(|_| InvitationError::Stopped)?;
            stored.map_err(|error| InvitationError::Store {
                reason: error.to_string(),
            })?;
        }
        if options.invitation_type == InvitationType::Delegated {
            let delegated = self.delegate(id, &record, &proof).await;
            if delegated.is_err()
                && let Err(error) = self.records.remove(&[id])
            {
                tracing::warn!(%error, "an invitation that was not made could not be removed");
            }
            delegated?;
        }
        let record = (record, options.is_persistent());
        let hosted = Arc::new(Hosted::new(id, record, proof, self.device));
        lock(&self.hosted).insert(id, Arc::clone(&hosted));
        self.keep_time();
        self.has_changed();
        Ok(hosted)
    }

    async fn delegate(
        &self,
        invitation: InvitationId,
        record: &Record,
        proof: &HostProof,
    ) -> Result<(), ClientError> {
        let proof = match proof {
            HostProof::None => DelegatedProof::Plain(GuestProof::None),
            HostProof::Code(secret) => DelegatedProof::Code(secret.clone()),
            HostProof::Key { public, .. } => DelegatedProof::Plain(GuestProof::Key(*public)),
            HostProof::Identity(identity) => DelegatedProof::Plain(GuestProof::Identity(*identity)),
        };
        let message = DelegateInvitation {
            space: record.space,
            invitation,
            role: record.role,
            single_use: record.single_use,
            history: record.history,
            expires_ms: record.expires_ms,
            proof,
        };
        let made = self.echo.delegate.ask(message).await;
        Ok(made.map_err(ClientError::unanswered("ECHO"))??)
    }

    /// Seals a proof for this device.
    pub(super) async fn seal(
        &self,
        id: &InvitationId,
        proof: &HostProof,
    ) -> Result<StoredProof, ClientError> {
        let authority = self.authority.ask(GetAuthority).await;
        let authority = authority.map_err(ClientError::unanswered("HALO"))??;
        let sealing = authority.sealing.sealing_key();
        let sealed = self.with_rng(|rng| proof.seal(id, &sealing, rng));
        let reason = "this device's own encryption key cannot be used";
        Ok(sealed.ok_or_else(|| InvitationError::Store {
            reason: reason.to_owned(),
        })?)
    }

    /// Takes up an invitation that was made elsewhere; another task may have done so meanwhile.
    pub(super) fn host(
        &self,
        id: InvitationId,
        record: Record,
        proof: HostProof,
    ) -> Result<Arc<Hosted>, InvitationError> {
        self.make_room()?;
        let new = Arc::new(Hosted::new(id, (record, true), proof, self.device));
        let hosted = Arc::clone(lock(&self.hosted).entry(id).or_insert(new));
        self.keep_time();
        Ok(hosted)
    }
}
