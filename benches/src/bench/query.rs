//! Reading a space that is open.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dxos_client::{Client, Filter, Space, TypeSchema, map};

use crate::setup::{PATIENCE, TYPE, creation, fill, start, within};
use crate::{Figure, Latencies};

/// How often each quick thing is done.
const TIMES: usize = 20;
/// How often what takes long is done at least.
const TIMES_MIN: usize = 3;
/// And for how long it is done more often than that.
const WHILE: Duration = Duration::from_secs(4);

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let client = start(&home.path().join("profile"), false).await?;
    let figures = measure(&client, size).await?;
    client.destroy().await?;
    Ok(figures)
}

async fn measure(client: &Client, size: usize) -> Result<Vec<Figure>> {
    let space = client.echo().create_space(map! {}).await?;
    fill(&space, size).await?;
    let db = space.db();

    let begin = Instant::now();
    let all = db.query(Filter::type_name(TYPE)).run().await?;
    let mut figures = vec![Figure::rate(
        "objects read, all by type",
        all.len(),
        begin.elapsed(),
    )];
    ensure!(all.len() == size, "{} objects of {size}", all.len());

    let some = all.get(size / 2).context("no object")?.id();
    let mut by_id = Latencies::new();
    for _ in 0..1000 {
        let begin = Instant::now();
        db.get(some).await?;
        by_id.record(begin.elapsed());
    }
    figures.extend(by_id.figures("object by id", Duration::ZERO));

    let tasks = || db.query(Filter::type_name(TYPE)).limit(50);
    let ordered = repeat(TIMES, async || {
        let found = tasks().order_by("number").run().await?;
        ensure!(found.len() == 50.min(size), "{} found", found.len());
        Ok(())
    });
    figures.extend(ordered.await?.figures("50 of all, ordered", Duration::ZERO));

    let filter = Filter::type_name(TYPE).and(Filter::eq("tag", "tag-7"));
    let filtered = repeat(TIMES, async || {
        db.query(filter.clone()).run().await?;
        Ok(())
    });
    figures.extend(filtered.await?.figures("1% by a property", Duration::ZERO));

    let begin = Instant::now();
    let schema = serde_json::json!({"properties": {
        "number": {"x-echo-index": true}, "tag": {"x-echo-index": true},
    }});
    index(&space, schema, 2).await?;
    figures.push(Figure::millis(
        "two declared indexes built",
        begin.elapsed(),
    ));
    for (name, query) in [
        ("50 of all, ordered, indexed", tasks().order_by("number")),
        (
            "50 of all, the last first, indexed",
            tasks().descending("number"),
        ),
        ("1% by an indexed property", db.query(filter.clone())),
    ] {
        let latencies = repeat(TIMES * 10, async || {
            let found = query.clone().run().await?;
            ensure!(size < 50 || !found.is_empty(), "nothing found");
            Ok(())
        });
        figures.extend(latencies.await?.figures(name, Duration::ZERO));
    }

    let mut live = db
        .query(Filter::type_name(TYPE).and(Filter::ge("number", i64::try_from(size)?)))
        .subscribe()
        .await?;
    let mut difference = Latencies::new();
    for number in 0..TIMES * 10 {
        let transaction = creation(&space, size + number, size + number + 1)?;
        let begin = Instant::now();
        db.commit(transaction).await?;
        within("a difference", live.next())
            .await?
            .context("the live query ended")?;
        difference.record(begin.elapsed());
    }
    figures.extend(difference.figures("commit to difference of a live query", Duration::ZERO));
    drop(live);
    figures.extend(search(&space, size).await?);
    Ok(figures)
}

/// Does something so many times, or as often as there is time for if it takes long.
async fn repeat(times: usize, mut work: impl AsyncFnMut() -> Result<()>) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    let all = Instant::now();
    for time in 0..times {
        if time >= TIMES_MIN && all.elapsed() > WHILE {
            break;
        }
        let begin = Instant::now();
        work().await?;
        latencies.record(begin.elapsed());
    }
    Ok(latencies)
}

/// Words: one that is in a single object, one in every hundredth, one in all of them.
async fn search(space: &Space, size: usize) -> Result<Vec<Figure>> {
    let db = space.db();
    let one = (size / 2).to_string();
    let words = [
        ("a word of one", one.as_str()),
        ("a word of 1%", "\"tag 7\""),
        ("a word of all", "object"),
    ];
    let best = |word: &str| {
        let filter = Filter::type_name(TYPE).and(Filter::text(word));
        db.query(filter).by_relevance().limit(20)
    };
    let mut figures = Vec::new();
    let begin = Instant::now();
    best(&one).run().await?;
    figures.push(Figure::millis(
        "the best 20 with a word of one",
        begin.elapsed(),
    ));
    let begin = Instant::now();
    let schema = serde_json::json!({"x-echo-text": true});
    index(space, schema, 1).await?;
    figures.push(Figure::millis("index of words built", begin.elapsed()));
    for (name, word) in words {
        let found = repeat(TIMES, async || {
            let best = best(word).run().await?;
            ensure!(!best.is_empty(), "nothing has {word}");
            Ok(())
        });
        let found = found.await?;
        figures.extend(found.figures(&format!("the best 20 with {name}, indexed"), Duration::ZERO));
    }
    Ok(figures)
}

/// Declares indexes, and waits until they are built.
async fn index(space: &Space, schema: serde_json::Value, declared: usize) -> Result<()> {
    let db = space.db();
    db.put_schema(TypeSchema::new(TYPE, schema)?).await?;
    let begin = Instant::now();
    loop {
        let indexes = db.indexes().await?;
        if indexes.len() == declared + 1 && indexes.iter().all(|index| index.is_ready) {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "the indexes are never built");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
