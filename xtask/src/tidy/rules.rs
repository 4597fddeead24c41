//! The rules: each takes one file and returns what is wrong in it.

use std::path::{Component, Path};

use crate::floors;

use super::source::{code_only, is_word, lines_before_tests};

const LINES_MAX: usize = 800;
const LINES_WARN: usize = 500;

/// Whether a finding fails the task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Severity {
    /// It does.
    Error,
    /// It does only with `--strict`.
    Warning,
}

/// Something wrong in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    /// Counted from 1.
    pub(super) line: usize,
    /// Whether it fails the task.
    pub(super) severity: Severity,
    /// What is wrong and what to do.
    pub(super) text: String,
}

pub(super) fn error(line: usize, text: impl Into<String>) -> Finding {
    Finding {
        line,
        severity: Severity::Error,
        text: text.into(),
    }
}

/// Whether any rule looks at this file.
pub(super) fn applies(path: &Path) -> bool {
    extension(path, &["md", "rs", "toml"])
}

/// Checks one file, given its path relative to the root.
pub(super) fn check(path: &Path, bytes: &[u8]) -> Vec<Finding> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return vec![error(1, "not UTF-8: save it as UTF-8")];
    };
    let mut findings = whitespace(text);
    findings.extend(clippy_configuration(path));
    if extension(path, &["rs"]) {
        let code = code_only(text);
        findings.extend(size(path, text));
        findings.extend(unfinished(&code));
        findings.extend(select(&code));
        if !package(path).is_some_and(|package| is_edge(&package)) {
            findings.extend(clocks(&code));
        }
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn whitespace(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        if line.contains('\r') {
            findings.push(error(number, "carriage return: use Unix line ends"));
        }
        if line.contains('\t') {
            findings.push(error(number, "tab: use spaces (`\\t` in a literal)"));
        }
        if line.trim_end_matches('\r').ends_with([' ', '\t']) {
            findings.push(error(number, "trailing space"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(error(
            text.lines().count(),
            "no newline at the end of the file",
        ));
    }
    findings
}

fn size(path: &Path, text: &str) -> Option<Finding> {
    if is_test(path) {
        return None;
    }
    let lines = lines_before_tests(text);
    let advice = format!("{lines} lines besides tests: split it into files of one idea each");
    if lines > LINES_MAX {
        return Some(error(lines, format!("{advice} (at most {LINES_MAX})")));
    }
    (lines > LINES_WARN).then_some(Finding {
        line: lines,
        severity: Severity::Warning,
        text: format!("{advice} (better at most {LINES_WARN})"),
    })
}

fn unfinished(code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["todo!", "unimplemented!"] {
        for line in occurrences(code, name) {
            findings.push(error(line, format!("`{name}`: finish it or take it out")));
        }
    }
    for (start, found) in code.match_indices("#[ignore") {
        let after = code.get(start + found.len()..).unwrap_or_default();
        if !after.starts_with(is_word) {
            let text = "`#[ignore]`: a test runs or is taken out";
            findings.push(error(line_of(code, start), text));
        }
    }
    findings
}

fn select(code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (start, found) in code.match_indices("select!") {
        if follows_word(code, start) {
            continue;
        }
        let after = code.get(start + found.len()..).unwrap_or_default();
        let body = after
            .trim_start()
            .strip_prefix(['{', '(', '['])
            .unwrap_or_default();
        if !body.trim_start().starts_with("biased;") {
            let text = "`select!` without `biased;` first: its order is random, so a simulation \
                        does not replay";
            findings.push(error(line_of(code, start), text));
        }
    }
    findings
}

fn clocks(code: &str) -> Vec<Finding> {
    // Tokio's clock stands still in a simulation: a file that imports it reads virtual time.
    let imports = ["use tokio::time::Instant", "use tokio::time::{Instant"];
    let instant = if imports.iter().any(|import| code.contains(import)) {
        "std::time::Instant::now"
    } else {
        "Instant::now"
    };
    let mut findings = Vec::new();
    for name in [instant, "SystemTime::now"] {
        for line in occurrences(code, name) {
            let text = format!(
                "`{name}` in a package that is given the time: pass it in, or use \
                 `dxos_actors::Clock`"
            );
            findings.push(error(line, text));
        }
    }
    findings
}

/// Only a package at the edge of the process may replace the root's `clippy.toml`.
fn clippy_configuration(path: &Path) -> Option<Finding> {
    let own = path.file_name().is_some_and(|name| name == "clippy.toml");
    let package = package(path)?;
    (own && !is_edge(&package)).then(|| {
        error(
            1,
            format!(
                "{package} is no edge of the process: it is held by the root's clippy.toml; \
                 remove this one"
            ),
        )
    })
}

fn is_edge(package: &str) -> bool {
    floors::FLOORS
        .iter()
        .any(|row| row.package == package && row.edge)
}

/// The package that a path belongs to; `None` for files of the root.
fn package(path: &Path) -> Option<String> {
    let mut parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    match (parts.next()?, parts.next()) {
        ("crates", Some(name)) | (name @ ("benches" | "tests"), Some(_)) => {
            Some(format!("dxos-{name}"))
        }
        ("xtask", Some(_)) => Some("xtask".to_owned()),
        _ => None,
    }
}

fn is_test(path: &Path) -> bool {
    let by_name = path
        .file_name()
        .is_some_and(|name| name == "tests.rs" || name == "proptests.rs");
    by_name || path.components().any(|part| part.as_os_str() == "tests")
}

fn extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| extensions.contains(&extension))
}

/// The lines on which `name` stands as a word of its own.
fn occurrences<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name).filter_map(move |(start, found)| {
        let after = code.get(start + found.len()..).unwrap_or_default();
        let whole = !follows_word(code, start) && !after.starts_with(is_word);
        whole.then(|| line_of(code, start))
    })
}

fn follows_word(code: &str, start: usize) -> bool {
    code.get(..start)
        .is_some_and(|before| before.ends_with(is_word))
}

fn line_of(code: &str, start: usize) -> usize {
    1 + code
        .get(..start)
        .map_or(0, |before| before.matches('\n').count())
}
