//! `cargo xtask test`: every test, every doc test, every example.

use std::{
    env,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cargo_metadata::Metadata;

use crate::{
    cargo,
    counts::{Counts, Libtest, Nextest},
    examples, web,
};

/// The name by which the packages of the web are asked for, besides those of cargo.
const WEB: &str = "web";
/// What proptest reads the seed from.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Run every test, doc test and example.
///
/// Tests run with cargo-nextest when it is installed and with `cargo test` otherwise. Every
/// example under crates/*/examples is a small program that ends by itself within 60 seconds.
/// The web packages are tested with Node, and the console in a browser; both are left out, and
/// the summary says so, where there is no Node or no browser. `-p web` runs only those.
/// Property tests draw the same cases whenever a commit is tested, and others for each commit.
/// Fails when anything failed or could not be counted.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Run only what has one of these texts in its name
    filters: Vec<String>,

    /// Test only these packages
    #[arg(short, long, value_name = "NAME")]
    package: Vec<String>,

    /// Build with this cargo profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Use `cargo test` even when cargo-nextest is installed
    #[arg(long)]
    no_nextest: bool,

    /// Draw the cases of property tests from this number [default: the commit's]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl Options {
    /// The packages to build: `--workspace`, or those that were asked for.
    pub(crate) fn selection(&self) -> Vec<String> {
        if self.package.is_empty() {
            return vec!["--workspace".to_owned()];
        }
        let named = |name: &String| ["--package".to_owned(), name.clone()];
        let packages = self.package.iter().filter(|name| *name != WEB);
        packages.flat_map(named).collect()
    }

    /// Whether nothing of cargo was asked for.
    fn is_web_only(&self) -> bool {
        !self.package.is_empty() && self.selection().is_empty()
    }

    /// Where the build puts `dx`.
    fn program(&self, target: &Path) -> PathBuf {
        let folder = match self.profile() {
            None | Some("dev" | "test") => "debug",
            Some("bench") => "release",
            Some(profile) => profile,
        };
        target
            .join(folder)
            .join(format!("dx{}", env::consts::EXE_SUFFIX))
    }

    /// Whether the package was asked for.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.package.is_empty() || self.package.iter().any(|package| package == name)
    }

    /// Whether a test of this name was asked for.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }

    /// The cargo profile to build with, if not the usual one.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
}

/// How a part of the run ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Every test of it is counted.
    Counted(Counts),
    /// It did not run to its end, for this reason: nothing is known of the tests in it.
    Incomplete(String),
    /// It was left out, for this reason: this machine lacks what it needs.
    Skipped(String),
}

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let metadata = cargo::metadata()?;
    let nextest = (!options.no_nextest)
        .then(|| cargo::subcommand_version("nextest"))
        .flatten();
    match (&nextest, options.no_nextest) {
        (Some(version), _) => eprintln!("tests run with {version}"),
        (None, true) => eprintln!("tests run with `cargo test`"),
        (None, false) => eprintln!("cargo-nextest is not installed: tests run with `cargo test`"),
    }
    let with_web = options.has_package(WEB) && options.has_name(WEB);
    if options.has_package("dxos-tests") || with_web {
        build_program(options)?;
    }
    let mut report = Report::default();
    if !options.is_web_only() {
        report.part("tests", || match nextest {
            Some(_) => with_nextest(options),
            None => with_cargo(options),
        })?;
        // A crate that does not compile fails every part in the same way: once is enough.
        if !report.is_incomplete() && has_library(&metadata, options) {
            report.part("doc tests", || doc_tests(options))?;
        }
        if !report.is_incomplete() {
            report.part("examples", || examples::run(&metadata, options))?;
        }
    }
    if with_web {
        with_node(
            &mut report,
            metadata.target_directory.as_std_path(),
            options,
        )?;
    }
    Ok(report.print(options))
}

/// The packages of the web, and the console in a browser.
fn with_node(report: &mut Report, target: &Path, options: &Options) -> Result<()> {
    let program = options.program(target);
    let missing = web::missing();
    report.part("web", || match &missing {
        Some(reason) => Ok(Outcome::Skipped(reason.clone())),
        None => web::packages(target, &program),
    })?;
    // What is not installed, or does not fit together, runs in no browser either.
    if missing.is_none() && !report.is_incomplete() {
        report.part("browsers", || web::browsers(target, &program))?;
    }
    Ok(())
}

/// Builds the program that tests of whole processes run: else the first of them builds it, while
/// the others wait for it and run out of time.
fn build_program(options: &Options) -> Result<()> {
    let mut command = cargo::cargo();
    command.args(["build", "--package", "dxos-cli", "--bin", "dx"]);
    if let Some(profile) = &options.profile {
        command.args(["--profile", profile]);
    }
    cargo::announce(&command);
    let status = command.status().context("cannot start `cargo build`")?;
    anyhow::ensure!(status.success(), "`dx` could not be built");
    Ok(())
}

fn with_nextest(options: &Options) -> Result<Outcome> {
    let mut command = drawing(options);
    command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"]);
    command.args(options.selection());
    if let Some(profile) = &options.profile {
        command.args(["--cargo-profile", profile]);
    }
    if std::io::stderr().is_terminal() {
        command.args(["--color", "always"]);
    }
    command.args(&options.filters);
    cargo::announce(&command);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start `cargo nextest`")?;
    let mut summary = Nextest::default();
    if let Some(stream) = child.stderr.take() {
        cargo::lines(stream, |line| {
            eprintln!("{line}");
            summary.line(line);
        })?;
    }
    let status = child.wait().context("cannot wait for `cargo nextest`")?;
    Ok(outcome(summary.finish(status.success()), "cargo nextest"))
}

/// Cargo, with the seed of property tests.
fn drawing(options: &Options) -> Command {
    let mut command = cargo::cargo();
    let is_given = env::var_os(SEED).is_some();
    let seed = options.seed.or_else(|| (!is_given).then(commit_seed)?);
    if let Some(seed) = seed {
        eprintln!("property tests draw from seed {seed}");
        command.env(SEED, seed.to_string());
    }
    command
}

/// The seed that stands for the commit; `None` where there is no repository.
fn commit_seed() -> Option<u64> {
    let mut git = Command::new("git");
    let git = git.current_dir(cargo::root()).args(["rev-parse", "HEAD"]);
    let output = git.stderr(Stdio::null()).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    u64::from_str_radix(commit.get(..8)?, 16).ok()
}

fn with_cargo(options: &Options) -> Result<Outcome> {
    let mut command = drawing(options);
    command.args(["test", "--no-fail-fast", "--tests"]);
    libtest(&mut command, options)
}

fn doc_tests(options: &Options) -> Result<Outcome> {
    let mut command = cargo::cargo();
    command.args(["test", "--no-fail-fast", "--doc"]);
    libtest(&mut command, options)
}

fn libtest(command: &mut Command, options: &Options) -> Result<Outcome> {
    command.args(options.selection());
    if let Some(profile) = &options.profile {
        command.args(["--profile", profile]);
    }
    command.arg("--").args(&options.filters);
    cargo::announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo test`")?;
    let mut results = Libtest::default();
    if let Some(stream) = child.stdout.take() {
        cargo::lines(stream, |line| {
            println!("{line}");
            results.line(line);
        })?;
    }
    let status = child.wait().context("cannot wait for `cargo test`")?;
    Ok(outcome(results.finish(status.success()), "cargo test"))
}

fn outcome(counts: Option<Counts>, runner: &str) -> Outcome {
    counts.map_or_else(
        || Outcome::Incomplete(format!("{runner} stopped before every test had a result")),
        Outcome::Counted,
    )
}

/// `cargo test --doc` refuses a selection without any library.
fn has_library(metadata: &Metadata, options: &Options) -> bool {
    metadata.workspace_packages().iter().any(|package| {
        options.has_package(package.name.as_str())
            && package.targets.iter().any(cargo_metadata::Target::is_lib)
    })
}

#[derive(Debug, Default)]
struct Report {
    parts: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    fn part(&mut self, name: &'static str, run: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        let start = Instant::now();
        let outcome = run()?;
        self.parts.push((name, outcome, start.elapsed()));
        Ok(())
    }

    fn is_incomplete(&self) -> bool {
        let mut outcomes = self.parts.iter().map(|(_, outcome, _)| outcome);
        outcomes.any(|outcome| matches!(outcome, Outcome::Incomplete(_)))
    }

    fn print(&self, options: &Options) -> ExitCode {
        let mut total = Counts::default();
        println!();
        for (name, outcome, time) in &self.parts {
            let time = cargo::time(*time);
            match outcome {
                Outcome::Counted(counts) => {
                    total += *counts;
                    println!(
                        "{name:<10} {:>5} passed {:>5} failed {time:>13}",
                        counts.passed, counts.failed
                    );
                }
                Outcome::Incomplete(reason) | Outcome::Skipped(reason) => {
                    println!("{name:<10} {reason} {time:>13}");
                }
            }
        }
        if self.is_incomplete() {
            println!("not everything ran: see the first error above");
            return ExitCode::FAILURE;
        }
        if total == Counts::default() && !options.filters.is_empty() {
            println!("no test has {} in its name", options.filters.join(" or "));
            return ExitCode::FAILURE;
        }
        println!("{} passed, {} failed", total.passed, total.failed);
        if total.failed > 0 {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}
