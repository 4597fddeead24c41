//! Objects in a space.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use dxos_client::{Filter, Map, Object, ObjectId, Space, Value, map};

use super::setup::{block_on, disk, start, transact};
use crate::figures::Figures;
use crate::objects::{tags, title};

const TYPE: &str = "task";
/// Objects of a bulk transaction.
const BULK: usize = 1000;
/// How many are also written one a transaction.
const ALONE: usize = 10_000;

pub(super) fn properties(number: usize) -> Map {
    let tags = tags(number).into_iter().map(Value::from).collect();
    map! { "title" => title(number), "done" => false, "tags" => Value::List(tags) }
}

/// One transaction that creates objects with these numbers.
pub(super) async fn create(space: &Space, numbers: Range<usize>) -> Result<Vec<ObjectId>> {
    let db = space.db();
    let created = db.transaction(move |tx| {
        numbers
            .map(|number| tx.add(TYPE, properties(number)))
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(created.await?)
}

async fn finish(space: &Space, ids: Vec<ObjectId>) -> Result<()> {
    transact(space, move |tx| {
        ids.into_iter().try_for_each(|id| tx.set(id, "done", true))
    })
    .await
}

/// All objects, by a query.
pub(super) async fn all(space: &Space) -> Result<Vec<Object>> {
    Ok(space.db().query(Filter::type_name(TYPE)).run().await?)
}

/// Everything on one device.
pub fn objects(size: usize) -> Result<Figures> {
    block_on(async {
        let home = tempfile::tempdir()?;
        let mut figures = Figures::new();
        let profile = home.path().join("profile");
        let client = start(&profile, false).await?;
        let space = client.echo().create_space(map! {}).await?;
        let mut ids = Vec::new();
        let begin = Instant::now();
        for from in (0..size).step_by(BULK) {
            ids.extend(create(&space, from..size.min(from + BULK)).await?);
        }
        let created = begin.elapsed();
        let begin = Instant::now();
        for some in ids.chunks(BULK) {
            finish(&space, some.to_vec()).await?;
        }
        let updated = begin.elapsed();
        for (what, took) in [("create", created), ("update", updated)] {
            figures.rate(&format!("{what}/s"), size, took);
            figures.rate(&format!("{what}/s, 1,000 each"), size, took);
        }
        let key = space.key();
        client.destroy().await?;
        figures.count("bytes on disk", disk(&profile)?);

        // Cold, until a first object can be read; the others are timed until all can be.
        let begin = Instant::now();
        let client = start(&profile, false).await?;
        let space = client.echo().space(key).await?;
        let one = space
            .db()
            .query(Filter::type_name(TYPE))
            .limit(1)
            .run()
            .await?;
        figures.millis("load ms", begin.elapsed());
        ensure!(one.len() == 1, "nothing was loaded");
        let begin = Instant::now();
        let mut found = [0; 2];
        for object in all(&space).await? {
            let values = ["title", "done", "tags"].map(|key| object.get(key));
            let [
                Some(Value::String(_)),
                Some(Value::Bool(done)),
                Some(Value::List(tags)),
            ] = values
            else {
                bail!("no such properties")
            };
            found = [found[0] + usize::from(*done), found[1] + tags.len()];
        }
        figures.millis("read all ms", begin.elapsed());
        ensure!(found == [size, 2 * size], "loading gave other objects");

        let count = size.min(ALONE);
        let begin = Instant::now();
        let mut more = Vec::new();
        for number in 0..count {
            more.extend(create(&space, number..number + 1).await?);
        }
        figures.rate("create/s, one each", count, begin.elapsed());
        let begin = Instant::now();
        for id in more {
            finish(&space, vec![id]).await?;
        }
        figures.rate("update/s, one each", count, begin.elapsed());
        client.destroy().await?;
        Ok(figures)
    })
}
