//! Does one piece of work with one library, and tells what it holds in memory.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use peers::child::Task;
use peers::heap::Counting;

#[global_allocator]
static ALLOCATOR: &Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    match weigh(&Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn weigh(task: &Task) -> Result<()> {
    let figures = task.work.weigh(task.library)?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
