//! What concerns all spaces: the devices of the identity, spaces known by their key alone, and
//! recovery keys.

use std::collections::BTreeSet;

use dxos_actors::{Address, Answer, Context, Port, Receive};
use dxos_keys::{DeviceKey, SpaceKey};
use dxos_protocol::echo::{
    AdmissionTicket, AdoptSpace, EchoError, FindRecovery, JoinSpace, ListRecoveryKeys, OwnDevices,
    Recovery, RestoreNewSpace, SpaceReport, UseDevices,
};

use super::EchoActor;
use crate::core::DeletedRecord;

/// How often it is passed on of a recovery key where its identity keeps its devices.
const HINTS_MAX: usize = 32;

impl EchoActor {
    /// Tells one space which devices the identity has.
    pub(super) fn tell_devices(port: Port<UseDevices>, devices: OwnDevices, ctx: &Context<Self>) {
        let message = UseDevices {
            devices,
            at_once: false,
        };
        ctx.spawn(async move {
            if let Err(error) = port.ask(message).await {
                tracing::warn!(%error, "a space does not know the devices of the identity");
            }
        });
    }

    fn adopt(&mut self, space: SpaceKey, ctx: &Context<Self>) -> Result<SpaceKey, EchoError> {
        if self.is_here(&space) {
            return Ok(space);
        }
        if DeletedRecord::of(&space, &self.shared.store)?.is_some() {
            return Err(EchoError::SpaceDeleted { space });
        }
        let ticket = AdmissionTicket {
            space,
            control: Vec::new(),
        };
        self.join(JoinSpace { ticket }, ctx)
    }
}

impl Receive<AdoptSpace> for EchoActor {
    fn receive(
        &mut self,
        message: AdoptSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        match self.adopt(message.space, ctx) {
            Ok(space) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<RestoreNewSpace> for EchoActor {
    fn receive(
        &mut self,
        message: RestoreNewSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        let RestoreNewSpace { space, control } = message;
        let taken_up = self.take_up(space, ctx, |space, now_ms, store| {
            space.take_up_archive(control, now_ms, store)
        });
        match taken_up {
            Ok(space) => self.report(space),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<UseDevices> for EchoActor {
    fn receive(&mut self, message: UseDevices, _: &Context<Self>) -> Answer<Result<(), EchoError>> {
        if let Err(error) = self.running() {
            return Answer::Now(Err(error));
        }
        if self.devices == message.devices && !message.at_once {
            return Answer::Now(Ok(()));
        }
        self.devices = message.devices.clone();
        let ports: Vec<Port<UseDevices>> = self.spaces.values().map(Address::port).collect();
        Answer::later(async move {
            for port in ports {
                // A space that failed hears of it when it is opened again.
                if let Err(error) = port.ask(message.clone()).await {
                    tracing::warn!(%error, "a space does not know the devices of the identity");
                }
            }
            Ok(())
        })
    }
}

impl Receive<FindRecovery> for EchoActor {
    fn receive(&mut self, message: FindRecovery, _: &Context<Self>) -> Answer<Option<Recovery>> {
        let ports: Vec<Port<FindRecovery>> = self.spaces.values().map(Address::port).collect();
        Answer::later(async move {
            let mut found: Option<Recovery> = None;
            for port in ports {
                let Ok(Some(other)) = port.ask(message).await else {
                    continue;
                };
                match &mut found {
                    None => found = Some(other),
                    // Somebody may have claimed the key for an identity of its own.
                    Some(known)
                        if known.chain.device().identity == other.chain.device().identity =>
                    {
                        known.spaces.extend(other.spaces);
                        known.hints.extend(other.hints);
                        known.hints.truncate(HINTS_MAX);
                    }
                    Some(_) => {}
                }
            }
            found
        })
    }
}

impl Receive<ListRecoveryKeys> for EchoActor {
    fn receive(&mut self, _: ListRecoveryKeys, _: &Context<Self>) -> Answer<BTreeSet<DeviceKey>> {
        let ports: Vec<Port<ListRecoveryKeys>> = self.spaces.values().map(Address::port).collect();
        Answer::later(async move {
            let mut keys = BTreeSet::new();
            for port in ports {
                keys.extend(port.ask(ListRecoveryKeys).await.unwrap_or_default());
            }
            keys
        })
    }
}
