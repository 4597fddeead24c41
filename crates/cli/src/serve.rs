//! `dx serve`: stay online and replicate.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use dxos_client::{Client, DeviceKey, SpaceReport, Status};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::arguments::ServeOptions;
use crate::control::Server;
use crate::host::{answer, failure};
use crate::invite::{self, stop_signal};
use crate::output::Output;
use crate::session::{Session, end, find_space, name_of};
use crate::space::departure_text;

/// How often one space is reported on at most.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// How often it looks at most whether a recovery phrase was used.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// Stays online until it is told to stop.
pub(crate) async fn serve(session: &Session, options: &ServeOptions, output: Output) -> Result<()> {
    let client = session.online().await?;
    let result = stay(&client, options, output).await;
    let ended = end(&client).await;
    result.and(ended)
}

async fn stay(client: &Client, options: &ServeOptions, output: Output) -> Result<()> {
    if client.halo().identity().await?.is_none() {
        bail!("this profile has no identity yet; create one with `dx identity create NAME`");
    }
    // Before it says that it is ready.
    let control = Server::start(client, output).await;
    let status = client.mesh().network_status().await?;
    let device = client.mesh().device()?;
    let spaces = client.echo().spaces().await?;
    let addresses = status.addresses;
    let json = json!({ "event": "ready", "device": device, "addresses": addresses,
                       "spaces": spaces.len() });
    let place = addresses
        .iter()
        .map(|a| format!("{device}@{a}"))
        .collect::<Vec<_>>()
        .join("\n");
    output.event(
        &json,
        &format!("serving {} spaces as\n{place}", spaces.len()),
    );
    let host = match &options.invite {
        Some(space) => {
            let space = find_space(client, space).await?;
            Some(invite::invite(&space, &options.terms, output).await?)
        }
        None => None,
    };
    let invited = async {
        if let Some(host) = &host {
            invite::follow(host, output).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = stop_signal() => {}
        () = invited => {}
        () = answer(control.as_deref()) => {}
        failure = failure(client) => bail!("the client stopped: {failure}"),
        gone = follow_open(client, output) => gone?,
    }
    output.event(&json!({ "event": "stopping" }), "stopping");
    Ok(())
}

/// Tells what changes in the spaces whenever the profile is open: `dx lock` and `dx unlock` close
/// and open it meanwhile.
async fn follow_open(client: &Client, output: Output) -> Result<()> {
    let mut status = client.watch_status();
    loop {
        let followed = tokio::select! {
            biased;
            changed = status.wait_for(|status| *status != Status::Active) => {
                drop(changed?);
                Ok(())
            }
            followed = follow(client, output) => followed,
        };
        if client.status() == Status::Active {
            return followed;
        }
        // It is inactive while it goes down.
        let after = status.wait_for(|status| *status != Status::Inactive);
        if *after.await? == Status::Locked {
            output.event(
                &json!({ "event": "locked" }),
                "locked; `dx unlock` opens it",
            );
            drop(status.wait_for(|status| *status == Status::Active).await?);
            output.event(&json!({ "event": "unlocked" }), "unlocked");
        }
    }
}

/// Tells what changes in the spaces, those that come later too, until the client is gone.
async fn follow(client: &Client, output: Output) -> Result<()> {
    let mut spaces = client.echo().watch_spaces().await?;
    let mut known = BTreeSet::new();
    let changes = Notify::new();
    let mut follows = FuturesUnordered::new();
    let recoveries = tell_recoveries(client, &changes, output);
    tokio::pin!(recoveries);
    loop {
        tokio::select! {
            biased;
            Some(()) = follows.next(), if !follows.is_empty() => {}
            () = &mut recoveries => {}
            all = spaces.next() => {
                for space in all? {
                    if known.insert(space.key()) {
                        let watch = space.watch().await?;
                        follows.push(follow_one(watch, &changes, output));
                    }
                }
            }
        }
    }
}

/// Tells of each device that came by a recovery phrase meanwhile: somebody may have stolen that.
/// What changed in a space is the sign to look.
async fn tell_recoveries(client: &Client, changes: &Notify, output: Output) {
    let mut known: Option<BTreeSet<DeviceKey>> = None;
    loop {
        // One that goes down cannot say; whoever runs this sees that.
        let devices = client.halo().devices().await.unwrap_or_default();
        let recovered = devices.iter().filter(|d| d.recovered && !d.revoked);
        match &mut known {
            None if devices.is_empty() => {}
            None => known = Some(recovered.map(|device| device.device).collect()),
            Some(known) => {
                for device in recovered.filter(|device| known.insert(device.device)) {
                    tell_recovery(device.device, output);
                }
            }
        }
        changes.notified().await;
        tokio::time::sleep(RECOVERY_INTERVAL).await;
    }
}

fn tell_recovery(device: DeviceKey, output: Output) {
    let human = format!(
        "a recovery phrase was used: {} is a device of this identity now. If that was not you, run \
         `dx device revoke {device}`, and revoke the phrase too, which `dx device list` shows",
        device.short()
    );
    output.event(&json!({ "event": "recovered", "device": device }), &human);
}

/// Tells what changes in one space, until it is gone.
async fn follow_one(mut watch: watch::Receiver<SpaceReport>, changes: &Notify, output: Output) {
    loop {
        changes.notify_one();
        let report = watch.borrow_and_update().clone();
        let json = json!({
            "event": "space",
            "space": report.space,
            "objects": report.objects,
            "blocks": report.blocks,
            "missing_blocks": report.missing_blocks,
            "peers": report.peers,
            "departure": report.departure,
            "revoked": report.revoked,
        });
        let name = name_of(&report).unwrap_or_else(|| report.space.short());
        let mut human = format!(
            "{}: {} objects, {} blocks, {} missing, {} peers",
            crate::output::printable(&name),
            report.objects,
            report.blocks,
            report.missing_blocks,
            report.peers.len()
        );
        if let Some(departure) = departure_text(&report) {
            human = format!("{human}; {departure}");
        }
        output.event(&json, &human);
        tokio::time::sleep(EVENT_INTERVAL).await;
        if watch.changed().await.is_err() {
            return;
        }
    }
}
