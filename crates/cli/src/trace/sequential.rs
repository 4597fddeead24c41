//! One author: a client with its profile on disk, the same after a restart, and a second one that
//! receives everything over QUIC.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dxos_client::{ClientError, EchoError, ObjectId, Space, TransactionError, map};
use dxos_document::Text;
use indicatif::ProgressBar;

use super::batch::{self, BODY, Batches, Edit};
use super::file::{Patch, Trace};
use super::report::{Figures, Replayed, Replica, ms};
use crate::demo::{close, converge, join, start};

/// How long the second peer may take to have everything.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn replay(
    home: &Path,
    trace: &Trace,
    coalesce: u32,
    bar: &ProgressBar,
) -> Result<Replayed> {
    let mut figures = Figures::default();
    let mut replicas = Vec::new();
    let home_a = home.join("a");
    let ann = start(&home_a).await?;
    ann.halo().create_identity("Ann").await?;
    let space = ann.echo().create_space(map! { "name" => "Trace" }).await?;
    let (key, before) = (space.key(), space.report().await?.blocks);
    let document = space
        .db()
        .transaction(|tx| tx.add("document", map! { BODY => Text::default() }))
        .await?;
    let beginning = Patch(0, 0, trace.start.as_str().into());
    for batch in Batches::new(Edit::of(0, &beginning), 1) {
        write(&space, document, batch).await?;
    }
    let recorded = trace.transactions.iter().enumerate();
    let edits = recorded.flat_map(|(number, transaction)| {
        let patches = transaction.patches.iter();
        patches.flat_map(move |patch| Edit::of(number, patch))
    });
    let batches: Vec<_> = Batches::new(edits, coalesce).collect();
    bar.set_message("replayed");
    let began = Instant::now();
    for batch in batches {
        let count = batch.len() as u64;
        write(&space, document, batch).await?;
        bar.inc(count);
    }
    let applied = began.elapsed();
    space.db().flush().await?;
    figures.replayed(trace.edits(), applied, began.elapsed());
    figures.blocks = space.report().await?.blocks - before;
    let ended = async |name, space: &Space| {
        let text = body(space, document).await?;
        let hash = space.state_hash().await?;
        anyhow::Ok(Replica::new(name, hash, &trace.end, &text))
    };
    replicas.push(ended("as it was written", &space).await?);
    ann.destroy().await?;

    bar.set_message("from disk");
    let began = Instant::now();
    let ann = start(&home_a).await?;
    let space = ann.echo().space(key).await?;
    body(&space, document).await?;
    figures.reload_ms = Some(ms(began.elapsed()));
    let usage = ann.echo().usage().await?;
    (figures.block_bytes, figures.state_bytes) = (usage.blocks, usage.objects);
    replicas.push(ended("read again from disk", &space).await?);

    bar.set_message("at a peer");
    let bob = start(&home.join("b")).await?;
    bob.halo().create_identity("Bob").await?;
    let theirs = join(&space, &bob).await?;
    let began = Instant::now();
    let merged = tokio::time::timeout(PATIENCE, arrive(&space, &theirs, document, &trace.end));
    let Ok(merged) = merged.await else {
        bail!(
            "the second peer did not have everything within {} s",
            PATIENCE.as_secs()
        );
    };
    figures.merge_ms = ms(merged?.duration_since(began));
    let network = ann.mesh().network_status().await?;
    figures.sent_bytes = network.connections.iter().map(|c| c.bytes_sent).sum();
    converge(&space, &theirs).await?;
    replicas.push(ended("with a second peer", &space).await?);
    replicas.push(ended("the second peer", &theirs).await?);
    // The state has the members too, and the joining added one.
    let hash = |number: usize| replicas.get(number).map(|replica| replica.state_hash);
    let converged = hash(0) == hash(1) && hash(2) == hash(3);
    close(&ann, &bob).await?;
    figures.file_bytes = super::file_bytes(&home_a)?;
    Ok(Replayed {
        figures,
        replicas,
        converged,
    })
}

/// Writes edits as one transaction, or as several if they are too much for one.
async fn write(space: &Space, document: ObjectId, edits: Vec<Edit>) -> Result<()> {
    let mut left = vec![Arc::new(edits)];
    while let Some(edits) = left.pop() {
        let shared = Arc::clone(&edits);
        let db = space.db();
        let written = db.transaction(move |tx| batch::apply(tx, document, &shared));
        match written.await {
            Ok(()) => {}
            Err(TransactionError::Client(ClientError::Echo(
                error @ EchoError::InvalidTransaction { .. },
            ))) => {
                let (first, second) = batch::halves(Arc::unwrap_or_clone(edits)).ok_or(error)?;
                left.extend([Arc::new(second), Arc::new(first)]);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn body(space: &Space, document: ObjectId) -> Result<String> {
    let object = space.db().get(document).await?;
    let object = object.context("the document is gone")?;
    let body = object.get(BODY).context("the document has no text")?;
    Ok(body.as_str().unwrap_or_default().to_owned())
}

/// Waits until a replica has the text that it should have, or all that another has. Returns when
/// the text was there.
async fn arrive(
    ours: &Space,
    theirs: &Space,
    document: ObjectId,
    expected: &str,
) -> Result<Instant> {
    let mut changes = theirs.watch().await?;
    let blocks = ours.report().await?.blocks;
    loop {
        if changes.borrow_and_update().blocks >= blocks
            && theirs.db().get(document).await?.is_some()
        {
            let text = body(theirs, document).await?;
            let at = Instant::now();
            if text == expected || theirs.state_hash().await? == ours.state_hash().await? {
                return Ok(at);
            }
        }
        changes.changed().await?;
    }
}
