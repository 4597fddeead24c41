//! Processes that do one piece of work with one library.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum as _};
use serde::de::DeserializeOwned;

use crate::library::Library;
use crate::work::Work;

/// How long one piece of work may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a child is told.
#[derive(Clone, Debug, Parser)]
pub struct Task {
    /// The library
    #[arg(value_enum)]
    pub library: Library,
    /// The work
    #[command(subcommand)]
    pub work: Work,
}

/// A program that does tasks: this one, or the one beside it that counts memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Measures times.
    Timing,
    /// Counts memory.
    Heap,
}

impl Program {
    fn path(self) -> Result<PathBuf> {
        let own = std::env::current_exe().context("where this program lies is not known")?;
        Ok(match self {
            Self::Timing => own,
            Self::Heap => {
                let name = format!("peers-heap{}", std::env::consts::EXE_SUFFIX);
                own.with_file_name(name)
            }
        })
    }
}

/// Has a task done, and reads what it told.
pub fn ask<T: DeserializeOwned>(program: Program, library: Library, work: &Work) -> Result<T> {
    let mut command = Command::new(program.path()?);
    if program == Program::Timing {
        command.arg("child");
    }
    let library = library
        .to_possible_value()
        .context("the library has no name")?;
    command.arg(library.get_name());
    match work {
        Work::Text { trace } => command.arg("text").arg(trace),
        Work::Objects { size } => command.arg("objects").arg(size.to_string()),
        Work::Apart { edits } => command.arg("apart").arg(edits.to_string()),
        Work::Forks => command.arg("forks"),
    };
    // An error is told in one line.
    command.env("RUST_BACKTRACE", "0");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut out = child.stdout.take().context("no standard output")?;
    let mut err = child.stderr.take().context("no standard error")?;
    let told = spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let complained = spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("did not end within {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(20));
    };
    let told = told.join().ok().context("its output was lost")??;
    let complained = complained.join().ok().context("its errors were lost")??;
    if !status.success() {
        // The last line; a panic tells its place in the first.
        let lines = complained.lines().filter(|line| !line.is_empty());
        let last = lines.clone().find(|line| line.starts_with("error: "));
        bail!("{}", last.or_else(|| lines.last()).unwrap_or("it failed"));
    }
    serde_json::from_str(&told).context("its answer cannot be read")
}
