//! `dx serve`: stay online and replicate.

use std::time::Duration;

use anyhow::{Result, bail};
use dxos_client::{Client, SpaceReport};
use serde_json::json;
use tokio::sync::watch;

use crate::arguments::ServeOptions;
use crate::invite::{self, stop_signal};
use crate::output::Output;
use crate::session::{Session, end, find_space, name_of};

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
    let mut watches = Vec::new();
    for space in &spaces {
        watches.push(space.watch().await?);
    }
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
        failure = client.failed() => bail!("the client stopped: {}", failure?),
        () = follow(watches, output) => {}
    }
    output.event(&json!({ "event": "stopping" }), "stopping");
    Ok(())
}

/// Tells what changes in the spaces, for ever.
async fn follow(watches: Vec<watch::Receiver<SpaceReport>>, output: Output) {
    let follows = watches
        .into_iter()
        .map(|watch| Box::pin(follow_one(watch, output)));
    let mut follows: Vec<_> = follows.collect();
    std::future::poll_fn(|context| {
        for follow in &mut follows {
            // None of them ends before its space does.
            let _ = follow.as_mut().poll(context);
        }
        std::task::Poll::<()>::Pending
    })
    .await;
}

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
        });
        let name = name_of(&report).unwrap_or_else(|| report.space.short());
        let human = format!(
            "{}: {} objects, {} blocks, {} missing, {} peers",
            crate::output::printable(&name),
            report.objects,
            report.blocks,
            report.missing_blocks,
            report.peers.len()
        );
        output.event(&json, &human);
        tokio::time::sleep(EVENT_INTERVAL).await;
        if watch.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
