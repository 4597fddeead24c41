//! The examples of the crates, built as tests are and run one after the other.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cargo_metadata::{Message, Metadata};

use crate::{
    cargo,
    counts::Counts,
    test::{Options, Outcome},
};

/// How long an example may take.
const TIME_MAX: Duration = Duration::from_secs(60);
/// How often a running example is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How many of its last lines are shown when it fails.
const LINES_SHOWN: usize = 40;

/// An example target under `crates/*/examples`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Example {
    package: String,
    name: String,
}

/// Builds the examples that were asked for, runs each and counts.
pub(crate) fn run(metadata: &Metadata, options: &Options) -> Result<Outcome> {
    let (examples, features) = wanted(metadata, options);
    if examples.is_empty() {
        return Ok(Outcome::Counted(Counts::default()));
    }
    let Some(programs) = build(metadata, options, &features)? else {
        return Ok(Outcome::Incomplete(
            "the examples do not compile".to_owned(),
        ));
    };
    let logs = PathBuf::from(metadata.target_directory.as_std_path()).join("xtask/examples");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let mut counts = Counts::default();
    for example in &examples {
        let title = format!("{}::{}", example.package, example.name);
        let Some(program) = programs.get(example) else {
            println!("example {title} ... FAILED: cargo did not build it");
            counts.failed += 1;
            continue;
        };
        let log = logs.join(format!("{}-{}.log", example.package, example.name));
        let start = Instant::now();
        let failure = run_one(program, &log)?;
        let time = cargo::time(start.elapsed());
        if let Some(failure) = failure {
            println!("example {title} ... FAILED: {failure} ({time})");
            show_end(&log);
            counts.failed += 1;
        } else {
            println!("example {title} ... ok ({time})");
            counts.passed += 1;
        }
    }
    Ok(Outcome::Counted(counts))
}

/// Returns the examples asked for and the features that they require.
fn wanted(metadata: &Metadata, options: &Options) -> (Vec<Example>, Vec<String>) {
    let crates = metadata.workspace_root.join("crates");
    let mut examples = Vec::new();
    let mut features = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.to_string();
        if !package.manifest_path.starts_with(&crates) || !options.has_package(&name) {
            continue;
        }
        for target in package.targets.iter().filter(|target| target.is_example()) {
            if options.has_name(&format!("{name}::{}", target.name)) {
                examples.push(Example {
                    package: name.clone(),
                    name: target.name.clone(),
                });
                let required = target.required_features.iter();
                features.extend(required.map(|feature| format!("{name}/{feature}")));
            }
        }
    }
    examples.sort();
    (examples, features)
}

/// Builds all examples at once, with the features that the tests were built with, so that
/// nothing is compiled twice. Returns the programs, or `None` when they do not compile.
fn build(
    metadata: &Metadata,
    options: &Options,
    features: &[String],
) -> Result<Option<BTreeMap<Example, PathBuf>>> {
    let mut command = cargo::cargo();
    command.args([
        "build",
        "--examples",
        "--message-format=json-render-diagnostics",
    ]);
    command.args(options.selection());
    if let Some(profile) = options.profile() {
        command.args(["--profile", profile]);
    }
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    cargo::announce(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo build`")?;
    let mut programs = BTreeMap::new();
    if let Some(stream) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stream)) {
            let message = message.context("cannot read what `cargo build` writes")?;
            let Message::CompilerArtifact(artifact) = message else {
                continue;
            };
            let package = metadata
                .packages
                .iter()
                .find(|package| package.id == artifact.package_id);
            if let (true, Some(package), Some(program)) =
                (artifact.target.is_example(), package, artifact.executable)
            {
                let example = Example {
                    package: package.name.to_string(),
                    name: artifact.target.name,
                };
                programs.insert(example, program.into_std_path_buf());
            }
        }
    }
    let status = child.wait().context("cannot wait for `cargo build`")?;
    Ok(status.success().then_some(programs))
}

/// Runs one program, its output in `log`. Returns why it failed, if it did.
fn run_one(program: &Path, log: &Path) -> Result<Option<String>> {
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let errors = output
        .try_clone()
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .current_dir(cargo::root())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    Ok(match wait(&mut command, TIME_MAX)? {
        Some(status) if status.success() => None,
        Some(status) => Some(status.to_string()),
        None => Some(format!("still running after {} s", TIME_MAX.as_secs())),
    })
}

/// Waits for the command to end; after `time_max` it is killed and `None` returned.
fn wait(command: &mut Command, time_max: Duration) -> Result<Option<ExitStatus>> {
    let name = cargo::display(command);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    loop {
        let ended = child
            .try_wait()
            .with_context(|| format!("cannot wait for `{name}`"))?;
        if ended.is_some() {
            return Ok(ended);
        }
        if start.elapsed() >= time_max {
            child
                .kill()
                .with_context(|| format!("cannot stop `{name}`"))?;
            child
                .wait()
                .with_context(|| format!("cannot wait for `{name}`"))?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn show_end(log: &Path) {
    let Ok(bytes) = fs::read(log) else {
        return;
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN)) {
        println!("    {line}");
    }
    println!("    (all of it: {})", log.display());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_stopped() {
        let mut endless = Command::new("sleep");
        endless.arg("600");
        assert_eq!(wait(&mut endless, Duration::from_millis(50)).unwrap(), None);
    }

    #[test]
    fn the_end_of_a_program_is_seen() {
        let ended = |name: &str| wait(&mut Command::new(name), TIME_MAX).unwrap().unwrap();
        assert!(ended("true").success());
        assert!(!ended("false").success());
        assert!(wait(&mut Command::new("/no/such/program"), TIME_MAX).is_err());
    }
}
