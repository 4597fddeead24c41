//! `dx trace`: a recorded editing trace, replayed through real replicas, blocks and stores.

mod batch;
mod concurrent;
mod file;
mod plan;
mod relay;
mod replica;
mod report;
mod sequential;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::arguments::TraceOptions;
use crate::demo::Home;
use crate::invite::stop_signal;
use crate::output::Output;
use file::Kind;
use report::Report;

pub(crate) async fn run(options: &TraceOptions, output: Output) -> Result<ExitCode> {
    let name = options.file.display().to_string();
    let trace = Arc::new(file::read(&options.file)?);
    let home = Home::new(options.keep.as_deref())?;
    let bar = output.count_bar(trace.edits()).into_here();
    let replay = async {
        match trace.kind() {
            Kind::Sequential => {
                let replayed =
                    sequential::replay(home.path(), &trace, options.coalesce, &bar).await?;
                anyhow::Ok((replayed, 1))
            }
            Kind::Concurrent => {
                concurrent::replay(home.path(), &trace, options.coalesce, &bar).await
            }
        }
    };
    // When it is interrupted everything is dropped in order, the temporary directory last.
    let replayed = tokio::select! {
        biased;
        () = stop_signal() => bail!("interrupted"),
        replayed = replay => replayed,
    };
    bar.finish_and_clear();
    let (replayed, agents) = replayed.with_context(|| name.clone())?;
    let of = (&*trace, agents, options.coalesce);
    let report = Report::new(name, of, replayed);
    output.result(&json!(report), || report.text());
    Ok(if report.matches {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The bytes of all files below a directory.
fn file_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut left = vec![directory.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                left.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    Ok(bytes)
}
