//! `dx export`: objects become records of a file.

use anyhow::{Context, Result};
use dxos_client::{Existing, Format, Query};
use serde_json::json;

use crate::arguments::ExportOptions;
use crate::files::{Target, or_stopped};
use crate::output::Output;
use crate::session::{Session, end, find_space};

pub(crate) async fn run(session: &Session, options: &ExportOptions, output: Output) -> Result<()> {
    let query: Query = options.conditions.join(" ").parse()?;
    let file = options.output.as_deref().filter(|file| *file != "-");
    let named = file.and_then(Format::of_name);
    let format = options.format.or(named).unwrap_or(Format::Jsonl);
    let mut how = dxos_client::ExportOptions::new(format);
    how.query = query;
    let client = session.local().await?;
    let bar = output.count_bar(0);
    let exported = async {
        let space = find_space(&client, &options.space).await?;
        bar.set_length(space.db().query(how.query.clone()).count().await?);
        let what = || match file {
            Some(path) => format!("cannot write {}", path.display()),
            None => "cannot write to standard output".to_owned(),
        };
        let target = match file {
            Some(path) => Target::create(path, Existing::Replace).await,
            None => Ok(Target::standard()),
        };
        let on_progress = |objects| bar.set_position(objects);
        let to = target.with_context(what)?;
        let exported = space.db().export(how, to, on_progress).await;
        let (to, objects) = exported.with_context(what)?;
        to.finish().await.with_context(what)?;
        anyhow::Ok(objects)
    };
    let exported = or_stopped(file, exported).await;
    bar.finish_and_clear();
    end(&client).await?;
    let objects = exported?;
    if let Some(path) = file {
        let name = path.to_string_lossy();
        let json = json!({ "file": name, "format": format.name(), "objects": objects });
        output.result(&json, || format!("{objects} objects in {}", path.display()));
    }
    Ok(())
}
