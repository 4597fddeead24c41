//! The benchmarks, each in a module of its own.

mod child;
mod commit;
mod halo;
mod join;
mod open;
mod query;
mod queue;
mod raw;
mod replicate;
mod text;
mod update;
mod verify;
mod visible;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValue;
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
    /// Run only this benchmark, or those of a group
    #[arg(value_enum)]
    name: Option<Asked>,
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

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Objects and texts on one device: commit, update, query, queue, open and text
    Echo,
    One(Name),
}

impl ValueEnum for Asked {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Asked; 13] = [
            Asked::Echo,
            Asked::One(Name::Raw),
            Asked::One(Name::Commit),
            Asked::One(Name::Update),
            Asked::One(Name::Text),
            Asked::One(Name::Verify),
            Asked::One(Name::Replicate),
            Asked::One(Name::Visible),
            Asked::One(Name::Query),
            Asked::One(Name::Queue),
            Asked::One(Name::Open),
            Asked::One(Name::Halo),
            Asked::One(Name::Join),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Echo => Some(PossibleValue::new("echo").help(
                "Objects and texts on one device: commit, update, query, queue, open and text together",
            )),
            Self::One(name) => name.to_possible_value(),
        }
    }
}

impl Asked {
    const fn names(&self) -> &[Name] {
        match self {
            Self::Echo => &[
                Name::Commit,
                Name::Update,
                Name::Query,
                Name::Queue,
                Name::Open,
                Name::Text,
            ],
            Self::One(name) => std::slice::from_ref(name),
        }
    }
}

/// The benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// What disk and network give without anything on top
    Raw,
    /// Transactions, durable at an interval and with fsync each
    Commit,
    /// One property of each of many objects, and of one object many times
    Update,
    /// Typing into a text, reopened, and taken in by a peer; the size is of no matter
    Text,
    /// Blocks verified in bulk and one at a time
    Verify,
    /// All objects to a new peer over loopback QUIC
    Replicate,
    /// From a commit to the live query of a peer, over loopback QUIC
    Visible,
    /// Queries of a space, and a live query's difference
    Query,
    /// A queue: appended to, read from a cursor, followed
    Queue,
    /// A cold process, until its first query is answered; memory
    Open,
    /// Credentials verified and folded, keys sealed; honest and hostile histories
    Halo,
    /// From an invitation to a space that can be used, and to a new device
    Join,
}

impl Name {
    const fn text(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Commit => "commit",
            Self::Update => "update",
            Self::Text => "text",
            Self::Verify => "verify",
            Self::Replicate => "replicate",
            Self::Visible => "visible",
            Self::Query => "query",
            Self::Queue => "queue",
            Self::Open => "open",
            Self::Halo => "halo",
            Self::Join => "join",
        }
    }

    async fn run(self, size: usize) -> Result<Vec<Figure>> {
        match self {
            Self::Raw => raw::run(size).await,
            Self::Commit => commit::run(size).await,
            Self::Update => update::run(size).await,
            Self::Text => text::run().await,
            Self::Verify => verify::run(size),
            Self::Replicate => replicate::run(size).await,
            Self::Visible => visible::run(size).await,
            Self::Query => query::run(size).await,
            Self::Queue => queue::run(size).await,
            Self::Open => open::run(size).await,
            Self::Halo => halo::run(size),
            Self::Join => join::run(size).await,
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
        Some(asked) => asked.names(),
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
            assert_eq!((parsed.name, parsed.size), (Some(Asked::One(*name)), 1000));
        }
        let parsed = Arguments::try_parse_from(["bench", "echo"]).unwrap();
        assert_eq!(parsed.name, Some(Asked::Echo));
        assert_eq!(
            Asked::value_variants().len(),
            Name::value_variants().len() + 1
        );
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
