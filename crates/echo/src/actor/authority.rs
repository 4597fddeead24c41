//! What this device signs and opens with.

use dxos_actors::{Address, Answer, Context, Port, Receive};
use dxos_protocol::echo::{EchoError, UseAuthority, WatchSealing};
use tokio::sync::watch;

use super::EchoActor;
use crate::core::{DeletedRecord, is_closed};
use crate::space_actor::Start;

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
        self.authority = Some(message.authority.clone());
        for deleted in deleted {
            self.next_number = self.next_number.max(deleted.was.number.0 + 1);
            if !deleted.purged {
                self.purge(deleted, None, ctx);
            }
        }
        for record in records {
            self.next_number = self.next_number.max(record.number.0 + 1);
            let space = record.space;
            match is_closed(record.number, &self.shared.store) {
                Ok(false) => {}
                Ok(true) => {
                    self.lay_down(record);
                    continue;
                }
                Err(error) => return Answer::Now(Err(error)),
            }
            let authority = message.authority.clone();
            self.start(space, Start::Stored(record, Box::new(authority)), ctx);
        }
        Answer::Now(Ok(()))
    }
}

impl Receive<WatchSealing> for EchoActor {
    fn receive(&mut self, _: WatchSealing, _: &Context<Self>) -> Answer<watch::Receiver<u64>> {
        Answer::Now(self.shared.sealing.subscribe())
    }
}
