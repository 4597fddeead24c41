//! The actor of HALO.

use std::sync::Arc;

use dxos_actors::{Answer, Behaviour, Context, Receive, Shutdown, ShutdownError};
use dxos_credentials::Presentation;
use dxos_protocol::halo::{
    Authority, CreateIdentity, GetAuthority, GetIdentity, HaloError, Identity, SignPresentation,
};
use dxos_store::{Durability, Store};
use rand_chacha::ChaCha20Rng;

use crate::core::HaloCore;

pub(crate) struct HaloActor {
    pub(crate) core: HaloCore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rng: ChaCha20Rng,
}

impl Behaviour for HaloActor {
    const NAME: &'static str = "halo";
}

impl Receive<CreateIdentity> for HaloActor {
    fn receive(
        &mut self,
        message: CreateIdentity,
        _: &Context<Self>,
    ) -> Answer<Result<Identity, HaloError>> {
        let created = self
            .core
            .create_identity(message.display_name, &mut self.rng);
        Answer::Now(created.and_then(|(new, batch)| {
            self.store
                .commit(batch, Durability::Synced)
                .map_err(|error| HaloError::Store {
                    reason: error.to_string(),
                })?;
            self.core.created(new);
            self.core.identity().ok_or(HaloError::NoIdentity)
        }))
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
        Answer::Now(self.core.present(&message.challenge, &message.audience))
    }
}

impl Receive<Shutdown> for HaloActor {
    fn receive(&mut self, _: Shutdown, _: &Context<Self>) -> Answer<Result<(), ShutdownError>> {
        // Everything was synced when it was acknowledged.
        Answer::Now(Ok(()))
    }
}
