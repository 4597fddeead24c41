//! A process that opens a filled space: after a clean close, and after being killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::child::{Opened, Task, command};
use crate::figures::float;
use crate::setup::within;
use crate::{Figure, Unit};

/// How often a closed profile is opened: the median counts.
const TIMES: usize = 3;

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let home = tempfile::tempdir()?;
    let mut figures = Vec::new();
    for (how, kill) in [("closed", false), ("killed", true)] {
        let profile = home.path().join(how);
        within("filling", fill(&profile, size, kill)).await??;
        if !kill {
            let bytes = float(disk(&profile)?);
            let each = bytes / float(size as u64);
            figures.push(Figure::new("disk, bytes an object", each, Unit::Count));
        }
        // A killed one is so only once: opening it tidies it up.
        let mut runs = Vec::new();
        for _ in 0..if kill { 1 } else { TIMES } {
            runs.push(within("opening", open(&profile, size)).await??);
        }
        runs.sort_by_key(|run| run.answered_us);
        let run = runs.get(runs.len() / 2).context("no run")?;
        let millis =
            |name: &str, us| Figure::millis(format!("{how}: {name}"), Duration::from_micros(us));
        figures.push(millis("until initialized", run.initialized_us));
        figures.push(millis(
            "until a first query (limit 1) is answered",
            run.answered_us,
        ));
        let mebibytes = float(run.resident_bytes) / f64::from(1 << 20);
        let name = format!("{how}: resident then");
        figures.push(Figure::new(name, mebibytes, Unit::Mebibytes));
    }
    Ok(figures)
}

async fn fill(profile: &Path, size: usize, kill: bool) -> Result<()> {
    let mut child = command(Task::Fill, profile, size)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("no standard output")?;
    let line = BufReader::new(out).lines().next_line().await?;
    ensure!(line.as_deref() == Some("ready"), "the child did not fill");
    if kill {
        child.kill().await?;
        return Ok(());
    }
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(b"close\n").await?;
    ensure!(child.wait().await?.success(), "the child did not close");
    Ok(())
}

async fn open(profile: &Path, size: usize) -> Result<Opened> {
    let out = command(Task::Open, profile, size)?
        .stderr(Stdio::inherit())
        .output()
        .await?;
    ensure!(out.status.success(), "the child could not open the profile");
    let opened: Opened = serde_json::from_slice(&out.stdout)?;
    ensure!(
        opened.objects >= size as u64,
        "only {} of {size} objects are there",
        opened.objects
    );
    Ok(opened)
}

/// Bytes of all files of a directory.
fn disk(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk(&entry.path())?
        } else {
            // A journal is preallocated: what it takes counts, not how long it is.
            std::os::unix::fs::MetadataExt::blocks(&metadata) * 512
        };
    }
    Ok(bytes)
}
