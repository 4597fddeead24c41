//! What child processes of benchmarks do: memory and cold starts are a process's own.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use dxos_client::{Filter, map};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::setup::{TYPE, fill, fill_by_code, start};

/// What a child does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Task {
    /// Fill a space, say so, and wait to be told to close or to be killed.
    Fill,
    /// Fill a space by code that runs within it, and end.
    Write,
    /// Open the profile, answer one query, and tell how long that took.
    Open,
}

/// What `open` tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Until the client was initialized.
    pub(crate) initialized_us: u64,
    /// Until the first query was answered.
    pub(crate) answered_us: u64,
    /// Resident memory then, in bytes.
    pub(crate) resident_bytes: u64,
    /// Objects that the space has.
    pub(crate) objects: u64,
}

pub(crate) async fn run(task: Task, profile: &Path, size: usize) -> Result<()> {
    match task {
        Task::Fill => {
            let client = start(profile, false).await?;
            let space = client.echo().create_space(map! {}).await?;
            fill(&space, size).await?;
            space.db().flush().await?;
            say("ready")?;
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            if lines.next_line().await?.as_deref() == Some("close") {
                client.destroy().await?;
            }
            Ok(())
        }
        Task::Write => {
            let client = start(profile, false).await?;
            let space = client.echo().create_space(map! {}).await?;
            let begin = Instant::now();
            fill_by_code(&space, size).await?;
            say(&format!("{} us", micros(begin)?))
        }
        Task::Open => {
            let opened = open(profile).await?;
            say(&serde_json::to_string(&opened)?)
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

async fn open(profile: &Path) -> Result<Opened> {
    let begin = Instant::now();
    let client = start(profile, false).await?;
    let initialized_us = micros(begin)?;
    let spaces = client.echo().spaces().await?;
    let space = spaces.first().context("the profile has no space")?;
    let found = space
        .db()
        .query(Filter::type_name(TYPE))
        .limit(1)
        .run()
        .await?;
    let answered_us = micros(begin)?;
    ensure!(found.len() == 1, "the query found nothing");
    let resident_bytes = resident()?;
    let objects = space.report().await?.objects;
    client.destroy().await?;
    Ok(Opened {
        initialized_us,
        answered_us,
        resident_bytes,
        objects,
    })
}

fn micros(begin: Instant) -> Result<u64> {
    Ok(u64::try_from(begin.elapsed().as_micros())?)
}

/// Resident memory of this process.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .context("resident memory can be read on Linux only")?;
    resident_in(&status).context("/proc/self/status has no VmRSS")
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// This program, to do `task`.
pub(crate) fn command(task: Task, profile: &Path, size: usize) -> Result<tokio::process::Command> {
    let Some(name) = task.to_possible_value() else {
        bail!("the task has no name");
    };
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command
        .args(["--child", name.get_name(), "--size", &size.to_string()])
        .arg("--profile")
        .arg(profile)
        .kill_on_drop(true);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status() {
        let status = "VmPeak:\t  200 kB\nVmRSS:\t   12 kB\nThreads:\t1\n";
        assert_eq!(resident_in(status), Some(12 * 1024));
        assert_eq!(resident_in("VmRSS: x kB"), None);
        assert_eq!(resident_in(""), None);
    }
}
