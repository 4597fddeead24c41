//! `cargo xtask ci`: everything that has to hold before a merge, cheapest first.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{cargo, deny, deps, forward, test, tidy};

/// Run everything that has to hold before a merge.
///
/// In this order: fmt, tidy, deps, deny (installs cargo-deny if it is missing), clippy and docs
/// with warnings denied, test, and 20 seeds of the simulation without optimisation. Stops at the
/// first failure.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Run all but the tests
    #[arg(long)]
    no_test: bool,

    /// Go on after a failure and report all of them
    #[arg(long)]
    keep_going: bool,
}

/// How many seeds of the simulation each run tries.
const SEEDS: &str = "20";

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        run: || cargo::run(cargo::cargo().args(["fmt", "--all", "--", "--check"])),
    },
    Step {
        name: "tidy",
        run: || passed(tidy::run(&tidy::Options::default())?, "cargo xtask tidy"),
    },
    Step {
        name: "deps",
        run: || passed(deps::run(&deps::Options::default())?, "cargo xtask deps"),
    },
    Step {
        name: "deny",
        run: deny::run,
    },
    Step {
        name: "clippy",
        run: || {
            cargo::run(cargo::cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ]))
        },
    },
    Step {
        name: "docs",
        run: || {
            cargo::run(
                cargo::cargo()
                    .args(["doc", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            )
        },
    },
    Step {
        name: "test",
        run: || passed(test::run(&test::Options::default())?, "cargo xtask test"),
    },
    Step {
        name: "sim",
        run: || {
            let code = forward::sim_checked(&["--seeds", SEEDS])?;
            passed(code, "cargo xtask sim")
        },
    },
];

enum Outcome {
    Failed,
    NotRun,
    Passed,
}

/// Runs the task.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut rows = Vec::new();
    let mut failed = false;
    for step in STEPS {
        if options.no_test && step.name == "test" {
            continue;
        }
        if failed && !options.keep_going {
            rows.push((step.name, Outcome::NotRun, Duration::ZERO));
            continue;
        }
        eprintln!("\n== {} ==", step.name);
        let start = Instant::now();
        let outcome = match (step.run)() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                eprintln!("error: {error:#}");
                failed = true;
                Outcome::Failed
            }
        };
        rows.push((step.name, outcome, start.elapsed()));
    }
    println!("\n{:<8} {:<8} {:>12}", "step", "result", "time");
    for (name, outcome, time) in rows {
        match outcome {
            Outcome::Failed => println!("{name:<8} {:<8} {:>12}", "FAILED", cargo::time(time)),
            Outcome::NotRun => println!("{name:<8} not run"),
            Outcome::Passed => println!("{name:<8} {:<8} {:>12}", "ok", cargo::time(time)),
        }
    }
    if failed {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn passed(code: ExitCode, task: &str) -> Result<()> {
    if code != ExitCode::SUCCESS {
        bail!("`{task}` failed");
    }
    Ok(())
}
