//! The benchmarks, each in a module of its own.

mod child;
mod commit;
mod open;
mod query;
mod raw;
mod replicate;
mod verify;
mod visible;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use serde_json::json;

use crate::figures::table;
use crate::setup::progress;
use crate::{Figure, Report};

/// Measure on this machine.
///
/// Everything is signed, sealed, checked and persisted, through the public surface of the
/// client. Compare figures only within one run.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub struct Arguments {
    /// Run only this benchmark
    #[arg(value_enum)]
    name: Option<Name>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// How many objects the benchmarks work on
    #[arg(long, default_value_t = 100_000, value_parser = size)]
    size: usize,
    /// What a child process of a benchmark does
    #[arg(long, value_enum, hide = true, requires = "profile")]
    child: Option<child::Task>,
    /// The profile of a child process
    #[arg(long, hide = true)]
    profile: Option<PathBuf>,
}

/// Sizes that make sense: below, nothing can be timed; above, it takes hours.
fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (100..=10_000_000).contains(&size) => Ok(size),
        _ => Err("expected a number from 100 to 10000000".to_owned()),
    }
}

/// The benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// What disk and network give without anything on top
    Raw,
    /// Transactions, durable at an interval and with fsync each
    Commit,
    /// Blocks verified in bulk and one at a time
    Verify,
    /// All objects to a new peer over loopback QUIC
    Replicate,
    /// From a commit to the live query of a peer, over loopback QUIC
    Visible,
    /// Queries of a space, and a live query's difference
    Query,
    /// A cold process, until its first query is answered; memory
    Open,
}

impl Name {
    const fn text(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Commit => "commit",
            Self::Verify => "verify",
            Self::Replicate => "replicate",
            Self::Visible => "visible",
            Self::Query => "query",
            Self::Open => "open",
        }
    }

    async fn run(self, size: usize) -> Result<Vec<Figure>> {
        match self {
            Self::Raw => raw::run(size).await,
            Self::Commit => commit::run(size).await,
            Self::Verify => verify::run(size),
            Self::Replicate => replicate::run(size).await,
            Self::Visible => visible::run(size).await,
            Self::Query => query::run(size).await,
            Self::Open => open::run(size).await,
        }
    }
}

/// Runs what the arguments say and prints the figures.
///
/// # Errors
///
/// Whatever a benchmark stumbles over, with its name.
pub async fn run(arguments: Arguments) -> Result<()> {
    if let (Some(task), Some(profile)) = (arguments.child, &arguments.profile) {
        return child::run(task, profile, arguments.size).await;
    }
    let names = match &arguments.name {
        Some(name) => std::slice::from_ref(name),
        None => Name::value_variants(),
    };
    let mut reports = Vec::with_capacity(names.len());
    for name in names {
        progress(&format!("{} ...", name.text()));
        let figures = name.run(arguments.size).await;
        let figures = figures.with_context(|| format!("benchmark {}", name.text()))?;
        reports.push(Report {
            name: name.text(),
            figures,
        });
    }
    let text = if arguments.json {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        json!({ "size": arguments.size, "cores": cores, "optimized": !cfg!(debug_assertions),
                "benchmarks": reports })
        .to_string()
    } else {
        table(&reports)
    };
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_has_the_name_that_it_is_run_by() {
        for name in Name::value_variants() {
            let parsed = Arguments::try_parse_from(["bench", name.text(), "--size", "1000"]);
            let parsed = parsed.unwrap();
            assert_eq!((parsed.name, parsed.size), (Some(*name), 1000));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            ["bench", "nothing"],
            ["bench", "--size=0"],
            ["bench", "--size=x"],
        ] {
            assert!(
                Arguments::try_parse_from(arguments).is_err(),
                "{arguments:?}"
            );
        }
        assert!(Arguments::try_parse_from(["bench", "--child", "open"]).is_err());
    }
}
