//! A text in a space: typed, reopened, and taken in by a second device.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dxos_client::{ObjectId, Space, map};
use dxos_document::Text;

use super::setup::{
    block_on, converge, disk, existing, join, online, start, string, traffic, transact,
};
use crate::figures::Figures;
use crate::text::Edit;
use crate::trace::Trace;

/// Edits of a transaction when typing is coalesced.
const COALESCED: usize = 1000;
/// Edits that get a transaction each: the last ones of a recording, on the text as it is then.
const ALONE: usize = 20_000;
/// How the figures with coalesced edits are called.
const HOW: &str = ", 1,000 a transaction";

type Owned = Vec<(usize, usize, String)>;

fn owned(edits: &[Edit<'_>]) -> Owned {
    edits
        .iter()
        .map(|&(at, deleted, inserted)| (at, deleted, inserted.to_owned()))
        .collect()
}

async fn create(space: &Space) -> Result<ObjectId> {
    Ok(space
        .db()
        .add(("page", map! { "body" => Text::new("") }))
        .await?)
}

async fn edit(space: &Space, page: ObjectId, edits: Owned) -> Result<()> {
    transact(space, move |tx| {
        let mut body = tx.text(page, "body")?;
        edits
            .iter()
            .try_for_each(|(at, deleted, inserted)| body.splice(*at, *deleted, inserted))
    })
    .await
}

async fn body(space: &Space, page: ObjectId) -> Result<String> {
    string(&existing(space, page).await?, "body").context("the page has no body")
}

/// One person types; another device takes it in.
pub fn sequential(trace: &Trace) -> Result<Figures> {
    block_on(async {
        let home = tempfile::tempdir()?;
        let mut figures = Figures::new();
        let edits: Vec<Edit<'_>> = trace.edits().collect();
        figures.count("edits", edits.len());
        alone(&home.path().join("alone"), trace, &edits, &mut figures).await?;
        for (name, concurrent) in [("nothing", false), ("something concurrent", true)] {
            let path = home.path().join(name);
            let (took, sent) = merge(&path, trace, &edits, concurrent).await?;
            let into = if concurrent { "with" } else { "into" };
            figures.millis(&format!("merge {into} {name} ms{HOW}"), took);
            if !concurrent {
                figures.count(&format!("sent bytes{HOW}"), sent);
            }
        }
        Ok(figures)
    })
}

async fn alone(
    profile: &Path,
    trace: &Trace,
    edits: &[Edit<'_>],
    figures: &mut Figures,
) -> Result<()> {
    let client = start(profile, false).await?;
    let space = client.echo().create_space(map! {}).await?;
    let page = create(&space).await?;
    let batches: Vec<Owned> = edits.chunks(COALESCED).map(owned).collect();
    let begin = Instant::now();
    for batch in batches {
        edit(&space, page, batch).await?;
    }
    let took = begin.elapsed();
    figures.rate(&format!("edits/s{HOW}"), edits.len(), took);
    ensure!(
        body(&space, page).await? == trace.end_content,
        "typing ended in another text"
    );
    let key = space.key();
    client.destroy().await?;
    figures.count(&format!("bytes on disk{HOW}"), disk(profile)?);

    let begin = Instant::now();
    let client = start(profile, false).await?;
    let space = client.echo().space(key).await?;
    let text = body(&space, page).await?;
    figures.millis(&format!("load and read ms{HOW}"), begin.elapsed());
    ensure!(text == trace.end_content, "loading gave another text");

    let page = create(&space).await?;
    let (first, last) = edits.split_at(edits.len().saturating_sub(ALONE));
    for batch in first.chunks(COALESCED) {
        edit(&space, page, owned(batch)).await?;
    }
    let begin = Instant::now();
    for one in last.chunks(1) {
        edit(&space, page, owned(one)).await?;
    }
    figures.rate("edits/s", last.len(), begin.elapsed());
    ensure!(
        body(&space, page).await? == trace.end_content,
        "typing ended in another text"
    );
    Ok(client.destroy().await?)
}

/// From going online to the text being read at the other device, connection included.
async fn merge(
    home: &Path,
    trace: &Trace,
    edits: &[Edit<'_>],
    concurrent: bool,
) -> Result<(Duration, usize)> {
    let ann = start(&home.join("ann"), true).await?;
    let ben = start(&home.join("ben"), true).await?;
    let space = ann.echo().create_space(map! {}).await?;
    let page = create(&space).await?;
    let theirs = join(&space, &ben).await?;
    converge(&[&space, &theirs]).await?;
    online(&ben, false).await?;
    for batch in edits.chunks(COALESCED) {
        edit(&space, page, owned(batch)).await?;
    }
    let mut length = trace.end_content.len();
    if concurrent {
        edit(&theirs, page, vec![(0, 0, "concurrent".to_owned())]).await?;
        length += "concurrent".len();
    }
    let begin = Instant::now();
    online(&ben, true).await?;
    converge(&[&space, &theirs]).await?;
    let text = body(&theirs, page).await?;
    let took = begin.elapsed();
    ensure!(text.len() == length, "merging lost an edit");
    let sent = usize::try_from(traffic(&ben).await?)?;
    ann.destroy().await?;
    ben.destroy().await?;
    Ok((took, sent))
}
