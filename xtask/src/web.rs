//! The web packages, the console and the browser tests: `crates/host/web`, with Node and npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{cargo, counts::Counts, test::Outcome};

/// The oldest Node that the packages run on.
const NODE_MIN: (u64, u64) = (20, 19);
/// How `npm run browser` ends when there is no browser and none can be installed.
const NO_BROWSER: i32 = 3;

/// The folder of the packages.
pub(crate) fn folder() -> PathBuf {
    cargo::root().join("crates/host/web")
}

/// Why the packages cannot be tested here, if they cannot.
pub(crate) fn missing() -> Option<String> {
    let version = |program| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let Some(node) = version("node") else {
        return Some("skipped: there is no Node on this machine".to_owned());
    };
    if version("npm").is_none() {
        return Some("skipped: there is no npm on this machine".to_owned());
    }
    let (major, minor) = NODE_MIN;
    (!is_new_enough(&node)).then(|| {
        format!("skipped: Node {node} is older than {major}.{minor}, which the packages need")
    })
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= NODE_MIN,
        _ => false,
    }
}

/// `npm` in the folder of the packages.
pub(crate) fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder());
    command
}

/// Installs what the packages need and no others, checks types and the console's bundle, and runs
/// their tests, with real hosts of `program`.
pub(crate) fn packages(target: &Path, program: &Path) -> Result<Outcome> {
    let steps: [(&[&str], &str); 3] = [
        (&["ci"], "`npm ci` failed"),
        (&["run", "typecheck"], "the types do not agree"),
        (
            &["run", "check-bundle", "-w", "console"],
            "the console's bundle is not what its source builds: npm run build -w console",
        ),
    ];
    for (arguments, failure) in steps {
        // Its output is for people: on the standard error, like that of other builds.
        if !cargo::status(npm(arguments).stdout(Stdio::from(std::io::stderr())))?.success() {
            return Ok(Outcome::Incomplete(failure.to_owned()));
        }
    }
    vitest(&["--root", "."], target, program)
}

/// Runs the tests that drive browsers, with real hosts of `program`.
pub(crate) fn browsers(target: &Path, program: &Path) -> Result<Outcome> {
    let mut browser = npm(&["run", "--silent", "browser", "-w", "e2e"]);
    let status = cargo::status(browser.stdout(Stdio::from(std::io::stderr())))?;
    if status.code() == Some(NO_BROWSER) {
        let reason = "skipped: there is no browser on this machine, and none can be installed";
        return Ok(Outcome::Skipped(reason.to_owned()));
    }
    if !status.success() {
        let reason = "it could not be found out whether there is a browser";
        return Ok(Outcome::Incomplete(reason.to_owned()));
    }
    vitest(&["--root", "e2e"], target, program)
}

/// Runs vitest and reads what it reports.
fn vitest(arguments: &[&str], target: &Path, program: &Path) -> Result<Outcome> {
    let reports = target.join("xtask");
    fs::create_dir_all(&reports).with_context(|| format!("cannot create {}", reports.display()))?;
    let report = reports.join("vitest.json");
    // That of an earlier run must not count for this one.
    drop(fs::remove_file(&report));
    let mut command = npm(&["exec", "--no", "--", "vitest", "run"]);
    command
        .args(arguments)
        .args(["--reporter=default", "--reporter=json", "--outputFile"])
        .arg(&report)
        .env("DX_BIN", program);
    let status = cargo::status(&mut command)?;
    let counts = fs::read_to_string(&report)
        .ok()
        .and_then(|text| counts(&text, status.success()));
    Ok(counts.map_or_else(
        || Outcome::Incomplete("vitest stopped before every test had a result".to_owned()),
        Outcome::Counted,
    ))
}

/// The counts of a report, if they are complete: a file that could not be loaded has no tests, and
/// one that was given up after a failure has some that did not run.
fn counts(report: &str, success: bool) -> Option<Counts> {
    let report: Value = serde_json::from_str(report).ok()?;
    let number = |name: &str| report.get(name)?.as_u64();
    let counts = Counts {
        passed: number("numPassedTests")?,
        failed: number("numFailedTests")?,
    };
    (success == (counts.failed == 0)).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_the_packages_do_not_run_on_is_told_apart() {
        for (version, enough) in [
            ("v20.19.0", true),
            ("v20.20.2", true),
            ("v26.0.0", true),
            ("v20.18.9", false),
            ("v18.20.0", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }

    #[test]
    fn a_report_counts_when_it_agrees_with_how_the_run_ended() {
        let report = r#"{"numPassedTests":7,"numFailedTests":0,"numTotalTests":7}"#;
        let counted = Counts {
            passed: 7,
            failed: 0,
        };
        assert_eq!(counts(report, true), Some(counted));
        // No test failed, and yet the run did: a file could not be loaded.
        assert_eq!(counts(report, false), None);
        assert_eq!(counts("", true), None);
    }
}
