//! The tasks of this workspace, run as `cargo xtask <task>`.
//!
//! It starts cargo and links nothing of the workspace, so that it builds in seconds and still
//! works when a crate does not compile. It is not a build system: every task can be done by
//! hand with the commands that it prints.
//!
//! ```text
//! cargo xtask test            # every test, doc test and example
//! cargo xtask ci              # everything that has to hold before a merge
//! cargo xtask sim --seed 7    # replay one simulated world
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program reports on its standard streams"
)]

mod bench;
mod cargo;
mod chaos;
mod ci;
mod counts;
mod deny;
mod deps;
mod examples;
mod floors;
mod forward;
mod test;
mod tidy;
mod types;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Bench(bench::Bench),
    Chaos(chaos::Chaos),
    Ci(ci::Options),
    Deps(deps::Options),
    Load(forward::Load),
    Sim(forward::Sim),
    Test(test::Options),
    Tidy(tidy::Options),
    Types(types::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Bench(options) => bench::bench(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Ci(options) => Ok(ci::run(&options)),
        Task::Deps(options) => deps::run(&options),
        Task::Load(options) => forward::load(&options),
        Task::Sim(options) => forward::sim(&options),
        Task::Test(options) => test::run(&options),
        Task::Tidy(options) => tidy::run(&options),
        Task::Types(options) => types::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn forwarded_arguments_keep_their_flags() {
        let arguments =
            Arguments::try_parse_from(["xtask", "sim", "--seeds", "20", "--json"]).unwrap();
        let Task::Sim(sim) = arguments.task else {
            panic!("not the sim task");
        };
        assert_eq!(sim.arguments, ["--seeds", "20", "--json"]);
    }
}
