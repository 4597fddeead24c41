//! Queues: appended to, read from a cursor, followed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dxos_client::{Durability, Queue, QueueCursor, Value, map};

use crate::setup::{BULK, properties, start, within};
use crate::{Figure, Latencies};

/// Items that somebody waits for, one after the other.
const FOLLOWED: usize = 200;

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let client = start(&home.path().join("profile"), false).await?;
    let space = client.echo().create_space(map! {}).await?;
    let queue = space.queue("bench");

    let begin = Instant::now();
    for from in (0..size).step_by(BULK) {
        append(&queue, from, size.min(from + BULK)).await?;
    }
    let name = "items appended, 1,000 a transaction";
    let mut figures = vec![Figure::rate(name, size, begin.elapsed())];

    let begin = Instant::now();
    let mut cursor = QueueCursor::START;
    let mut count = 0;
    while count < size {
        let page = queue.read(cursor, BULK).await?;
        ensure!(!page.items.is_empty(), "only {count} items of {size}");
        count += page.items.len();
        cursor = page.next;
    }
    let name = "items read from a cursor on, up to 1,000 a page";
    figures.push(Figure::rate(name, count, begin.elapsed()));

    let mut followed = queue.subscribe(cursor);
    let mut latencies = Latencies::new();
    for number in size..size + FOLLOWED {
        let begin = Instant::now();
        append(&queue, number, number + 1).await?;
        let page = within("an item", followed.next()).await?;
        let page = page.context("the subscription ended")??;
        ensure!(page.items.len() == 1, "{} items came", page.items.len());
        latencies.record(begin.elapsed());
    }
    figures.extend(latencies.figures("append of one item until a follower has it", Duration::ZERO));
    client.destroy().await?;
    Ok(figures)
}

async fn append(queue: &Queue, from: usize, to: usize) -> Result<()> {
    let items = (from..to).map(|number| Value::Map(properties(number)));
    let appended = queue.append_values(items.collect(), Durability::Interval);
    appended.await?;
    Ok(())
}
