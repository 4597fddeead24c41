//! All objects to a peer that has nothing, until it can query them; against raw QUIC.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dxos_client::{ConnectionState, Space, map};

use super::raw;
use crate::setup::{fill, join, start, within};
use crate::{Figure, Unit};

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let ann = start(&home.path().join("ann"), true).await?;
    let bob = start(&home.path().join("bob"), true).await?;
    let space = ann.echo().create_space(map! {}).await?;
    let theirs = join(&space, &bob).await?;
    // The peer has joined and is away while the objects come to be: what is timed is
    // replication alone, a connection and its handshakes included.
    bob.mesh()
        .set_connection_state(ConnectionState::Offline)
        .await?;
    fill(&space, size).await?;
    space.db().flush().await?;
    let begin = Instant::now();
    bob.mesh()
        .set_connection_state(ConnectionState::Online)
        .await?;
    within("replication", reach(&theirs, size)).await??;
    let took = begin.elapsed();
    let bytes = received(&bob).await?;
    theirs.db().flush().await?;
    let durable = begin.elapsed();
    ensure!(
        space.state_hash().await? == theirs.state_hash().await?,
        "the replicas do not agree"
    );
    ann.destroy().await?;
    bob.destroy().await?;

    let (raw_bytes, raw_took) = raw::transfer(bytes.max(100 << 20)).await?;
    let replicated = Figure::bandwidth("bytes on the wire", bytes, took);
    let raw = Figure::bandwidth("raw QUIC, same transport", raw_bytes, raw_took);
    let fraction = replicated.value / raw.value;
    Ok(vec![
        Figure::rate("objects received and queryable", size, took),
        Figure::millis("until all are queryable", took),
        Figure::millis("until all are synced to disk", durable),
        replicated,
        raw,
        Figure::new("fraction of raw QUIC", fraction, Unit::Ratio),
    ])
}

/// Returns when the space has at least so many objects.
async fn reach(space: &Space, size: usize) -> Result<()> {
    let mut watch = space.watch().await?;
    let enough = |report: &dxos_client::SpaceReport| report.objects >= size as u64;
    watch.wait_for(enough).await.context("the space closed")?;
    Ok(())
}

async fn received(client: &dxos_client::Client) -> Result<u64> {
    let report = client.mesh().network_status().await?;
    Ok(report.connections.iter().map(|c| c.bytes_received).sum())
}
