//! Topics that are one value: read when something may have changed, and told when it has.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use dxos_client::{ClientError, HaloError, InvitationId, SpaceKey, SpaceReport, SpacesWatch};
use futures_util::future::{LocalBoxFuture, select_all};
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Event, Source};
use crate::calls::{self, space_of};
use crate::convert::{self, parse};
use crate::limits::VALUE_INTERVAL;
use crate::protocol::{ErrorInfo, Topic};
use crate::shared::Caller;

/// How often what nothing tells of is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The same for what takes longer to read.
const LOOK_SELDOM: Duration = Duration::from_secs(2);

type Read = Box<dyn Fn(Caller) -> LocalBoxFuture<'static, Result<String, ErrorInfo>>>;

/// A topic that is one value.
struct Value {
    caller: Caller,
    read: Read,
    /// Something may have changed. It ends with what is followed.
    changes: LocalBoxStream<'static, ()>,
    interval: Duration,
    /// Whether it has to be read: it was not since something may have changed.
    is_due: bool,
    last: Option<String>,
    next: Instant,
}

#[async_trait(?Send)]
impl Source for Value {
    fn renew(&mut self) {
        self.last = None;
        self.is_due = true;
    }

    async fn next(&mut self) -> Event {
        loop {
            if !self.is_due {
                match self.changes.next().await {
                    Some(()) => self.is_due = true,
                    None => return Event::End(None),
                }
            }
            // What changes all the time is told now and then.
            sleep_until(self.next).await;
            let read = (self.read)(self.caller.clone()).await;
            self.is_due = false;
            match read {
                Err(error) => return Event::End(Some(error)),
                Ok(text) if self.last.as_ref() == Some(&text) => {}
                Ok(text) => {
                    self.next = Instant::now() + self.interval;
                    self.last = Some(text.clone());
                    return Event::Value(text);
                }
            }
        }
    }
}

fn ticks(every: Duration) -> LocalBoxStream<'static, ()> {
    let tick = move |()| async move {
        sleep(every).await;
        Some(((), ()))
    };
    Box::pin(stream::unfold((), tick))
}

fn watched<T: 'static>(receiver: watch::Receiver<T>) -> LocalBoxStream<'static, ()> {
    let changed = |mut receiver: watch::Receiver<T>| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    };
    Box::pin(stream::unfold(receiver, changed))
}

type Reports = BTreeMap<SpaceKey, watch::Receiver<SpaceReport>>;

/// Spaces that come and go, and what changes in each.
fn spaces(watch: SpacesWatch) -> LocalBoxStream<'static, ()> {
    let reports = Reports::new();
    let changed = |(mut watch, mut reports): (SpacesWatch, Reports)| async move {
        let listed = {
            let changes = reports
                .values_mut()
                .map(|report| Box::pin(report.changed()));
            let changes: Vec<_> = changes.collect();
            let any = async {
                if changes.is_empty() {
                    std::future::pending::<()>().await;
                }
                // Whether it changed or ended: that is looked at below.
                let _ = select_all(changes).await;
            };
            tokio::select! {
                biased;
                listed = watch.next() => Some(listed.ok()?),
                () = any => None,
            }
        };
        if let Some(listed) = listed {
            let mut kept = Reports::new();
            for space in listed {
                let report = match reports.remove(&space.key()) {
                    Some(report) => report,
                    None => match space.watch().await {
                        Ok(report) => report,
                        // It was deleted since.
                        Err(ClientError::Echo(_)) => continue,
                        Err(_) => return None,
                    },
                };
                kept.insert(space.key(), report);
            }
            reports = kept;
        }
        // One whose space has ended would be ready for ever.
        reports.retain(|_, report| report.has_changed().is_ok());
        Some(((), (watch, reports)))
    };
    Box::pin(stream::unfold((watch, reports), changed))
}

/// Whichever comes first; it ends when the first of both does.
fn either(
    one: LocalBoxStream<'static, ()>,
    two: LocalBoxStream<'static, ()>,
) -> LocalBoxStream<'static, ()> {
    let both = |(mut one, mut two): (LocalBoxStream<'static, ()>, LocalBoxStream<'static, ()>)| async move {
        tokio::select! {
            biased;
            changed = one.next() => changed?,
            changed = two.next() => changed?,
        }
        Some(((), (one, two)))
    };
    Box::pin(stream::unfold((one, two), both))
}

/// Changes of the devices, by the space in which the identity keeps them.
async fn own_devices(caller: &Caller) -> Result<LocalBoxStream<'static, ()>, ErrorInfo> {
    let client = &caller.shared.client;
    let Some(key) = client.halo().halo_space()? else {
        return Err(HaloError::NoIdentity.into());
    };
    let space = client.echo().space(key).await?;
    let report = watched(space.watch().await?);
    Ok(either(report, watched(space.watch_members().await?)))
}

fn text<T: Serialize>(value: &T) -> String {
    json!(value).to_string()
}

/// Opens a topic that is one value.
pub(super) async fn open(caller: &Caller, topic: &Topic) -> Result<Box<dyn Source>, ErrorInfo> {
    let client = &caller.shared.client;
    let mut interval = VALUE_INTERVAL;
    let (changes, read): (LocalBoxStream<'static, ()>, Read) = match topic {
        Topic::Status {} => (
            watched(client.watch_status()),
            Box::new(|caller| {
                Box::pin(async move { Ok(text(&calls::client_info(&caller.shared.client))) })
            }),
        ),
        Topic::Identity {} => (
            either(watched(client.watch_status()), ticks(LOOK)),
            Box::new(|caller| {
                Box::pin(async move {
                    let identity = caller.shared.client.halo().identity().await?;
                    Ok(text(&identity.as_ref().map(convert::identity)))
                })
            }),
        ),
        Topic::Devices {} => (
            either(own_devices(caller).await?, ticks(LOOK_SELDOM)),
            Box::new(|caller| Box::pin(async move { Ok(text(&calls::devices(&caller).await?)) })),
        ),
        Topic::Contacts {} => (
            ticks(LOOK),
            Box::new(|caller| {
                Box::pin(async move {
                    let contacts = caller.shared.client.halo().contacts().await?;
                    Ok(text(
                        &contacts.iter().map(convert::contact).collect::<Vec<_>>(),
                    ))
                })
            }),
        ),
        Topic::Credentials {} => (
            ticks(LOOK_SELDOM),
            Box::new(|caller| {
                Box::pin(async move {
                    let all = caller.shared.client.halo().credentials().await?;
                    Ok(text(
                        &all.iter().map(convert::credential).collect::<Vec<_>>(),
                    ))
                })
            }),
        ),
        Topic::Spaces {} => (
            spaces(client.echo().watch_spaces().await?),
            Box::new(|caller| Box::pin(async move { Ok(text(&calls::spaces(&caller).await?)) })),
        ),
        Topic::HaloInvitations {} => (
            ticks(LOOK),
            Box::new(|caller| {
                Box::pin(async move { Ok(text(&calls::halo_invitations(&caller).await?)) })
            }),
        ),
        Topic::Flow { flow } => {
            let found = caller.shared.flows.find(*flow)?;
            (
                watched(found.joining.watch()),
                Box::new(move |_| {
                    let info = text(&found.info());
                    Box::pin(async move { Ok(info) })
                }),
            )
        }
        Topic::Queue { space, queue } => {
            let queue = calls::queue::queue(caller, space, queue).await?;
            (
                watched(queue.watch().await?),
                Box::new(move |_| {
                    let queue = queue.clone();
                    Box::pin(async move { Ok(text(&calls::queue::info(&queue).await?)) })
                }),
            )
        }
        Topic::SyncStatus { .. }
        | Topic::Epochs { .. }
        | Topic::Erasure { .. }
        | Topic::Queues { .. } => {
            interval = Duration::from_millis(200);
            of_space(caller, topic).await?
        }
        Topic::NetworkStatus {} => {
            interval = Duration::from_millis(200);
            let changes = match client.mesh().watch_network_status() {
                Ok(receiver) => watched(receiver),
                Err(_) => ticks(LOOK_SELDOM),
            };
            (
                either(changes, ticks(Duration::from_secs(1))),
                Box::new(|caller| {
                    Box::pin(async move { Ok(text(&calls::network_info(&caller).await?)) })
                }),
            )
        }
        Topic::Metrics {} => (
            ticks(Duration::from_secs(1)),
            Box::new(|caller| Box::pin(async move { Ok(text(&caller.shared.metrics())) })),
        ),
        other => of_space(caller, other).await?,
    };
    Ok(Box::new(Value {
        caller: caller.clone(),
        read,
        changes,
        interval,
        is_due: true,
        last: None,
        next: Instant::now(),
    }))
}

async fn of_space(
    caller: &Caller,
    topic: &Topic,
) -> Result<(LocalBoxStream<'static, ()>, Read), ErrorInfo> {
    let (Topic::Space { space }
    | Topic::Members { space }
    | Topic::SyncStatus { space, .. }
    | Topic::Epochs { space }
    | Topic::Erasure { space }
    | Topic::Queues { space }
    | Topic::SpaceInvitations { space }) = topic
    else {
        return invitation(caller, topic).await;
    };
    let space = space_of(caller, space).await?;
    Ok(match topic {
        Topic::SyncStatus { object, .. } => {
            let object = object.clone();
            (
                watched(space.watch().await?),
                Box::new(move |_| {
                    let (space, object) = (space.clone(), object.clone());
                    Box::pin(async move {
                        let status = calls::sync_status(&space, object.as_deref()).await?;
                        Ok(text(&status))
                    })
                }),
            )
        }
        Topic::Epochs { .. } => (
            // How much of what was trimmed is deleted shows in no report.
            either(watched(space.watch().await?), ticks(LOOK_SELDOM)),
            Box::new(move |_| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&calls::epochs(&space).await?)) })
            }),
        ),
        Topic::Erasure { .. } => (
            either(watched(space.watch().await?), ticks(LOOK_SELDOM)),
            Box::new(move |_| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&calls::erasure(&space).await?)) })
            }),
        ),
        Topic::Queues { .. } => (
            // What is dropped by its age shows in no report.
            either(watched(space.watch().await?), ticks(LOOK_SELDOM)),
            Box::new(move |_| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&calls::queue::list(&space).await?)) })
            }),
        ),
        Topic::Space { .. } => (
            watched(space.watch().await?),
            Box::new(move |_| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&convert::space(&space.report().await?))) })
            }),
        ),
        Topic::Members { .. } => (
            watched(space.watch_members().await?),
            Box::new(move |caller| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&calls::members(&caller, &space).await?)) })
            }),
        ),
        _ => (
            either(watched(space.watch().await?), ticks(LOOK)),
            Box::new(move |_| {
                let space = space.clone();
                Box::pin(async move { Ok(text(&calls::space_invitations(&space).await?)) })
            }),
        ),
    })
}

/// One invitation, also once it has ended.
async fn invitation(
    caller: &Caller,
    topic: &Topic,
) -> Result<(LocalBoxStream<'static, ()>, Read), ErrorInfo> {
    let Topic::Invitation { space, invitation } = topic else {
        return Err(ErrorInfo::internal("a topic that is not served"));
    };
    let id: InvitationId = parse("invitation", invitation)?;
    let space = match space {
        Some(space) => Some(space_of(caller, space).await?),
        None => None,
    };
    let (host, open) = match &space {
        Some(space) => (
            space.invitation(id).await?,
            calls::space_invitations(space).await?,
        ),
        None => {
            let halo = caller.shared.client.halo();
            (
                halo.invitation(id).await?,
                calls::halo_invitations(caller).await?,
            )
        }
    };
    let found = open.into_iter().find(|info| info.id == *invitation);
    let (Some(host), Some(first)) = (host, found) else {
        let message = format!("there is no open invitation {id} here");
        return Err(ErrorInfo::not_found("unknownInvitation", message));
    };
    let changes = either(watched(host.watch()), ticks(LOOK));
    let read: Read = Box::new(move |caller| {
        let (space, host, mut info) = (space.clone(), host.clone(), first.clone());
        Box::pin(async move {
            let open = match &space {
                Some(space) => calls::space_invitations(space).await,
                None => calls::halo_invitations(&caller).await,
            };
            // One that is over is not listed: then it is as it was, but for where it stands.
            let open = open.unwrap_or_default();
            if let Some(now) = open.into_iter().find(|now| now.id == info.id) {
                info = now;
            }
            convert::stand(&mut info, &host.status());
            Ok(text(&info))
        })
    });
    Ok((changes, read))
}
