//! Measuring: this project alone, and beside other libraries.

use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Result, bail};

use crate::cargo;
use crate::forward::{build_dx, forward, program};
use crate::web;

/// Measure on this machine.
///
/// Builds with optimisation and runs the program `bench` of dxos-benches with the arguments
/// given; without any, every benchmark. `bench echo` runs those of one device's objects and
/// texts. Figures compare only within one run.
///
/// `bench peers` does the same work with automerge, yrs, loro, diamond-types, crdts and this
/// project's layers, in turn, and prints ratios. It is built from a workspace of its own,
/// benches/peers, which takes minutes the first time.
///
/// `bench web` says how many bytes a page loads, and drives a browser on real hosts: the first
/// paint of the console, from a key to the other browser's screen, a table of 100,000 objects.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Arguments of the program:
  [NAME]       Run only this benchmark
  --json       Print one JSON document
  --size N     How many objects the benchmarks work on

Arguments of `bench peers`:
  --quick      One run of less work
  --forks      Only show what a fork does to each library
  --json       Print one JSON document

Arguments of `bench web`:
  --quick      Fewer rounds
  --json       Print one JSON document

Examples:
  cargo xtask bench
  cargo xtask bench echo --size 10000 --json
  cargo xtask bench peers --quick
  cargo xtask bench web

`cargo xtask bench -- --help` and `cargo xtask bench peers --help` show all of them."
)]
pub(crate) struct Bench {
    /// Arguments for the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs `bench`.
pub(crate) fn bench(options: &Bench) -> Result<ExitCode> {
    match options.arguments.split_first() {
        Some((name, arguments)) if name == "peers" => peers(arguments),
        Some((name, arguments)) if name == "web" => in_browsers(arguments),
        _ => forward(program("dxos-benches", "bench").args(&options.arguments)),
    }
}

/// Measures the packages, and the console in a browser.
fn in_browsers(arguments: &[OsString]) -> Result<ExitCode> {
    if let Some(reason) = web::missing() {
        bail!("{reason}");
    }
    if !web::folder().join("node_modules").is_dir() {
        cargo::run(&mut web::npm(&["ci"]))?;
    }
    // What it says is for people: the standard output is for figures.
    let mut browser = web::npm(&["run", "--silent", "browser", "-w", "e2e"]);
    cargo::run(browser.stdout(Stdio::from(std::io::stderr())))?;
    let mut bench = web::npm(&["run", "--silent", "bench", "-w", "e2e", "--"]);
    forward(bench.args(arguments).env("DX_BIN", build_dx(true)?))
}

/// Builds both programs of benches/peers, and runs the one that asks the other.
fn peers(arguments: &[OsString]) -> Result<ExitCode> {
    eprintln!(
        "benches/peers: automerge, yrs, loro, diamond-types, crdts and this project, built with \
         optimisation; the first time takes minutes"
    );
    cargo::run(peers_cargo("build").arg("--bins"))?;
    forward(
        peers_cargo("run")
            .args(["--bin", "peers", "--"])
            .args(arguments),
    )
}

fn peers_cargo(subcommand: &str) -> Command {
    let mut command = cargo::cargo();
    let manifest = cargo::root().join("benches/peers/Cargo.toml");
    command
        .args([subcommand, "--release", "--manifest-path"])
        .arg(manifest);
    command
}
