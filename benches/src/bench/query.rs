//! Reading a space that is open.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dxos_client::{Client, Filter, Space, TypeSchema, map};

use crate::setup::{PATIENCE, TYPE, creation, fill, start, within};
use crate::{Figure, Latencies};

/// How often each quick thing is done.
const TIMES: usize = 20;

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

    let mut ordered = Latencies::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        let found = db
            .query(Filter::type_name(TYPE))
            .order_by("number")
            .limit(50)
            .run()
            .await?;
        ordered.record(begin.elapsed());
        ensure!(found.len() == 50.min(size), "{} found", found.len());
    }
    figures.extend(ordered.figures("50 of all, ordered", Duration::ZERO));

    let filter = Filter::type_name(TYPE).and(Filter::eq("tag", "tag-7"));
    let mut filtered = Latencies::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        db.query(filter.clone()).run().await?;
        filtered.record(begin.elapsed());
    }
    figures.extend(filtered.figures("1% by a property", Duration::ZERO));

    let begin = Instant::now();
    let schema = serde_json::json!({"properties": {
        "number": {"x-echo-index": true}, "tag": {"x-echo-index": true},
    }});
    index(&space, schema, 2).await?;
    figures.push(Figure::millis(
        "two declared indexes built",
        begin.elapsed(),
    ));
    let mut ordered = Latencies::new();
    let mut descending = Latencies::new();
    let mut filtered = Latencies::new();
    for _ in 0..TIMES * 10 {
        let tasks = || db.query(Filter::type_name(TYPE)).limit(50);
        for (latencies, query) in [
            (&mut ordered, tasks().order_by("number")),
            (&mut descending, tasks().descending("number")),
            (&mut filtered, db.query(filter.clone())),
        ] {
            let begin = Instant::now();
            let found = query.run().await?;
            latencies.record(begin.elapsed());
            ensure!(size < 50 || !found.is_empty(), "nothing found");
        }
    }
    figures.extend(ordered.figures("50 of all, ordered, indexed", Duration::ZERO));
    figures.extend(descending.figures("50 of all, the last first, indexed", Duration::ZERO));
    figures.extend(filtered.figures("1% by an indexed property", Duration::ZERO));

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
        let mut found = Latencies::new();
        for _ in 0..TIMES {
            let begin = Instant::now();
            let best = best(word).run().await?;
            found.record(begin.elapsed());
            ensure!(!best.is_empty(), "nothing has {word}");
        }
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
