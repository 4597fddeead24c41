//! `dx serve`: stay online and replicate.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use dxos_client::{Client, SpaceReport, Status};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::watch;

use crate::arguments::ServeOptions;
use crate::control::Server;
use crate::host::{answer, failure};
use crate::invite::{self, stop_signal};
use crate::output::Output;
use crate::session::{Session, end, find_space, name_of};
use crate::space::departure_text;

/// How often one space is reported on at most.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

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
    let mut follows = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = follows.next(), if !follows.is_empty() => {}
            all = spaces.next() => {
                for space in all? {
                    if known.insert(space.key()) {
                        let watch = space.watch().await?;
                        follows.push(follow_one(watch, output));
                    }
                }
            }
        }
    }
}

/// Tells what changes in one space, until it is gone.
async fn follow_one(mut watch: watch::Receiver<SpaceReport>, output: Output) {
    loop {
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
