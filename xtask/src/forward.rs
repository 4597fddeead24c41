//! Tasks that build a program of the workspace and hand their arguments on to it.

use std::{
    ffi::OsString,
    io::BufReader,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::cargo;

/// Put load on real processes on loopback.
///
/// Builds `dx` with optimisation, then runs the program `load` of dxos-benches, which starts
/// that many `dx serve` processes and writes at the given rate whether or not they keep up, so
/// that slow answers are counted and not left out.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Arguments of the program:
  --peers P       How many `dx serve` processes
  --writers W     How many of them write
  --rate R        Objects written each second by all writers together
  --duration S    Seconds to write for
  --json          Print one JSON document
  --dx PATH       Use this `dx` instead of building it

Example:
  cargo xtask load --peers 4 --writers 2 --rate 200 --duration 30

`cargo xtask load -- --help` shows all of them."
)]
pub(crate) struct Load {
    /// Arguments for the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Run simulated worlds and check that their replicas converge.
///
/// Builds with optimisation and runs the program `sim` of dxos-sim with the arguments given.
/// The same seed gives the same world and the same trace hash, always.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Arguments of the program:
  --seeds N    Run N worlds, with the seeds from --seed on
  --seed S     The first seed; alone, run this one world, twice
  --peers P    Peers in a world
  --steps N    Steps that a world takes before it must come to rest
  --twice      Run every world twice and compare the traces
  --timeline FILE
               Write what happens in one world when, to open in the console
  --json       Print one JSON document

Examples:
  cargo xtask sim --seeds 200
  cargo xtask sim --seed 7          replay the world that failed

`cargo xtask sim -- --help` shows all of them."
)]
pub(crate) struct Sim {
    /// Arguments for the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// Runs `sim`.
pub(crate) fn sim(options: &Sim) -> Result<ExitCode> {
    forward(program("dxos-sim", "sim").args(&options.arguments))
}

/// Runs `load`.
pub(crate) fn load(options: &Load) -> Result<ExitCode> {
    let mut command = program("dxos-benches", "load");
    if !names_dx(&options.arguments) {
        command.arg("--dx").arg(build_dx(true)?);
    }
    forward(command.args(&options.arguments))
}

/// Runs `sim` as the tests are built: sooner there than a build with optimisation on a fresh
/// clone, and with overflow checks.
pub(crate) fn sim_checked(arguments: &[&str]) -> Result<ExitCode> {
    let mut command = cargo::cargo();
    command.args(["run", "--package", "dxos-sim", "--bin", "sim", "--"]);
    forward(command.args(arguments))
}

/// A program of the workspace, to be built with optimisation and run.
pub(crate) fn program(package: &str, name: &str) -> Command {
    let mut command = cargo::cargo();
    command.args([
        "run",
        "--release",
        "--package",
        package,
        "--bin",
        name,
        "--",
    ]);
    command
}

/// Runs it, and ends as it does.
pub(crate) fn forward(command: &mut Command) -> Result<ExitCode> {
    Ok(cargo::exit_code(cargo::status(command)?))
}

fn names_dx(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        text == "--dx" || text.starts_with("--dx=") || text == "--help" || text == "-h"
    })
}

/// Builds `dx`, optimised or as tests are, and returns where cargo put it.
pub(crate) fn build_dx(is_optimised: bool) -> Result<PathBuf> {
    let mut command = cargo::cargo();
    command.arg("build");
    if is_optimised {
        command.arg("--release");
    }
    command.args([
        "--package",
        "dxos-cli",
        "--bin",
        "dx",
        "--message-format=json-render-diagnostics",
    ]);
    cargo::announce(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo build`")?;
    let mut dx = None;
    if let Some(stream) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stream)) {
            let message = message.context("cannot read what `cargo build` writes")?;
            if let Message::CompilerArtifact(artifact) = message
                && artifact.target.name == "dx"
            {
                dx = artifact.executable.or(dx);
            }
        }
    }
    let status = child.wait().context("cannot wait for `cargo build`")?;
    match dx {
        Some(path) if status.success() => Ok(path.into_std_path_buf()),
        _ => bail!("`dx` does not compile: see above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dx_that_was_named_is_not_built() {
        let named = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            names_dx(&arguments)
        };
        assert!(named(&["--peers", "2", "--dx", "/usr/bin/dx"]));
        assert!(named(&["--dx=/usr/bin/dx"]));
        assert!(!named(&["--peers", "2"]));
    }
}
