//! The actor of HALO.

use std::sync::Arc;

use dxos_actors::{Answer, Behaviour, Context, Receive, Shutdown, ShutdownError};
use dxos_credentials::Presentation;
use dxos_protocol::halo::{
    AdoptIdentity, Authority, ChangeProtection, CreateIdentity, DropFormerKey, DropRecoverySecret,
    GetAuthority, GetIdentity, HaloError, Identity, KeepRecoverySecret, RenewSealingKey,
    SetProfile, SignPresentation,
};
use dxos_store::{Batch, Durability, Store};
use rand_chacha::ChaCha20Rng;

use crate::core::{Change, HaloCore};

pub(crate) struct HaloActor {
    pub(crate) core: HaloCore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rng: ChaCha20Rng,
}

impl Behaviour for HaloActor {
    const NAME: &'static str = "halo";
}

impl HaloActor {
    /// Stores a change, and only then makes it.
    fn store(&mut self, (change, batch): (Change, Batch)) -> Result<(), HaloError> {
        if !batch.is_empty() {
            let stored = self.store.commit(batch, Durability::Synced);
            stored.map_err(|error| HaloError::Store {
                reason: error.to_string(),
            })?;
        }
        self.core.apply(change);
        Ok(())
    }

    fn stored_identity(
        &mut self,
        made: Result<(Change, Batch), HaloError>,
    ) -> Answer<Result<Identity, HaloError>> {
        Answer::Now(made.and_then(|made| {
            self.store(made)?;
            self.core.identity().ok_or(HaloError::NoIdentity)
        }))
    }
}

impl Receive<CreateIdentity> for HaloActor {
    fn receive(
        &mut self,
        message: CreateIdentity,
        _: &Context<Self>,
    ) -> Answer<Result<Identity, HaloError>> {
        let created = self.core.create_identity(message.profile, &mut self.rng);
        self.stored_identity(created)
    }
}

impl Receive<AdoptIdentity> for HaloActor {
    fn receive(
        &mut self,
        message: AdoptIdentity,
        _: &Context<Self>,
    ) -> Answer<Result<Identity, HaloError>> {
        let adopted = self.core.adopt_identity(message);
        self.stored_identity(adopted)
    }
}

impl Receive<SetProfile> for HaloActor {
    fn receive(
        &mut self,
        message: SetProfile,
        _: &Context<Self>,
    ) -> Answer<Result<Identity, HaloError>> {
        let changed = self.core.set_profile(message.profile);
        self.stored_identity(changed)
    }
}

impl Receive<ChangeProtection> for HaloActor {
    fn receive(
        &mut self,
        message: ChangeProtection,
        _: &Context<Self>,
    ) -> Answer<Result<(), HaloError>> {
        let changed = self
            .core
            .change_protection(&message.protection, &mut self.rng);
        Answer::Now(changed.and_then(|changed| self.store(changed)))
    }
}

impl Receive<KeepRecoverySecret> for HaloActor {
    fn receive(
        &mut self,
        message: KeepRecoverySecret,
        _: &Context<Self>,
    ) -> Answer<Result<(), HaloError>> {
        let KeepRecoverySecret { key, secret } = message;
        let kept = self.core.keep_recovery_secret(key, secret);
        Answer::Now(kept.and_then(|kept| self.store(kept)))
    }
}

impl Receive<RenewSealingKey> for HaloActor {
    fn receive(&mut self, _: RenewSealingKey, _: &Context<Self>) -> Answer<Result<(), HaloError>> {
        let renewed = self.core.renew_sealing_key(&mut self.rng);
        Answer::Now(renewed.and_then(|renewed| self.store(renewed)))
    }
}

impl Receive<DropFormerKey> for HaloActor {
    fn receive(&mut self, _: DropFormerKey, _: &Context<Self>) -> Answer<Result<(), HaloError>> {
        let dropped = self.core.drop_former_key();
        Answer::Now(dropped.and_then(|dropped| self.store(dropped)))
    }
}

impl Receive<DropRecoverySecret> for HaloActor {
    fn receive(
        &mut self,
        _: DropRecoverySecret,
        _: &Context<Self>,
    ) -> Answer<Result<(), HaloError>> {
        let dropped = self.core.drop_recovery_secret();
        Answer::Now(dropped.and_then(|dropped| self.store(dropped)))
    }
}

impl Receive<GetIdentity> for HaloActor {
    fn receive(&mut self, _: GetIdentity, _: &Context<Self>) -> Answer<Option<Identity>> {
        Answer::Now(self.core.identity())
    }
}

impl Receive<GetAuthority> for HaloActor {
    fn receive(
        &mut self,
        _: GetAuthority,
        _: &Context<Self>,
    ) -> Answer<Result<Authority, HaloError>> {
        Answer::Now(self.core.authority())
    }
}

impl Receive<SignPresentation> for HaloActor {
    fn receive(
        &mut self,
        message: SignPresentation,
        _: &Context<Self>,
    ) -> Answer<Result<Presentation, HaloError>> {
        Answer::Now(self.core.present(message))
    }
}

impl Receive<Shutdown> for HaloActor {
    fn receive(&mut self, _: Shutdown, _: &Context<Self>) -> Answer<Result<(), ShutdownError>> {
        // Everything was synced when it was acknowledged.
        Answer::Now(Ok(()))
    }
}
