//! Asking a space. One that is being checked is waited for, as it is open again by itself.

use dxos_actors::{Address, Answer, Port, Receive};
use dxos_keys::SpaceKey;
use dxos_protocol::echo::EchoError;
use tokio::sync::watch;

use super::{EchoActor, ask, pass};
use crate::space_actor::SpaceActor;

/// What is done to a space that is checked.
pub(super) const CHECKED: &str = "looked through";

/// Gets the actor of a space that is open again.
pub(super) type Woken = watch::Sender<Option<Address<SpaceActor>>>;

impl EchoActor {
    /// Asks a space; whoever asks knows how long to wait.
    pub(super) fn ask_space<M, T>(
        &mut self,
        space: SpaceKey,
        message: M,
    ) -> Answer<Result<T, EchoError>>
    where
        M: dxos_wire::Request<Reply = Result<T, EchoError>>,
        T: Send + 'static,
        SpaceActor: Receive<M>,
    {
        let error = match self.space(&space) {
            Ok(address) => return pass(Ok(address), message),
            Err(error) => error,
        };
        let asleep = self.asleep.get_mut(&space);
        let (Some(asleep), EchoError::SpaceBusy { doing: CHECKED, .. }) = (asleep, &error) else {
            return Answer::Now(Err(error));
        };
        let mut woken = asleep.woken.get_or_insert_default().subscribe();
        Answer::later(async move {
            let address = match woken.wait_for(Option::is_some).await {
                Ok(address) => address.clone(),
                // It stays closed, or everything ends.
                Err(_) => None,
            };
            let port: Option<Port<M>> = address.map(|address| address.port());
            let Some(port) = port else {
                return Err(EchoError::SpaceClosed { space });
            };
            ask(port, message).await
        })
    }

    /// Tells those who wait for a space that it is open.
    pub(super) fn woke(&mut self, space: &SpaceKey, address: &Address<SpaceActor>) {
        let asleep = self.asleep.remove(space);
        if let Some(woken) = asleep.and_then(|asleep| asleep.woken) {
            woken.send_replace(Some(address.clone()));
        }
    }

    /// Lets nobody wait any more.
    pub(super) fn wake_nobody(&mut self) {
        for asleep in self.asleep.values_mut() {
            asleep.woken = None;
        }
    }
}
