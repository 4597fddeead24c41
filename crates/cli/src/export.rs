//! `dx export`: objects become records of a file.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dxos_client::{Format, Query, Space};
use serde_json::json;

use crate::arguments::ExportOptions;
use crate::output::Output;
use crate::session::{Session, end, find_space};

pub(crate) async fn run(session: &Session, options: &ExportOptions, output: Output) -> Result<()> {
    let query: Query = options.conditions.join(" ").parse()?;
    let named = options.output.as_deref().and_then(Format::of_name);
    let format = options.format.or(named).unwrap_or(Format::Jsonl);
    let mut how = dxos_client::ExportOptions::new(format);
    how.query = query;
    let client = session.local().await?;
    let bar = output.count_bar(0);
    let exported = async {
        let space = find_space(&client, &options.space).await?;
        bar.set_length(space.db().query(how.query.clone()).count().await?);
        let on_progress = |objects| bar.set_position(objects);
        match &options.output {
            None => {
                let to = BufWriter::new(std::io::stdout());
                let exported = space.db().export(how, to, on_progress).await;
                exported.context("cannot write to standard output")?;
                Ok(None)
            }
            Some(path) => {
                let objects = write_file(&space, how, path, on_progress).await;
                let objects =
                    objects.with_context(|| format!("cannot write {}", path.display()))?;
                Ok(Some((path, objects)))
            }
        }
    };
    let exported: Result<_> = exported.await;
    bar.finish_and_clear();
    end(&client).await?;
    if let Some((path, objects)) = exported? {
        let json = json!({ "file": path, "format": format.name(), "objects": objects });
        output.result(&json, || format!("{objects} objects in {}", path.display()));
    }
    Ok(())
}

/// Writes a file that is there as a whole or not at all: one that was there before stays until
/// then. What is no file, such as a pipe, is written to.
async fn write_file(
    space: &Space,
    how: dxos_client::ExportOptions,
    path: &Path,
    on_progress: impl FnMut(u64) + Send,
) -> Result<u64> {
    let special = std::fs::metadata(path).is_ok_and(|about| !about.is_file());
    let draft = if special {
        path.to_path_buf()
    } else {
        draft_of(path)
    };
    let file = open(&draft)?;
    let written = async {
        let to = BufWriter::new(file);
        let (mut to, objects) = space.db().export(how, to, on_progress).await?;
        to.flush()?;
        if !special {
            to.get_ref().sync_all()?;
            std::fs::rename(&draft, path)?;
        }
        anyhow::Ok(objects)
    };
    let written = written.await;
    if written.is_err() && !special {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".partial");
    draft.into()
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).open(path)
}
