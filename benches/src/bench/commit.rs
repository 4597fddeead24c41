//! Writing: signed, sealed, indexed and persisted.

use std::time::{Duration, Instant};

use anyhow::Result;
use dxos_client::{Durability, Space, map};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};

use crate::Figure;
use crate::setup::{creation, fill, fill_by_code, start};

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let client = start(&home.path().join("profile"), false).await?;
    let new_space = || async { client.echo().create_space(map! {}).await };
    let mut figures = Vec::new();

    let space = new_space().await?;
    let begin = Instant::now();
    fill(&space, size).await?;
    let name = "objects created, 1,000 a transaction";
    figures.push(Figure::rate(name, size, begin.elapsed()));

    let space = new_space().await?;
    let begin = Instant::now();
    fill_by_code(&space, size).await?;
    let name = "the same by code that runs within the space";
    figures.push(Figure::rate(name, size, begin.elapsed()));

    let singles = size / 2;
    let space = new_space().await?;
    let took = single(&space, singles, 1, Durability::Interval).await?;
    let name = "blocks appended, one object each, one at a time";
    figures.push(Figure::rate(name, singles, took));
    let space = new_space().await?;
    let took = single(&space, singles, 64, Durability::Interval).await?;
    let name = "blocks appended, one object each, 64 at once";
    figures.push(Figure::rate(name, singles, took));

    let synced = (size / 50).clamp(50, 5000);
    let space = new_space().await?;
    let took = single(&space, synced, 1, Durability::Synced).await?;
    let name = "blocks appended, fsync each, one writer";
    figures.push(Figure::rate(name, synced, took));
    let took = single(&space, synced * 10, 64, Durability::Synced).await?;
    let name = "blocks appended, fsync each, 64 writers";
    figures.push(Figure::rate(name, synced * 10, took));
    client.destroy().await?;
    Ok(figures)
}

/// Commits `count` transactions of one object, so many at once.
async fn single(
    space: &Space,
    count: usize,
    at_once: usize,
    durability: Durability,
) -> Result<Duration> {
    let db = space.db();
    let transactions = (0..count)
        .map(|number| creation(space, number, number + 1))
        .collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    futures_util::stream::iter(transactions)
        .map(|transaction| db.commit_with(transaction, durability))
        .buffer_unordered(at_once)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(begin.elapsed())
}
