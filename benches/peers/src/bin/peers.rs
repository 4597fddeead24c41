//! Measures all libraries on the same work.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use peers::child::Task;
use peers::run::{Options, run};
use peers::work::{Work, fork};

/// Compare with other libraries, on this machine.
///
/// automerge, yrs, loro, diamond-types and crdts do the same work as this project's layers, each
/// in a process of its own, in turn. Ratios are ours / theirs. Figures compare within one run.
#[derive(Debug, Parser)]
#[command(name = "peers", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Debug, Subcommand)]
enum Child {
    /// Do one piece of work with one library
    #[command(hide = true)]
    Child(Task),
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.child {
        Some(Child::Child(task)) => work(task),
        None => run(&arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(task: &Task) -> Result<()> {
    let text = match task.work {
        Work::Forks => serde_json::to_string(&fork(task.library)?)?,
        _ => serde_json::to_string(&task.work.measure(task.library)?)?,
    };
    println!("{text}");
    Ok(())
}
