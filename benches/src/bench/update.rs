//! Changing objects that are there.

use std::time::Instant;

use anyhow::Result;
use dxos_client::{Client, Filter, ObjectId, Space, map};

use crate::Figure;
use crate::setup::{BULK, TYPE, fill, start};

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
    let found = space.db().query(Filter::type_name(TYPE)).run().await?;
    let ids: Vec<ObjectId> = found.iter().map(dxos_client::Object::id).collect();
    drop(found);
    let mut figures = Vec::new();

    let begin = Instant::now();
    for some in ids.chunks(BULK) {
        finish(&space, some.to_vec()).await?;
    }
    let name = "one property of each object, 1,000 a transaction";
    figures.push(Figure::rate(name, ids.len(), begin.elapsed()));

    let some: Vec<_> = ids.iter().take(size / 10).copied().collect();
    let begin = Instant::now();
    for id in &some {
        finish(&space, vec![*id]).await?;
    }
    let name = "one property of each object, one a transaction";
    figures.push(Figure::rate(name, some.len(), begin.elapsed()));

    let begin = Instant::now();
    for id in &some {
        let done = |properties: &mut dxos_client::Map| {
            properties.insert("done".into(), false.into());
        };
        space.db().update(*id, done).await?;
    }
    let name = "read, changed and written, one a transaction";
    figures.push(Figure::rate(name, some.len(), begin.elapsed()));
    Ok(figures)
}

/// One transaction.
async fn finish(space: &Space, ids: Vec<ObjectId>) -> Result<()> {
    let db = space.db();
    let done =
        db.transaction(move |tx| ids.into_iter().try_for_each(|id| tx.set(id, "done", true)));
    Ok(done.await?)
}
