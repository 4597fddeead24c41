//! Which spaces there are.

use dxos_actors::{Answer, Context, Receive};
use dxos_keys::SpaceKey;
use dxos_protocol::echo::{GetSpace, ListSpaces, SpaceReport, WatchSpaces};
use tokio::sync::watch;

use super::{EchoActor, PASS_DEADLINE};

impl Receive<WatchSpaces> for EchoActor {
    fn receive(
        &mut self,
        _: WatchSpaces,
        _: &Context<Self>,
    ) -> Answer<watch::Receiver<Vec<SpaceKey>>> {
        Answer::Now(self.listed.subscribe())
    }
}

impl Receive<ListSpaces> for EchoActor {
    fn receive(&mut self, _: ListSpaces, _: &Context<Self>) -> Answer<Vec<SpaceReport>> {
        let ports: Vec<_> = self
            .spaces
            .iter()
            .map(|(space, address)| (*space, address.port::<GetSpace>()))
            .collect();
        let mut reports = self.reports_asleep();
        Answer::later(async move {
            for (space, port) in ports {
                // Left out it would seem not to be here.
                match port.ask_within(GetSpace { space }, PASS_DEADLINE).await {
                    Ok(Ok(report)) => reports.push(report),
                    Ok(Err(error)) => tracing::warn!(%error, "space left out"),
                    Err(error) => tracing::warn!(%error, "space left out"),
                }
            }
            reports.sort_by_key(|report| report.space);
            reports
        })
    }
}
