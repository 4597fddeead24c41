//! What this device signs and opens with.

use std::sync::Arc;

use dxos_actors::{Address, Answer, Context, Port, Receive};
use dxos_keys::{SealingKey, SpaceKey};
use dxos_protocol::echo::{EchoError, ListDevices, OwnDevices, UseAuthority, WatchSealing};
use dxos_protocol::halo::Authority;
use tokio::sync::watch;

use super::{EchoActor, child_rng, pass};
use crate::core::{DeletedRecord, Space, is_closed};
use crate::space_actor::Start;

impl EchoActor {
    /// While this device goes over to another encryption key, spaces that are closed do so too,
    /// one after the other: the key before is needed for as long as a space needs it.
    pub(super) fn reseal_closed(&mut self, ctx: &Context<Self>) {
        let Some(authority) = self.authority.clone().filter(|own| own.former.is_some()) else {
            return;
        };
        if let Some(space) = self.next_to_reseal(authority.sealing.sealing_key()) {
            self.reseal_one(space, authority, ctx);
        }
    }

    fn reseal_one(&mut self, space: SpaceKey, authority: Authority, ctx: &Context<Self>) {
        let record = match self.stored_record(&space) {
            Ok(record) => record,
            Err(error) => return not_resealed(space, &error),
        };
        self.is_doing(&space, "given another encryption key");
        let mut rng = child_rng(&mut self.rng);
        let now_ms = self.shared.clock.wall_ms();
        let (spawner, store) = (ctx.spawner().clone(), Arc::clone(&self.shared.store));
        let resealed = async move {
            let reseal =
                move || Space::reseal_closed((record, authority), now_ms, (&store, &mut rng));
            spawner.blocking(reseal).await
        };
        ctx.spawn_then(resealed, move |actor, resealed, ctx| {
            actor.is_asleep(&space);
            match resealed {
                Ok(Ok(key)) => actor.is_resealed(&space, key),
                Ok(Err(error)) => not_resealed(space, &error),
                Err(error) => not_resealed(space, &error),
            }
            actor.reseal_closed(ctx);
        });
    }

    fn is_resealed(&mut self, space: &SpaceKey, key: Option<SealingKey>) {
        if let Some(asleep) = self.asleep.get_mut(space) {
            asleep.resealed = key;
        }
        self.shared.tell_sealing();
    }
}

/// It is tried again when the space is opened or closed, and with the next start.
fn not_resealed(space: SpaceKey, error: &dyn std::error::Error) {
    tracing::warn!(
        %error, space = %space.short(),
        "a closed space still needs the encryption key that this device had before"
    );
}

impl Receive<ListDevices> for EchoActor {
    fn receive(
        &mut self,
        message: ListDevices,
        _: &Context<Self>,
    ) -> Answer<Result<OwnDevices, EchoError>> {
        let asleep = self.asleep.get(&message.space);
        if let Some(resealed) = asleep.and_then(|asleep| asleep.resealed) {
            // What else it knows is asked of it when it is open.
            return Answer::Now(Ok(OwnDevices {
                settled: true,
                resealed: Some(resealed),
                ..OwnDevices::default()
            }));
        }
        pass(self.space(&message.space), message)
    }
}

impl Receive<UseAuthority> for EchoActor {
    fn receive(
        &mut self,
        message: UseAuthority,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        if let Err(error) = self.running() {
            return Answer::Now(Err(error));
        }
        if let Some(authority) = &mut self.authority {
            *authority = message.authority.clone();
            self.reseal_closed(ctx);
            let ports: Vec<Port<UseAuthority>> = self.spaces.values().map(Address::port).collect();
            return Answer::later(async move {
                for port in ports {
                    // One that is ending opens with it when it is opened again.
                    if let Err(error) = port.ask(message.clone()).await {
                        tracing::warn!(%error, "a space does not know this device's secrets yet");
                    }
                }
                Ok(())
            });
        }
        let records = match self.stored_spaces() {
            Ok(records) => records,
            Err(error) => return Answer::Now(Err(error)),
        };
        let deleted = match DeletedRecord::all(&self.shared.store) {
            Ok(deleted) => deleted,
            Err(error) => return Answer::Now(Err(error)),
        };
        // All is read before anything is begun: who is told of a failure tries again, and the spaces
        // behind it would be missing else.
        let closed = records
            .iter()
            .map(|record| is_closed(record.number, &self.shared.store));
        let closed: Vec<_> = match closed.collect() {
            Ok(closed) => closed,
            Err(error) => return Answer::Now(Err(error)),
        };
        self.authority = Some(message.authority.clone());
        for deleted in deleted {
            self.next_number = self.next_number.max(deleted.was.number.0 + 1);
            if !deleted.purged {
                self.purge(deleted, None, ctx);
            }
        }
        for (record, is_closed) in records.into_iter().zip(closed) {
            self.next_number = self.next_number.max(record.number.0 + 1);
            match self.remove_cut_off(&record, ctx) {
                Ok(true) => continue,
                Ok(false) => {}
                // It is opened, and says that it is not all there.
                Err(error) => tracing::warn!(%error, "a part of a clone is not removed yet"),
            }
            if is_closed {
                self.lay_down(record);
                continue;
            }
            let space = record.space;
            let authority = message.authority.clone();
            self.start(space, Start::Stored(record, Box::new(authority)), ctx);
        }
        self.reseal_closed(ctx);
        Answer::Now(Ok(()))
    }
}

impl Receive<WatchSealing> for EchoActor {
    fn receive(&mut self, _: WatchSealing, _: &Context<Self>) -> Answer<watch::Receiver<u64>> {
        Answer::Now(self.shared.sealing.subscribe())
    }
}
