//! The program `dx` with a profile, as a user or a script runs it.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long a command may take at most: longer is a hang.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// `dx` with a profile.
pub(super) struct Dx {
    program: PathBuf,
    pub(super) profile: PathBuf,
}

/// How a command ended.
pub(super) struct Ended {
    pub(super) success: bool,
    /// What it printed.
    pub(super) lines: Vec<Value>,
    /// What it said about what went wrong.
    pub(super) text: String,
}

impl Dx {
    pub(super) fn new(program: &Path, profile: PathBuf) -> Self {
        let program = program.to_path_buf();
        Self { program, profile }
    }

    /// Starts a command, which prints JSON.
    pub(super) fn spawn(&self, arguments: &[&str]) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command
            .args(["--json", "--listen", "127.0.0.1:0", "--profile"])
            .arg(&self.profile)
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let (sender, said) = mpsc::channel();
        if let Some(mut stderr) = child.stderr.take() {
            thread::spawn(move || {
                let mut text = Vec::new();
                // What is there when it is killed is enough.
                let _ = stderr.read_to_end(&mut text);
                let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
            });
        }
        let name = arguments.join(" ");
        Ok(Running {
            child,
            lines,
            said,
            name,
        })
    }

    /// Runs a command to its end.
    pub(super) fn end(&self, arguments: &[&str]) -> Result<Ended> {
        self.spawn(arguments)?.end()
    }

    /// Runs a command that has to succeed; what it printed.
    pub(super) fn lines(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let ended = self.end(arguments)?;
        ensure!(
            ended.success,
            "`dx {}` failed in {}: {}",
            arguments.join(" "),
            self.profile.display(),
            ended.text
        );
        Ok(ended.lines)
    }

    /// The same; the last of what it printed.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let last = self.lines(arguments)?.pop();
        last.with_context(|| format!("`dx {}` printed nothing", arguments.join(" ")))
    }
}

/// A `dx` that runs. It is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Receiver<String>,
    name: String,
}

impl Running {
    /// The next line that it prints; `None` once it has ended.
    pub(super) fn line(&self) -> Result<Option<Value>> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => serde_json::from_str(&line)
                .map(Some)
                .with_context(|| format!("`dx {}` printed no JSON: {line}", self.name)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                bail!("`dx {}` printed nothing for {DEADLINE:?}", self.name)
            }
        }
    }

    /// Waits for a line of which something holds.
    pub(super) fn line_where(&self, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let until = Instant::now() + DEADLINE;
        while let Some(line) = self.line()? {
            if holds(&line) {
                return Ok(line);
            }
            ensure!(
                Instant::now() < until,
                "`dx {}` did not come to it within {DEADLINE:?}; it printed last: {line}",
                self.name
            );
        }
        bail!("`dx {}` ended: {}", self.name, self.text())
    }

    /// Kills it as `kill -9` does; everything that it had printed.
    pub(super) fn kill(mut self) -> Result<Vec<Value>> {
        // It may have ended by itself.
        drop(self.child.kill());
        self.child.wait().context("cannot wait for dx")?;
        self.rest()
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Result<Ended> {
        let lines = self.rest()?;
        let status = self.child.wait().context("cannot wait for dx")?;
        Ok(Ended {
            success: status.success(),
            lines,
            text: self.text(),
        })
    }

    fn rest(&self) -> Result<Vec<Value>> {
        let mut lines = Vec::new();
        loop {
            match self.line() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return Ok(lines),
                Err(error) => return Err(error),
            }
        }
    }

    fn text(&self) -> String {
        let said = self.said.recv_timeout(DEADLINE);
        said.unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
