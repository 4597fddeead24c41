//! From the moment that a commit is asked for to the moment that a live query of a peer shows
//! it, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dxos_client::{Filter, map};

use crate::setup::{TYPE, creation, join, start, within};
use crate::{Figure, Latencies};

/// Commits that are not counted: connections and caches settle.
const WARM: usize = 50;

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let ann = start(&home.path().join("ann"), true).await?;
    let bob = start(&home.path().join("bob"), true).await?;
    let space = ann.echo().create_space(map! {}).await?;
    let theirs = join(&space, &bob).await?;
    let mut live = theirs
        .db()
        .query(Filter::type_name(TYPE))
        .limit(1)
        .subscribe()
        .await?;
    let (mut visible, mut committed) = (Latencies::new(), Latencies::new());
    for number in 0..(size / 50).clamp(100, 2000) + WARM {
        let transaction = creation(&space, number, number + 1)?;
        let object = transaction
            .ops
            .first()
            .context("an empty transaction")?
            .object();
        let begin = Instant::now();
        space.db().commit(transaction).await?;
        let acknowledged = begin.elapsed();
        within("visibility", live.next())
            .await?
            .context("the live query ended")?;
        let shown = begin.elapsed();
        // Taken away again, so that the next is the one that shows.
        space.db().remove(object).await?;
        within("removal", live.next())
            .await?
            .context("the live query ended")?;
        if number >= WARM {
            committed.record(acknowledged);
            visible.record(shown);
        }
    }
    ann.destroy().await?;
    bob.destroy().await?;
    let mut figures = visible.figures("commit to visible at the peer", Duration::ZERO);
    figures.extend(committed.figures("commit to acknowledged here", Duration::ZERO));
    Ok(figures)
}
