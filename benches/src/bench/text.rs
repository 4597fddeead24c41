//! Typing: a recording of somebody who writes a paper, into a text of a space.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dxos_client::{Client, ConnectionState, ObjectId, Space, TextContent, Value, map};
use serde::Deserialize;

use crate::figures::float;
use crate::setup::{join, start, within};
use crate::{Figure, Latencies, Unit};

/// Edits of a transaction when typing is coalesced.
const COALESCED: usize = 1000;
/// The last edits of the recording that get a transaction each, on the text as it is then.
const ALONE: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    end_content: String,
    txns: Vec<Typed>,
}

#[derive(Deserialize)]
struct Typed {
    patches: Vec<(usize, usize, String)>,
}

type Edits = Vec<(usize, usize, String)>;

fn trace() -> Result<(Edits, String)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/editing-traces/automerge-paper.json.gz");
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut plain = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut plain)?;
    let trace: Trace = serde_json::from_str(&plain)?;
    let edits = trace.txns.into_iter().flat_map(|typed| typed.patches);
    Ok((edits.collect(), trace.end_content))
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let (edits, end) = trace()?;
    let home = tempfile::tempdir()?;
    let mut figures = alone(&home.path().join("alone"), &edits, &end).await?;
    for concurrent in [false, true] {
        let path = home
            .path()
            .join(if concurrent { "concurrent" } else { "nothing" });
        figures.push(merge(&path, &edits, &end, concurrent).await?);
    }
    Ok(figures)
}

async fn create(space: &Space) -> Result<ObjectId> {
    Ok(space
        .db()
        .add(("page", map! { "body" => TextContent::new("") }))
        .await?)
}

async fn edit(space: &Space, page: ObjectId, edits: Edits) -> Result<()> {
    let db = space.db();
    let edited = db.transaction(move |tx| {
        let mut body = tx.text(page, "body")?;
        edits
            .iter()
            .try_for_each(|(at, deleted, inserted)| body.splice(*at, *deleted, inserted))
    });
    Ok(edited.await?)
}

async fn type_all(space: &Space, page: ObjectId, edits: &[(usize, usize, String)]) -> Result<()> {
    for some in edits.chunks(COALESCED) {
        edit(space, page, some.to_vec()).await?;
    }
    Ok(())
}

async fn body(space: &Space, page: ObjectId) -> Result<String> {
    let page = space.db().get(page).await?.context("no page")?;
    match page.get("body") {
        Some(Value::Text(text)) => Ok(text.as_str().to_owned()),
        _ => anyhow::bail!("the page has no text"),
    }
}

async fn alone(profile: &Path, edits: &Edits, end: &str) -> Result<Vec<Figure>> {
    let client = start(profile, false).await?;
    let space = client.echo().create_space(map! {}).await?;
    let page = create(&space).await?;
    let begin = Instant::now();
    type_all(&space, page, edits).await?;
    let name = "edits, 1,000 a transaction";
    let mut figures = vec![Figure::rate(name, edits.len(), begin.elapsed())];
    ensure!(
        body(&space, page).await? == end,
        "typing ended in another text"
    );
    let key = space.key();
    client.destroy().await?;

    let begin = Instant::now();
    let client = start(profile, false).await?;
    let space = client.echo().space(key).await?;
    let opened = Instant::now();
    ensure!(
        body(&space, page).await? == end,
        "reopening gave another text"
    );
    figures.push(Figure::millis(
        "reopened: until the client was initialized",
        opened - begin,
    ));
    figures.push(Figure::millis(
        "reopened: until the text was read then",
        opened.elapsed(),
    ));

    let other = create(&space).await?;
    let (first, last) = edits.split_at(edits.len().saturating_sub(ALONE));
    type_all(&space, other, first).await?;
    let mut keystrokes = Latencies::new();
    let begin = Instant::now();
    for one in last {
        let begin = Instant::now();
        edit(&space, other, vec![one.clone()]).await?;
        keystrokes.record(begin.elapsed());
    }
    let name = "edits, one a transaction";
    figures.push(Figure::rate(name, last.len(), begin.elapsed()));
    figures.extend(keystrokes.figures("an edit in a long text", Duration::ZERO));
    client.destroy().await?;
    Ok(figures)
}

/// From going online to the text being read at the peer, connection included.
async fn merge(home: &Path, edits: &Edits, end: &str, concurrent: bool) -> Result<Figure> {
    let ann = start(&home.join("ann"), true).await?;
    let bob = start(&home.join("bob"), true).await?;
    let space = ann.echo().create_space(map! {}).await?;
    let page = create(&space).await?;
    let theirs = join(&space, &bob).await?;
    within("the page", reach(&theirs, page, 0)).await??;
    set_state(&bob, ConnectionState::Offline).await?;
    type_all(&space, page, edits).await?;
    let mut length = end.len();
    if concurrent {
        edit(&theirs, page, vec![(0, 0, "concurrent".to_owned())]).await?;
        length += "concurrent".len();
    }
    let begin = Instant::now();
    set_state(&bob, ConnectionState::Online).await?;
    within("merging", reach(&theirs, page, length)).await??;
    let took = begin.elapsed();
    ann.destroy().await?;
    bob.destroy().await?;
    let what = if concurrent {
        "with something concurrent"
    } else {
        "into nothing"
    };
    let name = format!("at a peer, {what}, connection included");
    Ok(Figure::new(
        name,
        float(took.as_micros().try_into()?) / 1e3,
        Unit::Milliseconds,
    ))
}

async fn set_state(client: &Client, state: ConnectionState) -> Result<()> {
    Ok(client.mesh().set_connection_state(state).await?)
}

/// Returns when the text is there and has that length.
async fn reach(space: &Space, page: ObjectId, length: usize) -> Result<()> {
    let mut changes = space.watch().await?;
    loop {
        changes.borrow_and_update();
        if space.db().get(page).await?.is_some() && body(space, page).await?.len() == length {
            return Ok(());
        }
        changes.changed().await?;
    }
}
